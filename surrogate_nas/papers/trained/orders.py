"""How well what one training seed tells orders cells by what the other seeds finally have, and what
noise takes of it.

The noise of a run flatters what the same run told. So a seed's signal is held against the mean of
the *other* seeds' goal, and averaged over which seed signals (weighted by its cells). Cells may
have different numbers of seeds: one enters under every seed whose signal it has, as long as another
seed has its goal. Where a cell has the goal of one seed only, that seed's own signal cannot enter:
nothing would tell its noise from its merit.

Noise makes every τ smaller. Under a normal copula a τ is a correlation, r = sin(πτ/2) (Greiner
1909; Kruskal, "Ordinal measures of association", 1958); the correlation of two things without their
noise is r / √(reliability of the signal · reliability of the goal) (Spearman, "The proof and
measurement of association between two things", 1904), where the reliability is that of two seeds,
and of a mean of k seeds k·r / (1 + (k − 1)·r) (Spearman 1910, Brown 1910). This assumes that seeds
err independently, alike in all cells, and by no more than noise: what all seeds share, such as a
split that flatters some cells, stays in. It can exceed 1 by chance, and says nothing where two
seeds do not agree.

Intervals resample cells. τ_b is a ratio of sums over pairs of cells. Of few cells a resample's sums
are taken over its pairs; of many they are read from each cell's part of the sums (the first-order
term of a U-statistic, Hoeffding 1948): the standard error that this gives is 5 % smaller at 50
cells, and the same at hundreds.

Over tasks, intervals and p-values resample tasks *and* cells. To draw both naively counts the noise
of cells twice, since it is in the differences between tasks already; so these are shrunk towards
their mean until their variance is the part that cells do not explain (Davison & Hinkley, Bootstrap
Methods and their Application, 1997, section 3.8). Few tasks make quantiles of the normal too
narrow: those of t with one degree of freedom less than tasks are read (Hesterberg, "What teachers
should know about the bootstrap", 2015).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from surrogate_nas.benchmarks.building.losses.agreement import LEVEL as CONFIDENCE
from surrogate_nas.benchmarks.building.losses.agreement import Agreement
from surrogate_nas.papers.common.ranks import Values

Columns = NDArray[np.float64]
"""Of every seed, shape ``(seeds, cells)``, smaller is better, NaN where a cell lacks the seed."""
Pairs = Sequence[tuple[Values, Values]]
"""Signals, each with what it is held against, shape ``(cells,)`` each."""

LEVEL = 0.05
POWER = 0.8
RESAMPLES = 1000
OF_TASKS = 10_000
"""Of cells, and of tasks with their cells."""
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

    Where cells have different seeds, each seed is centred first on the cells that all of them have,
    so that no cell is better for the seeds that it has.
    """
    held = np.isfinite(goal)
    whole = held.all(axis=0)
    centred = (
        goal - goal[:, whole].mean(axis=1, keepdims=True)
        if whole.any() and not whole.all()
        else goal
    )
    means = np.full(goal.shape, math.nan)
    for seed in range(len(goal)):
        rest = np.delete(centred, seed, axis=0)
        known = np.delete(held, seed, axis=0)
        total = np.where(known, rest, 0.0).sum(axis=0)
        np.divide(
            total,
            known.sum(axis=0),
            out=means[seed],
            where=known.any(axis=0),
        )
    return np.round(means, _DIGITS)


def crossed(signal: Columns, goal: Columns) -> Pairs:
    """Every seed's signal with the mean of the other seeds' goal."""
    return list(zip(signal, others(goal), strict=True))


def each_other(signal: Columns, goal: Columns) -> Pairs:
    """Every seed's signal with the goal of every other single seed."""
    return [(signal[a], goal[b]) for a, b in itertools.permutations(range(len(signal)), 2)]


def same_run(signal: Columns, goal: Columns) -> Pairs:
    """Every seed's signal with its own goal."""
    return list(zip(signal, goal, strict=True))


def two_seeds(values: Columns) -> Pairs:
    """Every pair of seeds of the same thing."""
    return list(itertools.combinations(values, 2))


class Order(NamedTuple):
    """Kendall's τ_b of a signal and a goal, told by cells or by pairs of cells."""

    held: NDArray[np.intp]  # The cells that have both, shape `(n,)`
    # By cell, over all others: how many it is ordered alike with by both, less those otherwise; how
    # many differ from it by the signal; and by the goal. Shape `(3, n)`
    sums: Values
    pairs: NDArray[np.int8] | None  # The same by pair, shape `(3, n, n)`; None of many cells

    def taus(self, counts: Values) -> Values:
        """By resample, shape ``(len(counts),)``."""
        drawn = counts[:, self.held]
        if self.pairs is None:
            result = (2 * drawn - 1) @ self.sums.T
        else:
            result = np.stack(
                [((drawn @ pairs) * drawn).sum(axis=1) for pairs in self.pairs.astype(np.float64)],
                axis=1,
            )
        both, first, second = result.T
        with np.errstate(invalid="ignore", divide="ignore"):
            taus: Values = both / np.sqrt(first * second)
        return np.clip(taus, -1.0, 1.0)


def order_of(signal: Values, goal: Values) -> Order | None:
    """Compare every pair of cells; None where fewer than `FEWEST_CELLS` have both."""
    held = np.flatnonzero(np.isfinite(signal) & np.isfinite(goal))
    if len(held) < FEWEST_CELLS:
        return None
    one = signal[held]
    two = goal[held]
    sums = np.zeros((3, len(held)))
    pairs = None
    for start in range(0, len(held), _BLOCK):
        here = slice(start, start + _BLOCK)
        by_one = _signs(one[here], one)
        by_two = _signs(two[here], two)
        pairs = np.stack([by_one * by_two, np.abs(by_one), np.abs(by_two)])
        sums[:, here] = pairs.sum(axis=2, dtype=np.int32)
    return Order(held, sums, pairs if len(held) <= _BLOCK else None)


def _signs(some: Values, values: Values) -> NDArray[np.int8]:
    column = some[:, None]
    signs: NDArray[np.int8] = (column > values).view(np.int8) - (column < values).view(np.int8)
    return signs


@lru_cache(maxsize=4)
def draws(n: int, resamples: int = RESAMPLES, seed: int = 0) -> Values:
    """How often each cell is drawn, shape ``(1 + resamples, n)``: once each in the first row, then
    by resamples.
    """
    rng = np.random.default_rng(seed)
    return np.vstack([np.ones(n), rng.multinomial(n, np.full(n, 1 / n), resamples)])


def taus_of(pairs: Pairs, counts: Values) -> Values:
    """The mean τ over pairs, weighted by their cells, by resample, shape ``(len(counts),)``; NaN
    where none is told.
    """
    orders = [order for pair in pairs if (order := order_of(*pair))]
    if not orders:
        return np.full(len(counts), math.nan)
    weights = [len(order.held) for order in orders]
    means: Values = np.average([order.taus(counts) for order in orders], axis=0, weights=weights)
    return means


def paired(one: Columns, two: Columns, goal: Columns) -> tuple[Pairs, Pairs]:
    """Two signals held against the other seeds' goal, over the same cells."""
    both = np.isfinite(one) & np.isfinite(two)
    return crossed(np.where(both, one, math.nan), goal), crossed(
        np.where(both, two, math.nan), goal
    )


def corrected(
    taus: Values,
    of_signal: Values,
    of_goal: Values,
    seeds: float,
) -> Values:
    """The correlation of a signal with a goal without the noise of their seeds; NaN where two seeds
    do not agree.
    """
    raw, signal, goal = (np.sin(np.pi / 2 * tau) for tau in (taus, of_signal, of_goal))
    mean = seeds * goal / (1 + (seeds - 1) * goal)
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Values = np.where((signal > 0) & (mean > 0), raw / np.sqrt(signal * mean), math.nan)
    return result


def seeds_of_goal(goal: Columns) -> float:
    """Over how many seeds the mean of the others is, the harmonic mean over all that it is held
    against.
    """
    held = np.isfinite(goal)
    counts = (held.sum(axis=0) - held)[held]
    known = counts[counts > 0]
    return float(1 / np.mean(1 / known)) if len(known) else math.nan


def with_interval(resampled: Values) -> Agreement:
    """The first of some numbers, and the interval of 95 % of the others; no ends where too many are
    not known.
    """
    result = float(resampled[0])
    known = resampled[1:][np.isfinite(resampled[1:])]
    if not math.isfinite(result) or len(known) < _KNOWN * (len(resampled) - 1):
        return Agreement(result, math.nan, math.nan)
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Agreement(result, float(low), float(high))


def apart_by(resampled: Values, cells: int) -> tuple[Agreement, float]:
    """A difference with its interval, and the two-sided p-value of there being none, by its
    standard error and t.
    """
    result = with_interval(resampled)
    spread = float(np.nanstd(resampled[1:]))
    if not spread > 0:
        return result, 1.0
    return result, float(2 * student.sf(abs(result.tau) / spread, cells - 1))


def seen_from(units: float, tests: int = 1) -> float:
    """How many standard errors a difference must have to be seen with a power of 80 %, by the least
    p-value of some.
    """
    least = 1 - LEVEL / (2 * tests)
    needed = student.ppf(least, units - 1) if math.isfinite(units) else norm.ppf(least)
    return float(needed + norm.ppf(POWER))


def two_level(estimates: Values, resamples: int = OF_TASKS, seed: int = 0) -> Values:
    """Resample the mean over tasks, and in each the cells; shape ``(1 + resamples,)``, the mean
    itself first.
    """
    rng, (tasks, n) = np.random.default_rng(seed), estimates.shape
    result = estimates[:, 0]
    noise = estimates[:, 1:] - np.nanmean(estimates[:, 1:], axis=1, keepdims=True)
    noise = np.nan_to_num(noise)
    total = float(result.var())
    between = max(0.0, total * tasks / max(tasks - 1, 1) - float(noise.var(axis=1).mean()))
    kept = math.sqrt(between / total) if total > 0 else 0.0
    drawn = rng.integers(tasks, size=(resamples, tasks))
    of_tasks = result.mean() + kept * (result - result.mean())
    means = (of_tasks[drawn] + noise[drawn, rng.integers(n - 1, size=drawn.shape)]).mean(axis=1)
    return np.concatenate([[result.mean()], means])


def ends(resampled: Values, tasks: int, level: float) -> tuple[float, float]:
    """Where an interval begins and ends."""
    outside = norm.cdf(student.ppf(level / 2, tasks - 1))
    low, high = np.quantile(resampled[1:], [outside, 1 - outside])
    return float(low), float(high)


def p_of(resampled: Values, tasks: int) -> float:
    """Two-sided, such that the interval of level p just ends at 0."""
    return float(min(1.0, 2 * student.sf(norm.isf(tail_of(resampled)), tasks - 1)))


def tail_of(resampled: Values) -> float:
    """The share of resamples on the rarer side of 0; those at 0 count half."""
    known = resampled[1:][np.isfinite(resampled[1:])]
    at = (known == 0).sum() / 2
    n = len(known)
    return float(min(0.5, (1 + min((known < 0).sum() + at, (known > 0).sum() + at)) / (1 + n)))


def spearman_of(
    first: Values,
    second: Values,
    tasks: Sequence[str],
    resamples: int = 2000,
    seed: int = 0,
) -> Values:
    """Spearman's ρ, and those of tasks drawn again with all of theirs; shape
    ``(1 + resamples,)``.
    """
    rng = np.random.default_rng(seed)
    names = list(dict.fromkeys(tasks))
    of_task = np.array([[task == name for task in tasks] for name in names], dtype=np.float64)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), resamples) @ of_task
    counts = np.vstack([np.ones(len(tasks)), drawn])
    one, two = (_ranked(values, counts) for values in (first, second))
    with np.errstate(invalid="ignore", divide="ignore"):
        rho: Values = (counts * one * two).sum(axis=1) / np.sqrt(
            (counts * one**2).sum(axis=1) * (counts * two**2).sum(axis=1)
        )
    return rho


def _ranked(values: Values, counts: Values) -> Values:
    """By resample the ranks less their mean, where each value is there so many times; shape of
    `counts`.
    """
    below = (values[:, None] > values) + 0.5 * (values[:, None] == values)
    ranks: Values = counts @ below.T
    ranks -= (counts * ranks).sum(axis=1, keepdims=True) / counts.sum(axis=1, keepdims=True)
    return ranks
