"""Exports: results in the forms that other people's tools open; one file a format, each an entry of `EXPORTS`.

Every function takes a results folder (of a comparison, a suite, or a path over λ) or a comparison in memory, and where
to write. What is unfinished is exported as far as it is made.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from surrogate_nas.report.export.csv import write_csv
from surrogate_nas.report.export.figures import write_figures
from surrogate_nas.report.export.latex import write_latex
from surrogate_nas.report.export.mlflow import write_mlflow
from surrogate_nas.report.export.optuna import write_optuna
from surrogate_nas.report.export.optuna_objective import OptunaObjective
from surrogate_nas.report.export.results import Results, Source, results_of
from surrogate_nas.report.export.trackio import write_trackio

__all__ = [
    "EXPORTS", "Format", "OptunaObjective", "Results", "Source", "results_of", "write_csv", "write_figures",
    "write_latex", "write_mlflow", "write_optuna", "write_trackio",
]  # fmt: skip


class Format(NamedTuple):
    """One form of results.

    Example:
        >>> sorted(EXPORTS), EXPORTS["optuna"].default
        (['csv', 'figures', 'latex', 'mlflow', 'optuna', 'trackio'], 'optuna.log')

    Attributes:
        write: Writes it and gives the files.
        default: The name of what it writes, where nobody names it.
        then: What to do with that, for a reader; ``{out}`` stands for where it is.

    Example:
        >>> EXPORTS["csv"].default, EXPORTS["optuna"].then.format(out="optuna.log")
        ('csv', 'Open it: optuna-dashboard optuna.log')
    """

    write: Callable[[Source, str | Path], list[Path]]
    default: str
    then: str


EXPORTS: dict[str, Format] = {
    "csv": Format(write_csv, "csv", "Units and meanings: {out}/columns.csv"),
    "figures": Format(write_figures, "figures", "Captions: {out}/captions.txt"),
    "latex": Format(write_latex, "latex", "The tables need \\usepackage{{booktabs}}."),
    "mlflow": Format(write_mlflow, "mlflow.db", "Open it: mlflow ui --backend-store-uri sqlite:///{out}"),
    "optuna": Format(write_optuna, "optuna.log", "Open it: optuna-dashboard {out}"),
    "trackio": Format(write_trackio, "trackio", "Open it: TRACKIO_DIR={out} trackio show"),
}
"""Every format by its name."""
