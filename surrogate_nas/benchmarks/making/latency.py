"""The latency column of a table: some cells measured on this machine's CPU, the others predicted from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.making.plan import ORDER_SEED
from surrogate_nas.core.metrics import Metric
from surrogate_nas.space import Cell, listed, space_named
from surrogate_nas.surrogates import make_model
from surrogate_nas.tables import Table
from surrogate_nas.training.hardware import Protocol, draw_cells, measure

FEWEST = 10
"""From so many measured cells a regression tells the others'."""


def add_latencies(table: Table, count: int, journal: Path) -> dict[str, Any]:
    """Measure random cells on this machine's CPU and predict the rest.

    Args:
        table: Gets the columns.
        count: How many cells to measure; all of a smaller space.
        journal: The measurement's file.

    Returns:
        What the card says of it.

    Raises:
        UserError: See `surrogate_nas.training.hardware.measure`.
    """
    space = listed(space_named(table.space))
    count = min(count, len(space))
    cells = draw_cells(count, 0, space)
    measured = measure(cells, table.network, Protocol("cpu", 1, 1), space=space, journal=journal)
    index = [space.index(cell) for cell in cells]
    values = np.empty(len(space))
    if count < len(space):
        values = make_model("ridge", "cost").fit(cells, measured.latency).predict(list(space)).mean
    values[index] = measured.latency
    was_measured = np.zeros(len(space))
    was_measured[index] = 1
    summary = measured.summary()
    name = summary["device_card"]["model"]
    others = ", the others predicted by ridge" if count < len(space) else ""
    how = f"median of one image on one thread of {name}: {count} cells measured{others}"
    source = f"measured and predicted by surrogate_nas on {name}"
    table.add(Metric("latency@cpu", "ms", "search", "cost", description=how, source=source), None, values)
    marked = Metric("latency_measured@cpu", "", "record", "cost", description="1 where latency@cpu was measured")
    table.add(marked, None, was_measured)
    return {"latency": {**summary, "spearman_of_one_half_from_the_other": _between_halves(cells, measured.latency)}}


def _between_halves(cells: Sequence[Cell], latency: NDArray[np.float64]) -> float:
    """How a ridge regression from one half of the measured cells orders the other."""
    from scipy.stats import spearmanr

    halves = np.random.default_rng(ORDER_SEED).permutation(len(cells))
    train, test = halves[: len(cells) // 2], halves[len(cells) // 2 :]
    half = make_model("ridge", "cost").fit([cells[i] for i in train], latency[train])
    return float(spearmanr(half.predict([cells[i] for i in test]).mean, latency[test]).statistic)
