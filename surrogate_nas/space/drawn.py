"""Different cells of any space, drawn at random."""

from __future__ import annotations

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.space.base import Space
from surrogate_nas.space.cell import Cell
from surrogate_nas.space.enumerable import Enumerable

_MOST_TRIES = 100
"""Draws a cell, before a space that cannot be listed is taken to have no more."""


def drawn_cells(space: Space, n: int, seed: int = 0) -> list[Cell]:
    """Draw different cells uniformly; more of the same seed begin with the fewer.

    Args:
        space: The space.
        n: How many.
        seed: Of the draw.

    Raises:
        UserError: There are not so many, or the seed is negative.

    Example:
        >>> from surrogate_nas.space import nb201
        >>> few, more = drawn_cells(nb201(), 3), drawn_cells(nb201(), 100)
        >>> few == more[:3], len(set(more))
        (True, 100)
    """
    if not isinstance(seed, int) or seed < 0:
        raise UserError(f"A seed must be a whole number of at least 0, not {seed!r:.80}.")
    if not isinstance(n, int) or not 1 <= n <= space.size:
        raise UserError(f"There can be 1 to {space.size} cells, not {n!r:.80}.")
    rng = np.random.default_rng(seed)
    if isinstance(space, Enumerable):
        return [space[int(i)] for i in rng.permutation(len(space))[:n]]
    found: dict[Cell, None] = {}
    for _ in range(_MOST_TRIES * n):
        if len(found) == n:
            break
        found[space.sample(rng)] = None
    if len(found) < n:
        raise UserError(f"The space {space.name} gave only {len(found)} different cells in {_MOST_TRIES * n} draws.")
    return list(found)
