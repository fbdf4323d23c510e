"""DARTS's network of a genotype (Liu et al., ICLR 2019, ``NetworkCIFAR``), without auxiliary head and drop path.

A stem 3×3 of three times the channels; three stages of N normal cells, a reduction cell of twice the channels before
the second and the third; global average pooling; a linear layer. Every cell reads the outputs of the two before it,
each brought to its channels by ReLU, a 1×1 convolution and batch normalisation. Departure: the last output is
normalised before it is pooled, without parameters, since tasks train with up to four times DARTS's learning rate and
clip no gradient; many cells diverged without. Beyond the published network: signals, odd sizes (a stride of 2 rounds
up), a head at every position, and a causal variant; where nothing is strided, a reduction cell only widens.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surrogate_nas.space.darts.genotype import INPUTS, Genotype
from surrogate_nas.space.darts.sizes import STEM, plan
from surrogate_nas.space.network import Network
from surrogate_nas.space.network.layers import AveragePool, ConvolutionBN, answers, convolve, initialise

# The operations of DARTS's cells as PyTorch modules: ReLU, convolution, batch normalisation in this order.
#
# As in DARTS's networks for evaluation, pooling has no normalisation behind it and normalisations are affine.


def operation(name: str, channels: int, stride: int, network: Network) -> nn.Module:
    """The module of an operation.

    Args:
        name: As DARTS calls it; its last digit is the kernel's size.
        channels: In and out.
        stride: 1 or 2.
        network: The macro architecture, for dimensions and causality.
    """
    kernel = int(name[-1]) if name[-1].isdigit() else 0
    match name.partition("_")[0]:
        case "skip":
            return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels, network)
        case "sep":
            return nn.Sequential(
                Separable(channels, kernel, network, stride=stride), Separable(channels, kernel, network)
            )
        case "dil":
            return Separable(channels, kernel, network, stride=stride, dilation=2)
        case "conv":
            return Crossed(channels, kernel, network, stride=stride)
        case "avg" if network.causal:
            return AveragePool(causal=True)
    return Pooling(name.startswith("max"), kernel, stride, network)


class Separable(nn.Module):
    """ReLU, a convolution of each channel by itself, a 1×1 convolution, batch normalisation."""

    def __init__(self, channels: int, kernel: int, network: Network, *, stride: int = 1, dilation: int = 1) -> None:
        """Build the layer.

        Args:
            channels: In and out.
            kernel: Odd; one-dimensional for signals.
            network: The macro architecture, for dimensions and causality.
            stride: 1 or 2.
            dilation: How far apart neighbouring weights of the kernel look.
        """
        super().__init__()
        self.depthwise = nn.Parameter(torch.empty(channels, 1, kernel if network.dimensions == 2 else 1, kernel))
        self.pointwise = nn.Parameter(torch.empty(channels, channels, 1, 1))
        self.norm = nn.BatchNorm2d(channels)
        self.channels, self.stride, self.dilation, self.causal = channels, stride, dilation, network.causal

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        x = convolve(
            F.relu(x), self.depthwise, stride=self.stride, groups=self.channels, dilation=self.dilation,
            causal=self.causal,
        )  # fmt: skip
        normed: Tensor = self.norm(convolve(x, self.pointwise))
        return normed


class Crossed(nn.Module):
    """ReLU, a convolution along the rows, one along the columns, batch normalisation; of signals only the first."""

    def __init__(self, channels: int, kernel: int, network: Network, *, stride: int) -> None:
        """Build the layer.

        Args:
            channels: In and out.
            kernel: Its length, odd.
            network: The macro architecture, for dimensions and causality.
            stride: 1 or 2.
        """
        super().__init__()
        self.along = nn.Parameter(torch.empty(channels, channels, 1, kernel))
        self.across = nn.Parameter(torch.empty(channels, channels, kernel, 1)) if network.dimensions == 2 else None
        self.norm = nn.BatchNorm2d(channels)
        self.stride, self.causal = stride, network.causal

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        x = convolve(F.relu(x), self.along, stride=(1, self.stride), causal=self.causal)
        if self.across is not None:
            x = convolve(x, self.across, stride=(self.stride, 1))
        normed: Tensor = self.norm(x)
        return normed


class FactorizedReduce(nn.Module):
    """ReLU, two 1×1 convolutions of stride 2, the second one position further, joined; batch normalisation.

    Beyond an odd size the second one reads zeros.
    """

    def __init__(self, inputs: int, outputs: int, network: Network) -> None:
        """Build the layer."""
        super().__init__()
        self.even, self.odd = (nn.Parameter(torch.empty(outputs // 2, inputs, 1, 1)) for _ in range(2))
        self.norm = nn.BatchNorm2d(outputs)
        self.rows = int(network.dimensions == 2)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        x = F.relu(x)
        further = F.pad(x[:, :, self.rows :, 1:], (0, 1, 0, self.rows))
        halves = [convolve(part, weight, stride=2) for part, weight in ((x, self.even), (further, self.odd))]
        normed: Tensor = self.norm(torch.cat(halves, dim=1))
        return normed


class Pooling(nn.Module):
    """The largest of a window, or its mean without the padding; a causal window ends at its position."""

    def __init__(self, largest: bool, kernel: int, stride: int, network: Network) -> None:
        """Choose the window.

        Args:
            largest: Whether the largest is taken, not the mean, which is then not causal.
            kernel: The window's length, odd.
            stride: 1 or 2.
            network: The macro architecture, for dimensions and causality.
        """
        super().__init__()
        self.largest, self.causal = largest, network.causal
        flat = network.dimensions == 1
        self.window, self.stride = (1 if flat else kernel, kernel), (1 if flat else stride, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Pool.

        Args:
            x: Shape ``(batch, channels, height, width)``; height 1 for signals.
        """
        rows, columns = self.window
        if not self.largest:
            return F.avg_pool2d(x, self.window, self.stride, (rows // 2, columns // 2), count_include_pad=False)
        if self.causal:
            return F.max_pool2d(F.pad(x, (columns - 1, 0), value=-torch.inf), self.window, 1)
        return F.max_pool2d(x, self.window, self.stride, (rows // 2, columns // 2))


class GenotypeCell(nn.Module):
    """One cell: every node the sum of two operations, the output the channels of the joined nodes."""

    def __init__(
        self, genotype: Genotype, which: int, inputs: tuple[int, int], channels: int, network: Network, *,
        after_reduction: bool,
    ) -> None:  # fmt: skip
        """Build the operation of every edge.

        Args:
            genotype: Both cells.
            which: 0 for the normal cell; 1 for the reduction cell, where operations on the inputs are strided.
            inputs: Channels of the outputs of the cell before the last and of the last.
            channels: Of every node.
            network: The macro architecture.
            after_reduction: Whether the last cell was a reduction, so that the input before it is larger.
        """
        super().__init__()
        edges, self.concat = genotype.part(which)
        self.sources = [source for _, source in edges]
        halves = after_reduction and network.strided
        self.earlier = (
            FactorizedReduce(inputs[0], channels, network) if halves else ConvolutionBN(inputs[0], channels, 1, network)
        )
        self.last = ConvolutionBN(inputs[1], channels, 1, network)
        strides = (2 if which and source < INPUTS and network.strided else 1 for source in self.sources)
        self.edges = nn.ModuleList(
            operation(name, channels, stride, network) for (name, _), stride in zip(edges, strides, strict=True)
        )

    def forward(self, earlier: Tensor, last: Tensor) -> Tensor:
        """Compute the output."""
        nodes = [self.earlier(earlier), self.last(last)]
        for edge in range(0, len(self.sources), 2):
            first, second = (self.edges[e](nodes[self.sources[e]]) for e in (edge, edge + 1))
            nodes.append(first + second)
        return torch.cat([nodes[node] for node in self.concat], dim=1)


class GenotypeNetwork(nn.Module):
    """The whole network of a genotype.

    Example:
        >>> from surrogate_nas.space import space_named
        >>> space = space_named("darts")
        >>> network = space.build(space.parse("DARTS_V2"), Network(channels=36, cells_per_stage=6), seed=0)
        >>> sum(p.numel() for p in network.parameters())
        3349342
    """

    def __init__(self, genotype: Genotype, network: Network, *, seed: int) -> None:
        """Build and initialise the network.

        Args:
            genotype: Both cells.
            network: The macro architecture; `Network.residual` is without meaning, since a reduction cell joins stages.
            seed: The root of the initial weights.
        """
        super().__init__()
        self.genotype, self.network = genotype, network
        earlier = last = STEM * network.channels
        self.stem = ConvolutionBN(network.input_channels, last, 3, network, relu=False)
        self.cells = nn.ModuleList()
        after_reduction = False
        for which, width, _, _ in plan(network):
            cell = GenotypeCell(genotype, which, (earlier, last), width, network, after_reduction=after_reduction)
            self.cells.append(cell)
            earlier, last, after_reduction = last, len(cell.concat) * width, which == 1
        self.normed = nn.BatchNorm2d(last, affine=False)
        self.head = nn.Linear(last, network.classes)
        initialise(self, seed)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the answers, shape ``(batch, classes)``, or with positions behind (see `answers`).

        Args:
            x: Shape ``(batch, input channels, height, width)``; height 1 for signals.
        """
        earlier = last = self.stem(x)
        for cell in self.cells:
            earlier, last = last, cell(earlier, last)
        return answers(self.normed(last), self.head, self.network)
