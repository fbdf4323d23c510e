"""NAS-Bench-101's network of a cell (Ying et al., ICML 2019, ``build_model``).

A stem 3×3; three stacks of N cells, each stack with twice the channels of the last and behind a pooling that halves the
size; global average pooling; a linear layer. Convolutions are followed by batch normalisation and ReLU. A vertex adds
what it reads, the cell's input through a 1×1 convolution, wider vertices without their last channels; the output joins
the vertices that lead to it and adds the input likewise. Beyond the published network: signals, odd sizes (a stride of
2 rounds up), a head at every position, and a causal variant; vertices that are left without a channel in a narrow
network are left out.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surrogate_nas.space.nb101.graphs import Graph
from surrogate_nas.space.nb101.plan import sources_of, widths_of
from surrogate_nas.space.nb101.sizes import CONV1, CONV3
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


class Vertex(nn.Module):
    """What stands between input and output of a cell: the input's projection, if it is read, and the operation."""

    def __init__(self, inputs: int | None, width: int, operation: int | None, network: Network) -> None:
        """Build both.

        Args:
            inputs: Channels of the cell's input; None where it is not read.
            width: Channels of the vertex.
            operation: An index into the operations; None for the output, which only adds.
            network: The macro architecture, for dimensions and causality.
        """
        super().__init__()
        self.projection = None if inputs is None else ConvolutionBN(inputs, width, 1, network, relu=False)
        self.operation: nn.Module | None = Largest(network) if operation is not None else None
        self.convolves = operation in (CONV3, CONV1)
        if self.convolves:
            self.operation = ConvolutionBN(width, width, 3 if operation == CONV3 else 1, network, relu=False)

    def forward(self, terms: list[Tensor], x: Tensor) -> Tensor:
        """Compute the vertex.

        Args:
            terms: What it reads besides the cell's input, each of its channels.
            x: The cell's input.
        """
        if self.projection is not None:
            terms = [*terms, F.relu(self.projection(x))]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        found = total if self.operation is None else self.operation(total)
        return F.relu(found) if self.convolves else found


class GraphCell(nn.Module):
    """One cell."""

    def __init__(self, graph: Graph, inputs: int, outputs: int, network: Network) -> None:
        """Build its vertices.

        Args:
            graph: The cell.
            inputs: Channels in.
            outputs: Channels out.
            network: The macro architecture, for dimensions and causality.
        """
        super().__init__()
        self.sources, self.widths = sources_of(graph), widths_of(graph, inputs, outputs)
        operations = [*graph.operations, None]
        self.vertices = nn.ModuleDict(
            {str(v): Vertex(inputs if 0 in read else None, self.widths[v], operations[v - 1], network)
             for v, read in self.sources.items() if self.widths[v]}
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output.

        Args:
            x: Shape ``(batch, channels, height, width)``; height 1 for signals.
        """
        made: dict[int, Tensor] = {}
        *inner, last = self.sources
        for v in inner:
            if self.widths[v]:
                terms = [made[u][:, : self.widths[v]] for u in self.sources[v] if u]
                made[v] = self.vertices[str(v)](terms, x)
        joined = [made[v] for v in self.sources[last] if v in made]
        found: Tensor = self.vertices[str(last)]([torch.cat(joined, dim=1)] if joined else [], x)
        return found


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
