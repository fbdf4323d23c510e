"""A run as trackers of experiments see one: what was asked, and numbers by step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from surrogate_nas.report.export.results import Part
from surrogate_nas.report.export.rows import run_row
from surrogate_nas.study.comparison import Comparison
from surrogate_nas.study.store import Run

_TOLD = {"strategy", "run", "cell", "failure"}


@dataclass(frozen=True)
class Point:
    """What one trial told.

    Attributes:
        step: The trial's place in its run, from 0.
        seconds: When it finished, on the simulated clock.
        values: Finite numbers by name.
    """

    step: int
    seconds: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class Tracked:
    """One run.

    Attributes:
        name: Of the run in its comparison.
        strategy: Its strategy.
        asked: What was asked of it, and the cell that it found.
        points: By rising time.
        found: What it found and spent as a whole, finite numbers by name.
        failure: What went wrong, or empty.
        provenance: What made it.
    """

    name: str
    strategy: str
    asked: Mapping[str, Any]
    points: list[Point]
    found: Mapping[str, float]
    failure: str
    provenance: Mapping[str, str]

    @property
    def seconds(self) -> float:
        """How long it took, on the simulated clock."""
        return self.points[-1].seconds if self.points else 0.0


def tracked(part: Part) -> Iterator[Tracked]:
    """Every run of a comparison.

    Args:
        part: The comparison.
    """
    made = part.comparison
    told, objective = made.description, made.objective
    for run in part.runs:
        row = run_row(made, run)
        asked = {
            "strategy": run.strategy,
            "run": run.run,
            "benchmark": objective.benchmark.name,
            "objective": str(objective),
            "budget_cells": told["budget"]["cells"],
            "budget_seconds": told["budget"]["seconds"],
            "seed": told["seed"],
            "first_cells": told["first_cells"],
            "cost_unit": objective.benchmark.cost,
            "found_cell": row["cell"],
        }
        yield Tracked(
            name=f"{run.strategy} / run {run.run}",
            strategy=run.strategy,
            asked={name: value for name, value in asked.items() if value is not None},
            points=list(_points(made, run)),
            found=_finite({name: value for name, value in row.items() if name not in _TOLD}),
            failure=run.failure,
            provenance={"fingerprint": objective.fingerprint, **{k: str(v) for k, v in told["provenance"].items()}},
        )


def _points(made: Comparison, run: Run) -> Iterator[Point]:
    if not run.trials:
        return
    best = made.anytime(run).score
    held = np.logical_or.accumulate([trial.feasible and trial.epochs == run.epochs for trial in run.trials])
    for trial, so_far, is_held in zip(run.trials, best.tolist(), held.tolist(), strict=True):
        values = {"score": trial.score, "loss": trial.loss, "penalty": trial.penalty, "cost": trial.finished}
        values |= {f"score_{number}": score for number, score in enumerate(trial.scores, 1)}
        if is_held:
            values["best_score"] = so_far
            if made.optimum is not None:
                values["regret"] = so_far - made.optimum
        yield Point(trial.index, trial.finished, _finite(values | dict(trial.values)))


def _finite(values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among some values that a tracker can draw."""
    return {name: float(value) for name, value in values.items() if value is not None and math.isfinite(value)}
