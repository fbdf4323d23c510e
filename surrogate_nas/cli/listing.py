"""The commands that list strategies and losses, and that look cells up."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any

from surrogate_nas.benchmarks import load
from surrogate_nas.cli.options import (
    BenchmarkArgument,
    CellsArgument,
    WithOption,
    cells_named,
)
from surrogate_nas.cli.output import JsonOption, emit, show_table
from surrogate_nas.strategies import described
from surrogate_nas.training.losses import LOSSES


def strategies(json: JsonOption = False) -> None:
    """List the search strategies: what each does, and its paper.

    \b
    Examples:
      snas strategies
      snas strategies --json
    """
    content = described()
    rows = [(s["name"], s["description"], s["paper"] or None) for s in content]
    emit(content, json, lambda: show_table(("strategy", "does", "paper"), rows))


def losses(json: JsonOption = False) -> None:
    """List the training losses: unit, fitting tasks, paper.

    Values may be compared where the last column says the same. Any of them, or a file.py:LOSS, is
    trained by --loss NAME, or behind a task's name: TASK?loss=NAME.

    \b
    Examples:
      snas losses
      snas losses --json
      snas train 11 --task digits --loss focal
    """
    content = [
        {
            "name": loss.name,
            "description": loss.title,
            "unit": loss.unit,
            "fits": list(loss.fits),
            "comparable": loss.comparable,
        }
        for loss in LOSSES.values()
    ]
    rows = [
        (loss.name, loss.title, loss.unit, ", ".join(loss.fits), loss.comparable)
        for loss in LOSSES.values()
    ]
    emit(
        content,
        json,
        lambda: show_table(("loss", "is", "unit", "trains", "comparable as"), rows),
    )


def query(
    bench: BenchmarkArgument,
    cells: CellsArgument,
    metric: Annotated[str | None, "The metric; every search metric if left out."] = None,
    epochs: Annotated[
        int | None,
        "The length of the training run; the longest if left out.",
    ] = None,
    seed: Annotated[int | None, "A training seed; the mean if left out."] = None,
    with_: WithOption = None,
    json: JsonOption = False,
) -> None:
    """Look up metrics of cells.

    \b
    Examples:
      snas query fashion 11
      snas query nb201-cifar10 0 1 2 --metric valid_error --epochs 12
      snas query fashion 11 --with local.h5 --metric latency@local
    """
    bench_ = load(bench, with_=with_ or ())
    results: list[Any] = bench_.query(
        cells_named(bench_.space, cells),
        metric,
        epochs=epochs,
        seed=seed,
    )
    answers = (
        results
        if metric
        else [answer for by_name in results for answer in by_name.values()]
    )
    content = [answer.to_json() for answer in answers]
    heads = ("cell", "metric", "epochs", "seed", "value", "unit", "source")
    rows = [[entry[head] for head in heads] for entry in content]
    for before, row in reversed(list(pairwise(rows))):
        if row[0] == before[0]:
            row[0] = ""  # a cell stands once
    emit(content, json, lambda: show_table(heads, rows, spare=("source", "seed")))
