"""Tables as CSV: ``trials.csv``, ``runs.csv``, ``summary.csv``, and ``confirmed.csv`` for confirmed
winners.
"""

from pathlib import Path

from surrogate_nas.files import write_whole
from surrogate_nas.report.export import Format
from surrogate_nas.report.reading import (
    Rows,
    Source,
    as_csv,
    results_of,
    run_row,
)


def write_csv(source: Source, out: str | Path) -> list[Path]:
    """Write the results to CSV files, one per table. Each file is written atomically.

    Raises:
        UserError: There is nothing to export, or the folder is not writable.

    Example:
        >>> import surrogate_nas as sn
        >>> from tempfile import TemporaryDirectory
        >>> comparison = sn.compare("fashion", ["random"], runs=2, budget=12)
        >>> with TemporaryDirectory() as folder:
        ...     [file.name for file in write_csv(comparison, folder)]
        ['trials.csv', 'runs.csv', 'summary.csv']
    """
    result = results_of(source)
    tables: dict[str, Rows] = {
        "trials": [],
        "runs": [],
        "summary": [],
    }
    confirmed: Rows = []
    for comparison in result.comparisons.values():
        where = comparison.columns
        tables["runs"] += [
            where | run_row(comparison, run) for run in comparison.ended_runs
        ]
        tables["trials"] += [
            where | run.row(trial)
            for run in comparison.ended_runs
            for trial in run.trials
        ]
        tables["summary"] += [where | row for row in comparison.summary_rows()]
        for run, confirmation in comparison.confirmed_runs:
            one = where | {"strategy": run.strategy, "run": run.run}
            confirmed += [one | row for row in confirmation.rows()]
    if confirmed:
        tables["confirmed"] = confirmed
    return [
        write_whole(Path(out) / f"{name}.csv", as_csv(rows))
        for name, rows in tables.items()
    ]


EXPORT = Format(
    write_csv,
    "csv",
    "Read them: pandas.read_csv('{out}/trials.csv')",
    "tidy tables of trials, runs and strategies",
)
