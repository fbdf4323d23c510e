"""The contrasts and the moderator that were named before the tables were made, over tasks and cells.

Three signals of the usual loss's runs are held against the validation measure: the validation loss and the training
loss at the end, and the training loss at a fifth of the run. Each is a difference of τ (with the final measure of the
other seeds), the mean over tasks; runs of different lengths are told apart.

Intervals and p-values resample tasks *and* cells. To draw both naively counts the noise of cells twice, since it is in
the differences between tasks already; so these are shrunk towards their mean until their variance is the part that
cells do not explain (Davison & Hinkley, Bootstrap Methods and their Application, 1997, section 3.8). Few tasks make
quantiles of the normal too narrow: those of t with one degree of freedom less than tasks are read (Hesterberg, "What
teachers should know about the bootstrap", 2015). Holm's correction is over the three.

The moderator is how far validation loss lies above training loss at the moment of looking: Spearman's ρ with the
contrasts, over tasks and run lengths, tasks resampled with all their lengths. It is told as found only beyond chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from surrogate_nas.papers.ranks import Values
from surrogate_nas.papers.trained.study import Study
from surrogate_nas.papers.trained.trainings import CONTRASTED
from surrogate_nas.study.comparison.statistics import holm

OF_INTEREST = 0.05
"""A difference of τ below this is of no interest."""
LEVEL, POWER = 0.05, 0.8
FEWEST_TASKS = 5
RESAMPLES = 10_000


@dataclass(frozen=True)
class Contrast:
    """A signal against the validation measure, over tasks.

    Attributes:
        signal: One of `surrogate_nas.papers.trained.trainings.CONTRASTED`.
        length: Of the runs, in usual runs.
        tasks: How many.
        difference: The mean over tasks of τ less that of the validation measure.
        low: Where its interval of 95 % begins.
        high: Where it ends.
        within: The larger end, whatever its sign, of the interval corrected for all three: what it surely is below.
        p: Two-sided, of no difference.
        corrected: The same after Holm's correction over the three.
        detectable: A difference from this is seen with a power of 80 % after correction.
    """

    signal: str
    length: int
    tasks: int
    difference: float
    low: float
    high: float
    within: float
    p: float
    corrected: float
    detectable: float

    @property
    def seen(self) -> bool:
        """Whether there is a difference beyond chance."""
        return self.corrected <= LEVEL

    @property
    def negligible(self) -> bool:
        """Whether it is surely smaller than what is of interest."""
        return self.within < OF_INTEREST


@dataclass(frozen=True)
class Moderation:
    """Whether a contrast goes with the gap between validation and training loss.

    Attributes:
        signal: Of the contrast.
        tables: Tasks and run lengths.
        rho: Spearman's, of the gap with the contrast.
        low: Where its interval of 95 % begins.
        high: Where it ends.
        p: Two-sided, by resampling tasks.
        corrected: The same after Holm's correction over the three.
        detectable: A ρ from this is seen with a power of 80 % after correction; above 1 none is.
    """

    signal: str
    tables: int
    rho: float
    low: float
    high: float
    p: float
    corrected: float
    detectable: float

    @property
    def seen(self) -> bool:
        """Whether it does beyond chance."""
        return self.corrected <= LEVEL


def contrasts_of(studies: Sequence[Study]) -> list[Contrast]:
    """The three contrasts, by run length; of lengths with at least `FEWEST_TASKS` tasks.

    Args:
        studies: Of tasks whose final measure is no noise.
    """
    found = []
    for length, held in by_length(studies).items():
        if len({one.task for one in held}) >= FEWEST_TASKS:
            found += _corrected(length, held)
    return found


def by_length(studies: Sequence[Study]) -> dict[int, list[Study]]:
    """Studies by the length of their runs in usual runs, 1 first.

    Args:
        studies: Of all tasks.
    """
    usual = {one.task: one.epochs for one in studies if not one.longer}
    grouped: dict[int, list[Study]] = {}
    for one in studies:
        length = round(one.epochs / usual.get(one.task, one.epochs)) if one.longer else 1
        grouped.setdefault(length, []).append(one)
    return dict(sorted(grouped.items()))


def _corrected(length: int, held: Sequence[Study]) -> list[Contrast]:
    resampled = {key: two_level(_of_tasks(held, key)) for key in CONTRASTED}
    tasks = len({one.task for one in held})
    each = {key: _p(values, tasks) for key, values in resampled.items()}
    made = []
    for key, p in zip(CONTRASTED, holm([*each.values()]), strict=True):
        values = resampled[key]
        low, high = ends(values, tasks, LEVEL)
        within = max(map(abs, ends(values, tasks, LEVEL / len(CONTRASTED))))
        needed = seen_from(tasks, len(CONTRASTED)) * float(values[1:].std())
        made.append(Contrast(key, length, tasks, float(values[0]), low, high, within, each[key], float(p), needed))
    return made


def seen_from(units: float, tests: int = 1) -> float:
    """How many standard errors a difference must have to be seen with a power of 80 %, by the least p-value of some.

    Args:
        units: What is resampled, which t counts; infinity for many.
        tests: How many Holm's correction is over.
    """
    least = 1 - LEVEL / (2 * tests)
    needed = student.ppf(least, units - 1) if math.isfinite(units) else norm.ppf(least)
    return float(needed + norm.ppf(POWER))


def _of_tasks(held: Sequence[Study], key: str) -> Values:
    """By task, the estimate and its resamples of cells; the mean over tables of one task."""
    by_task: dict[str, list[Values]] = {}
    for one in held:
        by_task.setdefault(one.task, []).append(one.contrasts[key])
    return np.array([np.mean(values, axis=0) for values in by_task.values()])


def two_level(estimates: Values, resamples: int = RESAMPLES, seed: int = 0) -> Values:
    """Resample the mean over tasks, and in each the cells; shape ``(1 + resamples,)``, the mean itself first.

    Args:
        estimates: By task, the estimate and its resamples of cells, shape ``(tasks, 1 + n)``.
        resamples: How many.
        seed: Of the drawing.
    """
    rng, (tasks, n) = np.random.default_rng(seed), estimates.shape
    found, noise = estimates[:, 0], estimates[:, 1:] - np.nanmean(estimates[:, 1:], axis=1, keepdims=True)
    noise = np.nan_to_num(noise)
    total = float(found.var())
    between = max(0.0, total * tasks / max(tasks - 1, 1) - float(noise.var(axis=1).mean()))
    kept = math.sqrt(between / total) if total > 0 else 0.0
    drawn = rng.integers(tasks, size=(resamples, tasks))
    of_tasks = found.mean() + kept * (found - found.mean())
    means = (of_tasks[drawn] + noise[drawn, rng.integers(n - 1, size=drawn.shape)]).mean(axis=1)
    return np.concatenate([[found.mean()], means])


def ends(resampled: Values, tasks: int, level: float) -> tuple[float, float]:
    """Where an interval begins and ends.

    Args:
        resampled: As `two_level` gives it.
        tasks: How many were resampled.
        level: The share outside.
    """
    outside = norm.cdf(student.ppf(level / 2, tasks - 1))
    low, high = np.quantile(resampled[1:], [outside, 1 - outside])
    return float(low), float(high)


def _p(resampled: Values, tasks: int) -> float:
    """Two-sided, such that the interval of level p just ends at 0."""
    return float(min(1.0, 2 * student.sf(norm.isf(_tail(resampled)), tasks - 1)))


def _tail(resampled: Values) -> float:
    """The share of resamples on the rarer side of 0; those at 0 count half."""
    known = resampled[1:][np.isfinite(resampled[1:])]
    at, n = (known == 0).sum() / 2, len(known)
    return float(min(0.5, (1 + min((known < 0).sum() + at, (known > 0).sum() + at)) / (1 + n)))


def moderations_of(studies: Sequence[Study]) -> list[Moderation]:
    """Whether each contrast goes with the gap, over tasks and run lengths; none with fewer than `FEWEST_TASKS` tasks.

    Args:
        studies: Of tasks whose final measure is no noise.
    """
    tasks = [one.task for one in studies]
    if len(set(tasks)) < FEWEST_TASKS:
        return []
    found: dict[str, Values] = {}
    for key in CONTRASTED:
        gaps = np.array([one.signals[key].gap for one in studies])
        found[key] = spearman_of(gaps, np.array([one.contrasts[key][0] for one in studies]), tasks)
    p = [min(1.0, 2 * _tail(values)) for values in found.values()]
    made = []
    for (key, values), raw, after in zip(found.items(), p, holm(p), strict=True):
        low, high = np.nanquantile(values[1:], [LEVEL / 2, 1 - LEVEL / 2])
        needed = seen_from(len(set(tasks)), len(CONTRASTED)) * float(np.nanstd(values[1:]))
        made.append(Moderation(key, len(studies), float(values[0]), float(low), float(high), raw, float(after), needed))
    return made


def spearman_of(first: Values, second: Values, tasks: Sequence[str], resamples: int = 2000, seed: int = 0) -> Values:
    """Spearman's ρ, and those of tasks drawn again with all of theirs; shape ``(1 + resamples,)``.

    Args:
        first: Shape ``(n,)``.
        second: Likewise.
        tasks: Of each.
        resamples: How many.
        seed: Of the drawing.
    """
    rng, names = np.random.default_rng(seed), list(dict.fromkeys(tasks))
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
    """By resample the ranks less their mean, where each value is there so many times; shape of `counts`."""
    below = (values[:, None] > values) + 0.5 * (values[:, None] == values)
    ranks: Values = counts @ below.T
    ranks -= (counts * ranks).sum(axis=1, keepdims=True) / counts.sum(axis=1, keepdims=True)
    return ranks
