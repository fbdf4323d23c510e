"""The drawings of many cells: every mark once, and for each cell the numbers of its marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from surrogate_nas.report.explorer.packing import Block
from surrogate_nas.space import Cell, Space
from surrogate_nas.space.sketch import Arrow, Box, Mark, Sketch


def drawings(space: Space, cells: Sequence[Cell], block: Block) -> dict[str, Any] | None:
    """Sketch cells; None where the space draws none, and where its drawings have no marks.

    Args:
        space: The space.
        cells: Cells of it, at least one.
        block: Keeps the numbers.
    """
    first = space.sketch(cells[0])
    if first is None:
        return None
    numbers: dict[Mark, int] = {}
    seen: dict[int, int] = {}  # the number of a mark by its object, as spaces share equal marks between cells
    codes: list[int] = []
    counts: list[int] = []
    kept: list[Sketch] = []
    for cell in cells:
        sketch = space.sketch(cell) or first
        kept.append(sketch)
        for mark in sketch.marks:
            number = seen.get(id(mark))
            if number is None:
                number = seen[id(mark)] = numbers.setdefault(mark, len(numbers))
            codes.append(number)
        counts.append(len(sketch.marks))
    return {
        "size": first.size,
        "marks": [_written(mark) for mark in numbers],
        "codes": block.array(np.array(codes, dtype=np.uint32 if len(numbers) > np.iinfo(np.uint16).max else np.uint16)),
        "counts": block.array(np.array(counts, dtype=np.uint16)),
    }


def _written(mark: Mark) -> list[Any]:
    if isinstance(mark, Box):
        return ["box", *_short(*mark.centre, *mark.size, mark.rounding), mark.fill, mark.stroke, mark.line]
    if isinstance(mark, Arrow):
        curve = _short(*(number for point in mark.curve for number in point))
        return ["arrow", curve, mark.colour, mark.line, list(mark.dash), mark.opacity, mark.head]
    return ["text", *_short(*mark.at), mark.text, mark.size, mark.colour, mark.align, mark.ground]


def _short(*numbers: float) -> list[float]:
    return [round(number, 2) for number in numbers]
