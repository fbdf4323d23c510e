"""A cell: one architecture of a space."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import UserError, unknown

Choices: TypeAlias = NDArray[np.int8]
"""Cells as a matrix: the index of the chosen option at each position, shape ``(n, positions)``."""


Options: TypeAlias = Mapping[str, tuple[int, tuple[Any, ...]]]
"""For each name of a position, its index and its options; shared by all cells of a space."""
_NAMELESS: Options = {}


class OptionError(UserError, KeyError):
    """An error for the name of a position that a cell does not have."""

    __str__ = UserError.__str__


class Cell(Mapping[str, Any]):
    """One architecture of a search space: an immutable, hashable object with its benchmark's
    string.

    A cell is a mapping from the space's positions to the chosen options, such as
    ``cell["width"] == 16``. Two cells are equal if their texts are equal. A cell has no `len`, so
    that NumPy treats it as one object.

    Attributes:
        choices: The index of the chosen option at each position of the space.
        text: The canonical string, which identifies the cell.
        index: The cell's index in the order of its space, or -1 if the space is not enumerable. For
            a cell from an untrusted source, first look up the space's own cell (`Space.cell`).

    Example:
        >>> import surrogate_nas as sn
        >>> cell = sn.nb201().cell(
        ...     "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
        ... )
        >>> cell.choices, cell == sn.nb201()[cell.index], len({cell, str(cell)})
        ((0, 0, 0, 3, 0, 0), True, 2)
        >>> cell["0-3"], cell.options["0-1"], "0-3" in cell, [*cell][:2]
        ('nor_conv_3x3', 'none', True, ['0-1', '0-2'])
    """

    __slots__ = ("_options", "choices", "index", "text")

    choices: tuple[int, ...]
    index: int
    text: str
    _options: Options

    def __init__(
        self,
        choices: tuple[int, ...],
        text: str,
        index: int = -1,
        options: Options = _NAMELESS,
    ) -> None:
        """Create a cell; only a `Space` does this. Users call `Space.cell` or `Space.sample`."""
        put = object.__setattr__
        put(self, "choices", choices)
        put(self, "text", text)
        put(self, "index", index)
        put(self, "_options", options)

    @property
    def options(self) -> dict[str, Any]:
        """A new dictionary with the chosen option at each position."""
        choices = self.choices
        return {name: own[choices[i]] for name, (i, own) in self._options.items()}

    def __getitem__(self, position: str) -> Any:
        try:
            place, options = self._options[position]
        except (KeyError, TypeError):
            known = self._options or ("none, because its space has no named options",)
            raise OptionError(unknown("position of a cell", position, known)) from None
        return options[self.choices[place]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._options)

    def __len__(self) -> int:
        raise TypeError(
            "a Cell has no len; the number of positions is len(cell.options)"
        )

    def __bool__(self) -> bool:
        return True

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

    def __reduce__(self) -> "tuple[type[Cell], tuple[Any, ...]]":
        return Cell, (self.choices, self.text, self.index, self._options)


def choices_of(cells: Sequence[Cell]) -> Choices:
    """Return the choices of cells as one matrix of shape ``(n, positions)``.

    Args:
        cells: Cells of one space.

    Example:
        >>> import surrogate_nas as sn
        >>> choices_of(sn.nb201()[10:12])
        array([[3, 3, 3, 0, 0, 0],
               [3, 3, 4, 0, 3, 4]], dtype=int8)
    """
    whole: Choices | None = getattr(cells, "choices", None)
    if whole is not None:
        return whole
    return np.array([cell.choices for cell in cells], dtype=np.int8)


def cell_text(given: object) -> str:
    """Return the text of a cell without surrounding white space.

    Raises:
        UserError: The argument is not a string.
    """
    if not isinstance(given, str):
        raise UserError(f"A cell is parsed from its text, not from {given!r:.80}.")
    return given.strip()
