"""Cells that a strategy evaluates until the optimum of NAS-Bench-201 is among them, beside the
published counts.

White, Neiswanger & Savani, "BANANAS", AAAI 2021; Ru et al., "Interpretable Neural Architecture
Search via Bayesian Optimisation with Weisfeiler–Lehman Kernels" (NAS-BOWL), ICLR 2021; Lukasik et
al., "Learning Where To Look" (AG-Net), ECCV 2022; Asthana et al., "Multi-conditioned Graph
Diffusion for Neural Architecture Search" (DiNAS), TMLR 2024; Shala et al., "Transfer NAS with
Meta-learned Bayesian Surrogates" (TNAS), ICLR 2023; Akhauri & Abdelfattah, "Encodings for
Prediction-based Neural Architecture Search" (FLAN), ICML 2024. Their conventions differ and are
seldom told.

Ours: the optimum is the cell with the smallest validation error after 200 epochs, the mean over
seeds, of each data set's own table; a search sees that mean, or one drawn seed of each cell; every
run is told ten random cells first, and they count. No labels from elsewhere, no pre-trained
encoder; what a method knows beforehand is told as its prior.

A data set, what a search sees, a strategy and a run are one job; finished ones are kept in
``runs.jsonl``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from surrogate_nas.benchmarks import load
from surrogate_nas.core.numbers import share
from surrogate_nas.objective import Objective
from surrogate_nas.papers.common.paper import (
    COLOURS,
    STYLES,
    PaperResult,
    Row,
    Summary,
    Work,
    canvas,
    published,
)
from surrogate_nas.papers.common.ranks import Values
from surrogate_nas.papers.common.searches import DATA_SETS
from surrogate_nas.space import listed
from surrogate_nas.space.trial import Trial
from surrogate_nas.study.api import search

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GIVEN = 150
"""Cells after which what a search would hand over is looked at."""
POLICIES = {"mean": "", "draw": "_drawn"}
"""What a search sees: the mean over seeds, or one drawn seed of each cell; with the end of the
metric's name.
"""
_RANDOM = "random, exact"
_EPOCHS = 200
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
_PRIORS = {"zero_cost": "proxies of untrained networks, no labels"}
_NOTES = [
    (
        "cells_to_optimum: the median over all runs of the cells evaluated until the optimum was,"
        " ten shared random cells included; a run that did not find it counts as infinite. Asking"
        " again for a known cell counts again."
    ),
    (
        "_drawn: the search sees one drawn seed of each cell. The optimum is still the best by the"
        " mean of seeds, and found means evaluated; the search may not know it, hence"
        f" regret@{GIVEN}: what it hands over after {GIVEN} cells, by the mean of seeds."
    ),
    (
        "The published counts are until a test accuracy of 94.37 (CIFAR-10) or 73.51 (CIFAR-100),"
        " and say seldom whether a search saw the mean or one seed, and whether the count is a mean"
        " or a median over runs."
    ),
    (
        "bananas: ours asks ten at a time, fits networks of three layers to the logarithm of the"
        " error and mutates by more than one step every second time; of White et al.'s BANANAS the"
        " count is of cells until a test accuracy."
    ),
    (
        "A prior is what a method knows before the first cell is counted; numbers with one stand"
        " apart from those without."
    ),
]


class OptimumJob(NamedTuple):
    """A run: a key of `DATA_SETS`, one of `POLICIES`, a strategy, the most cells that it may
    evaluate, its number.
    """

    dataset: str
    policy: str
    strategy: str
    cells: int
    run: int


class UntilOptimum(NamedTuple):
    """What one run found."""

    cells: int | None  # How many had been evaluated when the optimum was; None if it was not
    # Points of validation error, mean over seeds, between the answer after `GIVEN` cells and the
    # optimum
    regret: float


def queries(work: Work) -> PaperResult:
    """Search until the optimum is found: by default as many runs as `PLANS` says.

    Args:
        work: The folder, how many runs, and where.
    """
    jobs = [
        OptimumJob(dataset, policy, strategy, plan.cells, run)
        for strategy, plan in PLANS.items()
        for policy, dataset in product(POLICIES, DATA_SETS)
        for run in range(work.runs or plan.runs)
    ]
    named = {", ".join(map(str, job)): job for job in jobs}
    settings = {"objectives": [objective_of(*key).fingerprint for key in _problems()]}
    made = work.results(run_until_found, named, "runs.jsonl", settings)
    found: dict[tuple[str, str, str], list[UntilOptimum]] = {}
    for name, job in named.items():
        found.setdefault((job.dataset, job.policy, job.strategy), []).append(
            UntilOptimum(*made[name])
        )
    rows = [row for key in _problems() for row in _rows_of(*key, found)]
    rows += [told.row() for told in published("queries").values() if _is_other(told.method)]
    rows += _test_rows()
    title = (
        "Cells evaluated until the optimum of NAS-Bench-201 is among them (validation after 200"
        " epochs): medians"
    )
    drawn = {key: _counts(answers) for key, answers in found.items()}
    return work.result(
        title, rows, _NOTES, summary=_summary(rows), pictures={"queries.png": _drawn(drawn)}
    )


def _is_other(method: str) -> bool:
    """Whether it is not made here."""
    return method not in (_RANDOM, *PLANS)


def _problems() -> list[tuple[str, str]]:
    return [(dataset, policy) for policy, dataset in product(POLICIES, DATA_SETS)]


@cache
def objective_of(dataset: str, policy: str) -> Objective:
    """What is minimised on a data set."""
    return Objective(f"valid_error[{_EPOCHS}]", load(DATA_SETS[dataset]), seed_policy=policy)


@cache
def _errors(dataset: str) -> Values:
    """Validation errors by the mean over seeds, in %."""
    return load(DATA_SETS[dataset]).column("valid_error", _EPOCHS)


def run_until_found(job: OptimumJob) -> UntilOptimum:
    """Search until the optimum was evaluated; where seeds are drawn, until `GIVEN` cells at
    least.
    """
    errors = _errors(job.dataset)
    objective = objective_of(job.dataset, job.policy)
    optimum = errors.min()
    found: list[int] = []

    def watch(trials: Sequence[Trial]) -> bool:
        found.extend(trial.index + 1 for trial in trials if errors[trial.cell.index] == optimum)
        return bool(found) and (job.policy == "mean" or trials[-1].index + 1 >= GIVEN)

    run = search(
        objective.benchmark, job.strategy, objective, budget=job.cells, seed=job.run, callback=watch
    )
    answer = min(run.trials[:GIVEN], key=lambda trial: trial.score)
    return UntilOptimum(found[0] if found else None, float(errors[answer.cell.index] - optimum))


def _counts(found: Sequence[UntilOptimum]) -> Values:
    """Cells until the optimum, infinite where a run did not find it."""
    return np.array([np.inf if one.cells is None else one.cells for one in found], dtype=np.float64)


def _rows_of(
    dataset: str,
    policy: str,
    found: Mapping[tuple[str, str, str], Sequence[UntilOptimum]],
) -> Iterator[Row]:
    metric = f"cells_to_optimum{POLICIES[policy]}"
    size = len(listed(load(DATA_SETS[dataset]).space))
    beside = published("queries") if policy == "mean" else {}
    told = beside.get((_RANDOM, dataset, metric))
    yield Row(
        _RANDOM,
        dataset,
        metric,
        published=told and told.value,
        ours=(size + 1) / 2,
        evaluations=(size + 1) / 2,
        mark=told.mark if told else "D",
        verdict=f"every order of {size:,} cells is equally likely"
        + (f"; {told.note}" if told else ""),
    )
    for strategy, plan in PLANS.items():
        answers = found[dataset, policy, strategy]
        counts = _counts(answers)
        regrets = np.array([one.regret for one in answers])
        told = beside.get((strategy, dataset, metric))
        prior = f"with a prior ({_PRIORS[strategy]})" if strategy in _PRIORS else ""
        middle = float(np.median(counts))
        everywhere = bool(np.isfinite(counts).all())
        yield Row(
            strategy,
            dataset,
            metric,
            published=told and told.value,
            ours=middle if np.isfinite(middle) else None,
            evaluations=float(counts.mean()) if everywhere else None,
            runs=len(counts),
            mark=told.mark if told else "",
            verdict="; ".join(
                filter(None, (_quartiles(counts, plan.cells), prior, told.note if told else ""))
            ),
        )
        optimal = share(np.mean(regrets == 0))
        yield Row.over(
            strategy,
            dataset,
            f"regret@{GIVEN}{POLICIES[policy]}",
            regrets,
            evaluations=GIVEN,
            verdict=(
                f"points of validation error; the answer is the optimum in {optimal} of the runs"
            ),
        )


def _quartiles(counts: Values, most: int) -> str:
    """Quartiles, the ninth decile, and how many found it; what was not found lies above the
    most.
    """
    found = counts[np.isfinite(counts)]
    low, high, ninth = (
        (
            f"{value:,.0f}"
            if np.isfinite(value := np.quantile(counts, share, method="higher"))
            else f"> {most:,}"
        )
        for share in (0.25, 0.75, 0.9)
    )
    within = (
        f", at most {found.max():,.0f}" if len(found) == len(counts) else f" within {most:,} cells"
    )
    return (
        f"quartiles {low} to {high}, 90 % by {ninth}; found in {len(found)} of"
        f" {len(counts)}{within}"
    )


def _test_rows() -> Iterator[Row]:
    """What the optimum by validation tests, of the tables that hold it."""
    for dataset, bench in ((dataset, load(name)) for dataset, name in DATA_SETS.items()):
        if _TEST not in {metric.name for metric in bench.metrics}:
            continue
        accuracy = 100.0 - bench.column(_TEST, _EPOCHS)
        reached = float(accuracy[_errors(dataset).argmin()])
        behind = float(accuracy.max()) - reached
        yield Row(
            "optimum by validation",
            dataset,
            "test_accuracy",
            ours=reached,
            mark="D",
            verdict=(
                "also the best by test"
                if behind == 0
                else f"the best by test has {behind:.2f} more"
            ),
        )


def _summary(rows: Sequence[Row]) -> Summary:
    """A line a method; medians, published numbers as they are."""
    metrics = [f"cells_to_optimum{end}" for end in POLICIES.values()]
    held = {(row.method, row.dataset, row.metric): row for row in rows}
    heads = ("method", "prior", *DATA_SETS, *(f"{dataset}, drawn" for dataset in DATA_SETS))

    def text(method: str, dataset: str, metric: str) -> str:
        row = held.get((method, dataset, metric))
        if row is None:
            return "–"
        if row.runs and row.ours is None:
            return f"> {PLANS[method].cells:,}"
        mark = " (?)" if row.mark == "?" else ""
        return f"{row.published if row.ours is None else row.ours:,.0f}{mark}"

    methods = [(name, _PRIORS.get(name, "none")) for name in (_RANDOM, *PLANS)]
    methods += list(
        {
            m: _prior_of(told.note)
            for (m, *_), told in published("queries").items()
            if _is_other(m)
        }.items()
    )
    lines = [
        (
            f"{name}, published" if _is_other(name) else name,
            prior,
            *(text(name, dataset, metric) for metric, dataset in product(metrics, DATA_SETS)),
        )
        for name, prior in methods
    ]
    return Summary(heads, lines)


def _prior_of(note: str) -> str:
    return note.partition("(")[2].partition(")")[0] if note.startswith("with a prior") else "none"


def _drawn(counts: Mapping[tuple[str, str, str], Values]) -> Figure:
    """The share of runs that have found the optimum over cells; a column a data set, means above,
    drawn seeds below.
    """
    figure = canvas(4.2 * len(DATA_SETS), 7.2)
    grid = figure.subplots(2, len(DATA_SETS), squeeze=False, sharex=True, sharey=True)
    for line, (policy, seen) in zip(
        grid, {"mean": "mean of seeds", "draw": "one drawn seed"}.items(), strict=True
    ):
        for axes, dataset in zip(line, DATA_SETS, strict=True):
            for i, (strategy, plan) in enumerate(PLANS.items()):
                needed = np.sort(counts[dataset, policy, strategy])
                shares: Values = np.arange(len(needed) + 1) / len(needed)
                shares[np.isinf([0, *needed])] = np.nan
                axes.step(
                    np.minimum([needed[0], *needed], plan.cells),
                    shares,
                    where="post",
                    color=COLOURS[i % len(COLOURS)],
                    linestyle=STYLES[i // len(COLOURS)],
                    label=strategy,
                )
            axes.axhline(0.5, color="grey", linewidth=0.6)
            told = [
                (one.value, one.method)
                for one in published("queries").values()
                if policy == "mean" and _is_other(one.method) and one.dataset == dataset
            ]
            for i, (count, name) in enumerate(sorted(told, key=lambda item: item[0] or 0.0)):
                axes.plot(count, 0.5, "D", color="black", markersize=4)
                axes.annotate(
                    name,
                    (count, 0.48),
                    rotation=90,
                    ha="left" if i % 2 else "right",
                    va="top",
                    fontsize=7,
                )
            axes.set(
                xscale="log",
                xlim=(10, max(plan.cells for plan in PLANS.values())),
                ylim=(0, 1.02),
                title=f"{dataset}, {seen}",
            )
            axes.grid(alpha=0.3)
    figure.supxlabel(
        "evaluated cells (◆ published counts, drawn at one half; their conventions differ)"
    )
    figure.supylabel("share of runs that have evaluated the optimum")
    grid[-1, -1].legend(loc="upper left", fontsize=8)
    return figure
