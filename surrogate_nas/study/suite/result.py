"""What a suite has found: every run's curve by problem and strategy, from which every statistic and picture follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from surrogate_nas.core.notebook import html_table
from surrogate_nas.study.comparison.statistics import Values
from surrogate_nas.study.suite.accounts import Account, accounts_of
from surrogate_nas.study.suite.aggregate import Aggregate, Improvement, aggregates, improvements
from surrogate_nas.study.suite.critical import Critical, critical_at
from surrogate_nas.study.suite.pairs import Pair, pairs_of
from surrogate_nas.study.suite.problems import Problem, Suite
from surrogate_nas.study.suite.profile import Profile, profile_of
from surrogate_nas.study.suite.ranks import Ranks, ranks_of
from surrogate_nas.study.suite.reference import Reference
from surrogate_nas.study.suite.stability import Stability, stability_of
from surrogate_nas.study.suite.summary import summary_of
from surrogate_nas.study.suite.trace import Trace
from surrogate_nas.study.suite.verdict import Verdict, verdict_of

BUDGETS = (0.25, 0.5, 1.0)
"""The shares of the budget at which ranks are tested."""
_WHOLE = 1e-9
"""What a share of the budget may lie above a checkpoint that it means: shares are fractions, which round."""


@dataclass(frozen=True)
class ProblemResult:
    """All runs on one problem.

    Attributes:
        problem: What was asked.
        objective: The objective in full, as it was resolved.
        loss: Its L alone, by which problems of one table that differ in λ only are known; all of several objectives.
        weight: Its λ: the weights of all of R together; 0 where there is no R, or where there are several objectives.
        fingerprint: Of the objective.
        unit: Of the budget: ``cells``, ``seconds`` or ``queries``.
        cost_unit: Of what evaluations are charged: ``seconds`` or ``queries``.
        checkpoints: Where curves are read, rising to the budget, in `unit`, shape ``(checkpoints,)``.
        reference: What regret is measured in, and what random sampling is expected to find.
        noise: The standard deviation over training seeds of the best cells' scores, as normalised regret: differences
            below it say nothing about the next training; None where the table does not tell.
        traces: Per strategy its runs by number, those that failed included.

    Example:
        >>> from surrogate_nas.study.suite import read_suite, run_suite
        >>> suite = read_suite("starter").only(["fashion"]).entered(["random", "evolution"], runs=2)
        >>> (result,) = run_suite(suite).problems
        >>> result.unit, result.at("evolution").shape, bool((result.at("evolution") >= 0).all())
        ('cells', (2,), True)
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
        return int(np.ceil(fraction * len(self.checkpoints) - _WHOLE)) - 1

    def runtimes(self, strategy: str, target: float) -> Values:
        """What every run spent until its normalised regret reached a target, shape ``(runs,)``; infinite for never.

        Args:
            strategy: Its name.
            target: A normalised regret; 0 for the optimum.
        """
        reached = self.regrets(strategy) <= target + self.reference.rounding
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

    Example:
        >>> from surrogate_nas.study.suite import read_suite, run_suite
        >>> suite = read_suite("starter").only(["fashion"]).entered(["random", "evolution"], runs=2)
        >>> result = run_suite(suite)
        >>> result.strategies, result.means().shape, result.failures
        (['random', 'evolution'], (1, 2), [])
    """

    suite: Suite
    problems: Sequence[ProblemResult]
    skipped: Sequence[Skipped]

    def __repr__(self) -> str:
        return f"<SuiteResult of {self.suite.name}: {len(self.strategies)} strategies on {len(self.problems)} problems>"

    def _repr_html_(self) -> str:
        """The result in a notebook: the strategies from the best rank on, and the verdict."""
        keys = ("name", "rank_mean", "solved", "regret_iqm", "probability_best", "failures")
        heads = ("strategy", "mean rank", "optimum found", "IQM regret", "probability best", "failed")
        rows = [[told[key] for key in keys] for told in self.summary["strategies"]]
        return html_table(self.suite.title, heads, rows, " ".join(self.verdict.sentences))

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

    @cached_property
    def ranks(self) -> Ranks:
        """Average ranks over the budget with their bands, and how probably each strategy is the best."""
        return ranks_of(self)

    @cached_property
    def critical(self) -> list[Critical]:
        """Friedman's and Nemenyi's tests at a quarter, at half and at the end of the budget."""
        return [critical_at(self, fraction) for fraction in BUDGETS]

    @cached_property
    def profile(self) -> Profile:
        """Which share of problems and targets each strategy had solved when."""
        return profile_of(self)

    @cached_property
    def aggregates(self) -> list[Aggregate]:
        """Normalised regret over all problems, a strategy each, in the order of `strategies`."""
        return aggregates(self)

    @cached_property
    def improvements(self) -> list[Improvement]:
        """The probability of improvement of every pair, in the order of `pairs`."""
        return improvements(self)

    @cached_property
    def pairs(self) -> list[Pair]:
        """Tests of every pair, and what they could have told apart."""
        return pairs_of(self)

    @cached_property
    def accounts(self) -> list[Account]:
        """What each strategy spent, in the order of `strategies`."""
        return accounts_of(self)

    @cached_property
    def stability(self) -> Stability:
        """What would change the winner."""
        return stability_of(self)

    @cached_property
    def verdict(self) -> Verdict:
        """Who leads and whether that is decided, in words."""
        return verdict_of(self)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """All this as JSON."""
        return summary_of(self)

    @property
    def failures(self) -> list[str]:
        """What went wrong in every run that failed, with its problem."""
        return [f"{p.name}: {said}" for p in self.problems for s in self.strategies for said in p.failures(s)]
