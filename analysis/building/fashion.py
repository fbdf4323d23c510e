"""`python -m analysis.building.fashion`: train every functional class, and write data/fashion.h5.

All classes are trained with one seed and some with three, and the table has the whole curves. The
latency of some cells is measured on this machine, that of the others predicted. The card has the
agreement of seeds, ties, costs, and the agreement with NAS-Bench-201 if its table is here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.building.jobs import ORDER_SEED, Entry, Job, Plan, by_class, trained
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import table_path
from surrogate_nas.space import drawn_cells, first_of_class
from surrogate_nas.surrogates.base import make_model
from surrogate_nas.surrogates.evaluation import kendall
from surrogate_nas.tables import CLASS_METRIC, ColumnKey, Table, TableFile
from surrogate_nas.tables.file import write_with_card
from surrogate_nas.training import task_named
from surrogate_nas.training.hardware import Protocol, measure

LATENCIES = 500
"""Number of cells whose latency is measured."""
OTHER = "nb201-cifar10"
"""The table that the card compares with, by its validation error after the longest run."""


def table_of(plan: Plan, entries: Mapping[Job, Entry]) -> Table:
    """The table of finished trainings; all cells of a class share the one of its first cell."""
    task = task_named(plan.task)
    space = plan.cells
    table = Table(
        name=task.name,
        space=plan.space,
        title=f"every cell trained: {task.title}",
        source=f"trained by surrogate_nas; {task.source}",
        licence="that of surrogate_nas; the data's own may differ",
        citation="",
        objective="valid_loss + 0.1*params"
        if "params" in space.analytic
        else "valid_loss",
        network=task.network(),
        epochs="curve",
    )
    source = f"{task.name}, trained by this project"
    run = f"of one run of {plan.epochs} epochs"

    def add(metric: Metric, epochs: int, value: Callable[[Entry], float]) -> None:
        columns = {}
        for seed in range(plan.seeds):
            own = {
                job.cell: value(entry)
                for job, entry in entries.items()
                if job.seed == seed
            }
            columns[seed] = by_class(space, own)
        table.add(
            metric, epochs, columns[0], 1, columns if metric.kind != "record" else None
        )

    for told in task.diagnostics:
        if not told.every_epoch:
            metric = told.metric((), f"at the end {run}", source)
            add(metric, plan.epochs, partial(_at_end, told.name))
            continue
        how = (
            "mean over the epoch's batches"
            if told.split == "train"
            else "after the epoch"
        )
        metric = told.metric(
            (), f"{how}; [n] is epoch n {run}, a point on its curve", source
        )
        for epoch in range(1, plan.epochs + 1):
            add(metric, epoch, partial(_at_epoch, told.name, epoch))
    texts = {
        "train": f"processor time of the first n epochs {run}, live operations only",
        "valid": "processor time of one pass over the validation split",
    }
    for split, text in texts.items():
        name = f"{split}_seconds"
        metric = Metric(
            name, "s", "record", "cost", split=split, description=text, source=source
        )
        for epoch in range(1, plan.epochs + 1):
            share = epoch / plan.epochs if split == "train" else 1
            add(metric, epoch, partial(_share, name, share))
    text = "index of the first cell of the functional class, which was trained for all of it"
    classes = Metric(CLASS_METRIC, "", "record", "structure", description=text)
    table.add(classes, None, first_of_class(space).astype(float))
    return table


def _at_end(name: str, entry: Entry) -> float:
    return float(entry[name])


def _at_epoch(name: str, epoch: int, entry: Entry) -> float:
    return float(entry[name][epoch - 1])


def _share(name: str, share: float, entry: Entry) -> float:
    return float(share * entry[name])


def card_of(plan: Plan, table: Table, entries: Mapping[Job, Entry]) -> dict[str, Any]:
    """The settings, the costs, the agreement of seeds, and ties."""
    seconds = [
        e["train_seconds"] + len(e["valid_loss"]) * e["valid_seconds"]
        for e in entries.values()
    ]
    card: dict[str, Any] = {
        "settings": plan.settings(),
        "trainings": len(seconds),
        "processor_seconds": sum(seconds),
        "processor_seconds_a_training": float(np.mean(seconds)),
        "diverged": sum(bool(entry["note"]) for entry in entries.values()),
    }
    classes = np.unique(first_of_class(plan.cells))
    for metric in _curves(table, "valid"):
        columns = [
            table.columns[ColumnKey(metric, plan.epochs, s)] for s in range(plan.seeds)
        ]
        taus = []
        for pair in combinations(columns, 2):
            both = np.array(pair)[:, classes]
            both = both[:, np.isfinite(both).all(axis=0)]
            taus.append(kendall(*both))
            card["classes_of_several_seeds"] = both.shape[1]
        card[f"kendall_between_seeds_{metric}"] = taus
        quantiles = np.nanquantile(columns[0], (0, 0.25, 0.5, 0.75, 1))
        card[f"quantiles_{metric}"] = quantiles.tolist()
        tied = {"cells": _tied(columns[0]), "classes": _tied(columns[0][classes])}
        card[f"tied_pairs_{metric}"] = tied
    return card


def _curves(table: Table, split: str) -> list[str]:
    """The metrics of a split that have a value after every epoch."""
    metrics = [
        metric
        for metric in table.metrics.values()
        if metric.is_loss and metric.split == split
    ]
    return [
        metric.name
        for metric in metrics
        if ColumnKey(metric.name, 1, 0) in table.columns
    ]


def _tied(values: NDArray[np.float64]) -> float:
    """The share of pairs that are equal."""
    counts = np.unique(values[np.isfinite(values)], return_counts=True)[1].astype(float)
    total = counts.sum()
    return float((counts * (counts - 1)).sum() / (total * (total - 1)))


def add_latencies(plan: Plan, table: Table, count: int = LATENCIES) -> dict[str, Any]:
    """Measure random cells on this machine's CPU and predict the rest; returns the card's entry."""
    from scipy.stats import spearmanr

    space = plan.cells
    cells = drawn_cells(space, count)
    journal = plan.journal().with_suffix(".latency.jsonl")
    measured = measure(
        cells, table.network, Protocol("cpu", 1, 1), space=space, journal=journal
    )
    values = (
        make_model("ridge", "cost")
        .fit(cells, measured.latency)
        .predict(list(space))
        .mean
    )
    indices = [space.index(cell) for cell in cells]
    values[indices] = measured.latency
    was_measured = np.zeros(len(space))
    was_measured[indices] = 1
    summary = measured.summary()
    device = summary["device_card"]["model"]
    text = (
        f"median of one image on one thread of {device}: {count} cells measured, the others"
        " predicted by ridge"
    )
    source = f"measured and predicted by surrogate_nas on {device}"
    name = "latency@cpu"
    table.add(
        Metric(name, "ms", "search", "cost", description=text, source=source),
        None,
        values,
    )
    text = f"1 where {name} was measured"
    mark = Metric("latency_measured@cpu", "", "record", "cost", description=text)
    table.add(mark, None, was_measured)
    table.objective += f" + 0.1*{name}"
    order = np.random.default_rng(ORDER_SEED).permutation(count)
    halves = order[: count // 2], order[count // 2 :]
    train, test = ([cells[i] for i in half] for half in halves)
    half = make_model("ridge", "cost").fit(train, measured.latency[halves[0]])
    rho = spearmanr(half.predict(test).mean, measured.latency[halves[1]]).statistic
    return {"latency": {**summary, "spearman_of_one_half_from_the_other": float(rho)}}


def agreement_with(other: Path, plan: Plan, table: Table) -> dict[str, Any]:
    """Kendall's τ of every curve's end with another table's validation error, its longest run."""
    file = TableFile(other)
    keys = [
        key for key in file.keys if key.metric == "valid_error" and key.seed == "mean"
    ]
    *shorter, last = sorted(keys, key=lambda key: key.epochs or 0)
    columns = {}
    for split in ("train", "valid"):
        for name in _curves(table, split):
            columns[name] = table.columns[ColumnKey(name, plan.epochs, 0)]
    for key in shorter:
        columns[f"its own valid_error[{key.epochs}]"] = file.column(key)
    final = file.column(last)
    taus = {name: kendall(column, final) for name, column in columns.items()}
    metric = f"valid_error[{last.epochs}]"
    return {"kendall_with": {"benchmark": other.stem, "metric": metric, "of": taus}}


def make(
    plan: Plan, out: Path, workers: int = 1, latencies: int = LATENCIES
) -> dict[str, Any]:
    """Train what is missing, and write the table and its card; returns the card."""
    entries = trained(plan, workers)
    table = table_of(plan, entries)
    table.name = out.stem
    card = card_of(plan, table, entries)
    if latencies:
        card |= add_latencies(plan, table, latencies)
    other = table_path(OTHER)
    if other.is_file() and TableFile(other).space == table.space:
        card |= agreement_with(other, plan, table)
    write_with_card(table, card, out)
    return card


def main() -> int:
    """Make the table of Fashion-MNIST."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("data/fashion.h5"))
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    make(
        Plan("fashion", task_named("fashion").schedule.epochs), given.out, given.workers
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
