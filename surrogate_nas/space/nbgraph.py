"""NAS-Bench-Graph's space of trees of four graph operations: 26,206 cells, or 2,021 cells for the
data set ogbn-proteins.

Qin et al., "NAS-Bench-Graph: Benchmarking Graph Neural Architecture Search", NeurIPS 2022 Datasets
and Benchmarks. A cell prints as the benchmark's constructor, ``Arch([0, 1, 2, 2], ['fc', 'gat',
'gin', 'fc'])``: a link list, followed by the operations. A link list contains the source of every
node: 0 is the input, and 1 to 4 are the nodes. The output joins all nodes that no other node reads.
Up to the numbering of nodes, there are nine trees of four nodes.

Only the canonical form of an architecture is a cell. Every other way to write the architecture is
converted to its canonical form. Cells are ordered by their link list, then by their operations.
Link lists and operations have the benchmark's order.

Departure from the benchmark: the benchmark samples a link list and operations, so architectures
with many representations are more frequent. In this package, sampling is uniform over
architectures, and mutation is uniform over the neighbours of an architecture.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache, partial
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surrogate_nas.core import UserError
from surrogate_nas.space.base import (
    Analytic,
    Column,
    Encoding,
    Flags,
    Matrix,
    by_name,
    stacked,
    structural,
)
from surrogate_nas.space.cell import Cell, Choices
from surrogate_nas.space.product import ChoiceSpace
from surrogate_nas.space.sketch import (
    INK,
    MIDDLE,
    Arrow,
    Frame,
    Mark,
    Point,
    Sketch,
    curved,
    labelled,
)

Links: TypeAlias = tuple[int, ...]
"""The source of each node, from node 1 on; source 0 is the input."""
Order: TypeAlias = tuple[int, ...]
"""For each position of a shape, the node, from 0 on, at that position."""

NODES = 4
LINKS: tuple[Links, ...] = (
    (0, 0, 0, 0),
    (0, 0, 0, 1),
    (0, 0, 1, 1),
    (0, 0, 1, 2),
    (0, 0, 1, 3),
    (0, 1, 1, 1),
    (0, 1, 1, 2),
    (0, 1, 2, 2),
    (0, 1, 2, 3),
)
"""The nine shapes, in the benchmark's order and numbering."""


def renumbered(links: Links, order: Order) -> Links:
    """Return a link list after renumbering the nodes."""
    new = {0: 0} | {node + 1: number for number, node in enumerate(order, 1)}
    return tuple(new[links[node]] for node in order)


@lru_cache(maxsize=1)
def _shapes() -> dict[Links, tuple[int, Order]]:
    shapes: dict[Links, tuple[int, Order]] = {}
    for shape, links in enumerate(LINKS):
        for order in itertools.permutations(range(NODES)):
            inverse = tuple(map(order.index, range(NODES)))
            shapes.setdefault(renumbered(links, order), (shape, inverse))
    return shapes


def shape_of(links: Links) -> tuple[int, Order] | None:
    """Return the number of a link list's shape (one of nine trees), and the node at each position
    of the shape.

    Returns:
        The number and the nodes, or None if the list is not a tree over four nodes.
    """
    return _shapes().get(links)


def without_idle_skips(shape: int, skips: tuple[bool, ...]) -> tuple[int, Order]:
    """Move skips whose position is arbitrary to the beginning, their canonical position in the
    benchmark.

    A skip copies its source, so its position within a chain has no effect. A skip moves to the
    front if another node reads it, or if it is the only reader of its source. A skip also moves to
    the front if it connects the input directly to the output, which no cell of the benchmark does.
    A skip that shares its source with other nodes stays in place, because it connects the source to
    the output.

    Returns:
        The number of the resulting shape, and the node at each position of the shape.
    """
    reads = dict(enumerate(LINKS[shape], 1))
    front: list[int] = []
    while idle := next((n for n in reads if skips[n - 1] and _is_idle(n, reads)), 0):
        source = reads.pop(idle)
        reads = {node: source if read == idle else read for node, read in reads.items()}
        front.append(idle)
    after = front[-1] if front else 0
    reads = {node: read or after for node, read in reads.items()} | dict(
        zip(front, [0, *front], strict=False)
    )
    return _shapes()[tuple(reads[node] for node in range(1, NODES + 1))]


def _is_idle(skip: int, reads: dict[int, int]) -> bool:
    is_read = skip in reads.values()
    return is_read or list(reads.values()).count(reads[skip]) == 1 or reads[skip] == 0


# Which of NAS-Bench-Graph's architectures are the same, for all of them at once.
#
# An architecture is one number: its shape, then the operation of each place, in the base of the
# number of operations. With the nine operations these are the benchmark's keys, read in base 9
# instead of 10. Of all numbers that mean one architecture the smallest is the canonical one; the
# architecture of four skips, which computes nothing, is none.


Codes = NDArray[np.int64]


class Forms:
    """All representations of architectures as numbers, and the canonical form of each
    representation.

    Attributes:
        operations: The number of operations. The last operation is the skip.
        canonical: The number of the canonical form for the number of each representation, or -1 for
            the architecture that consists only of skips.
    """

    def __init__(self, operations: int) -> None:
        self.operations = operations
        self._weights = operations ** np.arange(NODES - 1, -1, -1)
        self._per_shape = operations**NODES
        self._grid = np.indices((operations,) * NODES).reshape(NODES, -1).T
        self.canonical = np.full(len(LINKS) * self._per_shape, -1)
        is_skip = self._grid == operations - 1
        orders = list(itertools.permutations(range(NODES)))
        same = [[o for o in orders if renumbered(links, o) == links] for links in LINKS]
        patterns = list(itertools.product((False, True), repeat=NODES))[:-1]
        for shape, skips in itertools.product(range(len(LINKS)), patterns):
            target, order = without_idle_skips(shape, skips)
            row = np.flatnonzero((is_skip == skips).all(axis=1))
            chosen = self._grid[row][:, order]
            codes = [
                self.codes(target, chosen[:, symmetry]) for symmetry in same[target]
            ]
            self.canonical[shape * self._per_shape + row] = np.min(codes, axis=0)

    def codes(self, shape: int, operations: ArrayLike) -> Codes:
        """Return the numbers of architectures with a given shape and given operations at each
        position.
        """
        return np.asarray(
            shape * self._per_shape + np.asarray(operations) @ self._weights
        )

    @cached_property
    def all(self) -> Choices:
        """All canonical forms, ordered by number: tree and four operations, shape ``(n, 5)``."""
        codes = np.flatnonzero(self.canonical == np.arange(len(self.canonical)))
        return np.column_stack(
            [codes // self._per_shape, self._grid[codes % self._per_shape]]
        ).astype(np.int8)

    @cached_property
    def _written(self) -> tuple[Codes, Codes]:
        order = np.argsort(self.canonical, kind="stable")
        return order, self.canonical[order]

    @cached_property
    def _moves(self) -> list[list[tuple[int, Order]]]:
        """For each shape, every shape after one node changes its source, and the new positions."""
        sources = list(itertools.product(range(NODES), range(NODES + 1)))
        rewired = [
            [(*links[:n], s, *links[n + 1 :]) for n, s in sources] for links in LINKS
        ]
        return [list(filter(None, map(shape_of, targets))) for targets in rewired]

    def neighbours(self, code: int) -> list[int]:
        """Return the canonical numbers of all neighbours of an architecture, in ascending order.

        A neighbour differs in the operation or the source of one node in some representation of the
        architecture.
        """
        order, meant = self._written
        first, last = np.searchsorted(meant, [code, code + 1])
        rows = []
        for same in order[first:last].tolist():
            shape, row = divmod(same, self._per_shape)
            operations = self._grid[row]
            for node, weight in enumerate(self._weights):
                changes = np.arange(self.operations) - operations[node]
                rows.append(same + changes * weight)
            moved = [
                self.codes(target, operations[[*o]]) for target, o in self._moves[shape]
            ]
            rows.append(np.array(moved))
        around = np.unique(self.canonical[np.concatenate(rows)])
        return [int(number) for number in around if number not in (-1, code)]

    def choices(self, code: int) -> tuple[int, ...]:
        """Return the shape and the operations of the architecture with a given number."""
        shape, row = divmod(code, self._per_shape)
        return shape, *self._grid[row].tolist()


_KINDS = {"skip": MIDDLE, "fc": "#009e73"}
_GRAPH = "#0072b2"
_PAPER = (331.2, 172.8)


def tree(links: Links, operations: Sequence[str]) -> Sketch:
    """Sketch a cell: graph operations are blue, fully connected layers green, skips grey."""
    arrows, points, out = _skeleton(links)
    boxes: list[Mark] = [*_label(points[0], "in", INK), *_label(out, "out", INK)]
    for point, operation in zip(points[1:], operations, strict=True):
        boxes += _label(point, operation, _KINDS.get(operation, _GRAPH))
    return Sketch(_PAPER, [*arrows, *boxes])


@lru_cache(maxsize=64)
def _skeleton(links: Links) -> tuple[tuple[Arrow, ...], tuple[Point, ...], Point]:
    points = _points(links)
    right = max(x for x, _ in points) + 1.0
    last = [node for node in range(1, NODES + 1) if node not in links]
    output = right, sum(points[node][1] for node in last) / len(last)
    heights = [y for _, y in points]
    frame = Frame.around(
        (-0.35, right + 0.35), (min(heights) - 0.7, max(heights) + 0.7), _PAPER
    )
    ends = [(points[source], points[node]) for node, source in enumerate(links, 1)]
    ends += [(points[node], output) for node in last]
    arrows = [
        Arrow(curved(frame.at(start), frame.at(end), 0.0, (17.0, 19.0)), INK, 1.3)
        for start, end in ends
    ]
    return tuple(arrows), tuple(map(frame.at, points)), frame.at(output)


def _points(links: Links) -> list[Point]:
    """Return positions of input and nodes: deeper nodes further right, sources amid readers."""
    heights: dict[int, float] = {}
    free = 0

    def stand(node: int) -> float:
        nonlocal free
        readers = [reader for reader, source in enumerate(links, 1) if source == node]
        if readers:
            heights[node] = sum(map(stand, readers)) / len(readers)
        else:
            heights[node], free = -float(free), free + 1
        return heights[node]

    stand(0)
    depths = [0]
    for source in links:
        depths.append(depths[source] + 1)
    return [(float(depths[node]), heights[node]) for node in range(NODES + 1)]


def _label(point: Point, text: str, colour: str) -> tuple[Mark, ...]:
    return labelled(point, text, max(17.0, 9.0 + 5.6 * len(text)), colour)


# What a model sees of NAS-Bench-Graph's cells, and the metrics that follow from a cell alone.
#
# The widths of these networks differ by data set, and the files give the parameters, so sizes are
# no formula here.


_LINKS = np.array(LINKS)


def depth(choices: Choices, skip: int) -> Column:
    """Return the largest number of operations on a path, not counting skips, shape ``(n,)``."""
    reached = np.zeros((len(choices), NODES + 1))
    for node, source in enumerate(_LINKS[choices[:, 0]].T, 1):
        reached[:, node] = reached[np.arange(len(choices)), source] + (
            choices[:, node] != skip
        )
    return np.asarray(reached.max(axis=1))


def ends(choices: Choices) -> Flags:
    """Return whether each node is joined in the output (no node reads it), shape ``(n, 4)``."""
    links = _LINKS[choices[:, 0]]
    return np.stack(
        [(links != node).all(axis=1) for node in range(1, NODES + 1)], axis=1
    )


OPERATIONS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip")
"""The operations: attention with two heads, convolution, isomorphism network, Chebyshev,
GraphSAGE, ARMA, k-GNN, linear, identity.
"""
PROTEINS_OPERATIONS = ("gcn", "sage", "arma", "fc", "skip")
"""The operations that the benchmark trained on ogbn-proteins."""
_SHAPE = "Arch([0, 1, 2, 3], ['gcn', 'gcn', 'fc', 'skip'])"
_FORMAT = re.compile(
    r"Arch\(\[([0-4](?:, ?[0-4])*)\], ?\[('[a-z]+'(?:, ?'[a-z]+')*)\]\)"
)


class NBGraph(ChoiceSpace):
    """NAS-Bench-Graph's space.

    Neighbouring cells differ in the operation or in the source of one node. An architecture with
    several representations has the neighbours of all its representations, so being a neighbour is
    symmetric. Neighbours are listed in the order of the space.

    Example:
        >>> space = NBGraph()
        >>> str(space.parse("Arch([0, 1, 2, 1], ['gcn', 'gin', 'fc', 'cheb'])"))
        "Arch([0, 1, 1, 2], ['gcn', 'gin', 'cheb', 'fc'])"
    """

    positions = ("links", *(f"operation_{node}" for node in range(1, NODES + 1)))
    cell_name = "Arch"
    listed = True
    complexity = "operations"
    views = ("functional+one_hot", "one_hot")

    def __init__(
        self, name: str = "nbgraph", operations: Sequence[str] = OPERATIONS
    ) -> None:
        """Define the space for a set of operations.

        Args:
            name: The name of the space.
            operations: A subset of `OPERATIONS` in their order that includes the skip.
        """
        self.operations = tuple(operations)
        self.options = (
            tuple("".join(map(str, links)) for links in LINKS),
            *(self.operations,) * NODES,
        )
        super().__init__(name)

    @cached_property
    def _forms(self) -> Forms:
        return Forms(len(self.operations))

    def _matrix(self) -> Choices:
        return self._forms.all

    def write(self, choices: tuple[int, ...]) -> str:
        """Return the benchmark's constructor of an architecture as text."""
        shape, *operations = choices
        return f"Arch({list(LINKS[shape])}, {[self.operations[o] for o in operations]})"

    def parse(self, text: str) -> Cell:
        """Return the cell for a string such as ``Arch([0, 1, 2, 2], ['fc', 'gat', 'gin', 'fc'])``,
        in canonical form or not.

        Raises:
            UserError: The text has another format, an operation is unknown, or the benchmark does
                not contain the architecture.
        """
        links, named = self._matched(_FORMAT, text, _SHAPE)
        operations = re.findall("[a-z]+", named)
        if unknown := [
            operation for operation in operations if operation not in self.operations
        ]:
            raise UserError(
                f"An operation of the space {self.name} is one of {', '.join(self.operations)}, not"
                f" {unknown[0]}."
            )
        known = shape_of(tuple(map(int, re.findall("[0-4]", links))))
        if known is None or len(operations) != NODES:
            raise UserError(
                f"{text!r:.200} is not a tree of {NODES} nodes: a cell of {self.name} reads"
                f" {_SHAPE}."
            )
        shape, order = known
        chosen = [self.operations.index(operations[node]) for node in order]
        code = int(self._forms.canonical[self._forms.codes(shape, chosen)])
        if code < 0:
            raise UserError(
                f"{text!r:.200} consists only of skips, so it is not a cell of the space"
                f" {self.name}."
            )
        return self.at(self._forms.choices(code))

    def _steps(self, choices: tuple[int, ...]) -> list[tuple[int, ...]]:
        code = int(self._forms.codes(choices[0], choices[1:]))
        return [
            self._forms.choices(neighbour) for neighbour in self._forms.neighbours(code)
        ]

    @cached_property
    def further_encodings(self) -> Mapping[str, Encoding]:  # type: ignore[override]
        """The encodings ``operation_counts`` and ``functional``.

        The encoding ``functional`` describes the tree independently of the numbering of nodes.
        """
        return {"operation_counts": self._counts, "functional": self._functional}

    def _holds(self, choices: Choices) -> Flags:
        return np.equal(choices[:, 1:, None], np.arange(len(self.operations)))

    def _counts(self, choices: Choices) -> Matrix:
        return np.asarray(self._holds(choices).sum(axis=1), dtype=np.float32)

    def _functional(self, choices: Choices) -> Matrix:
        """Return counts of each operation's nodes and of their readers, and the shape."""
        n = len(self.operations)
        here = self._holds(choices)
        rows = np.arange(len(choices))
        sources = np.column_stack([np.full(len(choices), n), choices[:, 1:]])
        pairs = np.zeros((len(choices), n + 1, n), dtype=np.float32)
        for node, source in enumerate(_LINKS[choices[:, 0]].T, 1):
            np.add.at(pairs, (rows, sources[rows, source], choices[:, node]), 1)
        last = ends(choices)
        return stacked(
            here.sum(axis=1),
            (here & last[:, :, None]).sum(axis=1),
            pairs.reshape(len(choices), -1),
            depth(choices, n - 1),
            last.sum(axis=1),
            np.equal(choices[:, :1], np.arange(len(LINKS))),
        )

    @cached_property
    def analytic(self) -> Analytic:  # type: ignore[override]
        """The metrics of a cell's structure: numbers of operations and branches, and depth."""
        skip = len(self.operations) - 1
        in_a_row = "most operations in a row, skips not counted"
        return by_name(
            structural(
                "operations",
                "skips not counted",
                lambda c: (c[:, 1:] != skip).sum(axis=1),
            ),
            structural("depth", in_a_row, lambda c: depth(c, skip)),
            structural(
                "branches", "nodes that go to the output", lambda c: ends(c).sum(axis=1)
            ),
        )

    def key(self, cell: Cell) -> int:
        """Return a cell's key in the benchmark, from its link list and its operations."""
        shape, *operations = cell.choices
        digits = (
            OPERATIONS.index(self.operations[operation]) for operation in operations
        )
        return int("".join(map(str, (shape, *digits))))

    def sketch(self, cell: Cell) -> Sketch:
        """Sketch a cell as a tree (see `tree`)."""
        return tree(
            LINKS[cell.choices[0]], [self.operations[o] for o in cell.choices[1:]]
        )


nbgraph_proteins = partial(NBGraph, "nbgraph-proteins", PROTEINS_OPERATIONS)
