"""NAS-Bench-101's graphs, up to isomorphism, and the paper's hashes of all 423,624 graphs.

The tables of the benchmark use hashes as keys, and a graph cannot be recovered from its hash.
Computing the list of hashes takes half a minute, once per machine.

Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", ICML 2019. Vertex 0
is the input, and the last vertex is the output. An edge leads from a lower to a higher vertex. The
edges of a graph are stored as the bits of a number: the edge (x, y) is bit x + y(y - 1)/2, as in
the paper's code. The paper's code enumerates graphs by their number of vertices, by their edges and
by their operations, and keeps the first of isomorphic graphs. The first of isomorphic graphs is the
canonical form, so sizes, which can depend on the order of the vertices, match the paper's networks.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from itertools import permutations
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import UserError
from surrogate_nas.files import home, replacing
from surrogate_nas.space.base import Flags

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
MOST_VERTICES = 7
MOST_EDGES = 9
PAIRS = tuple((x, y) for y in range(1, MOST_VERTICES) for x in range(y))
"""The edge of each bit."""
_KINDS = len(OPERATIONS)
_INPUT = -1
# What the paper's hash takes for the operations of input and output.
_OUTPUT = -2
_CHUNK = 7
# The 21 bits are looked up seven at a time.
_CHUNKS = 3
# A bit beyond all others: an edge that an order of the vertices turns round.
_REVERSED = 1 << 30
Codes: TypeAlias = NDArray[np.int64]


class Graph(NamedTuple):
    """A graph in which every vertex lies on a path from the input to the output.

    Attributes:
        vertices: The number of vertices, 2 to 7.
        edges: The edges as bits of a number.
        operations: The operations of the inner vertices, as indices into `OPERATIONS`.
    """

    vertices: int
    edges: int
    operations: tuple[int, ...]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The edges as pairs (from, to)."""
        return pairs_of(self.edges)


def pairs_of(edges: int) -> list[tuple[int, int]]:
    """Return the edges (pairs of vertices) that are the bits of a number."""
    return [pair for bit, pair in enumerate(PAIRS) if edges >> bit & 1]


def bits_of(pairs: Iterable[tuple[int, int]]) -> int:
    """Return the number whose bits are the given edges."""
    return sum(1 << x + y * (y - 1) // 2 for x, y in pairs)


def pruned(vertices: int, edges: int, operations: Sequence[int]) -> Graph | None:
    """Return the graph without vertices that lie on no path from input to output.

    Returns:
        The pruned graph, or None if no path connects input and output.
    """
    pairs = pairs_of(edges)
    fed = {0}
    used = {vertices - 1}
    for x, y in sorted(pairs):
        fed |= {y} if x in fed else set()
    for x, y in sorted(pairs, reverse=True):
        used |= {x} if y in used else set()
    if vertices - 1 not in fed:
        return None
    index = {vertex: i for i, vertex in enumerate(sorted(fed & used))}
    code = bits_of((index[x], index[y]) for x, y in pairs if x in index and y in index)
    inner = list(index)[1:-1]
    return Graph(len(index), code, tuple(operations[vertex - 1] for vertex in inner))


def canonical(graph: Graph) -> Graph:
    """Return the canonical form of a graph: the first of all isomorphic graphs.

    Example:
        >>> canonical(Graph(4, 0b110011, (2, 0)))  # two vertices side by side
        Graph(vertices=4, edges=51, operations=(0, 2))
    """
    edges, orders = _first(graph.vertices, graph.edges)
    operations = [tuple(map(graph.operations.__getitem__, order)) for order in orders]
    return Graph(graph.vertices, edges, min(operations))


@lru_cache(maxsize=1 << 15)
def _first(vertices: int, edges: int) -> tuple[int, tuple[tuple[int, ...], ...]]:
    """Return the smallest bits over all orders of the vertices, and the orders that give them."""
    orders = _orders(vertices)
    bits = np.array(
        [edges >> bit & 1 for bit in range(len(PAIRS))] + [0], dtype=np.int64
    )
    moved = bits[orders.gathers]
    codes = np.where(moved.sum(axis=1) == bits.sum(), moved @ orders.weights, _REVERSED)
    least = int(codes.min())
    return least, tuple(orders.inner[i] for i in np.flatnonzero(codes == least))


class _Orders:
    """All orders of a number of vertices, with the input first and the output last."""

    def __init__(self, vertices: int) -> None:
        self.inner = tuple(permutations(range(vertices - 2)))
        pairs = np.array([(x, y) for x, y in PAIRS if y < vertices])
        self.weights = 1 << np.arange(len(pairs), dtype=np.int64)
        inner = np.array(self.inner, dtype=np.int64).reshape(len(self.inner), -1) + 1
        whole = np.pad(inner, ((0, 0), (1, 1)), constant_values=(0, vertices - 1))
        starts = whole[:, pairs[:, 0]]
        ends = whole[:, pairs[:, 1]]
        self.gathers = np.where(
            starts < ends, starts + ends * (ends - 1) // 2, len(PAIRS)
        )

    @cached_property
    def tables(self) -> NDArray[np.int32]:
        """The new positions of each seven bits for every order, shape ``(orders, 3, 128)``."""
        targets = np.full((len(self.inner), len(PAIRS)), _REVERSED, dtype=np.int32)
        rows, bits = np.nonzero(self.gathers < len(PAIRS))
        targets[rows, self.gathers[rows, bits]] = 1 << bits
        chunks = targets.reshape(-1, _CHUNKS, _CHUNK)
        entries = np.zeros((*chunks.shape[:2], 1 << _CHUNK), dtype=np.int32)
        for bit in range(_CHUNK):
            entries[:, :, 1 << bit : 2 << bit] = (
                entries[:, :, : 1 << bit] | chunks[:, :, [bit]]
            )
        return entries

    @cached_property
    def of_operations(self) -> NDArray[np.int64]:
        """The reordered operations, read as one number, shape ``(orders, 3^inner)``."""
        inner = len(self.inner[0])
        weights = _KINDS ** np.arange(inner - 1, -1, -1, dtype=np.int64)
        digits = np.arange(_KINDS**inner)[:, None] // weights % _KINDS
        orders = np.array(self.inner, dtype=np.intp).reshape(-1, inner)
        return np.asarray((digits.T[orders] * weights[:, None]).sum(axis=1))


_orders = lru_cache(maxsize=MOST_VERTICES)(_Orders)


def _moved(tables: NDArray[np.int32], codes: Codes) -> NDArray[np.int32]:
    """Return the bits of graphs under orders with these tables; too large if an edge reverses."""
    chunk = (1 << _CHUNK) - 1
    bits: NDArray[np.int32] = tables[..., 0, codes & chunk]
    for i in range(1, _CHUNKS):
        bits = bits | tables[..., i, codes >> _CHUNK * i & chunk]
    return bits


def are_canonical(vertices: int, edges: Codes, operations: Codes) -> Flags:
    """Return which graphs are whole (see `is_whole`) and canonical, shape ``(n,)``.

    Args:
        vertices: The number of vertices of each graph.
        edges: The edges of each graph, as bits of a number, shape ``(n,)``.
        operations: The operations of each graph, as a base-three number, shape ``(n,)``.
    """
    codes, of_graph = np.unique(edges, return_inverse=True)
    orders = _orders(vertices)
    moved = _moved(orders.tables, codes)
    is_first = (is_whole(vertices, codes) & (moved >= codes).all(axis=0))[of_graph]
    for order, same in enumerate(moved == codes):
        if order and same.any():
            rows = np.flatnonzero(same[of_graph])
            is_first[rows] &= (
                orders.of_operations[order][operations[rows]] >= operations[rows]
            )
    return is_first


def is_whole(vertices: int, edges: Codes) -> Flags:
    """Return whether all vertices lie on a path from input to output, and there are at most nine
    edges.
    """
    connected = (edges > 0) & (edges < 1 << vertices * (vertices - 1) // 2)
    connected &= sum(edges >> bit & 1 for bit in range(len(PAIRS))) <= MOST_EDGES
    for vertex in range(vertices):
        before = bits_of((x, vertex) for x in range(vertex))
        after = bits_of((vertex, y) for y in range(vertex + 1, vertices))
        connected &= ((edges & before) > 0) | (vertex == 0)
        connected &= ((edges & after) > 0) | (vertex == vertices - 1)
    return connected


class Listed:
    """All canonical forms in the paper's order, as arrays of shape ``(n,)``.

    Attributes:
        vertices: The number of vertices of each graph.
        edges: The edges of each graph, as bits of a number.
        operations: The operations of each graph, as a base-three number.
    """

    def __init__(self) -> None:
        by_vertices = [
            self._forms(vertices) for vertices in range(2, MOST_VERTICES + 1)
        ]
        self.edges, self.operations = (
            np.concatenate(column) for column in zip(*by_vertices, strict=True)
        )
        counts = [len(edges) for edges, _ in by_vertices]
        self.vertices = np.repeat(np.arange(2, MOST_VERTICES + 1), counts)

    @staticmethod
    def _forms(vertices: int) -> tuple[Codes, Codes]:
        every = np.arange(1 << vertices * (vertices - 1) // 2)
        whole = every[is_whole(vertices, every)]
        codes = whole[_is_least(_orders(vertices), whole)]
        numbers = np.arange(_KINDS ** (vertices - 2))
        edges, operations = np.repeat(codes, len(numbers)), np.tile(numbers, len(codes))
        is_first = are_canonical(vertices, edges, operations)
        return edges[is_first], operations[is_first]

    def __iter__(self) -> Iterator[Graph]:
        for vertices, edges, operations in zip(
            self.vertices.tolist(),
            self.edges.tolist(),
            self.operations.tolist(),
            strict=True,
        ):
            yield Graph(vertices, edges, digits(operations, vertices - 2))

    def index(self, graph: Graph) -> int:
        """Return the index of a canonical form."""
        keys = graph.vertices, graph.edges, number(graph.operations)
        low, high = 0, len(self.edges)
        for column, key in zip(
            (self.vertices, self.edges, self.operations), keys, strict=True
        ):
            low, high = low + np.searchsorted(column[low:high], [key, key + 1])
        return int(low)


def _is_least(orders: _Orders, codes: Codes) -> Flags:
    """Return which bits are minimal over all orders; refuted ones are not tested again."""
    left = np.arange(len(codes))
    for tables in orders.tables:
        left = left[_moved(tables, codes[left]) >= codes[left]]
    is_least = np.zeros(len(codes), dtype=bool)
    is_least[left] = True
    return is_least


def number(operations: Sequence[int]) -> int:
    """Return operations as a base-three number, the first operation most significant."""
    return int("".join(map(str, operations)) or "0", _KINDS)


def digits(number: int, inner: int) -> tuple[int, ...]:
    """Return the operations of `inner` vertices for a base-three number (inverse of `number`)."""
    return tuple(number // _KINDS**digit % _KINDS for digit in range(inner - 1, -1, -1))


listed = lru_cache(maxsize=1)(Listed)


def module_hash(graph: Graph) -> str:
    """Return the paper's hash of a graph, which is the key of the benchmark's tables.

    Isomorphic graphs have the same hash.

    The hash of every vertex is initially the MD5 of its degrees and its operation. The hashes of
    neighbouring vertices are then included repeatedly, once for each vertex of the graph.

    Example:
        >>> module_hash(Graph(2, 1, ()))
        '043721b9c7fe8c5fad811d47d83132ec'
    """
    neighbours = _neighbours(graph.vertices, graph.edges)
    labels = (_INPUT, *graph.operations, _OUTPUT)
    hashes = [
        _md5(str((len(after), len(before), label)))
        for (before, after), label in zip(neighbours, labels, strict=True)
    ]
    for _ in labels:
        hashes = [
            _md5(f"{_joined(hashes, before)}|{_joined(hashes, after)}|{own}")
            for (before, after), own in zip(neighbours, hashes, strict=True)
        ]
    return _md5(str(sorted(hashes)))


@lru_cache(maxsize=1)
def _neighbours(vertices: int, edges: int) -> list[tuple[list[int], list[int]]]:
    """Return the predecessors and successors of each vertex; cached by edges."""
    pairs = pairs_of(edges)
    return [
        ([x for x, y in pairs if y == vertex], [y for x, y in pairs if x == vertex])
        for vertex in range(vertices)
    ]


def _joined(hashes: Sequence[str], vertices: Sequence[int]) -> str:
    return "".join(sorted([hashes[vertex] for vertex in vertices]))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


Digests = NDArray[np.uint8]
_DIGEST = "1f4a7db984f8bb44da50e51b6c7e830bd26a761a39d60997ef500b7610ef0449"


@lru_cache(maxsize=1)
def all_hashes() -> Digests:
    """Return the hashes of all cells in the order of the space, shape ``(423624, 16)``."""
    path = home() / "nb101-hashes.npy"
    with suppress(OSError, ValueError, EOFError):  # none yet, or damaged
        stored = np.load(path)
        if stored.dtype == np.uint8 and hashlib.sha256(stored).hexdigest() == _DIGEST:
            return np.asarray(stored)
    content = "".join(map(module_hash, listed()))
    hashes = np.frombuffer(bytes.fromhex(content), dtype=np.uint8).reshape(-1, 16)
    with (
        suppress(UserError),
        replacing(path) as temporary,
        temporary.open("wb") as file,
    ):
        np.save(file, hashes)
    return hashes
