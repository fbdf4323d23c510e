"""The commands that list strategies and losses."""

from __future__ import annotations

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
    emit(content, json, lambda: show_table(("loss", "is", "unit", "trains", "comparable as"), rows))
