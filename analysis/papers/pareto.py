"""Fronts of error against latency and energy: the hypervolume that strategies still miss.

The figure of merit of hardware-aware searches, such as Lu et al., "NSGANetV2: Evolutionary
Multi-Objective Surrogate-Assisted Neural Architecture Search", ECCV 2020, but against exact fronts:
NAS-Bench-201 has all cells, with the latency and energy of HW-NAS-Bench and of HELP's devices.
Frames are those of `surrogate_nas.runs.scale`; the missing share is recorded after every tenth
cell. Nothing is published on the same frames, so every row is ours alone.

A cost, a strategy and a run are one job; finished ones are stored in ``fronts.jsonl``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from analysis.papers.common.paper import PaperResult, Row, Summary, Work
from analysis.papers.common.pictures import Panel, in_rows, mean_curves, picture
from analysis.papers.common.ranks import Values
from surrogate_nas.benchmarks import load
from surrogate_nas.core.errors import UserError
from surrogate_nas.objective import Objective
from surrogate_nas.runs.options import Budget
from surrogate_nas.runs.runner import Experiment
from surrogate_nas.runs.scale import Frame, frame_of, vectors_of
from surrogate_nas.stats.summaries import paired_tests

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BENCH = "nb201-cifar10"
COSTS = (
    "latency@raspi4",
    "latency@edgegpu",
    "latency@pixel3",
    "latency@eyeriss",
    "latency@fpga",
    "latency@gold_6226",
    "energy@edgegpu",
    "energy@eyeriss",
)
"""Five devices of HW-NAS-Bench (its Edge TPU lacks 4,699 cells), one of HELP's, two energies."""
STRATEGIES = ("random", "evolution", "nsga2", "bo")
STEP = 10
_CELLS = 150
_REPORTED = (50, 100, 150)
_RUNS = 30
_SMALLEST = 1e-4
"""A smaller missing share counts as this one, since its logarithm has no lower bound."""
_NOTES = [
    (
        "Missing: the share of the exact front's hypervolume that a run leaves uncovered, in the"
        " frame between utopia and nadir of the front, to 1.1; log10 of every run, then the mean. A"
        " share below 1e-4 counts as 1e-4."
    ),
    (
        "Fenced: cells that cannot learn (error .90) lie on some fronts because they cost nothing,"
        " and bound no frame. Unfenced: the frame of the whole front, where one such cell and the"
        " cheapest others make most of the volume."
    ),
    (
        "All strategies of a run share ten random initial cells. random and evolution know one"
        " objective: they get random weights, drawn anew after every ten cells (ParEGO). nsga2 and"
        " bo see vectors; bo knows latency and energy of unseen cells for free, as every strategy"
        " could read them."
    ),
    "Validation error after 200 epochs, mean of seeds.",
]
MISSING = "log10_missing_hypervolume"
WIDE = "log10_missing_hypervolume_unfenced"
DISTANCE = "igd_plus"


class Coverage(NamedTuple):
    """What one run had covered after every tenth cell."""

    missing: list[float]  # The share of the front's hypervolume that it missed
    wide: list[
        float
    ]  # The same in the frame of the whole front, with the cells that cannot learn
    distance: list[float]  # IGD+ to the front


class _Problem(NamedTuple):
    objective: Objective
    frame: Frame
    wide: Frame


Runs = Mapping[str, Sequence[Coverage]]
"""By strategy the runs on one front."""


def pareto(work: Work) -> PaperResult:
    """Cover every front: 30 runs a front and strategy.

    Args:
        work: The folder, how many runs, and where.
    """
    n_runs = work.runs or _RUNS
    keys = [(cost, name) for cost in COSTS for name in STRATEGIES]
    settings = {"benchmark": load(_BENCH).fingerprint, "cells": _CELLS, "step": STEP}
    results = work.runs_of(cover, dict.fromkeys(keys, n_runs), "fronts.jsonl", settings)
    fronts: dict[str, dict[str, list[Coverage]]] = {}
    for (cost, name), runs in results.items():
        fronts.setdefault(cost, {})[name] = [Coverage(*run) for run in runs]
    rows = [row for cost, runs in fronts.items() for row in _rows(cost, runs)]
    return work.result(
        "Fronts of validation error against latency and energy: log10 of the missing hypervolume,"
        f" {_BENCH}",
        rows,
        _NOTES,
        summary=_summary(rows),
        pictures={"fronts.png": _picture(fronts)},
    )


@lru_cache(maxsize=len(COSTS))
def _problem(cost: str) -> _Problem:
    objective = Objective(f"valid_error, {cost}", load(_BENCH))
    frame = frame_of(objective, fenced=True)
    wide = frame_of(objective, fenced=False)
    assert frame is not None and wide is not None
    return _Problem(objective, frame, wide)


def cover(job: tuple[str, str, int]) -> Coverage:
    """Make one run.

    Args:
        job: A cost, a strategy, and the number of the run.
    """
    cost, strategy, number = job
    problem = _problem(cost)
    experiment = Experiment(problem.objective, [strategy], 1, Budget(_CELLS))
    run = experiment.one(experiment.entries[0], number)
    if run.failure:
        raise UserError(run.failure)
    vectors = [vectors_of(run.trials[:n]) for n in range(STEP, _CELLS + 1, STEP)]
    return Coverage(
        [problem.frame.missed(points) for points in vectors],
        [problem.wide.missed(points) for points in vectors],
        [distance(problem.frame, points) for points in vectors],
    )


def distance(frame: Frame, vectors: Values) -> float:
    """IGD+: how far, on average, feasible cells with scores of shape ``(n, m)`` fall short of a
    point of the front, in shares of the front's width.

    Ishibuchi et al., "Modified Distance Calculation in Generational Distance and Inverted
    Generational Distance", EMO 2015.
    """
    import moocore

    if not len(vectors):
        return float("inf")
    return float(
        moocore.igd_plus((vectors - frame.utopia) / frame.span, ref=frame.front)
    )


def logarithms(shares: Sequence[Sequence[float]]) -> Values:
    """log10 of missing shares, none below 1e-4, shape ``(runs, steps)``."""
    return np.asarray(np.log10(np.maximum(np.array(shares), _SMALLEST)))


def _picture(fronts: Mapping[str, Runs]) -> Figure:
    """What strategies miss of fronts over the cells evaluated, a panel a front."""
    n_columns = 4
    cells = np.arange(STEP, _CELLS + 1.0, STEP)
    panels = []
    for front, by_name in fronts.items():
        curves = {
            n: logarithms([run.missing for run in runs]) for n, runs in by_name.items()
        }
        panels.append(Panel(mean_curves(cells, curves), title=front))
    panels[0] = replace(panels[0], legend="lower left")
    rows = in_rows(panels, n_columns)
    return picture(
        rows,
        3.2 * n_columns,
        3.1 * len(rows),
        x_label="evaluated cells",
        y_label="log10 of the missing share of hypervolume",
        shared=True,
    )


def _rows(cost: str, runs: Runs) -> Iterator[Row]:
    columns = {}
    for name, own in runs.items():
        columns[name] = {
            MISSING: logarithms([run.missing for run in own]),
            WIDE: logarithms([run.wide for run in own]),
            DISTANCE: np.array([run.distance for run in own]),
        }
    reported = [(metric, n) for metric in (MISSING, WIDE) for n in _REPORTED]
    reported.append((DISTANCE, _CELLS))
    for name in columns:
        for metric, n_cells in reported:
            step = n_cells // STEP - 1
            values = {other: columns[other][metric][:, step] for other in columns}
            yield Row.over(
                name,
                f"valid_error, {cost}",
                metric,
                values[name],
                evaluations=n_cells,
                verdict=_verdict(name, values),
                mark="D",
            )


def _verdict(name: str, values: Mapping[str, Values]) -> str:
    """How bo compares with nsga2 over the same runs."""
    if name != "bo":
        return ""
    (test,) = paired_tests({"bo": values["bo"], "nsga2": values["nsga2"]})
    difference = values["bo"].mean() - values["nsga2"].mean()
    return f"{difference:+.2f} from nsga2 (Wilcoxon, p = {test.p:.2g})"


def _summary(rows: Sequence[Row]) -> Summary:
    by_key = {
        (row.method, row.dataset, row.metric, row.evaluations): row for row in rows
    }
    wide_names = STRATEGIES[-2:]
    heads = ["front", *(f"{name} @{_CELLS}" for name in STRATEGIES), "bo − nsga2"]
    heads += [f"{name} @{_CELLS}, unfenced" for name in wide_names]
    lines = []
    for front in dict.fromkeys(row.dataset for row in rows):
        own = {name: by_key[name, front, MISSING, _CELLS] for name in STRATEGIES}
        difference = (own["bo"].ours or 0.0) - (own["nsga2"].ours or 0.0)
        line = [front, *(row.ours_text for row in own.values()), f"{difference:+.2f}"]
        line += [by_key[name, front, WIDE, _CELLS].ours_text for name in wide_names]
        lines.append(tuple(line))
    return Summary(tuple(heads), lines)
