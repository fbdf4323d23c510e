"""NAS-Bench-MR's space: networks of up to four resolutions at once, 27 numbers, about 10^24 cells.

Ding et al., "Learning Versatile Neural Architectures by Propagating Network Codes", ICLR 2022. A
cell prints as the benchmark's lists do, one group of numbers a part of the network: input channels;
for each of the four stages its modules, its branches, the blocks of every branch and the channels
of every branch; the channels of the last layer. Modules and blocks are 1 to 4, channels 8 to 128 in
steps of eight, on which all published cells lie.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar

from surrogate_nas.core.errors import UserError
from surrogate_nas.space.base import Analytic, Encoding
from surrogate_nas.space.cell import Cell, cell_text
from surrogate_nas.space.nbmr.sizes import (
    ANALYTIC,
    BLOCKS,
    BRANCHES,
    CHANNELS,
    STAGES,
    numbers_in_steps,
)
from surrogate_nas.space.product import ChoiceSpace


def _positions() -> list[str]:
    names = ["input1", "input2"]
    for k in BRANCHES:
        branches = range(1, k + 1)
        names += [
            f"modules{k}",
            *(f"blocks{k}.{b}" for b in branches),
            *(f"channels{k}.{b}" for b in branches),
        ]
    return [*names, "last"]


_POSITIONS = tuple(_positions())
_STAGE = r"-\d{{1,3}}_{0}(_\d{{1,3}}){{{1}}}"
_SHAPE = re.compile(
    r"\d{1,3}_\d{1,3}" + "".join(_STAGE.format(k, 2 * k) for k in BRANCHES) + r"-\d{1,3}"
)
_EXAMPLE = "64_64-2_1_2_64-2_2_2_2_64_64-2_3_2_2_2_64_64_64-2_4_2_2_2_2_64_64_64_64-64"


class NBMR(ChoiceSpace):
    """NAS-Bench-MR's space; use the shared instance `surrogate_nas.space.nbmr.nbmr()`.

    Example:
        >>> space = NBMR()
        >>> cell = space.parse(
        ...     "64_64-2_1_2_64-2_2_2_2_64_64-2_3_2_2_2_64_64_64-2_4_2_2_2_2_64_64_64_64-64"
        ... )
        >>> cell.choices[:5]
        (7, 7, 1, 1, 7)
    """

    name = "nbmr"
    reference_text = _EXAMPLE
    positions = _POSITIONS
    options = tuple(
        BLOCKS if position.startswith(("modules", "blocks")) else CHANNELS
        for position in _POSITIONS
    )
    further_encodings: ClassVar[Mapping[str, Encoding]] = {"numbers": numbers_in_steps}
    analytic: ClassVar[Analytic] = ANALYTIC

    def write(self, choices: tuple[int, ...]) -> str:
        """The benchmark's string of a combination."""
        numbers = [options[choice] for options, choice in zip(self.options, choices, strict=True)]
        parts = [f"{numbers[0]}_{numbers[1]}"]
        for branches, stage in zip(BRANCHES, STAGES, strict=True):
            blocks = [numbers[place] for place in (*stage.blocks, *stage.channels)]
            parts.append("_".join([numbers[stage.modules], str(branches), *blocks]))
        return "-".join([*parts, numbers[-1]])

    def parse(self, text: str) -> Cell:
        """Read the benchmark's string.

        Raises:
            UserError: The string has another shape, or a number that the space does not have.
        """
        stripped = cell_text(text)
        if not text.isascii() or not _SHAPE.fullmatch(stripped):
            raise UserError(
                f"Malformed cell {text!r:.200}: a cell of the space {self.name} reads {_EXAMPLE}."
            )
        first, *stages, last = stripped.split("-")
        numbers = first.split("_")
        for stage in stages:
            modules, _, *rest = stage.split("_")
            numbers += [modules, *rest]
        return self.numbered([*numbers, last])

    def numbered(self, numbers: list[str]) -> Cell:
        """The cell of 27 numbers in the benchmark's files, which omit the fixed branches.

        Args:
            numbers: As text.

        Raises:
            UserError: There are not 27, or one is none of its position's options.
        """
        if len(numbers) != len(self.positions):
            raise UserError(
                f"A cell of the space {self.name} has {len(self.positions)} numbers, not"
                f" {len(numbers)}."
            )
        return self._named(numbers)


@lru_cache(maxsize=1)
def nbmr() -> NBMR:
    """NAS-Bench-MR's space, one shared instance a process."""
    return NBMR()


__all__ = ["NBMR", "nbmr"]
