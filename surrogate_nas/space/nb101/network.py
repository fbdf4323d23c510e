"""NAS-Bench-101's network of a cell (Ying et al., ICML 2019, ``build_model``).

A stem 3×3; three stacks of N cells, each stack with twice the channels of the last and behind a pooling that halves the
size; global average pooling; a linear layer. Convolutions are followed by batch normalisation and ReLU. A vertex adds
what it reads, the cell's input through a 1×1 convolution, wider vertices without their last channels; the output joins
the vertices that lead to it and adds the input likewise. Beyond the published network: signals, odd sizes (a stride of
2 rounds up), a head at every position, and a causal variant; vertices that are left without a channel in a narrow
network are left out.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surrogate_nas.space.nb101.graphs import PAIRS, Graph
from surrogate_nas.space.nb101.sizes import CONV1, CONV3, channels
from surrogate_nas.space.network import Network
from surrogate_nas.space.network.layers import ConvolutionBN, answers, initialise


class Largest(nn.Module):
    """The largest of a window of 3×3 (or 3); a causal window ends at its position."""

    def __init__(self, network: Network) -> None:
        """Choose the window.

        Args:
            network: The macro architecture, for dimensions and causality.
        """
        super().__init__()
        self.window = (1 if network.dimensions == 1 else 3, 3)
        self.causal = network.causal

    def forward(self, x: Tensor) -> Tensor:
        """Pool.

        Args:
            x: Shape ``(batch, channels, height, width)``; height 1 for signals.
        """
        if self.causal:
            return F.max_pool2d(F.pad(x, (2, 0), value=-torch.inf), self.window, 1)
        return F.max_pool2d(x, self.window, 1, (self.window[0] // 2, 1))


class GraphCell(nn.Module):
    """One cell."""

    def __init__(self, graph: Graph, inputs: int, outputs: int, network: Network) -> None:
        """Build projections and operations.

        Args:
            graph: The cell.
            inputs: Channels in.
            outputs: Channels out.
            network: The macro architecture, for dimensions and causality.
        """
        super().__init__()
        self.sources = sources_of(graph)
        self.widths = widths_of(graph, inputs, outputs)
        projected = {str(v): self.widths[v] for v, read in self.sources.items() if 0 in read and self.widths[v]}
        self.projections = nn.ModuleDict(
            {v: ConvolutionBN(inputs, width, 1, network, relu=False) for v, width in projected.items()}
        )
        self.operations = nn.ModuleDict(
            {str(v): _operation(operation, self.widths[v], network) for v, operation in enumerate(graph.operations, 1)
             if self.widths[v]}
        )  # fmt: skip
        self.convolves = [operation in (CONV3, CONV1) for operation in graph.operations]

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output.

        Args:
            x: Shape ``(batch, channels, height, width)``; height 1 for signals.
        """
        made: dict[int, Tensor] = {}
        last = len(self.widths) - 1
        for vertex in range(1, last):
            if not self.widths[vertex]:
                continue
            terms = [made[v][:, : self.widths[vertex]] for v in self.sources[vertex] if v]
            total = self._total(vertex, terms, x)
            found = self.operations[str(vertex)](total)
            made[vertex] = F.relu(found) if self.convolves[vertex - 1] else found
        joined = [made[v] for v in self.sources[last] if v in made]
        return self._total(last, [torch.cat(joined, dim=1)] if joined else [], x)

    def _total(self, vertex: int, terms: list[Tensor], x: Tensor) -> Tensor:
        """What a vertex reads, the cell's input among it."""
        if 0 in self.sources[vertex]:
            terms = [*terms, F.relu(self.projections[str(vertex)](x))]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total


def _operation(operation: int, width: int, network: Network) -> nn.Module:
    if operation in (CONV3, CONV1):
        return ConvolutionBN(width, width, 3 if operation == CONV3 else 1, network, relu=False)
    return Largest(network)


def sources_of(graph: Graph) -> dict[int, list[int]]:
    """By vertex the vertices that it reads."""
    held = [pair for bit, pair in enumerate(PAIRS) if graph.edges >> bit & 1]
    return {vertex: [x for x, y in held if y == vertex] for vertex in range(1, graph.vertices)}


def widths_of(graph: Graph, inputs: int, outputs: int) -> list[int]:
    """The channels of every vertex."""
    linked = np.zeros((1, 7, 7), dtype=bool)
    for bit, (x, y) in enumerate(PAIRS):
        if graph.edges >> bit & 1:
            linked[0, x, 6 if y == graph.vertices - 1 else y] = True
    return [inputs, *channels(linked, outputs)[0, : graph.vertices - 2].tolist(), outputs]


class GraphNetwork(nn.Module):
    """The whole network of a cell.

    Example:
        >>> from surrogate_nas.space import space_named
        >>> space = space_named("nb101")
        >>> network = space.build(space.parse("inception"), Network(channels=128, cells_per_stage=3), seed=0)
        >>> sum(p.numel() for p in network.parameters())
        2694282
    """

    def __init__(self, graph: Graph, network: Network, *, seed: int) -> None:
        """Build and initialise the network.

        Args:
            graph: The cell.
            network: The macro architecture.
            seed: The root of the initial weights.
        """
        super().__init__()
        self.network = network
        before = network.channels
        self.stem = ConvolutionBN(network.input_channels, before, 3, network, relu=False)
        self.stacks = nn.ModuleList()
        for width, _ in network.stages:
            stack = nn.ModuleList()
            for _ in range(network.cells_per_stage):
                stack.append(GraphCell(graph, before, width, network))
                before = width
            self.stacks.append(stack)
        self.head = nn.Linear(before, network.classes)
        initialise(self, seed)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the answers, shape ``(batch, classes)``, or with positions behind (see `answers`).

        Args:
            x: Shape ``(batch, input channels, height, width)``; height 1 for signals.
        """
        x = F.relu(self.stem(x))
        for place, stack in enumerate(self.stacks):
            if place and self.network.strided:
                x = F.max_pool2d(x, (min(2, x.shape[2]), 2), ceil_mode=True)
            for cell in stack:  # type: ignore[attr-defined]
                x = cell(x)
        return answers(x, self.head, self.network)
