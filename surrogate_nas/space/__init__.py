"""Spaces: what a cell is, which cells there are, when two are the same, and how a model sees them."""

from functools import lru_cache

from surrogate_nas.space.base import Cell, Space
from surrogate_nas.space.nb201 import NB201

__all__ = ["NB201", "SPACES", "Cell", "Space", "nb201", "space_named"]


@lru_cache(maxsize=1)
def nb201() -> NB201:
    """The NAS-Bench-201 cell space, one shared instance a process."""
    return NB201()


SPACES = {"nb201": nb201}
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
