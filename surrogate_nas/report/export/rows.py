"""Trials, runs and strategies as tidy tables, a row each, and what every column is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surrogate_nas.report.export.results import Part, Results
from surrogate_nas.study.comparison import Comparison, final_metrics
from surrogate_nas.study.store import Run
from surrogate_nas.study.suite.tables import Rows

_FINAL = "final_"
_MEANINGS = {
    "problem": ("", "of the suite"),
    "lambda": ("", "the step of the path"),
    "strategy": ("", "as results name it"),
    "run": ("", "the number of the run, which seeds it; runs of one number start from the same cells"),
    "runs": ("", "finished runs"),
    "index": ("", "the trial's place in its run, from 0"),
    "cell": ("", "as the space prints it; of a run, what it found"),
    "score": ("", "L + λR, lower is better; infeasible cells rank after all others. Of several objectives their sum, "
              "and of a run the share of the front's hypervolume that it misses"),
    "reported_score": ("", "the score by the mean over training seeds, where the search saw drawn ones"),
    "loss": ("", "L"),
    "penalty": ("", "λR"),
    "feasible": ("", "whether every limit holds"),
    "epochs": ("epochs", "the training run that was read"),
    "cost": ("COST", "what the trial was charged"),
    "started": ("COST", "on the simulated clock of the run"),
    "finished": ("COST", "on the simulated clock of the run"),
    "regret": ("", "score minus the optimum of the space"),
    "failure": ("", "what went wrong, or empty"),
    "evaluations": ("cells", "evaluated"),
    "distinct": ("cells", "different ones among them"),
    "simulated": ("COST", "what all trials were charged"),
    "strategy_seconds": ("s", "that the strategy took to ask and to learn"),
    "real_seconds": ("s", "of strategy and evaluation on the machine that ran them"),
    "mean": ("", "score, over runs that found a feasible cell"),
    "std": ("", "sample standard deviation of the score"),
    "iqm": ("", "interquartile mean of the score"),
    "ci95_low": ("", "bootstrap 95 % interval of the mean score"),
    "ci95_high": ("", "bootstrap 95 % interval of the mean score"),
}  # fmt: skip
"""Unit and meaning of every column that has always the same name."""


def trials_of(results: Results) -> Rows:
    """Every trial of every run, those of failed runs included.

    Args:
        results: What is exported.
    """
    rows = []
    for part, run in results.runs():
        comparison = part.comparison
        told = comparison.reported(run)
        for trial, reported in zip(run.trials, told, strict=True):
            row = _where(results, part) | {"strategy": run.strategy, "run": run.run}
            row |= {"index": trial.index, "cell": trial.cell.text, "score": trial.score}
            row |= {f"score_{number}": score for number, score in enumerate(trial.scores, 1)}
            if comparison.objective.draws:
                row["reported_score"] = reported.score
            row |= {"loss": trial.loss, "penalty": trial.penalty, "feasible": trial.feasible, "epochs": trial.epochs}
            row |= {"cost": trial.cost_seconds, "started": trial.started, "finished": trial.finished}
            rows.append(row | dict(trial.values))
    return _aligned(rows)


def runs_of(results: Results) -> Rows:
    """Every run: what it found, with its final metrics, and what it spent.

    Args:
        results: What is exported.
    """
    return _aligned([_where(results, part) | run_row(part.comparison, run) for part, run in results.runs()])


def run_row(comparison: Comparison, run: Run) -> dict[str, Any]:
    """One run in numbers; a run that failed or found no feasible cell has no score.

    Args:
        comparison: Its comparison.
        run: Finished or failed.
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
    found, score = comparison.answer(run), comparison.score(run)
    row |= {"score": score, "regret": None if comparison.optimum is None else score - comparison.optimum}
    row |= {"cell": found.cell.text, "loss": found.loss, "penalty": found.penalty}
    final = {f"{_FINAL}{name}": value for name, value in final_metrics(comparison.objective, found.cell).items()}
    return row | spent | final


def summary_of(results: Results) -> Rows:
    """Every strategy of every part: its score over runs.

    Args:
        results: What is exported.
    """
    rows = []
    for part in results.parts:
        rows += [_where(results, part) | row for row in part.comparison.summary_rows()]
    return _aligned(rows)


def columns_of(results: Results, tables: Mapping[str, Rows]) -> Rows:
    """What every column of some tables is, with its unit.

    Args:
        results: What is exported.
        tables: The tables by the names of their files.
    """
    rows = []
    for file, table in tables.items():
        for column in table[0] if table else ():
            unit, meaning = _meaning(results, column)
            rows.append({"file": file, "column": column, "unit": unit, "meaning": meaning})
    return _aligned(rows)


def _meaning(results: Results, column: str) -> tuple[str, str]:
    if column in _MEANINGS:
        unit, meaning = _MEANINGS[column]
        costs = sorted({part.comparison.objective.benchmark.cost for part in results.parts})
        return " or ".join(costs) if unit == "COST" else unit, meaning
    if column.startswith("score_"):
        texts = {part.comparison.objective.part_text(int(column[6:]) - 1) for part in results.parts
                 if part.comparison.objective.parts >= int(column[6:])}  # fmt: skip
        return "", f"objective {column[6:]}: {' or '.join(sorted(texts))}"
    name, kind = column.removeprefix(_FINAL), "read for the report alone, of what the run found"
    metric = name.partition("[")[0]
    for part in results.parts:
        benchmark = part.comparison.objective.benchmark
        if metric in {held.name for held in benchmark.metrics}:
            held = benchmark.metric(metric)
            return held.unit, kind if column.startswith(_FINAL) else held.description or held.quantity
    return "", ""


def _where(results: Results, part: Part) -> dict[str, Any]:
    """The column that says which part a row is of, where there are several."""
    return {results.part_is: part.key} if results.part_is else {}


def _aligned(rows: Rows) -> Rows:
    """The same rows, each with the columns of all."""
    columns = dict.fromkeys(column for row in rows for column in row)
    return [{column: row.get(column) for column in columns} for row in rows]
