"""The base of genotype spaces: text, neighbours, identity, sizes, drawing and the network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.space.cell import Cell, Choices, cell_text
from surrogate_nas.space.darts.genotype import (
    CELLS,
    INPUTS,
    SHAPE,
    STEM,
    Edge,
    Genotype,
    Half,
    nodes_of,
    plan,
    read,
    relabelled,
)
from surrogate_nas.space.network import Network
from surrogate_nas.space.network.blueprint import Blueprint
from surrogate_nas.space.product import ChoiceSpace
from surrogate_nas.space.sketch import (
    INK,
    MIDDLE,
    PAPER,
    Arrow,
    Box,
    Frame,
    Mark,
    Point,
    Sketch,
    Text,
    curved,
)


def _cell(
    drawn: Blueprint,
    genotype: Genotype,
    which: int,
    inputs: tuple[int, int],
    width: int,
    name: str,
    halved: bool,
) -> int:
    """One cell; its first input is larger than the second where the last cell halved."""
    edges, joined = genotype.part(which)
    first = f"{name}.earlier"
    nodes = [
        (
            _reduced(drawn, inputs[0], width, first)
            if halved
            else drawn.convolution_bn(inputs[0], first, width, 1)
        ),
        drawn.convolution_bn(inputs[1], f"{name}.last", width, 1),
    ]
    terms = []
    for e, (operation, source) in enumerate(edges):
        stride = 2 if which and source < INPUTS and drawn.network.strided else 1
        terms.append(
            _operation(drawn, nodes[source], operation, width, stride, f"{name}.edges.{e}")
        )
        if e % 2:
            nodes.append(drawn.sum(*terms[-2:]))
    return drawn.join(*(nodes[node] for node in joined))


def _operation(
    drawn: Blueprint,
    x: int,
    operation: str,
    channels: int,
    stride: int,
    name: str,
) -> int:
    kernel = int(operation[-1]) if operation[-1].isdigit() else 0
    match operation.partition("_")[0]:
        case "skip":
            return x if stride == 1 else _reduced(drawn, x, channels, name)
        case "sep":
            x = _separable(drawn, x, channels, kernel, f"{name}.0", stride=stride)
            return _separable(drawn, x, channels, kernel, f"{name}.1")
        case "dil":
            return _separable(
                drawn,
                x,
                channels,
                kernel,
                name,
                stride=stride,
                dilation=2,
            )
        case "conv":
            x = drawn.convolution(
                drawn.relu(x), f"{name}.along", channels, (1, kernel), stride=(1, stride)
            )
            if drawn.network.dimensions == 2:
                x = drawn.convolution(
                    x, f"{name}.across", channels, (kernel, 1), stride=(stride, 1)
                )
            return drawn.normalisation(x, f"{name}.norm")
    return drawn.pool(x, kernel, stride, largest=operation.startswith("max"))


def _separable(
    drawn: Blueprint,
    x: int,
    channels: int,
    kernel: int,
    name: str,
    *,
    stride: int = 1,
    dilation: int = 1,
) -> int:
    """ReLU, a convolution of each channel by itself, a 1×1 convolution, batch normalisation."""
    rows = kernel if drawn.network.dimensions == 2 else 1
    x = drawn.convolution(
        drawn.relu(x),
        f"{name}.depthwise",
        channels,
        (rows, kernel),
        stride=(stride, stride),
        dilation=dilation,
        depthwise=True,
    )
    return drawn.normalisation(
        drawn.convolution(x, f"{name}.pointwise", channels, (1, 1)), f"{name}.norm"
    )


def _reduced(
    drawn: Blueprint,
    x: int,
    channels: int,
    name: str,
) -> int:
    """ReLU, two joined 1×1 convolutions of stride 2, the second one pixel on, normalisation."""
    rows = int(drawn.network.dimensions == 2)
    x = drawn.relu(x)
    halves = [
        drawn.convolution(
            x,
            f"{name}.{half}",
            channels // 2,
            (1, 1),
            stride=(2, 2),
            start=start,
        )
        for half, start in (("even", (0, 0)), ("odd", (rows, 1)))
    ]
    return drawn.normalisation(drawn.join(*halves), f"{name}.norm")


_COLOURS = {
    "sep": "#d55e00",
    "dil": "#cc79a7",
    "conv": "#e69f00",
    "max": "#0072b2",
    "avg": "#009e73",
    "skip": INK,
}
_TITLES = ("normal cell", "reduction cell")
_WIDTH = 1.0
_HEIGHT = 0.62
_STEP = 1.62
"""Of a box, and from one column to the next."""
_NAMED = 0.36
"""The height of a box with a name only."""
_PAPER = (576.0, 374.4)
_HALF = 187.2
"""The height of one of the two."""


@lru_cache(maxsize=1024)
def _half(
    edges: tuple[Edge, ...],
    concat: tuple[int, ...],
    top: float,
) -> tuple[Mark, ...]:
    places = _places(edges)
    right = _STEP * (1 + max(column for column, _ in places))
    heights = [height for _, height in places]
    frame = Frame.around(
        (-0.45, right + 0.45),
        (min(heights) - 0.55, max(heights) + 0.65),
        (_PAPER[0], _HALF),
        top=top,
    )
    out = right, 0.0
    arrows: list[Mark] = []
    boxes: list[Mark] = []
    for node in concat:
        column, height = places[node]
        arrows.append(
            _arrow(
                frame, (_STEP * column + _WIDTH / 2, height), (out[0] - 0.3, out[1]), MIDDLE, 0.9
            )
        )
    for node in range(INPUTS, len(places)):
        x = _STEP * places[node][0]
        y = places[node][1]
        boxes.append(_box(frame, (x, y), (_WIDTH, _HEIGHT)))
        for row, (operation, source) in enumerate(
            edges[2 * (node - INPUTS) : 2 * (node - INPUTS) + 2]
        ):
            start = places[source]
            entry = y + _HEIGHT * (0.25 - 0.5 * row)
            colour = _COLOURS[operation.partition("_")[0]]
            begin = _STEP * start[0] + _half_of(source), start[1]
            arrows.append(_arrow(frame, begin, (x - _WIDTH / 2, entry), colour, 1.4))
            boxes.append(Text(frame.at((x, entry)), _label(operation), 8.0, colour))
        corner = frame.at((x - _WIDTH / 2 + 0.03, y + _HEIGHT / 2))
        boxes.append(Text((corner[0], corner[1] - 4.5), str(node), 7.0, MIDDLE, "left"))
    for node in range(INPUTS):
        boxes += _named(
            frame, (_STEP * places[node][0], places[node][1]), str(node), 2 * _half_of(node)
        )
    return (*arrows, *boxes, *_named(frame, out, "out", 0.6))


def _places(edges: tuple[Edge, ...]) -> list[tuple[int, float]]:
    """The column of every node, after those of its sources, and its height."""
    columns = [0] * INPUTS
    for node in range(0, len(edges), 2):
        columns.append(1 + max(columns[source] for _, source in edges[node : node + 2]))
    places = []
    for node, column in enumerate(columns):
        same_column = [other for other, its in enumerate(columns) if its == column]
        lift = 0.28 * (-1) ** column if len(same_column) == 1 and column else 0.0
        places.append(
            (column, 1.15 * ((len(same_column) - 1) / 2 - same_column.index(node)) + lift)
        )
    return places


def _half_of(node: int) -> float:
    """Half the width of a node's box."""
    return 0.17 if node < INPUTS else _WIDTH / 2


def _label(operation: str) -> str:
    """Such as ``sep 3×3``; a skip has no size."""
    kind, _, rest = operation.partition("_")
    size = rest.rpartition("_")[2].replace("x", "×")
    return {"skip": "skip", "conv": "7×1, 1×7"}.get(kind, f"{kind} {size}")


def _arrow(
    frame: Frame,
    start: Point,
    end: Point,
    colour: str,
    width: float,
) -> Arrow:
    bend = 0.0 if end[0] - start[0] < _STEP else -0.12 if start[1] >= end[1] else 0.12
    return Arrow(curved(frame.at(start), frame.at(end), bend), colour, width, head=9.0)


def _box(frame: Frame, centre: Point, size: Point) -> Box:
    return Box(frame.at(centre), frame.span(size), 4.0, PAPER, INK, 1.1)


def _named(
    frame: Frame,
    centre: Point,
    name: str,
    width: float,
) -> list[Mark]:
    return [_box(frame, centre, (width, _NAMED)), Text(frame.at(centre), name)]


_MOST_REMEMBERED = 1 << 13
_Place: TypeAlias = tuple[int, int, int]
"""Which cell, which of its nodes, inputs not counted, and which of the node's edges."""


class GenotypeSpace(ChoiceSpace):
    """A normal and a reduction cell; each node is the sum of two operations on earlier nodes.

    Subclasses say what the choices are: `halves`, `chosen` and `joined`.

    Attributes:
        nodes: How many nodes a cell has besides its two inputs.
        operations: What an edge may hold.
        same_source: Whether both edges of a node may come from one node.
        half_size: How many normal cells there are, and reduction cells.
    """

    cell_name = "Genotype"
    nodes: ClassVar[int]
    operations: ClassVar[tuple[str, ...]]
    same_source: ClassVar[bool]
    half_size: ClassVar[int]

    @abstractmethod
    def halves(self, choices: tuple[int, ...]) -> tuple[Half, Half]:
        """The normal and the reduction cell of some choices."""

    @abstractmethod
    def chosen(self, halves: Sequence[Half]) -> tuple[int, ...]:
        """The choices of a normal and a reduction cell."""

    @abstractmethod
    def joined(self, half: Half) -> tuple[int, ...]:
        """The nodes whose channels are the output of a cell."""

    @property
    def size(self) -> float:  # type: ignore[override]
        """How many cells there are, a whole number."""
        return self.half_size**2

    def genotype(self, cell: Cell) -> Genotype:
        """Both cells by the names of their operations."""
        return self._genotype(self.halves(cell.choices))

    def _genotype(self, halves: Sequence[Half]) -> Genotype:
        normal, reduce = halves
        return Genotype(
            self._edges(normal), self.joined(normal), self._edges(reduce), self.joined(reduce)
        )

    def _edges(self, half: Half) -> tuple[tuple[str, int], ...]:
        return tuple((self.operations[o], source) for node in half for source, o in node)

    def write(self, choices: tuple[int, ...]) -> str:
        """The genotype as the DARTS repository prints it, the lower source of a node first."""
        return str(self._genotype(self.halves(choices)))

    def parse(self, text: str) -> Cell:
        """Read a printed genotype, or the name of a published one (`named`)."""
        stripped = cell_text(text)
        return self._cells_by_text.get(text) or self._read(text, stripped)

    def _read(self, text: str, name: str) -> Cell:
        if name.isidentifier() and name not in self.named:
            raise unknown(f"published cell of {self.name}", name, self.named)
        genotype = read(self.named.get(name, text))
        if genotype is None:
            names = ", ".join(self.named)
            raise UserError(
                f"Malformed cell {text!r:.200}: a cell of the space {self.name} reads {SHAPE}, or"
                f" is one of {names}."
            )
        by_cell = (
            (genotype.normal, genotype.normal_concat),
            (genotype.reduce, genotype.reduce_concat),
        )
        halves: list[Half] = []
        for name, (edges, concat) in zip(CELLS, by_cell, strict=True):
            subject = f"The {name} cell of the space {self.name}"
            nodes = nodes_of(edges, self.nodes, self.operations, subject)
            halves.append(
                tuple((self._numbered(*first), self._numbered(*second)) for first, second in nodes)
            )
            if tuple(sorted(concat)) != self.joined(halves[-1]):
                joined = ", ".join(map(str, self.joined(halves[-1])))
                raise UserError(
                    f"{subject} joins the nodes {joined} ({name}_concat), not"
                    f" {', '.join(map(str, concat))}."
                )
        return self._cell((halves[0], halves[1]))

    def _cell(self, halves: tuple[Half, Half]) -> Cell:
        return self._remembered(Cell(self.chosen(halves), str(self._genotype(halves))))

    @cached_property
    def _cells_by_text(self) -> dict[str, Cell]:
        """Cells of late by their texts: a search looks each up several times."""
        return {}

    def _remembered(self, cell: Cell) -> Cell:
        if len(self._cells_by_text) >= _MOST_REMEMBERED:
            self._cells_by_text.clear()
        self._cells_by_text[cell.text] = cell
        return cell

    def at(self, choices: Sequence[int]) -> Cell:
        """The cell of some choices."""
        return self._cell(self.halves(self._checked(choices)))

    def _numbered(self, operation: str, source: int) -> tuple[int, int]:
        return source, self.operations.index(operation)

    def neighbours(self, cell: Cell) -> Sequence[Cell]:
        """All cells with another operation at one edge, or with one edge from another source.

        In the order of the edges, normal cell first: at each its other operations, then its other
        sources, where the operation is kept. Of two equal edges of a node only one is changed.
        """
        halves = self.halves(cell.choices)
        return [
            self._changed(halves, place, edge)
            for place in self._places(halves)
            for edge in self._others(halves, place)
        ]

    def mutate(self, cell: Cell, rng: np.random.Generator) -> Cell:
        """Draw uniformly among `neighbours`."""
        halves = self.halves(cell.choices)
        places = self._places(halves)
        ends = np.cumsum(
            [len(self.operations) - 1 + node + self.same_source for _, node, _ in places]
        )
        number = int(rng.integers(ends[-1]))
        which = int(np.searchsorted(ends, number, side="right"))
        return self._changed(
            halves, places[which], self._others(halves, places[which])[number - int(ends[which])]
        )

    def _places(self, halves: tuple[Half, Half]) -> list[_Place]:
        """The edges that can be changed."""
        return [
            (which, place, slot)
            for which, half in enumerate(halves)
            for place, node in enumerate(half)
            for slot in ((0, 1) if node[0] != node[1] else (0,))
        ]

    def _others(self, halves: tuple[Half, Half], place: _Place) -> list[tuple[int, int]]:
        """What an edge can become: as many, whatever it is, as `mutate` counts."""
        which, node, slot = place
        source, operation = halves[which][node][slot]
        taken = source if self.same_source else halves[which][node][1 - slot][0]
        edges = [(source, other) for other in range(len(self.operations)) if other != operation]
        return edges + [
            (other, operation) for other in range(node + INPUTS) if other not in (source, taken)
        ]

    def _changed(
        self,
        halves: tuple[Half, Half],
        place: _Place,
        edge: tuple[int, int],
    ) -> Cell:
        which, node, slot = place
        half = halves[which]
        other_edge = half[node][1 - slot]
        low, high = sorted((edge, other_edge))
        changed = (*half[:node], (low, high), *half[node + 1 :])
        if which == 0:
            return self._cell((changed, halves[1]))
        return self._cell((halves[0], changed))

    def identity(self, cell: Cell) -> str:
        """The first, as text, of the genotypes that differ only in the order of their nodes."""
        return str(self._genotype([relabelled(half) for half in self.halves(cell.choices)]))

    def _shared(self, first: Cell, second: Cell) -> float:
        """The share of edges that enter the same node from the same source alike."""
        shared = 0
        for one, other in zip(self.halves(first.choices), self.halves(second.choices), strict=True):
            for node, same in zip(one, other, strict=True):
                shared += max(
                    sum(a == b for a, b in zip(node, way, strict=True))
                    for way in (same, same[::-1])
                )
        return shared / (4 * self.nodes)

    def cost_groups(self, choices: Choices) -> list[NDArray[np.float32]]:
        """A constant, operations by place, and single edges: a cost is about a sum of operations.

        Returns:
            Matrices of shape ``(n, d)``, the first of them constant.
        """
        own = self.encodings
        return [
            np.ones((len(choices), 1), dtype=np.float32),
            own["operation_counts"](choices),
            own["adjacency"](choices),
        ]

    def blueprint(
        self,
        cell: Cell,
        network: Network,
        *,
        live_only: bool = False,  # noqa: ARG002
    ) -> Blueprint:
        """The whole network of a genotype, without auxiliary head and drop path.

        Liu et al., ICLR 2019, ``NetworkCIFAR``.

        A stem 3×3 of three times the channels; three stages of N normal cells, a reduction cell of
        twice the channels before the second and the third; global average pooling; a linear layer.
        Every cell reads the outputs of the two before it, each brought to its channels by ReLU, a
        1×1 convolution and batch normalisation; in a cell pooling has no normalisation behind it.
        Departure: the last output is normalised before it is pooled, without parameters, since
        tasks train with up to four times DARTS's learning rate and clip no gradient; many cells
        diverged without. Beyond the published network: signals, odd sizes (a stride of 2 rounds
        up), a head at every position, and a causal variant; where nothing is strided, a reduction
        cell only widens.
        """
        genotype = self.genotype(cell)
        drawn = Blueprint(network)
        earlier = last = drawn.convolution_bn(
            drawn.input(), "stem", STEM * network.channels, 3, relu=False
        )
        halved = False
        for n, (which, width, _, _) in enumerate(plan(network)):
            earlier, last = (
                last,
                _cell(drawn, genotype, which, (earlier, last), width, f"cells.{n}", halved),
            )
            halved = which == 1 and network.strided
        drawn.answer(drawn.normalisation(last, "normed", affine=False))
        return drawn

    def sketch(self, cell: Cell) -> Sketch:
        """Sketch the normal cell above the reduction cell."""
        genotype = self.genotype(cell)
        marks: list[Mark] = []
        for which, title in enumerate(_TITLES):
            marks += _half(*genotype.part(which), _HALF * which)
            marks.append(
                Text(
                    (5.8, _HALF * which + 8.0),
                    title,
                    colour=MIDDLE,
                    align="left",
                )
            )
        return Sketch(_PAPER, marks)
