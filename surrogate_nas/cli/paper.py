"""The command that redoes a published comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surrogate_nas.cli.output import JsonOption, emit, note, progress_bar, show_table

_NAMES = ("nb201", "nats", "landscape", "losses", "transfer", "predictors", "latency", "caps", "pareto")
"""Those of `surrogate_nas.papers.PAPERS`, which takes long to import."""


def paper(
    name: Annotated[str, typer.Argument(help=f"Which comparison: {', '.join(_NAMES)}.")],
    runs: Annotated[int | None, typer.Option(help="Runs per strategy; the paper's number if left out.")] = None,
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
    out: Annotated[Path | None, typer.Option(help="Folder; results/paper-NAME if left out.")] = None,
    json: JsonOption = False,
) -> None:
    """Redo a published comparison and put our numbers beside the published ones.

    \b
    Examples:
      snas paper nb201
      snas paper latency --runs 3 --workers 4
      snas paper losses
    """
    from surrogate_nas.papers import reproduce

    folder = out or Path("results") / f"paper-{name}"
    with progress_bar("runs") as progress:
        result = reproduce(name, runs=runs, workers=workers, folder=folder, progress=progress)
    heads, rows = (result.summary.heads, result.summary.rows) if result.summary else result.shown
    spare = ("cells", "runs", "seconds", "ceiling")
    emit(result.to_json(), json, lambda: show_table(heads, rows, title=result.title, spare=spare))
    for line in result.notes:
        note(line)
    note(f"Table and picture: {folder}")
