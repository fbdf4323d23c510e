"""Sizes of the networks of NATS-Bench's size space, which need no measurement.

The five layers are a cell, a residual block of stride 2, a cell, such a block, and a cell; before
them stands a 3×3 stem with batch normalisation as wide as the first layer, behind them batch
normalisation, pooling and a linear layer. Every cell is the same one of NAS-Bench-201 (`CELL`).
Where a cell's input has another width than the cell, the operations on it change the width, and the
skip among them becomes a 1×1 convolution with batch normalisation.
"""

from __future__ import annotations

import numpy as np

from surrogate_nas.space.base import Analytic, Column, by_name, macs_of, params_of, structural
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.network import CONV3, SKIP, Graph, Network

CHANNELS = tuple(str(8 * eighths) for eighths in range(1, 9))
CELL = Graph(
    ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)), (CONV3, CONV3, CONV3, SKIP, CONV3, CONV3)
)
"""The best cell of the topology space on CIFAR-100, which the benchmark took for all sizes."""
STAGE_OF_LAYER = (0, 1, 1, 2, 2)
REDUCTIONS = (1, 3)
"""The layers that are residual blocks of stride 2; the others are cells."""
_FROM_INPUT = sum(
    o == CONV3 and source == 0 for (source, _), o in zip(CELL.edges, CELL.operations, strict=True)
)
_WITHIN = CELL.operations.count(CONV3) - _FROM_INPUT


def channels(choices: Choices) -> Column:
    """The channels of the five layers, shape ``(n, 5)``."""
    return np.asarray(8.0 * (choices.astype(np.float64) + 1))


def parameters(choices: Choices, network: Network) -> Column:
    """Trainable parameters, shape ``(n,)``, a whole number."""
    widths = channels(choices)
    taps = network.taps
    first = widths[:, 0]
    last = widths[:, -1]
    total = (taps * network.input_channels + 2) * first
    for layer in range(len(STAGE_OF_LAYER)):
        before = widths[:, max(layer - 1, 0)]
        width = widths[:, layer]
        if layer in REDUCTIONS:
            blocks = (taps * before + 2) * width + (taps * width + 2) * width
            total = total + before * width + network.residual * blocks
        else:
            within = _FROM_INPUT * (taps * before + 2) + _WITHIN * (taps * width + 2)
            total = total + within * width + (before != width) * (before + 2) * width
    return np.asarray(total + 2 * last + (last + 1) * network.classes)


def multiply_accumulates(choices: Choices, network: Network) -> Column:
    """Multiply-accumulates by the paper's convention ("FLOPs"), shape ``(n,)``, a whole number.

    Convolutions and the linear layer (with its bias) are counted; pooling, normalisation, ReLU and
    sums are not.
    """
    widths = channels(choices)
    areas = [size**network.dimensions for _, size in network.stages]
    total = network.taps * network.input_channels * widths[:, 0] * areas[0]
    for layer, stage in enumerate(STAGE_OF_LAYER):
        before = widths[:, max(layer - 1, 0)]
        width = widths[:, layer]
        if layer in REDUCTIONS:
            weights = before * width + network.residual * network.taps * (before + width) * width
        else:
            weights = network.taps * (_FROM_INPUT * before + _WITHIN * width) * width
            weights = weights + (before != width) * before * width
        total = total + areas[stage] * weights
    return np.asarray(total + network.answers * (widths[:, -1] + 1) * network.classes)


ANALYTIC: Analytic = by_name(
    params_of(parameters),
    macs_of(multiply_accumulates, "multiply-accumulates, the paper's convention"),
    structural(
        "widest", "channels of the widest layer", lambda choices: channels(choices).max(axis=1)
    ),
)
"""The metrics of the size space that need no measurement, with functions from choices to shape
``(n,)``.
"""
