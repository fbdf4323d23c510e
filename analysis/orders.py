"""How well signals of a training order cells by the goal of other trainings.

τ is Kendall's τ_b between a signal under one seed and the mean goal of the other seeds, averaged
over which seed gives the signal. What each cell adds to it, the first-order term of a U-statistic
(Hoeffding, "A Class of Statistics with Asymptotically Normal Distribution", 1948), gives the
variance of a difference of two signals on the same cells, which agrees with that of the bootstrap
up to terms of 1/n.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
"""One number a cell, or a row of them for each seed."""

NOISE = 0.3
"""A table tells no order where two seeds of its final validation measure agree with less τ."""
ONE_QUANTITY = 0.98
"""Loss and measure are one quantity where they order the cells of a training with τ as large."""
_DIGITS = 12
"""Means of equal numbers are equal, whatever their order: ties stay ties."""


def filled(row: Values, made: NDArray[np.bool_]) -> Values:
    """A column of a seed, shape ``(n,)``; its worst value where a training gave no number.

    Args:
        row: Smaller is better.
        made: Where there was a training, shape ``(n,)``.
    """
    known = np.isfinite(row)
    worst = row[known].max() if known.any() else np.nan
    return np.where(made & ~known, worst, row)


def others(goal: Values) -> Values:
    """By seed the mean of the other seeds' goal.

    Args:
        goal: Shape ``(seeds, n)``.
    """
    rest = [np.delete(goal, seed, axis=0).mean(axis=0) for seed in range(len(goal))]
    return np.round(np.array(rest), _DIGITS)


def signs(values: Values) -> NDArray[np.float32]:
    """The sign of the difference of every pair, shape ``(n, n)``.

    Args:
        values: Shape ``(n,)``.
    """
    return np.sign(values[:, None] - values).astype(np.float32)


def parts(
    own: NDArray[np.float32], wanted: NDArray[np.float32], untied: Values | None = None
) -> tuple[Values, Values]:
    """τ_b of signals with a goal, and its derivative by the weight of each cell.

    Args:
        own: The signals' signs of pairs, shape ``(…, n, n)``.
        wanted: The goal's, shape ``(n, n)``.
        untied: How many pairs of each cell a signal does not tie, shape ``(…, n)``, if known.

    Returns:
        Both, of shape ``(…,)`` and ``(…, n)``; τ is 0 where all values of one tie. The sum of the
        squares of the derivatives is the variance of τ.
    """
    untied = np.abs(own).sum(axis=-1) if untied is None else untied
    of_goal = np.abs(wanted).sum(axis=1)
    alike = np.einsum("...ij,ij->...i", own, wanted)
    both = untied.sum(axis=-1) * of_goal.sum()
    scale = np.sqrt(np.where(both > 0, both, np.inf))
    tau = alike.sum(axis=-1) / scale
    tied = untied / np.maximum(untied.sum(axis=-1), 1)[..., None]
    tied = tied + of_goal / max(of_goal.sum(), 1)
    slopes = 2 * alike / scale[..., None] - tau[..., None] * tied
    return tau.astype(np.float64), slopes.astype(np.float64)
