"""Build a table: train, measure latencies, assemble, write; interrupted work can continue."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.building.card import agreement_with, cost, noise
from surrogate_nas.benchmarks.building.plan import (
    ORDER_SEED,
    Job,
    Plan,
    describe,
    first_of_class,
    journal_path,
)
from surrogate_nas.benchmarks.building.train import Progress, train_classes
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import Journal, table_path
from surrogate_nas.runtime.engines import check_engine
from surrogate_nas.space import DEFAULT_SPACE, Cell, Enumerable, listed, space_named
from surrogate_nas.surrogates import make_model
from surrogate_nas.tables import CLASS_METRIC, Table
from surrogate_nas.tables.file import write_with_card
from surrogate_nas.training import Task, task_named
from surrogate_nas.training.hardware import Protocol, draw_cells, measure


def assemble(plan: Plan, path: Path) -> tuple[Table, dict[str, Any]]:
    """Make the table of the finished trainings, and its card."""
    task = task_named(plan.task)
    settings = describe(plan)
    with Journal(path, settings) as journal:
        entries = {Job(*entry["job"]): entry for entry in journal.entries}
    jobs = plan.jobs()
    n_missing = len(set(jobs) - set(entries))
    if n_missing:
        raise UserError(
            f"{path} lacks {n_missing} of {len(jobs)} trainings; run the same command again to go"
            " on."
        )
    table = Table(
        name=task.name,
        space=plan.space,
        title=f"every cell trained: {task.title}",
        source=f"trained by surrogate_nas; {task.source}",
        licence="that of surrogate_nas; the data's own may differ",
        citation="",
        objective="valid_loss + 0.1*params" if "params" in plan.cells.analytic else "valid_loss",
        network=task.network(),
        epochs="curve",
    )
    results = _Results(plan.cells, {job: entries[job] for job in jobs})
    for metric, epochs, values in columns_of(task, plan, results.column):
        seeds = None
        if metric.kind != "record":
            seeds = {seed: values(seed) for seed in range(plan.seeds)}
        table.add(metric, epochs, values(0), 1, seeds)
    description = "index of the first cell of the functional class, which was trained for all of it"
    class_metric = Metric(CLASS_METRIC, "", "record", "structure", description=description)
    table.add(class_metric, None, results.first_of_class.astype(float))
    return table, {"settings": settings, **noise(plan, table), **cost(results.entries.values())}


class _Results:
    """Finished trainings; all cells of a class share the one of its first cell."""

    def __init__(self, space: Enumerable, entries: dict[Job, dict[str, Any]]) -> None:
        self.first_of_class = first_of_class(space)
        self.entries = entries

    def column(self, seed: int, value: Callable[[dict[str, Any]], float]) -> NDArray[np.float64]:
        """A value of every cell's class under one seed, shape ``(len(space),)``, or NaN."""
        values = np.full(len(self.first_of_class), np.nan)
        for job, entry in self.entries.items():
            if job.seed == seed:
                values[job.cell] = value(entry)
        return values[self.first_of_class]


Column = Callable[[int], NDArray[np.float64]]
Reader = Callable[[int, Callable[[dict[str, Any]], float]], NDArray[np.float64]]


def columns_of(
    task: Task,
    plan: Plan,
    read: Reader,
) -> Iterator[tuple[Metric, int | None, Column]]:
    """Every metric with its epochs and a function from a seed to the column."""
    source = f"{task.name}, trained by this project"
    run = f"of one run of {plan.epochs} epochs"

    def seconds(split: str, description: str) -> Metric:
        return Metric(
            f"{split}_seconds",
            "s",
            "record",
            "cost",
            split=split,
            description=description,
            source=source,
        )

    train_seconds = seconds(
        "train", f"processor time of the first n epochs {run}, live operations only"
    )
    valid_seconds = seconds("valid", "processor time of one pass over the validation split")
    curves = [diagnostic for diagnostic in task.diagnostics if diagnostic.every_epoch]
    for epoch in range(1, plan.epochs + 1):
        for curve in curves:
            how = "mean over the epoch's batches" if curve.split == "train" else "after the epoch"
            metric = curve.metric((), f"{how}; [n] is epoch n {run}, a point on its curve", source)
            yield metric, epoch, partial(_read_value, read, curve.name, epoch)
        share = epoch / plan.epochs
        yield train_seconds, epoch, partial(_read_seconds, read, "train_seconds", share)
        yield valid_seconds, epoch, partial(_read_seconds, read, "valid_seconds", 1)
    for diagnostic in task.diagnostics:
        if not diagnostic.every_epoch:
            metric = diagnostic.metric((), f"at the end {run}", source)
            yield metric, plan.epochs, partial(_read_value, read, diagnostic.name, None)


def _read_value(
    read: Reader,
    name: str,
    epoch: int | None,
    seed: int,
) -> NDArray[np.float64]:
    """A column of a curve's value after an epoch, or of a value at the end."""
    if epoch is None:
        return read(seed, lambda entry: entry[name])
    return read(seed, lambda entry: entry[name][epoch - 1])


def _read_seconds(
    read: Reader,
    name: str,
    share: float,
    seed: int,
) -> NDArray[np.float64]:
    return read(seed, lambda entry: share * entry[name])


FEWEST = 10
"""The fewest measured cells from which a regression predicts the others."""


def add_latencies(table: Table, count: int, journal: Path) -> dict[str, Any]:
    """Measure random cells on this machine's CPU and predict the rest; returns the card's entry."""
    space = listed(space_named(table.space))
    count = min(count, len(space))
    cells = draw_cells(count, 0, space)
    measured = measure(
        cells,
        table.network,
        Protocol("cpu", 1, 1),
        space=space,
        journal=journal,
    )
    places = [space.index(cell) for cell in cells]
    values = np.empty(len(space))
    if count < len(space):
        values = make_model("ridge", "cost").fit(cells, measured.latency).predict(list(space)).mean
    values[places] = measured.latency
    was_measured = np.zeros(len(space))
    was_measured[places] = 1

    summary = measured.summary()
    device = summary["device_card"]["model"]
    others = ", the others predicted by ridge" if count < len(space) else ""
    latency = Metric(
        "latency@cpu",
        "ms",
        "search",
        "cost",
        description=(
            f"median of one image on one thread of {device}: {count} cells measured{others}"
        ),
        source=f"measured and predicted by surrogate_nas on {device}",
    )
    table.add(latency, None, values)
    mark = Metric(
        "latency_measured@cpu", "", "record", "cost", description="1 where latency@cpu was measured"
    )
    table.add(mark, None, was_measured)
    between_halves = _between_halves(cells, measured.latency)
    return {"latency": {**summary, "spearman_of_one_half_from_the_other": between_halves}}


def _between_halves(cells: Sequence[Cell], latency: NDArray[np.float64]) -> float:
    """How a ridge regression from one half of the measured cells orders the other."""
    from scipy.stats import spearmanr

    halves = np.random.default_rng(ORDER_SEED).permutation(len(cells))
    train = halves[: len(cells) // 2]
    test = halves[len(cells) // 2 :]
    half = make_model("ridge", "cost").fit([cells[i] for i in train], latency[train])
    return float(spearmanr(half.predict([cells[i] for i in test]).mean, latency[test]).statistic)


def make_table(
    task: str,
    *,
    out: Path | None = None,
    epochs: int | None = None,
    seeds: int = 3,
    noisy_classes: int = 500,
    latencies: int = 500,
    workers: int | None = None,
    engine: str = "processes",
    space: str | None = None,
    other: str | None = None,
    progress: Progress | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Train every functional class, measure latencies, and write the table.

    Returns:
        The file and the table's card.
    """
    check_engine(engine, workers)
    if not isinstance(latencies, int) or (latencies != 0 and latencies < FEWEST):
        raise UserError(
            f"Latencies must be 0 or at least {FEWEST}, not {latencies!r:.80}: the others are"
            " predicted."
        )
    resolved = task_named(task)
    plan = Plan(
        task,
        resolved.schedule.epochs if epochs is None else epochs,
        seeds,
        noisy_classes,
        space=space or DEFAULT_SPACE,
    )
    path = journal_path(plan)
    train_classes(
        plan,
        path,
        workers=workers,
        engine=engine,
        progress=progress,
    )
    name = f"trained-{resolved.name}"
    if plan.space != DEFAULT_SPACE:
        name += f"-{plan.cells.name}"
    return finish_table(plan, path, out or table_path(name), latencies, other)


def finish_table(
    plan: Plan,
    path: Path,
    out: Path,
    latencies: int,
    other: str | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Write the table with latencies, and its card, also as a JSON file of the same name."""
    table, card = assemble(plan, path)
    table.name = out.stem
    if latencies:
        card |= add_latencies(table, latencies, path.with_suffix(".latency.jsonl"))
        table.objective += " + 0.1*latency@cpu"
    if other is not None:
        card |= agreement_with(other, table, plan.epochs)
    write_with_card(table, card, out)
    return out, card
