"""The command that trains a single cell."""

from __future__ import annotations

from typing import Annotated

import typer

from surrogate_nas.cli.output import JsonOption, emit, note, show_table

_CURVES = ("train_loss", "train_error", "valid_loss", "valid_error")


def train(
    cell: Annotated[
        str,
        typer.Argument(help="A cell of any registered space as the field prints it, its index, or a published name."),
    ],
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
      snas train DARTS_V2 --task digits
      snas train "conv_stack(layers=2, channels=8)" --task rotation
    """
    from surrogate_nas.space import cell_named
    from surrogate_nas.training import task_named
    from surrogate_nas.training import train as run_train

    space, found = cell_named(cell)
    (curve,) = run_train([found], task_named(task), epochs=epochs, seed=seed, device=device, space=space)
    curves = {name: getattr(curve, name) for name in _CURVES}
    content = {
        "cell": str(curve.cell),
        "space": space.name,
        "task": curve.task,
        "metrics": curve.metrics,
        "units": {name: "%" if name.endswith("error") else curve.loss_unit for name in curve.metrics},
        "curves": curves,
        "params": curve.parameters,
        "macs": curve.multiply_accumulates / 1e6,
        "seconds": curve.seconds,
        "device": curve.device,
        "note": curve.note,
    }
    heads = [f"{name} ({content['units'][name]})" for name in _CURVES]  # type: ignore[index]
    rows = [(epoch, *values) for epoch, values in enumerate(zip(*curves.values(), strict=True), 1)]
    title = (
        f"{task}: test loss {curve.test_loss:.4g} {curve.loss_unit}, test error {curve.test_error:.4g} %, "
        f"{curve.seconds:.1f} s"
    )
    emit(content, json, lambda: show_table(("epoch", *heads), rows, title=title))
    if curve.note:
        note(curve.note)
