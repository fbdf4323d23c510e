"""The tables of a suite's page as data: strategies, problems, pairs, running times and accounts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from surrogate_nas.report.look import Look
from surrogate_nas.report.markup import Content, Head, Shown, Table, strategy
from surrogate_nas.report.numbers import NOTHING, fixed, p_value, quantity
from surrogate_nas.study.suite.profile import MARKED, expected_runtime

if TYPE_CHECKING:
    from surrogate_nas.study.suite import SuiteResult

_LEVEL = 0.05


def strategies_table(result: SuiteResult, looks: dict[str, Look]) -> Table:
    """One row a strategy, the best rank first.

    Args:
        result: What the suite has found.
        looks: How each is drawn.
    """
    heads = [
        Head("strategy"), Head("mean rank"), Head("optimum", "found"), Head("regret", "IQM"),
        Head("regret", "95 % interval"), Head("regret", "mean"), Head("regret", "median"),
        Head("probability", "best, these problems"), Head("probability", "best, such problems"), Head("failed", "runs"),
        Head("no feasible cell", "runs"),
    ]  # fmt: skip
    rows: list[list[Content]] = [
        [
            strategy(told["name"], looks[told["name"]]),
            fixed(told["rank_mean"], 2),
            NOTHING if told["solved"] is None else f"{told['solved']:.0%}",
            fixed(told["regret_iqm"], 3),
            " – ".join(fixed(end, 3) for end in told["regret_ci95"]),
            fixed(told["regret_mean"], 3),
            fixed(told["regret_median"], 3),
            fixed(told["probability_best_here"], 2),
            fixed(told["probability_best"], 2),
            str(told["failures"]),
            str(told["no_feasible_cell"]),
        ]
        for told in result.summary["strategies"]
    ]
    return Table(heads, rows)


def problems_table(result: SuiteResult) -> Table:
    """One row a problem: what was asked, and what its regret is measured in.

    Args:
        result: What the suite has found.
    """
    heads = [
        Head("problem"), Head("benchmark"), Head("minimise"), Head("budget"), Head("seeds"), Head("optimum"),
        Head("random sampling", "expected"), Head("scale"), Head("seed noise", "as regret"), Head("fingerprint"),
    ]  # fmt: skip
    rows: list[list[Content]] = [
        [
            p.name,
            p.problem.benchmark,
            Shown(p.objective, "code"),
            f"{p.checkpoints[-1]:,g} {p.unit}",
            p.problem.seed_policy,
            f"{p.reference.optimum:.5g}",
            f"{p.reference.optimum + p.reference.scale:.5g}",
            "of the table" if p.reference.exact else "of the runs",
            NOTHING if p.noise is None else fixed(p.noise, 3),
            Shown(p.fingerprint, "code"),
        ]
        for p in result.problems
    ]
    return Table(heads, rows, texts=3)


def pairs_table(result: SuiteResult, looks: dict[str, Look]) -> Table:
    """One row a pair: tests over problems, over runs, and the smallest difference that they could have shown.

    Args:
        result: What the suite has found.
        looks: How each is drawn.
    """
    heads = [
        Head("first"), Head("second"), Head("problems", "better / equal / worse"), Head("effect", "rank-biserial"),
        Head("p", "Wilcoxon"), Head("p", "after Holm"), Head("difference", "mean regret"),
        Head("detectable", "so many problems"), Head("detectable", "so many runs"),
        Head("by its runs", "better / worse on"), Head("improvement", "probability"),
    ]  # fmt: skip
    rows: list[list[Content]] = []
    for pair, improved in zip(result.pairs, result.improvements, strict=True):
        test, corrected = pair.test, p_value(pair.test.p_holm)
        rows.append(
            [
                strategy(test.first, looks[test.first]),
                strategy(test.second, looks[test.second]),
                f"{test.wins} / {test.ties} / {test.losses}",
                NOTHING if math.isnan(test.effect) else f"{test.effect:+.2f}".replace("-", "−"),
                p_value(test.p),
                Shown(corrected, "strong") if test.p_holm < _LEVEL else corrected,
                fixed(pair.difference, 3),
                fixed(pair.detectable, 3),
                fixed(pair.detectable_here, 3),
                f"{len(pair.better)} / {len(pair.worse)}",
                f"{improved.probability:.2f} ({improved.low:.2f} – {improved.high:.2f})",
            ]
        )
    return Table(heads, rows, texts=2)


def runtime_table(result: SuiteResult, order: list[str]) -> Table:
    """Expected running time of every strategy until three targets on every problem.

    Args:
        result: What the suite has found.
        order: The strategies from the best rank on.
    """
    heads = [Head("problem"), Head("unit"), Head("regret", "at most"), *(Head(name) for name in order)]
    rows: list[list[Content]] = []
    for problem in result.problems:
        for target in MARKED:
            row: list[Content] = [problem.name, problem.unit, f"{target:g}" if target else "0, the optimum"]
            for name in order:
                expected = expected_runtime(problem, name, target)
                row.append(quantity(expected) if math.isfinite(expected) else "never")
            rows.append(row)
    return Table(heads, rows, texts=2)


def accounts_table(result: SuiteResult, looks: dict[str, Look]) -> Table:
    """One row a strategy: what all of its runs spent.

    Args:
        result: What the suite has found.
        looks: How each is drawn.
    """
    heads = [
        Head("strategy"), Head("runs"), Head("cells", "evaluated"), Head("duplicates", "asked for again"),
        Head("duplicates", "share"), Head("queries"), Head("time", "simulated, s"), Head("time", "strategy, s"),
        Head("time", "strategy, ms a cell"), Head("time", "in all, s"),
    ]  # fmt: skip
    rows: list[list[Content]] = [
        [
            strategy(one.strategy, looks[one.strategy]),
            f"{one.runs:,}",
            f"{one.evaluations:,}",
            f"{one.duplicates:,}",
            f"{one.duplicates / max(one.evaluations, 1):.1%}",
            quantity(one.queries),
            quantity(one.simulated_seconds),
            quantity(one.strategy_seconds),
            quantity(1000 * one.strategy_seconds / max(one.evaluations, 1)),
            quantity(one.real_seconds),
        ]
        for one in result.accounts
    ]
    return Table(heads, rows)
