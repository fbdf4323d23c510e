"""Tables as CSV: ``trials.csv``, ``runs.csv``, ``summary.csv``, and of a suite its own; units in ``columns.csv``."""

from __future__ import annotations

from pathlib import Path

from surrogate_nas.export.frames import columns_frame, runs_frame, summary_frame, trials_frame
from surrogate_nas.export.results import Source, results_of
from surrogate_nas.files import replacing
from surrogate_nas.suite.tables import TABLES


def write_csv(source: Source, out: str | Path) -> list[Path]:
    """Write every table; each file is whole or as it was before.

    Args:
        source: A results folder, or a comparison.
        out: The folder to write to, made if it is missing.

    Returns:
        The files; of a suite those of its report's tables too, as ``suite-NAME.csv``.

    Raises:
        UserError: There is nothing to export, or the folder cannot be written.
    """
    results, out = results_of(source), Path(out)
    frames = {"trials": trials_frame(results), "runs": runs_frame(results), "summary": summary_frame(results)}
    columns = columns_frame(results, frames)
    frames["columns"] = columns
    if results.suite is not None:
        frames |= {f"suite-{name}": table(results.suite) for name, table in TABLES.items()}
    written = []
    for name, frame in frames.items():
        written.append(out / f"{name}.csv")
        with replacing(written[-1]) as temporary:
            frame.to_csv(temporary, index=False, encoding="utf-8", errors="backslashreplace", lineterminator="\n")
    return written
