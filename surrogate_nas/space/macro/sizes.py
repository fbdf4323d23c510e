"""The macro space's stacks as blueprints, and their sizes, which need no measurement.

A stack is everything before pooling and a linear layer: its convolutions, each with batch
normalisation, shared out evenly among three stages, the image halved between them.
"""

from __future__ import annotations

import numpy as np

from surrogate_nas.space.base import Analytic, by_name, counted, structural
from surrogate_nas.space.network import Network
from surrogate_nas.space.network.blueprint import Blueprint

LAYERS = ("1", "2", "3", "4", "6", "8")
CHANNELS = ("4", "8", "12", "16", "24", "32")


def layers_and_channels(choices: tuple[int, ...]) -> tuple[int, int]:
    """How many convolutions a stack has, and how many channels each."""
    layers, channels = choices
    return int(LAYERS[layers]), int(CHANNELS[channels])


def stage_of_layer(layer: int, layers: int) -> int:
    """The stage of a convolution in a stack, 0 to 2: each stage begins with the next third."""
    return 3 * layer // layers


def stack(choices: tuple[int, ...], network: Network) -> Blueprint:
    """The whole network of a cell."""
    plan = Blueprint(network)
    x = plan.input()
    layers, channels = layers_and_channels(choices)
    for layer in range(layers):
        if (
            network.strided
            and layer
            and stage_of_layer(layer, layers) > stage_of_layer(layer - 1, layers)
        ):
            x = plan.halve(x)
        x = plan.relu(plan.convolution_bn(x, f"layers.{layer}", channels, 3, relu=False))
    plan.answer(x)
    return plan


ANALYTIC: Analytic = by_name(
    *counted(stack),
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
