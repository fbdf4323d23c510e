"""What would change the winner: other seeds, another λ, less budget, or one problem fewer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from surrogate_nas.study.comparison.statistics import Values
from surrogate_nas.study.suite.ranks import ranks

if TYPE_CHECKING:
    from surrogate_nas.study.suite.result import ProblemResult, SuiteResult

_HALVES = 400
_FEWEST_RUNS = 4
"""A half of fewer runs than these is no sample."""


@dataclass(frozen=True)
class Stability:
    """Who leads, by the average rank of mean regrets, when something else is asked.

    Attributes:
        winner: Who leads the whole suite at the end of the budget.
        half_of_seeds: Per strategy how often it leads when a random half of the runs is left out on every problem; None
            where a strategy has too few runs.
        half_budget: Who leads after half of the budget.
        quarter_budget: Who leads after a quarter.
        without: Per problem whose absence changes the winner, who leads then.
        plain: Who leads on the problems of L alone; None where there are none.
        weighted: Who leads on those with λR; None where there are none.
        capped: Who leads on those with limits; None where there are none.
        by_weight: Per table and L that are asked alike with several λ, the best strategy at each λ.
    """

    winner: str
    half_of_seeds: dict[str, float] | None
    half_budget: str
    quarter_budget: str
    without: dict[str, str]
    plain: str | None
    weighted: str | None
    capped: str | None
    by_weight: dict[str, dict[float, str]]


def stability_of(result: SuiteResult) -> Stability:
    """Ask a suite's result otherwise.

    Args:
        result: What it has found.
    """
    names, problems, means = result.strategies, result.problems, result.means()
    winner = leader(names, means)
    without = {}
    for place, problem in enumerate(problems):
        rest = np.delete(means, place, axis=0)
        if len(rest) and (other := leader(names, rest)) != winner:
            without[problem.name] = other

    def among(chosen: Sequence[bool]) -> str | None:
        return leader(names, means[np.array(chosen)]) if any(chosen) else None

    return Stability(
        winner=winner,
        half_of_seeds=_halves(result),
        half_budget=leader(names, result.means(0.5)),
        quarter_budget=leader(names, result.means(0.25)),
        without=without,
        plain=among([p.weight == 0 and not p.problem.subject_to for p in problems]),
        weighted=among([p.weight > 0 for p in problems]),
        capped=among([bool(p.problem.subject_to) for p in problems]),
        by_weight=_by_weight(names, problems, means),
    )


def leader(names: Sequence[str], means: Values) -> str:
    """Who has the best average rank; of equals the one of lower mean regret, then the first.

    Args:
        names: The strategies.
        means: Their mean regrets, shape ``(problems, strategies)``.
    """
    average = ranks(means.T).mean(axis=1).round(9)
    return names[int(np.lexsort((means.mean(axis=0), average))[0])]


def _halves(result: SuiteResult) -> dict[str, float] | None:
    """How often each strategy leads by a random half of the runs."""
    runs = [len(p.traces[name]) for p in result.problems for name in result.strategies]
    if min(runs) < _FEWEST_RUNS:
        return None
    rng = np.random.default_rng(0)
    ends = [[p.at(name) for name in result.strategies] for p in result.problems]
    counts = dict.fromkeys(result.strategies, 0)
    for _ in range(_HALVES):
        orders = {n: rng.permutation(n)[: n // 2] for n in sorted(set(runs))}
        means = np.array([[values[orders[len(values)]].mean() for values in row] for row in ends])
        counts[leader(result.strategies, means)] += 1
    return {name: count / _HALVES for name, count in counts.items()}


def _by_weight(names: Sequence[str], problems: Sequence[ProblemResult], means: Values) -> dict[str, dict[float, str]]:
    """The best strategy by λ, for every L of a table that has several."""
    found: dict[tuple[str, ...], dict[float, str]] = {}
    for result, row in zip(problems, means, strict=True):
        problem = result.problem
        if not problem.subject_to:
            alike = problem.benchmark, result.loss, problem.seed_policy, result.unit
            found.setdefault(alike, {})[result.weight] = leader(names, row[None])
    several = {f"{table}, {loss}": best for (table, loss, *_), best in found.items() if len(best) > 1}
    return {key: dict(sorted(best.items())) for key, best in several.items()}
