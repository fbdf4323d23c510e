"""NAS-Bench-101's space: 423,624 cells of up to seven vertices, nine edges and three operations.

Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", ICML 2019. A cell
prints as the upper triangle of its adjacency matrix, with a row for each vertex with outgoing
edges, and the operations between input and output: ``110|01|1:conv3x3-bn-relu,maxpool3x3``. All
graphs in this format can be parsed, including graphs that the paper's ``ModelSpec`` would prune.
Isomorphic graphs are the same cell, which prints as the first of these graphs in the paper's
enumeration. Cells have the order of the paper's enumeration.

Departure from the paper: the paper samples and mutates an adjacency matrix of seven vertices, whose
graph is pruned in most cases. In this package, sampling is uniform over cells. Neighbouring cells
differ in one operation, in one edge, or in one vertex with one incoming and one outgoing edge. A
difference in one vertex corresponds to flipping an edge at an unused vertex in the paper's matrix.

The network consists of a 3×3 stem, three stacks of N cells, global average pooling, and a linear
layer. Before the second and the third stack, pooling halves the image size, and the number of
channels doubles. Convolutions are followed by batch normalisation and ReLU. A vertex sums its
inputs: the cell's input after a 1×1 convolution, and other vertices truncated to its channels. The
output joins the vertices that lead to it and adds the projected input. The package extends the
paper's network to one-dimensional inputs, odd image sizes (a stride of 2 rounds up), a head at
every position, and a causal variant. Vertices without channels in a narrow network are omitted.

With 128 channels and three cells per stage, `params` equals the benchmark's
``trainable_parameters``. The channels of a cell's output are divided among the vertices that lead
to the output. The first of these vertices receive the remainder. Every other vertex has as many
channels as its widest successor.

The path encoding follows White, Neiswanger & Savani, "BANANAS", AAAI 2021, which was designed for
this space. As in this paper, paths are truncated, because long paths are rare. Graph features are
similar to Kadlecová et al., "Surprisingly Strong Performance Prediction with Neural Graph Features"
(GRAF), ICML 2024. Neither the path encoding nor the graph features depend on the order of the
vertices.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import UserError
from surrogate_nas.space.base import (
    Analysed,
    Analytic,
    Column,
    Encoding,
    Flags,
    Matrix,
    Space,
    by_name,
    sizes_of,
    stacked,
    structural,
    together,
)
from surrogate_nas.space.cell import Cell, Choices, cell_text
from surrogate_nas.space.nb101.graphs import (
    MOST_EDGES,
    MOST_VERTICES,
    OPERATIONS,
    PAIRS,
    Graph,
    bits_of,
    canonical,
    listed,
    module_hash,
    pruned,
)
from surrogate_nas.space.network import Blueprint, Network
from surrogate_nas.space.product import ChoiceSpace
from surrogate_nas.space.sketch import (
    INK,
    Arrow,
    Frame,
    Mark,
    Sketch,
    columned,
    curved,
    labelled,
)

OUTPUT = MOST_VERTICES - 1
"""The number of the output vertex in choices, for any number of vertices."""
CONV3, CONV1, POOL = range(len(OPERATIONS))


def edges_of(choices: Choices) -> Choices:
    """Return whether each pair of vertices in `PAIRS` is an edge, shape ``(n, 21)``."""
    return choices[:, : len(PAIRS)]


def links(choices: Choices) -> Flags:
    """Return whether an edge leads from one vertex to another, shape ``(7, 7, n)``."""
    linked = np.zeros((MOST_VERTICES, MOST_VERTICES, len(choices)), dtype=bool)
    linked[tuple(np.transpose(PAIRS))] = edges_of(choices).T == 1
    return linked


def operations(choices: Choices) -> Choices:
    """Return the operation of every inner vertex, or 3 for a missing vertex, shape ``(5, n)``."""
    return np.ascontiguousarray(choices[:, len(PAIRS) :].T)


def channels(linked: Flags, outputs: int) -> NDArray[np.int64]:
    """Return the channels of inner vertices, or 0 for missing vertices, shape ``(5, n)``."""
    last = linked[1:OUTPUT, OUTPUT]
    n_sources = np.maximum(last.sum(axis=0), 1)
    first = np.cumsum(last, axis=0) <= outputs % n_sources
    widths = np.where(last, outputs // n_sources + first, 0)
    for vertex in range(OUTPUT - 2, 0, -1):
        widest = np.where(linked[vertex, 1:OUTPUT], widths, 0).max(axis=0)
        widths[vertex - 1] = np.where(last[vertex - 1], widths[vertex - 1], widest)
    return widths


def sizes(choices: Choices, network: Network) -> tuple[Column, Column]:
    """Return parameters and multiply-accumulates of cells, integers of shape ``(n,)`` each."""
    linked = links(choices)
    stem = network.taps * network.input_channels * network.channels
    areas = [size**network.dimensions for _, size in network.stages]
    parameters = np.full(len(choices), stem + 2.0 * network.channels)
    macs = np.full(len(choices), float(stem * areas[0]))
    before = network.channels
    kernel = np.array([network.taps, 1, 0, 0])[operations(choices)]
    for (width, _), area in zip(network.stages, areas, strict=True):
        own = channels(linked, width)
        weights = (kernel * own * own).sum(axis=0)
        scales = 2 * (own * (kernel > 0)).sum(axis=0)
        projected = (linked[0, 1:OUTPUT] * own).sum(axis=0) + width * linked[0, OUTPUT]
        for inputs, times in ((before, 1), (width, network.cells_per_stage - 1)):
            parameters += times * (weights + scales + projected * (inputs + 2))
            macs += times * area * (weights + projected * inputs)
        before = width
    head = (before + 1) * network.classes
    return parameters + head, macs + head * network.answers


def _along(
    linked: Flags,
    first: int,
    absent: int,
    merge: Callable[..., Choices],
    step: Callable[[Choices, int], Choices],
) -> Choices:
    """Propagate a value from the input to the output, shape ``(n,)``."""
    values = np.zeros((MOST_VERTICES, linked.shape[2]), dtype=np.int8)
    values[0] = first
    for vertex in range(1, MOST_VERTICES):
        arrived = np.where(linked[:vertex, vertex], values[:vertex], absent)
        values[vertex] = step(merge(arrived, axis=0), vertex)
    return np.asarray(values[OUTPUT])


def longest(linked: Flags, counted: Flags) -> Choices:
    """Return the largest number of counted vertices on any path to the output, shape ``(n,)``."""
    own = np.vstack([counted, np.zeros_like(counted[:1])])
    return _along(
        linked, 0, -MOST_VERTICES, np.max, lambda most, vertex: most + own[vertex - 1]
    )


def _counted(name: str, description: str, *kinds: int) -> Analysed:
    return structural(
        name,
        description,
        lambda choices: np.isin(operations(choices), kinds).sum(axis=0),
    )


ANALYTIC: Analytic = by_name(
    *sizes_of(sizes),
    _counted(
        "convolutions", "vertices with a convolution, without projections", CONV3, CONV1
    ),
    _counted("convolutions3x3", "vertices with a 3×3 convolution", CONV3),
    _counted("pools", "vertices with pooling", POOL),
    structural(
        "depth",
        "most vertices on a way from input to output",
        lambda choices: longest(links(choices), operations(choices) < len(OPERATIONS)),
    ),
    structural("edges", "of the cell", lambda choices: edges_of(choices).sum(axis=1)),
)


_KINDS = len(OPERATIONS)
_LONGEST = 3
_SUBSETS = tuple(
    subset
    for size in (1, 2, 3)
    for subset in itertools.combinations(range(_KINDS), size)
)
_WIDTH = 128


def operation_counts(choices: Choices) -> Matrix:
    """Return 4 columns: the numbers of vertices with each operation, and the number of edges."""
    kinds = operations(choices)
    counts = [(kinds == kind).sum(axis=0) for kind in range(_KINDS)]
    return stacked(*counts, edges_of(choices).sum(axis=1))


def paths(choices: Choices) -> Matrix:
    """Return 40 columns: counts of paths from input to output by their sequence of up to three
    operations.
    """
    n = len(choices)
    linked = links(choices)
    kinds = operations(choices)
    nothing = [
        np.zeros((_KINDS**length, n), np.float32) for length in range(_LONGEST + 1)
    ]
    paths_to: list[list[Matrix]] = [[np.ones((1, n), np.float32), *nothing[1:]]]
    for vertex in range(1, MOST_VERTICES):
        arrived = [
            np.sum(
                [linked[v, vertex] * before for v, before in enumerate(counts)], axis=0
            )
            for counts in zip(*paths_to, strict=True)
        ]
        if vertex < OUTPUT:
            own = kinds[vertex - 1] == np.arange(_KINDS)[:, None]
            longer = [(part[:, None] * own).reshape(-1, n) for part in arrived[:-1]]
            paths_to.append([nothing[0], *longer])
    return np.concatenate(arrived).T


def shape(choices: Choices) -> Matrix:
    """Return 32 columns that describe vertices, edges at input and output, paths and depth.

    - For each subset of operations: the largest number of vertices with these operations on a path
      from input to output, and the number of paths that contain no other operation.
    - For each operation: the numbers of vertices that read the input and that the output reads, and
      sums of channels and squared channels of vertices in a cell with 128 output channels.
    - In addition: the numbers of vertices and edges, of vertices at the input and at the output,
      the length of the shortest path, and whether the input is added to the output.
    """
    linked = links(choices)
    kinds = operations(choices)
    to_output, from_input = linked[1:OUTPUT, OUTPUT], linked[0, 1:OUTPUT]
    columns = [
        (kinds < _KINDS).sum(axis=0),
        to_output.sum(axis=0),
        from_input.sum(axis=0),
        linked[0, OUTPUT],
        edges_of(choices).sum(axis=1),
        _along(linked, 0, MOST_VERTICES, np.min, lambda fewest, _: fewest + 1),
    ]
    for subset in _SUBSETS:
        inside = np.isin(kinds, subset)
        columns += [longest(linked, inside), _ways(linked, inside)]
    own = channels(linked, _WIDTH) / _WIDTH
    for kind in range(_KINDS):
        here = kinds == kind
        parts = here & from_input, here & to_output, here * own, here * own**2
        columns += [part.sum(axis=0) for part in parts]
    return stacked(*columns)


def _ways(linked: Flags, allowed: Flags) -> Choices:
    own = np.vstack([allowed, np.ones_like(allowed[:1])])
    return _along(linked, 1, 0, np.sum, lambda ways, vertex: ways * own[vertex - 1])


_functional = together(paths, operation_counts, shape)
ENCODINGS: Mapping[str, Encoding] = {
    "operation_counts": operation_counts,
    "paths": paths,
    "shape": shape,
    "alive": _functional,
    "functional": _functional,
    "path_and_graph": _functional,
}


def _cell(plan: Blueprint, graph: Graph, x: int, outputs: int, name: str) -> int:
    computed: dict[int, int] = {}
    for v, width in enumerate(_widths(graph, outputs), 1):
        if not width:
            continue
        is_last = v == graph.vertices - 1
        sources = [computed[u] for u, to in graph.pairs if to == v and u in computed]
        terms = sources if is_last else [plan.part(source, width) for source in sources]
        if is_last and len(terms) > 1:
            terms = [plan.join(*terms)]
        if (0, v) in graph.pairs:
            terms.append(_followed(plan, x, f"{name}.{v}.projection", width, 1))
        computed[v] = plan.sum(*terms)
        if is_last:
            break
        if (operation := graph.operations[v - 1]) == POOL:
            computed[v] = plan.pool(computed[v], largest=True)
        else:
            kernel = 3 if operation == CONV3 else 1
            path = f"{name}.{v}.operation"
            computed[v] = _followed(plan, computed[v], path, width, kernel)
    return computed[graph.vertices - 1]


def _followed(plan: Blueprint, x: int, name: str, width: int, kernel: int) -> int:
    return plan.relu(plan.convolution_bn(x, name, width, kernel, relu=False))


def _widths(graph: Graph, outputs: int) -> list[int]:
    linked = np.zeros((MOST_VERTICES, MOST_VERTICES, 1), dtype=bool)
    for x, y in graph.pairs:
        linked[x, OUTPUT if y == graph.vertices - 1 else y] = True
    return [*channels(linked, outputs)[: graph.vertices - 2, 0].tolist(), outputs]


_CELLS = 423_624
_NONE = len(OPERATIONS)
_INNER = MOST_VERTICES - 2
_EXAMPLE = "110|01|1:conv3x3-bn-relu,maxpool3x3"
_SHAPE = (
    r"([01]{1,6}(?:\|[01]{1,5}){0,5}):((?:[a-z0-9-]{1,20}(?:,[a-z0-9-]{1,20}){0,4})?)"
)
_INCEPTION = (
    "111100|00001|0001|001|10|1:"
    "conv3x3-bn-relu,conv1x1-bn-relu,maxpool3x3,conv3x3-bn-relu,conv3x3-bn-relu"
)


# By the number of vertices the columns of edges; the output is the last of seven vertices.
_EDGE_COLUMNS = {
    vertices: [
        PAIRS.index((x, OUTPUT if y == vertices - 1 else y))
        for x, y in PAIRS
        if y < vertices
    ]
    for vertices in range(2, MOST_VERTICES + 1)
}


class NB101(ChoiceSpace):
    """NAS-Bench-101's space.

    The choices are an adjacency matrix of seven vertices, the last of which is the output, and
    operations. Missing vertices have the operation ``none`` and no edges.

    Neighbouring cells differ in one operation, one edge, or one vertex with one incoming and one
    outgoing edge. In lists of neighbours, changed operations come first, then added or removed
    edges, then added or removed vertices. Isomorphic neighbours count once. A change must not cause
    the pruning of other vertices.

    Example:
        >>> space = NB101()
        >>> cell = space.parse("11|1:maxpool3x3")
        >>> str(cell), space.identity(cell)[:8], len(space)
        ('11|1:maxpool3x3', '6f6257bc', 423624)
    """

    name = "nb101"
    citation = (
        "Ying et al., NAS-Bench-101: Towards Reproducible Neural Architecture Search,"
        " ICML 2019"
    )
    positions = (
        *(f"edge.{x}-{y}" for x, y in PAIRS),
        *(f"operation.{v}" for v in range(1, MOST_VERTICES - 1)),
    )
    texts = (*(("0", "1"),) * len(PAIRS), *((*OPERATIONS, "none"),) * _INNER)
    further_encodings = ENCODINGS
    views = ("shape+operation_counts+paths",)
    analytic = ANALYTIC
    cost_encodings = ("shape", "one_hot")
    complexity = "convolutions"
    reference_text = _INCEPTION
    named = {"inception": _INCEPTION}
    listed = True
    size = _CELLS  # without listing them

    def __len__(self) -> int:
        return _CELLS

    reference_sample = Space.reference_sample
    reference_choices = Space.reference_choices

    def _matrix(self) -> Choices:
        every = listed()
        matrix = np.zeros((len(every.edges), len(self.positions)), dtype=np.int8)
        matrix[:, len(PAIRS) :] = _NONE
        for vertices, columns in _EDGE_COLUMNS.items():
            rows = np.flatnonzero(every.vertices == vertices)
            for bit, column in enumerate(columns):
                matrix[rows, column] = every.edges[rows] >> bit & 1
            for vertex in range(vertices - 2):
                left = every.operations[rows] // len(OPERATIONS) ** (
                    vertices - 3 - vertex
                )
                matrix[rows, len(PAIRS) + vertex] = left % len(OPERATIONS)
        return matrix

    def identity(self, cell: Cell) -> str:
        """Return the paper's hash of a cell, which is unique and is the key of the benchmark's
        tables.
        """
        return module_hash(_graph(cell.choices))

    def write(self, choices: tuple[int, ...]) -> str:
        """Return the upper triangle of the adjacency matrix and the operations as text."""
        graph = _graph(choices)
        pairs, n = graph.pairs, graph.vertices
        rows = (
            "".join(str(int((x, y) in pairs)) for y in range(x + 1, n))
            for x in range(n - 1)
        )
        return f"{'|'.join(rows)}:{','.join(OPERATIONS[o] for o in graph.operations)}"

    def parse(self, text: str) -> Cell:
        """Return the cell for a graph in the format of `write`.

        Raises:
            UserError: The text has another format, or the graph is not a cell of this space.
        """
        stripped = cell_text(text)
        return self._by_text.get(stripped) or self._at(
            _read(self.named.get(stripped, stripped))
        )

    def _at(self, graph: Graph) -> Cell:
        cell: Cell = self._cells[listed().index(graph)]
        return cell

    def _near(self, cell: Cell) -> list[Cell]:
        return [self._at(graph) for graph in _neighbours(_graph(cell.choices))]

    def blueprint(
        self, cell: Cell, network: Network, *, live_only: bool = False
    ) -> Blueprint:
        """Return the whole network of a cell as a list of layers."""
        graph = _graph(cell.choices)
        plan = Blueprint(network)
        x = _followed(plan, plan.input(), "stem", network.channels, 3)
        for stage, (width, _) in enumerate(network.stages):
            if stage and network.strided:
                x = plan.halve(x, largest=True)
            for n in range(network.cells_per_stage):
                x = _cell(plan, graph, x, width, f"stacks.{stage}.{n}.vertices")
        plan.answer(x)
        return plan

    def sketch(self, cell: Cell) -> Sketch:
        """Sketch a cell as a graph with a box for every vertex."""
        return _sketch(_graph(cell.choices))


@lru_cache(maxsize=1 << 14)
def _graph(choices: tuple[int, ...]) -> Graph:
    inner = tuple(
        operation for operation in choices[len(PAIRS) :] if operation != _NONE
    )
    columns = _EDGE_COLUMNS[len(inner) + 2]
    bits = sum(1 << bit for bit, column in enumerate(columns) if choices[column])
    return Graph(len(inner) + 2, bits, inner)


def _neighbours(graph: Graph) -> dict[Graph, None]:
    changed = itertools.starmap(_whole, _changes(graph))
    neighbours = {canonical(form): None for form in changed if form is not None}
    neighbours.pop(graph, None)
    return neighbours


_Edges: TypeAlias = list[tuple[int, int]]


def _changes(graph: Graph) -> Iterator[tuple[int, _Edges, tuple[int, ...]]]:
    vertices, edges, operations = graph.vertices, graph.pairs, graph.operations
    kinds = range(len(OPERATIONS))
    free = _free(vertices, edges)
    for index, kind in itertools.product(range(vertices - 2), kinds):
        if kind != operations[index]:
            yield vertices, edges, (*operations[:index], kind, *operations[index + 1 :])
    for pair in free:
        if pair in edges:
            yield vertices, [edge for edge in edges if edge != pair], operations
        elif len(edges) < MOST_EDGES:
            yield vertices, [*edges, pair], operations
    for vertex in range(1, vertices - 1):
        rest = [
            (x - (x > vertex), y - (y > vertex))
            for x, y in edges
            if vertex not in (x, y)
        ]
        if len(rest) == len(edges) - 2:
            yield vertices - 1, rest, (*operations[: vertex - 1], *operations[vertex:])
    if vertices < MOST_VERTICES and len(edges) + 2 <= MOST_EDGES:
        last = vertices - 1
        moved = [(x, y + (y == last)) for x, y in edges]
        for (x, y), operation in itertools.product(free, kinds):
            more = [*moved, (x, last), (last, y + (y == last))]
            yield vertices + 1, more, (*operations, operation)


def _free(vertices: int, edges: _Edges) -> _Edges:
    """Return the pairs of vertices that an edge can connect without creating a cycle."""
    reached = set(edges)
    for middle in range(vertices):
        reached |= {
            (x, y) for x, m in reached if m == middle for n, y in reached if n == middle
        }
    pairs = itertools.product(range(vertices - 1), range(1, vertices))
    return [(x, y) for x, y in pairs if x != y and (y, x) not in reached]


def _whole(vertices: int, edges: _Edges, operations: tuple[int, ...]) -> Graph | None:
    """Return the graph with ordered vertices if all lie on a path from input to output."""
    left = set(range(1, vertices - 1))
    order = [0]
    while left:
        free = sorted(left - {y for x, y in edges if x in left})
        order += free
        left -= set(free)
    index = {vertex: i for i, vertex in enumerate([*order, vertices - 1])}
    bits = bits_of({(index[x], index[y]) for x, y in edges})
    graph = Graph(vertices, bits, tuple(operations[vertex - 1] for vertex in order[1:]))
    return graph if pruned(*graph) == graph else None


def _read(text: str) -> Graph:
    match = re.fullmatch(_SHAPE, text, re.ASCII)
    rows = match[1].split("|") if match else []
    if match is None or [len(row) for row in rows] != list(range(len(rows), 0, -1)):
        raise UserError(
            f"Malformed cell {text!r:.200}: a cell of the space nb101 reads {_EXAMPLE}, each row"
            " one bit shorter than the last."
        )
    bits = (
        (x, y, bit) for x, row in enumerate(rows) for y, bit in enumerate(row, x + 1)
    )
    pairs = [(x, y) for x, y, bit in bits if bit == "1"]
    operations = match[2].split(",") if match[2] else []
    vertices = len(operations) + 2
    if len(rows) != vertices - 1:
        raise UserError(
            f"{text!r:.200} has {len(rows) + 1} vertices and {len(operations)} operations, but"
            " needs one operation per inner vertex."
        )
    if unknown := [
        operation for operation in operations if operation not in OPERATIONS
    ]:
        raise UserError(
            f"An operation of the space nb101 is one of {', '.join(OPERATIONS)}, not"
            f" {unknown[0]!s:.80}."
        )
    graph = pruned(vertices, bits_of(pairs), list(map(OPERATIONS.index, operations)))
    if graph is None:
        raise UserError(
            f"{text!r:.200} has no path from input to output, so it is not a cell of nb101."
        )
    if len(graph.pairs) > MOST_EDGES:
        raise UserError(
            f"A cell of the space nb101 has at most {MOST_EDGES} edges, not {len(graph.pairs)}."
        )
    return canonical(graph)


_COLOURS = ("#d55e00", "#e69f00", "#0072b2")
_LABELS = ("conv 3×3", "conv 1×1", "max 3×3")
_PAPER = (360.0, 187.2)


@lru_cache(maxsize=1024)
def _sketch(graph: Graph) -> Sketch:
    pairs = graph.pairs
    depth = [0] * graph.vertices
    for x, y in sorted(pairs, key=lambda edge: edge[1]):
        depth[y] = max(depth[y], depth[x] + 1)
    points = columned(depth, 1.0, 0.3, last=False)
    heights = [y for _, y in points]
    frame = Frame.around(
        (-0.45, depth[-1] + 0.45), (min(heights) - 0.8, max(heights) + 0.8), _PAPER
    )
    at = [frame.at(position) for position in points]
    marks: list[Mark] = []
    for x, y in pairs:
        bend = 0.0 if depth[y] - depth[x] == 1 else 0.14 * (-1) ** x
        marks.append(Arrow(curved(at[x], at[y], bend, (18.0, 30.0)), INK, 1.3))
    names = ["in", *(_LABELS[o] for o in graph.operations), "out"]
    colours = [INK, *(_COLOURS[o] for o in graph.operations), INK]
    for point, text, colour in zip(at, names, colours, strict=True):
        marks += labelled(point, text, 26.0 if text in ("in", "out") else 52.0, colour)
    return Sketch(_PAPER, marks)
