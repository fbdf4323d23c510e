"""Spaces whose cells can be listed, in a documented order."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.space.base import Space
from surrogate_nas.space.cell import Cell, Choices, choices_of


class Enumerable(Space, Sequence[Cell]):
    """A finite space that lists its cells in a documented order: ``len(space)``, ``space[i]``, iteration.

    Subclasses give `_listed` besides what a `Space` needs.

    Example:
        >>> from surrogate_nas.space import nb201
        >>> space = nb201()
        >>> len(space), space.index(space[11]), len(set(space.classes.tolist()))  # cells; functional classes
        (15625, 11, 5044)
    """

    @abstractmethod
    def _listed(self) -> Sequence[Cell]:
        """Every cell, in the space's own order, its index its place there."""

    @cached_property
    def _cells(self) -> Sequence[Cell]:
        return self._listed()

    @cached_property
    def _by_text(self) -> dict[str, Cell]:
        return {cell.text: cell for cell in self._cells}

    @property
    def size(self) -> float:  # type: ignore[override]
        """How many cells there are."""
        return len(self._cells)

    @cached_property
    def choices(self) -> Choices:
        """The choices of all cells in the order of the space, shape ``(len(space), positions)``."""
        return choices_of(self._cells)

    @property
    def classes(self) -> NDArray[np.int32] | None:
        """For every cell the number of its functional class, shape ``(len(space),)``; None where each is its own.

        Cells of one class compute the same functions of their live weights; their sizes and latency can differ.
        """
        return None

    @cached_property
    def survey(self) -> Sequence[Cell]:
        """All cells."""
        return self._cells

    def __len__(self) -> int:
        return len(self._cells)

    def __iter__(self) -> Iterator[Cell]:
        return iter(self._cells)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self._cells[index]

    def index(self, cell: object, *_: Any) -> int:
        """The place of a cell in the order of the space, looked up by its string.

        Args:
            cell: A cell, or its string.

        Raises:
            UserError: It is no cell of this space.
        """
        return self.cell(cell).index  # type: ignore[arg-type]

    def cell(self, given: Cell | str) -> Cell:
        """Return this space's own cell for a cell or its string; nothing else of a stranger's cell is believed.

        Args:
            given: A `Cell` or a canonical string.

        Raises:
            UserError: It names no cell of this space.
        """
        if isinstance(given, Cell) and isinstance(given.text, str):
            found = self._by_text.get(given.text)
            if found is not None:
                return found
        return super().cell(given)


def listed(space: Space) -> Enumerable:
    """The space itself, where its cells can be listed.

    Args:
        space: Any space.

    Raises:
        UserError: They cannot.

    Example:
        >>> from surrogate_nas.space import space_named
        >>> len(listed(space_named("macro")))
        36
        >>> listed(space_named("darts"))
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: The cells of the space darts cannot be listed, which this needs.
    """
    if not isinstance(space, Enumerable):
        raise UserError(f"The cells of the space {space.name} cannot be listed, which this needs.")
    return space


def numbered(identities: Iterable[object], n: int) -> NDArray[np.int32]:
    """Number identities by their first appearance, shape ``(n,)``.

    Args:
        identities: Hashable.
        n: How many they are.
    """
    seen: dict[object, int] = {}
    numbers: Iterable[int] = (seen.setdefault(identity, len(seen)) for identity in identities)
    return np.fromiter(numbers, dtype=np.int32, count=n)
