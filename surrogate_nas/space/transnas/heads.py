"""The benchmark's heads behind the backbone, from ``decoder.py``, and their sizes.

Classification and regression pool and have one linear layer; the jigsaw puzzle pools nine tiles,
each seen by the same backbone, and has one linear layer over all. Segmentation and image
translation have decoders of 3×3 convolutions (with bias, all but the last with batch
normalisation), the steps that enlarge transposed ones of stride 2, up to 256 × 256. The
discriminator that normals and autoencoder are trained against is no part of the network and counts
nowhere.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from surrogate_nas.space.base import Column
from surrogate_nas.space.transnas.sizes import Backbone

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
