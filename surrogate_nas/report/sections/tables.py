"""The tables of a suite: strategies, problems, pairs, running times and accounts, each with its
files.
"""

from __future__ import annotations

import math

from surrogate_nas.core.numbers import NOTHING, fixed, p_value, quantity, share
from surrogate_nas.report.markup import (
    Column,
    Content,
    Section,
    Span,
    Table,
    files_of,
    note,
    section,
    strategy,
)
from surrogate_nas.report.reading import MARKED, Study, expected_runtime
from surrogate_nas.report.sections.scores import OVERTUNING_NOTE, effect_in_words

_FEWEST_PROBLEMS = 7
"""With fewer, pairs of strategies say nothing over problems."""


def _section(
    title: str,
    table: Table,
    files: str,
    text: str,
) -> Section:
    """A table with what a reader must know, and its files in ``tables/``; it opens by its title."""
    return Section(title, [table, note(f"{text} ", *files_of(files), ".")], folded=True)


@section(70, "suite")
def strategies(study: Study) -> Section | None:
    """One row a strategy, the best rank first."""
    heads = [
        Column("strategy"),
        Column("mean rank"),
        Column("optimum", "found"),
        Column("regret", "IQM"),
        Column("regret", "95 % interval"),
        Column("regret", "mean"),
        Column("regret", "median"),
        Column("probability", "best, these problems"),
        Column("probability", "best, such problems"),
        Column("failed", "runs"),
        Column("no feasible cell", "runs"),
    ]
    rows: list[list[Content]] = [
        [
            strategy(entry["name"], study.styles[entry["name"]]),
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
    heads = [
        Column("problem"),
        *(Column(name) for name in study.result.standings),
        Column("seed noise"),
    ]
    rows: list[list[Content]] = []
    for problem in study.result.problems:
        means = {name: float(problem.at(name).mean()) for name in study.result.standings}
        least = min(means.values())
        shown = [
            Span(fixed(m, 2), "strong") if m <= least + 1e-12 else fixed(m, 2)
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


@section(73, "suite")
def overtuning(study: Study) -> Section | None:
    """How often runs left a better pick, a row a problem with drawn seeds."""
    names = list(study.result.standings)
    rows: list[list[Content]] = []
    for problem in study.result.problems:
        found = [problem.overtuning(name) for name in names]
        if any(one is not None for one in found):
            shown = [
                NOTHING if one is None else f"{share(one[0])}, {fixed(one[1], 3)}" for one in found
            ]
            rows.append([problem.name, *shown])
    if not rows:
        return None
    heads = [Column("problem"), *(Column(name) for name in names)]
    text = f"{OVERTUNING_NOTE} The loss is in normalised regret."
    return Section("Overtuning", [Table(heads, rows), note(text)], folded=True)


@section(75, "suite")
def problems(study: Study) -> Section | None:
    """One row a problem: what was asked, and what its regret is measured in."""
    heads = [
        Column("problem"),
        Column("benchmark"),
        Column("minimise"),
        Column("budget"),
        Column("seeds"),
        Column("optimum"),
        Column("random sampling", "expected"),
        Column("scale"),
        Column("seed noise", "as regret"),
        Column("fingerprint"),
    ]
    rows: list[list[Content]] = [
        [
            p.name,
            p.problem.benchmark,
            Span(p.objective, "code"),
            f"{p.checkpoints[-1]:,g} {p.unit}",
            p.problem.seed_policy or "mean",
            f"{p.reference.optimum:.5g}",
            f"{p.reference.optimum + p.reference.scale:.5g}",
            "of the table" if p.reference.exact else "of the runs",
            NOTHING if p.noise is None else fixed(p.noise, 3),
            Span(p.fingerprint, "code"),
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
        Column("first"),
        Column("second"),
        Column("problems", "better / equal / worse"),
        Column("effect", "rank-biserial"),
        Column("p", "Wilcoxon"),
        Column("p", "after Holm"),
        Column("difference", "mean regret"),
        Column("improvement", "probability"),
    ]
    rows: list[list[Content]] = []
    for pair, improved in zip(study.suite.pairs, study.suite.improvements, strict=True):
        test = pair.test
        rows.append(
            [
                strategy(test.first, study.styles[test.first]),
                strategy(test.second, study.styles[test.second]),
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
        Column("problem"),
        Column("unit"),
        Column("regret", "at most"),
        *(Column(name) for name in study.result.standings),
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
        Column("strategy"),
        Column("runs"),
        Column("cells", "evaluated"),
        Column("duplicates", "asked for again"),
        Column("duplicates", "share"),
        Column("queries"),
        Column("time", "simulated, s"),
        Column("time", "strategy, s"),
        Column("time", "strategy, ms a cell"),
        Column("time", "in all, s"),
    ]
    rows: list[list[Content]] = [
        [
            strategy(one.strategy, study.styles[one.strategy]),
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
