"""The command that redoes a published comparison, or all of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from surrogate_nas.cli.options import PROCESSES, EngineOption, WorkersOption, at_once
from surrogate_nas.cli.output import JsonOption, emit, note, progress_bar, say, show_table
from surrogate_nas.core.errors import UserError
from surrogate_nas.papers import PAPERS

if TYPE_CHECKING:
    from surrogate_nas.papers import PaperResult

_ALL = "all"
_USUAL = 2
"""Processes."""


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
    redo = partial(_redo, runs=runs, workers=at_once(workers, engine, _USUAL), engine=engine)
    if name == _ALL:
        _redo_all(redo, out or Path("results"), json)
        return
    folder = out or Path("results") / f"paper-{name.rpartition(':')[2]}"
    result = redo(name, folder)
    emit(result.to_json(), json, lambda: _show(result))
    note(f"Table and picture: {folder}")


def _show(result: PaperResult) -> None:
    short = result.short
    for one in short:
        show_table(one.heads, one.rows, title=result.title)
    if not short:
        show_table(*result.shown, title=result.title, spare=("cells", "runs", "seconds", "ceiling"))
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
            name, runs=runs, workers=workers, engine=engine, folder=folder, progress=progress
        )


def _redo_all(redo: Callable[[str, Path], PaperResult], folder: Path, json: bool) -> None:
    """Every paper in order; those that cannot be made are told at the end, with exit code 2."""
    from surrogate_nas.papers import overview

    made = overview(redo, folder, note)
    emit(
        made.to_json(), json, lambda: show_table(*made.shown, spare=("rows", "no tolerance stated"))
    )
    note(f"Tables and pictures: {folder}/paper-NAME")
    if made.failed:
        first = made.failed[0]
        raise UserError(
            f"{len(made.failed)} of {len(made.papers)} were not made; {first.name}: {first.failure}"
        )
