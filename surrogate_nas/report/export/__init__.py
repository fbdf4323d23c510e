"""Exports: results in the forms that other people's tools open; one file a format, which itself says its ``EXPORT``.

Every function takes a results folder (of a comparison, a suite, or a path over λ) or a comparison in memory, and where
to write. What is unfinished is exported as far as it is made.
"""

import pkgutil
from importlib import import_module

from surrogate_nas.report.export.csv import write_csv
from surrogate_nas.report.export.figures import write_figures
from surrogate_nas.report.export.latex import write_latex
from surrogate_nas.report.export.mlflow import write_mlflow
from surrogate_nas.report.export.optuna import OptunaObjective, write_optuna
from surrogate_nas.report.export.trackio import write_trackio
from surrogate_nas.report.exporting import Format
from surrogate_nas.report.reading import Results, Source, results_of

__all__ = [
    "EXPORTS", "Format", "OptunaObjective", "Results", "Source", "results_of", "write_csv", "write_figures",
    "write_latex", "write_mlflow", "write_optuna", "write_trackio",
]  # fmt: skip

EXPORTS: dict[str, Format] = {
    found.name: import_module(f"{__name__}.{found.name}").EXPORT for found in pkgutil.iter_modules(__path__)
}
"""Every format by its name: the ``EXPORT`` of the file of that name."""
