"""Sizes of both spaces' backbones and of the heads behind them, from ``net_macro.py`` and
``decoder.py``.

Classification and regression pool and have one linear layer; the jigsaw puzzle pools nine tiles,
each seen by the same backbone, and has one linear layer over all. Segmentation and image
translation have decoders of 3×3 convolutions (with bias, all but the last with batch
normalisation), the steps that enlarge transposed ones of stride 2, up to 256 × 256. The
discriminator that normals and autoencoder are trained against is no part of the network and counts
nowhere.

A stem of two 3×3 convolutions of stride 2 (3 → 32 → 64 channels), then modules of two blocks each,
the first of which doubles the channels or halves the resolution where the module's digit says so.
The macro space's block is ResNet's basic one, with a 1×1 convolution beside it where width or
resolution change. The micro space has the modules 41414 and its cell as the block; where that
changes width and resolution, the edges from the input do it, and a skip among them becomes two 1×1
convolutions of half the width each. Every convolution is without bias and with batch normalisation.
Dead operations are built, so they count.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple

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
from surrogate_nas.space.four_nodes import EDGES
from surrogate_nas.space.network import Network

MOST_MODULES = 6
MICRO_MODULES = (4, 1, 4, 1, 4)
_WIDTH = 64
_BLOCKS = 2


class Backbone(NamedTuple):
    """What a cell's network is before the task's head.

    Attributes:
        parameters: All trainable ones, shape ``(n,)``.
        macs: Multiply-accumulates of the convolutions on one image, shape ``(n,)``; normalisation,
            ReLU and sums are not counted.
        channels: Of the output, shape ``(n,)``.
        side: Height and width of the output, shape ``(n,)``.
    """

    parameters: Column
    macs: Column
    channels: Column
    side: Column


class _Total:
    """Counts convolutions with their normalisation, for ``n`` networks at once."""

    def __init__(self, n: int, image_size: int, input_channels: int) -> None:
        self.parameters = np.zeros(n)
        self.macs = np.zeros(n)
        self.channels = np.full(n, float(input_channels))
        self.side = np.full(n, float(image_size))
        for width in (_WIDTH // 2, _WIDTH):
            self.go(np.full(n, float(width)), np.full(n, 2.0))

    def go(self, channels: Column, stride: Column) -> None:
        """Move on through a 3×3 convolution of a stride."""
        self.side = np.ceil(self.side / stride)
        self.add(9 * self.channels, channels)
        self.channels = channels

    def add(self, weights: Column, channels: Column, built: Column | bool = True) -> None:
        """Add a convolution, with its weights per output channel, where it is built."""
        self.parameters += (weights + 2) * channels * built
        self.macs += weights * channels * self.side**2 * built

    @property
    def backbone(self) -> Backbone:
        return Backbone(self.parameters, self.macs, self.channels, self.side)


def _changes(digits: Choices) -> tuple[Column, Column]:
    """By how much modules multiply the channels and divide the resolution."""
    return np.where(np.isin(digits, (2, 4)), 2.0, 1.0), np.where(np.isin(digits, (3, 4)), 2.0, 1.0)


def macro_backbone(choices: Choices, network: Network) -> Backbone:
    """The backbones of macro cells."""
    total = _Total(len(choices), network.image_size, network.input_channels)
    for digits in choices.T:
        wider, stride = _changes(digits)
        there = digits > 0
        for block in range(_BLOCKS):
            inputs = total.channels
            outputs = inputs if block else inputs * wider
            total.side = total.side if block else np.ceil(total.side / stride)
            total.add(9 * inputs, outputs, there)
            total.add(9 * outputs, outputs, there)
            total.add(inputs, outputs, there & (digits > 1) & (block == 0))
            total.channels = outputs
    return total.backbone


def micro_backbone(choices: Choices, network: Network) -> Backbone:
    """The backbones of micro cells."""
    total = _Total(len(choices), network.image_size, network.input_channels)
    for digit in MICRO_MODULES:
        wider, stride = _changes(np.full(len(choices), digit, dtype=np.int8))
        for block in range(_BLOCKS):
            changes = digit > 1 and block == 0
            inputs = total.channels
            outputs = inputs * wider if changes else inputs
            total.side = np.ceil(total.side / stride) if changes else total.side
            for (source, _), operations in zip(EDGES, choices.T, strict=True):
                taps = np.array([0, 1 if changes and source == 0 else 0, 1, 9])[operations]
                total.add(taps * (outputs if source else inputs), outputs, taps > 0)
            total.channels = outputs
    return total.backbone


def _sizes(backbone: Callable[[Choices, Network], Backbone]) -> Analytic:
    """Parameters and MACs of a space's backbones."""
    computed = "of the backbone without the task's head, computed from the published definition"
    return by_name(
        params_of(
            lambda choices, network: backbone(choices, network).parameters, f"trainable, {computed}"
        ),
        macs_of(
            lambda choices, network: backbone(choices, network).macs,
            f"multiply-accumulates of convolutions, {computed}",
        ),
    )


def _count(name: str, description: str, *digits: int) -> Analysed:
    """A metric of a macro cell: how many of its modules have one of these digits."""
    return structural(name, description, lambda choices: np.isin(choices, digits).sum(axis=1))


MICRO_SIZES: Analytic = _sizes(micro_backbone)
"""The sizes of micro cells, with functions from choices and network to shape ``(n,)``."""
MACRO_SIZES: Analytic = {
    **_sizes(macro_backbone),
    **by_name(
        _count("modules", "of two blocks each", 1, 2, 3, 4),
        _count("doublings", "of the channels", 2, 4),
        _count("halvings", "of the resolution, after the stem", 3, 4),
    ),
}
"""The sizes and structure of macro cells, with functions from choices and network to shape
``(n,)``.
"""


Head = Literal["linear", "jigsaw", "segmentation", "image"]
TILES = 9
_FULL_SIDE = 256
_DECODED_CHANNELS = 1024
_STEPS = 6
"""How often the segmentation's decoder halves the channels or enlarges the image, once it is done
with both.
"""


class _Layer(NamedTuple):
    """A 3×3 convolution of a decoder."""

    inputs: int
    outputs: int
    enlarges: bool = False


def model_sizes(backbone: Backbone, head: Head, outputs: int) -> tuple[Column, Column]:
    """Trainable parameters and multiply-accumulates of backbone and head, ``(n,)`` each.

    Multiply-accumulates are those of convolutions and linear layers, without biases; a transposed
    convolution has one for every weight and position of its input. The jigsaw's backbone runs nine
    times.
    """
    shapes = np.column_stack([backbone.channels, backbone.side]).astype(int).tolist()
    sizes = np.array([_head(head, channels, side, outputs) for channels, side in shapes])
    passes = TILES if head == "jigsaw" else 1
    return backbone.parameters + sizes[:, 0], passes * backbone.macs + sizes[:, 1]


@lru_cache
def _head(
    head: Head,
    channels: int,
    side: int,
    outputs: int,
) -> tuple[float, float]:
    """Parameters and multiply-accumulates of a head behind so many channels and rows."""
    if head in ("linear", "jigsaw"):
        weights = channels * outputs * (TILES if head == "jigsaw" else 1)
        return weights + outputs, weights
    enlargements = (_FULL_SIDE // side).bit_length() - 1
    layers = (_segmentation if head == "segmentation" else _image)(channels, enlargements, outputs)
    parameters = macs = 0
    for layer in layers:
        weights = 9 * layer.inputs * layer.outputs
        parameters += weights + 3 * layer.outputs
        macs += weights * side**2
        side *= 2 if layer.enlarges else 1
    return parameters - 2 * outputs, macs


def _segmentation(channels: int, enlargements: int, outputs: int) -> list[_Layer]:
    layers = [_Layer(channels, _DECODED_CHANNELS)]
    width = _DECODED_CHANNELS
    for step in range(_STEPS):
        last = step == _STEPS - 1
        narrower = width if last else width // 2
        layers.append(_Layer(width, narrower, step >= _STEPS - enlargements))
        width = narrower
    return [*layers, _Layer(width, outputs)]


def _image(channels: int, enlargements: int, outputs: int) -> list[_Layer]:
    widths = (channels, 1024, 1024, 512, 512, 256, 128, 64, 64, 32, 32, 16, 32, 16, outputs)
    enlarging = {2: 6, 4: 5, 6: 4, 8: 3, 10: 2, 12: 2}
    """The layers that can enlarge, and of how many enlargements on they do."""
    pairs = zip(widths, widths[1:], strict=False)
    return [
        _Layer(a, b, enlargements >= enlarging.get(i, _STEPS + 1)) for i, (a, b) in enumerate(pairs)
    ]
