"""Write what there is by now: a table a task and length of run, with its card beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from surrogate_nas.benchmarks.making.losses.assemble import fullest, table_of
from surrogate_nas.benchmarks.making.losses.card import card_of
from surrogate_nas.benchmarks.making.losses.held import held_of, in_table
from surrogate_nas.benchmarks.making.losses.kept import SPENT
from surrogate_nas.benchmarks.making.losses.pairs import Note, Pair, by_table
from surrogate_nas.benchmarks.making.plan import Job, Plan
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import replacing
from surrogate_nas.files.paths import printable
from surrogate_nas.tables import write_compact


def seconds_in_tables(
    pairs: Sequence[Pair], folder: Path, *, note: Note = lambda _: None
) -> dict[Plan, dict[Job, float]]:
    """What the tables of a folder hold of some pairs, which need not be trained again.

    Args:
        pairs: What is to be trained.
        folder: Where the tables are.
        note: Told of every table whose trainings are not mixed in, and why.

    Returns:
        Processor seconds by plan and job.

    Raises:
        UserError: A table is damaged.
    """
    found = {}
    for table, own in by_table(pairs).items():
        for pair, (trainings, _) in in_table(own, folder / f"{table}.h5", note=note).items():
            found[pair.plan] = {job: training.last(SPENT) for job, training in trainings.items()}
    return found


def write_losses(pairs: Sequence[Pair], folder: Path, *, note: Note = lambda _: None) -> dict[str, dict[str, Any]]:
    """Write ``TASK.h5`` and ``TASK.json``, of longer runs ``TASK-x4.h5``, for every task that has trainings.

    Args:
        pairs: What may have been trained.
        folder: Where; what tables there hold is kept where it is of the same settings.
        note: Told of every pair that is left out of its table, and why, and of every table that stays as it is.

    Returns:
        The cards by table.

    Raises:
        UserError: A journal or a table is damaged, nothing can be written, or nothing was trained yet.
    """
    asked: dict[tuple[str, str], set[Job]] = {}
    for pair in pairs:
        asked.setdefault((pair.table, pair.loss), set()).update(pair.plan.jobs())
    cards: dict[str, dict[str, Any] | None] = {}
    for table, own in by_table(pairs).items():
        numbers = {loss: len(jobs) for (of, loss), jobs in asked.items() if of == table}
        cards[table] = _write(own, numbers, folder / f"{table}.h5", note)
    if all(card is None for card in cards.values()):
        raise UserError("Nothing is trained yet, so there is no table to write: leave --assemble out.")
    return {table: card for table, card in cards.items() if card}


def _write(pairs: Sequence[Pair], asked: dict[str, int], path: Path, note: Note) -> dict[str, Any] | None:
    """Write the table of a task and its card; None where there is nothing to write, empty where it stays as it is."""
    held = held_of(pairs, path, note=note)
    usable, cells = fullest(held.of)
    if not usable:
        return None
    for pair, of in held.of.items():
        if pair not in usable:
            note(f"{pair.words} is left out of the table: it has {len(of.trainings)} trainings by now.")
    rows = set(cells)
    trainings = sum(job.cell in rows for pair in usable for job in held.of[pair].trainings)
    if trainings < held.before:
        note(f"{printable(path)} stays as it is: it holds {held.before:,} trainings, a new one would {trainings:,}.")
        return {}
    card = {**card_of({pair: held.of[pair] for pair in usable}, asked), "cells": len(cells)}
    table = table_of({pair: held.of[pair] for pair in usable}, cells)
    table.card = json.dumps(card)
    write_compact(table, path)
    with replacing(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card
