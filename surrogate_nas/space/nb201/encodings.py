"""Encodings, sizes and structure of NAS-Bench-201's cells, for the whole space at once.

The network is that paper's (Dong & Yang, ICLR 2020): a 3×3 stem with batch normalisation, three
stages of cells at C, 2C and 4C channels, a residual block of stride 2 between stages, batch
normalisation, pooling and a linear layer. Dead operations are built, so they count unless a
metric's name says ``live``.

Every encoding maps choices of shape ``(n, 6)`` (see `choices_of`) to a matrix ``(n, d)`` of
float32. None contains a label, an index or anything measured. Sources: path features, White et al.,
"BANANAS", AAAI 2021; graph features per subset of operations in the spirit of Kadlecová et al.,
"Surprisingly Strong Performance Prediction with Neural Graph Features" (GRAF), ICML 2024.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space import four_nodes
from surrogate_nas.space.base import (
    Analysed,
    Analytic,
    Column,
    by_name,
    macs_of,
    sizes_of,
    stacked,
    structural,
    together,
)
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.four_nodes import (
    EDGES,
    PATHS,
    depth,
    edge_live,
    live_edges,
    on_paths,
    path_counts,
    path_live,
    paths_metric,
)
from surrogate_nas.space.network import CONV1, CONV3, NONE, POOL, SKIP, Graph, Network
from surrogate_nas.space.network.blueprint import OPERATIONS, around

Matrix = NDArray[np.float32]

_LIVE_OPERATIONS = (SKIP, CONV1, CONV3, POOL)
_SUBSETS = tuple(
    subset
    for size in (1, 2, 3, 4)
    for subset in itertools.combinations(_LIVE_OPERATIONS, size)
)
_MISSING = -1.0


operation_counts = partial(four_nodes.operation_counts, n=5)
paths = partial(path_counts, first=CONV1, kinds=3)
"""How often each sequence of 1×1, 3×3 and pooling leads to the output; 40 columns."""


def depth_and_live(choices: Choices) -> Matrix:
    """Depth in operations, live paths, and live edges by operation, 6 columns."""
    edges = live_edges(choices, _LIVE_OPERATIONS)[::3]
    return stacked(depth(choices), path_live(choices).sum(axis=1), *edges)


def graph(choices: Choices) -> Matrix:
    """Graph features per subset of operations and per operation, similar to GRAF; 102 columns.

    For each of the 15 subsets of the live operations: the live paths made only of them, the
    shortest and the longest of these in edges (-1 where there is none), and the largest, smallest
    and summed number of edges holding one of them along the live paths. For each live operation:
    its live edges, those that leave the input, and those that enter the output.
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
    """How an input's variance flows through the untrained cell, 16 columns.

    Every live convolution is a source of its own: normalised, so of unit variance whatever it is
    given. Skips pass a node on, sums add (a source met twice adds to itself), pooling keeps a share
    of the variance. From the make-up of the output follow: its variance and the logarithm of it,
    the shares of the input and of convolutions at a mean depth up to 1, 2 and 3, the mean depth in
    convolutions and in 3×3 ones, the receptive field's growth, the pooled share, how often the
    input arrives pooled and unpooled, the share of 3×3 convolutions, the sources in the output, the
    largest depth in 3×3 convolutions, and the entropy of the shares. All 0 where nothing arrives.
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
        pooled = (node.sum(axis=1) @ np.arange(4.0)) / np.maximum(node.sum(axis=(1, 2)), 1)
        grown = inside + np.column_stack([np.ones(n), three, 2 * three + 2 * pooled])
        sources[:, edge + 1] = np.where(works[:, None], grown, 0)
        nodes[end, :, edge + 1, 0] += works
    return _make_up(nodes[3], sources, choices)


# The share of variance that averaging 3×3 neighbours, which resemble each other, leaves.
_KEPT_BY_POOLING = 0.35


def _shares(node: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A node's variance, ``(n,)``, and each source's share of it, ``(n, 7)``; 0 for a dead node."""
    variance = (node @ (_KEPT_BY_POOLING ** (np.arange(4) / 2))) ** 2
    total = variance.sum(axis=1)
    return total, variance / np.where(total > 0, total, 1)[:, None]


def _make_up(
    output: NDArray[np.float64], sources: NDArray[np.float64], choices: Choices
) -> Matrix:
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
    """A constant, counts built, counts live, structure, edges built and live."""
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
    """Parameters and multiply-accumulates of each operation on an edge, in its row."""
    nothing = (NONE,) * (len(EDGES) - 1)
    graphs = (Graph(EDGES, (operation, *nothing)) for operation in (NONE, *OPERATIONS))
    plans = (around(graph, network) for graph in graphs)
    sizes = np.array([(plan.size, plan.multiply_accumulates) for plan in plans], float)
    sizes[1:] -= sizes[0]
    return sizes


def sizes(choices: Choices, network: Network) -> Column:
    """Parameters and multiply-accumulates of all operations, dead ones included.

    Returns:
        Whole numbers, shape ``(2, n)``; see `Blueprint`.
    """
    frame, *operations = _by_operation(network)
    counts = operation_counts(choices).astype(np.float64)
    return np.asarray((frame + counts[:, 1:] @ operations).T)


def _live(choices: Choices, network: Network) -> Column:
    live = np.where(edge_live(choices), choices, 0).astype(np.int8)
    return np.asarray(sizes(live, network)[1])


def _built(name: str, description: str, *kinds: int) -> Analysed:
    return structural(
        name, description, lambda choices: operation_counts(choices)[:, kinds].sum(axis=1)
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
