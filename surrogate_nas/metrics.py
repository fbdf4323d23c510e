"""What can be asked of a cell: metrics with unit and kind, and those that follow from the cell alone.

The network of a NAS-Bench-201 cell is that paper's (Dong & Yang, ICLR 2020): a 3×3 stem with batch normalisation,
three stages of cells at C, 2C and 4C channels, a residual block of stride 2 between stages, batch normalisation,
pooling and a linear layer. Dead operations are built, so they count unless a metric's name says ``live``. A cell of the
macro space is everything before pooling and a linear layer: its convolutions, each with batch normalisation, shared out
evenly among the same three stages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space.encodings import (
    CONV1,
    CONV3,
    POOL,
    Choices,
    depth_and_live,
    edge_live,
    operation_counts,
    path_live,
)
from surrogate_nas.space.macro import layers_and_channels

Kind = Literal["search", "final", "record"]
Quantity = Literal["error", "loss", "cost", "structure"]
Column = NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """A named, unit-carrying number of a cell; smaller is better throughout.

    Attributes:
        name: Such as ``valid_error`` or ``latency@raspi4``.
        unit: Such as ``%``, ``nats``, ``ms``, ``s``, ``M`` (million), or empty for a count.
        kind: ``search`` metrics may enter an objective; ``final`` ones (test results) are only reported;
            ``record`` ones (training and evaluation seconds) say what an answer costs.
        quantity: ``error`` (%) and ``loss`` (nats) are losses of the task, ``cost`` and ``structure`` regularise.
        epochs: The training runs that it is held for; empty where training does not matter.
        split: The data it was measured on, or empty.
        description: One line, with what a reader must know.
        source: Where the numbers come from.
        n_cells: How many cells of the space have a value.
    """

    name: str
    unit: str
    kind: Kind
    quantity: Quantity
    epochs: tuple[int, ...] = ()
    split: str = ""
    description: str = ""
    source: str = "analytic"
    n_cells: int = -1


@dataclass(frozen=True)
class Network:
    """The macro architecture around the cell.

    Attributes:
        classes: Outputs of the linear layer.
        channels: Channels of the first stage, C; without meaning for the macro space, as is N.
        cells_per_stage: Cells in each of the three stages, N.
        image_size: Height and width of the input, or the length of a one-dimensional one.
        input_channels: Channels of the input.
        dimensions: 2 for images, 1 for signals, where 3×3 kernels become kernels of length 3.
        causal: Whether a position sees only itself and what is before it: nothing is strided, and the linear
            layer answers at every position.
        residual: Whether the block between stages is the published one; without, only its shortcut is there (pooling
            and a 1×1 convolution), so that in a small network the cell does the work.
    """

    classes: int = 10
    channels: int = 16
    cells_per_stage: int = 5
    image_size: int = 32
    input_channels: int = 3
    dimensions: int = 2
    causal: bool = False
    residual: bool = True

    @property
    def taps(self) -> int:
        """Weights of a 3×3 kernel (or one of length 3) between two channels."""
        return int(3**self.dimensions)

    @property
    def stages(self) -> list[tuple[int, int]]:
        """(channels, image size) of the three stages; a stride of 2 rounds an odd size up."""
        sizes = [self.image_size]
        for _ in range(2):
            sizes.append(sizes[-1] if self.causal else (sizes[-1] + 1) // 2)
        return [(self.channels * 2**i, size) for i, size in enumerate(sizes)]


def _per_convolution(choices: Choices, ones: float, threes: float) -> Column:
    counts = operation_counts(choices).astype(np.float64)
    return ones * counts[:, CONV1] + threes * counts[:, CONV3]


def parameters(choices: Choices, network: Network) -> Column:
    """Trainable parameters, dead operations included, shape ``(n,)``, a whole number.

    Args:
        choices: Shape ``(n, 6)``.
        network: The macro architecture.
    """
    c, taps = network.channels, network.taps
    total = np.full(len(choices), float(taps * network.input_channels * c + 2 * c))
    for i, (width, _) in enumerate(network.stages):
        total += network.cells_per_stage * _per_convolution(choices, width**2 + 2 * width, taps * width**2 + 2 * width)
        if i:
            half = width // 2
            total += half * width
            if network.residual:
                total += taps * half * width + taps * width**2 + 4 * width
    return total + 8 * c + (4 * c + 1) * network.classes


def multiply_accumulates(choices: Choices, network: Network) -> Column:
    """Multiply-accumulates by the paper's convention ("FLOPs"), shape ``(n,)``, a whole number.

    Convolutions and the linear layer (with its bias) are counted; pooling, normalisation, ReLU and sums are not.

    Args:
        choices: Shape ``(n, 6)``.
        network: The macro architecture.
    """
    c, taps = network.channels, network.taps
    total = np.full(len(choices), float(taps * network.input_channels * c * network.image_size**network.dimensions))
    for i, (width, size) in enumerate(network.stages):
        area = size**network.dimensions
        total += network.cells_per_stage * area * _per_convolution(choices, width**2, taps * width**2)
        if i:
            half = width // 2
            total += area * half * width
            if network.residual:
                total += area * (taps * half * width + taps * width**2)
    answers = network.image_size**network.dimensions if network.causal else 1
    return total + answers * (4 * c + 1) * network.classes


def live_multiply_accumulates(choices: Choices, network: Network) -> Column:
    """`multiply_accumulates` of the edges on a live path only, shape ``(n,)``.

    Args:
        choices: Shape ``(n, 6)``.
        network: The macro architecture.
    """
    return multiply_accumulates(np.where(edge_live(choices), choices, 0).astype(np.int8), network)


def stage_of_layer(layer: int, layers: int) -> int:
    """The stage, 0 to 2, of a convolution in a stack: the first of three starts the first, and so on.

    Args:
        layer: From 0.
        layers: How many there are.
    """
    return 3 * layer // layers


def _stack_parameters(choices: Choices, network: Network) -> Column:
    totals = []
    for layers, c in map(layers_and_channels, map(tuple, choices.tolist())):
        convolutions = network.taps * c * (network.input_channels + (layers - 1) * c)
        totals.append(convolutions + 2 * c * layers + (c + 1) * network.classes)
    return np.array(totals, dtype=np.float64)


def _stack_multiply_accumulates(choices: Choices, network: Network) -> Column:
    areas = [size**network.dimensions for _, size in network.stages]
    answers = areas[0] if network.causal else 1
    totals = []
    for layers, c in map(layers_and_channels, map(tuple, choices.tolist())):
        total = answers * (c + 1) * network.classes
        for layer in range(layers):
            inputs = c if layer else network.input_channels
            total += areas[stage_of_layer(layer, layers)] * network.taps * inputs * c
        totals.append(total)
    return np.array(totals, dtype=np.float64)


def _layers(choices: Choices, network: Network) -> Column:  # noqa: ARG001
    return np.array([layers_and_channels(tuple(row))[0] for row in choices.tolist()], dtype=np.float64)


def _channels(choices: Choices, network: Network) -> Column:  # noqa: ARG001
    return np.array([layers_and_channels(tuple(row))[1] for row in choices.tolist()], dtype=np.float64)


def _depth(choices: Choices, network: Network) -> Column:  # noqa: ARG001
    return np.asarray(depth_and_live(choices)[:, 0], dtype=np.float64)


def _convolutions(choices: Choices, network: Network) -> Column:  # noqa: ARG001
    return np.asarray(operation_counts(choices)[:, [CONV1, CONV3]].sum(axis=1), dtype=np.float64)


def _operations(choices: Choices, network: Network) -> Column:  # noqa: ARG001
    return np.asarray(operation_counts(choices)[:, [CONV1, CONV3, POOL]].sum(axis=1), dtype=np.float64)


def _paths(choices: Choices, network: Network) -> Column:  # noqa: ARG001
    return np.asarray(path_live(choices).sum(axis=1), dtype=np.float64)


def _millions(function: Callable[[Choices, Network], Column]) -> Callable[[Choices, Network], Column]:
    return lambda choices, network: function(choices, network) / 1e6


Analytic = dict[str, tuple[Metric, Callable[[Choices, Network], Column]]]

ANALYTIC: Analytic = {
    metric.name: (metric, function)
    for metric, function in [
        (
            Metric("params", "parameters", "search", "cost", description="trainable, dead operations included"),
            parameters,
        ),
        (
            Metric("macs", "M", "search", "cost", description="multiply-accumulates, the paper's convention"),
            _millions(multiply_accumulates),
        ),
        (
            Metric("live_macs", "M", "search", "cost", description="multiply-accumulates on live paths only"),
            _millions(live_multiply_accumulates),
        ),
        (
            Metric("depth", "", "search", "structure", description="longest live path, in operations"),
            _depth,
        ),
        (
            Metric("convolutions", "", "search", "structure", description="convolutions built in a cell"),
            _convolutions,
        ),
        (
            Metric("operations", "", "search", "structure", description="edges that are not none or skip"),
            _operations,
        ),
        (
            Metric("paths", "", "search", "structure", description="live paths from input to output"),
            _paths,
        ),
    ]
}
"""The metrics of NAS-Bench-201's cells that need no measurement, with the function from choices to ``(n,)`` values."""
STACK_ANALYTIC: Analytic = {
    metric.name: (metric, function)
    for metric, function in [
        (Metric("params", "parameters", "search", "cost", description="trainable"), _stack_parameters),
        (
            Metric("macs", "M", "search", "cost", description="multiply-accumulates of convolutions and linear layer"),
            _millions(_stack_multiply_accumulates),
        ),
        (Metric("layers", "", "search", "structure", description="convolutions, one after another"), _layers),
        (Metric("channels", "", "search", "structure", description="of every convolution"), _channels),
    ]
}
"""The same for the macro space's stacks."""


def analytic(space: str) -> Analytic:
    """The metrics of a space's cells that need no measurement, with their functions; none of an unknown space.

    Args:
        space: Its name.
    """
    return {"nb201": ANALYTIC, "macro": STACK_ANALYTIC}.get(space, {})


def analytic_metrics(space: str = "nb201") -> Iterable[Metric]:
    """The metrics of `analytic`, without the functions.

    Args:
        space: Its name.
    """
    return (metric for metric, _ in analytic(space).values())
