"""Cells that are made when they are first asked for, so that a table of many opens at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from surrogate_nas.space.cell import Cell, Choices


class LazyCells(Sequence[Cell]):
    """All cells of a space in its order, known by their choices; each is one object from its first use on.

    Attributes:
        choices: The choices of all, shape ``(n, positions)``.
        by_text: The cells that are made so far, by their string.
    """

    def __init__(self, choices: Choices, options: Sequence[int], write: Callable[[tuple[int, ...]], str]) -> None:
        """Take what the cells are made of; none is made yet.

        Args:
            choices: Of all cells in the order of the space, each once, shape ``(n, positions)``.
            options: How many options each position has.
            write: From choices to the canonical string.
        """
        self.choices = choices
        self.by_text: dict[str, Cell] = {}
        self._write = write
        self._strides = [int(np.prod(options[place + 1 :], dtype=np.int64)) for place in range(len(options))]
        self._made: list[Cell | None] = [None] * len(choices)

    @cached_property
    def _places(self) -> Mapping[int, int] | range:
        """From the choices read as one number to the place; where every combination is a cell, these are the same."""
        codes = np.zeros(len(self.choices), dtype=np.int64)
        for column, stride in zip(self.choices.T, self._strides, strict=True):
            codes += column * np.int64(stride)
        places = range(len(self.choices))
        if np.array_equal(codes, np.arange(len(places))):
            return places
        return dict(zip(codes.tolist(), places, strict=True))

    def find(self, choices: tuple[int, ...]) -> Cell | None:
        """The cell of some choices; None where they are no cell.

        Args:
            choices: One option index per position, each in its range.
        """
        code = sum(choice * stride for choice, stride in zip(choices, self._strides, strict=True))
        return self[self._places[code]] if code in self._places else None

    def __len__(self) -> int:
        return len(self._made)

    def __iter__(self) -> Iterator[Cell]:
        return map(self.__getitem__, range(len(self._made)))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self._made)))]
        cell = self._made[index]
        if cell is None:
            choices = tuple(self.choices[index].tolist())
            text = self._write(choices)
            cell = self._made[index] = Cell(choices, text, range(len(self._made))[index])
            self.by_text.setdefault(text, cell)
        return cell
