"""The table of one task: every loss's trainings of the classes that all of them trained, whatever there is by now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.files import Journal
from surrogate_nas.making.assemble import columns_of
from surrogate_nas.making.batches import Entry
from surrogate_nas.making.losses.pairs import Pair
from surrogate_nas.making.plan import Job, describe, journal_path
from surrogate_nas.metrics import Metric
from surrogate_nas.space import Sampled
from surrogate_nas.space.product import ChoiceSpace
from surrogate_nas.table import Table

LEAST_SHARE = 0.5
"""A loss that trained less than this share of the fullest one's classes is left out, so that it costs no other any."""
AT_LEAST = 2
"""Classes that a table needs."""


def held_by(pair: Pair) -> dict[Job, Entry]:
    """What the journal of a pair holds by now of the pair's classes; another process may be adding to it.

    Args:
        pair: The pair.

    Raises:
        UserError: The journal is damaged.
    """
    found = {Job(*entry["job"]): entry for entry in Journal.read(journal_path(pair.plan), describe(pair.plan))}
    return {job: found[job] for job in pair.plan.jobs() if job in found}


def fullest(held: Mapping[Pair, Mapping[Job, Entry]]) -> tuple[list[Pair], list[int]]:
    """The pairs of a task that make a table, and the cells of all of them in the order of the plan.

    Args:
        held: What each pair holds.
    """
    counts = {pair: sum(job.seed == 0 for job in entries) for pair, entries in held.items()}
    pairs = [pair for pair, count in counts.items() if count >= max(AT_LEAST, LEAST_SHARE * max(counts.values()))]
    jobs = pairs[0].plan.jobs() if pairs else []
    return pairs, [job.cell for job in jobs if job.seed == 0 and all(job in held[pair] for pair in pairs)]


def table_of(held: Mapping[Pair, Mapping[Job, Entry]], cells: Sequence[int]) -> Table:
    """The table of a task.

    Args:
        held: What the pairs of the task hold.
        cells: The cells that all of them trained with seed 0, by their place in the space.
    """
    pairs = list(held)
    space, task = pairs[0].plan.cells, pairs[0].task
    assert isinstance(space, ChoiceSpace)
    losses = {pair.trained.trained.name: pair for pair in pairs}
    own = task.trained.name if task.trained.name in losses else next(iter(losses))
    table = Table(
        name=f"losses-{task.name}",
        space=Sampled(space, space.choices[list(cells)]).definition,
        title=f"{len(cells):,} classes of cells trained with each of {', '.join(losses)}: {task.title}",
        source=f"trained by surrogate_nas; {task.source}",
        licence="that of surrogate_nas; the data's own may differ",
        citation="",
        objective=f"valid_loss@{own}" + " + 0.1*params" * ("params" in space.analytic),
        network=task.network(),
        epochs="curve",
    )
    for loss, pair in losses.items():
        _add(table, loss, pair, held[pair], cells)
    return table


def _add(table: Table, loss: str, pair: Pair, entries: Mapping[Job, Entry], cells: Sequence[int]) -> None:
    """Add the columns of one loss."""

    def read(seed: int, value: Callable[[Entry], float]) -> NDArray[np.float64]:
        of_seed = (entries.get(Job(cell, seed)) for cell in cells)
        return np.array([np.nan if entry is None else value(entry) for entry in of_seed])

    def add(metric: Metric, epochs: int | None, column: Callable[[int], NDArray[np.float64]]) -> None:
        columns = {seed: column(seed) for seed in range(pair.plan.seeds)}
        known = {seed: values for seed, values in columns.items() if np.isfinite(values).any()}
        about = f"{metric.description}, which trained {loss}"
        table.add(replace(metric, name=f"{metric.name}@{loss}", description=about), epochs, columns[0], 1, known)

    last = pair.plan.epochs
    for metric, epochs, column in columns_of(pair.trained, pair.plan, read):
        if metric.quantity != "cost" or epochs == last:
            add(metric, epochs, column)
    diverged = Metric("diverged", "", "record", "structure", description="1 where training went wrong")
    add(diverged, last, lambda seed: read(seed, lambda entry: float(bool(entry["note"]))))
