"""Write what the journals hold by now: a table a task, with its card beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from surrogate_nas.errors import UserError
from surrogate_nas.files import replacing
from surrogate_nas.making.losses.assemble import fullest, held_by, table_of
from surrogate_nas.making.losses.card import card_of
from surrogate_nas.making.losses.pairs import Note, Pair
from surrogate_nas.table import write_compact


def write_losses(pairs: Sequence[Pair], folder: Path, *, note: Note = lambda _: None) -> dict[str, dict[str, Any]]:
    """Write ``TASK.h5`` and ``TASK.json`` for every task that has trainings.

    Args:
        pairs: What may have been trained.
        folder: Where.
        note: Told of every pair that is left out of its table, and why.

    Returns:
        The cards by task.

    Raises:
        UserError: A journal is damaged, nothing can be written, or nothing was trained yet.
    """
    by_task: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_task.setdefault(pair.task.name, []).append(pair)
    cards = {task: card for task, own in by_task.items() if (card := _write(own, folder / f"{task}.h5", note))}
    if not cards:
        raise UserError("Nothing is trained yet, so there is no table to write: leave --assemble out.")
    return cards


def _write(pairs: Sequence[Pair], path: Path, note: Note) -> dict[str, Any]:
    """Write the table of a task and its card; empty where there is nothing to write."""
    held = {pair: held_by(pair) for pair in pairs}
    usable, cells = fullest(held)
    if not usable:
        return {}
    for pair in pairs:
        if pair not in usable:
            note(f"{pair.plan.task} is left out of the table: it has {len(held[pair])} trainings by now.")
    card = {**card_of(held), "cells": len(cells)}
    table = table_of({pair: held[pair] for pair in usable}, cells)
    table.card = json.dumps(card)
    write_compact(table, path)
    with replacing(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card
