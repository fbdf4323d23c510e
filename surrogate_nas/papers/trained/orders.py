"""How well what one training seed tells orders cells by what the other seeds finally have, and what noise takes of it.

The luck of a run flatters what the same run told. So a seed's signal is held against the mean of the *other* seeds'
goal, and averaged over which seed signals (weighted by its cells). Cells may have different numbers of seeds: one
enters under every seed whose signal it has, as long as another seed has its goal. Where a cell has the goal of one seed
only, that seed's own signal cannot enter: nothing would tell its luck from its merit.

Noise makes every τ smaller. Under a normal copula a τ is a correlation, r = sin(πτ/2) (Greiner 1909; Kruskal, "Ordinal
measures of association", 1958); the correlation of two things without their noise is r / √(reliability of the signal ·
reliability of the goal) (Spearman, "The proof and measurement of association between two things", 1904), where the
reliability is that of two seeds, and of a mean of k seeds k·r / (1 + (k − 1)·r) (Spearman 1910, Brown 1910). This
assumes that seeds err independently, alike in all cells, and by no more than luck: what all seeds share, such as a
split that flatters some cells, stays in. It can exceed 1 by chance, and says nothing where two seeds do not agree.

Intervals resample cells. τ_b is a ratio of sums over pairs of cells. Of few cells a resample's sums are taken over its
pairs; of many they are read from each cell's part of the sums (the first-order term of a U-statistic, Hoeffding 1948):
the standard error that this gives is 5 % smaller at 50 cells, and the same at hundreds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.making.losses.agreement import LEVEL, Agreement
from surrogate_nas.papers.ranks import Values

Columns = NDArray[np.float64]
"""Of every seed, shape ``(seeds, cells)``, smaller is better, NaN where a cell lacks the seed."""
Pairs = Sequence[tuple[Values, Values]]
"""Signals, each with what it is held against, shape ``(cells,)`` each."""

RESAMPLES = 1000
FEWEST_CELLS = 10
"""Fewer cells of a seed tell no order."""
_BLOCK = 128
"""Cells whose pairs are held at once; so many are few."""
_DIGITS = 12
"""Means of equal numbers are equal, whatever their order: ties stay ties."""
_KNOWN = 0.95
"""An interval needs so many of its resamples."""


def others(goal: Columns) -> Columns:
    """The mean of the other seeds' goal, by seed; NaN where there is none.

    Where cells have different seeds, each seed is centred first on the cells that all of them have, so that no cell is
    better for the seeds that it has.

    Args:
        goal: Of every seed.
    """
    held = np.isfinite(goal)
    whole = held.all(axis=0)
    centred = goal - goal[:, whole].mean(axis=1, keepdims=True) if whole.any() and not whole.all() else goal
    means = np.full(goal.shape, math.nan)
    for seed in range(len(goal)):
        rest, known = np.delete(centred, seed, axis=0), np.delete(held, seed, axis=0)
        total = np.where(known, rest, 0.0).sum(axis=0)
        np.divide(total, known.sum(axis=0), out=means[seed], where=known.any(axis=0))
    return np.round(means, _DIGITS)


def crossed(signal: Columns, goal: Columns) -> Pairs:
    """Every seed's signal with the mean of the other seeds' goal.

    Args:
        signal: Of every seed.
        goal: Of every seed.
    """
    return list(zip(signal, others(goal), strict=True))


def each_other(signal: Columns, goal: Columns) -> Pairs:
    """Every seed's signal with the goal of every other single seed.

    Args:
        signal: Of every seed.
        goal: Of every seed.
    """
    return [(signal[a], goal[b]) for a, b in itertools.permutations(range(len(signal)), 2)]


def same_run(signal: Columns, goal: Columns) -> Pairs:
    """Every seed's signal with its own goal.

    Args:
        signal: Of every seed.
        goal: Of every seed.
    """
    return list(zip(signal, goal, strict=True))


def two_seeds(values: Columns) -> Pairs:
    """Every pair of seeds of the same thing.

    Args:
        values: Of every seed.
    """
    return list(itertools.combinations(values, 2))


class Order(NamedTuple):
    """Kendall's τ_b of a signal and a goal, told by cells or by pairs of cells.

    Attributes:
        held: The cells that have both, shape ``(n,)``.
        sums: By cell, over all others: how many it is ordered alike with by both, less those otherwise; how many differ
            from it by the signal; and by the goal. Shape ``(3, n)``.
        pairs: The same by pair, shape ``(3, n, n)``; None of many cells.
    """

    held: NDArray[np.intp]
    sums: Values
    pairs: NDArray[np.int8] | None

    def taus(self, counts: Values) -> Values:
        """By resample, shape ``(len(counts),)``.

        Args:
            counts: As `draws` gives them.
        """
        drawn = counts[:, self.held]
        if self.pairs is None:
            found = (2 * drawn - 1) @ self.sums.T
        else:
            found = np.stack([((drawn @ pairs) * drawn).sum(axis=1) for pairs in self.pairs.astype(np.float64)], axis=1)
        both, first, second = found.T
        with np.errstate(invalid="ignore", divide="ignore"):
            taus: Values = both / np.sqrt(first * second)
        return np.clip(taus, -1.0, 1.0)


def order_of(signal: Values, goal: Values) -> Order | None:
    """Compare every pair of cells; None where fewer than `FEWEST_CELLS` have both.

    Args:
        signal: Shape ``(n,)``, NaN where a cell lacks it.
        goal: Likewise.
    """
    held = np.flatnonzero(np.isfinite(signal) & np.isfinite(goal))
    if len(held) < FEWEST_CELLS:
        return None
    one, two = signal[held], goal[held]
    sums, pairs = np.zeros((3, len(held))), None
    for start in range(0, len(held), _BLOCK):
        here = slice(start, start + _BLOCK)
        by_one, by_two = _signs(one[here], one), _signs(two[here], two)
        pairs = np.stack([by_one * by_two, np.abs(by_one), np.abs(by_two)])
        sums[:, here] = pairs.sum(axis=2, dtype=np.int32)
    return Order(held, sums, pairs if len(held) <= _BLOCK else None)


def _signs(some: Values, values: Values) -> NDArray[np.int8]:
    column = some[:, None]
    signs: NDArray[np.int8] = (column > values).view(np.int8) - (column < values).view(np.int8)
    return signs


@lru_cache(maxsize=4)
def draws(n: int, resamples: int = RESAMPLES, seed: int = 0) -> Values:
    """How often each cell is drawn, shape ``(1 + resamples, n)``: once each in the first row, then by resamples.

    Args:
        n: Cells.
        resamples: How many.
        seed: Of the drawing.
    """
    rng = np.random.default_rng(seed)
    return np.vstack([np.ones(n), rng.multinomial(n, np.full(n, 1 / n), resamples)])


def taus_of(pairs: Pairs, counts: Values) -> Values:
    """The mean τ over pairs, weighted by their cells, by resample, shape ``(len(counts),)``; NaN where none is told.

    Args:
        pairs: Signals with goals.
        counts: As `draws` gives them; the first row's τ is that of all cells, exactly.
    """
    orders = [order for pair in pairs if (order := order_of(*pair))]
    if not orders:
        return np.full(len(counts), math.nan)
    weights = [len(order.held) for order in orders]
    means: Values = np.average([order.taus(counts) for order in orders], axis=0, weights=weights)
    return means


def paired(one: Columns, two: Columns, goal: Columns) -> tuple[Pairs, Pairs]:
    """Two signals held against the other seeds' goal, over the same cells.

    Args:
        one: A signal.
        two: Another.
        goal: Of every seed.
    """
    both = np.isfinite(one) & np.isfinite(two)
    return crossed(np.where(both, one, math.nan), goal), crossed(np.where(both, two, math.nan), goal)


def corrected(taus: Values, of_signal: Values, of_goal: Values, seeds: float) -> Values:
    """The correlation of a signal with a goal without the noise of their seeds; NaN where two seeds do not agree.

    Args:
        taus: Of the signal of one seed with the mean goal of some.
        of_signal: Of two seeds of the signal.
        of_goal: Of two seeds of the goal.
        seeds: Over how many seeds the goal is a mean.
    """
    raw, signal, goal = (np.sin(np.pi / 2 * tau) for tau in (taus, of_signal, of_goal))
    mean = seeds * goal / (1 + (seeds - 1) * goal)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Values = np.where((signal > 0) & (mean > 0), raw / np.sqrt(signal * mean), math.nan)
    return found


def seeds_of_goal(goal: Columns) -> float:
    """Over how many seeds the mean of the others is, the harmonic mean over all that it is held against.

    Args:
        goal: Of every seed.
    """
    held = np.isfinite(goal)
    counts = (held.sum(axis=0) - held)[held]
    known = counts[counts > 0]
    return float(1 / np.mean(1 / known)) if len(known) else math.nan


def with_interval(resampled: Values) -> Agreement:
    """The first of some numbers, and the interval of 95 % of the others; no ends where too many are not known.

    Args:
        resampled: As `taus_of` gives them.
    """
    found, known = float(resampled[0]), resampled[1:][np.isfinite(resampled[1:])]
    if not math.isfinite(found) or len(known) < _KNOWN * (len(resampled) - 1):
        return Agreement(found, math.nan, math.nan)
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Agreement(found, float(low), float(high))
