"""Checks of what a caller gives: a wrong kind of thing is one clear line, never a
traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import Cell, Enumerable, Space
from surrogate_nas.space import space_of as space_of_cell


def is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    """Whether something has a length and is numbered from 0: a sequence that is no text, or an
    array.
    """
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def own_cells(cells: Sequence[Cell], space: Space | None = None) -> tuple[Space, Sequence[Cell]]:
    """The space of cells, and its own cells by their strings: nothing else of what is handed in is
    trusted.

    Args:
        cells: Cells of one space, or an enumerable space itself.
        space: Theirs; None to look for it among the registered ones.
    """
    if space is not None and not isinstance(space, Space):
        raise UserError(f"A space is needed, not {space!r:.80}.")
    if isinstance(cells, Enumerable):
        if space not in (None, cells):
            raise UserError(f"The cells are those of the space {cells.name}, not of {space.name}.")
        return cells, cells
    if not is_sequence(cells):
        raise UserError(f"A surrogate needs a list of cells, not {cells!r:.80}.")
    if not len(cells):
        raise UserError("A surrogate needs cells; none was given.")
    if space is None:
        if not isinstance(cells[0], Cell):
            raise UserError(
                f"A surrogate needs cells, not {cells[0]!r:.80}; Space.parse reads a cell's string."
            )
        try:
            space = space_of_cell(cells[0])
        except UserError as error:
            raise UserError(
                f"{cells[0]!s:.200} is a cell of no registered space: give its own, as in"
                " fit(cells, values, space=…)."
            ) from error
    return space, [_own(space, cell) for cell in cells]


def _own(space: Space, cell: Cell) -> Cell:
    try:
        return space.cell(cell)
    except UserError as error:
        raise UserError(
            f"{cell!r:.200} is no cell of {space.name}; a surrogate learns one space."
        ) from error
