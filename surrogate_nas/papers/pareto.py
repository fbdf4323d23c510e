"""Fronts of error against latency and energy: how fast strategies cover them, in the hypervolume
that they still miss.

The figure of merit of hardware-aware searches, such as Lu et al., "NSGANetV2: Evolutionary
Multi-Objective Surrogate-Assisted Neural Architecture Search", ECCV 2020, but against exact fronts:
NAS-Bench-201 holds all cells, with the latency and energy of HW-NAS-Bench and of HELP's devices.
Frames are those of `surrogate_nas.study.scale`; what is missed is noted after every tenth cell.
Nothing is published on the same frames, so every row is ours alone.

An objective, a strategy and a run are one job; finished ones are kept in ``fronts.jsonl``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from surrogate_nas.benchmarks import load
from surrogate_nas.core.errors import UserError
from surrogate_nas.objective import Objective
from surrogate_nas.papers.common.paper import PaperResult, Row, Summary, Work, canvas, draw_curves
from surrogate_nas.papers.common.ranks import Values
from surrogate_nas.study.options import Budget
from surrogate_nas.study.runner import Experiment
from surrogate_nas.study.scale import Frame, frame_of, vectors_of
from surrogate_nas.study.statistics import paired_tests

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
"""The five devices of HW-NAS-Bench that hold all cells (its Edge TPU lacks 4,699), a sixth of
HELP's, two energies.
"""
STRATEGIES = ("random", "evolution", "nsga2", "bo")
STEP = 10
_CELLS = 150
_NOTED = (50, 100, 150)
_RUNS = 30
_ALL_FOUND = 1e-4
"""Below this share what is missed counts as so much, since a logarithm must end somewhere."""
_NOTES = [
    (
        "Missing: the share of the exact front's hypervolume that a run leaves uncovered, in the"
        " frame between utopia and nadir of the front, to 1.1; log10 of every run, then the mean. A"
        " share below 1e-4 counts as 1e-4."
    ),
    (
        "Fenced: cells that cannot learn (error .90) lie on some fronts for costing nothing and"
        " bound no frame; unfenced: the frame of the whole front, where one such cell and the"
        " cheapest others make most of the volume."
    ),
    (
        "All strategies of a run share ten random first cells. random and evolution are made for"
        " one objective: random weights, drawn anew after every ten cells (ParEGO); nsga2 and bo"
        " see vectors, and bo is told latency and energy of unseen cells for free, as every"
        " strategy could read them."
    ),
    "Validation error after 200 epochs, mean of seeds.",
]
MISSING = "log10_missing_hypervolume"
WIDE = "log10_missing_hypervolume_unfenced"
DISTANCE = "igd_plus"


class Covered(NamedTuple):
    """What one run had covered after every tenth cell."""

    missing: list[float]  # The share of the front's hypervolume that it missed
    wide: list[float]  # The same in the frame of the whole front, with the cells that cannot learn
    distance: list[float]  # IGD+ to the front


class _Problem(NamedTuple):
    objective: Objective
    frame: Frame
    wide: Frame


def pareto(work: Work) -> PaperResult:
    """Cover every front: 30 runs a front and strategy.

    Args:
        work: The folder, how many runs, and where.
    """
    runs = range(work.runs or _RUNS)
    jobs = {
        f"{cost} | {name} | {run}": (cost, name, run)
        for run in runs
        for cost in COSTS
        for name in STRATEGIES
    }
    settings = {"benchmark": load(_BENCH).fingerprint, "cells": _CELLS, "step": STEP}
    done = work.results(cover, jobs, "fronts.jsonl", settings)
    found = {
        cost: {
            name: [Covered(*done[f"{cost} | {name} | {run}"]) for run in runs]
            for name in STRATEGIES
        }
        for cost in COSTS
    }
    rows = [row for cost in COSTS for row in _rows(cost, found[cost])]
    title = (
        "Fronts of validation error against latency and energy: log10 of the missing hypervolume,"
        f" {_BENCH}"
    )
    return work.result(
        title, rows, _NOTES, summary=_summary(rows), pictures={"fronts.png": _drawn(found)}
    )


@lru_cache(maxsize=len(COSTS))
def _problem(cost: str) -> _Problem:
    objective = Objective(f"valid_error, {cost}", load(_BENCH))
    frames = [frame_of(objective, fenced=fenced) for fenced in (True, False)]
    assert frames[0] is not None and frames[1] is not None
    return _Problem(objective, frames[0], frames[1])


def cover(job: tuple[str, str, int]) -> Covered:
    """One run, and what it had covered after every tenth cell."""
    cost, strategy, number = job
    problem = _problem(cost)
    experiment = Experiment(problem.objective, [strategy], 1, Budget(_CELLS))
    run = experiment.one(experiment.entries[0], number)
    if run.failure:
        raise UserError(run.failure)
    seen = [vectors_of(run.trials[:n]) for n in range(STEP, _CELLS + 1, STEP)]
    return Covered(
        [problem.frame.missed(each) for each in seen],
        [problem.wide.missed(each) for each in seen],
        [problem.frame.distance(each) for each in seen],
    )


def logarithms(shares: Sequence[Sequence[float]]) -> Values:
    """log10 of what runs missed, a share below 1e-4 counted as that, shape ``(runs, steps)``."""
    return np.asarray(np.log10(np.maximum(np.array(shares), _ALL_FOUND)))


def _drawn(found: Mapping[str, Mapping[str, Sequence[Covered]]]) -> Figure:
    """What strategies miss of fronts over the cells evaluated, a panel a front; mean and 95 %
    interval.
    """
    columns = 4
    cells = np.arange(STEP, _CELLS + 1.0, STEP)
    rows = -(-len(found) // columns)
    figure = canvas(3.2 * columns, 3.1 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, (front, by_name) in zip(panels, found.items(), strict=False):
        draw_curves(
            axes,
            cells,
            {n: logarithms([run.missing for run in made]) for n, made in by_name.items()},
        )
        axes.set_title(front, fontsize=10)
    for axes in panels[len(found) :]:
        axes.set_visible(False)
    panels[0].legend(loc="lower left", fontsize=8)
    figure.supxlabel("evaluated cells")
    figure.supylabel("log10 of the missing share of hypervolume")
    return figure


def _rows(cost: str, found: Mapping[str, Sequence[Covered]]) -> Iterator[Row]:
    measured = {
        name: {
            MISSING: logarithms([run.missing for run in made]),
            WIDE: logarithms([run.wide for run in made]),
            DISTANCE: np.array([run.distance for run in made]),
        }
        for name, made in found.items()
    }
    for name in measured:
        for metric, cells in [
            *((MISSING, n) for n in _NOTED),
            *((WIDE, n) for n in _NOTED),
            (DISTANCE, _CELLS),
        ]:
            at = {other: measured[other][metric][:, cells // STEP - 1] for other in measured}
            yield Row.over(
                name,
                f"valid_error, {cost}",
                metric,
                at[name],
                evaluations=cells,
                verdict=_verdict(name, at),
                mark="D",
            )


def _verdict(name: str, at: Mapping[str, Values]) -> str:
    """How the first of our own compares with the evolution of fronts, over the same runs."""
    if name != "bo":
        return ""
    (test,) = paired_tests({"bo": at["bo"], "nsga2": at["nsga2"]})
    return f"{at['bo'].mean() - at['nsga2'].mean():+.2f} from nsga2 (Wilcoxon, p = {test.p:.2g})"


def _summary(rows: Sequence[Row]) -> Summary:
    held = {(row.method, row.dataset, row.metric, row.evaluations): row for row in rows}
    heads = (
        "front",
        *(f"{name} @{_CELLS}" for name in STRATEGIES),
        "bo − nsga2",
        *(f"{name} @{_CELLS}, unfenced" for name in STRATEGIES[-2:]),
    )
    lines = []
    for front in dict.fromkeys(row.dataset for row in rows):
        ours = {name: held[name, front, MISSING, _CELLS] for name in STRATEGIES}
        apart = (ours["bo"].ours or 0.0) - (ours["nsga2"].ours or 0.0)
        wide = (held[name, front, WIDE, _CELLS].ours_text for name in STRATEGIES[-2:])
        lines.append((front, *(row.ours_text for row in ours.values()), f"{apart:+.2f}", *wide))
    return Summary(heads, lines)
