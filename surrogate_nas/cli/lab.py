"""The command that trains one cell."""

from __future__ import annotations

from typing import Annotated

import typer

from surrogate_nas.cli.options import cell_named
from surrogate_nas.cli.output import JsonOption, emit, note, show_table
from surrogate_nas.errors import UserError


def train(
    cell: Annotated[str, typer.Argument(help="A cell as the field prints it, or its index.")],
    task: Annotated[str, typer.Option(help="A task's name, or file.py:TASK.")] = "digits",
    epochs: Annotated[int | None, typer.Option(help="The length of the run; the task's default if left out.")] = None,
    device: Annotated[str, typer.Option(help="As PyTorch names it: cpu, cuda, mps.")] = "cpu",
    seed: Annotated[int, typer.Option(help="Seeds initial weights and batches.")] = 0,
    json: JsonOption = False,
) -> None:
    """Train one cell on a task and print its learning curve.

    \b
    Examples:
      snas train 11 --task digits
      snas train 11 --task squares.py:Squares --epochs 5 --seed 1
    """
    from surrogate_nas.space import macro, nb201
    from surrogate_nas.training import task_named
    from surrogate_nas.training import train as run_train

    if seed < 0:
        raise UserError(f"A seed must be at least 0, not {seed}.")
    space = macro() if cell.strip().startswith("conv_stack") else nb201()
    (curve,) = run_train([cell_named(space, cell)], task_named(task), epochs=epochs, seed=seed, device=device)
    curves = {name: getattr(curve, name) for name in ("train_loss", "train_error", "valid_loss", "valid_error")}
    content = {
        "cell": str(curve.cell),
        "task": curve.task,
        "metrics": curve.metrics,
        "curves": curves,
        "params": curve.parameters,
        "macs": curve.multiply_accumulates / 1e6,
        "seconds": curve.seconds,
        "device": curve.device,
        "note": curve.note,
    }
    rows = [(epoch, *values) for epoch, values in enumerate(zip(*curves.values(), strict=True), 1)]
    title = f"{task}: test loss {curve.test_loss:.4g}, test error {curve.test_error:.4g} %, {curve.seconds:.1f} s"
    emit(content, json, lambda: show_table(("epoch", *curves), rows, title=title))
    if curve.note:
        note(curve.note)
