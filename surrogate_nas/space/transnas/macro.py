"""TransNAS-Bench-101's macro space: four to six modules of ResNet blocks; 3,256 cells.

Duan et al., CVPR 2021. A cell prints as ``64-1234-basic``: base width, one digit a module, and the
block. A module of digit 2 or 4 doubles the channels, one of 3 or 4 halves the resolution; one to
three double and one to four halve. The space lists its cells in the order of the published results:
by the number of modules, of doublings, of halvings, then by the places of the doublings and those
of the halvings.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.space.base import Analytic, Encoding
from surrogate_nas.space.cell import Cell, Choices, cell_text
from surrogate_nas.space.four_nodes import CONV1, CONV3, NOTHING, SKIP
from surrogate_nas.space.product import EnumerableChoiceSpace
from surrogate_nas.space.sketch import INK, PAPER, Box, Frame, Mark, Sketch, Text
from surrogate_nas.space.transnas.sizes import MACRO_SIZES, MOST_MODULES

SHOWN = (NOTHING, SKIP, CONV1, CONV3)
"""The micro space's operations in their order."""
_COLOURS = {1: PAPER, 2: CONV1[1], 3: CONV3[1], 4: "#8250df"}
"""By the digit of a module."""
_PAPER = (288.0, 115.2)
_WIDTH = 0.16
_CHANNELS = 64
_TALLEST = 2.0
"""Of a module of the stem's channels, and the height of one of the stem's resolution."""
_GAP = 0.3
_ABOVE = 7.0
"""How far over and under a module its labels stand, in points."""


_MOST_DOUBLINGS = 3
_MOST_HALVINGS = 4


def progress(choices: Choices) -> NDArray[np.float32]:
    """Modules, doublings and halvings, in all and up to each module; modules by width and size.

    Up to a module that is not there it is none; 24 columns.
    """
    there = choices > 0
    doubled = np.isin(choices, (2, 4))
    halved = np.isin(choices, (3, 4))
    wide, small = (np.where(there, np.cumsum(each, axis=1), 0) for each in (doubled, halved))
    at_width = [(there & (wide == k)).sum(axis=1) for k in range(_MOST_DOUBLINGS + 1)]
    at_side = [(there & (small == k)).sum(axis=1) for k in range(_MOST_HALVINGS + 1)]
    counts = [each.sum(axis=1) for each in (there, doubled, halved)]
    return np.column_stack([*counts, wide, small, *at_width, *at_side]).astype(np.float32)


LENGTHS = (4, 5, 6)
DOUBLINGS = (1, 2, 3)
HALVINGS = (1, 2, 3, 4)
"""How many modules there may be, and how many of them double the channels and halve the
resolution.
"""
_FORMAT = re.compile("64-([1-4]{4,6})-basic")


class TransNASMacro(EnumerableChoiceSpace):
    """The macro space; use the shared instance `surrogate_nas.space.transnas.transnas_macro()`.

    Choices are a cell's digits, with 0 for modules 5 and 6 where these are not there. Neighbours
    differ in one digit, so a cell also has a last module more or less.

    Example:
        >>> space = TransNASMacro()
        >>> str(space[0]), str(space[3255])
        ('64-4111-basic', '64-113444-basic')
    """

    name = "transnas-macro"
    positions = tuple(f"module{i}" for i in range(1, 1 + MOST_MODULES))
    options = (tuple("01234"),) * MOST_MODULES
    further_encodings: ClassVar[Mapping[str, Encoding]] = {"progress": progress}
    views = ("progress", "progress+one_hot")
    analytic: ClassVar[Analytic] = MACRO_SIZES
    complexity = "modules"
    reference_text = "64-1234-basic"

    def _order(self) -> Iterable[tuple[int, ...]]:
        for length, doublings, halvings in itertools.product(LENGTHS, DOUBLINGS, HALVINGS):
            doubled = itertools.combinations(range(length), doublings)
            halved = tuple(itertools.combinations(range(length), halvings))
            for double, halve in itertools.product(doubled, halved):
                digits = (1 + (i in double) + 2 * (i in halve) for i in range(length))
                yield (*digits, *(0,) * (MOST_MODULES - length))

    def allows(self, choices: tuple[int, ...]) -> bool:
        """Whether there are four to six modules, no gap, and valid doublings and halvings."""
        length = choices.index(0) if 0 in choices else MOST_MODULES
        doublings = sum(digit in (2, 4) for digit in choices)
        halvings = sum(digit in (3, 4) for digit in choices)
        return (
            length in LENGTHS
            and not any(choices[length:])
            and doublings in DOUBLINGS
            and halvings in HALVINGS
        )

    def write(self, choices: tuple[int, ...]) -> str:
        """The benchmark's string of a combination."""
        return f"64-{''.join(str(digit) for digit in choices if digit)}-basic"

    def parse(self, text: str) -> Cell:
        """Read the benchmark's string, such as ``64-1234-basic``.

        Raises:
            UserError: The string has another shape, or too few or too many modules double or halve.
        """
        stripped = cell_text(text)
        match = _FORMAT.fullmatch(stripped)
        if match is None:
            raise UserError(
                f"Malformed cell {text!r:.200}: a cell of the space {self.name} reads"
                " 64-1234-basic, with four to six digits from 1 to 4."
            )
        choices = tuple(map(int, match[1].ljust(MOST_MODULES, "0")))
        if not self.allows(choices):
            raise UserError(
                f"{stripped} is no cell of the space {self.name}: one to three modules double the"
                " channels (2, 4), and one to four halve the resolution (3, 4)."
            )
        return self.at(choices)

    def sketch(self, cell: Cell) -> Sketch:
        """Sketch a cell of the macro space, with the channels under and the digit over every
        module.
        """
        modules: list[tuple[int, int, float, float]] = []
        height = _TALLEST
        channels = _CHANNELS
        for digit in (digit for digit in cell.choices if digit):
            height /= 2 if digit in (3, 4) else 1
            channels *= 2 if digit in (2, 4) else 1
            modules.append((digit, channels, _WIDTH * channels / _CHANNELS, height))
        right = sum(width + _GAP for _, _, width, _ in modules)
        frame = Frame.around((-_GAP, right), (-_TALLEST * 0.7, _TALLEST * 0.7), _PAPER, equal=True)
        marks: list[Mark] = []
        left = 0.0
        for digit, channels, width, height in modules:
            (x, y), size = frame.at((left + width / 2, 0.0)), frame.span((width, height))
            marks += [
                Box((x, y), size, 0.0, _COLOURS[digit], INK, 1.2),
                Text((x, y - size[1] / 2 - _ABOVE), str(digit)),
                Text((x, y + size[1] / 2 + _ABOVE), str(channels), 8.0),
            ]
            left += width + _GAP
        return Sketch(_PAPER, marks)


transnas_macro = lru_cache(maxsize=1)(TransNASMacro)
