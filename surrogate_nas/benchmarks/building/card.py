"""What the card of a table says: how noisy a seed is, what was spent, and how its order agrees with
another table's.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.building.plan import Plan, representatives
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import table_path
from surrogate_nas.surrogates.evaluation import kendall
from surrogate_nas.tables import ColumnKey, Table, TableFile

_BESIDE = "valid_error"


def noise(plan: Plan, table: Table) -> dict[str, Any]:
    """How far one seed can be trusted: Kendall's τ between seeds, and ties."""

    def column(metric: str, seed: int) -> NDArray[np.float64]:
        return table.columns[ColumnKey(metric, plan.epochs, seed)]

    classes = representatives(plan.cells)
    card: dict[str, Any] = {}
    for metric in _curves(table, "valid"):
        taus = []
        for first, second in itertools.combinations(range(plan.seeds), 2):
            both = np.array([column(metric, first)[classes], column(metric, second)[classes]])
            both = both[:, np.isfinite(both).all(axis=0)]
            taus.append(kendall(*both))
            card["classes_of_several_seeds"] = both.shape[1]
        card[f"kendall_between_seeds_{metric}"] = taus
        values = column(metric, 0)
        card[f"quantiles_{metric}"] = [
            float(q) for q in np.nanquantile(values, (0, 0.25, 0.5, 0.75, 1))
        ]
        card[f"tied_pairs_{metric}"] = {"cells": _tied(values), "classes": _tied(values[classes])}
    return card


def _curves(table: Table, split: str) -> list[str]:
    """What is told of a split after every epoch."""
    told = [
        name for name, metric in table.metrics.items() if metric.is_loss and metric.split == split
    ]
    return [name for name in told if ColumnKey(name, 1, 0) in table.columns]


def _tied(values: NDArray[np.float64]) -> float:
    """The share of pairs that are equal."""
    counts = np.unique(values[np.isfinite(values)], return_counts=True)[1].astype(float)
    total = counts.sum()
    return float((counts * (counts - 1)).sum() / (total * (total - 1))) if total > 1 else 0.0


def spent(entries: Collection[dict[str, Any]]) -> dict[str, Any]:
    """What all trainings took."""
    seconds = [e["train_seconds"] + len(e["valid_loss"]) * e["valid_seconds"] for e in entries]
    return {
        "trainings": len(seconds),
        "processor_seconds": sum(seconds),
        "processor_seconds_a_training": float(np.mean(seconds)),
        "diverged": sum(bool(entry["note"]) for entry in entries),
    }


def beside(table: Table, epochs: int, other: str) -> dict[str, Any]:
    """Kendall's τ of every learning curve's end with another table's validation error after its
    longest run.
    """
    path = table_path(other)
    if not path.is_file():
        return {}
    file = TableFile(path)
    runs = sorted(
        key.epochs
        for key in file.keys
        if key.metric == _BESIDE and key.seed == "mean" and key.epochs
    )
    if file.space != table.space or not runs:
        raise UserError(
            f"{other} cannot stand beside {table.name}: it needs the same space, and a {_BESIDE}."
        )
    *shorter, final = (file.column(ColumnKey(_BESIDE, run, "mean")) for run in runs)
    curves = (*_curves(table, "train"), *_curves(table, "valid"))
    columns = {name: table.columns[ColumnKey(name, epochs, 0)] for name in curves}
    columns |= {
        f"its own {_BESIDE}[{run}]": values for run, values in zip(runs, shorter, strict=False)
    }
    taus = {name: kendall(column, final) for name, column in columns.items()}
    return {"kendall_with": {"benchmark": other, "metric": f"{_BESIDE}[{runs[-1]}]", "of": taus}}
