"""Fronts of error against latency and energy: how fast strategies cover them, in the hypervolume that they still miss.

The figure of merit of hardware-aware searches, such as Lu et al., "NSGANetV2: Evolutionary Multi-Objective
Surrogate-Assisted Neural Architecture Search", ECCV 2020, but against exact fronts: NAS-Bench-201 holds all cells, with
the latency and energy of HW-NAS-Bench and of HELP's devices. Frames are those of
`surrogate_nas.study.comparison.front`; what is missed is noted after every tenth cell. Nothing is published on the same
frames, so every row is ours alone.

An objective, a strategy and a run are one job; finished ones are kept in ``fronts.jsonl``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from surrogate_nas.benchmarks import load
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.version import __version__
from surrogate_nas.objective import Objective
from surrogate_nas.papers.jobs import results_of
from surrogate_nas.papers.pictures import COLOURS, save
from surrogate_nas.papers.ranks import Values
from surrogate_nas.papers.rows import PaperResult, Row, Summary
from surrogate_nas.study.comparison.front import Frame, frame_of, vectors_of
from surrogate_nas.study.comparison.statistics import interval, paired_tests
from surrogate_nas.study.experiment import Budget, Experiment, Progress
from surrogate_nas.study.run import execute_run

_BENCH = "nb201-cifar10"
COSTS = (
    "latency@raspi4", "latency@edgegpu", "latency@pixel3", "latency@eyeriss", "latency@fpga", "latency@gold_6226",
    "energy@edgegpu", "energy@eyeriss",
)  # fmt: skip
"""The five devices of HW-NAS-Bench that hold all cells (its Edge TPU lacks 4,699), a sixth of HELP's, two energies."""
STRATEGIES = ("random", "evolution", "nsga2", "bo")
STEP, _CELLS = 10, 150
_NOTED = (50, 100, 150)
_RUNS = 30
_STYLES = ("-", "--", "-.", ":")
_ALL_FOUND = 1e-4
"""Below this share what is missed counts as so much, since a logarithm must end somewhere."""
MISSING, WIDE, DISTANCE = "log10_missing_hypervolume", "log10_missing_hypervolume_unfenced", "igd_plus"


class Covered(NamedTuple):
    """What one run had covered after every tenth cell.

    Attributes:
        missing: The share of the front's hypervolume that it missed.
        wide: The same in the frame of the whole front, with the cells that cannot learn.
        distance: IGD+ to the front.
    """

    missing: list[float]
    wide: list[float]
    distance: list[float]


class _Problem(NamedTuple):
    objective: Objective
    frame: Frame
    wide: Frame


def pareto(
    *, runs: int | None, workers: int | None, engine: str, folder: Path, progress: Progress | None
) -> PaperResult:
    """Cover every front; may be interrupted and called again.

    Args:
        runs: Per front and strategy; 30 if None.
        workers: How many jobs at once, or None.
        engine: Where: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a colon its place.
        folder: Where the picture and the finished runs go.
        progress: Called with (runs done, runs in all).

    Raises:
        UserError: The table is not here, a strategy failed, or the folder cannot be written.
    """
    started = time.perf_counter()
    wanted = runs or _RUNS
    jobs = {f"{cost} | {name} | {run}": (cost, name, run) for run in range(wanted) for cost in COSTS
            for name in STRATEGIES}  # fmt: skip
    settings = {"version": __version__, "benchmark": load(_BENCH).fingerprint, "cells": _CELLS, "step": STEP}
    done = results_of(cover, jobs, folder / "fronts.jsonl", settings, workers=workers, engine=engine, progress=progress)
    found = {
        cost: {name: [Covered(*done[f"{cost} | {name} | {run}"]) for run in range(wanted)] for name in STRATEGIES}
        for cost in COSTS
    }
    rows = [row for cost in COSTS for row in _rows(cost, found[cost])]
    curves = {cost: {name: logarithms([run.missing for run in made]) for name, made in by_name.items()}
              for cost, by_name in found.items()}  # fmt: skip
    _draw(curves, folder / "fronts.png")
    return PaperResult(
        f"Fronts of validation error against latency and energy: log10 of the missing hypervolume, {_BENCH}", rows,
        time.perf_counter() - started, _notes(), _summary(rows),
    )  # fmt: skip


@lru_cache(maxsize=len(COSTS))
def _problem(cost: str) -> _Problem:
    objective = Objective(f"valid_error, {cost}", load(_BENCH))
    frames = [frame_of(objective, fenced=fenced) for fenced in (True, False)]
    assert frames[0] is not None and frames[1] is not None
    return _Problem(objective, frames[0], frames[1])


def cover(job: tuple[str, str, int]) -> Covered:
    """One run, and what it had covered after every tenth cell.

    Args:
        job: The metric beside the error, the strategy, and the number of the run.

    Raises:
        UserError: The strategy failed.
    """
    cost, strategy, number = job
    problem = _problem(cost)
    run = execute_run(Experiment(problem.objective, [strategy], 1, Budget(_CELLS)), strategy, number)
    if run.failure:
        raise UserError(run.failure)
    seen = [vectors_of(run.trials[:n]) for n in range(STEP, _CELLS + 1, STEP)]
    return Covered(
        [problem.frame.missed(each) for each in seen],
        [problem.wide.missed(each) for each in seen],
        [problem.frame.distance(each) for each in seen],
    )


def logarithms(shares: Sequence[Sequence[float]]) -> Values:
    """log10 of what runs missed, a share below 1e-4 counted as that, shape ``(runs, steps)``.

    Args:
        shares: Of every run, by step.
    """
    return np.asarray(np.log10(np.maximum(np.array(shares), _ALL_FOUND)))


def _draw(curves: Mapping[str, Mapping[str, Values]], path: Path) -> None:
    """What strategies miss of fronts over the cells evaluated, a panel a front; mean and 95 % interval.

    Args:
        curves: By front and strategy log10 of the missing hypervolume, shape ``(runs, steps)``.
        path: The PNG.
    """
    columns, cells = 4, np.arange(STEP, _CELLS + 1, STEP)
    figure = Figure(figsize=(3.2 * columns, 3.1 * -(-len(curves) // columns)), layout="constrained")
    panels = figure.subplots(-(-len(curves) // columns), columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, (front, by_name) in zip(panels, curves.items(), strict=False):
        for (name, samples), colour, style in zip(by_name.items(), COLOURS, _STYLES, strict=False):
            low, high = interval(samples)
            axes.plot(cells, samples.mean(axis=0), linestyle=style, color=colour, label=name)
            axes.fill_between(cells, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.set_title(front, fontsize=10)
        axes.grid(alpha=0.3)
    for axes in panels[len(curves) :]:
        axes.set_visible(False)
    panels[0].legend(loc="lower left", fontsize=8)
    figure.supxlabel("evaluated cells")
    figure.supylabel("log10 of the missing share of hypervolume")
    save(figure, path)


def _rows(cost: str, found: Mapping[str, Sequence[Covered]]) -> Iterator[Row]:
    measured = {name: {
        MISSING: logarithms([run.missing for run in made]), WIDE: logarithms([run.wide for run in made]),
        DISTANCE: np.array([run.distance for run in made]),
    } for name, made in found.items()}  # fmt: skip
    for name in measured:
        for metric, cells in [*((MISSING, n) for n in _NOTED), *((WIDE, n) for n in _NOTED), (DISTANCE, _CELLS)]:
            at = {other: measured[other][metric][:, cells // STEP - 1] for other in measured}
            spread = float(at[name].std(ddof=1)) if len(at[name]) > 1 else None
            yield Row(name, f"valid_error, {cost}", metric, ours=float(at[name].mean()), ours_std=spread,
                      evaluations=cells, runs=len(at[name]), verdict=_verdict(name, at), mark="D")  # fmt: skip


def _verdict(name: str, at: Mapping[str, Values]) -> str:
    """How the first of our own compares with the evolution of fronts, over the same runs."""
    if name != "bo":
        return ""
    (test,) = paired_tests({"bo": at["bo"], "nsga2": at["nsga2"]})
    return f"{at['bo'].mean() - at['nsga2'].mean():+.2f} from nsga2 (Wilcoxon, p = {test.p:.2g})"


def _summary(rows: Sequence[Row]) -> Summary:
    held = {(row.method, row.dataset, row.metric, row.evaluations): row for row in rows}
    heads = ("front", *(f"{name} @{_CELLS}" for name in STRATEGIES), "bo − nsga2",
             *(f"{name} @{_CELLS}, unfenced" for name in STRATEGIES[-2:]))  # fmt: skip
    lines = []
    for front in dict.fromkeys(row.dataset for row in rows):
        ours = {name: held[name, front, MISSING, _CELLS] for name in STRATEGIES}
        apart = (ours["bo"].ours or 0.0) - (ours["nsga2"].ours or 0.0)
        wide = (held[name, front, WIDE, _CELLS].ours_text for name in STRATEGIES[-2:])
        lines.append((front, *(row.ours_text for row in ours.values()), f"{apart:+.2f}", *wide))
    return Summary(heads, lines)


def _notes() -> list[str]:
    return [
        "Missing: the share of the exact front's hypervolume that a run leaves uncovered, in the frame between utopia "
        "and nadir of the front, to 1.1; log10 of every run, then the mean. A share below 1e-4 counts as 1e-4.",
        "Fenced: cells that cannot learn (error .90) lie on some fronts for costing nothing and bound no frame; "
        "unfenced: the frame of the whole front, where one such cell and the cheapest others make most of the volume.",
        "All strategies of a run share ten random first cells. random and evolution are made for one objective: "
        "random weights, drawn anew after every ten cells (ParEGO); nsga2 and bo see vectors, and bo is told latency "
        "and energy of unseen cells for free, as every strategy could read them.",
        "Validation error after 200 epochs, mean of seeds.",
    ]
