"""Tables as CSV: ``trials.csv``, ``runs.csv``, ``summary.csv``, and of a suite its own; units in
``columns.csv``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from surrogate_nas.files import write_whole
from surrogate_nas.report.export import Format
from surrogate_nas.report.exporting import FINAL, run_row, scores_by_objective
from surrogate_nas.report.reading import TABLES, Results, Rows, Source, as_csv, results_of

_MEANINGS = {
    "problem": ("", "of the suite"),
    "lambda": ("", "the step of the path"),
    "strategy": ("", "as results name it"),
    "run": (
        "",
        "the number of the run, which seeds it; runs of one number start from the same cells",
    ),
    "runs": ("", "finished runs"),
    "index": ("", "the trial's place in its run, from 0"),
    "cell": ("", "as the space prints it; of a run, what it found"),
    "score": (
        "",
        (
            "L + λR, lower is better; infeasible cells rank after all others. Of several objectives"
            " their sum, and of a run the share of the front's hypervolume that it misses"
        ),
    ),
    "reported_score": (
        "",
        "the score by the mean over training seeds, where the search saw drawn ones",
    ),
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
}
"""Unit and meaning of every column that has always the same name."""


def write_csv(source: Source, out: str | Path) -> list[Path]:
    """Write every table; each file is whole or as it was before.

    Returns:
        The files; of a suite those of its report's tables too, as ``suite-NAME.csv``.

    Raises:
        UserError: There is nothing to export, or the folder cannot be written.

    Example:
        >>> import surrogate_nas as sn
        >>> from tempfile import TemporaryDirectory
        >>> made = sn.compare("fashion", ["random"], runs=2, budget=12)
        >>> with TemporaryDirectory() as folder:
        ...     [file.name for file in write_csv(made, folder)]
        ['trials.csv', 'runs.csv', 'summary.csv', 'columns.csv']
    """
    results = results_of(source)
    out = Path(out)
    tables = {
        "trials": _trials_of(results),
        "runs": _runs_of(results),
        "summary": _summary_of(results),
    }
    tables["columns"] = _columns_of(results, tables)
    if results.suite is not None:
        tables |= {f"suite-{name}": table(results.suite) for name, table in TABLES.items()}
    return [write_whole(out / f"{name}.csv", as_csv(rows)) for name, rows in tables.items()]


def _trials_of(results: Results) -> Rows:
    """Every trial of every run, those of failed runs included."""
    rows = []
    for part, run in results.runs():
        comparison = part.comparison
        where = results.where(part) | {"strategy": run.strategy, "run": run.run}
        draws = comparison.objective.draws
        reported_trials = comparison.reported(run) if draws else run.trials
        for trial, reported in zip(run.trials, reported_trials, strict=True):
            scores = scores_by_objective(trial)
            if draws:
                scores["reported_score"] = reported.score
            failure = {"failure": trial.failure} if trial.failure else {}
            rows.append(
                {
                    **where,
                    "index": trial.index,
                    "cell": trial.cell.text,
                    "score": trial.score,
                    **scores,
                    "loss": trial.loss,
                    "penalty": trial.penalty,
                    "feasible": trial.feasible,
                    "epochs": trial.epochs,
                    "cost": trial.cost_seconds,
                    "started": trial.started,
                    "finished": trial.finished,
                    **failure,
                    **trial.values,
                }
            )
    return _aligned(rows)


def _runs_of(results: Results) -> Rows:
    """Every run: what it found, with its final metrics, and what it spent."""
    rows = []
    for part, run in results.runs():
        rows.append(results.where(part) | run_row(part.comparison, run))
    return _aligned(rows)


def _summary_of(results: Results) -> Rows:
    """Every strategy of every part: its score over runs."""
    rows = []
    for part in results.parts:
        rows += [results.where(part) | row for row in part.comparison.summary_rows()]
    return _aligned(rows)


def _columns_of(results: Results, tables: Mapping[str, Rows]) -> Rows:
    """What every column of some tables is, with its unit."""
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
        texts = {
            part.comparison.objective.part_text(int(column[6:]) - 1)
            for part in results.parts
            if part.comparison.objective.parts >= int(column[6:])
        }
        return "", f"objective {column[6:]}: {' or '.join(sorted(texts))}"
    name = column.removeprefix(FINAL)
    final = "read for the report alone, of what the run found"
    metric = name.partition("[")[0]
    for part in results.parts:
        benchmark = part.comparison.objective.benchmark
        if metric not in {known.name for known in benchmark.metrics}:
            continue
        known = benchmark.metric(metric)
        if column.startswith(FINAL):
            return known.unit, final
        return known.unit, known.description or known.quantity
    return "", ""


def _aligned(rows: Rows) -> Rows:
    """The same rows, each with the columns of all."""
    columns: dict[str, None] = {}
    for row in rows:
        columns |= dict.fromkeys(row)
    return [{column: row.get(column) for column in columns} for row in rows]


EXPORT = Format(write_csv, "csv", "Units and meanings: {out}/columns.csv")
