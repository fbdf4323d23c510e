"""What exports share: a run in numbers.

A run is a row of a table, or, as trackers of experiments see one, what was asked of it and numbers
by step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from surrogate_nas.report.reading import Comparison, Part, Run, final_metrics

FINAL = "final_"
"""Before the name of a metric of what a run found."""
_CLOCK_STARTS = datetime(2000, 1, 1, tzinfo=UTC)
_TOLD = {"strategy", "run", "cell", "failure"}


def clock(seconds: float) -> datetime:
    """A moment of the simulated clock, where a query is a second, as a date; every run starts with
    the year 2000.
    """
    return _CLOCK_STARTS + timedelta(seconds=seconds)


def run_row(comparison: Comparison, run: Run) -> dict[str, Any]:
    """One run in numbers; a run that failed or found no feasible cell has no score.

    Final metrics that a user's function would have to compute, which may be a training, are left
    out.
    """
    row: dict[str, Any] = {"strategy": run.strategy, "run": run.run}
    spent = {
        "evaluations": len(run.trials),
        "distinct": len({trial.cell for trial in run.trials}),
        "simulated": run.simulated_seconds,
        "strategy_seconds": run.strategy_seconds,
        "real_seconds": run.real_seconds,
        "failure": run.failure,
    }
    if run.failure or not run.answers or not comparison.answer(run).feasible:
        return row | {"score": None, "regret": None, "cell": None} | spent
    found = comparison.answer(run)
    score = comparison.score(run)
    row |= {
        "score": score,
        "regret": None if comparison.optimum is None else score - comparison.optimum,
    }
    row |= {"cell": found.cell.text, "loss": found.loss, "penalty": found.penalty}
    metrics = comparison.objective.benchmark.metrics
    is_dear = comparison.objective.benchmark.is_dear
    if any(metric.kind == "final" and is_dear(metric.name) for metric in metrics):
        return row | spent
    final = {
        f"{FINAL}{name}": value
        for name, value in final_metrics(comparison.objective, found.cell).items()
    }
    return row | spent | final


@dataclass(frozen=True)
class Point:
    """What one trial told: its place in the run, its end on the simulated clock, and finite numbers
    by name.
    """

    step: int
    seconds: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class Tracked:
    """One run: what was asked of it, its points by rising time, and what it found and spent, finite
    numbers by name.
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
    """Every run of a comparison."""
    made = part.comparison
    told = made.description
    objective = made.objective
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
            provenance={
                "fingerprint": objective.fingerprint,
                **{k: str(v) for k, v in told["provenance"].items()},
            },
        )


def _points(made: Comparison, run: Run) -> Iterator[Point]:
    if not run.trials:
        return
    best = made.anytime(run).score
    held = np.logical_or.accumulate(
        [trial.feasible and trial.epochs == run.epochs for trial in run.trials]
    )
    for trial, so_far, is_held in zip(run.trials, best.tolist(), held.tolist(), strict=True):
        values = {
            "score": trial.score,
            "loss": trial.loss,
            "penalty": trial.penalty,
            "cost": trial.finished,
        }
        values |= {f"score_{number}": score for number, score in enumerate(trial.scores, 1)}
        if is_held:
            values["best_score"] = so_far
            if made.optimum is not None:
                values["regret"] = so_far - made.optimum
        yield Point(trial.index, trial.finished, _finite(values | dict(trial.values)))


def _finite(values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among some values that a tracker can draw."""
    return {
        name: float(value)
        for name, value in values.items()
        if value is not None and math.isfinite(value)
    }
