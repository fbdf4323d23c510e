"""Sizes and structure of NAS-Bench-201's cells, which need no measurement.

The network is that paper's (Dong & Yang, ICLR 2020): a 3×3 stem with batch normalisation, three
stages of cells at C, 2C and 4C channels, a residual block of stride 2 between stages, batch
normalisation, pooling and a linear layer. Dead operations are built, so they count unless a
metric's name says ``live``.
"""

from __future__ import annotations

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
from surrogate_nas.space.four_nodes import edge_live, path_live
from surrogate_nas.space.nb201.encodings import depth_and_live, operation_counts
from surrogate_nas.space.network import CONV1, CONV3, POOL, Network


def _per_convolution(choices: Choices, ones: float, threes: float) -> Column:
    counts = operation_counts(choices).astype(np.float64)
    return ones * counts[:, CONV1] + threes * counts[:, CONV3]


def parameters(choices: Choices, network: Network) -> Column:
    """Trainable parameters, dead operations included, shape ``(n,)``, a whole number."""
    c = network.channels
    taps = network.taps
    total = np.full(len(choices), float(taps * network.input_channels * c + 2 * c))
    for i, (width, _) in enumerate(network.stages):
        total += network.cells_per_stage * _per_convolution(
            choices, width**2 + 2 * width, taps * width**2 + 2 * width
        )
        if i:
            half = width // 2
            total += half * width
            if network.residual:
                total += taps * half * width + taps * width**2 + 4 * width
    return total + 8 * c + (4 * c + 1) * network.classes


def multiply_accumulates(choices: Choices, network: Network) -> Column:
    """Multiply-accumulates by the paper's convention ("FLOPs"), shape ``(n,)``, a whole number.

    Convolutions and the linear layer (with its bias) are counted; pooling, normalisation, ReLU and
    sums are not.
    """
    c = network.channels
    taps = network.taps
    total = np.full(
        len(choices),
        float(taps * network.input_channels * c * network.image_size**network.dimensions),
    )
    for i, (width, size) in enumerate(network.stages):
        area = size**network.dimensions
        total += (
            network.cells_per_stage * area * _per_convolution(choices, width**2, taps * width**2)
        )
        if i:
            half = width // 2
            total += area * half * width
            if network.residual:
                total += area * (taps * half * width + taps * width**2)
    return total + network.answers * (4 * c + 1) * network.classes


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
