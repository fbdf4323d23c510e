"""Sketches of both spaces: micro cells as graphs, macro cells as rows of modules."""

from __future__ import annotations

from surrogate_nas.space.cell import Cell
from surrogate_nas.space.four_nodes import CONV1, CONV3, NOTHING, SKIP
from surrogate_nas.space.sketch import INK, PAPER, Box, Frame, Mark, Sketch, Text

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


def skeleton(cell: Cell) -> Sketch:
    """Sketch a cell of the macro space, with the channels under and the digit over every module."""
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
