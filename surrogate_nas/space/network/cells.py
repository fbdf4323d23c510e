"""A network of cells, as NAS-Bench-201 published it (Dong & Yang, ICLR 2020).

Stem 3×3 + BN; three stages of N cells at C, 2C and 4C channels; a residual block of stride 2
between stages; BN and ReLU before global average pooling; a linear layer. Where nothing is strided,
the blocks' shortcuts have no pooling.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surrogate_nas.space.network import CONV1, CONV3, NONE, POOL, SKIP, Graph, Network
from surrogate_nas.space.network.layers import (
    AveragePool,
    ConvolutionBN,
    HalvingPool,
    Zero,
    answers,
    convolve,
    initialise,
)


class CellModule(nn.Module):
    """One cell: every node the sum of operations on those before it."""

    def __init__(self, graph: Graph, channels: int, network: Network) -> None:
        """Build the operation of every edge."""
        super().__init__()
        self.graph = graph
        self.edges = nn.ModuleList(
            _operation(operation, channels, network) for operation in graph.operations
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute the last node."""
        nodes = [x]
        for target in range(1, self.graph.nodes):
            terms = [
                self.edges[e](nodes[s]) for e, (s, t) in enumerate(self.graph.edges) if t == target
            ]
            total = terms[0]
            for term in terms[1:]:
                total = total + term
            nodes.append(total)
        return nodes[-1]


def _operation(operation: int, channels: int, network: Network) -> nn.Module:
    if operation in (CONV1, CONV3):
        kernel = 3 if operation == CONV3 else 1
        return ConvolutionBN(channels, channels, kernel, network)
    return {NONE: Zero(), SKIP: nn.Identity(), POOL: AveragePool(network.causal)}[operation]


class Reduction(nn.Module):
    """The residual block between stages, which halves the size (ResNetBasicblock).

    Where `Network.residual` is false, only its shortcut.
    """

    def __init__(self, channels: int, network: Network) -> None:
        """Build the block, with twice the channels of its input; a network may keep the size."""
        super().__init__()
        inputs = channels // 2
        stride = 2 if network.strided else 1
        self.residual = network.residual
        if self.residual:
            self.first = ConvolutionBN(inputs, channels, 3, network, stride=stride)
            self.second = ConvolutionBN(channels, channels, 3, network)
        self.pool = HalvingPool() if network.strided else nn.Identity()
        self.shortcut = nn.Parameter(torch.empty(channels, inputs, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        shortcut = convolve(self.pool(x), self.shortcut)
        return shortcut + self.second(self.first(x)) if self.residual else shortcut


class CellNetwork(nn.Module):
    """The whole network; `stages` holds cells, `reductions` what is between stages.

    Example:
        >>> network = CellNetwork(Graph(((0, 1),), (CONV3,)), Network(), seed=0)
        >>> sum(p.numel() for p in network.parameters())
        316346
    """

    def __init__(self, graph: Graph, network: Network, *, seed: int) -> None:
        """Build and initialise the network."""
        super().__init__()
        self.graph = graph
        self.network = network
        c = network.channels
        self.stem = ConvolutionBN(network.input_channels, c, 3, network, relu=False)
        self.stages = nn.ModuleList(
            nn.ModuleList(CellModule(graph, width, network) for _ in range(network.cells_per_stage))
            for width, _ in network.stages
        )
        self.reductions = nn.ModuleList(Reduction(width, network) for width in (2 * c, 4 * c))
        self.last = nn.BatchNorm2d(4 * c)
        self.head = nn.Linear(4 * c, network.classes)
        initialise(self, seed)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the outputs, ``(batch, classes)``, or with positions behind (see `answers`)."""
        x = self.stem(x)
        for i, stage in enumerate(self.stages):
            if i:
                x = self.reductions[i - 1](x)
            for cell in stage:  # type: ignore[attr-defined]
                x = cell(x)
        return answers(F.relu(self.last(x)), self.head, self.network)
