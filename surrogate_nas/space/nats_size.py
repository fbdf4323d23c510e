"""The size space of NATS-Bench: 32,768 cells, which choose the channels of five layers (8 to 64 in
steps of 8).

Dong et al., "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size", TPAMI
2021. A cell prints as in the benchmark, such as ``8:8:40:32:40``. Cells have the official index
order, in which the last layer varies fastest.

The five layers are a cell, a residual block of stride 2, a cell, another residual block of stride
2, and a cell. A 3×3 stem with batch normalisation, as wide as the first layer, precedes the five
layers. Batch normalisation, pooling and a linear layer follow the five layers. Every cell has the
same topology from NAS-Bench-201 (`CELL`). If the input of a cell has another width than the cell,
the operations on the input change the width. A skip connection from the input then becomes a 1×1
convolution with batch normalisation.
"""

import re
from functools import lru_cache

import numpy as np

from surrogate_nas.space.base import (
    Column,
    by_name,
    sizes_of,
    structural,
)
from surrogate_nas.space.cell import Cell, Choices
from surrogate_nas.space.network import (
    CONV3,
    SKIP,
    Blueprint,
    Graph,
    Network,
    answered,
    reduction,
)
from surrogate_nas.space.network import cell as one_cell
from surrogate_nas.space.product import ChoiceSpace

CHANNELS = tuple(str(8 * eighths) for eighths in range(1, 9))
CELL = Graph(
    ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)),
    (CONV3, CONV3, CONV3, SKIP, CONV3, CONV3),
)
"""The best cell of the topology space on CIFAR-100, which the benchmark uses for all sizes."""
STAGE_OF_LAYER = (0, 1, 1, 2, 2)
_FORMAT = re.compile(":".join(["([^:]*)"] * len(STAGE_OF_LAYER)))
REDUCTIONS = (1, 3)
"""The layers that are residual blocks of stride 2; the others are cells."""


def _layer(plan: Blueprint, x: int, layer: int, width: int) -> int:
    if layer in REDUCTIONS:
        return reduction(plan, x, f"layers.{layer}", width)
    return one_cell(plan, x, f"layers.{layer}", width, graph=CELL)


@lru_cache(maxsize=64)
def _tables(network: Network) -> Column:
    """Return parameters and MACs of each layer by its width and the width of its input."""
    sizes = np.zeros((len(STAGE_OF_LAYER), len(CHANNELS), len(CHANNELS), 2))
    for layer, before, width in np.ndindex(sizes.shape[:3]):
        plan = Blueprint(network)
        side = network.stages[STAGE_OF_LAYER[max(layer - 1, 0)]][1]
        if layer:
            x = plan.input(
                (8 * before + 8, side if network.dimensions == 2 else 1, side)
            )
        else:
            x = plan.convolution_bn(plan.input(), "stem", 8 * width + 8, 3, relu=False)
        x = _layer(plan, x, layer, 8 * width + 8)
        if layer == len(STAGE_OF_LAYER) - 1:
            answered(plan, x)
        sizes[layer, before, width] = plan.size, plan.multiply_accumulates
    return sizes


def _sizes(choices: Choices, network: Network) -> Column:
    before = np.column_stack([choices[:, :1], choices[:, :-1]])
    layers = _tables(network)[np.arange(len(STAGE_OF_LAYER)), before, choices]
    return np.asarray(layers.sum(axis=1).T)


class NatsSize(ChoiceSpace):
    """The size space of NATS-Bench."""

    name = "nats-size"
    listed = True
    citation = (
        "Dong et al., NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size,"
        " TPAMI 2021"
    )
    positions = tuple(f"channels{layer + 1}" for layer in range(len(STAGE_OF_LAYER)))
    texts = (CHANNELS,) * len(STAGE_OF_LAYER)
    further_encodings = {
        "widths": lambda choices: np.asarray(choices + 1, dtype=np.float32)
    }
    analytic = by_name(
        *sizes_of(_sizes, macs="multiply-accumulates, the paper's convention"),
        structural(
            "widest",
            "channels of the widest layer",
            lambda choices: 8 * (choices.max(axis=1).astype(np.float64) + 1),
        ),
    )

    def write(self, choices: tuple[int, ...]) -> str:
        """Return the benchmark's string for a combination of widths."""
        return ":".join([CHANNELS[choice] for choice in choices])

    def parse(self, text: str) -> Cell:
        """Return the cell for the benchmark's string, such as ``64:64:64:64:64``.

        Raises:
            UserError: The string has another format, or a number of channels is not an option.
        """
        return self._named(self._matched(_FORMAT, text, "64:64:64:64:64"))

    def blueprint(
        self, cell: Cell, network: Network, *, live_only: bool = False
    ) -> Blueprint:
        """Return the whole network of a cell as a list of layers."""
        plan = Blueprint(network)
        widths = [8 * (choice + 1) for choice in cell.choices]
        x = plan.convolution_bn(plan.input(), "stem", widths[0], 3, relu=False)
        for layer, width in enumerate(widths):
            x = _layer(plan, x, layer, width)
        return answered(plan, x)
