"""The MnasNet space of Accel-NASBench: about 10^11 cells of seven stages with four choices each.

Tan et al., "MnasNet", CVPR 2019; Ahmad et al., "Accel-NASBench", DAC 2024. A stage prints as in
MnasNet's and EfficientNet's code, such as ``r2_k5_s22_e6_i16_o24_se0.25``. The parts are the number
of layers, the kernel size, the strides, the expansion factor, the input and output channels, and
the ratio of squeeze-and-excitation, if chosen. A cell prints as its seven stages, joined by ``|``.

The network follows Tan et al., CVPR 2019, with EfficientNet-B0's widths, as in Accel-NASBench. The
network consists of a 3×3 stem of stride 2, seven stages of inverted bottlenecks, a 1×1 convolution
to 1,280 channels, global pooling and a linear layer. A bottleneck is an expansion (1×1, omitted for
factor 1), a depthwise convolution (k×k) and a projection (1×1). Optional squeeze-and-excitation
squeezes to a quarter of the bottleneck's input channels. Every convolution is followed by batch
normalisation and has no bias, except the two convolutions of squeeze-and-excitation.
"""

import itertools
import re
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import UserError
from surrogate_nas.space.base import (
    Column,
    Matrix,
    by_name,
    sizes_of,
    structural,
)
from surrogate_nas.space.cell import Cell, Choices
from surrogate_nas.space.network import Network
from surrogate_nas.space.product import ChoiceSpace

EXPANSIONS = ("1", "4", "6")
KERNELS = ("3", "5")
EXCITED = ("no", "yes")
DECISIONS = 4
"""The number of choices of a stage: layers, kernel, expansion, squeeze-and-excitation."""
SQUEEZE = 0.25
_STEM = 32
_HEAD = 1280


class Stage(NamedTuple):
    """The fixed settings of a stage.

    Attributes:
        stride: The stride of the first layer. The other layers have stride 1.
        inputs: Number of input channels of the first layer.
        outputs: Number of output channels.
        layers: The options for the number of layers.
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


def numbers(choices: Choices) -> Matrix:
    """Return layers, kernel size, expansion and squeeze-and-excitation per stage, shape ``(n,
    28)``.
    """
    values = choices.astype(np.float32)
    values[:, 0::DECISIONS] += 1
    for position, options in ((1, KERNELS), (2, EXPANSIONS)):
        values[:, position::DECISIONS] = np.array(options, float)[
            choices[:, position::DECISIONS]
        ]
    return values


def _sizes(choices: Choices, network: Network) -> tuple[Column, Column]:
    decisions = numbers(choices).astype(np.float64)
    size = (network.image_size + 1) // 2
    stem = 9 * network.input_channels * _STEM
    parameters = np.full(len(choices), float(stem + 2 * _STEM))
    operations = np.full(len(choices), float(stem * size**2))
    for index, stage in enumerate(STAGES):
        options = decisions[:, DECISIONS * index : DECISIONS * (index + 1)].T
        before = size
        size = (size + stage.stride - 1) // stage.stride
        first = _layer(stage.inputs, stage.outputs, options, before, size)
        following = _layer(stage.outputs, stage.outputs, options, size, size)
        parameters += first[0] + (options[0] - 1) * following[0]
        operations += first[1] + (options[0] - 1) * following[1]
    last = STAGES[-1].outputs * _HEAD
    parameters += last + 2 * _HEAD + (_HEAD + 1) * network.classes
    return parameters, operations + last * size**2 + _HEAD * network.classes


def _layer(
    inputs: int, outputs: int, decisions: Column, wide: int, size: int
) -> tuple[Column, Column]:
    """Count an inverted bottleneck from an input of size `wide` to an output of size `size`."""
    _, kernel, expansion, excited = decisions
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
    s, fixed = 2 * str(stage.stride), f"i{stage.inputs}_o{stage.outputs}"
    options = stage.layers, KERNELS, EXPANSIONS, ("", f"_se{SQUEEZE}")
    return {
        tuple(
            map(tuple.index, options, (n, k, e, x))
        ): f"r{n}_k{k}_s{s}_e{e}_{fixed}{x}"
        for n, k, e, x in itertools.product(*options)
    }


_PRINTED = tuple(map(_printed, STAGES))
_FORMAT = re.compile(r"\|".join(["([^|]*)"] * len(STAGES)))
_READ = tuple(
    {text: choices for choices, text in printed.items()} for printed in _PRINTED
)


class MnasNet(ChoiceSpace):
    """The MnasNet space."""

    name = "mnasnet"
    positions = tuple(
        f"{what}{stage + 1}"
        for stage in range(len(STAGES))
        for what in ("layers", "kernel", "expansion", "excitation")
    )
    texts = tuple(
        options
        for stage in STAGES
        for options in (stage.layers, KERNELS, EXPANSIONS, EXCITED)
    )
    further_encodings = {"numbers": numbers}
    reference_text = (
        "r1_k3_s11_e1_i32_o16_se0.25|r2_k3_s22_e6_i16_o24_se0.25|r2_k5_s22_e6_i24_o40_se0.25"
        "|r3_k3_s22_e6_i40_o80_se0.25|r3_k5_s11_e6_i80_o112_se0.25"
        "|r4_k5_s22_e6_i112_o192_se0.25|r1_k3_s11_e6_i192_o320_se0.25"
    )
    """The published cell EfficientNet-B0."""
    analytic = by_name(
        *sizes_of(_sizes),
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

    @cached_property
    def groups(self) -> Mapping[str, NDArray[np.intp]]:  # type: ignore[override]
        """The default column groups, and the groups of the encoding ``numbers``, which has a column
        per position.
        """
        return {**super().groups, "numbers": np.arange(len(self.positions))}

    def write(self, choices: tuple[int, ...]) -> str:
        """Return the string of a combination of choices: its seven stages, joined by ``|``."""
        stages = (
            choices[at : at + DECISIONS] for at in range(0, len(choices), DECISIONS)
        )
        return "|".join(
            [
                printed[decisions]
                for printed, decisions in zip(_PRINTED, stages, strict=True)
            ]
        )

    def parse(self, text: str) -> Cell:
        """Parse seven stages, joined by ``|``.

        Raises:
            UserError: The string has another format, or an option is unknown. The message names the
                stage.
        """
        shape = f"{len(STAGES)} stages joined by |, the second such as {_PRINTED[1][1, 1, 2, 1]}"
        choices: list[int] = []
        stages = self._matched(_FORMAT, text, shape)
        for number, (stage, known) in enumerate(zip(stages, _READ, strict=True), 1):
            if stage not in known:
                raise UserError(
                    f"Stage {number} of a cell of the space {self.name} reads {next(iter(known))},"
                    f" with r up to {STAGES[number - 1].layers[-1]}, k 3 or 5, e 1, 4 or 6, and"
                    f" _se{SQUEEZE} or nothing at the end; not {stage!r:.80}."
                )
            choices += known[stage]
        return self.at(choices)

    def decided(self, *decisions: tuple[int, ...]) -> Cell:
        """Return the cell with given layers, kernel sizes, expansions and excitations of every
        stage.

        Raises:
            UserError: A value is not an option of its position.
        """
        stages = zip(*decisions, strict=True)
        return self._named(
            [str(option) for n, k, e, x in stages for option in (n, k, e, EXCITED[x])]
        )
