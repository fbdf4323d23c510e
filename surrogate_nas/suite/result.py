"""What a suite has found: every run's curve by problem and strategy, from which every statistic and picture follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from surrogate_nas.comparison.statistics import Values
from surrogate_nas.suite.problems import Problem, Suite
from surrogate_nas.suite.reference import Reference
from surrogate_nas.suite.trace import Trace

FOUND = 1e-9
"""Normalised regret up to which the optimum counts as found: scores are sums, which round."""


@dataclass(frozen=True)
class ProblemResult:
    """All runs on one problem.

    Attributes:
        problem: What was asked.
        objective: The objective in full, as it was resolved.
        loss: Its L alone, by which problems of one table that differ in λ only are known.
        weight: Its λ: the weights of all of R together; 0 where there is no R.
        fingerprint: Of the objective.
        unit: Of the budget: ``cells``, ``seconds`` or ``queries``.
        cost_unit: Of what evaluations are charged: ``seconds`` or ``queries``.
        checkpoints: Where curves are read, rising to the budget, in `unit`, shape ``(checkpoints,)``.
        reference: What regret is measured in, and what random sampling is expected to find.
        noise: The standard deviation over training seeds of the best cells' scores, as normalised regret: differences
            below it say nothing about the next training; None where the table does not tell.
        traces: Per strategy its runs by number, those that failed included.
    """

    problem: Problem
    objective: str
    loss: str
    weight: float
    fingerprint: str
    unit: str
    cost_unit: str
    checkpoints: Values
    reference: Reference
    noise: float | None
    traces: Mapping[str, Sequence[Trace]]

    @property
    def name(self) -> str:
        """The problem's name in the suite."""
        return self.problem.name

    @cached_property
    def _regrets(self) -> dict[str, Values]:
        return {
            name: self.reference.regret(np.array([trace.score for trace in traces]))
            for name, traces in self.traces.items()
        }

    def regrets(self, strategy: str) -> Values:
        """The normalised regret of every run at every checkpoint, shape ``(runs, checkpoints)``.

        0 is the optimum, 1 what random sampling is expected to reach with the whole budget; a run that failed or found
        no feasible cell has `Reference.ceiling`.

        Args:
            strategy: Its name.
        """
        return self._regrets[strategy]

    @cached_property
    def random_regret(self) -> Values:
        """The normalised regret that random sampling is expected to have, shape ``(checkpoints,)``, or empty."""
        return self.reference.regret(self.reference.random)

    def at(self, strategy: str, fraction: float = 1.0) -> Values:
        """The normalised regret of every run after a share of the budget, shape ``(runs,)``.

        Args:
            strategy: Its name.
            fraction: Above 0, up to 1.
        """
        return np.asarray(self.regrets(strategy)[:, self.place(fraction)])

    def place(self, fraction: float) -> int:
        """The checkpoint at a share of the budget, the first that reaches it.

        Args:
            fraction: Above 0, up to 1.
        """
        return int(np.ceil(fraction * len(self.checkpoints) - FOUND)) - 1

    def runtimes(self, strategy: str, target: float) -> Values:
        """What every run spent until its normalised regret reached a target, shape ``(runs,)``; infinite for never.

        Args:
            strategy: Its name.
            target: A normalised regret; 0 for the optimum.
        """
        reached = self.regrets(strategy) <= target + FOUND
        return np.where(reached.any(axis=1), self.checkpoints[reached.argmax(axis=1)], np.inf)

    def failures(self, strategy: str) -> list[str]:
        """What went wrong in the runs of a strategy that failed.

        Args:
            strategy: Its name.
        """
        return [trace.failure for trace in self.traces[strategy] if trace.failure]


@dataclass(frozen=True)
class Skipped:
    """A problem that was not run.

    Attributes:
        problem: What was not asked.
        reason: Why, and how to get what is missing, in one line.
    """

    problem: Problem
    reason: str


@dataclass(frozen=True)
class SuiteResult:
    """All runs on all problems.

    Attributes:
        suite: What was compared.
        problems: Those that were run, in the order of the suite.
        skipped: Those that were not.
    """

    suite: Suite
    problems: Sequence[ProblemResult]
    skipped: Sequence[Skipped]

    @property
    def strategies(self) -> list[str]:
        """The strategies, in the order of the suite."""
        return self.suite.labels

    def means(self, fraction: float = 1.0) -> Values:
        """Every strategy's mean normalised regret on every problem, shape ``(problems, strategies)``.

        Args:
            fraction: The share of the budget.
        """
        return np.array([[p.at(s, fraction).mean() for s in self.strategies] for p in self.problems])

    @property
    def failures(self) -> list[str]:
        """What went wrong in every run that failed, with its problem."""
        return [f"{p.name}: {said}" for p in self.problems for s in self.strategies for said in p.failures(s)]
