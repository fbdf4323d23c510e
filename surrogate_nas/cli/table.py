"""`snas table`: train every cell of a space."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

from typer import Argument

from surrogate_nas.cli.options import taking
from surrogate_nas.cli.output import (
    JsonOption,
    emit,
    in_a_line,
    note,
    progress_bar,
    show_table,
)


@taking("workers engine")
def table(
    name: Annotated[
        str,
        Argument(metavar="TASK", help="A task's name, file.py:TASK, or file.py:TRAINING."),
    ] = "fashion",
    out: Annotated[
        Path | None,
        "The table's file; among the imported ones if left out.",
    ] = None,
    epochs: Annotated[
        int | None,
        "The longest training; the task's default if left out.",
    ] = None,
    seeds: Annotated[
        int | None,
        "Seeds of every cell; 1, or those of your own training.",
    ] = None,
    space: Annotated[str | None, "Whose cells: a space's name, or file.py:SPACE."] = None,
    json: JsonOption = False,
    **options: Any,
) -> None:
    """Train every cell of a space: a benchmark.

    On a task, cells of one functional class share a training. Repeat the command to resume.

    \b
    Examples:
      snas table digits --workers 2
      snas table digits --space macro
      snas table mine.py:MINE --workers 2 --out mine.h5
    """
    from surrogate_nas.runs.own_table import address_of, make_table

    started = time.perf_counter()
    with progress_bar("trainings") as progress:
        path, card = make_table(
            address_of(name, space),
            out=out,
            epochs=epochs,
            seeds=seeds,
            progress=progress,
            note=lambda line: note(in_a_line(line)),
            **options,
        )
    content = {
        "table": str(path),
        "bytes": path.stat().st_size,
        "seconds": time.perf_counter() - started,
        **card,
    }
    emit(content, json, lambda: show_table(("", str(path)), list(content.items())))
