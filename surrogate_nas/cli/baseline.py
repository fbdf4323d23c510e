"""The command that runs somebody else's system on a live task, beside our strategies."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from surrogate_nas.cli.compare import write_pages
from surrogate_nas.cli.options import StrategiesOption, names, results_folder
from surrogate_nas.cli.output import JsonOption, emit, note, progress_bar, seconds, show_table


def baseline(
    system: Annotated[str, typer.Argument(help="autokeras.")],
    task: Annotated[
        str, typer.Option(help="A task of classification or regression, or file.py:TASK.")
    ] = "digits",
    limit: Annotated[
        float, typer.Option("--seconds", help="What the system, and every run, may spend.")
    ] = 120.0,
    strategies: StrategiesOption = None,
    runs: Annotated[
        int, typer.Option(help="Seeds per strategy; the run of median score stands beside.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="The root of all randomness.")] = 0,
    workers: Annotated[
        int, typer.Option(help="Processes for our strategies; the system runs alone.")
    ] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where results and the report go; results/baseline-SYSTEM-TASK if left out."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run somebody else's system beside our strategies.

    It has the same data, splits and seconds; one report shows both.

    \b
    Examples:
      snas baseline autokeras --task digits --seconds 120 --workers 2
      snas baseline autokeras --task fashion --seconds 600 --strategies bo,evolution
    """
    from surrogate_nas.strategies import DEFAULTS
    from surrogate_nas.study.baseline import baseline as run_baseline

    folder = results_folder(out, "comparison", "baseline", system, task)
    with progress_bar("runs") as progress:
        comparison, made = run_baseline(
            system,
            task,
            seconds=limit,
            folder=folder,
            strategies=names(strategies) or DEFAULTS,
            runs=runs,
            seed=seed,
            workers=workers,
            progress=progress,
        )
    written = write_pages(comparison, comparison.to_json(), folder)
    heads = (
        "found by",
        f"valid {made.measure}",
        f"test {made.measure}",
        "parameters",
        "ms",
        "networks",
        "spent",
    )
    rows = [
        (
            f.by,
            f"{f.valid:.4g}",
            f"{f.test:.4g}",
            f"{f.parameters:,}",
            f"{f.latency_ms:.3g}",
            f.networks,
            seconds(f.seconds),
        )
        for f in made.found
    ]
    emit(
        asdict(made),
        json,
        lambda: show_table(heads, rows, title=f"{made.task}: {limit:g} s each ({made.versions})"),
    )
    note(made.note)
    for line in written:
        note(line)
