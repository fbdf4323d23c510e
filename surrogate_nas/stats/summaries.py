"""Descriptive statistics of a study: summaries, intervals, tests and ranks.

The interquartile mean, bootstrap intervals stratified by problem, and the probability of
improvement follow Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical
Precipice", NeurIPS 2021. Paired tests with Holm's correction, and ranks per problem (with the mean
rank for ties), follow Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets",
JMLR 2006. In all functions of this module, lower values are better. This module only describes
samples; `surrogate_nas.stats.decision` decides whether differences are significant.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import LEVEL
from surrogate_nas.stats.decision import flip_p, signed_ranks

Values = NDArray[np.float64]
"""One number per run, or one per checkpoint."""
Row = dict[str, Any]
"""A row of a table: values by column, or by key of a JSON object; None for a missing value."""
Rows = list[Row]
Regrets = Mapping[str, Values]
"""Regrets on one problem by strategy, shape ``(runs,)`` or ``(runs, points)``."""

RESAMPLES = 1000
"""The number of bootstrap resamples of the runs on every problem."""
_RESAMPLES = 10_000
_MANY = 1_000
_BLOCK = 2_000_000  # numbers of a resample that are in memory at a time
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Summary:
    """Summary statistics of a sample.

    The statistics are the mean, the sample standard deviation (n - 1 in the denominator; 0 for one
    value), the interquartile mean, and the 95 % interval of the mean. The interval is a percentile
    bootstrap with 10,000 resamples, or None for one value.
    """

    mean: float
    std: float
    iqm: float
    ci95: tuple[float, float] | None


def summarise(values: Sequence[float] | Values, *, seed: int = 0) -> Summary:
    """Return summary statistics of a sample, or NaN for an empty sample. The same seed of the
    bootstrap gives the same interval.
    """
    sample = np.asarray(values, dtype=np.float64)
    if not len(sample):
        return Summary(math.nan, math.nan, math.nan, None)
    mean = float(sample.mean())
    iqm = float(middle_mean(sample))
    if len(sample) == 1:
        return Summary(mean, 0.0, iqm, None)
    low, high = interval(sample[:, None], seed=seed)
    return Summary(
        mean, float(sample.std(ddof=1)), iqm, (float(low[0]), float(high[0]))
    )


def interval(samples: Values, *, seed: int = 0) -> tuple[Values, Values]:
    """Compute the bootstrap 95 % interval of the mean of every column.

    With a thousand rows or more, the normal interval is used, which is then nearly the same as the
    bootstrap interval.

    Args:
        samples: Samples in columns, shape ``(n, m)``.
        seed: Seed of the resampling.

    Returns:
        The lower and the upper ends of the intervals, each of shape ``(m,)``.
    """
    n = len(samples)
    if n >= _MANY:
        half = _NORMAL.inv_cdf(1 - LEVEL / 2) * samples.std(axis=0) / math.sqrt(n)
        return samples.mean(axis=0) - half, samples.mean(axis=0) + half
    return ends(np.concatenate([counts / n @ samples for counts in _counts(n, seed)]))


@lru_cache(maxsize=2)
def _counts(n: int, seed: int) -> list[NDArray[np.uint16]]:
    """Return how often each resample contains each row, in blocks; cached by sample size."""
    rng = np.random.default_rng(seed)
    size = min(_BLOCK // n, _RESAMPLES)
    sizes = [min(size, _RESAMPLES - start) for start in range(0, _RESAMPLES, size)]
    return [
        rng.multinomial(n, np.full(n, 1 / n), size=m).astype(np.uint16) for m in sizes
    ]


def ends(values: Values) -> tuple[Values, Values]:
    """Return the ends of the 95 % percentile interval of `values`, shape ``(resamples, …)``."""
    low, high = np.percentile(values, (2.5, 97.5), axis=0)
    return low, high


def middle_mean(values: Values) -> Values:
    """Return the interquartile mean along the last axis, without the lowest and highest quarters.

    Example:
        >>> float(middle_mean(np.array([9.0, 1, 2, -7])))
        1.5
    """
    cut = int(0.25 * values.shape[-1])
    return np.asarray(
        np.sort(values, axis=-1)[..., cut : values.shape[-1] - cut].mean(axis=-1)
    )


@dataclass(frozen=True)
class PairedTest:
    """The paired comparison of two strategies over the same runs.

    Attributes:
        first: The name of the first strategy.
        second: The name of the second strategy.
        wins: Number of runs in which the first strategy is better.
        ties: Number of runs in which both strategies are equal.
        losses: Number of runs in which the first strategy is worse.
        effect: Matched-pairs rank-biserial correlation, from -1 (the second is always better) to 1
            (the first is always better).
        p: Two-sided p-value of Wilcoxon's signed-rank test; 1 if all runs tie. The p-value is exact
            for few runs, and uses the normal approximation for many runs.
        p_holm: The p-value `p` after Holm's correction over all pairs of strategies.
    """

    first: str
    second: str
    wins: int
    ties: int
    losses: int
    effect: float
    p: float
    p_holm: float


def paired_tests(scores: Mapping[str, Values]) -> list[PairedTest]:
    """Compare every pair of strategies by their scores on the same runs, shape ``(runs,)``."""
    pairs = list(itertools.combinations(scores, 2))
    raw = [signed_rank(scores[b] - scores[a]) for a, b in pairs]
    corrected = holm([p for p, _ in raw])
    return [
        PairedTest(
            first=a,
            second=b,
            wins=int((scores[a] < scores[b]).sum()),
            ties=int((scores[a] == scores[b]).sum()),
            losses=int((scores[a] > scores[b]).sum()),
            effect=effect,
            p=p,
            p_holm=float(holm),
        )
        for (a, b), (p, effect), holm in zip(pairs, raw, corrected, strict=True)
    ]


def holm(p: Sequence[float]) -> Values:
    """Return p-values after Holm's correction, in the given order.

    The package statsmodels is not used, because its function runs the garbage collector at every
    call.

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p)
    steps = np.arange(len(p), 0, -1) * np.asarray(p, dtype=np.float64)[order]
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def signed_rank(advantage: Values) -> tuple[float, float]:
    """Return Wilcoxon's p-value and the rank-biserial correlation of paired differences.

    Args:
        advantage: The differences, positive where the first strategy is better.

    Example:
        >>> signed_rank(np.array([0.0, 1, 2, 3, 4, 5, 6]))
        (0.03125, 1.0)
    """
    ranks = signed_ranks(advantage[advantage != 0])
    if not ranks.any():
        return 1.0, 0.0
    total = int(ranks.sum())
    return flip_p([ranks if total > 0 else -ranks]), total / int(np.abs(ranks).sum())


@lru_cache(maxsize=4)
def resampled(problem: int, runs: int) -> Values:
    """Return the weight of each run in every bootstrap resample, shape ``(resamples, runs)``.

    Args:
        problem: The number of the problem; each problem has its own random stream.
        runs: The number of runs.

    Example:
        >>> resampled(0, 5).sum(axis=1)[:3].round(9).tolist()
        [1.0, 1.0, 1.0]
    """
    rng = np.random.default_rng([problem, runs])
    return rng.multinomial(runs, np.full(runs, 1 / runs), size=RESAMPLES) / runs


def resampled_means(problem: int, samples: Regrets) -> Values:
    """Return the resampled means of all strategies, shape ``(strategies, resamples, points)``.

    Strategies with equal runs have equal resampled means.
    """
    return np.array(
        [(resampled(problem, len(r)) @ r).round(12) for r in samples.values()]
    )


def ranks(means: Values) -> Values:
    """Return ranks along the first axis of ``(strategies, …)``, 1 for the lowest value.

    Equal values share the mean of their ranks.
    """
    rounded = means.round(12)
    below, equal = (
        np.array([compare(rounded, row).sum(axis=0) for row in rounded])
        for compare in (np.less, np.equal)
    )
    return np.asarray(below + (equal + 1) / 2)


@dataclass(frozen=True)
class Ranks:
    """Average ranks of strategies as functions of the budget.

    Attributes:
        fractions: Shares of the budget, shape ``(f,)``, from the end of the shared initial
            architectures to 1.
        mean: Average ranks, shape ``(strategies, f)``.
    """

    fractions: Values
    mean: Values


def aggregates(problems: Sequence[Regrets]) -> Rows:
    """Aggregate each strategy's final normalised regret over all runs on all problems.

    Returns:
        One row per strategy, with the keys ``regret_iqm`` (interquartile mean), ``regret_ci95`` (95
        % interval of ``regret_iqm``; None if there is one run per problem), ``regret_mean`` and
        ``regret_median``.
    """
    all_aggregates = []
    for name in problems[0]:
        samples = [runs[name] for runs in problems]
        drawn = [
            np.random.default_rng([number, len(runs)]).choice(
                runs, (RESAMPLES, len(runs))
            )
            for number, runs in enumerate(samples)
        ]
        every = np.concatenate(samples)
        low, high = ends(middle_mean(np.concatenate(drawn, axis=1)))
        aggregate = {
            "regret_iqm": float(middle_mean(every)),
            "regret_ci95": (float(low), float(high))
            if max(map(len, samples)) > 1
            else None,
            "regret_mean": float(every.mean()),
            "regret_median": float(np.median(every)),
        }
        all_aggregates.append(aggregate)
    return all_aggregates


def improvements(
    problems: Sequence[Regrets],
) -> list[tuple[float, tuple[float, float] | None]]:
    """Estimate, for all pairs of strategies, the probability that one ends better than the other.

    All runs of one strategy are compared with all runs of the other strategy on the same problem; a
    tie counts half.

    Returns:
        For each pair of strategies, the mean of the probability over problems and the 95 % interval
        of this mean (None if there is one run per problem).
    """
    pairs = list(itertools.combinations(problems[0], 2))
    total = dict.fromkeys(pairs, 0.0)
    drawn: dict[tuple[str, str], Values] = {pair: np.zeros(RESAMPLES) for pair in pairs}
    for number, runs in enumerate(problems):
        for pair in pairs:
            a, b = (runs[name].round(12) for name in pair)
            better = (a[:, None] < b) + 0.5 * (a[:, None] == b)
            total[pair] += float(better.mean())
            weights = resampled(number, len(a)), resampled(number, len(b))
            drawn[pair] += (weights[0] @ better * weights[1]).sum(axis=1)
    every = []
    for pair in pairs:
        low, high = ends(drawn[pair] / len(problems))
        is_single = all(len(runs[name]) == 1 for runs in problems for name in pair)
        every.append(
            (
                total[pair] / len(problems),
                None if is_single else (float(low), float(high)),
            )
        )
    return every
