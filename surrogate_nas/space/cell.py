"""A cell: one architecture of a space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError

Choices: TypeAlias = NDArray[np.int8]
"""Cells as a model or a formula reads them: the index of the chosen option, shape
``(n, positions)``.
"""


class Cell:
    """One architecture of a space: immutable, hashable, printed as the field prints it.

    Attributes:
        choices: The index of the chosen option at each position of the space.
        text: The canonical string, which is the cell's identity.
        index: The cell's place in the order of its space, -1 where that cannot be listed. Whoever
            is handed a cell by a stranger looks it up by its text first (`Space.cell`) and reads
            the index of the space's own.

    Example:
        >>> import surrogate_nas as sn
        >>> cell = sn.nb201().cell(
        ...     "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
        ... )
        >>> cell.choices, cell == sn.nb201()[cell.index], len({cell, str(cell)})
        ((0, 0, 0, 3, 0, 0), True, 2)
    """

    __slots__ = ("choices", "index", "text")

    choices: tuple[int, ...]
    index: int
    text: str

    def __init__(self, choices: tuple[int, ...], text: str, index: int = -1) -> None:
        """Made by a `Space`; users call `Space.parse` or `Space.sample`."""
        object.__setattr__(self, "choices", choices)
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "index", index)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Cell is immutable; cannot set {name!r}")

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Cell) and self.text == other.text)

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Cell({self.text!r})"

    def __reduce__(self) -> tuple[type[Cell], tuple[tuple[int, ...], str, int]]:
        return Cell, (self.choices, self.text, self.index)


def choices_of(cells: Sequence[Cell]) -> Choices:
    """The choices of cells as one matrix, shape ``(n, positions)``.

    Args:
        cells: Cells of one space.

    Example:
        >>> import surrogate_nas as sn
        >>> choices_of(sn.nb201()[10:12])
        array([[3, 3, 3, 0, 0, 0],
               [3, 3, 4, 0, 3, 4]], dtype=int8)
    """
    return np.array([cell.choices for cell in cells], dtype=np.int8)


def cell_text(given: object) -> str:
    """What a string says of a cell, without the white space around it."""
    if not isinstance(given, str):
        raise UserError(f"A cell is parsed from its text, not from {given!r:.80}.")
    return given.strip()
