"""A suite: a study of several problems, whose runs are kept in a few numbers each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from surrogate_nas.core.notebook import html_table
from surrogate_nas.core.numbers import NOTHING, fixed, quantity, share
from surrogate_nas.results.columns import (
    EVERYWHERE,
    Column,
    Row,
    Rows,
    digits,
    shown_in,
    texts,
)
from surrogate_nas.results.comparison import MERGED, Comparison, Kind, StudyResult
from surrogate_nas.results.curves import ProblemResult, Skipped, accounts_of
from surrogate_nas.results.verdict import Verdict, ends_of, means_of, verdict_of
from surrogate_nas.runs.problem import Suite
from surrogate_nas.runs.sources import most_versions
from surrogate_nas.stats.decision import decide
from surrogate_nas.stats.summaries import (
    Ranks,
    Values,
    aggregates,
    improvements,
    paired_tests,
    ranks,
)

_STEPS = 50
STRATEGIES = (
    Column("name", "strategy", where=EVERYWHERE),
    Column("rank_mean", "mean rank", "", digits(2), min, EVERYWHERE),
    Column("solved", "optimum found", "", share, max, EVERYWHERE),
    Column("regret_iqm", "regret", "IQM", digits(3), min, EVERYWHERE),
    Column(
        "regret_ci95",
        "regret",
        "95 % interval",
        lambda ends: " – ".join(fixed(end, 3) for end in ends) or NOTHING,
        where="page",
    ),
    Column("regret_mean", "regret", "mean", digits(3), min),
    Column("regret_median", "regret", "median", digits(3), min),
    Column("probability_best_here", "probability best", "here", digits(2), max, EVERYWHERE),
    Column("probability_best", "probability best", "other problems", digits(2), max),
    Column("failures", "failed runs", where=EVERYWHERE),
    Column("no_feasible_cell", "no feasible cell", "runs", where="page"),
    Column("real_seconds", "real seconds", "", quantity, where="terminal"),
)
"""The columns of the strategies, whose values `SuiteResult.strategy_rows` gives."""


@dataclass(frozen=True)
class SuiteResult(StudyResult):
    """All runs on all problems.

    Attributes:
        suite: What was compared.
        problems, skipped: Those that were run, in the order of the suite, and those that were not.
        versions: How many versions of each user's strategy were run on these problems and seeds.
        comparisons: All trials by problem, where they were read from a folder.
        missing: How many runs have not ended yet.
        merged: Of several folders: whose runs are in it and what does not count, a line each.
        folder: Where they are stored; None in memory.

    Example:
        >>> from surrogate_nas.runs.problem import read_suite
        >>> from surrogate_nas.results.api import run_suite
        >>> suite = read_suite("starter").only(["fashion"])
        >>> result = run_suite(suite.entered(["random", "evolution"], runs=2))
        >>> result.strategies, result.means().shape, result.failures
        (['random', 'evolution'], (1, 2), [])
    """

    suite: Suite
    problems: Sequence[ProblemResult] = ()
    skipped: Sequence[Skipped] = ()
    versions: Mapping[str, int] = field(default_factory=dict)
    comparisons: Mapping[str, Comparison] = field(default_factory=dict, repr=False)
    missing: int = 0
    merged: Sequence[str] = ()
    folder: Path | None = None

    @property
    def kind(self) -> Kind:
        """A suite."""
        return "suite"

    @property
    def title(self) -> str:
        """The suite's title."""
        return self.suite.title

    def __repr__(self) -> str:
        return (
            f"<SuiteResult of {self.suite.name}: {len(self.strategies)} strategies on"
            f" {len(self.problems)} problems>"
        )

    def _repr_html_(self) -> str:
        heads, rows = texts(shown_in("terminal", STRATEGIES), self.strategy_rows())
        return html_table(self.suite.title, heads, rows, " ".join(self.verdict.sentences))

    def strategy_rows(self) -> Rows:
        """One row a strategy, the lowest mean rank first."""
        here, elsewhere = self.chances
        spent = "evaluations duplicates queries simulated_seconds real_seconds".split()
        rows = [
            {
                "name": name,
                "runs": account["runs"],
                "rank_mean": float(rank),
                "solved": solved,
                "probability_best": elsewhere[name],
                "probability_best_here": here[name],
                **aggregate,
                "failures": account["failures"],
                "no_feasible_cell": account["empty"],
                **{column: account[column] for column in spent},
            }
            for name, rank, solved, aggregate, account in zip(
                self.strategies,
                self.ranks.mean[:, -1],
                self.solved,
                self.aggregates,
                self.accounts,
                strict=True,
            )
        ]
        return sorted(rows, key=lambda row: float(row["rank_mean"]))

    @property
    def strategies(self) -> list[str]:
        """The strategies, in the order of the suite."""
        return self.suite.labels

    def means(self, fraction: float = 1.0) -> Values:
        """Mean normalised regrets after a fraction of the budget, shape
        ``(problems, strategies)``.
        """
        return means_of(self.strategies, self.problems, fraction)

    @cached_property
    def ranks(self) -> Ranks:
        """Average ranks over the budget, from where no problem has only shared first cells."""
        steps = np.arange(1, _STEPS + 1) / _STEPS
        counted = [problem for problem in self.problems if problem.unit == "cells"]
        shared = max(
            (p.problem.first_cells / p.checkpoints[-1] for p in counted), default=0.0
        )
        fractions = steps[steps > shared] if steps[-1] > shared else steps[-1:]
        means = np.array([self.means(fraction) for fraction in fractions])
        return Ranks(fractions, ranks(means.transpose(2, 1, 0)).mean(axis=1))

    @property
    def _ends(self) -> list[dict[str, Values]]:
        return [{name: p.at(name) for name in self.strategies} for p in self.problems]

    @cached_property
    def solved(self) -> list[float | None]:
        """The share of runs of each strategy that ended with the optimum, over the problems whose
        optimum is known, which weigh equally; None where there are none.
        """
        shares = [
            [np.isfinite(problem.runtimes(name, 0.0)).mean() for name in self.strategies]
            for problem in self.problems
            if problem.reference.exact
        ]
        return np.mean(shares, axis=0).tolist() if shares else [None] * len(self.strategies)

    @cached_property
    def aggregates(self) -> Rows:
        """Normalised regret over all problems, in the order of `strategies`, from column to
        value.
        """
        return aggregates(self._ends)

    @cached_property
    def pairs(self) -> Rows:
        """Every pair of strategies over problems, which describes and decides nothing: a paired
        test, the difference of the mean regrets, and how probably a run of the first one ends
        better.
        """
        ends = self._ends
        means = {
            name: np.array([runs[name].mean() for runs in ends]).round(12)
            for name in (self.strategies if self.problems else ())
        }
        return [
            {
                **asdict(test),
                "difference": float((means[test.first] - means[test.second]).mean()),
                "probability": probability,
                "probability_ci95": ci95,
            }
            for test, (probability, ci95) in zip(
                paired_tests(means), improvements(ends) if ends else (), strict=True
            )
        ]

    @cached_property
    def accounts(self) -> Rows:
        """What each strategy spent, in the order of `strategies`, from column to value."""
        return accounts_of(self.strategies, self.problems)

    @cached_property
    def verdict(self) -> Verdict:
        """Which strategy leads, whether that is significant, and in words."""
        return verdict_of(
            self.strategies,
            self.problems,
            skipped=len(self.skipped),
            versions=self.versions,
            seed=self.suite.seed,
        )

    @cached_property
    def chances(self) -> tuple[dict[str, float], dict[str, float]]:
        """How probably each strategy is the best one on these problems, and on others of their
        kind; strategies that tie share what there is.
        """
        names = self.strategies
        if self.verdict.end is None:
            equal = dict.fromkeys(names, 1 / len(names))
            return equal, equal
        elsewhere = decide(ends_of(names, self.problems), [p.space for p in self.problems])
        return self.verdict.end.chances, elsewhere.chances

    @cached_property
    def summary(self) -> Row:
        """All this as JSON."""
        return {
            "suite": self.suite.name,
            "problems": [
                {
                    "name": p.name,
                    "benchmark": p.problem.benchmark,
                    "objective": p.objective,
                    "seed_policy": p.problem.seed_policy,
                    "budget": {"cells": p.problem.cells, "seconds": p.problem.seconds},
                    "fingerprint": p.fingerprint,
                    "optimum": p.reference.optimum,
                    "random": p.reference.optimum + p.reference.scale,
                    "exact": p.reference.exact,
                    "noise": p.noise,
                    "overtuning": {
                        name: {
                            "share": overtuned[0],
                            "mean_regret_lost": overtuned[1] / p.reference.scale,
                        }
                        for name in self.strategies
                        if (overtuned := p.overtuning(name)) is not None
                    }
                    or None,
                }
                for p in self.problems
            ],
            "not_run": [{"name": s.problem.name, "reason": s.reason} for s in self.skipped],
            "strategies": self.strategy_rows(),
            "tests": {"pairs": self.pairs},
            "verdict": self.verdict.to_json(),
            "failures": self.failures,
            **({MERGED: list(self.merged)} if self.merged else {}),
        }

    @property
    def failures(self) -> list[str]:
        """What went wrong in every run that failed, with its problem."""
        return [
            f"{p.name}: {trace.failure}"
            for p in self.problems
            for traces in p.traces.values()
            for trace in traces
            if trace.failure
        ]


def suite_of(
    suite: Suite, comparisons: Mapping[str, Comparison], folder: Path | None = None
) -> SuiteResult:
    """What a suite has found so far, from the comparison of each problem with a run, by its name.

    A problem counts where every strategy that has begun has a run.
    """
    runs = [run for comparison in comparisons.values() for run in comparison.runs]
    begun = {run.strategy for run in runs}
    n_asked = len(suite.problems) * sum(entry.runs for entry in suite.entries)
    suite = replace(
        suite, entries=[entry for entry in suite.entries if entry.label in begun]
    )
    results = []
    skipped = []
    for problem in suite.problems:
        comparison = comparisons.get(problem.name)
        if comparison is None or {run.strategy for run in comparison.runs} != begun:
            skipped.append(Skipped(problem, "Not every strategy has a run there."))
            continue
        traces = [comparison.trace(run, problem.budget) for run in comparison.runs]
        results.append(
            ProblemResult.of(problem, comparison.objective, suite.labels, traces)
        )
    versions = [study.description.get("versions", {}) for study in comparisons.values()]
    return SuiteResult(
        suite=suite,
        problems=results,
        skipped=skipped,
        versions=most_versions(versions),
        comparisons={
            name: study for name, study in comparisons.items() if study.strategies
        },
        missing=n_asked - len(runs),
        folder=folder,
    )
