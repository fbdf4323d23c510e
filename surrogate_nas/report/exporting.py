"""What exports share: a run as a row of a table, and as trackers of experiments see one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from surrogate_nas.report.reading import Comparison, Run, StudyResult, final_metrics
from surrogate_nas.space.trial import Trial

FINAL = "final_"
"""Prefix of the final metrics of the cell that a run found."""
_CLOCK_STARTS = datetime(2000, 1, 1, tzinfo=UTC)
_TEXTS = {"strategy", "run", "cell", "failure"}


def clock(seconds: float) -> datetime:
    """A time on the simulated clock as a date; runs start in 2000, and a query is a second."""
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
    answer = comparison.answer(run)
    row["score"] = comparison.score(run)
    row["regret"] = None
    if comparison.optimum is not None:
        row["regret"] = row["score"] - comparison.optimum
    row |= {"cell": answer.cell.text, "loss": answer.loss, "penalty": answer.penalty} | spent
    benchmark = comparison.objective.benchmark
    for metric in benchmark.metrics:
        if metric.kind == "final" and benchmark.is_dear(metric.name):
            return row
    for name, value in final_metrics(comparison.objective, answer.cell).items():
        row[f"{FINAL}{name}"] = value
    return row


@dataclass(frozen=True)
class Point:
    """Finite numbers by name, with their step and their time on the simulated clock."""

    step: int
    seconds: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class TrackedRun:
    """A run as trackers of experiments see one.

    Attributes:
        name: Of the run.
        strategy: Its label.
        parameters: What was compared, and the cell that the run found.
        points: A point for every trial by rising time, and a last one of ``found/NAME``: what the
            run found and spent.
        facts: Provenance, and the failure of a run that failed.
        failure: What went wrong, or empty.
    """

    name: str
    strategy: str
    parameters: Mapping[str, Any]
    points: list[Point]
    facts: Mapping[str, str]
    failure: str

    @property
    def seconds(self) -> float:
        """How long it took, on the simulated clock."""
        return self.points[-1].seconds


def named(result: StudyResult, comparison: Comparison) -> str:
    """The name of a comparison among the results of other studies."""
    return f"{result.name} / {comparison.problem}" if comparison.problem else result.name


def tracked_runs(comparison: Comparison) -> Iterator[TrackedRun]:
    """Every run of a comparison."""
    description = comparison.description
    objective = comparison.objective
    for run in comparison.ended_runs:
        row = run_row(comparison, run)
        parameters = {
            "strategy": run.strategy,
            "run": run.run,
            "benchmark": objective.benchmark.name,
            "objective": str(objective),
            "budget_cells": description["budget"]["cells"],
            "budget_seconds": description["budget"]["seconds"],
            "seed": description["seed"],
            "first_cells": description["first_cells"],
            "cost_unit": objective.benchmark.cost,
            "found_cell": row["cell"],
        }
        facts = {"fingerprint": objective.fingerprint}
        facts |= {key: str(value) for key, value in description["provenance"].items()}
        if run.failure:
            facts["failure"] = run.failure
        points = list(_points(comparison, run))
        found = {f"found/{name}": row[name] for name in row if name not in _TEXTS}
        end = points[-1].seconds if points else 0.0
        points.append(Point(len(points), end, _finite(found)))
        yield TrackedRun(
            name=f"{run.strategy} / run {run.run}",
            strategy=run.strategy,
            parameters={key: value for key, value in parameters.items() if value is not None},
            points=points,
            facts=facts,
            failure=run.failure,
        )


def _points(comparison: Comparison, run: Run) -> Iterator[Point]:
    if not run.trials:
        return
    best = comparison.anytime(run).score.tolist()
    has_best = False
    for i, trial in enumerate(run.trials):
        has_best = has_best or (trial.feasible and trial.epochs == run.epochs)
        values = {
            "score": trial.score,
            "loss": trial.loss,
            "penalty": trial.penalty,
            "cost": trial.finished,
            **scores_by_objective(trial),
        }
        if has_best:
            values["best_score"] = best[i]
            if comparison.optimum is not None:
                values["regret"] = best[i] - comparison.optimum
        yield Point(trial.index, trial.finished, _finite(values | dict(trial.values)))


def scores_by_objective(trial: Trial) -> dict[str, float]:
    """The scores of several objectives as ``score_1``, ``score_2``, …; empty for a single one."""
    return {f"score_{number}": score for number, score in enumerate(trial.scores, 1)}


def _finite(values: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers among some values; trackers cannot draw others."""
    finite = {}
    for name, value in values.items():
        if value is not None and math.isfinite(value):
            finite[name] = float(value)
    return finite
