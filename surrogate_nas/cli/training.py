"""The commands that train one cell or every cell of a space, and measure cells on this machine."""

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
            "A cell of any registered space: a string in its notation, an index, or a published"
            " name."
        ),
    ],
    task: Annotated[str, "A task's name, or file.py:TASK."] = "digits",
    loss: Annotated[
        str | None, "A loss that replaces the task's own; a name or file.py:LOSS."
    ] = None,
    epochs: Annotated[
        int | None,
        "The length of the training in epochs; the task's default if omitted.",
    ] = None,
    device: Annotated[str, "The PyTorch device: cpu, cuda or mps."] = "cpu",
    seed: Annotated[int, "The seed of initial weights and batches."] = 0,
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
        Path,
        Option(
            help="The table file to write; join it to a benchmark with --with FILE."
        ),
    ],
    cell: Annotated[
        list[str] | None,
        Argument(metavar="[CELL...]", help="Cells as strings or indices."),
    ] = None,
    cells: Annotated[int | None, "Number of random cells, instead of CELL."] = None,
    device: Annotated[str, "The PyTorch device: cpu, cuda or mps."] = "cpu",
    threads: Annotated[int, "Number of PyTorch threads on a CPU."] = 1,
    batch: Annotated[int, "Number of examples per inference."] = 1,
    space: Annotated[
        str | None, "The space of the cells: a name or file.py:SPACE."
    ] = None,
    task: Annotated[
        str | None,
        "The task whose network is timed; by default the published network.",
    ] = None,
    seed: Annotated[int, "The seed of the sample of cells and of their order."] = 0,
    watts: Annotated[
        float | None,
        "Power in watts to estimate energy with, if the machine has no energy counter.",
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
        raise UserError(f"{out} is a folder. Name the file to write.")
    if bool(cell) == (cells is not None):
        raise UserError(
            "Name the cells to measure, or give a number of random cells with --cells."
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
    note(f"Table: {out}. Use it with --with {out}, for example as latency@local.")


@taking("workers engine")
def table(
    name: Annotated[
        str,
        Argument(
            metavar="TASK",
            help="The name of a task, file.py:TASK, or file.py:TRAINING.",
        ),
    ] = "fashion",
    out: Annotated[
        Path | None,
        "The table file to write; by default in the data directory.",
    ] = None,
    epochs: Annotated[
        int | None,
        "The longest training in epochs; the task's default if omitted.",
    ] = None,
    seeds: Annotated[
        int | None,
        "Training seeds per cell; by default 1, or as your own training declares.",
    ] = None,
    space: Annotated[
        str | None, "The space of the cells: a name or file.py:SPACE."
    ] = None,
    json: JsonOption = False,
    **options: Any,
) -> None:
    """Train every cell of a space to build a benchmark.

    If the cells are trained on a task, isomorphic cells share one training. Repeat the command to
    resume.

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
