"""Tables as CSV: ``trials.csv``, ``runs.csv``, ``summary.csv``, of a confirmed winner
``confirmed.csv``, and of a suite its own; units in ``columns.csv``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from surrogate_nas.files import write_whole
from surrogate_nas.report.export import Format
from surrogate_nas.report.exporting import FINAL, run_row, trial_rows
from surrogate_nas.report.reading import (
    TABLES,
    Rows,
    Source,
    StudyResult,
    SuiteResult,
    as_csv,
    results_of,
)

# Unit and meaning of every column that has always the same name.
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
    "role": ("", "winner, candidate, or yours: the cell to compare with"),
    "seen_score": ("", "the score that the search saw"),
    "confirmed_score": ("", "mean score over the fresh seeds"),
    "seeds": ("", "the fresh seeds, which the search did not see"),
    "scores": ("", "the score by each of these seeds"),
    "mean": ("", "score, over runs that found a feasible cell"),
    "std": ("", "sample standard deviation of the score"),
    "iqm": ("", "interquartile mean of the score"),
    "ci95_low": ("", "bootstrap 95 % interval of the mean score"),
    "ci95_high": ("", "bootstrap 95 % interval of the mean score"),
}


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
    result = results_of(source)
    out = Path(out)
    tables: dict[str, Rows] = {"confirmed": [], "trials": list(trial_rows(result))}
    tables |= {"runs": [], "summary": []}
    for comparison in result.comparisons.values():
        for run, confirmation in comparison.confirmed_runs:
            where = comparison.columns | {"strategy": run.strategy, "run": run.run}
            tables["confirmed"] += [where | row for row in confirmation.rows()]
        where = comparison.columns
        tables["runs"] += [
            where | run_row(comparison, run) for run in comparison.ended_runs
        ]
        tables["summary"] += [where | row for row in comparison.summary_rows()]
    if not tables["confirmed"]:
        del tables["confirmed"]
    tables = {name: _aligned(rows) for name, rows in tables.items()}
    tables["columns"] = _columns_of(result, tables)
    if isinstance(result, SuiteResult) and result.problems:
        tables |= {f"suite-{name}": table.rows(result) for name, table in TABLES.items()}
    return [write_whole(out / f"{name}.csv", as_csv(rows)) for name, rows in tables.items()]


def _columns_of(result: StudyResult, tables: Mapping[str, Rows]) -> Rows:
    words = ("unit", "meaning")
    rows = [
        {
            "file": file,
            "column": column,
            **dict(zip(words, _meaning(result, column), strict=True)),
        }
        for file, table in tables.items()
        for column in (table[0] if table else ())
    ]
    return _aligned(rows)


def _meaning(result: StudyResult, column: str) -> tuple[str, str]:
    objectives = [comparison.objective for comparison in result.comparisons.values()]
    if column in _MEANINGS:
        unit, meaning = _MEANINGS[column]
        costs = sorted({objective.benchmark.cost for objective in objectives})
        return " or ".join(costs) if unit == "COST" else unit, meaning
    if column.startswith("score_"):
        part = int(column.removeprefix("score_"))
        texts = {goal.part_text(part - 1) for goal in objectives if goal.parts >= part}
        return "", f"objective {part}: {' or '.join(sorted(texts))}"
    name = column.removeprefix(FINAL).partition("[")[0]
    for objective in objectives:
        for known in objective.benchmark.metrics:
            if known.name == name and column.startswith(FINAL):
                return known.unit, "read for the report alone, of what the run found"
            if known.name == name:
                return known.unit, known.description or known.quantity
    return "", ""


def _aligned(rows: Rows) -> Rows:
    columns: dict[str, None] = {}
    for row in rows:
        columns |= dict.fromkeys(row)
    return [{column: row.get(column) for column in columns} for row in rows]


EXPORT = Format(
    write_csv, "csv", "Units and meanings: {out}/columns.csv", "tidy tables with units"
)
