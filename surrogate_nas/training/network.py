"""The NAS-Bench-201 network around one cell, as published (Dong & Yang, ICLR 2020).

Stem 3×3 + BN; three stages of N cells at C, 2C and 4C channels; a residual block of stride 2 between stages; BN and
ReLU before global average pooling; a linear layer. Dead operations are built, as in the original, unless
``live_only``. Beyond the original: signals (height 1, kernels of length 3), odd sizes (a stride of 2 rounds up), and a
causal variant for language modelling, padded on the left only, which replaces every stride of 2 by 1, drops the
shortcut's pooling and answers at every position. Its batch statistics, while training, are still over all positions.

Weights start as PyTorch's own layers do, but each tensor from a stream of its own, named by seed and tensor: a cell's
live operations start alike whether or not its dead ones are built.
"""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surrogate_nas.metrics import Network
from surrogate_nas.space import Cell
from surrogate_nas.space.encodings import CONV1, CONV3, NONE, POOL, SKIP, edge_live
from surrogate_nas.space.nb201 import EDGES
from surrogate_nas.training.pooling import AveragePool, HalvingPool

_NODES = 4


def convolve(x: Tensor, weight: Tensor, *, stride: int = 1, groups: int = 1, causal: bool = False) -> Tensor:
    """Convolve with padding that keeps the size at stride 1 and rounds it up at stride 2.

    Args:
        x: Shape ``(batch, channels, height, width)``; height 1 for signals.
        weight: Shape ``(out, channels / groups, rows, columns)``.
        stride: 1 or 2; along an axis of one row it is 1.
        groups: Independent groups of channels.
        causal: Whether to pad on the left only.
    """
    rows, columns = weight.shape[2:]
    if causal:
        return F.conv2d(F.pad(x, (columns - 1, 0)), weight, groups=groups)
    steps = (stride if rows > 1 or x.shape[2] > 1 else 1, stride)
    return F.conv2d(x, weight, stride=steps, padding=(rows // 2, columns // 2), groups=groups)


class ConvolutionBN(nn.Module):
    """[ReLU,] convolution without bias, batch normalisation: every trained layer but the last two."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, network: Network, *, relu: bool = True, stride: int = 1
    ) -> None:
        """Build the layer.

        Args:
            inputs: Channels in.
            outputs: Channels out.
            kernel: 1 or 3; one-dimensional for signals.
            network: The macro architecture, for dimensions and causality.
            relu: Whether the input passes a ReLU first.
            stride: 1 or 2.
        """
        super().__init__()
        rows = kernel if network.dimensions == 2 else 1
        self.weight = nn.Parameter(torch.empty(outputs, inputs, rows, kernel))
        self.norm = nn.BatchNorm2d(outputs)
        self.relu, self.stride, self.causal = relu, stride, network.causal

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer.

        Args:
            x: Shape ``(batch, inputs, height, width)``.
        """
        if self.relu:
            x = F.relu(x)
        normed: Tensor = self.norm(convolve(x, self.weight, stride=self.stride, causal=self.causal))
        return normed


class Zero(nn.Module):
    """The operation ``none``."""

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros.

        Args:
            x: Any shape.
        """
        return torch.zeros_like(x)


class CellModule(nn.Module):
    """One cell: four nodes, each the sum of operations on those before it."""

    def __init__(self, operations: tuple[int, ...], channels: int, network: Network) -> None:
        """Build the operation of every edge.

        Args:
            operations: The operation of each edge, in the order of the cell's string.
            channels: Channels in and out.
            network: The macro architecture.
        """
        super().__init__()
        self.operations = operations
        self.edges = nn.ModuleList(_operation(operation, channels, network) for operation in operations)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the last node.

        Args:
            x: Shape ``(batch, channels, height, width)``.
        """
        nodes = [x]
        for target in range(1, _NODES):
            terms = [self.edges[e](nodes[s]) for e, (s, t) in enumerate(EDGES) if t == target]
            total = terms[0]
            for term in terms[1:]:
                total = total + term
            nodes.append(total)
        return nodes[-1]


def _operation(operation: int, channels: int, network: Network) -> nn.Module:
    if operation in (CONV1, CONV3):
        return ConvolutionBN(channels, channels, 3 if operation == CONV3 else 1, network)
    return {NONE: Zero(), SKIP: nn.Identity(), POOL: AveragePool(network.causal)}[operation]


class Reduction(nn.Module):
    """The residual block between stages, doubling the channels and halving the size (ResNetBasicblock).

    Where `Network.residual` is false, only its shortcut.
    """

    def __init__(self, channels: int, network: Network) -> None:
        """Build the block.

        Args:
            channels: Channels out, twice those in.
            network: The macro architecture; a causal one keeps the size.
        """
        super().__init__()
        stride = 1 if network.causal else 2
        self.residual = network.residual
        if self.residual:
            self.first = ConvolutionBN(channels // 2, channels, 3, network, stride=stride)
            self.second = ConvolutionBN(channels, channels, 3, network)
        self.pool = nn.Identity() if network.causal else HalvingPool()
        self.shortcut = nn.Parameter(torch.empty(channels, channels // 2, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block.

        Args:
            x: Shape ``(batch, channels / 2, height, width)``.
        """
        shortcut = convolve(self.pool(x), self.shortcut)
        return shortcut + self.second(self.first(x)) if self.residual else shortcut


class CellNetwork(nn.Module):
    """The whole network; `stages` holds cells, `reductions` what is between stages.

    Example:
        >>> from surrogate_nas.space import nb201
        >>> network = CellNetwork(nb201()[0], Network(), seed=0)
        >>> sum(p.numel() for p in network.parameters())
        129306
    """

    def __init__(self, cell: Cell, network: Network, *, seed: int, live_only: bool = False) -> None:
        """Build and initialise the network.

        Args:
            cell: The cell, from NAS-Bench-201's space.
            network: The macro architecture.
            seed: The root of the initial weights.
            live_only: Whether to leave out operations that the output does not depend on.
        """
        super().__init__()
        self.cell, self.network = cell, network
        operations = live_operations(cell) if live_only else cell.choices
        c = network.channels
        self.stem = ConvolutionBN(network.input_channels, c, 3, network, relu=False)
        self.stages = nn.ModuleList(
            nn.ModuleList(CellModule(operations, width, network) for _ in range(network.cells_per_stage))
            for width, _ in network.stages
        )
        self.reductions = nn.ModuleList(Reduction(width, network) for width in (2 * c, 4 * c))
        self.last = nn.BatchNorm2d(4 * c)
        self.head = nn.Linear(4 * c, network.classes)
        initialise(self, seed)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the answers, shape ``(batch, classes)``, or ``(batch, classes, length)`` where causal.

        Args:
            x: Shape ``(batch, input channels, height, width)``; height 1 for signals.
        """
        x = self.stem(x)
        for i, stage in enumerate(self.stages):
            if i:
                x = self.reductions[i - 1](x)
            for cell in stage:  # type: ignore[attr-defined]
                x = cell(x)
        return answers(F.relu(self.last(x)), self.head, causal=self.network.causal)


def answers(x: Tensor, head: nn.Linear, *, causal: bool) -> Tensor:
    """Pool features and answer, or answer at every position where causal.

    Args:
        x: Shape ``(batch, channels, height, width)``.
        head: The linear layer.
        causal: Whether every position answers for itself.
    """
    answered: Tensor = head(x.squeeze(2).transpose(1, 2)).transpose(1, 2) if causal else head(x.mean((2, 3)))
    return answered


def live_operations(cell: Cell) -> tuple[int, ...]:
    """The cell's operations with ``none`` wherever the output does not depend on the edge.

    Args:
        cell: The cell.
    """
    live = edge_live(np.array([cell.choices], dtype=np.int8))[0]
    return tuple(choice if alive else NONE for choice, alive in zip(cell.choices, live, strict=True))


@torch.no_grad()
def initialise(network: nn.Module, seed: int) -> None:
    """Draw the initial weights: uniform within one over the root of the fan-in, as PyTorch's layers do.

    Args:
        network: Normalisations keep scale 1 and shift 0.
        seed: The root; with a tensor's name it gives that tensor's stream.
    """
    norms = {name for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)}
    fan_in = 1
    for name, parameter in network.named_parameters():
        if name.rpartition(".")[0] in norms:
            continue
        if parameter.dim() > 1:
            fan_in = parameter[0].numel()
        generator = torch.Generator().manual_seed(zlib.crc32(f"{seed}/{name}".encode()))
        parameter.uniform_(-1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in), generator=generator)
