"""The NAS-Bench-201 cell space: four nodes, six edges, five operations, 15,625 cells.

Dong & Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", ICLR
2020. Cells have the official index order. The official order is a product over the edges, shuffled
by Python's Mersenne Twister with seed 88, so no index file is needed. `snas data verify` checks
that the computed order and the published order agree.

The network consists of a 3×3 stem with batch normalisation, three stages of cells with C, 2C and 4C
channels, a residual block of stride 2 between stages, batch normalisation, pooling and a linear
layer. Operations that do not affect the output are built. Metrics count them, too, unless the name
of the metric contains ``live``.

Every encoding maps choices of shape ``(n, 6)`` (see `choices_of`) to a float32 matrix of shape
``(n, d)``. No encoding contains a label, an index or a measurement. Path features follow White et
al., "BANANAS", AAAI 2021. Graph features per subset of operations are similar to Kadlecová et al.,
"Surprisingly Strong Performance Prediction with Neural Graph Features" (GRAF), ICML 2024.

The graph neural network of this package represents cells as graphs of shared terms, so it computes
every isomorphism class only once. A cell is a sum of terms, without operations that do not affect
the output. A term is the input, or a convolution of a sum of terms, pooled zero or more times. In a
sum of terms, ``none`` is dropped, skips are contracted, and pooling is distributed over sums. Nodes
have no names, so relabelling has no effect, and isomorphic cells are the same sum. The space has
only 132 different terms, and 59 different sums inside convolutions. The graph neural network
computes an embedding of each term and each sum, and a cell is one row of counts.
"""

import itertools
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, cached_property, lru_cache, partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import UserError
from surrogate_nas.space import four_nodes
from surrogate_nas.space.base import (
    Analysed,
    Analytic,
    Column,
    Enumerable,
    Matrix,
    by_name,
    macs_of,
    numbered,
    sizes_of,
    stacked,
    structural,
    together,
)
from surrogate_nas.space.cell import Cell, Choices
from surrogate_nas.space.four_nodes import (
    EDGES,
    INCOMING,
    PATHS,
    arrangements,
    depth,
    edge_live,
    live_edges,
    on_paths,
    path_counts,
    path_live,
    paths_metric,
)
from surrogate_nas.space.network import (
    CONV1,
    CONV3,
    NONE,
    POOL,
    SKIP,
    Blueprint,
    Counts,
    Graph,
    Level,
    Network,
    Terms,
    around,
)
from surrogate_nas.space.product import ChoiceSpace
from surrogate_nas.space.sketch import Sketch

_LIVE_OPERATIONS = (SKIP, CONV1, CONV3, POOL)
_SUBSETS = tuple(
    subset
    for size in (1, 2, 3, 4)
    for subset in itertools.combinations(_LIVE_OPERATIONS, size)
)
_MISSING = -1.0


operation_counts = partial(four_nodes.operation_counts, n=5)
paths = partial(path_counts, first=CONV1, kinds=3)
"""Count paths to the output by their sequence of 1×1, 3×3 and pooling; 40 columns."""


def depth_and_live(choices: Choices) -> Matrix:
    """Return 6 columns: depth in operations, number of live paths, and number of live edges with
    each operation.
    """
    edges = live_edges(choices, _LIVE_OPERATIONS)[::3]
    return stacked(depth(choices), path_live(choices).sum(axis=1), *edges)


def graph(choices: Choices) -> Matrix:
    """Return 102 columns of graph features, per subset of operations and per operation, as in GRAF.

    For each of the 15 subsets of the live operations, six columns describe the live paths. Three
    columns contain the number of live paths with only operations of the subset, and the shortest
    and the longest length of these paths in edges (-1 if there is no such path). Three columns
    contain the largest, the smallest and the total number of edges on a live path with operations
    of the subset. For each live operation, three columns contain the number of its live edges, of
    its live edges that leave the input, and of its live edges that enter the output.
    """
    live = path_live(choices)
    lengths = np.array([len(path) for path in PATHS])
    columns = []
    for subset in _SUBSETS:
        counts = on_paths(np.isin(choices, subset))
        only = live & (counts == lengths)
        shortest = np.where(only, lengths, np.inf).min(axis=1)
        longest = np.where(only, lengths, _MISSING).max(axis=1)
        most = np.where(live, counts, _MISSING).max(axis=1)
        fewest = np.where(live, counts, np.inf).min(axis=1)
        total = np.where(live, counts, 0).sum(axis=1)
        shortest[np.isinf(shortest)] = fewest[np.isinf(fewest)] = _MISSING
        columns += [only.sum(axis=1), shortest, longest, most, fewest, total]
    return stacked(*columns, *live_edges(choices, _LIVE_OPERATIONS))


def signal(choices: Choices) -> Matrix:
    """Return 16 columns that describe the flow of variance through the untrained cell.

    Every live convolution is an independent source of unit variance, because its output is
    normalised. Skips copy a node, sums add variances (equal sources add amplitudes), and pooling
    keeps a share of the variance. The columns describe the variance of the output. All columns are
    0 if nothing reaches the output.

    Columns 1 to 3 are the variance of the output, its logarithm, and the share of the input in this
    variance. Columns 4 to 6 are the shares of convolutions with a mean depth up to 1, 2 and 3.
    Columns 7 to 9 are the mean depth in convolutions, the mean depth in 3×3 convolutions, and the
    growth of the receptive field. Columns 10 to 13 are the pooled share, how often the input
    arrives pooled and unpooled, and the share of 3×3 convolutions. Columns 14 to 16 are the number
    of sources, the largest depth in 3×3 convolutions, and the entropy of the shares.
    """
    n = len(choices)
    # node, cell, source (the input, then edges), poolings passed since
    nodes = np.zeros((4, n, 7, 4))
    nodes[0, :, 0, 0] = 1.0
    # mean depth, mean depth in 3×3 convolutions, receptive field's growth
    sources = np.zeros((n, 7, 3))
    for edge, (start, end) in enumerate(EDGES):
        node = nodes[start]
        operation = choices[:, edge]
        nodes[end] += np.where((operation == SKIP)[:, None, None], node, 0)
        nodes[end, :, :, 1:] += np.where(
            (operation == POOL)[:, None, None], node[:, :, :-1], 0
        )
        works = ((operation == CONV1) | (operation == CONV3)) & node.any(axis=(1, 2))
        three = operation == CONV3
        inside = (_shares(node)[1][:, :, None] * sources).sum(axis=1)
        pooled = (node.sum(axis=1) @ np.arange(4.0)) / np.maximum(
            node.sum(axis=(1, 2)), 1
        )
        grown = inside + np.column_stack([np.ones(n), three, 2 * three + 2 * pooled])
        sources[:, edge + 1] = np.where(works[:, None], grown, 0)
        nodes[end, :, edge + 1, 0] += works
    return _make_up(nodes[3], sources, choices)


# The share of variance that averaging 3×3 neighbours, which resemble each other, leaves.
_KEPT_BY_POOLING = 0.35


def _shares(node: Column) -> tuple[Column, Column]:
    """Return a node's variance, ``(n,)``, and the sources' shares, ``(n, 7)``; 0 if it is dead."""
    variance = (node @ (_KEPT_BY_POOLING ** (np.arange(4) / 2))) ** 2
    total = variance.sum(axis=1)
    return total, variance / np.where(total > 0, total, 1)[:, None]


def _make_up(output: Column, sources: Column, choices: Choices) -> Matrix:
    total, share = _shares(output)
    depth = sources[:, :, 0]
    bands = ((depth > low) & (depth <= low + 1) for low in range(3))
    heard = share[:, 1:] > 0
    return stacked(
        total,
        np.log(np.where(total > 0, total, 1)),
        share[:, 0],
        *(np.where(band, share, 0).sum(axis=1) for band in bands),
        (share[:, :, None] * sources).sum(axis=1),
        output[:, :, 1:].sum(axis=(1, 2)) / np.maximum(output.sum(axis=(1, 2)), 1),
        output[:, 0, 1:].sum(axis=1),
        output[:, 0, 0],
        np.where(choices == CONV3, share[:, 1:], 0).sum(axis=1),
        heard.sum(axis=1),
        np.where(heard, sources[:, 1:, 1], 0).max(axis=1),
        -(share * np.log(np.where(share > 0, share, 1))).sum(axis=1),
    )


def cost_groups(choices: Choices) -> list[Matrix]:
    """Return groups of features for cost models: a constant, counts of built operations, counts of
    live operations, structure, built edges and live edges.
    """
    encoded = np.equal(choices[:, :, None], np.arange(5)).astype(np.float32)
    edges = edge_live(choices)
    through = path_live(choices)
    live = (encoded * edges[:, :, None])[:, :, 1:]
    n = len(choices)
    return [
        np.ones((n, 1), dtype=np.float32),
        operation_counts(choices),
        live.sum(axis=1),
        stacked(through.any(axis=1), through, edges.sum(axis=1), depth(choices)),
        encoded.reshape(n, -1),
        live.reshape(n, -1),
    ]


ENCODINGS: dict[str, Callable[[Choices], Matrix]] = {
    "operation_counts": operation_counts,
    "paths": paths,
    "graph": graph,
    "path_and_graph": together(paths, depth_and_live, operation_counts, graph),
    "alive": together(paths, depth_and_live, graph),
    "signal": signal,
    "functional": together(paths, depth_and_live, graph, signal),
}


@lru_cache(maxsize=64)
def _by_operation(network: Network) -> Column:
    """Return parameters and multiply-accumulates of each operation on an edge, one row each."""
    nothing = (NONE,) * (len(EDGES) - 1)
    graphs = (Graph(EDGES, (operation, *nothing)) for operation in range(5))
    plans = (around(graph, network) for graph in graphs)
    sizes = np.array([(plan.size, plan.multiply_accumulates) for plan in plans], float)
    sizes[1:] -= sizes[0]
    return sizes


def sizes(choices: Choices, network: Network) -> Column:
    """Return parameters and multiply-accumulates of all operations, including dead operations.

    Returns:
        Integers, shape ``(2, n)``, as counted by `Blueprint`.
    """
    frame, *operations = _by_operation(network)
    counts = operation_counts(choices).astype(np.float64)
    return np.asarray((frame + counts[:, 1:] @ operations).T)


def _live(choices: Choices, network: Network) -> Column:
    live = np.where(edge_live(choices), choices, 0).astype(np.int8)
    return np.asarray(sizes(live, network)[1])


def _built(name: str, description: str, *kinds: int) -> Analysed:
    return structural(
        name,
        description,
        lambda choices: operation_counts(choices)[:, kinds].sum(axis=1),
    )


ANALYTIC: Analytic = by_name(
    *sizes_of(
        sizes,
        "trainable, dead operations included",
        "multiply-accumulates, the paper's convention",
    ),
    macs_of(_live, "multiply-accumulates on live paths only", "live_macs"),
    structural("depth", "longest live path, in operations", depth),
    _built("convolutions", "convolutions built in a cell", CONV1, CONV3),
    _built("operations", "edges that are not none or skip", CONV1, CONV3, POOL),
    paths_metric,
)


# ``(base, poolings)``; the base is ``()``, the input, or ``(operation, sum)``.
_Term: TypeAlias = tuple[Any, int]
# The different terms of a sum, each with how often it is added and for how many convolutions of
# that form.
_Sum: TypeAlias = tuple[tuple[_Term, int, int], ...]


class _Use(NamedTuple):
    """A summand: its term, the edge of its convolution, and all convolutions inside it."""

    term: _Term
    name: int | None
    inside: frozenset[tuple[_Term, int]]


@lru_cache(maxsize=1)
def terms_of(space: Enumerable) -> Terms:
    """Compute the shared terms of all cells.

    The computation takes about a second, and the result is cached per process.
    """
    classes = np.arange(len(space)) if space.classes is None else space.classes
    _, first = np.unique(classes, return_index=True)
    outputs = [_output(space[int(i)].choices) for i in first]
    inside = [Counter(term for term, _ in _inside(output)) for output in outputs]
    sums = [_sum(output) for output in outputs]
    terms: set[_Term] = set()
    for term, _, _ in (entry for total in sums for entry in total):
        _collect(term, terms)
    terms.update(term for live in inside for term in live)
    columns: dict[_Term, int] = {}
    levels = []
    for level in range(1 + max(map(_depth, terms))):
        here = sorted(term for term in terms if _depth(term) == level)
        unpooled = [term for term in here if term[1] == 0]
        before = len(columns)
        columns |= {term: i for i, term in enumerate(unpooled, before)}
        pooled = []
        for poolings in range(1, 1 + max(term[1] for term in here)):
            more = [term for term in here if term[1] == poolings]
            pooled.append([columns[base, poolings - 1] for base, _ in more])
            columns |= {term: i for i, term in enumerate(more, len(columns))}
        if level:
            levels.append(
                Level(
                    np.stack([_row(base[1], columns, before) for base, _ in unpooled]),
                    sum(base[0] == CONV1 for base, _ in unpooled),
                    tuple(pooled),
                )
            )
    counts = np.zeros((len(outputs), 3 * len(columns)), dtype=np.float32)
    for row, (total, live) in enumerate(zip(sums, inside, strict=True)):
        counts[row, : 2 * len(columns)] = _row(total, columns, len(columns))
        for term, n in live.items():
            counts[row, 2 * len(columns) + columns[term]] = n
    return Terms(sum(not base for base, _ in columns), tuple(levels), counts)


def _output(choices: tuple[int, ...]) -> list[_Use]:
    nodes = [[_Use(((), 0), None, frozenset())]]
    for incoming in INCOMING:
        node: list[_Use] = []
        for edge, source in incoming:
            operation = choices[edge]
            summands = nodes[source]
            if operation == NONE or not summands:
                continue
            if operation == SKIP:
                node += summands
            elif operation == POOL:
                node += [
                    _Use((use.term[0], use.term[1] + 1), use.name, use.inside)
                    for use in summands
                ]
            else:
                term = ((operation, _sum(summands)), 0)
                node.append(_Use(term, edge, _inside(summands) | {(term, edge)}))
        nodes.append(node)
    return nodes[-1]


def _inside(uses: Iterable[_Use]) -> frozenset[tuple[_Term, int]]:
    return frozenset().union(*(use.inside for use in uses))


def _sum(uses: Iterable[_Use]) -> _Sum:
    uses = list(uses)
    times = Counter(use.term for use in uses)
    different = Counter(term for term, _ in {(use.term, use.name) for use in uses})
    return tuple(sorted((term, n, different[term]) for term, n in times.items()))


def _depth(term: _Term) -> int:
    base = term[0]
    return 1 + max(_depth(inner) for inner, _, _ in base[1]) if base else 0


def _collect(term: _Term, terms: set[_Term]) -> None:
    base, poolings = term
    terms.update((base, k) for k in range(poolings + 1))
    for inner, _, _ in base[1] if base else ():
        _collect(inner, terms)


def _row(total: _Sum, columns: dict[_Term, int], width: int) -> Counts:
    row = np.zeros(2 * width, dtype=np.float32)
    for term, times, different in total:
        row[columns[term]] = times
        row[width + columns[term]] = different
    return row


Term: TypeAlias = tuple[Any, ...]
"""A summand of a node: ``()`` is the input, ``(op, edge, terms)`` an operation on a sum of
terms.
"""


@cache
def functional_class(choices: tuple[int, ...]) -> str:
    """Return a canonical form, which is equal for cells that compute the same functions of their
    weights.

    In the canonical form, edges with ``none`` are dropped, skips are contracted, and sums are
    flattened. Weights of live convolutions have names, so one convolution whose result is used
    twice differs from two convolutions. Average pooling is linear, so it is distributed over sums.
    """
    nodes: list[tuple[Term, ...]] = [((),)]
    for incoming in INCOMING:
        terms: list[Term] = []
        for edge, source in incoming:
            operation = choices[edge]
            if operation == NONE or not nodes[source]:
                continue
            if operation == SKIP:
                terms.extend(nodes[source])
            elif operation == POOL:
                terms.extend((POOL, None, (term,)) for term in nodes[source])
            else:
                terms.append((operation, edge, nodes[source]))
        nodes.append(tuple(terms))
    output = nodes[-1]
    orders = arrangements(
        {term[1]: _write((term,), {}) for term in _convolutions(output)}
    )
    return min(
        _write(output, {e: str(i) for i, e in enumerate(order)}) for order in orders
    )


def _convolutions(terms: tuple[Term, ...]) -> Iterator[Term]:
    for term in filter(None, terms):
        if term[1] is not None:
            yield term
        yield from _convolutions(term[2])


def _write(terms: tuple[Term, ...], names: Mapping[int, str]) -> str:
    """Return the text of a sum with sorted terms; convolutions without names have none."""
    written = []
    for term in terms:
        text = "x"
        if term:
            operation, edge, inner = term
            name = f"w{names[edge]}" if edge in names else ""
            text = f"{operation}{name}({_write(inner, names)})"
        written.append(text)
    return "+".join(sorted(written))


OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""The operations, in the order of their numbers in `surrogate_nas.space.network`."""


NASLIB_EDGES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
NASLIB_OPERATIONS = (
    "skip_connect",
    "none",
    "nor_conv_3x3",
    "nor_conv_1x1",
    "avg_pool_3x3",
)
"""The order of edges and operations in NASLib's tuples, which AnalogNAS-Bench shares."""

_OFFICIAL_SHUFFLE_SEED = 88
_SHAPE = "|OP~0|+|OP~0|OP~1|+|OP~0|OP~1|OP~2|"
_FORMAT = re.compile(re.escape(_SHAPE).replace("OP", r"([^|+~]*)"))


class NB201(ChoiceSpace):
    """The NAS-Bench-201 cell space. Use the shared instance `surrogate_nas.space.nb201()`.

    Example:
        >>> space = NB201()
        >>> str(space[11])
        '|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_3x3~1|avg_pool_3x3~2|'
    """

    name = "nb201"
    listed = True
    citation = (
        "Dong & Yang, NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture"
        " Search, ICLR 2020"
    )
    positions = tuple(f"{source}-{target}" for source, target in EDGES)
    options = (OPERATIONS,) * len(EDGES)
    further_encodings = ENCODINGS
    views = ("graph", "graph+signal", "alive")
    analytic = ANALYTIC
    complexity = "convolutions"
    reference_text = (
        "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
        "+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|"
    )
    size = len(OPERATIONS) ** len(EDGES)  # without listing them

    def _matrix(self) -> Choices:
        order = list(itertools.product(range(len(OPERATIONS)), repeat=len(EDGES)))
        random.Random(_OFFICIAL_SHUFFLE_SEED).shuffle(order)
        return np.array(order, dtype=np.int8)

    def write(self, choices: tuple[int, ...]) -> str:
        """Return the benchmark's string for a combination of operations."""
        a, b, c, d, e, f = (OPERATIONS[choice] for choice in choices)
        return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"

    def parse(self, text: str) -> Cell:
        """Return the cell for the benchmark's string, such as
        ``|none~0|+|none~0|none~1|+|none~0|none~1|none~2|``.

        Raises:
            UserError: The string has another format, or an operation is unknown.
        """
        return self._named(self._matched(_FORMAT, text, _SHAPE))

    def identity(self, cell: Cell) -> str:
        """Return the canonical form of a cell's function (see `functional_class`)."""
        return functional_class(cell.choices)

    cost_groups = staticmethod(cost_groups)

    @property
    def terms(self) -> Terms:
        """The shared terms of all cells, for graph neural networks (see `Terms`)."""
        return terms_of(self)

    def graph(self, cell: Cell, *, live_only: bool = False) -> Graph:
        """Return a cell as a graph with an operation on every edge."""
        graph = Graph(EDGES, cell.choices)
        return graph.live() if live_only else graph

    def blueprint(
        self, cell: Cell, network: Network, *, live_only: bool = False
    ) -> Blueprint:
        """Return the published network with a given cell, as a list of layers."""
        return around(self.graph(cell, live_only=live_only), network)

    def sketch(self, cell: Cell) -> Sketch:
        """Sketch a cell as a graph. Edges on no path from input to output are grey and dashed."""
        return four_nodes.four_nodes(cell)

    @cached_property
    def classes(self) -> NDArray[np.int32]:
        """The number of every cell's isomorphism class (5,044 classes), shape ``(15625,)``.

        Cells of one isomorphism class compute the same family of functions of the weights that
        affect their output. The parameters, MACs and latencies of isomorphic cells can differ,
        because dead operations are built.
        """
        return numbered(map(self.identity, self), len(self))

    def from_naslib(self, numbers: Iterable[int]) -> Cell:
        """Return the cell for NASLib's operation numbers of edges 0-1, 0-2, 0-3, 1-2, 1-3, 2-3.

        Raises:
            UserError: There are not six numbers, or a number is not from 0 to 4.
        """
        numbers = tuple(numbers)
        known = range(len(NASLIB_OPERATIONS))
        if len(numbers) != len(EDGES) or not {*numbers} <= {*known}:
            raise UserError(
                f"A NASLib tuple has {len(EDGES)} numbers from 0 to 4, not {numbers!r}."
            )
        names = [NASLIB_OPERATIONS[numbers[NASLIB_EDGES.index(edge)]] for edge in EDGES]
        return self._named(names)


@lru_cache(maxsize=1)
def nb201() -> NB201:
    """Return the NAS-Bench-201 cell space. The instance is shared within a process.

    Example:
        >>> len(nb201()), nb201() is nb201()
        (15625, True)
    """
    return NB201()
