"""The tables of a suite: strategies, problems, pairs, running times and accounts, each with its
files.
"""

from __future__ import annotations

import math

from surrogate_nas.core.numbers import NOTHING, fixed, p_value, quantity
from surrogate_nas.report.markup import (
    Content,
    Head,
    Section,
    Shown,
    Table,
    files_of,
    note,
    section,
    strategy,
)
from surrogate_nas.report.reading import MARKED, Study, expected_runtime
from surrogate_nas.report.sections.scores import effect_in_words

_FEWEST_PROBLEMS = 7
"""With fewer, pairs of strategies say nothing over problems."""


def _section(title: str, table: Table, files: str, text: str) -> Section:
    """A table with what a reader must know, and its files in ``tables/``; it opens by its title."""
    return Section(title, [table, note(f"{text} ", *files_of(files), ".")], folded=True)


@section(70, "suite")
def strategies(study: Study) -> Section | None:
    """One row a strategy, the best rank first."""
    heads = [
        Head("strategy"),
        Head("mean rank"),
        Head("optimum", "found"),
        Head("regret", "IQM"),
        Head("regret", "95 % interval"),
        Head("regret", "mean"),
        Head("regret", "median"),
        Head("probability", "best, these problems"),
        Head("probability", "best, such problems"),
        Head("failed", "runs"),
        Head("no feasible cell", "runs"),
    ]
    rows: list[list[Content]] = [
        [
            strategy(entry["name"], study.looks[entry["name"]]),
            fixed(entry["rank_mean"], 2),
            NOTHING if entry["solved"] is None else f"{entry['solved']:.0%}",
            fixed(entry["regret_iqm"], 3),
            " – ".join(fixed(end, 3) for end in entry["regret_ci95"] or ()) or NOTHING,
            fixed(entry["regret_mean"], 3),
            fixed(entry["regret_median"], 3),
            fixed(entry["probability_best_here"], 2),
            fixed(entry["probability_best"], 2),
            str(entry["failures"]),
            str(entry["no_feasible_cell"]),
        ]
        for entry in study.suite.summary["strategies"]
    ]
    return _section(
        "Strategies",
        Table(heads, rows),
        "strategies",
        "Probability best: from the p-values of the verdict. The odds of a rival against the leader"
        " are p / 2 to 1 − p / 2; on these problems from paired runs, on such problems from one"
        " number per space. Strategies that tie share the probability.",
    )


@section(72, "suite")
def regret(study: Study) -> Section | None:
    """Mean normalised regret, a row a problem."""
    heads = [Head("problem"), *(Head(name) for name in study.result.standings), Head("seed noise")]
    rows: list[list[Content]] = []
    for problem in study.result.problems:
        means = {name: float(problem.at(name).mean()) for name in study.result.standings}
        least = min(means.values())
        shown = [
            Shown(fixed(m, 2), "strong") if m <= least + 1e-12 else fixed(m, 2)
            for m in means.values()
        ]
        rows.append(
            [problem.name, *shown, NOTHING if problem.noise is None else fixed(problem.noise, 2)]
        )
    return _section(
        "Problem by problem",
        Table(heads, rows),
        "regret",
        "Mean normalised regret at the end; 0: the optimum, 1: the expected regret of random"
        " sampling; bold: the lowest.",
    )


@section(75, "suite")
def problems(study: Study) -> Section | None:
    """One row a problem: what was asked, and what its regret is measured in."""
    heads = [
        Head("problem"),
        Head("benchmark"),
        Head("minimise"),
        Head("budget"),
        Head("seeds"),
        Head("optimum"),
        Head("random sampling", "expected"),
        Head("scale"),
        Head("seed noise", "as regret"),
        Head("fingerprint"),
    ]
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
        for p in study.suite.problems
    ]
    return _section(
        "Problems",
        Table(heads, rows, texts=3),
        "problems",
        "Normalised regret is (score − optimum) / (random sampling − optimum); without a table, the"
        " best and the mean of all runs are used instead. Seed noise: the standard deviation of the"
        " best cells over training seeds, in the same unit; a smaller difference may vanish when"
        " cells are retrained.",
    )


@section(95, "suite")
def pairs(study: Study) -> Section | None:
    """One row a pair, over problems: it describes and decides nothing."""
    if len(study.result.problems) < _FEWEST_PROBLEMS:
        return None
    heads = [
        Head("first"),
        Head("second"),
        Head("problems", "better / equal / worse"),
        Head("effect", "rank-biserial"),
        Head("p", "Wilcoxon"),
        Head("p", "after Holm"),
        Head("difference", "mean regret"),
        Head("improvement", "probability"),
    ]
    rows: list[list[Content]] = []
    for pair, improved in zip(study.suite.pairs, study.suite.improvements, strict=True):
        test = pair.test
        rows.append(
            [
                strategy(test.first, study.looks[test.first]),
                strategy(test.second, study.looks[test.second]),
                f"{test.wins} / {test.ties} / {test.losses}",
                effect_in_words(test.effect),
                p_value(test.p),
                p_value(test.p_holm),
                fixed(pair.difference, 3),
                _with_interval(improved.probability, improved.ci95),
            ]
        )
    return _section(
        "Every pair",
        Table(heads, rows, texts=2),
        "pairs",
        "Descriptive only; see the verdict for significance. Wilcoxon's signed-rank test of mean"
        " regrets over problems, Holm's correction over all pairs. Improvement: how probably a run"
        " of the first ends better than one of the second on the same problem, a tie counting"
        " half.",
    )


def _with_interval(value: float, ci95: tuple[float, float] | None) -> str:
    return f"{value:.2f}" if ci95 is None else f"{value:.2f} ({ci95[0]:.2f} – {ci95[1]:.2f})"


@section(85, "suite")
def running_time(study: Study) -> Section | None:
    """Expected running time of every strategy until three targets on every problem."""
    heads = [
        Head("problem"),
        Head("unit"),
        Head("regret", "at most"),
        *(Head(name) for name in study.result.standings),
    ]
    rows: list[list[Content]] = []
    for problem in study.suite.problems:
        for target in MARKED:
            row: list[Content] = [
                problem.name,
                problem.unit,
                f"{target:g}" if target else "0, the optimum",
            ]
            for name in study.result.standings:
                expected = expected_runtime(problem, name, target)
                row.append(quantity(expected) if math.isfinite(expected) else "never")
            rows.append(row)
    return _section(
        "Expected running time",
        Table(heads, rows, texts=2),
        "runtime",
        "What all runs spent until the target, divided by the number of runs that reached it: the"
        " expected cost of restarting until one run succeeds.",
    )


@section(90, "suite")
def accounts(study: Study) -> Section | None:
    """One row a strategy: what all of its runs spent."""
    heads = [
        Head("strategy"),
        Head("runs"),
        Head("cells", "evaluated"),
        Head("duplicates", "asked for again"),
        Head("duplicates", "share"),
        Head("queries"),
        Head("time", "simulated, s"),
        Head("time", "strategy, s"),
        Head("time", "strategy, ms a cell"),
        Head("time", "in all, s"),
    ]
    rows: list[list[Content]] = [
        [
            strategy(one.strategy, study.looks[one.strategy]),
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
        for one in study.suite.accounts
    ]
    return _section(
        "Accounts",
        Table(heads, rows),
        "accounts",
        "Over all runs. A cell that is asked for again gives the same answer and is charged again."
        " Time in all: strategy and evaluation, on the machine that ran them.",
    )
