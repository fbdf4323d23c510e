"""What each part of `bo` is worth: one part exchanged at a time, and the cells that are then needed
until the optimum.

White, Neiswanger, Nolen & Savani, "A Study on Encodings for Neural Architecture Search", NeurIPS
2020, take strategies apart in the same way. Nothing is published on the same problems, so every row
is ours alone. Runs are paired: those of one number begin with the same ten random cells. Numbers
begin where no other study of the project has any.

A problem, a strategy and a run are one job; finished ones are kept in ``runs.jsonl``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from surrogate_nas.benchmarks import load
from surrogate_nas.core.levels import ROUNDING
from surrogate_nas.objective import Objective
from surrogate_nas.papers.common.paper import COLOURS, PaperResult, Row, Summary, Work, canvas
from surrogate_nas.papers.common.ranks import Values
from surrogate_nas.space.trial import Trial
from surrogate_nas.study.api import search
from surrogate_nas.study.problem import bind

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROBLEMS = ("nb201-cifar10", "nb201-imagenet16", "fashion")
"""Benchmarks, each with its default objective."""
BASE = "bo"
PARTS: dict[str, str] = {
    "bo(model=gp)": "model: gp",
    "bo(pool=neighbours)": "among neighbours of the best",
    "bo(pool=mutations)": "among mutations of the ten best",
    "bo(acquisition=confidence_bound)": "confidence bound",
    "bo(acquisition=thompson)": "Thompson sampling",
    "bo(acquisition=expected_improvement)": "expected improvement alone",
    "bo(uses_known=False)": "R not known",
}
"""What is exchanged, with how the figure names it."""
_ALL = "all"
_METRIC = "cells_to_optimum"
_RUNS = 20
_CELLS = 150
_FIRST = 20_261_128
_Z95 = 1.96
_NOTES = [
    (
        f"{_METRIC}: evaluated cells until the optimum is among them, ten shared random cells"
        f" included; {_CELLS + 1} where {_CELLS} cells did not hold it. The means are over runs,"
        " then over problems."
    ),
    (
        "± is half of a 95 % interval of the mean difference over paired runs, for each part by"
        f" itself: of {len(PARTS)} such intervals at least one misses the true difference in three"
        " of ten studies."
    ),
    (
        "R is part of the objective of fashion alone. Where nothing is known for free, bo does not"
        " let isomorphic cells share what is learned of them either, since what they cost may"
        " differ: that is all that bo(uses_known=False) lacks on the other two."
    ),
]


class _Job(NamedTuple):
    """A run: a benchmark, a strategy, the number of the run."""

    benchmark: str
    strategy: str
    run: int


class _Difference(NamedTuple):
    """A mean difference of paired runs, and half of its 95 % interval."""

    mean: float
    half: float

    @property
    def text(self) -> str:
        """In words."""
        sign = "more" if self.mean > 0 else "fewer"
        told = f"needs {sign} cells" if abs(self.mean) > self.half else "not told apart"
        return f"{self.mean:+.1f} ± {self.half:.1f} cells from {BASE}: {told}"


def ablation(work: Work) -> PaperResult:
    """Exchange one part after another: 20 runs a problem and strategy.

    Args:
        work: The folder, how many runs, and where.
    """
    runs = range(work.runs or _RUNS)
    named = {
        f"{benchmark} | {strategy} | {run}": _Job(benchmark, strategy, run)
        for run, benchmark, strategy in product(runs, PROBLEMS, (BASE, *PARTS))
    }
    settings = {
        "objectives": [_objective(name).fingerprint for name in PROBLEMS],
        "first": _FIRST,
        "cells": _CELLS,
    }
    done = work.results(until_optimum, named, "runs.jsonl", settings)
    found = {
        strategy: [
            np.array([done[f"{name} | {strategy} | {run}"] for run in runs], float)
            for name in PROBLEMS
        ]
        for strategy in (BASE, *PARTS)
    }
    rows = [row for strategy in found for row in _rows(strategy, found)]
    title = f"Cells until the optimum, by what of {BASE} is exchanged"
    return work.result(
        title, rows, _NOTES, summary=_summary(found), pictures={"ablation.png": _drawn(found)}
    )


@cache
def _objective(benchmark: str) -> Objective:
    return bind(load(benchmark), None, None)


def until_optimum(job: _Job) -> int:
    """How many cells a run evaluates until the optimum is among them; one more than all where it is
    not.
    """
    objective = _objective(job.benchmark)
    found = [_CELLS + 1]
    optimum = objective.optimum()
    assert optimum is not None
    enough = optimum + ROUNDING * max(abs(optimum), 1.0)

    def watch(trials: Sequence[Trial]) -> bool:
        hits = [trial.index + 1 for trial in trials if trial.feasible and trial.score <= enough]
        found[0] = min([found[0], *hits])
        return bool(hits)

    search(
        objective.benchmark,
        job.strategy,
        objective,
        budget=_CELLS,
        seed=_FIRST + job.run,
        callback=watch,
    )
    return found[0]


def difference_of(other: Sequence[Values], base: Sequence[Values]) -> _Difference:
    """The mean over problems of the mean differences of paired runs.

    Args:
        other: Of every problem what each run needed, shape ``(runs,)``.
        base: The same of the strategy that it is compared with.
    """
    apart = [a - b for a, b in zip(other, base, strict=True)]
    variance = sum(
        float(each.var(ddof=1)) / len(each) if len(each) > 1 else np.inf for each in apart
    )
    mean = float(np.mean([each.mean() for each in apart]))
    return _Difference(mean, _Z95 * float(np.sqrt(variance)) / len(apart))


def _rows(strategy: str, found: Mapping[str, Sequence[Values]]) -> Iterator[Row]:
    for at, name in enumerate(PROBLEMS):
        mine = found[strategy][at]
        base = found[BASE][at]
        told = "" if strategy == BASE else difference_of([mine], [base]).text
        missed = int((mine > _CELLS).sum())
        verdict = "; ".join(
            filter(None, (told, f"not found in {missed} of {len(mine)}" if missed else ""))
        )
        yield Row.over(
            strategy, name, _METRIC, mine, evaluations=float(mine.mean()), verdict=verdict
        )
    mean = float(np.mean([each.mean() for each in found[strategy]]))
    told = "" if strategy == BASE else difference_of(found[strategy], found[BASE]).text
    yield Row(strategy, _ALL, _METRIC, ours=mean, runs=sum(map(len, found[strategy])), verdict=told)


def _summary(found: Mapping[str, Sequence[Values]]) -> Summary:
    """A line a strategy, means of cells."""
    lines = []
    for strategy, runs in found.items():
        means = [float(each.mean()) for each in runs]
        told = "" if strategy == BASE else difference_of(runs, found[BASE]).text
        lines.append((strategy, *(f"{mean:.1f}" for mean in (*means, float(np.mean(means)))), told))
    return Summary(("strategy", *PROBLEMS, _ALL, "difference"), lines)


def _drawn(found: Mapping[str, Sequence[Values]]) -> Figure:
    """The difference to the whole over paired runs, a row a part, the dearest above."""
    differences = {strategy: difference_of(found[strategy], found[BASE]) for strategy in PARTS}
    order = sorted(PARTS, key=lambda strategy: differences[strategy].mean)
    base = float(np.mean([each.mean() for each in found[BASE]]))
    figure = canvas(7.6, 0.42 * len(PARTS) + 1.1)
    axes = figure.add_subplot()
    for place, strategy in enumerate(order):
        mean, half = differences[strategy]
        axes.errorbar(
            mean,
            place,
            xerr=half if np.isfinite(half) else None,
            fmt="o",
            color=COLOURS[0],
            capsize=4,
        )
    axes.axvline(0.0, color="grey", linewidth=0.8)
    axes.set_yticks(range(len(order)), [PARTS[strategy] for strategy in order])
    axes.set_xlabel(f"cells more than {BASE}, which needs {base:.1f}: mean and 95 % interval")
    axes.grid(axis="x", alpha=0.3)
    return figure
