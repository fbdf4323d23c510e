"""The command that redoes a published comparison, or all of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from surrogate_nas.cli.options import PROCESSES, EngineOption, WorkersOption, workers_or_usual
from surrogate_nas.cli.output import JsonOption, emit, note, progress_bar, say, show_table
from surrogate_nas.core.errors import UserError
from surrogate_nas.papers import PAPERS

if TYPE_CHECKING:
    from surrogate_nas.papers import PaperResult

_ALL = "all"
_DEFAULT_WORKERS = 2


def paper(
    name: Annotated[
        str, typer.Argument(help=f"Which comparison: {', '.join(PAPERS)}; FILE.py:NAME; or {_ALL}.")
    ],
    runs: Annotated[
        int | None, typer.Option(help="Runs per strategy; the paper's number if left out.")
    ] = None,
    workers: WorkersOption = None,
    engine: EngineOption = PROCESSES,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder; results/paper-NAME if left out, with all: the folder of these."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Redo a published comparison, its numbers beside ours.

    \b
    Examples:
      snas paper nb201
      snas paper latency --runs 3 --workers 4
      snas paper all
    """
    at_a_time = workers_or_usual(workers, engine, _DEFAULT_WORKERS)
    redo = partial(
        _redo,
        runs=runs,
        workers=at_a_time,
        engine=engine,
    )
    if name == _ALL:
        _redo_all(redo, out or Path("results"), json)
        return
    folder = out or Path("results") / f"paper-{name.rpartition(':')[2]}"
    result = redo(name, folder)
    emit(result.to_json(), json, lambda: _show(result))
    note(f"Table and picture: {folder}")


def _show(result: PaperResult) -> None:
    for summary in result.summaries:
        show_table(summary.heads, summary.rows, title=result.title)
    if not result.summaries:
        spare = ("cells", "runs", "seconds", "ceiling")
        show_table(*result.table, title=result.title, spare=spare)
    for line in result.notes:
        say(line)


def _redo(
    name: str,
    folder: Path,
    *,
    runs: int | None,
    workers: int | None,
    engine: str,
) -> PaperResult:
    from surrogate_nas.papers import reproduce

    with progress_bar("runs") as progress:
        return reproduce(
            name,
            runs=runs,
            workers=workers,
            engine=engine,
            folder=folder,
            progress=progress,
        )


def _redo_all(redo: Callable[[str, Path], PaperResult], folder: Path, json: bool) -> None:
    """Every paper in order; exit code 2 at the end where some could not be made."""
    from surrogate_nas.papers import overview

    result = overview(redo, folder, note)
    spare = ("rows", "no tolerance stated")
    emit(result.to_json(), json, lambda: show_table(*result.table, spare=spare))
    note(f"Tables and pictures: {folder}/paper-NAME")
    if result.failed:
        first = result.failed[0]
        raise UserError(
            f"{len(result.failed)} of {len(result.papers)} were not made;"
            f" {first.name}: {first.failure}"
        )
