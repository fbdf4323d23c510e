"""NAS-Bench-MR's space: about 10^24 networks of up to four resolutions, each described by 27
numbers.

Ding et al., "Learning Versatile Neural Architectures by Propagating Network Codes", ICLR 2022. A
cell prints as in the benchmark's lists, with one group of numbers per part of the network. The
first group contains the channels of two input convolutions. The group of each of the four stages
contains its number of modules, its number of branches, and the blocks and the channels of every
branch. The last group contains the channels of the last layer. A stage has 1 to 4 modules, a branch
has 1 to 4 blocks, and a convolution has 8 to 128 channels in steps of eight. All published cells
are within these ranges.

The network follows the paper and its published code. The network begins with two 3×3 convolutions
of stride 2. Stage k of the four stages has k branches, each at half the resolution of the previous
one. A module first fuses the outputs of the previous module, then applies n residual blocks of two
3×3 convolutions on each branch. Fusion uses only neighbouring branches: 3×3 convolutions from the
same branch and, at stride 2, from the next finer branch, and 1×1 convolutions from the next coarser
branch. A new branch starts from the fused finer branch. At the end, all branches are joined at the
coarsest resolution by a 1×1 convolution, followed by global pooling and a linear layer. Every
convolution is followed by batch normalisation and has no bias.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import UserError
from surrogate_nas.space.base import (
    Column,
    by_name,
    sizes_of,
    structural,
)
from surrogate_nas.space.cell import Cell, Choices
from surrogate_nas.space.network import Network
from surrogate_nas.space.product import ChoiceSpace

BRANCHES = (1, 2, 3, 4)
BLOCKS = ("1", "2", "3", "4")
CHANNELS = tuple(str(8 * eighths) for eighths in range(1, 17))


class Stage(NamedTuple):
    """The positions of a stage's numbers among the 27 numbers of a cell.

    Attributes:
        modules: The position of the number of modules.
        blocks: The positions of the numbers of residual blocks on each branch.
        channels: The positions of the numbers of channels of each branch.
    """

    modules: int
    blocks: tuple[int, ...]
    channels: tuple[int, ...]


def _positions() -> Iterator[str]:
    yield from ("input1", "input2")
    for k in BRANCHES:
        yield f"modules{k}"
        yield from (f"blocks{k}.{branch}" for branch in range(1, k + 1))
        yield from (f"channels{k}.{branch}" for branch in range(1, k + 1))
    yield "last"


_POSITIONS = tuple(_positions())
_MODULES = [_POSITIONS.index(f"modules{k}") for k in BRANCHES]
STAGES = tuple(
    Stage(
        at, tuple(range(at + 1, at + 1 + k)), tuple(range(at + 1 + k, at + 1 + 2 * k))
    )
    for k, at in zip(BRANCHES, _MODULES, strict=True)
)
LAST = 26
_COUNTS = [position for stage in STAGES for position in (stage.modules, *stage.blocks)]


def values(choices: Choices) -> Column:
    """Return the 27 numbers that describe each cell, shape ``(n, 27)``."""
    numbers = 8.0 * (choices.astype(np.float64) + 1)
    numbers[:, _COUNTS] /= 8.0
    return numbers


class _Convolution(NamedTuple):
    """One convolution of all cells: kernel, channels, height and width of its output, and count."""

    kernel: int
    inputs: Column | int
    outputs: Column
    size: int
    times: Column | int


def _convolutions(numbers: Column, network: Network) -> Iterator[_Convolution]:
    sizes = [network.image_size]
    for _ in range(2 + len(BRANCHES) - 1):
        sizes.append((sizes[-1] + 1) // 2)
    yield _Convolution(3, network.input_channels, numbers[:, 0], sizes[1], 1)
    yield _Convolution(3, numbers[:, 0], numbers[:, 1], sizes[2], 1)
    before = [numbers[:, 1]]
    for stage in STAGES:
        channels = [numbers[:, position] for position in stage.channels]
        modules = numbers[:, stage.modules]
        yield from _fused(before, channels, sizes[2:], 1)
        yield from _fused(channels, channels, sizes[2:], modules - 1)
        for branch, position in enumerate(stage.blocks):
            times = 2 * modules * numbers[:, position]
            yield _Convolution(
                3, channels[branch], channels[branch], sizes[2 + branch], times
            )
        before = channels
    yield _Convolution(1, np.sum(before, axis=0), numbers[:, LAST], sizes[-1], 1)


def _fused(
    before: list[Column], after: list[Column], sizes: list[int], times: Column | int
) -> Iterator[_Convolution]:
    for i, outputs in enumerate(after):
        if i >= len(before):
            yield _Convolution(3, after[i - 1], outputs, sizes[i], times)
            continue
        for j in range(max(i - 1, 0), min(i + 2, len(before))):
            if j > i:
                yield _Convolution(1, before[j], outputs, sizes[j], times)
            else:
                yield _Convolution(3, before[j], outputs, sizes[i], times)


def _sizes(choices: Choices, network: Network) -> tuple[Column, Column]:
    numbers = values(choices)
    parameters = (numbers[:, LAST] + 1) * network.classes
    macs = numbers[:, LAST] * network.classes
    for c in _convolutions(numbers, network):
        weights = c.times * c.kernel**2 * c.inputs * c.outputs
        parameters = parameters + weights + 2 * c.times * c.outputs
        macs = macs + weights * c.size**2
    return parameters, macs


_STAGE = r"-\d{{1,3}}_{0}(?:_\d{{1,3}}){{{1}}}"
_STAGES = "".join(_STAGE.format(k, 2 * k) for k in BRANCHES)
_SHAPE = re.compile(rf"(\d{{1,3}}_\d{{1,3}}{_STAGES}-\d{{1,3}})", re.ASCII)
_EXAMPLE = "64_64-2_1_2_64-2_2_2_2_64_64-2_3_2_2_2_64_64_64-2_4_2_2_2_2_64_64_64_64-64"


class NBMR(ChoiceSpace):
    """NAS-Bench-MR's space."""

    name = "nbmr"
    reference_text = _EXAMPLE
    positions = _POSITIONS
    texts = tuple(
        BLOCKS if position.startswith(("modules", "blocks")) else CHANNELS
        for position in _POSITIONS
    )
    further_encodings = {
        "numbers": lambda choices: np.asarray(choices + 1, dtype=np.float32)
    }
    analytic = by_name(
        *sizes_of(_sizes),
        structural(
            "modules",
            "modules of all stages",
            lambda choices: values(choices)[:, _MODULES].sum(axis=1),
        ),
    )

    @cached_property
    def groups(self) -> Mapping[str, NDArray[np.intp]]:  # type: ignore[override]
        """The default column groups, and the groups of the encoding ``numbers``, which has a column
        per position.
        """
        return {**super().groups, "numbers": np.arange(len(self.positions))}

    def write(self, choices: tuple[int, ...]) -> str:
        """Return the benchmark's string for a combination of numbers."""
        numbers = [options[i] for options, i in zip(self.texts, choices, strict=True)]
        parts = ["_".join(numbers[:2])]
        for branches, stage in zip(BRANCHES, STAGES, strict=True):
            blocks = [
                numbers[position] for position in (*stage.blocks, *stage.channels)
            ]
            parts.append("_".join([numbers[stage.modules], str(branches), *blocks]))
        return "-".join([*parts, numbers[-1]])

    def parse(self, text: str) -> Cell:
        """Return the cell for the benchmark's string.

        Raises:
            UserError: The string has another format, or a number is not an option.
        """
        first, *stages, last = self._matched(_SHAPE, text, _EXAMPLE)[0].split("-")
        groups = [stage.split("_") for stage in stages]
        numbers = [number for group in groups for number in (group[0], *group[2:])]
        return self.numbered([*first.split("_"), *numbers, last])

    def numbered(self, numbers: list[str]) -> Cell:
        """Return the cell for 27 numbers of the benchmark's files, which omit the fixed numbers of
        branches.

        Raises:
            UserError: There are not 27 numbers, or a number is not an option of its position.
        """
        if len(numbers) != len(self.positions):
            raise UserError(
                f"A cell of the space {self.name} has {len(self.positions)} numbers, not"
                f" {len(numbers)}."
            )
        return self._named(numbers)
