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
from torch import Tensor, nn

from surrogate_nas.space.darts.genotype import INPUTS, Genotype
from surrogate_nas.space.darts.operations import FactorizedReduce, operation
from surrogate_nas.space.darts.sizes import STEM, plan
from surrogate_nas.space.network import Network
from surrogate_nas.space.network.layers import ConvolutionBN, answers, initialise


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
        """Compute the output.

        Args:
            earlier: What the cell before the last gave, shape ``(batch, channels, height, width)``.
            last: What the last cell gave.
        """
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
