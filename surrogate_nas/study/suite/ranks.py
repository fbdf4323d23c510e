"""Ranks: every strategy's place by mean normalised regret, averaged over problems, along the budget and at its end.

Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 2006: ranks are taken problem by problem,
1 is the best, and equals share the mean of their places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from surrogate_nas.study.comparison.statistics import Values
from surrogate_nas.study.suite.bootstrap import RESAMPLES, Resampling, ends

if TYPE_CHECKING:
    from surrogate_nas.study.suite.result import SuiteResult

_STEPS = 50


@dataclass(frozen=True)
class Ranks:
    """Average ranks over the budget.

    Attributes:
        fractions: Shares of the budget, rising to 1, from where the shared first cells end; shape ``(f,)``.
        mean: Shape ``(strategies, f)``.
        low: The lower end of its 95 % band over resampled runs.
        high: The upper end.
        best_here: Per strategy the share of resampled runs in which its rank at the end is the best, on these problems;
            shape ``(strategies,)``, summing to 1.
        best: The same where problems are resampled too: on problems like these.
    """

    fractions: Values
    mean: Values
    low: Values
    high: Values
    best_here: Values
    best: Values


def ranks(means: Values) -> Values:
    """Ranks along the first axis, 1 for the lowest; equals share the mean of their places.

    Args:
        means: Shape ``(strategies, …)``.
    """
    return np.asarray(rankdata(means.round(12), axis=0))


def ranks_of(result: SuiteResult) -> Ranks:
    """Average the ranks of a suite.

    Args:
        result: What it has found.
    """
    fractions = _fractions(result)
    n = len(result.strategies), len(fractions)
    mean, resampled = np.zeros(n), np.zeros((n[0], RESAMPLES, n[1]))
    last = []
    for number, problem in enumerate(result.problems):
        places = [problem.place(fraction) for fraction in fractions]
        curves = {name: problem.regrets(name)[:, places] for name in result.strategies}
        mean += ranks(np.array([curve.mean(axis=0) for curve in curves.values()]))
        here = ranks(Resampling(number).means(curves))
        resampled += here
        last.append(here[:, :, -1])
    problems = len(result.problems)
    low, high = ends(np.moveaxis(resampled, 1, 0) / problems)
    rng = np.random.default_rng(problems)
    weights = rng.multinomial(problems, np.full(problems, 1 / problems), size=RESAMPLES)
    elsewhere = np.einsum("psb,bp->sb", np.array(last), weights)
    return Ranks(fractions, mean / problems, low, high, _best(resampled[:, :, -1]), _best(elsewhere))


def _best(ranks: Values) -> Values:
    """How often each strategy has the lowest of ranks ``(strategies, resamples)``; those who share it share it."""
    lowest = ranks.round(9) == ranks.round(9).min(axis=0)
    return np.asarray((lowest / lowest.sum(axis=0)).mean(axis=1))


def _fractions(result: SuiteResult) -> NDArray[np.float64]:
    """Steps of the budget from where no problem has only shared first cells."""
    steps = np.arange(1, _STEPS + 1) / _STEPS
    shared = max((p.problem.first_cells / p.checkpoints[-1] for p in result.problems if p.unit == "cells"), default=0.0)
    kept = steps[steps > shared]
    return kept if len(kept) else steps[-1:]
