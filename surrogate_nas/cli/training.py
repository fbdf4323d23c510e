"""The command that trains a single cell."""

from __future__ import annotations

from typing import Annotated

import typer

from surrogate_nas.cli.output import JsonOption, emit, note, show_table
from surrogate_nas.space import cell_named
from surrogate_nas.training import task_named
from surrogate_nas.training import train as run_train


def train(
    cell: Annotated[
        str,
        typer.Argument(
            help=(
                "A cell of any registered space as the field prints it, its index, or a published"
                " name."
            )
        ),
    ],
    task: Annotated[str, typer.Option(help="A task's name, or file.py:TASK.")] = "digits",
    loss: Annotated[
        str | None, typer.Option(help="Another loss than the task's own, or file.py:LOSS.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="The length of the run; the task's default if left out.")
    ] = None,
    device: Annotated[str, typer.Option(help="As PyTorch names it: cpu, cuda, mps.")] = "cpu",
    seed: Annotated[int, typer.Option(help="Seeds initial weights and batches.")] = 0,
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
    space, found = cell_named(cell)
    learned = task_named(task) if loss is None else task_named(task).with_loss(loss)
    (curve,) = run_train(
        [found],
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
        (epoch, *values) for epoch, values in enumerate(zip(*curve.values.values(), strict=True), 1)
    ]
    finals = ", ".join(
        f"{name} {value:.4g} {curve.units[name]}" for name, value in curve.finals.items()
    )
    title = f"{curve.task}: {finals}; {curve.seconds:.1f} s"
    emit(content, json, lambda: show_table(("epoch", *heads), rows, title=title))
    if curve.note:
        note(curve.note)
