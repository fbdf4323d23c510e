"""The command that makes a table of one's own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from surrogate_nas.cli.options import PROCESSES, EngineOption, WorkersOption
from surrogate_nas.cli.output import JsonOption, emit, progress_bar, show_table


def table(
    task: Annotated[str, typer.Argument(help="A task's name, or file.py:TASK.")] = "fashion",
    out: Annotated[Path | None, typer.Option(help="The table's file; among the imported ones if left out.")] = None,
    epochs: Annotated[int | None, typer.Option(help="The length of every run; the task's default if left out.")] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds tell the noise.")] = 3,
    noisy_classes: Annotated[int, typer.Option(help="How many classes all seeds train; the others seed 0 only.")] = 500,
    latencies: Annotated[int, typer.Option(help="Cells whose latency is measured here; 0 for none.")] = 500,
    workers: WorkersOption = None,
    engine: EngineOption = PROCESSES,
    space: Annotated[str | None, typer.Option(help="Whose cells: a space's name, or file.py:SPACE.")] = None,
    beside: Annotated[str | None, typer.Option(help="A table of the same space whose order to compare.")] = None,
    json: JsonOption = False,
) -> None:
    """Train every cell of a space on a task: a benchmark.

    Cells of one functional class share a training. Interrupted, it goes on.

    \b
    Examples:
      snas table digits --workers 2
      snas table digits --space macro
    """
    from surrogate_nas.benchmarks.making.make import make_table
    from surrogate_nas.space import register

    started = time.perf_counter()
    with progress_bar("trainings") as progress:
        path, card = make_table(
            task, out=out, epochs=epochs, seeds=seeds, noisy_classes=noisy_classes, latencies=latencies,
            workers=workers, engine=engine, space=register(space).definition if space else None, other=beside,
            progress=progress,
        )  # fmt: skip
    content = {"table": str(path), "bytes": path.stat().st_size, "seconds": time.perf_counter() - started, **card}
    emit(content, json, lambda: show_table(("", str(path)), list(content.items())))
