"""Pairs of strategies: Wilcoxon's test over problems and over the runs of each, and what these could have told apart.

Demšar, JMLR 2006 (over problems, by mean normalised regret); Holm's correction over all pairs, and over the problems of
a pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from surrogate_nas.study.comparison.statistics import PairedTest, Values, holm, paired_tests, signed_rank
from surrogate_nas.study.suite.critical import ALPHA

if TYPE_CHECKING:
    from surrogate_nas.study.suite.result import SuiteResult

POWER = 0.8


@dataclass(frozen=True)
class Pair:
    """Two strategies over all problems.

    Attributes:
        test: Over problems: on how many each has the lower mean regret, effect, Wilcoxon's p with Holm's correction.
        difference: The first one's mean normalised regret minus the second one's, averaged over problems.
        detectable: The smallest such difference that as many problems would show with a probability of .8 at the 5 %
            level, by the spread of the difference over these problems; None with one problem.
        detectable_here: The same for these problems, by the spread over their runs: what so many runs would show; None
            with one run.
        better: The problems on which the first is significantly better, over the runs that both made there.
        worse: Those on which it is significantly worse.
    """

    test: PairedTest
    difference: float
    detectable: float | None
    detectable_here: float | None
    better: list[str]
    worse: list[str]


def pairs_of(result: SuiteResult) -> list[Pair]:
    """All pairs of a suite's strategies.

    Args:
        result: What it has found.
    """
    means = result.means().round(12)
    column = {name: means[:, place] for place, name in enumerate(result.strategies)}
    found = []
    for test in paired_tests(column):
        differences = column[test.first] - column[test.second]
        signs = _by_problem(result, test.first, test.second)
        names = [problem.name for problem in result.problems]
        found.append(
            Pair(
                test=test,
                difference=float(differences.mean()),
                detectable=detectable(differences),
                detectable_here=_detectable_here(result, test.first, test.second),
                better=[name for name, sign in zip(names, signs, strict=True) if sign < 0],
                worse=[name for name, sign in zip(names, signs, strict=True) if sign > 0],
            )
        )
    return found


def detectable(differences: Values) -> float | None:
    """The smallest mean difference that a paired t-test of as many would detect at the 5 % level with a power of .8.

    Args:
        differences: Shape ``(n,)``.

    Example:
        >>> round(detectable(np.array([-1.0, 0.0, 1.0] * 8)), 1)
        0.5
    """
    n = len(differences)
    if n < 2:
        return None
    quantiles = stats.t.ppf([1 - ALPHA / 2, POWER], n - 1)
    return float(quantiles.sum() * differences.std(ddof=1) / np.sqrt(n))


def _detectable_here(result: SuiteResult, first: str, second: str) -> float | None:
    """The smallest mean difference over these problems that as many runs, drawn anew, would detect."""
    variance = 0.0
    for differences in _by_run(result, first, second):
        if len(differences) < 2:
            return None
        variance += differences.var(ddof=1) / len(differences)
    quantiles = stats.norm.ppf([1 - ALPHA / 2, POWER])
    return float(quantiles.sum() * np.sqrt(variance) / len(result.problems))


def _by_problem(result: SuiteResult, first: str, second: str) -> list[int]:
    """Per problem -1 where the first is significantly better over the shared runs, 1 where it is worse, else 0."""
    tests = [signed_rank(-differences) for differences in _by_run(result, first, second)]
    told_apart = holm([p for p, _ in tests]) < ALPHA
    return [-int(np.sign(effect)) if told else 0 for (_, effect), told in zip(tests, told_apart, strict=True)]


def _by_run(result: SuiteResult, first: str, second: str) -> Iterator[Values]:
    """Per problem the first one's regret minus the second one's in the runs that both made, which share first cells."""
    for problem in result.problems:
        shared = min(len(problem.traces[first]), len(problem.traces[second]))
        a, b = (problem.at(name)[:shared].round(12) for name in (first, second))
        yield a - b
