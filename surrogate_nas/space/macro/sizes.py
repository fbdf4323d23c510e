"""Sizes of the macro space's stacks, which need no measurement.

A stack is everything before pooling and a linear layer: its convolutions, each with batch
normalisation, shared out evenly among three stages, the image halved between them.
"""

from __future__ import annotations

import numpy as np

from surrogate_nas.space.base import Analytic, Column, by_name, macs_of, params_of, structural
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.network import Network

LAYERS = ("1", "2", "3", "4", "6", "8")
CHANNELS = ("4", "8", "12", "16", "24", "32")


def layers_and_channels(choices: tuple[int, ...]) -> tuple[int, int]:
    """How many convolutions a stack has, and how many channels each."""
    layers, channels = choices
    return int(LAYERS[layers]), int(CHANNELS[channels])


def stage_of_layer(layer: int, layers: int) -> int:
    """The stage of a convolution in a stack, 0 to 2: each stage begins with the next third."""
    return 3 * layer // layers


def _stack_parameters(choices: Choices, network: Network) -> Column:
    totals = []
    for layers, c in map(layers_and_channels, map(tuple, choices.tolist())):
        convolutions = network.taps * c * (network.input_channels + (layers - 1) * c)
        totals.append(convolutions + 2 * c * layers + (c + 1) * network.classes)
    return np.array(totals, dtype=np.float64)


def _stack_multiply_accumulates(choices: Choices, network: Network) -> Column:
    areas = [size**network.dimensions for _, size in network.stages]
    totals = []
    for layers, c in map(layers_and_channels, map(tuple, choices.tolist())):
        n_positions = areas[stage_of_layer(layers - 1, layers)] if network.positions else 1
        total = n_positions * (c + 1) * network.classes
        for layer in range(layers):
            inputs = c if layer else network.input_channels
            total += areas[stage_of_layer(layer, layers)] * network.taps * inputs * c
        totals.append(total)
    return np.array(totals, dtype=np.float64)


ANALYTIC: Analytic = by_name(
    params_of(_stack_parameters),
    macs_of(_stack_multiply_accumulates),
    structural(
        "layers",
        "convolutions, one after another",
        lambda choices: np.array(LAYERS, float)[choices[:, 0]],
    ),
    structural(
        "channels", "of every convolution", lambda choices: np.array(CHANNELS, float)[choices[:, 1]]
    ),
)
"""The metrics of the macro space's stacks that need no measurement, with functions from choices to
shape ``(n,)``.
"""
