"""Friedman's test and Nemenyi's critical difference at a share of the budget (Demšar, JMLR 2006)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from surrogate_nas.study.comparison.statistics import Values
from surrogate_nas.study.suite.ranks import ranks

if TYPE_CHECKING:
    from surrogate_nas.study.suite.result import SuiteResult

ALPHA = 0.05
_FEWEST = 3
"""Strategies that Friedman's test needs."""


@dataclass(frozen=True)
class Critical:
    """Which average ranks differ by more than chance, at one share of the budget.

    Attributes:
        fraction: The share of the budget.
        ranks: The average rank of every strategy over the problems, shape ``(strategies,)``.
        p: Friedman's, that all strategies are alike; None with fewer than three strategies or two problems.
        distance: Nemenyi's critical difference at 5 %: average ranks that are nearer are not told apart. None as `p`.
        nemenyi: p-values of all pairs, shape ``(strategies, strategies)``, or None.
        cliques: The largest groups of strategies that are not told apart, by name from the best rank on; two or more.
    """

    fraction: float
    ranks: Values
    p: float | None
    distance: float | None
    nemenyi: Values | None
    cliques: list[list[str]]


def critical_at(result: SuiteResult, fraction: float) -> Critical:
    """Test the ranks of a suite.

    Args:
        result: What it has found.
        fraction: The share of the budget.
    """
    means = result.means(fraction).round(12)
    n_problems, n = means.shape
    average = ranks(means.T).mean(axis=1)
    if n < _FEWEST or n_problems < 2:
        return Critical(fraction, average, None, None, None, [])
    same = bool(np.ptp(means, axis=1).max() == 0.0)
    p = 1.0 if same else float(stats.friedmanchisquare(*means.T).pvalue)
    error = np.sqrt(n * (n + 1) / (6 * n_problems))
    quantile = float(stats.studentized_range.ppf(1 - ALPHA, n, np.inf)) / np.sqrt(2)
    distance = float(quantile * error)
    return Critical(
        fraction, average, p, distance, _nemenyi(average / error), _cliques(result.strategies, average, distance)
    )


def _nemenyi(ranks_in_errors: Values) -> Values:
    """p-values of all pairs, from average ranks in standard errors of their difference."""
    n = len(ranks_in_errors)
    first, second = np.triu_indices(n, 1)
    apart = np.abs(ranks_in_errors[first] - ranks_in_errors[second]) * np.sqrt(2)
    p = np.ones((n, n))
    p[first, second] = p[second, first] = stats.studentized_range.sf(apart, n, np.inf)
    return p


def _cliques(names: list[str], average: Values, distance: float) -> list[list[str]]:
    order = np.argsort(average, kind="stable")
    ranked = average[order]
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(ranked):
        last = int(np.searchsorted(ranked, rank + distance, side="right"))
        if last - first > 1 and not (found and found[-1][1] >= last):
            found.append((first, last))
    return [[names[i] for i in order[first:last]] for first, last in found]
