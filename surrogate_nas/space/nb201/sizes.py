"""Sizes and structure of NAS-Bench-201's cells, which need no measurement.

The network is that paper's (Dong & Yang, ICLR 2020): a 3×3 stem with batch normalisation, three
stages of cells at C, 2C and 4C channels, a residual block of stride 2 between stages, batch
normalisation, pooling and a linear layer. Dead operations are built, so they count unless a
metric's name says ``live``.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from surrogate_nas.space.base import (
    Analysed,
    Analytic,
    Column,
    by_name,
    macs_of,
    params_of,
    structural,
)
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.four_nodes import EDGES, edge_live, path_live
from surrogate_nas.space.nb201.encodings import depth_and_live, operation_counts
from surrogate_nas.space.network import CONV1, CONV3, NONE, POOL, Graph, Network
from surrogate_nas.space.network.blueprint import OPERATIONS, around


@lru_cache(maxsize=64)
def _by_operation(network: Network) -> Column:
    """Parameters and multiply-accumulates of each operation on an edge, in its row.

    The first row, of ``none``, has those of the network without cells.
    """
    nothing = (NONE,) * (len(EDGES) - 1)
    plans = [
        around(Graph(EDGES, (operation, *nothing)), network) for operation in (NONE, *OPERATIONS)
    ]
    sizes = np.array([(plan.size, plan.multiply_accumulates) for plan in plans], dtype=np.float64)
    sizes[1:] -= sizes[0]
    return sizes


def _sized(choices: Choices, network: Network, column: int) -> Column:
    frame, *each = _by_operation(network)[:, column]
    counts = operation_counts(choices).astype(np.float64)
    return np.asarray(frame + counts[:, 1:] @ each)


def parameters(choices: Choices, network: Network) -> Column:
    """Trainable parameters, dead operations included, shape ``(n,)``, a whole number."""
    return _sized(choices, network, 0)


def multiply_accumulates(choices: Choices, network: Network) -> Column:
    """Multiply-accumulates by the paper's convention ("FLOPs"), shape ``(n,)``, a whole number (see
    `Blueprint.multiply_accumulates`).
    """
    return _sized(choices, network, 1)


def live_multiply_accumulates(choices: Choices, network: Network) -> Column:
    """`multiply_accumulates` of the edges on a live path only, shape ``(n,)``."""
    return multiply_accumulates(np.where(edge_live(choices), choices, 0).astype(np.int8), network)


def _built(name: str, description: str, *kinds: int) -> Analysed:
    return structural(
        name, description, lambda choices: operation_counts(choices)[:, kinds].sum(axis=1)
    )


ANALYTIC: Analytic = by_name(
    params_of(parameters, "trainable, dead operations included"),
    macs_of(multiply_accumulates, "multiply-accumulates, the paper's convention"),
    macs_of(live_multiply_accumulates, "multiply-accumulates on live paths only", "live_macs"),
    structural(
        "depth", "longest live path, in operations", lambda choices: depth_and_live(choices)[:, 0]
    ),
    _built("convolutions", "convolutions built in a cell", CONV1, CONV3),
    _built("operations", "edges that are not none or skip", CONV1, CONV3, POOL),
    structural(
        "paths", "live paths from input to output", lambda choices: path_live(choices).sum(axis=1)
    ),
)
"""The metrics of NAS-Bench-201's cells that need no measurement, with the function from choices to
``(n,)`` values.
"""
