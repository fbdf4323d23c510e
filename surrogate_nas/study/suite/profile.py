"""Runtime profiles: which share of problems and targets a strategy has solved within a share of the budget.

Hansen et al., "COCO: A Platform for Comparing Continuous Optimizers in a Black-Box Setting", Optimization Methods and
Software 2021: the empirical distribution of runtimes over all pairs of problem and target, and the expected running
time, what all runs spent divided by how many reached the target. Departures: targets are normalised regrets, from about
three times what random sampling reaches down to a hundredth of it, and the optimum itself; no restarts are simulated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from surrogate_nas.study.comparison.statistics import Values

if TYPE_CHECKING:
    from surrogate_nas.study.suite.result import ProblemResult, SuiteResult

TARGETS: tuple[float, ...] = (*(10.0 ** np.linspace(0.5, -2, 21)).round(6).tolist(), 0.0)
"""Normalised regrets, falling; the last is the optimum."""
MARKED = (1.0, 0.1, 0.0)
"""The targets of the table of expected running times."""
_STEPS = 100


@dataclass(frozen=True)
class Profile:
    """How much of a suite was solved when.

    Attributes:
        fractions: Shares of the budget, rising to 1, shape ``(f,)``.
        share: The share of all (problem, target, run) that each strategy had reached, problems weighing equally; shape
            ``(strategies, f)``.
        solved: The share of runs that found the optimum, over the problems whose optimum is known, which weigh equally;
            shape ``(strategies,)``, NaN where there are none.
    """

    fractions: Values
    share: Values
    solved: Values


def profile_of(result: SuiteResult) -> Profile:
    """Take the profile of a suite.

    Args:
        result: What it has found.
    """
    fractions = np.arange(1, _STEPS + 1) / _STEPS
    share = np.zeros((len(result.strategies), _STEPS))
    solved = []
    for problem in result.problems:
        for row, name in enumerate(result.strategies):
            spent = np.array([problem.runtimes(name, target) for target in TARGETS]) / problem.checkpoints[-1]
            share[row] += (spent[..., None] <= fractions + 1e-9).mean(axis=(0, 1))
        if problem.reference.exact:
            solved.append([np.isfinite(problem.runtimes(name, 0.0)).mean() for name in result.strategies])
    known = np.mean(solved, axis=0) if solved else np.full(len(result.strategies), np.nan)
    return Profile(fractions, share / len(result.problems), known)


def expected_runtime(problem: ProblemResult, strategy: str, target: float) -> float:
    """What reaching a target is expected to take when runs are begun again until one does; infinite where none did.

    Args:
        problem: The runs of a problem.
        strategy: Its name.
        target: A normalised regret.

    Returns:
        In the unit of the problem's budget.
    """
    runtimes = problem.runtimes(strategy, target)
    reached = np.isfinite(runtimes)
    if not reached.any():
        return float("inf")
    return float(np.where(reached, runtimes, problem.checkpoints[-1]).sum() / reached.sum())
