"""The latency column of a table: some cells measured on this machine's CPU, the others predicted from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.hardware import Protocol, draw_cells, measure
from surrogate_nas.making.plan import ORDER_SEED
from surrogate_nas.metrics import Metric
from surrogate_nas.space import listed, space_named
from surrogate_nas.surrogates import make_model
from surrogate_nas.table import Table


def add_latencies(table: Table, count: int, journal: Path) -> dict[str, Any]:
    """Measure random cells on this machine's CPU and predict the rest; returns what the card says of it."""
    space = nb201()
    cells = draw_cells(count)
    measured = measure(cells, table.network, Protocol("cpu", 1, 1), journal=journal)
    index = [cell.index for cell in cells]
    model = make_model("ridge", "cost").fit(cells, measured.latency)
    values = model.predict(list(space)).mean
    values[index] = measured.latency
    was_measured = np.zeros(len(space))
    was_measured[index] = 1
    summary = measured.summary()
    name = summary["device_card"]["model"]
    how = f"median of one image on one thread of {name}: {count} cells measured, the others predicted by ridge"
    source = f"measured and predicted by surrogate_nas on {name}"
    table.add(Metric("latency@cpu", "ms", "search", "cost", description=how, source=source), None, values)
    marked = Metric("latency_measured@cpu", "", "record", "cost", description="1 where latency@cpu was measured")
    table.add(marked, None, was_measured)
    halves = np.random.default_rng(ORDER_SEED).permutation(count)
    train, test = halves[: count // 2], halves[count // 2 :]
    half = make_model("ridge", "cost").fit([cells[i] for i in train], measured.latency[train])
    rho = _spearman(half.predict([cells[i] for i in test]).mean, measured.latency[test])
    return {"latency": {**summary, "spearman_of_one_half_from_the_other": rho}}


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(a, b).statistic)
