"""The table of one task: every loss's trainings of the classes that all of them trained, whatever there is by now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.making.losses.held import Of
from surrogate_nas.benchmarks.making.losses.kept import kept_of
from surrogate_nas.benchmarks.making.losses.pairs import Pair, classes_of
from surrogate_nas.space import Sampled
from surrogate_nas.space.product import ChoiceSpace
from surrogate_nas.tables import Table

LEAST_SHARE = 0.5
"""A loss that trained less than this share of the fullest one's classes is left out, so that it costs no other any."""
AT_LEAST = 2
"""Classes that a table needs."""


def fullest(held: Mapping[Pair, Of]) -> tuple[list[Pair], list[int]]:
    """The pairs of a task that make a table, and its cells in the order of the plan.

    These are the cells that all of the pairs trained, those that all pairs trained that are asked for more classes than
    others, and those that an earlier table holds.

    Args:
        held: What there is of each pair.
    """
    asked = {pair: classes_of(pair) for pair in held}
    wide = min((number for number in asked.values() if number), default=0)
    cells = {pair: {job.cell for job in of.trainings if job.seed == 0} for pair, of in held.items()}
    counts = {pair: min(len(own), wide) if wide else len(own) for pair, own in cells.items()}
    before = {pair: of.tabled for pair, of in held.items() if of.tabled}
    base = frozenset.intersection(*before.values()) if before else frozenset()
    enough = max(AT_LEAST, LEAST_SHARE * max(counts.values(), default=0))
    pairs = [pair for pair in held if pair in before or (counts[pair] >= enough and cells[pair] >= base)]
    if not pairs:
        return [], []
    found = set.intersection(*(cells[pair] for pair in pairs)).union(*before.values())
    if deep := [pair for pair in pairs if asked[pair] > wide]:
        found |= set.intersection(*(cells[pair] for pair in deep))
    place = pairs[0].places
    return pairs, sorted(found, key=place.__getitem__)


def table_of(held: Mapping[Pair, Of], cells: Sequence[int]) -> Table:
    """The table of a task.

    Args:
        held: What there is of the pairs of the task, in runs of one length.
        cells: The cells, by their place in the space.
    """
    pairs = list(held)
    space, task, length = pairs[0].plan.cells, pairs[0].task, pairs[0].length
    assert isinstance(space, ChoiceSpace)
    losses = {pair.loss: pair for pair in pairs}
    own = task.trained.name if task.trained.name in losses else next(iter(losses))
    longer = f", in runs of {pairs[0].plan.epochs} epochs" if length > 1 else ""
    table = Table(
        name=f"losses-{pairs[0].table}",
        space=Sampled(space, space.choices[list(cells)]).definition,
        title=f"{len(cells):,} classes of cells trained with each of {', '.join(losses)}{longer}: {task.title}",
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


def _add(table: Table, pair: Pair, of: Of, cells: Sequence[int]) -> None:
    """Add the columns of one loss."""
    kept, row = kept_of(pair.trained, pair.plan.epochs), {cell: place for place, cell in enumerate(cells)}
    seeds = 1 + max(job.seed for job in of.trainings)
    values: NDArray[np.float64] = np.full((seeds, len(kept), len(cells)), np.nan)
    for job, training in of.trainings.items():
        if job.cell in row:
            values[job.seed, :, row[job.cell]] = [training.values[one.key] for one in kept]
    for place, one in enumerate(kept):
        known = {seed: values[seed, place] for seed in range(seeds) if np.isfinite(values[seed, place]).any()}
        about = f"{one.metric.description}, which trained {pair.loss}"
        metric = replace(one.metric, name=f"{one.metric.name}@{pair.loss}", description=about)
        table.add(metric, one.epochs, values[0, place], 1, known)
