"""NAS-Bench-NLP's space: cells of recurrent language models as graphs of up to sixteen nodes.

Klyuchnikov et al., "NAS-Bench-NLP: Neural Architecture Search Benchmark for Natural Language
Processing", IEEE Access 2022. A node computes a linear map (of two or three inputs, each with its
own weights), a blend ``z·a + (1 - z)·b``, a sum, a product or an activation. A node reads the input
x, the states h0 to h2 of the previous step, and earlier nodes. Some nodes are the new states, the
first of which is the output. Cells print as ``nbnlp(n1=linear(x,h0), n2=tanh(n1), new0=n2)``.
Graphs in the JSON format of the benchmark's files can also be parsed. The nodes of these graphs are
renamed and sorted.

Departures from the benchmark: its authors use another sampling procedure and allow more nodes. In
this package, a cell is sampled node by node, not uniformly. A mutation changes an operation, an
input, or the choice of a node as a state. A mutation keeps the number of nodes. Cells that differ
only in the numbering of their nodes are isomorphic.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import UserError
from surrogate_nas.space.base import (
    Column,
    Matrix,
    Space,
    by_name,
    params_of,
    structural,
    together,
)
from surrogate_nas.space.cell import Cell, Choices, cell_text
from surrogate_nas.space.network import Network
from surrogate_nas.space.product import ChoiceSpace
from surrogate_nas.space.sketch import (
    INK,
    MIDDLE,
    PAPER,
    Arrow,
    Box,
    Frame,
    Mark,
    Sketch,
    Text,
    curved,
)

NODES = 16
_INPUTS = 3
_STATES = 3
_NONE = 0
_X = 1
_FIRST = 2 + _STATES
_OPERATIONS = (
    "none",
    "linear",
    "blend",
    "sum",
    "prod",
    "tanh",
    "sigmoid",
    "leaky_relu",
)
_LINEAR = 1
_BLEND = 2
_PUBLISHED = (
    "none",
    "linear",
    "blend",
    "elementwise_sum",
    "elementwise_prod",
    "activation_tanh",
    "activation_sigm",
    "activation_leaky_relu",
)
_SOURCES = (
    "none",
    "x",
    *(f"h{i}" for i in range(_STATES)),
    *(f"n{i + 1}" for i in range(NODES)),
)
_ARITIES = (0,), (2, 3), (3,), (2,), (2,), (1,), (1,), (1,)
_WIDTH = 1 + _INPUTS
_FAR = 8
# The operations that are counted on a path, each in a column of its own.
_WEIGHED = (tuple(range(1, len(_OPERATIONS))), (_LINEAR,), (5, 6), (6,))
_KINDS = 2 + len(_OPERATIONS) - 1
_ITEM = re.compile(r"(n\d{1,2})=([a-z_]+)\(([a-z0-9,]+)\)|(new\d)=(n\d{1,2})")
_EXAMPLE = "nbnlp(n1=linear(x,h0), n2=tanh(n1), new0=n2)"
_EMBEDDING = 13_344_478
_FROM_X = 840_000
_FROM_HIDDEN = 880_000
# Parameters of embedding and decoder, and in three layers together of a linear node's inputs and
# of its bias.
_BIAS = 1_600


class Node(NamedTuple):
    """A node of a cell: its operation, and its sources (1 for x, 2 to 4 for states, 5 and more for
    nodes).
    """

    operation: int
    inputs: tuple[int, ...]


class Net(NamedTuple):
    """The nodes of a cell, and the indices of the nodes that are the new states."""

    nodes: list[Node]
    states: list[int]


def _read(choices: Sequence[int]) -> Net:
    nodes = []
    for at in range(0, NODES * _WIDTH, _WIDTH):
        if not choices[at]:
            break
        nodes.append(
            Node(
                choices[at],
                tuple(source for source in choices[at + 1 : at + _WIDTH] if source),
            )
        )
    return Net(
        nodes,
        [new - (i > 0) for i, new in enumerate(choices[-_STATES:]) if new or not i],
    )


def _choices(cells: Net) -> tuple[int, ...]:
    choices = [0] * (NODES * _WIDTH)
    for i, (operation, inputs) in enumerate(cells.nodes):
        choices[i * _WIDTH : i * _WIDTH + 1 + len(inputs)] = (operation, *inputs)
    states = [node + (i > 0) for i, node in enumerate(cells.states)]
    return (*choices, *states, *[0] * (_STATES - len(states)))


def ordered(cells: Net) -> Net:
    """Return the same graph in canonical order, with sorted inputs of commutative operations.

    Raises:
        LookupError: A node reads a node that does not exist.
        RecursionError: The graph has a cycle.
    """
    nodes = cells.nodes
    marks = _marks(cells)
    indices: dict[int, int] = {}
    sorted_nodes: list[Node] = []
    while len(sorted_nodes) < len(nodes):
        ready = []
        for i, (operation, inputs) in enumerate(nodes):
            if i not in indices and all(
                s < _FIRST or s - _FIRST in indices for s in inputs
            ):
                renamed = [
                    s if s < _FIRST else indices[s - _FIRST] + _FIRST for s in inputs
                ]
                ready.append(
                    (operation, tuple(_arranged(operation, renamed)), marks[i], i)
                )
        operation, inputs, _, i = min(ready)
        indices[i] = len(sorted_nodes)
        sorted_nodes.append(Node(operation, inputs))
    return Net(sorted_nodes, [indices[state] for state in cells.states])


def _marks(cells: Net) -> list[str]:
    """Return a mark for each node; nodes with equal marks and equal inputs are interchangeable."""
    terms = _terms(cells.nodes)

    @cache
    def mark(i: int) -> str:
        readers = []
        for reader, node in enumerate(cells.nodes):
            for slot, source in enumerate(node.inputs):
                if source == i + _FIRST:
                    port = slot if node.operation == _BLEND else ""
                    readers.append(_digest(port, terms[reader], mark(reader)))
        states = [f"new{state}" for state, node in enumerate(cells.states) if node == i]
        return _digest(*sorted(readers), *states)

    return [mark(i) for i in range(len(cells.nodes))]


def _terms(nodes: Sequence[Node]) -> list[str]:
    @cache
    def term(source: int) -> str:
        if source < _FIRST:
            return _SOURCES[source]
        operation, inputs = nodes[source - _FIRST]
        return _digest(operation, *_arranged(operation, map(term, inputs)))

    return [term(i + _FIRST) for i in range(len(nodes))]


def _arranged(operation: int, inputs: Iterable[Any]) -> list[Any]:
    """Return the inputs of an operation, sorted if their order has no effect."""
    return list(inputs) if operation == _BLEND else sorted(inputs)


def _digest(*fields: object) -> str:
    return hashlib.sha256(repr(fields).encode()).hexdigest()[:16]


def _fits(cells: Net) -> bool:
    """Return whether nodes read only earlier nodes, and all inputs, nodes and states are used."""
    nodes, states = cells
    read = set[int]()
    for i, (operation, inputs) in enumerate(nodes):
        read.update(inputs)
        if (
            len(inputs) not in _ARITIES[operation]
            or len(set(inputs)) < len(inputs)
            or max(inputs) >= i + _FIRST
            or list(inputs) != _arranged(operation, inputs)
            or (operation != _LINEAR and _X in inputs)
        ):
            return False
    used = {source - _FIRST for source in read if source >= _FIRST} | set(states)
    old = {source - 2 for source in read if 2 <= source < _FIRST}
    return (
        _X in read
        and used == set(range(len(nodes)))
        and old == set(range(len(states)))
        and len(set(states)) == len(states)
    )


# What a model sees


def _nodes_and_sources(choices: Choices) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    nodes = (
        choices[:, : NODES * _WIDTH]
        .reshape(len(choices), NODES, _WIDTH)
        .astype(np.intp)
    )
    return nodes[:, :, 0], nodes[:, :, 1:]


def counts(choices: Choices) -> Matrix:
    """Return counts of operations and edges, operations of the new states, number of states, and
    depth.
    """
    operations, sources = _nodes_and_sources(choices)
    rows = np.arange(len(choices))
    read = operations[rows[:, None, None], np.maximum(sources - _FIRST, 0)]
    kinds = np.where(sources >= _FIRST, 1 + read, np.where(sources == _X, 0, 1))
    edges = np.zeros((len(choices), len(_OPERATIONS), _KINDS), dtype=np.float32)
    np.add.at(
        edges, (rows[:, None, None], operations[:, :, None], kinds), sources != _NONE
    )
    frequencies = np.stack(
        [(operations == k).sum(axis=1) for k in range(1, len(_OPERATIONS))], axis=1
    )
    states = choices[:, -_STATES:].astype(np.intp)
    later = np.arange(_STATES) > 0
    final = operations[rows[:, None], np.maximum(states - later, 0)]
    there = ~later | (states > 0)
    ends = (final[:, :, None] == np.arange(1, len(_OPERATIONS))) & there[:, :, None]
    further = np.stack([1 + (states[:, 1:] > 0).sum(axis=1), depth(choices)], axis=1)
    outputs = [ends[:, 0], ends[:, 1:].sum(axis=1)]
    blocks = [frequencies, edges[:, 1:].reshape(len(choices), -1), *outputs, further]
    return np.hstack(blocks).astype(np.float32)


def paths(choices: Choices) -> Matrix:
    """Return the smallest numbers of nodes, linear nodes, squashing nodes (tanh or sigmoid) and
    sigmoids on paths.

    The paths lead from x to each new state, and from each old state to the output and to its new
    state. The value is at most 8, and 8 if there is no path.
    """
    operations, sources = _nodes_and_sources(choices)
    rows = np.arange(len(choices))
    states = choices[:, -_STATES:].astype(np.intp) + _FIRST - (np.arange(_STATES) > 0)
    there = choices[:, -_STATES:] + (np.arange(_STATES) == 0) > 0
    blocks = []
    for weighed in _WEIGHED:
        weights = np.isin(operations, weighed)
        for start in range(_X, _FIRST):
            least = np.full((len(choices), _FIRST + NODES), _FAR, dtype=np.float32)
            least[:, start] = 0
            for node in range(NODES):
                before = np.min(
                    [least[rows, sources[:, node, slot]] for slot in range(_INPUTS)],
                    axis=0,
                )
                least[:, _FIRST + node] = np.minimum(before + weights[:, node], _FAR)
            least = np.where(there, np.take_along_axis(least, states, axis=1), _FAR)
            blocks.append(least if start == _X else least[:, sorted({0, start - 2})])
    return np.hstack(blocks).astype(np.float32)


def depth(choices: Choices) -> Column:
    """Return the largest number of nodes on a path to the output, shape ``(n,)``."""
    operations, sources = _nodes_and_sources(choices)
    reached = np.zeros((len(choices), _FIRST + NODES))
    rows = np.arange(len(choices))
    for node in range(NODES):
        deepest = np.max(
            [reached[rows, sources[:, node, slot]] for slot in range(_INPUTS)], axis=0
        )
        reached[:, _FIRST + node] = np.where(operations[:, node] > 0, deepest + 1, 0)
    return reached[rows, _FIRST + choices[:, -_STATES]]


def parameters(choices: Choices, network: Network) -> Column:
    """Return the trainable parameters of the benchmark's three-layer language model, ``(n,)``."""
    operations, sources = _nodes_and_sources(choices)
    linear = operations == _LINEAR
    from_x = ((sources == _X) & linear[:, :, None]).sum(axis=(1, 2))
    from_hidden = ((sources > _X) & linear[:, :, None]).sum(axis=(1, 2))
    total = (
        _EMBEDDING
        + _FROM_X * from_x
        + _FROM_HIDDEN * from_hidden
        + _BIAS * linear.sum(axis=1)
    )
    return np.asarray(total, dtype=np.float64)


# Drawing


_PAPER = (460.8, 230.4)
_COLOURS = {_LINEAR: "#0072b2", 5: "#009e73", 6: "#009e73", 7: "#009e73"}


_OPTIONS: dict[str, tuple[str, ...]] = {}
for _i in range(NODES):
    _OPTIONS[f"n{_i + 1}"] = _OPERATIONS
    _OPTIONS |= {
        f"n{_i + 1}.{slot + 1}": _SOURCES[: _FIRST + _i] for slot in range(_INPUTS)
    }
_OPTIONS["new0"] = _SOURCES[_FIRST:]
_OPTIONS |= {f"new{state}": ("none", *_SOURCES[_FIRST:]) for state in range(1, _STATES)}


class NBNLP(ChoiceSpace):
    """NAS-Bench-NLP's space.

    Example:
        >>> space = NBNLP()
        >>> cell = space.parse("nbnlp(n1=linear(x,h0), n2=tanh(n1), new0=n2)")
        >>> recipe = '{"f": {"op": "linear", "input": ["h_prev_0", "x"]}, '
        >>> recipe += '"h_new_0": {"op": "activation_tanh", "input": ["f"]}}'
        >>> (
        ...     space.parse(recipe) == cell,
        ...     float(
        ...         space.analytic["params"][1](np.array([cell.choices]), Network())[0]
        ...     ),
        ... )
        (True, 15066078.0)
    """

    name = "nbnlp"
    positions = tuple(_OPTIONS)
    options = tuple(_OPTIONS.values())
    further_encodings = {
        "operation_counts": counts,
        "paths": paths,
        "functional": together(counts, paths),
        "path_and_graph": together(counts, paths),
        "alive": counts,
        "signal": paths,
    }
    views = ("operation_counts+paths",)
    apart = "operation_counts"
    analytic = by_name(
        params_of(parameters, "trainable, in three layers"),
        structural(
            "nodes",
            "of the cell",
            lambda choices: (_nodes_and_sources(choices)[0] > 0).sum(axis=1),
        ),
        structural("depth", "most nodes in a row", depth),
    )

    def allows(self, choices: tuple[int, ...]) -> bool:
        """Return whether each node reads only earlier nodes, and all nodes and states are used."""
        cells = _read(choices)
        return bool(cells.nodes) and _choices(cells) == choices and _fits(cells)

    def write(self, choices: tuple[int, ...]) -> str:
        """Return the string of a combination of choices: the nodes in order, and the new states."""
        nodes, states = _read(choices)
        texts = []
        for i, (operation, inputs) in enumerate(nodes, 1):
            sources = ",".join(_SOURCES[source] for source in inputs)
            texts.append(f"n{i}={_OPERATIONS[operation]}({sources})")
        texts += [f"new{i}=n{node + 1}" for i, node in enumerate(states)]
        return f"{self.name}({', '.join(texts)})"

    def parse(self, text: str) -> Cell:
        """Return the cell for a string in the format of `write`, or for a graph from the
        benchmark's JSON files.

        Raises:
            UserError: The text has another format, or the graph is not a cell.
        """
        stripped = cell_text(text)
        try:
            cells = (
                _recipe(json.loads(stripped))
                if stripped[:1] == "{"
                else self._written_cells(stripped)
            )
            return self.at(_choices(cells))
        except (
            UserError,
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            RecursionError,
        ) as error:
            raise UserError(
                f"Malformed cell {text!r:.200}: a cell of the space {self.name} reads {_EXAMPLE};"
                f" there are up to {NODES} nodes and {_STATES} states; a node reads x (only if it"
                " is linear), states and earlier nodes; and all of these are used."
            ) from error

    def _written_cells(self, text: str) -> Net:
        nodes = list[Node]()
        states = list[int]()
        for item in text[len(self.name) + 1 : -1].split(", "):
            match = _ITEM.fullmatch(item)
            if match is None:
                raise ValueError(f"{item} is neither a node nor a state")
            if match[4]:
                states.append(_SOURCES.index(match[5]) - _FIRST)
            else:
                inputs = tuple(map(_SOURCES.index, match[3].split(",")))
                nodes.append(Node(_OPERATIONS.index(match[2]), inputs))
        cells = Net(nodes, states)
        if self.write(_choices(cells)) != text:
            raise ValueError("it belongs to another space, or its order is different")
        return cells

    def identity(self, cell: Cell) -> str:
        """Return the string of a cell after its nodes are put in canonical order."""
        return self.write(_choices(ordered(_read(cell.choices))))

    def sketch(self, cell: Cell) -> Sketch:
        """Sketch a cell from left to right. Linear nodes are blue, and activations are green."""
        cells = _read(cell.choices)
        depths = {source: 0 for source in range(_X, 2 + len(cells.states))}
        for i, node in enumerate(cells.nodes):
            depths[_FIRST + i] = 1 + max(depths[source] for source in node.inputs)
        columns: list[list[int]] = [[] for _ in range(max(depths.values()) + 1)]
        for source, depth in depths.items():
            columns[depth].append(source)
        tallest = max(map(len, columns))
        frame = Frame.around(
            (-0.5, len(columns) - 0.5), (-tallest / 2, tallest / 2), _PAPER
        )
        points = {
            source: frame.at(
                (depth, (len(column) - 1) / 2 - row + (0.2 if depth % 2 else -0.2))
            )
            for depth, column in enumerate(columns)
            for row, source in enumerate(column)
        }
        edges = [
            (source, i)
            for i, node in enumerate(cells.nodes, _FIRST)
            for source in node.inputs
        ]
        curves = [curved(points[a], points[b], 0.08, (22.0, 26.0)) for a, b in edges]
        marks: list[Mark] = [Arrow(curve, MIDDLE, 1.1, head=9.0) for curve in curves]
        for source, point in points.items():
            i = source - _FIRST
            operation = cells.nodes[i].operation if i >= 0 else _NONE
            state = f" = h{cells.states.index(i)}" if i in cells.states else ""
            text = f"{_OPERATIONS[operation] if i >= 0 else _SOURCES[source]}{state}"
            size = 8.0 + 5.0 * len(text), 16.0
            colour = _COLOURS.get(operation, INK)
            marks.append(
                Box(point, size, 16.0 / 3, PAPER, colour, 2.2 if state else 1.2)
            )
            marks.append(Text(point, text, 7.5))
        return Sketch(_PAPER, marks)

    def sample(self, rng: np.random.Generator) -> Cell:
        """Sample a cell node by node: first the numbers of states and nodes, then operations and
        inputs.

        Nodes that no node reads yet become inputs of later nodes, or states. If unused nodes
        remain, the sample is rejected and repeated.
        """
        while True:
            states = int(rng.integers(1, _STATES + 1))
            drawn = _drawn(rng, int(rng.integers(states + 1, NODES + 1)), states)
            if drawn is not None and (cell := self._cell_of(_choices(drawn))):
                return cell

    mutate = Space.mutate


def _drawn(rng: np.random.Generator, n: int, states: int) -> Net | None:
    """Sample a graph whose nodes read mostly unused sources; None if some remain unused."""
    unread = [_X, *range(2, 2 + states)]
    nodes: list[Node] = []
    for i in range(n):
        operation = int(rng.integers(1, len(_OPERATIONS))) if i else _LINEAR
        arity = int(rng.choice(_ARITIES[operation]))
        known = [*range(1, 2 + states), *range(_FIRST, _FIRST + i)]
        first = [source for source in unread if operation == _LINEAR or source != _X]
        rest = [
            s for s in known if s not in first and (operation == _LINEAR or s != _X)
        ]
        pool = [*map(int, rng.permutation(first)), *map(int, rng.permutation(rest))]
        if len(pool) < arity:
            return None
        inputs = _arranged(operation, pool[:arity])
        nodes.append(Node(operation, tuple(inputs)))
        unread = [source for source in unread if source not in inputs] + [_FIRST + i]
    left = [source - _FIRST for source in unread if source >= _FIRST]
    if len(left) > states or len(left) < len(unread):
        return None
    spare = [int(i) for i in rng.permutation(n) if i not in left]
    return Net(nodes, (left + spare)[:states])


def _recipe(recipe: Mapping[str, Mapping[str, Any]]) -> Net:
    """Return the graph of a benchmark entry; ``h_new_0`` to ``h_new_2`` are its new states."""
    sources = {"x": _X} | {f"h_prev_{i}": 2 + i for i in range(_STATES)}
    sources |= {name: _FIRST + i for i, name in enumerate(recipe)}
    nodes = []
    for node in recipe.values():
        inputs = tuple(sources[source] for source in node["input"])
        nodes.append(Node(_PUBLISHED.index(node["op"]), inputs))
    if len(nodes) > NODES:
        raise ValueError("it has too many nodes")
    names = [f"h_new_{i}" for i in range(_STATES)]
    return ordered(
        Net(nodes, [sources[name] - _FIRST for name in names if name in recipe])
    )
