"""The card of a table: how noisy a seed is, costs, and agreement with another table."""

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

_COMPARED = "valid_error"


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
        card[f"quantiles_{metric}"] = np.nanquantile(values, (0, 0.25, 0.5, 0.75, 1)).tolist()
        card[f"tied_pairs_{metric}"] = {"cells": _tied(values), "classes": _tied(values[classes])}
    return card


def _curves(table: Table, split: str) -> list[str]:
    """The metrics of a split that have a value after every epoch."""
    names = []
    for name, metric in table.metrics.items():
        has_curve = ColumnKey(name, 1, 0) in table.columns
        if metric.is_loss and metric.split == split and has_curve:
            names.append(name)
    return names


def _tied(values: NDArray[np.float64]) -> float:
    """The share of pairs that are equal."""
    counts = np.unique(values[np.isfinite(values)], return_counts=True)[1].astype(float)
    total = counts.sum()
    return float((counts * (counts - 1)).sum() / (total * (total - 1))) if total > 1 else 0.0


def cost(entries: Collection[dict[str, Any]]) -> dict[str, Any]:
    """What all trainings cost."""
    seconds = [e["train_seconds"] + len(e["valid_loss"]) * e["valid_seconds"] for e in entries]
    return {
        "trainings": len(seconds),
        "processor_seconds": sum(seconds),
        "processor_seconds_a_training": float(np.mean(seconds)),
        "diverged": sum(bool(entry["note"]) for entry in entries),
    }


def agreement_with(other: str, table: Table, epochs: int) -> dict[str, Any]:
    """Kendall's τ of every curve's end with another table's validation error, its longest run."""
    path = table_path(other)
    if not path.is_file():
        return {}
    file = TableFile(path)
    runs = []
    for key in file.keys:
        if key.metric == _COMPARED and key.seed == "mean" and key.epochs:
            runs.append(key.epochs)
    runs.sort()
    if file.space != table.space or not runs:
        raise UserError(
            f"{other} cannot be compared with {table.name}: it needs the same space, and a"
            f" {_COMPARED}."
        )
    *shorter, longest = runs
    columns = {}
    for name in (*_curves(table, "train"), *_curves(table, "valid")):
        columns[name] = table.columns[ColumnKey(name, epochs, 0)]
    for run in shorter:
        columns[f"its own {_COMPARED}[{run}]"] = file.column(ColumnKey(_COMPARED, run, "mean"))
    final = file.column(ColumnKey(_COMPARED, longest, "mean"))
    taus = {name: kendall(column, final) for name, column in columns.items()}
    return {"kendall_with": {"benchmark": other, "metric": f"{_COMPARED}[{longest}]", "of": taus}}
