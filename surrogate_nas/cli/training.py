"""The commands that train a single cell, train every cell of a space, and measure cells on this
machine.
"""

import os
import time
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from surrogate_nas.cli.options import taking
from surrogate_nas.cli.output import (
    JsonOption,
    emit,
    in_a_line,
    note,
    progress_bar,
    show_table,
)
from surrogate_nas.core import UserError
from surrogate_nas.files import locked
from surrogate_nas.space import (
    DEFAULT_SPACE,
    cell_named,
    cells_given,
    drawn_cells,
    listed,
    register,
)
from surrogate_nas.training import task_named
from surrogate_nas.training import train as run_train


def train(
    cell: Annotated[
        str,
        (
            "A cell of any registered space as the field prints it, its index, or a published"
            " name."
        ),
    ],
    task: Annotated[str, "A task's name, or file.py:TASK."] = "digits",
    loss: Annotated[
        str | None, "Another loss than the task's own, or file.py:LOSS."
    ] = None,
    epochs: Annotated[
        int | None,
        "The length of the run; the task's default if left out.",
    ] = None,
    device: Annotated[str, "As PyTorch names it: cpu, cuda, mps."] = "cpu",
    seed: Annotated[int, "Seeds initial weights and batches."] = 0,
    json: JsonOption = False,
) -> None:
    """Train one cell on a task and print its learning curve.

    \b
    Examples:
      snas train 11 --task digits
      snas train DARTS_V2 --task digits
      snas train 11 --task fashion --loss focal
      snas train "conv_stack(layers=2, channels=8)" --task rotation
    """
    space, parsed = cell_named(cell)
    learned = task_named(task) if loss is None else task_named(task).with_loss(loss)
    (curve,) = run_train(
        [parsed],
        learned,
        epochs=epochs,
        seed=seed,
        device=device,
        space=space,
    )
    content = {
        "cell": str(curve.cell),
        "space": space.name,
        "task": curve.task,
        "metrics": curve.metrics,
        "loss": learned.trained.name,
        "units": curve.units,
        "curves": curve.values,
        "params": curve.parameters,
        "macs": curve.multiply_accumulates / 1e6,
        "seconds": curve.seconds,
        "device": curve.device,
        "note": curve.note,
    }
    heads = [f"{name} ({curve.units[name]})" for name in curve.values]
    rows = [
        (epoch, *values)
        for epoch, values in enumerate(zip(*curve.values.values(), strict=True), 1)
    ]
    finals = ", ".join(
        f"{name} {value:.4g} {curve.units[name]}"
        for name, value in curve.finals.items()
    )
    title = f"{curve.task}: {finals}; {curve.seconds:.1f} s"
    emit(content, json, lambda: show_table(("epoch", *heads), rows, title=title))
    if curve.note:
        note(curve.note)


def measure(
    out: Annotated[
        Path, Option(help="The table to write; --with FILE joins it to a benchmark.")
    ],
    cell: Annotated[
        list[str] | None,
        Argument(
            metavar="[CELL...]", help="Cells as the field prints them, or indices."
        ),
    ] = None,
    cells: Annotated[int | None, "Instead, how many random cells."] = None,
    device: Annotated[str, "As PyTorch names it: cpu, cuda, mps."] = "cpu",
    threads: Annotated[int, "PyTorch's threads on a CPU."] = 1,
    batch: Annotated[int, "Examples of one inference."] = 1,
    space: Annotated[
        str | None, "Whose cells: a space's name, or file.py:SPACE."
    ] = None,
    task: Annotated[
        str | None,
        "Whose network to time; the published one if left out.",
    ] = None,
    seed: Annotated[int, "Of the draw of cells and of their order."] = 0,
    watts: Annotated[
        float | None,
        "Power to estimate energy with, if no counter is here.",
    ] = None,
    json: JsonOption = False,
) -> None:
    """Measure latency, memory and energy of cells on this machine.

    \b
    Examples:
      snas measure --cells 200 --out local.h5
      snas measure 11 12 --out winner.h5
      snas measure --cells 36 --space macro --task digits --out stacks.h5
    """
    from surrogate_nas.training.hardware import Protocol
    from surrogate_nas.training.hardware import measure as run_measure

    if os.path.isdir(out):
        raise UserError(f"{out} is a folder; name the file to write.")
    if bool(cell) == (cells is not None):
        raise UserError(
            "Name the cells to measure, or say how many random ones with --cells."
        )

    cell_space = register(space or DEFAULT_SPACE)
    chosen = (
        cells_given(cell_space, cell or [])
        if cells is None
        else drawn_cells(listed(cell_space), cells, seed)
    )
    protocol = Protocol(device, threads, batch)
    network = task_named(task).network() if task else None
    journal = out.with_name(f"{out.name}.jsonl")
    with locked(out, wait=False), progress_bar("visits") as progress:
        measured = run_measure(
            chosen,
            network,
            protocol,
            space=cell_space,
            seed=seed,
            watts=watts,
            journal=journal,
            progress=progress,
        )
        measured.write(out)
        journal.unlink(missing_ok=True)
    content = measured.summary() | {"file": str(out)}
    card = content["device_card"]
    rows = [
        ("device", f"{card['device']}: {card['model']}"),
        (
            "load average, start and end",
            f"{card['load_average']}, {card['load_average_end']}",
        ),
        ("cells", content["n"]),
        *(
            (f"latency, {name} (ms)", float(value))
            for name, value in content["latency_ms"].items()
        ),
        ("clock", content["protocol"]["clock"]),
        ("reference cell", content["steadiness"]),
        ("energy", content["energy"]),
        ("seconds", content["seconds"]),
    ]
    emit(content, json, lambda: show_table(("", str(out)), rows))
    for warning in measured.warnings:
        note(f"Warning: {warning}")
    note(f"Table: {out}. Use it with --with {out}, as latency@local.")


@taking("workers engine")
def table(
    name: Annotated[
        str,
        Argument(
            metavar="TASK", help="A task's name, file.py:TASK, or file.py:TRAINING."
        ),
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
    space: Annotated[
        str | None, "Whose cells: a space's name, or file.py:SPACE."
    ] = None,
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
