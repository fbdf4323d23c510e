"""NATS-Bench's size space: the channels of five layers, 8 to 64 in steps of eight, 32,768 cells.

Dong et al., "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size", TPAMI
2021. A cell prints as the benchmark prints it, ``8:8:40:32:40``; the space lists its cells in the
official index order, last layer fastest.

The five layers are a cell, a residual block of stride 2, a cell, such a block, and a cell; before
them stands a 3×3 stem with batch normalisation as wide as the first layer, behind them batch
normalisation, pooling and a linear layer. Every cell is the same one of NAS-Bench-201 (`CELL`).
Where a cell's input has another width than the cell, the operations on it change the width, and the
skip among them becomes a 1×1 convolution with batch normalisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.space.base import (
    Analytic,
    Column,
    Encoding,
    by_name,
    macs_of,
    params_of,
    structural,
)
from surrogate_nas.space.cell import Cell, Choices, cell_text
from surrogate_nas.space.network import CONV3, SKIP, Graph, Network
from surrogate_nas.space.network.blueprint import Blueprint, answered, reduction
from surrogate_nas.space.network.blueprint import cell as one_cell
from surrogate_nas.space.product import EnumerableChoiceSpace

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


def _widths(choices: Choices) -> NDArray[np.float32]:
    """The channels of every layer, in steps of eight."""
    return np.asarray(choices + 1, dtype=np.float32)


class NatsSize(EnumerableChoiceSpace):
    """The size space; use the shared instance `surrogate_nas.space.nats_size.nats_size()`.

    Example:
        >>> space = NatsSize()
        >>> str(space[284])
        '8:8:40:32:40'
    """

    name = "nats-size"
    citation = (
        "Dong et al., NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size,"
        " TPAMI 2021"
    )
    positions = tuple(f"channels{layer + 1}" for layer in range(len(STAGE_OF_LAYER)))
    options = (CHANNELS,) * len(STAGE_OF_LAYER)
    further_encodings: ClassVar[Mapping[str, Encoding]] = {"widths": _widths}
    analytic: ClassVar[Analytic] = ANALYTIC

    def write(self, choices: tuple[int, ...]) -> str:
        """The benchmark's string of a combination."""
        return ":".join([CHANNELS[choice] for choice in choices])

    def parse(self, text: str) -> Cell:
        """Read the benchmark's string, such as ``64:64:64:64:64``.

        Raises:
            UserError: The string has another shape, or a layer has channels that the space does not
                have.
        """
        stripped = cell_text(text)
        widths = stripped.split(":")
        if len(widths) != len(self.positions):
            raise UserError(
                f"Malformed cell {text!r:.200}: a cell of the space {self.name} reads"
                " 64:64:64:64:64."
            )
        return self._named(widths)

    def blueprint(
        self,
        cell: Cell,
        network: Network,
        *,
        live_only: bool = False,  # noqa: ARG002
    ) -> Blueprint:
        """The whole network of a cell."""
        plan = Blueprint(network)
        widths = [8 * (choice + 1) for choice in cell.choices]
        x = plan.convolution_bn(plan.input(), "stem", widths[0], 3, relu=False)
        for layer, width in enumerate(widths):
            name = f"layers.{layer}"
            x = (
                reduction(plan, x, name, width)
                if layer in REDUCTIONS
                else one_cell(plan, x, name, width, graph=CELL)
            )
        return answered(plan, x)


nats_size = lru_cache(maxsize=1)(NatsSize)


__all__ = ["NatsSize", "nats_size"]
