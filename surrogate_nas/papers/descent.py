"""Local search on a whole table, counted in cells until the optimum is seen: quick enough for thousands of runs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.papers.ranks import Values

Indices = NDArray[np.intp]


def steepest(values: Values, around: Indices, rng: np.random.Generator) -> int:
    """Cells until the optimum is seen, moving to the best of all neighbours.

    Args:
        values: The loss, shape ``(n,)``.
        around: The neighbours of every cell, shape ``(n, neighbours)``.
        rng: Draws the starts and the order of looking.
    """
    optimum = int(values.argmin())
    seen = np.zeros(len(values), dtype=bool)
    while True:
        centre = int(rng.integers(len(values)))
        seen[centre] = True
        if centre == optimum:
            return int(seen.sum())
        while True:
            near = rng.permutation(around[centre])
            where = np.flatnonzero(near == optimum)
            seen[near[: where[0] + 1] if len(where) else near] = True
            if len(where):
                return int(seen.sum())
            best = int(near[values[near].argmin()])
            if values[best] >= values[centre]:
                break
            centre = best


def first_improvement(values: Values, around: Indices, rng: np.random.Generator) -> int:
    """Cells until the optimum is seen, moving to the first neighbour that is better.

    Args:
        values: The loss, shape ``(n,)``.
        around: The neighbours of every cell, shape ``(n, neighbours)``.
        rng: Draws the starts and the order of looking.
    """
    optimum = int(values.argmin())
    seen: set[int] = set()
    while True:
        centre: int | None = int(rng.integers(len(values)))
        while centre is not None:
            seen.add(centre)
            if centre == optimum:
                return len(seen)
            near = rng.permutation(around[centre])
            better = np.flatnonzero((values[near] < values[centre]) | (near == optimum))
            looked = near if not len(better) else near[: better[0] + 1]
            seen.update(looked.tolist())
            centre = int(looked[-1]) if len(better) else None


DESCENTS: dict[str, Callable[[Values, Indices, np.random.Generator], int]] = {
    "steepest": steepest,
    "first improvement": first_improvement,
}
"""By name."""
