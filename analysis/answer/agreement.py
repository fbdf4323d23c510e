"""Do two seeds order cells alike? Kendall's τ_b, with an interval by resampling cells."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEVEL = 0.95
LEAST = 0.2
"""An order that agrees with another seed's by less is called noise."""


class Agreement(NamedTuple):
    """How far one seed's order of cells is that of another.

    Attributes:
        tau: Kendall's τ_b; NaN where all cells are alike.
        low: Where the interval of 95 % begins.
        high: Where it ends.
    """

    tau: float
    low: float
    high: float

    @property
    def is_noise(self) -> bool:
        """Whether the order may be chance, or is hardly more."""
        return not (self.low > 0 and self.tau >= LEAST)


def agreement(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    seed: int = 0,
) -> Agreement:
    """Compare two orders of the same cells."""
    return agreement_of_all(np.array([first, second]), seed)


def agreement_of_all(values: NDArray[np.float64], seed: int = 0) -> Agreement:
    """The mean agreement of all pairs of seeds.

    Args:
        values: Of each seed, shape ``(seeds, cells)``; every seed has every cell.
        seed: Of the resampling of cells, which is the same for all pairs.
    """
    counts = _counts(values.shape[1], seed)
    every = [_taus(first, second, counts) for first, second in combinations(values, 2)]
    tau, *resampled = np.mean(every, axis=0)
    return _with_interval(tau, resampled)


def _counts(n: int, seed: int) -> NDArray[np.float64]:
    """How often each cell is drawn: once each in the first row, then by resamples."""
    rng = np.random.default_rng(seed)
    return np.vstack([np.ones(n), rng.multinomial(n, np.full(n, 1 / n), RESAMPLES)])


def _taus(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    counts: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Kendall's τ_b of two orders for every row of counts."""
    one, two = (
        np.sign(np.subtract.outer(values, values)) for values in (first, second)
    )
    both, of_one, of_two = (
        ((counts @ pairs) * counts).sum(1)
        for pairs in (one * two, one * one, two * two)
    )
    with np.errstate(invalid="ignore"):
        taus: NDArray[np.float64] = both / np.sqrt(of_one * of_two)
    return taus


def _with_interval(tau: float, resampled: Sequence[float]) -> Agreement:
    known = np.array(resampled)[np.isfinite(resampled)]
    low, high = (
        np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        if len(known)
        else (np.nan, np.nan)
    )
    return Agreement(float(tau), float(low), float(high))
