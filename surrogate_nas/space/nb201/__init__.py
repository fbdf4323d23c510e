"""The NAS-Bench-201 cell space: four nodes, six edges, five operations, 15,625 cells.

Dong & Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", ICLR
2020. The space lists its cells in the official index order. That order is a product over the edges,
shuffled by Python's Mersenne Twister with the seed 88, so it needs no index file;
`snas data verify` holds it against one.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.space.base import Analytic, Encoding, numbered
from surrogate_nas.space.cell import Cell, Choices
from surrogate_nas.space.four_nodes import (
    CONV1,
    CONV3,
    EDGES,
    INCOMING,
    NOTHING,
    POOL,
    SKIP,
    arrangements,
    four_nodes,
)
from surrogate_nas.space.nb201.encodings import ANALYTIC, ENCODINGS, cost_groups
from surrogate_nas.space.network import Graph, Network
from surrogate_nas.space.network.blueprint import Blueprint, around
from surrogate_nas.space.product import EnumerableChoiceSpace
from surrogate_nas.space.sketch import Sketch

if TYPE_CHECKING:
    from surrogate_nas.space.network import Terms

_NONE = 0
_SKIP = 1
_POOL = 4

Term: TypeAlias = tuple[Any, ...]
"""A summand of a node: ``()`` is the input, ``(op, edge, terms)`` an operation on a sum of
terms.
"""


@cache
def functional_class(choices: tuple[int, ...]) -> str:
    """A canonical form, equal for cells that compute the same functions of their weights.

    ``none`` is dropped, skips are contracted, sums flattened, each live convolution's weights are
    named (so a result used twice differs from two convolutions), and average pooling, being linear,
    distributes over sums.
    """
    nodes: list[tuple[Term, ...]] = [((),)]
    for incoming in INCOMING:
        terms: list[Term] = []
        for edge, source in incoming:
            operation = choices[edge]
            if operation == _NONE or not nodes[source]:
                continue
            if operation == _SKIP:
                terms.extend(nodes[source])
            elif operation == _POOL:
                terms.extend((_POOL, None, (term,)) for term in nodes[source])
            else:
                terms.append((operation, edge, nodes[source]))
        nodes.append(tuple(terms))
    output = nodes[-1]
    orders = arrangements({term[1]: _write((term,), {}) for term in _convolutions(output)})
    return min(_write(output, {e: str(i) for i, e in enumerate(order)}) for order in orders)


def _convolutions(terms: tuple[Term, ...]) -> Iterator[Term]:
    for term in filter(None, terms):
        if term[1] is not None:
            yield term
        yield from _convolutions(term[2])


def _write(terms: tuple[Term, ...], names: Mapping[int, str]) -> str:
    """Print a sum with its terms sorted; a convolution without a name is printed without one."""
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
"""In the order of `surrogate_nas.space.network`'s numbers."""


NASLIB_EDGES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
NASLIB_OPERATIONS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
"""The order of edges and operations in NASLib's tuples, which AnalogNAS-Bench shares."""

_OFFICIAL_SHUFFLE_SEED = 88
_SHAPE = "|OP~0|+|OP~0|OP~1|+|OP~0|OP~1|OP~2|"
_FORMAT = re.compile(re.escape(_SHAPE).replace("OP", r"([^|+~]*)"))
_SHOWN = (NOTHING, SKIP, CONV1, CONV3, POOL)


class NB201(EnumerableChoiceSpace):
    """The NAS-Bench-201 cell space; use the shared instance `surrogate_nas.space.nb201()`.

    Example:
        >>> space = NB201()
        >>> str(space[11])
        '|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_3x3~1|avg_pool_3x3~2|'
    """

    name = "nb201"
    citation = (
        "Dong & Yang, NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture"
        " Search, ICLR 2020"
    )
    positions = tuple(f"{source}-{target}" for source, target in EDGES)
    options = (OPERATIONS,) * len(EDGES)
    further_encodings: ClassVar[Mapping[str, Encoding]] = ENCODINGS
    views = ("graph", "graph+signal", "alive")
    analytic: ClassVar[Analytic] = ANALYTIC
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
        """The field's string of a combination."""
        a, b, c, d, e, f = (OPERATIONS[choice] for choice in choices)
        return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"

    def parse(self, text: str) -> Cell:
        """Read the field's string, such as ``|none~0|+|none~0|none~1|+|none~0|none~1|none~2|``.

        Raises:
            UserError: The string has another shape, or an operation is unknown.
        """
        return self._named(self._matched(_FORMAT, text, _SHAPE))

    def identity(self, cell: Cell) -> str:
        """The canonical form of what a cell computes (see `functional_class`)."""
        return functional_class(cell.choices)

    cost_groups = staticmethod(cost_groups)

    @property
    def terms(self) -> Terms:
        """What live cells are sums of, for models that compute along the graph (see `Terms`)."""
        from surrogate_nas.space.nb201.terms import terms_of

        return terms_of(self)

    def graph(self, cell: Cell, *, live_only: bool = False) -> Graph:
        """The operation on every edge."""
        graph = Graph(EDGES, cell.choices)
        return graph.live() if live_only else graph

    def blueprint(
        self, cell: Cell, network: Network, *, live_only: bool = False
    ) -> Blueprint:
        """The published network around a cell, layer by layer."""
        return around(self.graph(cell, live_only=live_only), network)

    def sketch(self, cell: Cell) -> Sketch:
        """The cell as a graph; what lies on no path from input to output is grey and dashed."""
        return four_nodes(cell, _SHOWN)

    def official_string(self, cell: Cell) -> str:
        """The benchmark's own isomorphism string: zero as ``#``, skips contracted, sums sorted."""
        names = ["0"]
        for incoming in INCOMING:
            summands = []
            for edge, source in incoming:
                operation = cell.choices[edge]
                name = names[source]
                if operation == _NONE or name == "#":
                    name = "#"
                elif operation != _SKIP:
                    name = f"({name})@{OPERATIONS[operation]}"
                summands.append(name)
            names.append("+".join(sorted(summands)))
        return names[-1]

    @cached_property
    def classes(self) -> NDArray[np.int32]:
        """For every cell the number of its functional class, shape ``(15625,)``, 5,044 classes.

        Cells of one class compute the same family of functions of their live weights; their
        parameters, MACs and latency can still differ, because dead operations are built.
        """
        return numbered(map(self.identity, self), len(self))

    def from_naslib(self, numbers: Iterable[int]) -> Cell:
        """The cell of NASLib's tuple of operation numbers, for edges 0-1, 0-2, 0-3, 1-2, 1-3, 2-3.

        Raises:
            UserError: There are not six, or one is not from 0 to 4.
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
    """The NAS-Bench-201 cell space, one shared instance a process.

    Example:
        >>> len(nb201()), nb201() is nb201()
        (15625, True)
    """
    return NB201()
