"""Tables as CSV: ``trials.csv``, ``runs.csv``, ``summary.csv``, and of a suite its own; units in ``columns.csv``."""

from __future__ import annotations

from pathlib import Path

from surrogate_nas.files import replacing
from surrogate_nas.report.export.results import Source, results_of
from surrogate_nas.report.export.rows import columns_of, runs_of, summary_of, trials_of
from surrogate_nas.study.suite.tables import TABLES, as_csv


def write_csv(source: Source, out: str | Path) -> list[Path]:
    """Write every table; each file is whole or as it was before.

    Args:
        source: A results folder, or a comparison.
        out: The folder to write to, made if it is missing.

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
    results, out = results_of(source), Path(out)
    tables = {"trials": trials_of(results), "runs": runs_of(results), "summary": summary_of(results)}
    tables["columns"] = columns_of(results, tables)
    if results.suite is not None:
        tables |= {f"suite-{name}": table(results.suite) for name, table in TABLES.items()}
    written = []
    for name, rows in tables.items():
        written.append(out / f"{name}.csv")
        with replacing(written[-1]) as temporary:
            temporary.write_text(as_csv(rows), encoding="utf-8", errors="backslashreplace")
    return written
