"""Sizes of NAS-Bench-MR's networks, which need no measurement.

The network (Ding et al., ICLR 2022, and its published code): two 3×3 convolutions of stride 2; four
stages, stage k with k branches, each branch at half the resolution of the one before. A module of a
stage first fuses what the module before it gave, then runs n residual blocks of two 3×3
convolutions on each branch. Fusing looks at neighbouring branches only: 3×3 from the same one and
from the finer one (stride 2), 1×1 from the coarser one; a branch that is new starts from the finer
one as just fused. At the end all branches meet at the coarsest resolution in a 1×1 convolution,
global pooling and a linear layer. Every convolution is followed by batch normalisation and has no
bias.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space.base import Analytic, Column, by_name, macs_of, params_of, structural
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.network import Network

BRANCHES = (1, 2, 3, 4)
"""How many branches each stage has."""
BLOCKS = ("1", "2", "3", "4")
CHANNELS = tuple(str(8 * eighths) for eighths in range(1, 17))


class Stage(NamedTuple):
    """Where a stage's numbers stand among the 27 of a cell.

    Attributes:
        modules: How often its module is repeated.
        blocks: Residual blocks on each branch.
        channels: Channels of each branch.
    """

    modules: int
    blocks: tuple[int, ...]
    channels: tuple[int, ...]


def _stages() -> Iterator[Stage]:
    place = 2
    for k in BRANCHES:
        yield Stage(
            place,
            tuple(range(place + 1, place + 1 + k)),
            tuple(range(place + 1 + k, place + 1 + 2 * k)),
        )
        place += 1 + 2 * k


STAGES = tuple(_stages())
LAST = 26
"""Where the channels of the last convolution stand."""
_COUNTS = [2, *(place for stage in STAGES for place in (stage.modules, *stage.blocks))][1:]
"""Where numbers of modules and blocks stand; all others are channels."""


def values(choices: Choices) -> Column:
    """The 27 numbers of cells, shape ``(n, 27)``."""
    numbers = 8.0 * (choices.astype(np.float64) + 1)
    numbers[:, _COUNTS] /= 8.0
    return numbers


class _Convolution(NamedTuple):
    """A convolution of every cell: kernel, channels, height and width of its output, and count."""

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
        channels = [numbers[:, place] for place in stage.channels]
        modules = numbers[:, stage.modules]
        yield from _fused(before, channels, sizes[2:], 1)
        yield from _fused(channels, channels, sizes[2:], modules - 1)
        for branch, place in enumerate(stage.blocks):
            times = 2 * modules * numbers[:, place]
            yield _Convolution(3, channels[branch], channels[branch], sizes[2 + branch], times)
        before = channels
    together = np.sum(before, axis=0)
    yield _Convolution(1, together, numbers[:, LAST], sizes[-1], 1)


def _fused(
    before: list[Column],
    after: list[Column],
    sizes: list[int],
    times: Column | int,
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


def parameters(choices: Choices, network: Network) -> Column:
    """Trainable parameters, shape ``(n,)``, a whole number."""
    numbers = values(choices)
    total = (numbers[:, LAST] + 1) * network.classes
    for c in _convolutions(numbers, network):
        total = total + c.times * (c.kernel**2 * c.inputs + 2) * c.outputs
    return np.asarray(total)


def multiply_accumulates(choices: Choices, network: Network) -> Column:
    """Multiply-accumulates of convolutions and the linear layer, shape ``(n,)``, a whole number."""
    numbers = values(choices)
    total = numbers[:, LAST] * network.classes
    for c in _convolutions(numbers, network):
        total = total + c.times * c.kernel**2 * c.inputs * c.outputs * c.size**2
    return np.asarray(total)


def recorded_flops(choices: Choices, network: Network) -> Column:
    """Recorded FLOPs, shape ``(n,)``: multiply-accumulates, normalisation twice, and classes."""
    numbers = values(choices)
    total = multiply_accumulates(choices, network) + network.classes
    for c in _convolutions(numbers, network):
        total = total + 2 * c.times * c.outputs * c.size**2
    return np.asarray(total)


def numbers_in_steps(choices: Choices) -> NDArray[np.float32]:
    """The 27 numbers, channels in steps of eight."""
    return np.asarray(choices + 1, dtype=np.float32)


_MODULES = [stage.modules for stage in STAGES]
ANALYTIC: Analytic = by_name(
    params_of(parameters),
    macs_of(multiply_accumulates),
    structural(
        "modules", "modules of all stages", lambda choices: values(choices)[:, _MODULES].sum(axis=1)
    ),
)
"""The metrics of NAS-Bench-MR's networks that need no measurement, with functions from choices to
shape ``(n,)``.
"""
