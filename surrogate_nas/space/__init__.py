"""Spaces: what a cell is, which cells there are, when two are the same, and how a model sees them."""

from collections.abc import Callable
from functools import lru_cache

from surrogate_nas.space.base import Cell, Space
from surrogate_nas.space.macro import Macro
from surrogate_nas.space.nb201 import NB201

__all__ = ["NB201", "SPACES", "Cell", "Macro", "Space", "macro", "nb201", "space_named", "space_of"]


@lru_cache(maxsize=1)
def nb201() -> NB201:
    """The NAS-Bench-201 cell space, one shared instance a process."""
    return NB201()


@lru_cache(maxsize=1)
def macro() -> Macro:
    """The macro space of convolution stacks, one shared instance a process."""
    return Macro()


SPACES: dict[str, Callable[[], Space]] = {"nb201": nb201, "macro": macro}
"""Every registered space by name."""


def space_named(name: str) -> Space:
    """Return the shared instance of a registered space.

    Args:
        name: A key of `SPACES`.

    Raises:
        UserError: No space has that name.
    """
    from surrogate_nas.errors import unknown

    if name not in SPACES:
        raise unknown("space", name, SPACES)
    return SPACES[name]()


def space_of(cell: Cell) -> Space:
    """Return the registered space that a cell is from.

    Args:
        cell: The cell.

    Raises:
        UserError: It is from none.
    """
    from surrogate_nas.errors import UserError

    for space in SPACES.values():
        if cell in space():
            return space()
    raise UserError(f"{cell} is a cell of no registered space. Known: {', '.join(SPACES)}.")
