"""How many cells a strategy evaluates until it meets the optimum of NAS-Bench-201.

Published counts: White, Neiswanger & Savani, "BANANAS", AAAI 2021; Ru et al., "Interpretable Neural
Architecture Search via Bayesian Optimisation with Weisfeiler–Lehman Kernels" (NAS-BOWL), ICLR 2021;
Lukasik et al., "Learning Where To Look" (AG-Net), ECCV 2022; Asthana et al., "Multi-conditioned
Graph Diffusion for Neural Architecture Search" (DiNAS), TMLR 2024; Shala et al., "Transfer NAS with
Meta-learned Bayesian Surrogates" (TNAS), ICLR 2023; Akhauri & Abdelfattah, "Encodings for
Prediction-based Neural Architecture Search" (FLAN), ICML 2024. Their conventions differ and are
seldom stated.

Ours: the optimum is the cell with the smallest validation error after 200 epochs, the mean over
seeds, of each data set's own table. A search sees that mean, or one random seed of each cell; or it
minimises that mean plus .1·params, whose optimum is another cell. Every
run begins with ten random cells, and they count. No labels from elsewhere, no pre-trained encoder;
what a method knows beforehand is listed as its prior.

A data set, what a search sees, a strategy and a run are one job; finished ones are stored in
``runs.jsonl``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from analysis.papers.common.paper import (
    PaperResult,
    Row,
    Summary,
    Work,
    joined,
    published,
    published_fields,
)
from analysis.papers.common.pictures import (
    Item,
    Level,
    Note,
    Panel,
    Series,
    pen,
    picture,
)
from analysis.papers.common.ranks import Values
from analysis.papers.common.searches import DATA_SETS
from surrogate_nas import Event, search
from surrogate_nas.benchmarks import load
from surrogate_nas.benchmarks.base import SeedPolicy
from surrogate_nas.core.numbers import share
from surrogate_nas.objective import Objective
from surrogate_nas.space import listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GIVEN = 150
"""Cells after which a search's answer is judged."""
_EPOCHS = 200
_ERROR = f"valid_error[{_EPOCHS}]"


class Form(NamedTuple):
    """What a search sees, and what it minimises.

    Attributes:
        title: In words.
        mark: The ending of its metrics in rows.
        policy: Whether a search sees the mean over seeds or one random seed of each cell.
        expression: The objective.
    """

    title: str
    mark: str
    policy: SeedPolicy = "mean"
    expression: str = _ERROR


FORMS: dict[str, Form] = {
    "mean": Form("mean of seeds", ""),
    "draw": Form("one random seed", "_drawn", policy="draw"),
    "priced": Form("with 0.1·params", "_priced", expression=f"{_ERROR} + 0.1*params"),
}
_RANDOM = "random, exact"
_TEST = "test_error"


class Plan(NamedTuple):
    """How thoroughly a strategy is run: how many runs, and the most cells that one may evaluate."""

    runs: int
    cells: int


PLANS: dict[str, Plan] = {
    "local_search": Plan(200, 15_625),
    "first_improvement": Plan(200, 15_625),
    "iterated_local_search": Plan(200, 15_625),
    "evolution": Plan(200, 15_625),
    "reinforce": Plan(50, 2_000),
    "optuna:TPESampler": Plan(50, 300),
    "bo": Plan(50, 300),
    "zero_cost": Plan(50, 300),
    "bananas": Plan(20, 300),
}
"""The strategies; random search needs no run."""
_NOT_PRICED = ("first_improvement", "reinforce", "zero_cost", "bananas")
_PRIORS = {"zero_cost": "proxies of untrained networks, no labels"}
_NOTES = [
    (
        "cells_to_optimum: the median over all runs of the cells evaluated until the optimum was"
        " evaluated, ten shared random cells included. A run that did not find it counts as"
        " infinite. A repeated cell counts again."
    ),
    (
        "_drawn: the search sees one random seed of each cell. The optimum is still the best by the"
        " mean of seeds, and it is found when it is evaluated. The search may not recognise it,"
        f" hence regret@{GIVEN}: the regret of its answer after {GIVEN} cells, by that mean."
    ),
    "_priced: the search minimises valid_error + .1·params, of the mean over seeds.",
    (
        "The published counts are until a test accuracy of 94.37 (CIFAR-10) or 73.51 (CIFAR-100)."
        " The papers seldom say whether a search saw the mean or one seed, and whether the count is"
        " a mean or a median over runs."
    ),
    (
        "bananas: ours asks for ten cells at a time, fits networks of three layers to the logarithm"
        " of the error and mutates by more than one step every second time. The count of White et"
        " al.'s BANANAS is of cells until a test accuracy."
    ),
    (
        "A prior is what a method knows before the first cell is counted; do not compare numbers"
        " with and without one."
    ),
]


class UntilOptimum(NamedTuple):
    """What one run found."""

    cells: (
        int | None
    )  # How many had been evaluated when the optimum was; None if it was not
    # Points (hundredths) of the objective, mean over seeds, between the answer after `GIVEN` cells
    # and the optimum
    regret: float


Runs = Mapping[tuple[str, str, str], Sequence[UntilOptimum]]
"""By data set, form and strategy."""


def queries(work: Work) -> PaperResult:
    """Search until the optimum is found: by default as many runs as `PLANS` says.

    Args:
        work: The folder, how many runs, and where.
    """
    n_runs = {}
    for dataset, form in _problems():
        for strategy, plan in _plans(form):
            n_runs[dataset, form, strategy, plan.cells] = work.runs or plan.runs
    settings = {
        "objectives": [objective_of(*problem).fingerprint for problem in _problems()]
    }
    results = work.runs_of(run_until_found, n_runs, "runs.jsonl", settings)
    runs = {}
    for (dataset, form, strategy, _), own in results.items():
        runs[dataset, form, strategy] = [UntilOptimum(*run) for run in own]
    rows = [row for dataset, form in _problems() for row in _rows(dataset, form, runs)]
    rows += [
        entry.row()
        for entry in published("queries").values()
        if _is_other(entry.method)
    ]
    rows += _test_rows()
    return work.result(
        "Cells evaluated until the optimum of NAS-Bench-201 is among them (validation after 200"
        " epochs): medians",
        rows,
        _NOTES,
        summary=_summary(rows),
        pictures={"queries.png": _picture(runs)},
    )


def _is_other(method: str) -> bool:
    """Whether a method is published only."""
    return method not in (_RANDOM, *PLANS)


def _problems() -> list[tuple[str, str]]:
    return [(dataset, form) for form in FORMS for dataset in DATA_SETS]


def _plans(form: str) -> list[tuple[str, Plan]]:
    return [
        (strategy, plan)
        for strategy, plan in PLANS.items()
        if form != "priced" or strategy not in _NOT_PRICED
    ]


@cache
def objective_of(dataset: str, form: str) -> Objective:
    """What is minimised on a data set."""
    return Objective(
        FORMS[form].expression,
        load(DATA_SETS[dataset]),
        seed_policy=FORMS[form].policy,
    )


@cache
def _points(dataset: str, form: str = "mean") -> Values:
    """The objective by the mean over seeds, in hundredths: of an error, in %."""
    bench = load(DATA_SETS[dataset])
    return 100 * Objective(FORMS[form].expression, bench).over_space().score


def run_until_found(job: tuple[str, str, str, int, int]) -> UntilOptimum:
    """Search until the optimum was evaluated; where seeds are drawn, for `GIVEN` cells at least.

    Args:
        job: A key of `DATA_SETS`, one of `FORMS`, a strategy, the most cells that it may evaluate,
            and the number of the run.
    """
    dataset, form, strategy, most_cells, run = job
    points = _points(dataset, form)
    objective = objective_of(dataset, form)
    optimum = points.min()
    hits: list[int] = []

    def watch(event: Event) -> None:
        hits.extend(
            trial.index + 1
            for trial in event.trials
            if points[trial.cell.index] == optimum
        )
        is_drawn = FORMS[form].policy == "draw"
        if hits and (not is_drawn or event.trials[-1].index + 1 >= GIVEN):
            event.stop()

    result = search(
        objective.benchmark,
        strategy,
        objective,
        budget=most_cells,
        run=run,
        callback=watch,
    )
    answer = min(result.trials[:GIVEN], key=lambda trial: trial.score)
    regret = float(points[answer.cell.index] - optimum)
    return UntilOptimum(hits[0] if hits else None, regret)


def _counts(runs: Sequence[UntilOptimum]) -> Values:
    """Cells until the optimum, infinite where a run did not find it."""
    counts = [np.inf if run.cells is None else run.cells for run in runs]
    return np.array(counts, dtype=np.float64)


def _rows(dataset: str, form: str, runs: Runs) -> Iterator[Row]:
    mark = FORMS[form].mark
    metric = f"cells_to_optimum{mark}"
    n_cells = len(listed(load(DATA_SETS[dataset]).space))
    fields, note = _published_count(_RANDOM, dataset, metric, mark="D")
    yield Row(
        _RANDOM,
        dataset,
        metric,
        ours=(n_cells + 1) / 2,
        evaluations=(n_cells + 1) / 2,
        verdict=joined(f"every order of {n_cells:,} cells is equally likely", note),
        **fields,
    )
    for strategy, plan in _plans(form):
        own = runs[dataset, form, strategy]
        counts = _counts(own)
        median = float(np.median(counts))
        fields, note = _published_count(strategy, dataset, metric)
        prior = f"with a prior ({_PRIORS[strategy]})" if strategy in _PRIORS else ""
        yield Row(
            strategy,
            dataset,
            metric,
            ours=median if np.isfinite(median) else None,
            evaluations=float(counts.mean()) if np.isfinite(counts).all() else None,
            runs=len(counts),
            verdict=joined(_quartiles(counts, plan.cells), prior, note),
            **fields,
        )
        regrets = np.array([run.regret for run in own])
        optimal = share(np.mean(regrets == 0))
        yield Row.over(
            strategy,
            dataset,
            f"regret@{GIVEN}{mark}",
            regrets,
            evaluations=GIVEN,
            verdict=(
                f"points of the objective; the answer is the optimum in {optimal} of the runs"
            ),
        )


def _published_count(
    method: str,
    dataset: str,
    metric: str,
    mark: str = "",
) -> tuple[dict[str, Any], str]:
    """The fields of a row that a published count fills, and its note."""
    entry = published("queries").get((method, dataset, metric))
    fields = published_fields("queries", method, dataset, metric, mark=mark)
    return fields, entry.note if entry else ""


def _quartiles(counts: Values, most: int) -> str:
    """The interval of the median, quartiles, the ninth decile, and how many runs found the optimum
    within `most` cells.
    """
    values = [
        np.quantile(counts, level, method="higher") for level in (0.25, 0.75, 0.9)
    ]
    texts = [
        f"{value:,.0f}" if np.isfinite(value) else f"> {most:,}"
        for value in (*values, *_median_interval(counts))
    ]
    low, high, ninth, least, greatest = texts
    found = counts[np.isfinite(counts)]
    text = (
        f"95 % interval of the median {least} to {greatest}; quartiles {low} to {high},"
        f" 90 % by {ninth}; found in {len(found)} of {len(counts)}"
    )
    if len(found) == len(counts):
        return f"{text}, at most {found.max():,.0f}"
    return f"{text} within {most:,} cells"


def _median_interval(counts: Values) -> tuple[float, float]:
    """The 95 % interval of the median: the counts between which it lies whatever their
    distribution.
    """
    from scipy.stats import binom

    outside = max(int(binom.ppf(0.025, len(counts), 0.5)) - 1, 0)
    ordered = np.sort(counts)
    return float(ordered[outside]), float(ordered[-1 - outside])


def _test_rows() -> Iterator[Row]:
    """The test accuracy of the optimum by validation, of the tables that have one."""
    for dataset, name in DATA_SETS.items():
        bench = load(name)
        if _TEST not in {metric.name for metric in bench.metrics}:
            continue
        accuracy = 100.0 - bench.column(_TEST, _EPOCHS)
        reached = float(accuracy[_points(dataset).argmin()])
        missing = float(accuracy.max()) - reached
        verdict = (
            f"the best by test has {missing:.2f} more"
            if missing
            else "also the best by test"
        )
        yield Row(
            "optimum by validation",
            dataset,
            "test_accuracy",
            ours=reached,
            mark="D",
            verdict=verdict,
        )


def _summary(rows: Sequence[Row]) -> Summary:
    """A line a method; medians, published numbers as they are."""
    by_key = {(row.method, row.dataset, row.metric): row for row in rows}
    priors = {name: _PRIORS.get(name, "none") for name in (_RANDOM, *PLANS)}
    for entry in published("queries").values():
        if _is_other(entry.method):
            priors[entry.method] = _prior_of(entry.note)
    lines = []
    for method, prior in priors.items():
        line = [f"{method}, published" if _is_other(method) else method, prior]
        for dataset, form in _problems():
            metric = f"cells_to_optimum{FORMS[form].mark}"
            row = by_key.get((method, dataset, metric))
            line.append("–" if row is None else _count_text(row))
        lines.append(tuple(line))
    heads = [f"{dataset}, {FORMS[form].title}" for dataset, form in _problems()]
    return Summary(("method", "prior", *heads), lines)


def _count_text(row: Row) -> str:
    if row.runs and row.ours is None:
        return f"> {PLANS[row.method].cells:,}"
    mark = " (?)" if row.mark == "?" else ""
    return f"{row.value:,.0f}{mark}"


def _prior_of(note: str) -> str:
    return (
        note.partition("(")[2].partition(")")[0]
        if note.startswith("with a prior")
        else "none"
    )


def _picture(runs: Runs) -> Figure:
    """The share of runs that have evaluated the optimum, a column a data set, a row a form."""
    panels = [[_panel(dataset, form, runs) for dataset in DATA_SETS] for form in FORMS]
    return picture(
        panels,
        4.2 * len(DATA_SETS),
        3.6 * len(FORMS),
        x_label="evaluated cells (◆ published counts, at one half; their conventions differ)",
        y_label="share of runs that have evaluated the optimum",
        shared=True,
        legend=True,
    )


def _panel(dataset: str, form: str, runs: Runs) -> Panel:
    items: list[Item] = []
    for strategy, plan in _plans(form):
        counts = np.sort(_counts(runs[dataset, form, strategy]))
        shares: Values = np.arange(len(counts) + 1) / len(counts)
        shares[np.isinf([0, *counts])] = np.nan
        cells = np.minimum([counts[0], *counts], plan.cells)
        items.append(
            Series(
                cells,
                shares,
                label=strategy,
                steps=True,
                style=pen([*PLANS].index(strategy)),
            )
        )
    items.append(Level(0.5))
    if form == "mean":
        items += _published_items(dataset)
    return Panel(
        items,
        title=f"{dataset}, {FORMS[form].title}",
        axes={
            "xscale": "log",
            "xlim": (10, max(plan.cells for plan in PLANS.values())),
            "ylim": (0, 1.02),
        },
    )


def _published_items(dataset: str) -> list[Item]:
    """The published counts at one half, with their names below."""
    counts = []
    for entry in published("queries").values():
        if _is_other(entry.method) and entry.dataset == dataset:
            counts.append((entry.value or 0.0, entry.method))
    if not counts:
        return []
    counts.sort()
    diamonds = {"color": "black", "marker": "D", "markersize": 4, "linestyle": "none"}
    items: list[Item] = [
        Series([count for count, _ in counts], [0.5] * len(counts), style=diamonds)
    ]
    for i, (count, name) in enumerate(counts):
        side = "left" if i % 2 else "right"
        items.append(Note(name, count, 0.48, {"rotation": 90, "ha": side, "va": "top"}))
    return items
