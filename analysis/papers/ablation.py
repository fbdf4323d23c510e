"""What each part of `bo` is worth: cells until the optimum, with one part replaced at a time.

White, Neiswanger, Nolen & Savani, "A Study on Encodings for Neural Architecture Search", NeurIPS
2020, take strategies apart in the same way. Nothing is published on the same problems, so every row
is ours alone. Runs are paired: those of one number begin with the same ten random cells. Their
numbers appear in no other study of the project.

A problem, a strategy and a run are one job; finished ones are stored in ``runs.jsonl``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from analysis.papers.common.paper import PaperResult, Row, Summary, Work, joined
from analysis.papers.common.pictures import COLOURS, Level, Panel, Series, picture
from analysis.papers.common.ranks import Values
from surrogate_nas import Event, search
from surrogate_nas.benchmarks import load
from surrogate_nas.core.numbers import ROUNDING
from surrogate_nas.objective import Objective
from surrogate_nas.runs.problem import bind
from surrogate_nas.space import Space
from surrogate_nas.strategies import StrategyEntry, strategy_entry
from surrogate_nas.strategies.bo.pool import Pool
from surrogate_nas.strategies.bo.strategy import BayesianOptimisation, sharpened
from surrogate_nas.strategies.guided import (
    ACQUISITIONS,
    POOLS,
    LossPosterior,
    logarithm_of,
)
from surrogate_nas.surrogates.base import Model, make_model
from surrogate_nas.surrogates.gaussian import Places, Posterior

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROBLEMS = ("nb201-cifar10", "nb201-imagenet16", "fashion")
"""Benchmarks, each with its default objective."""
BASE = "bo"
HIDDEN = "bo(uses_free=False)"
PARTS: dict[str, str] = {
    "bo(model=gp)": "model: gp",
    "bo(pool=neighbours)": "among neighbours of the best",
    "bo(pool=mutations)": "among mutations of the ten best",
    "bo(acquisition=confidence_bound)": "confidence bound",
    "bo(acquisition=thompson)": "Thompson sampling",
    "bo(acquisition=expected_improvement)": "expected improvement alone",
    HIDDEN: "R withheld",
}
"""The strategies with one part replaced, and their names in the figure."""
_ALL = "all"
_METRIC = "cells_to_optimum"
_RUNS = 20
_CELLS = 150
_FIRST = 20_261_128
_Z95 = 1.96
_NOTES = [
    (
        f"{_METRIC}: evaluated cells until the optimum is among them, ten shared random cells"
        f" included; {_CELLS + 1} where it was not among {_CELLS} cells. Means are over runs, then"
        " over problems."
    ),
    (
        "± is half of a 95 % interval of the mean difference over paired runs, for each part by"
        f" itself: of {len(PARTS)} such intervals at least one misses the true difference in three"
        " of ten studies."
    ),
    (
        "R is part of the objective of fashion alone. Where nothing is known for free, bo does not"
        " pool observations of isomorphic cells either, since their costs may differ: that is the"
        f" only effect of {HIDDEN} on the other two."
    ),
]


class Exchanged(BayesianOptimisation):
    """`bo` with a part replaced.

    Args:
        model: A key of `surrogate_nas.surrogates.MODELS` in the place of its own processes, fitted
            anew when a tenth of the observed cells is new to it.
        acquisition: A key of `surrogate_nas.strategies.guided.ACQUISITIONS` for every question.
        pool: A key of `surrogate_nas.strategies.guided.POOLS`: among which cells one is chosen;
            where none of them is new, among all.
    """

    def __init__(
        self,
        space: Space,
        *,
        seed: int,
        model: str = "",
        acquisition: str = "",
        pool: str = "",
    ) -> None:
        super().__init__(space, seed=seed)
        self.model = model
        self.acquisition = acquisition
        self.pool = pool
        self.seed = seed % 2**32
        self._fitted: tuple[Model, float, int] | None = None

    def rule(self) -> str:
        return self.acquisition or super().rule()

    def among(self, pool: Any, rule: str) -> Places | None:
        if rule == "near" or not self.pool:
            return super().among(pool, rule)
        return pool.places(POOLS[self.pool](self.space, self.ranked(), self.rng))

    def believed(
        self,
        pool: Pool,
        part: int,
        looked: Places,
        values: Values,
        ends: Sequence[tuple[float, float]],
    ) -> list[tuple[float, Posterior]]:
        if not self.model:
            return super().believed(pool, part, looked, values, ends)
        fitted, cells = self._fitted, pool.cells
        if not fitted or len(values) >= 1.1 * fitted[2] or values.min() <= fitted[1]:
            pole, _ = sharpened(values, *ends[0])
            model = make_model(self.model, seed=self.seed)
            told = [cells[place] for place in pool.observed.tolist()]
            model.fit(told, values - pole, self.space)
            fitted = self._fitted = model, pole, len(values)
        model, pole, _ = fitted
        asked = [cells[place] for place in looked.tolist()]
        mean, std = logarithm_of(model.predict(asked, by_region=False))
        return [(pole, Posterior(mean, std**2))]

    def gains(
        self,
        believed: Sequence[tuple[float, Posterior]],
        penalty: Values,
        best: float,
        rule: str,
    ) -> Values:
        if rule not in ("thompson", "confidence_bound"):
            return super().gains(believed, penalty, best, rule)
        if rule == "thompson":  # a draw is of one expert
            believed = [believed[int(self.rng.integers(len(believed)))]]
        scores = [
            ACQUISITIONS[rule](
                LossPosterior(seen.mean, np.sqrt(seen.variance), penalty, pole, best),
                self.rng,
            )
            for pole, seen in believed
        ]
        return -np.mean(scores, axis=0)


@cache
def _strategy(name: str) -> StrategyEntry | str:
    """A strategy by its name in `PARTS`, as trusted as `bo` itself."""
    named = strategy_entry(name)
    if not named.options or name == HIDDEN:
        return BASE
    entry = strategy_entry(f"{__file__}:Exchanged")
    target, options = entry.load(), named.options
    return replace(entry, origin="built-in", target=target, options=options, label=name)


class _Difference(NamedTuple):
    """A mean difference of paired runs, and half of its 95 % interval."""

    mean: float
    half: float

    @property
    def text(self) -> str:
        """In words."""
        verdict = "no significant difference"
        if abs(self.mean) > self.half:
            verdict = f"needs {'more' if self.mean > 0 else 'fewer'} cells"
        return f"{self.mean:+.1f} ± {self.half:.1f} cells from {BASE}: {verdict}"


Needed = Mapping[str, Sequence[Values]]
"""By strategy, for every problem the cells that each run needed, shape ``(runs,)``."""


def ablation(work: Work) -> PaperResult:
    """Exchange one part after another: 20 runs a problem and strategy.

    Args:
        work: The folder, how many runs, and where.
    """
    strategies = (BASE, *PARTS)
    n_runs = work.runs or _RUNS
    keys = [(benchmark, strategy) for benchmark in PROBLEMS for strategy in strategies]
    settings = {
        "objectives": [_objective(name).fingerprint for name in PROBLEMS],
        "first": _FIRST,
        "cells": _CELLS,
    }
    results = work.runs_of(
        until_optimum, dict.fromkeys(keys, n_runs), "runs.jsonl", settings
    )
    needed = {}
    for strategy in strategies:
        needed[strategy] = [
            np.array(results[name, strategy], float) for name in PROBLEMS
        ]
    rows = [row for strategy in strategies for row in _rows(strategy, needed)]
    return work.result(
        f"Cells until the optimum, with one part of {BASE} replaced",
        rows,
        _NOTES,
        summary=_summary(needed),
        pictures={"ablation.png": _picture(needed)},
    )


@cache
def _objective(benchmark: str) -> Objective:
    return bind(load(benchmark), None, None)


def until_optimum(job: tuple[str, str, int]) -> int:
    """How many cells a run evaluates until the optimum is among them; one more than all if never.

    Args:
        job: A benchmark, a strategy, and the number of the run.
    """
    benchmark, strategy, run = job
    objective = _objective(benchmark)
    optimum = objective.optimum()
    assert optimum is not None
    threshold = optimum + ROUNDING * max(abs(optimum), 1.0)
    hits: list[int] = []

    def watch(event: Event) -> None:
        for trial in event.trials:
            if trial.feasible and trial.score <= threshold:
                hits.append(trial.index + 1)
                event.stop()

    search(
        objective.benchmark,
        _strategy(strategy),
        objective,
        hidden=strategy == HIDDEN,
        budget=_CELLS,
        run=_FIRST + run,
        callback=watch,
    )
    return min(hits, default=_CELLS + 1)


def difference_of(other: Sequence[Values], base: Sequence[Values]) -> _Difference:
    """The mean over problems of the mean differences of paired runs.

    Args:
        other: For every problem the cells that each run needed, shape ``(runs,)``.
        base: The same of the strategy that it is compared with.
    """
    differences = [a - b for a, b in zip(other, base, strict=True)]
    variance = 0.0
    for values in differences:
        variance += (
            float(values.var(ddof=1)) / len(values) if len(values) > 1 else np.inf
        )
    mean = float(np.mean([values.mean() for values in differences]))
    return _Difference(mean, _Z95 * float(np.sqrt(variance)) / len(differences))


def _mean(runs: Sequence[Values]) -> float:
    """Over runs, then over problems."""
    return float(np.mean([values.mean() for values in runs]))


def _difference_text(
    strategy: str, other: Sequence[Values], base: Sequence[Values]
) -> str:
    return "" if strategy == BASE else difference_of(other, base).text


def _rows(strategy: str, needed: Needed) -> Iterator[Row]:
    own = needed[strategy]
    for name, values, base in zip(PROBLEMS, own, needed[BASE], strict=True):
        missed = int((values > _CELLS).sum())
        missed_text = f"not found in {missed} of {len(values)}" if missed else ""
        yield Row.over(
            strategy,
            name,
            _METRIC,
            values,
            evaluations=float(values.mean()),
            verdict=joined(_difference_text(strategy, [values], [base]), missed_text),
        )
    yield Row(
        strategy,
        _ALL,
        _METRIC,
        ours=_mean(own),
        runs=sum(map(len, own)),
        verdict=_difference_text(strategy, own, needed[BASE]),
    )


def _summary(needed: Needed) -> Summary:
    """A line a strategy, means of cells."""
    lines = []
    for strategy, runs in needed.items():
        means = [float(values.mean()) for values in runs]
        texts = [f"{mean:.1f}" for mean in (*means, _mean(runs))]
        lines.append((strategy, *texts, _difference_text(strategy, runs, needed[BASE])))
    return Summary(("strategy", *PROBLEMS, _ALL, "difference"), lines)


def _picture(needed: Needed) -> Figure:
    """Differences over paired runs, a row a part; the part that costs most at the top."""
    differences = {name: difference_of(needed[name], needed[BASE]) for name in PARTS}
    order = sorted(PARTS, key=lambda name: differences[name].mean)
    halves = np.array([differences[name].half for name in order])
    series = Series(
        [differences[name].mean for name in order],
        range(len(order)),
        x_error=np.where(np.isfinite(halves), halves, 0.0),
        style={"color": COLOURS[0], "marker": "o", "linestyle": "none"},
    )
    base = _mean(needed[BASE])
    panel = Panel(
        [series, Level(0.0, upright=True)],
        grid="x",
        axes={
            "xlabel": f"cells more than {BASE}, which needs {base:.1f}: mean and 95 % interval",
            "ylabel": "replaced part of bo",
            "yticks": range(len(order)),
            "yticklabels": [PARTS[name] for name in order],
        },
    )
    return picture([[panel]], 7.6, 0.42 * len(PARTS) + 1.1)
