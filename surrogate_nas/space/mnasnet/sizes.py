"""What MnasNet's networks are made of, and sizes that need no measurement.

The network (Tan et al., CVPR 2019, with EfficientNet-B0's widths, as Accel-NASBench trains it): a
3×3 stem of stride 2; seven stages of inverted bottlenecks; a 1×1 convolution to 1,280 channels,
global pooling and a linear layer. A bottleneck widens by the expansion factor (1×1, left out where
that is 1), convolves each channel by itself (k×k) and narrows again (1×1); squeeze-and-excitation,
where chosen, squeezes to a quarter of the bottleneck's input channels. Every convolution but those
two is followed by batch normalisation and has no bias.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space.base import Analytic, Column, by_name, macs_of, params_of, structural
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.network import Network

EXPANSIONS = ("1", "4", "6")
KERNELS = ("3", "5")
EXCITED = ("no", "yes")
DECISIONS = 4
"""Of a stage: layers, kernel, expansion, squeeze-and-excitation."""
SQUEEZE = 0.25
_STEM = 32
_HEAD = 1280


class Stage(NamedTuple):
    """What is fixed of a stage.

    Attributes:
        stride: Of its first layer; all others have 1.
        inputs: Channels of its first layer's input.
        outputs: Channels of its output.
        layers: The numbers of layers that it may have.
    """

    stride: int
    inputs: int
    outputs: int
    layers: tuple[str, ...] = ("1", "2", "3")


STAGES = (
    Stage(1, 32, 16),
    Stage(2, 16, 24),
    Stage(2, 24, 40),
    Stage(2, 40, 80),
    Stage(1, 80, 112),
    Stage(2, 112, 192, ("1", "2", "3", "4")),
    Stage(1, 192, 320),
)


class _Sizes(NamedTuple):
    """Parameters and multiply-accumulates, shape ``(n,)`` each."""

    parameters: Column
    operations: Column


def numbers(choices: Choices) -> NDArray[np.float32]:
    """Layers, kernel, expansion and squeeze-and-excitation of each stage, shape ``(n, 28)``."""
    values = choices.astype(np.float32)
    values[:, 0::DECISIONS] += 1
    values[:, 1::DECISIONS] = np.array(KERNELS, dtype=np.float32)[choices[:, 1::DECISIONS]]
    values[:, 2::DECISIONS] = np.array(EXPANSIONS, dtype=np.float32)[choices[:, 2::DECISIONS]]
    return values


def _sizes(choices: Choices, network: Network) -> _Sizes:
    decisions = numbers(choices).astype(np.float64)
    size = (network.image_size + 1) // 2
    stem = 9 * network.input_channels * _STEM
    parameters = np.full(len(choices), float(stem + 2 * _STEM))
    operations = np.full(len(choices), float(stem * size**2))
    for place, stage in enumerate(STAGES):
        layers, kernel, expansion, excited = decisions[
            :, DECISIONS * place : DECISIONS * (place + 1)
        ].T
        before = size
        size = (size + stage.stride - 1) // stage.stride
        for inputs, times, wide in ((stage.inputs, 1.0, before), (stage.outputs, layers - 1, size)):
            layer = _layer(inputs, stage.outputs, kernel, expansion, excited, wide, size)
            parameters = parameters + times * layer.parameters
            operations = operations + times * layer.operations
    last = STAGES[-1].outputs * _HEAD
    parameters = parameters + last + 2 * _HEAD + (_HEAD + 1) * network.classes
    return _Sizes(parameters, operations + last * size**2 + _HEAD * network.classes)


def _layer(
    inputs: int,
    outputs: int,
    kernel: Column,
    expansion: Column,
    excited: Column,
    wide: int,
    size: int,
) -> _Sizes:
    """An inverted bottleneck from an input of width `wide` to an output of width `size`."""
    middle = inputs * expansion
    widens = expansion > 1
    squeezed = int(SQUEEZE * inputs)
    parameters = (
        widens * (inputs + 2) * middle
        + (kernel**2 + 2) * middle
        + excited * (2 * middle * squeezed + middle + squeezed)
        + (middle + 2) * outputs
    )
    operations = (
        widens * inputs * middle * wide**2
        + kernel**2 * middle * size**2
        + excited * 2 * middle * squeezed
        + middle * outputs * size**2
    )
    return _Sizes(parameters, operations)


def parameters(choices: Choices, network: Network) -> Column:
    """Trainable parameters, shape ``(n,)``, a whole number."""
    return _sizes(choices, network).parameters


def multiply_accumulates(choices: Choices, network: Network) -> Column:
    """Multiply-accumulates of convolutions and the linear layer, shape ``(n,)``, a whole number."""
    return _sizes(choices, network).operations


ANALYTIC: Analytic = by_name(
    params_of(parameters),
    macs_of(multiply_accumulates),
    structural(
        "layers",
        "inverted bottlenecks of all stages",
        lambda choices: numbers(choices)[:, 0::DECISIONS].sum(axis=1),
    ),
    structural(
        "excited",
        "stages with squeeze-and-excitation",
        lambda choices: choices[:, 3::DECISIONS].sum(axis=1),
    ),
)
"""The metrics of MnasNet's networks that need no measurement, with functions from choices to shape
``(n,)``.
"""
