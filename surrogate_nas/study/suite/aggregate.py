"""Normalised regret over all problems: interquartile means and probabilities of improvement, with intervals.

Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS 2021, whose stratified
bootstrap resamples runs within each problem. The interquartile mean leaves out the best and the worst quarter of all
runs on all problems.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from surrogate_nas.study.comparison.statistics import Values
from surrogate_nas.study.suite.bootstrap import Resampling, ends, indices

if TYPE_CHECKING:
    from surrogate_nas.study.suite.result import SuiteResult

_CUT = 0.25


@dataclass(frozen=True)
class Aggregate:
    """One strategy's normalised regret at the end of the budget, over all runs on all problems.

    Attributes:
        strategy: Its name.
        iqm: The interquartile mean.
        low: The lower end of its 95 % interval.
        high: The upper end.
        mean: Of all runs.
        median: Of all runs.
    """

    strategy: str
    iqm: float
    low: float
    high: float
    mean: float
    median: float


@dataclass(frozen=True)
class Improvement:
    """How probably a run of one strategy ends better than a run of another on the same problem.

    Attributes:
        first: The one.
        second: The other.
        probability: That the first ends with the lower regret, a tie counting half; the mean over the problems.
        low: The lower end of its 95 % interval.
        high: The upper end.
    """

    first: str
    second: str
    probability: float
    low: float
    high: float


def aggregates(result: SuiteResult) -> list[Aggregate]:
    """Every strategy's regret over all problems, in the order of the suite.

    Args:
        result: What the suite has found.
    """
    found = []
    for name in result.strategies:
        samples = [problem.at(name) for problem in result.problems]
        drawn = [runs[indices(number, len(runs))] for number, runs in enumerate(samples)]
        every = np.concatenate(samples)
        resampled = np.asarray(stats.trim_mean(np.concatenate(drawn, axis=1), _CUT, axis=1))
        low, high = ends(resampled)
        iqm = float(stats.trim_mean(every, _CUT))
        found.append(Aggregate(name, iqm, float(low), float(high), float(every.mean()), float(np.median(every))))
    return found


def improvements(result: SuiteResult) -> list[Improvement]:
    """The probabilities of improvement of all pairs.

    Args:
        result: What the suite has found.
    """
    pairs = list(itertools.combinations(result.strategies, 2))
    total = {pair: 0.0 for pair in pairs}
    resampled: dict[tuple[str, str], Values] = {pair: np.zeros(()) for pair in pairs}
    for number, problem in enumerate(result.problems):
        resampling = Resampling(number)
        for pair in pairs:
            a, b = (problem.at(name).round(12) for name in pair)
            better = (a[:, None] < b) + 0.5 * (a[:, None] == b)
            total[pair] += float(better.mean())
            drawn = resampling.weights(len(a)) @ better
            resampled[pair] = resampled[pair] + (drawn * resampling.weights(len(b))).sum(axis=1)
    n = len(result.problems)
    return [Improvement(*pair, total[pair] / n, *(float(end) for end in ends(resampled[pair] / n))) for pair in pairs]
