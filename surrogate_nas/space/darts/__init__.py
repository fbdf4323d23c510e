"""Spaces of genotypes: DARTS with 1.08·10¹⁸ cells, and NASNet with about 4.3·10²⁶ cells.

DARTS is the space of Liu, Simonyan & Yang, ICLR 2019. DARTS's cells have four nodes, each with two
sources, and seven operations. The eighth operation, ``none``, exists only during the authors'
search and in no genotype. The authors' count of 10¹⁸ excludes ``none``, too. The sources of a node
are one choice among pairs, so every combination of choices is a cell, and there are no duplicates.

Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition", CVPR 2018, and
Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019. NASNet's
cells have five nodes with any two sources. The operations of NASNet's cells are those of NASNet-A
and AmoebaNet-A, and a dilated convolution. The output of a cell joins all nodes that no other node
reads. NASNet's cells have the format of the DARTS repository and use DARTS's operations, so the
networks differ from the authors' networks.
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property, lru_cache, partial
from itertools import (
    chain,
    combinations,
    combinations_with_replacement,
    product,
    starmap,
    zip_longest,
)
from operator import eq
from typing import Any, ClassVar

import numpy as np

from surrogate_nas.core import UserError, unknown
from surrogate_nas.space.base import (
    Analytic,
    Column,
    Flags,
    by_name,
    sizes_of,
    structural,
)
from surrogate_nas.space.cell import Cell, Choices, cell_text
from surrogate_nas.space.darts.genotype import (
    CELLS,
    DARTS_CELLS,
    INPUTS,
    NASNET_CELLS,
    SHAPE,
    Edge,
    Genotype,
    Half,
    Link,
    Part,
    Wire,
    Wiring,
    depth,
    encodings_of,
    operation_counts,
    plan,
    read,
    relabelled,
)
from surrogate_nas.space.network import Blueprint, Network
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
    columned,
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
    """Add a cell; if the previous cell halved the size, the first input is larger."""
    edges, joined = genotype[which]
    first = f"{name}.earlier"
    if halved:
        nodes = [_reduced(drawn, inputs[0], width, first)]
    else:
        nodes = [drawn.convolution_bn(inputs[0], first, width, 1)]
    nodes.append(drawn.convolution_bn(inputs[1], f"{name}.last", width, 1))
    terms = []
    for e, (operation, source) in enumerate(edges):
        stride = 2 if which and source < INPUTS and drawn.network.strided else 1
        path = f"{name}.edges.{e}"
        terms.append(_operation(drawn, nodes[source], operation, width, stride, path))
        if e % 2:
            nodes.append(drawn.sum(*terms[-2:]))
    return drawn.join(*(nodes[node] for node in joined))


def _operation(
    drawn: Blueprint, x: int, operation: str, channels: int, stride: int, name: str
) -> int:
    kernel = int(operation[-1]) if operation[-1].isdigit() else 0
    match operation.partition("_")[0]:
        case "skip":
            return x if stride == 1 else _reduced(drawn, x, channels, name)
        case "sep":
            x = _separable(drawn, x, channels, kernel, stride, f"{name}.0")
            return _separable(drawn, x, channels, kernel, 1, f"{name}.1")
        case "dil":
            return _separable(drawn, x, channels, kernel, stride, name, 2)
        case "conv":
            along = f"{name}.along"
            x = drawn.relu(x)
            x = drawn.convolution(x, along, channels, (1, kernel), stride=(1, stride))
            if drawn.network.dimensions == 2:
                across = f"{name}.across"
                x = drawn.convolution(
                    x, across, channels, (kernel, 1), stride=(stride, 1)
                )
            return drawn.normalisation(x, f"{name}.norm")
    return drawn.pool(x, kernel, stride, largest=operation.startswith("max"))


def _separable(
    drawn: Blueprint,
    x: int,
    channels: int,
    kernel: int,
    stride: int,
    name: str,
    dilation: int = 1,
) -> int:
    window = (kernel if drawn.network.dimensions == 2 else 1, kernel)
    steps: dict[str, Any] = {"stride": (stride, stride), "dilation": dilation}
    depthwise = f"{name}.depthwise"
    x = drawn.relu(x)
    x = drawn.convolution(x, depthwise, channels, window, depthwise=True, **steps)
    x = drawn.convolution(x, f"{name}.pointwise", channels, (1, 1))
    return drawn.normalisation(x, f"{name}.norm")


def _reduced(drawn: Blueprint, x: int, channels: int, name: str) -> int:
    """Add ReLU, two joined 1×1 convolutions of stride 2 (the second offset by one pixel), and
    normalisation.
    """
    x = drawn.relu(x)
    odd = (int(drawn.network.dimensions == 2), 1)
    convolution = partial(drawn.convolution, x, outputs=channels // 2, kernel=(1, 1))
    even = convolution(f"{name}.even", stride=(2, 2), start=(0, 0))
    joined = drawn.join(even, convolution(f"{name}.odd", stride=(2, 2), start=odd))
    return drawn.normalisation(joined, f"{name}.norm")


_STEM = 3  # times the channels of the first stage


def analytic_of(wire: Wire, operations: tuple[str, ...]) -> Analytic:
    """Return every analytic metric of a space, by name."""
    works = np.array([name != "skip_connect" for name in operations])
    convolves = np.array(["conv" in name for name in operations])
    pools = np.array(["pool" in name for name in operations])

    def sizes(choices: Choices, network: Network) -> Any:
        cells = wire(choices)
        edges, rest = _tables(network, operations, cells.sources.shape[2])
        normal, reduce = cells.joined.sum(axis=2).T
        return (
            edges @ operation_counts(cells, len(operations)).T + rest[:, normal, reduce]
        )

    def count(is_counted: Flags, choices: Choices) -> Any:
        return is_counted[wire(choices).operations].sum(axis=(1, 2, 3))

    def deepest(which: int, choices: Choices) -> Any:
        return depth(wire(choices), works)[:, which].max(axis=1)

    through = "longest way through the normal cell, skips not counted"
    structure = (
        (
            "convolutions",
            "edges of both cells with a convolution",
            partial(count, convolves),
        ),
        ("pools", "edges of both cells with pooling", partial(count, pools)),
        ("skips", "edges of both cells with skip_connect", partial(count, ~works)),
        ("depth", through, partial(deepest, 0)),
        ("reduction_depth", "the same of the reduction cell", partial(deepest, 1)),
    )
    sizes_known = sizes_of(sizes, "trainable, no auxiliary head")
    return by_name(*sizes_known, *starmap(structural, structure))


@lru_cache(maxsize=64)
def _tables(
    network: Network, operations: tuple[str, ...], nodes: int
) -> tuple[Column, Column]:
    """Return parameters and MACs of the columns of `operation_counts`, and of the rest."""
    edges = np.zeros((2, 3, len(operations)))
    for which, width, before, after in plan(network):
        for strided in range(1 + which):
            side = before if strided else after
            stride = 2 if strided and network.strided else 1
            for column, name in enumerate(operations):
                drawn = Blueprint(network)
                x = drawn.input((width, side if network.dimensions == 2 else 1, side))
                _operation(drawn, x, name, width, stride, "edge")
                edges[:, which + strided, column] += (
                    drawn.size,
                    drawn.multiply_accumulates,
                )
    rest = np.zeros((2, nodes + 1, nodes + 1))
    for joined in np.ndindex(rest.shape[1:]):
        rest[:, *joined] = _of_rest(network, joined)
    return edges.reshape(2, -1), rest


def _of_rest(network: Network, joined: tuple[int, ...]) -> tuple[int, int]:
    earlier = last = _STEM * network.channels
    stem = network.taps * network.input_channels * last
    parameters = stem + 2 * last
    macs = stem * network.image_size**network.dimensions
    for which, width, before, _ in plan(network):
        weights = (earlier + last) * width
        parameters += weights + 4 * width
        macs += weights * before**network.dimensions
        earlier, last = last, joined[which] * width
    head = (last + 1) * network.classes
    return parameters + head, macs + head * network.answers


_COLOURS = {
    "sep": "#d55e00",
    "dil": "#cc79a7",
    "conv": "#e69f00",
    "max": "#0072b2",
    "avg": "#009e73",
    "skip": INK,
}
_WIDTH = 1.0
_HEIGHT = 0.62
_STEP = 1.62
_PAPER = (576.0, 374.4)
_HALF = 187.2


@lru_cache(maxsize=1024)
def _half(
    edges: tuple[Edge, ...], concat: tuple[int, ...], top: float
) -> tuple[Mark, ...]:
    columns = [0] * INPUTS  # a node stands in the column after those of its sources
    for node in range(0, len(edges), 2):
        columns.append(1 + max(columns[source] for _, source in edges[node : node + 2]))
    points = [(_STEP * x, y) for x, y in columned(columns, 1.15, 0.28, last=True)]
    out = _STEP + max(x for x, _ in points), 0.0
    heights = [y for _, y in points]
    up = min(heights) - 0.55, max(heights) + 0.65
    frame = Frame.around((-0.45, out[0] + 0.45), up, (_PAPER[0], _HALF), top=top)

    def arrow(start: Point, end: Point, colour: str, width: float) -> Arrow:
        bend = (
            0.0 if end[0] - start[0] < _STEP else -0.12 if start[1] >= end[1] else 0.12
        )
        return Arrow(
            curved(frame.at(start), frame.at(end), bend), colour, width, head=9.0
        )

    def box(centre: Point, size: Point) -> Box:
        return Box(frame.at(centre), frame.span(size), 4.0, PAPER, INK, 1.1)

    def behind(node: int) -> Point:
        return points[node][0] + (0.17 if node < INPUTS else _WIDTH / 2), points[node][
            1
        ]

    arrows: list[Mark] = [
        arrow(behind(n), (out[0] - 0.3, out[1]), MIDDLE, 0.9) for n in concat
    ]
    boxes: list[Mark] = []
    for index, (operation, source) in enumerate(edges):
        node, row = index // 2 + INPUTS, index % 2
        x, y = points[node]
        entry = x - _WIDTH / 2, y + _HEIGHT * (0.25 - 0.5 * row)
        colour = _COLOURS[operation.partition("_")[0]]
        arrows.append(arrow(behind(source), entry, colour, 1.4))
        boxes += [] if row else [box((x, y), (_WIDTH, _HEIGHT))]
        boxes.append(Text(frame.at((x, entry[1])), _label(operation), 8.0, colour))
        if row:
            left, above = frame.at((x - _WIDTH / 2 + 0.03, y + _HEIGHT / 2))
            boxes.append(Text((left, above - 4.5), str(node), 7.0, MIDDLE, "left"))
    for centre, name in ((points[0], "0"), (points[1], "1"), (out, "out")):
        width = 0.6 if name == "out" else 0.34
        boxes += [box(centre, (width, 0.36)), Text(frame.at(centre), name)]
    return (*arrows, *boxes)


def _label(operation: str) -> str:
    kind, _, rest = operation.partition("_")
    size = rest.rpartition("_")[2].replace("x", "×")
    return {"skip": "skip", "conv": "7×1, 1×7"}.get(kind, f"{kind} {size}")


_MOST_REMEMBERED = 1 << 13


@lru_cache(maxsize=_MOST_REMEMBERED)
def _alternatives(
    operations: int, sources: int, edge: Link, sibling: int
) -> list[Link]:
    """Return the alternatives of an edge: other operations, and sources not used by its sibling."""
    source, operation = edge
    others = [(source, other) for other in range(operations) if other != operation]
    free = sorted(set(range(sources)) - {source, sibling})
    return [*others, *((other, operation) for other in free)]


class GenotypeSpace(ChoiceSpace):
    """A space of pairs of a normal and a reduction cell.

    Each node is the sum of two operations on earlier nodes. Subclasses define the choices by
    `half`, `chosen` and `joined`.

    Attributes:
        nodes: The number of nodes of a cell, without its two inputs.
        operations: The names of the operations that an edge may have.
        same_source: Whether both edges of a node may come from the same node.
        half_size: The number of possible normal cells, which equals the number of reduction cells.
    """

    cell_name = "Genotype"
    views = ("shape+operation_counts+adjacency",)
    cost_encodings = ("operation_counts", "adjacency")
    nodes: ClassVar[int]
    operations: ClassVar[tuple[str, ...]]
    same_source: ClassVar[bool]
    half_size: ClassVar[int]

    @staticmethod
    @abstractmethod
    def half(choices: tuple[int, ...]) -> Half:
        """Convert the choices of a normal or a reduction cell to the cell."""

    def halves(self, choices: tuple[int, ...]) -> tuple[Half, Half]:
        """Convert the choices of a genotype to its normal and its reduction cell."""
        width = len(choices) // 2
        return self.half(choices[:width]), self.half(choices[width:])

    @abstractmethod
    def chosen(self, halves: Sequence[Half]) -> tuple[int, ...]:
        """Return the choices of a normal and a reduction cell."""

    @abstractmethod
    def joined(self, half: Half) -> tuple[int, ...]:
        """Return the nodes whose channels are joined in the output of a cell."""

    def genotype(self, cell: Cell) -> Genotype:
        """Return the normal and the reduction cell with the names of their operations."""
        return self._genotype(self.halves(cell.choices))

    def _genotype(self, halves: Sequence[Half]) -> Genotype:
        names = self.operations
        edges = (
            tuple((names[o], i) for node in half for i, o in node) for half in halves
        )
        return Genotype(*zip(edges, map(self.joined, halves), strict=True))

    def write(self, choices: tuple[int, ...]) -> str:
        """Return the genotype in the format of the DARTS repository, lower sources first."""
        return str(self._genotype(self.halves(choices)))

    def parse(self, text: str) -> Cell:
        """Return the cell for a printed genotype, or for the name of a published genotype
        (`named`).
        """
        name = cell_text(text)
        if known := self._cells_by_text.get(text):
            return known
        if name.isidentifier() and name not in self.named:
            raise unknown(f"published cell of {self.name}", name, self.named)
        genotype = read(self.named.get(name, text))
        if genotype is None:
            raise UserError(
                f"Malformed cell {text!r:.200}: a cell of the space {self.name} reads {SHAPE}, or"
                f" is one of {', '.join(self.named)}."
            )
        normal, reduce = map(self._read_half, CELLS, genotype)
        return self._cell((normal, reduce))

    def _read_half(self, which: str, part: Part) -> Half:
        subject = f"The {which} cell of the space {self.name}"
        edges, concat = part
        if len(edges) != 2 * self.nodes:
            raise UserError(
                f"{subject} has {2 * self.nodes} edges, two for each of its {self.nodes} nodes, not"
                f" {len(edges)}."
            )
        for index, (operation, source) in enumerate(edges):
            node = index // 2 + INPUTS
            if operation not in self.operations:
                raise UserError(
                    f"{subject} contains {operation!r:.80}; the operation of an edge is one of"
                    f" {', '.join(self.operations)}."
                )
            if source >= node:
                raise UserError(
                    f"{subject}: the sources of node {node} are 0 to {node - 1}, not {source}."
                )
        numbered = [
            (source, self.operations.index(operation)) for operation, source in edges
        ]
        pairs = zip(numbered[::2], numbered[1::2], strict=True)
        half = tuple((min(pair), max(pair)) for pair in pairs)
        if tuple(sorted(concat)) != self.joined(half):
            joined, given = (
                ", ".join(map(str, n)) for n in (self.joined(half), concat)
            )
            raise UserError(
                f"{subject} joins the nodes {joined} ({which}_concat), not {given}."
            )
        return half

    def _cell(self, halves: tuple[Half, Half]) -> Cell:
        cell = Cell(
            self.chosen(halves), str(self._genotype(halves)), -1, self._by_position
        )
        if len(self._cells_by_text) >= _MOST_REMEMBERED:
            self._cells_by_text.clear()
        self._cells_by_text[cell.text] = cell
        return cell

    @cached_property
    def _cells_by_text(self) -> dict[str, Cell]:
        """A cache of recent cells by their texts, because a search looks up each several times."""
        return {}

    def _cell_of(self, choices: tuple[int, ...]) -> Cell:
        return self._cell(self.halves(choices))

    def neighbours(self, cell: Cell) -> Sequence[Cell]:
        """Return all cells with another operation or another source at one edge.

        Neighbours have the order of the edges, normal cell first. For each edge, other operations
        come first, then other sources with the same operation. If both edges of a node are equal,
        only one of the edges is changed.
        """
        halves = self.halves(cell.choices)
        return [self._changed(halves, *step) for step in self._changes(halves)]

    def mutate(self, cell: Cell, rng: np.random.Generator) -> Cell:
        """Sample a cell uniformly among the `neighbours` of `cell`."""
        halves = self.halves(cell.choices)
        changes = self._changes(halves)
        return self._changed(halves, *changes[int(rng.integers(len(changes)))])

    def _changes(self, halves: tuple[Half, Half]) -> list[tuple[int, int, int, Link]]:
        """Return all changes: the cell, the node, the edge of the node, and the new edge."""
        return [
            (which, n, slot, edge)
            for which, half in enumerate(halves)
            for n, node in enumerate(half)
            for slot in ((0, 1) if node[0] != node[1] else (0,))
            for edge in _alternatives(
                len(self.operations),
                n + INPUTS,
                node[slot],
                node[slot if self.same_source else 1 - slot][0],
            )
        ]

    def _changed(
        self, halves: tuple[Half, Half], which: int, node: int, slot: int, edge: Link
    ) -> Cell:
        half = halves[which]
        sibling = half[node][1 - slot]
        changed = (
            *half[:node],
            (min(edge, sibling), max(edge, sibling)),
            *half[node + 1 :],
        )
        return self._cell((changed, halves[1]) if which == 0 else (halves[0], changed))

    def identity(self, cell: Cell) -> str:
        """Return the alphabetically first of all genotypes that differ only in the order of their
        nodes.
        """
        return str(
            self._genotype([relabelled(half) for half in self.halves(cell.choices)])
        )

    def _shared(self, first: Cell, second: Cell) -> float:
        nodes, counterparts = (
            chain(*self.halves(cell.choices)) for cell in (first, second)
        )
        shared = sum(
            max(sum(map(eq, node, way)) for way in (counterpart, counterpart[::-1]))
            for node, counterpart in zip(nodes, counterparts, strict=True)
        )
        return float(shared / (4 * self.nodes))

    def blueprint(
        self, cell: Cell, network: Network, *, live_only: bool = False
    ) -> Blueprint:
        """Return the whole network of a genotype, without auxiliary head and drop path.

        The network follows ``NetworkCIFAR`` of Liu et al., ICLR 2019.

        The network consists of a 3×3 stem with three times the channels, three stages of N normal
        cells, global average pooling, and a linear layer. Before the second and the third stage,
        there is a reduction cell with twice the channels. Every cell reads the outputs of the two
        previous cells, each adapted to its channels by ReLU, a 1×1 convolution and batch
        normalisation. Pooling within a cell has no normalisation.

        Departure from DARTS: the last output is normalised without parameters before pooling. The
        tasks of this package train with up to four times DARTS's learning rate and without gradient
        clipping, and many cells diverged without this normalisation. The package extends the
        network to one-dimensional inputs, odd sizes (a stride of 2 rounds up), a head at every
        position, and a causal variant. Without strides, a reduction cell only widens.
        """
        genotype = self.genotype(cell)
        drawn = Blueprint(network)
        width = _STEM * network.channels
        earlier = last = drawn.convolution_bn(
            drawn.input(), "stem", width, 3, relu=False
        )
        halved = False
        for n, (which, width, _, _) in enumerate(plan(network)):
            inputs = (earlier, last)
            earlier = last
            last = _cell(drawn, genotype, which, inputs, width, f"cells.{n}", halved)
            halved = which == 1 and network.strided
        drawn.answer(drawn.normalisation(last, "normed", affine=False))
        return drawn

    def sketch(self, cell: Cell) -> Sketch:
        """Sketch the normal cell above the reduction cell."""
        genotype = self.genotype(cell)
        marks: list[Mark] = []
        for which, title in enumerate(("normal cell", "reduction cell")):
            marks += _half(*genotype[which], _HALF * which)
            at = 5.8, _HALF * which + 8.0
            marks.append(Text(at, title, colour=MIDDLE, align="left"))
        return Sketch(_PAPER, marks)


_DARTS_OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
_DARTS_NODES = 4
# By node the pairs of sources; the first node has one, which is no choice.
_PAIRS = tuple(
    tuple(combinations(range(INPUTS + node), 2)) for node in range(_DARTS_NODES)
)
_DARTS_OPTIONS = {
    f"{cell}.{node}.{part}": tuple(f"{a}+{b}" for a, b in pairs)
    if part == "sources"
    else _DARTS_OPERATIONS
    for cell in CELLS
    for node, pairs in enumerate(_PAIRS, INPUTS)
    for part in ("sources", "first", "second")
    if part != "sources" or len(pairs) > 1
}
_IS_SOURCE = np.array([name.endswith("sources") for name in _DARTS_OPTIONS])
_PAIR_TABLE = np.array(list(zip_longest(*_PAIRS, fillvalue=(0, 0))), dtype=np.int8)


def _darts_wiring(choices: Choices) -> Wiring:
    shape = len(choices), 2, _DARTS_NODES
    pairs = np.zeros(shape, dtype=np.intp)
    pairs[:, :, 1:] = choices[:, _IS_SOURCE].reshape(-1, 2, _DARTS_NODES - 1)
    operations = choices[:, ~_IS_SOURCE].reshape(*shape, 2)
    sources = _PAIR_TABLE[pairs, np.arange(_DARTS_NODES)]
    return Wiring(operations, sources, np.ones(shape, dtype=bool))


@lru_cache(maxsize=1 << 12)
def _darts_half(choices: tuple[int, ...]) -> Half:
    """Return the normal or the reduction cell from its choices."""
    nodes = [((0, choices[0]), (1, choices[1]))]
    for index, pairs in enumerate(_PAIRS[1:]):
        pair, first, second = choices[2 + 3 * index : 5 + 3 * index]
        low, high = pairs[pair]
        nodes.append(((low, first), (high, second)))
    return tuple(nodes)


class Darts(GenotypeSpace):
    """The DARTS space.

    Example:
        >>> space = Darts()
        >>> space.size == 180**2 * 7**16
        True
        >>> str(space.parse("DARTS_V2"))[:56]
        "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1"
    """

    name = "darts"
    citation = "Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019"
    positions = tuple(_DARTS_OPTIONS)
    options = tuple(_DARTS_OPTIONS.values())
    nodes = _DARTS_NODES
    operations = _DARTS_OPERATIONS
    same_source = False
    half_size = math.prod(map(len, _PAIRS)) * len(_DARTS_OPERATIONS) ** (
        2 * _DARTS_NODES
    )
    size = half_size**2
    named = DARTS_CELLS
    further_encodings = encodings_of(_darts_wiring, len(_DARTS_OPERATIONS))
    analytic = analytic_of(_darts_wiring, _DARTS_OPERATIONS)

    half = staticmethod(_darts_half)

    def sample(self, rng: np.random.Generator) -> Cell:
        """Sample a cell uniformly."""
        choices: list[int] = []
        for left in rng.integers(self.half_size, size=2).tolist():
            number = left
            for options in self.options[: len(self.options) // 2]:
                choices.append(number % len(options))
                number //= len(options)
        return self._cell_of(tuple(choices))

    def chosen(self, halves: Sequence[Half]) -> tuple[int, ...]:
        """Return the choices of a normal and a reduction cell.

        Raises:
            UserError: Both edges of a node have the same source.
        """
        choices: list[int] = []
        for name, half in zip(CELLS, halves, strict=True):
            for index, ((low, first), (high, second)) in enumerate(half):
                if low == high:
                    raise UserError(
                        f"Node {index + INPUTS} of the {name} cell of the space {self.name} needs"
                        f" two different sources, not {low} twice."
                    )
                choices += [_PAIRS[index].index((low, high))] if index else []
                choices += [first, second]
        return tuple(choices)

    def joined(self, half: Half) -> tuple[int, ...]:
        """Return all nodes."""
        return tuple(range(INPUTS, INPUTS + _DARTS_NODES))


_NASNET_OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "dil_conv_3x3",
    "conv_7x1_1x7",
)
_NASNET_NODES = 5
_EDGES = tuple(
    (INPUTS + node) * len(_NASNET_OPERATIONS) for node in range(_NASNET_NODES)
)
_NASNET_OPTIONS = {
    f"{cell}.{node + INPUTS}.{edge}.{part}": tuple(map(str, range(INPUTS + node)))
    if part == "source"
    else _NASNET_OPERATIONS
    for cell in CELLS
    for node in range(_NASNET_NODES)
    for edge in ("first", "second")
    for part in ("source", "operation")
}


def _nasnet_wiring(choices: Choices) -> Wiring:
    edges = choices.reshape(len(choices), 2, _NASNET_NODES, 2, 2)
    nodes = np.arange(INPUTS, INPUTS + _NASNET_NODES)
    is_left = (edges[:, :, None, ..., 0] == nodes[:, None, None]).any(axis=(3, 4))
    return Wiring(edges[..., 1], edges[..., 0], ~is_left)


@lru_cache(maxsize=1)
def _pairs_of_edges() -> tuple[tuple[Any, ...], ...]:
    """Return every pair of edges by node, the lower edge first; cached, because it is slow."""
    operations = range(len(_NASNET_OPERATIONS))
    edges = (product(range(INPUTS + node), operations) for node in range(_NASNET_NODES))
    return tuple(tuple(combinations_with_replacement(of_node, 2)) for of_node in edges)


@lru_cache(maxsize=1 << 12)
def _nasnet_half(choices: tuple[int, ...]) -> Half:
    """Return the normal or the reduction cell from its choices."""
    edges = list(zip(choices[::2], choices[1::2], strict=True))
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return tuple((min(pair), max(pair)) for pair in pairs)


class NASNet(GenotypeSpace):
    """The NASNet space.

    In the choices of a cell, the smaller edge of a node comes first. The method `at` accepts any
    order.
    """

    name = "nasnet"
    citation = (
        "Zoph et al., Learning Transferable Architectures for Scalable Image Recognition,"
        " CVPR 2018"
    )
    positions = tuple(_NASNET_OPTIONS)
    options = tuple(_NASNET_OPTIONS.values())
    nodes = _NASNET_NODES
    operations = _NASNET_OPERATIONS
    same_source = True
    half_size = math.prod(edges * (edges + 1) // 2 for edges in _EDGES)
    size = half_size**2
    named = NASNET_CELLS
    further_encodings = encodings_of(_nasnet_wiring, len(_NASNET_OPERATIONS))
    analytic = analytic_of(_nasnet_wiring, _NASNET_OPERATIONS)
    half = staticmethod(_nasnet_half)

    def sample(self, rng: np.random.Generator) -> Cell:
        """Sample a cell uniformly."""
        pairs = _pairs_of_edges() * 2
        drawn = rng.integers([len(of_node) for of_node in pairs]).tolist()
        nodes = tuple(of_node[i] for of_node, i in zip(pairs, drawn, strict=True))
        return self._cell((nodes[:_NASNET_NODES], nodes[_NASNET_NODES:]))

    def chosen(self, halves: Sequence[Half]) -> tuple[int, ...]:
        """Return the choices of a normal and a reduction cell."""
        return tuple(np.ravel(halves).tolist())

    def joined(self, half: Half) -> tuple[int, ...]:
        """Return the nodes that no other node reads."""
        left = {source for node in half for source, _ in node}
        return tuple(sorted({*range(INPUTS, INPUTS + _NASNET_NODES)} - left))
