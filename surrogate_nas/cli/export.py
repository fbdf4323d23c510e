"""The command that hands results to other people's tools."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from typer import Argument

from surrogate_nas.cli.options import BenchOption
from surrogate_nas.cli.output import JsonOption, emit, note, show_table
from surrogate_nas.report.export import EXPORTS

_NAMES = ", ".join(EXPORTS.places)


def export(
    format_: Annotated[str, Argument(metavar="FORMAT", help=f"{_NAMES}, or FILE.py:NAME.")],
    folder: Annotated[Path, "What was --out of compare, suite or lambda-path."],
    out: Annotated[
        Path | None,
        "The file or folder to write; DIR/export/… if left out.",
    ] = None,
    bench: BenchOption = None,
    json: JsonOption = False,
) -> None:
    """Export results for dashboards, trackers and papers.

    They may be unfinished: what is there is exported.

    \b
    Examples:
      snas export optuna results/compare   (then optuna-dashboard results/compare/export/optuna.log)
      snas export mlflow results/compare   (then mlflow ui --backend-store-uri sqlite:///FILE)
      snas export latex results/suite-starter --out paper/tables
    """
    from surrogate_nas.core.numbers import plural
    from surrogate_nas.report.reading import results_of

    chosen = EXPORTS.find(format_)
    started = time.perf_counter()
    result = results_of(folder, benchmark=bench)
    target = out or folder / "export" / chosen.default
    files = chosen.write(result, target)
    comparisons = result.comparisons.values()
    runs = [run for comparison in comparisons for run in comparison.ended_runs]
    content = {
        "format": format_,
        "out": str(target),
        "files": [str(file) for file in files],
        "comparisons": len(comparisons),
        "runs": len(runs),
        "missing": result.missing,
        "trials": sum(len(run.trials) for run in runs),
        "bytes": sum(file.stat().st_size for file in files),
        "seconds": time.perf_counter() - started,
    }
    shown = [
        (name, len(value) if isinstance(value, list) else value)
        for name, value in content.items()
    ]
    emit(content, json, lambda: show_table(("", format_), shown))
    if result.missing:
        verb = "is" if result.missing == 1 else "are"
        note(
            f"{plural(result.missing, 'run')} of what was begun {verb} not there yet;"
            " the same command exports the rest when they are."
        )
    note(chosen.then.format(out=target))
