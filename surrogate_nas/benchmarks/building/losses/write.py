"""Write what there is by now: a table a task and length of run, with its card beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.building.losses.agreement import agreement_of_all
from surrogate_nas.benchmarks.building.losses.pairs import Note, Pair, by_table
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
_MOST = 500
"""Classes from which the agreement of their seeds is told, and of how many of them at most."""


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
    """How the seeds agree at the end of the run, the mean of all pairs; empty for what is no search
    metric, or of too few classes. Of classes that have all seeds, else of those with two.
    """
    if told.split == "test":
        return {}
    seeds = sorted({job.seed for job in of.trainings})
    cells = _with_seeds(of, seeds)
    if len(cells) < _FEWEST:
        seeds = seeds[:2]
        cells = _with_seeds(of, seeds)
    if len(cells) < _FEWEST or len(seeds) < 2:
        return {}
    values = [[of.trainings[Job(cell, seed)].last(told.name) for cell in cells] for seed in seeds]
    found = agreement_of_all(np.array(values))
    numbers = {
        name: value if math.isfinite(value) else None for name, value in found._asdict().items()
    }
    return {**numbers, "classes": len(cells), "seeds": len(seeds), "is_noise": found.is_noise}


def _with_seeds(of: Of, seeds: Sequence[int]) -> list[int]:
    """The first cells that were trained with each of some seeds."""
    cells = [job.cell for job in of.trainings if job.seed == 0]
    held = (cell for cell in cells if all(Job(cell, seed) in of.trainings for seed in seeds))
    return list(islice(held, _MOST))


AT_LEAST = 2
"""Classes that a table needs."""


def everything(held: Mapping[Pair, Of]) -> tuple[list[Pair], list[int]]:
    """The pairs of a task that have trainings, and all cells that any of them trained, in the order
    of the plan. Where a pair did not train a cell, the table has no number.
    """
    pairs = [pair for pair, of in held.items() if of.trainings]
    cells = {job.cell for pair in pairs for job in held[pair].trainings}
    if len(cells) < AT_LEAST:
        return [], []
    return pairs, sorted(cells, key=pairs[0].places.__getitem__)


def table_of(held: Mapping[Pair, Of], cells: Sequence[int]) -> Table:
    """The table of a task."""
    pairs = list(held)
    space = pairs[0].plan.cells
    task = pairs[0].task
    length = pairs[0].length
    assert isinstance(space, ChoiceSpace)
    losses = {pair.loss: pair for pair in pairs}
    own = task.trained.name if task.trained.name in losses else next(iter(losses))
    longer = f", in runs of {pairs[0].plan.epochs} epochs" if length != 1 else ""
    table = Table(
        name=f"losses-{pairs[0].table}",
        space=Sampled(space, space.choices[list(cells)]).definition,
        title=(
            f"{len(cells):,} classes of cells trained with {', '.join(losses)}{longer}:"
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
    usable, cells = everything(held.of)
    if not usable:
        return None
    for pair in held.of:
        if pair not in usable:
            note(f"{pair.words} is left out of the table: it has no training by now.")
    trainings = sum(len(held.of[pair].trainings) for pair in usable)
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
