"""Write what there is by now: a table a task and length of run, with its card beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.building.losses.agreement import agreement
from surrogate_nas.benchmarks.building.losses.pairs import Note, Pair, by_table, classes_of
from surrogate_nas.benchmarks.building.losses.rounds import seconds_each
from surrogate_nas.benchmarks.building.losses.trainings import (
    DIVERGED,
    SPENT,
    Of,
    in_table,
    recorded_of,
    settings_of,
    trainings_of,
)
from surrogate_nas.benchmarks.building.plan import Job, Plan
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import write_whole
from surrogate_nas.files.paths import printable
from surrogate_nas.space import Sampled
from surrogate_nas.space.product import ChoiceSpace
from surrogate_nas.tables import Table, write_compact
from surrogate_nas.training.diagnostics import Diagnostic

_FEWEST = 10
_MOST = 1000
"""Classes of two seeds from which their agreement is told, and of how many of them at most."""


def card_of(held: Mapping[Pair, Of], asked: Mapping[str, int]) -> dict[str, Any]:
    """The card of a task's table."""
    pair = next(iter(held))
    return {
        "task": pair.task.name,
        "length": pair.length,
        "judged_by": f"valid_{pair.task.measured[0].name}",
        "losses": {
            pair.loss: _of_pair(pair, of, asked.get(pair.loss, 0)) for pair, of in held.items()
        },
    }


def _of_pair(pair: Pair, of: Of, asked: int) -> dict[str, Any]:
    seconds = of.seconds()
    jobs = of.trainings
    seeds = sorted({*range(pair.plan.seeds), *(job.seed for job in jobs)})
    return {
        **settings_of(pair),
        "made": list(of.made),
        "classes": {seed: sum(job.seed == seed for job in jobs) for seed in seeds},
        "diverged": sum(bool(training.last(DIVERGED)) for training in jobs.values()),
        "processor_seconds": sum(seconds),
        "processor_seconds_a_training": float(np.median(seconds)) if seconds else None,
        "processor_hours_of_all": (
            max(asked, len(seconds)) * seconds_each(seconds) / 3600 if seconds else None
        ),
        "two_seeds": {
            told.name: found for told in pair.trained.diagnostics if (found := _agreement(told, of))
        },
    }


def _agreement(told: Diagnostic, of: Of) -> dict[str, Any]:
    """How two seeds agree at the end of the run; empty for what is no search metric, or of too few
    classes.
    """
    cells = [
        job.cell for job in of.trainings if job.seed == 0 and Job(job.cell, 1) in of.trainings
    ][:_MOST]
    if told.split == "test" or len(cells) < _FEWEST:
        return {}
    values = np.array(
        [[of.trainings[Job(cell, seed)].last(told.name) for seed in (0, 1)] for cell in cells]
    )
    found = agreement(*values.T)
    numbers = {
        name: value if math.isfinite(value) else None for name, value in found._asdict().items()
    }
    return {**numbers, "classes": len(cells), "is_noise": found.is_noise}


LEAST_SHARE = 0.5
"""A loss that trained less than this share of the fullest one's classes is left out, so that it
costs no other any.
"""
AT_LEAST = 2
"""Classes that a table needs."""


def fullest(held: Mapping[Pair, Of]) -> tuple[list[Pair], list[int]]:
    """The pairs of a task that make a table, and its cells in the order of the plan.

    These are the cells that all of the pairs trained, those that all pairs trained that are asked
    for more classes than others, and those that an earlier table holds.
    """
    asked = {pair: classes_of(pair) for pair in held}
    wide = min((number for number in asked.values() if number), default=0)
    cells = {pair: {job.cell for job in of.trainings if job.seed == 0} for pair, of in held.items()}
    counts = {pair: min(len(own), wide) if wide else len(own) for pair, own in cells.items()}
    before = {pair: of.tabled for pair, of in held.items() if of.tabled}
    base = frozenset.intersection(*before.values()) if before else frozenset()
    enough = max(AT_LEAST, LEAST_SHARE * max(counts.values(), default=0))
    pairs = [
        pair for pair in held if pair in before or (counts[pair] >= enough and cells[pair] >= base)
    ]
    if not pairs:
        return [], []
    found = set.intersection(*(cells[pair] for pair in pairs)).union(*before.values())
    if deep := [pair for pair in pairs if asked[pair] > wide]:
        found |= set.intersection(*(cells[pair] for pair in deep))
    place = pairs[0].places
    return pairs, sorted(found, key=place.__getitem__)


def table_of(held: Mapping[Pair, Of], cells: Sequence[int]) -> Table:
    """The table of a task."""
    pairs = list(held)
    space = pairs[0].plan.cells
    task = pairs[0].task
    length = pairs[0].length
    assert isinstance(space, ChoiceSpace)
    losses = {pair.loss: pair for pair in pairs}
    own = task.trained.name if task.trained.name in losses else next(iter(losses))
    longer = f", in runs of {pairs[0].plan.epochs} epochs" if length > 1 else ""
    table = Table(
        name=f"losses-{pairs[0].table}",
        space=Sampled(space, space.choices[list(cells)]).definition,
        title=(
            f"{len(cells):,} classes of cells trained with each of {', '.join(losses)}{longer}:"
            f" {task.title}"
        ),
        source=f"trained by surrogate_nas; {task.source}",
        licence="that of surrogate_nas; the data's own may differ",
        citation="",
        objective=f"valid_loss@{own}" + " + 0.1*params" * ("params" in space.analytic),
        network=task.network(),
        epochs="curve",
    )
    for pair in losses.values():
        _add(table, pair, held[pair], cells)
    return table


def _add(
    table: Table,
    pair: Pair,
    of: Of,
    cells: Sequence[int],
) -> None:
    """Add the columns of one loss."""
    recorded = recorded_of(pair.trained, pair.plan.epochs)
    row = {cell: place for place, cell in enumerate(cells)}
    seeds = 1 + max(job.seed for job in of.trainings)
    values: NDArray[np.float64] = np.full((seeds, len(recorded), len(cells)), np.nan)
    for job, training in of.trainings.items():
        if job.cell in row:
            values[job.seed, :, row[job.cell]] = [training.values[one.key] for one in recorded]
    for place, one in enumerate(recorded):
        known = {
            seed: values[seed, place]
            for seed in range(seeds)
            if np.isfinite(values[seed, place]).any()
        }
        about = f"{one.metric.description}, which trained {pair.loss}"
        metric = replace(one.metric, name=f"{one.metric.name}@{pair.loss}", description=about)
        table.add(metric, one.epochs, values[0, place], 1, known)


def seconds_in_tables(
    pairs: Sequence[Pair],
    folder: Path,
    *,
    note: Note = lambda _: None,
) -> dict[Plan, dict[Job, float]]:
    """What the tables of a folder hold of some pairs, which need not be trained again.

    Returns:
        Processor seconds by plan and job.
    """
    found = {}
    for table, own in by_table(pairs).items():
        for pair, (trainings, _) in in_table(own, folder / f"{table}.h5", note=note).items():
            found[pair.plan] = {job: training.last(SPENT) for job, training in trainings.items()}
    return found


def write_losses(
    pairs: Sequence[Pair],
    folder: Path,
    *,
    note: Note = lambda _: None,
) -> dict[str, dict[str, Any]]:
    """Write ``TASK.h5`` and ``TASK.json``, of longer runs ``TASK-x4.h5``, for every task that has
    trainings.

    Returns:
        The cards by table.
    """
    asked: dict[tuple[str, str], set[Job]] = {}
    for pair in pairs:
        asked.setdefault((pair.table, pair.loss), set()).update(pair.plan.jobs())
    cards: dict[str, dict[str, Any] | None] = {}
    for table, own in by_table(pairs).items():
        numbers = {loss: len(jobs) for (of, loss), jobs in asked.items() if of == table}
        cards[table] = _write(own, numbers, folder / f"{table}.h5", note)
    if all(card is None for card in cards.values()):
        raise UserError(
            "Nothing is trained yet, so there is no table to write: leave --assemble out."
        )
    return {table: card for table, card in cards.items() if card}


def _write(
    pairs: Sequence[Pair],
    asked: dict[str, int],
    path: Path,
    note: Note,
) -> dict[str, Any] | None:
    """Write the table of a task and its card; None where there is nothing to write, empty where it
    stays as it is.
    """
    held = trainings_of(pairs, path, note=note)
    usable, cells = fullest(held.of)
    if not usable:
        return None
    for pair, of in held.of.items():
        if pair not in usable:
            note(
                f"{pair.words} is left out of the table: it has {len(of.trainings)} trainings by"
                " now."
            )
    rows = set(cells)
    trainings = sum(job.cell in rows for pair in usable for job in held.of[pair].trainings)
    if trainings < held.before:
        note(
            f"{printable(path)} stays as it is: it holds {held.before:,} trainings, a new one would"
            f" {trainings:,}."
        )
        return {}
    card = {**card_of({pair: held.of[pair] for pair in usable}, asked), "cells": len(cells)}
    table = table_of({pair: held.of[pair] for pair in usable}, cells)
    table.card = json.dumps(card)
    write_compact(table, path)
    write_whole(path.with_suffix(".json"), json.dumps(card, indent=1) + "\n")
    return card
