"""What exports share: a trial and a run as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from surrogate_nas.report.reading import Comparison, Run, StudyResult, final_metrics

_CLOCK_STARTS = datetime(2000, 1, 1, tzinfo=UTC)


def clock(seconds: float) -> datetime:
    """A time on the simulated clock as a date; runs start in 2000, and a query is a second."""
    return _CLOCK_STARTS + timedelta(seconds=seconds)


def run_row(comparison: Comparison, run: Run) -> dict[str, Any]:
    """One run in numbers; a run that failed or found no feasible cell has no score.

    Final metrics that a user's function would have to compute, which may be a training, are left
    out.
    """
    row: dict[str, Any] = {"strategy": run.strategy, "run": run.run}
    row |= {"score": None, "regret": None, "cell": None}
    spent = {
        "evaluations": len(run.trials),
        "distinct": len({trial.cell for trial in run.trials}),
        "simulated": run.simulated_seconds,
        "strategy_seconds": run.strategy_seconds,
        "real_seconds": run.real_seconds,
        "failure": run.failure,
    }
    answer = None if run.failure or not run.answers else comparison.answer(run)
    if answer is None or not answer.feasible:
        return row | spent
    row["score"] = comparison.score(run)
    if comparison.optimum is not None:
        row["regret"] = row["score"] - comparison.optimum
    row |= {"cell": answer.cell.text, "loss": answer.loss, "penalty": answer.penalty}
    row |= spent
    benchmark = comparison.objective.benchmark
    final = (metric.name for metric in benchmark.metrics if metric.kind == "final")
    if any(map(benchmark.is_dear, final)):
        return row
    finals = final_metrics(comparison.objective, answer.cell)
    return row | {f"final_{name}": value for name, value in finals.items()}


def trial_rows(result: StudyResult) -> Iterator[dict[str, Any]]:
    """Every trial of every run, also of failed runs, from column to value.

    Example:
        >>> import surrogate_nas as sn
        >>> made = sn.compare("fashion", ["random"], runs=2, budget=12)
        >>> rows = list(trial_rows(made))
        >>> len(rows), list(rows[0])[:5]
        (24, ['strategy', 'run', 'index', 'cell', 'score'])
    """
    for comparison in result.comparisons.values():
        for run in comparison.ended_runs:
            yield from rows_of_run(comparison, run)


def rows_of_run(comparison: Comparison, run: Run) -> Iterator[dict[str, Any]]:
    """The rows of `trial_rows` for one run."""
    draws = comparison.objective.draws
    reported_trials = comparison.reported(run) if draws else run.trials
    for trial, reported in zip(run.trials, reported_trials, strict=True):
        row = {
            **comparison.columns,
            "strategy": run.strategy,
            "run": run.run,
            "index": trial.index,
            "cell": trial.cell.text,
            "score": trial.score,
            **{f"score_{number}": score for number, score in enumerate(trial.scores, 1)},
            **({"reported_score": reported.score} if draws else {}),
            "loss": trial.loss,
            "penalty": trial.penalty,
            "feasible": trial.feasible,
            "epochs": trial.epochs,
            "cost": trial.cost_seconds,
            "started": trial.started,
            "finished": trial.finished,
            **({"failure": trial.failure} if trial.failure else {}),
        }
        yield row | dict(trial.values)
