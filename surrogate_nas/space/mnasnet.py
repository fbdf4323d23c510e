"""The MnasNet space of Accel-NASBench: seven stages with four decisions; about 10^11 cells.

Tan et al., "MnasNet", CVPR 2019; Ahmad et al., "Accel-NASBench", DAC 2024. A stage prints as
MnasNet's and EfficientNet's code prints it, ``r2_k5_s22_e6_i16_o24_se0.25``: layers, kernel,
strides, expansion, channels in and out, and the ratio of squeeze-and-excitation where there is any;
a cell is its seven stages, joined by ``|``.

The network (Tan et al., CVPR 2019, with EfficientNet-B0's widths, as Accel-NASBench trains it): a
3×3 stem of stride 2; seven stages of inverted bottlenecks; a 1×1 convolution to 1,280 channels,
global pooling and a linear layer. A bottleneck widens by the expansion factor (1×1, left out where
that is 1), convolves each channel by itself (k×k) and narrows again (1×1); squeeze-and-excitation,
where chosen, squeezes to a quarter of the bottleneck's input channels. Every convolution but those
two is followed by batch normalisation and has no bias.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar, NamedTuple

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
from surrogate_nas.space.cell import Cell, Choices
from surrogate_nas.space.network import Network
from surrogate_nas.space.product import ChoiceSpace

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


def numbers(choices: Choices) -> NDArray[np.float32]:
    """Layers, kernel, expansion and squeeze-and-excitation of each stage, shape ``(n, 28)``."""
    values = choices.astype(np.float32)
    values[:, 0::DECISIONS] += 1
    values[:, 1::DECISIONS] = np.array(KERNELS, dtype=np.float32)[choices[:, 1::DECISIONS]]
    values[:, 2::DECISIONS] = np.array(EXPANSIONS, dtype=np.float32)[
        choices[:, 2::DECISIONS]
    ]
    return values


def _sizes(choices: Choices, network: Network) -> tuple[Column, Column]:
    """Parameters, and multiply-accumulates of convolutions and the linear layer."""
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
        for inputs, times, wide in (
            (stage.inputs, 1.0, before),
            (stage.outputs, layers - 1, size),
        ):
            layer = _layer(inputs, stage.outputs, kernel, expansion, excited, wide, size)
            parameters = parameters + times * layer[0]
            operations = operations + times * layer[1]
    last = STAGES[-1].outputs * _HEAD
    parameters = parameters + last + 2 * _HEAD + (_HEAD + 1) * network.classes
    return parameters, operations + last * size**2 + _HEAD * network.classes


def _layer(
    inputs: int,
    outputs: int,
    kernel: Column,
    expansion: Column,
    excited: Column,
    wide: int,
    size: int,
) -> tuple[Column, Column]:
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
    return parameters, operations


def _printed(stage: Stage) -> dict[tuple[int, ...], str]:
    """Every combination of a stage's decisions, as it prints."""
    fixed = f"i{stage.inputs}_o{stage.outputs}"
    return {
        (
            n,
            k,
            e,
            x,
        ): f"r{layers}_k{kernel}_s{stage.stride}{stage.stride}_e{expansion}_{fixed}{ratio}"
        for n, layers in enumerate(stage.layers)
        for k, kernel in enumerate(KERNELS)
        for e, expansion in enumerate(EXPANSIONS)
        for x, ratio in enumerate(("", f"_se{SQUEEZE}"))
    }


_PRINTED = tuple(map(_printed, STAGES))
_FORMAT = re.compile(r"\|".join(["([^|]*)"] * len(STAGES)))
_READ = tuple({text: choices for choices, text in printed.items()} for printed in _PRINTED)


class MnasNet(ChoiceSpace):
    """The MnasNet space.

    Example:
        >>> space = MnasNet()
        >>> str(space.at((0,) * 28)).split("|")[1]
        'r1_k3_s22_e1_i16_o24'
    """

    name = "mnasnet"
    positions = tuple(
        f"{what}{stage + 1}"
        for stage in range(len(STAGES))
        for what in ("layers", "kernel", "expansion", "excitation")
    )
    options = tuple(
        options
        for stage in STAGES
        for options in (stage.layers, KERNELS, EXPANSIONS, EXCITED)
    )
    further_encodings: ClassVar[Mapping[str, Encoding]] = {"numbers": numbers}
    analytic: ClassVar[Analytic] = by_name(
        params_of(lambda choices, network: _sizes(choices, network)[0]),
        macs_of(lambda choices, network: _sizes(choices, network)[1]),
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

    def write(self, choices: tuple[int, ...]) -> str:
        """The seven stages of a combination."""
        each = (choices[at : at + DECISIONS] for at in range(0, len(choices), DECISIONS))
        return "|".join(
            [printed[decisions] for printed, decisions in zip(_PRINTED, each, strict=True)]
        )

    def parse(self, text: str) -> Cell:
        """Read seven stages, joined by ``|``.

        Raises:
            UserError: The string has another shape, or an option is unknown; the message names the
                stage.
        """
        shape = f"{len(STAGES)} stages joined by |, the second such as {_PRINTED[1][1, 1, 2, 1]}"
        stages = self._matched(_FORMAT, text, shape)
        for number, (stage, known) in enumerate(zip(stages, _READ, strict=True), 1):
            if stage not in known:
                raise UserError(
                    f"Stage {number} of a cell of the space {self.name} reads {next(iter(known))},"
                    f" with r up to {STAGES[number - 1].layers[-1]}, k 3 or 5, e 1, 4 or 6, and"
                    f" _se{SQUEEZE} or nothing behind; not {stage!r:.80}."
                )
        return self.at(
            [
                choice
                for stage, known in zip(stages, _READ, strict=True)
                for choice in known[stage]
            ]
        )

    @cached_property
    def reference(self) -> Cell:
        """EfficientNet-B0, which is a cell of the space."""
        layers = (1, 2, 2, 3, 3, 4, 1)
        expansions = (1, 6, 6, 6, 6, 6, 6)
        kernels = (3, 3, 5, 3, 5, 5, 3)
        return self.decided(layers, kernels, expansions, (True,) * len(STAGES))

    def decided(
        self,
        layers: tuple[int, ...],
        kernels: tuple[int, ...],
        expansions: tuple[int, ...],
        excited: tuple[bool, ...],
    ) -> Cell:
        """The cell of the decisions of all stages.

        Args:
            layers: 1 to 3, in the sixth stage to 4.
            kernels: 3 or 5.
            expansions: 1, 4 or 6.
            excited: Whether there is squeeze-and-excitation.

        Raises:
            UserError: A decision is none of its options.
        """
        names = [
            str(option)
            for n, k, e, x in zip(layers, kernels, expansions, excited, strict=True)
            for option in (n, k, e, EXCITED[x])
        ]
        return self._named(names)
