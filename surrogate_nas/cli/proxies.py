"""The command that computes zero-cost proxies of a whole space."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from surrogate_nas.cli.options import PROCESSES, EngineOption, WorkersOption, at_once
from surrogate_nas.cli.output import JsonOption, emit, progress_bar, show_table

_USUAL = 2
"""Passes at once, each on one core."""


def proxies(
    space: Annotated[str, typer.Argument(help="A space's name, or file.py:SPACE; its cells must be listed and built.")],
    out: Annotated[Path, typer.Option(help="The table's file, for --with of other commands.")],
    task: Annotated[str, typer.Option(help="A task's name, or file.py:TASK.")] = "fashion",
    seeds: Annotated[int, typer.Option(help="Initialisations and batches that every score is the mean over.")] = 1,
    batch: Annotated[int, typer.Option(help="Training examples a batch.")] = 64,
    workers: WorkersOption = None,
    engine: EngineOption = PROCESSES,
    json: JsonOption = False,
) -> None:
    """Score every cell of a space without training. Interrupted, it goes on.

    \b
    Examples:
      snas proxies nb201 --task digits --out digits-proxies.h5
      snas search nb201-cifar10 --strategy zero_cost --with digits-proxies.h5
    """
    from surrogate_nas.benchmarks.making.proxies import Passes, make_proxies
    from surrogate_nas.space import register

    started = time.perf_counter()
    with progress_bar("passes") as progress:
        passes = Passes(register(space).definition, task, seeds=seeds, batch=batch)
        together = at_once(workers, engine, _USUAL)
        card = make_proxies(passes, out, workers=together, engine=engine, progress=progress)
    content = {"table": str(out), "bytes": out.stat().st_size, "seconds": time.perf_counter() - started, **card}
    shown = [(name, value) for name, value in content.items() if not isinstance(value, dict)]
    shown += [(f"{proxy}: τ of two seeds", round(tau, 3)) for proxy, tau in card["kendall_between_seeds"].items()]
    emit(content, json, lambda: show_table(("", str(out)), shown))
