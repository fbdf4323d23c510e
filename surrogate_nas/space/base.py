"""Cells and spaces: a finite product of named options, with one sampler and one mutator for every strategy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.errors import UserError


class Cell:
    """One architecture of a space: immutable, hashable, printed as the field prints it.

    Attributes:
        choices: The index of the chosen option at each position of the space.
        text: The canonical string, which is the cell's identity.
        index: The cell's place in the order of its space.
    """

    __slots__ = ("choices", "index", "text")

    choices: tuple[int, ...]
    index: int
    text: str

    def __init__(self, choices: tuple[int, ...], text: str, index: int) -> None:
        """Made by a `Space`, which interns its cells; users call `Space.parse` or `Space.sample`."""
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


class Space(ABC, Sequence[Cell]):
    """A finite space of cells, each a choice of one option at every position.

    A space is a sequence of its cells in a documented order: ``len(space)``, ``space[i]``, iteration.
    Subclasses give `name`, `positions`, `options`, `_order` and `_print`, and parse their own strings.
    """

    name: str
    positions: tuple[str, ...]
    options: tuple[tuple[str, ...], ...]

    @abstractmethod
    def _order(self) -> list[tuple[int, ...]]:
        """Every combination of choices, in the space's own order."""

    @abstractmethod
    def _print(self, choices: tuple[int, ...]) -> str:
        """The canonical string of a combination of choices."""

    @abstractmethod
    def parse(self, text: str) -> Cell:
        """Read a canonical string.

        Args:
            text: The string as the field prints it.

        Raises:
            UserError: The string names no cell of this space; the message says what is wrong with it.
        """

    @cached_property
    def _cells(self) -> list[Cell]:
        return [Cell(choices, self._print(choices), i) for i, choices in enumerate(self._order())]

    @cached_property
    def _by_choices(self) -> dict[tuple[int, ...], Cell]:
        return {cell.choices: cell for cell in self._cells}

    @cached_property
    def choices(self) -> NDArray[np.int8]:
        """The choices of all cells in the order of the space, shape ``(len(space), len(positions))``."""
        return np.array([cell.choices for cell in self._cells], dtype=np.int8)

    def __len__(self) -> int:
        return len(self._cells)

    def __iter__(self) -> Iterator[Cell]:
        return iter(self._cells)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self._cells[index]

    def __contains__(self, cell: object) -> bool:
        return isinstance(cell, Cell) and self._by_choices.get(cell.choices) == cell

    def cell(self, given: Cell | str | Sequence[int]) -> Cell:
        """Return this space's own cell for a cell, its string, or a sequence of choices.

        Args:
            given: A `Cell`, a canonical string, or one option index per position.

        Raises:
            UserError: It names no cell of this space.
        """
        if isinstance(given, str):
            return self.parse(given)
        choices = given.choices if isinstance(given, Cell) else tuple(int(c) for c in given)
        found = self._by_choices.get(choices)
        if found is None or (isinstance(given, Cell) and found != given):
            raise UserError(f"{given!r} is not a cell of the space {self.name}.")
        return found

    def sample(self, rng: np.random.Generator) -> Cell:
        """Draw a cell uniformly over the raw cells.

        Args:
            rng: The generator that the draw advances.
        """
        return self._cells[int(rng.integers(len(self._cells)))]

    def mutate(self, cell: Cell, rng: np.random.Generator) -> Cell:
        """Re-draw one uniformly chosen position to a different option, uniformly among `neighbours`.

        Args:
            cell: The parent.
            rng: The generator that the draw advances.
        """
        around = self._neighbours[cell.index]
        return self._cells[around[int(rng.integers(len(around)))]]

    def neighbours(self, cell: Cell) -> list[Cell]:
        """All cells that differ from `cell` in exactly one position, by position and then option.

        Args:
            cell: The centre.
        """
        return [self._cells[i] for i in self._neighbours[cell.index]]

    @cached_property
    def _neighbours(self) -> list[list[int]]:
        index = {cell.choices: cell.index for cell in self._cells}
        return [
            [
                index[(*cell.choices[:p], option, *cell.choices[p + 1 :])]
                for p, options in enumerate(self.options)
                for option in range(len(options))
                if option != cell.choices[p]
            ]
            for cell in self._cells
        ]
