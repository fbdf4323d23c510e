"""A table of one's own: every functional class of NAS-Bench-201's space trained on a task, learning curves kept.

Cells of one functional class compute the same family of functions, so one of them is trained (the first of the class
in the order of the space, live operations only) and its curve is spread to all. One seed trains every class; further
seeds train a random part of the classes and say how noisy one seed is. Finished trainings are kept line by line in a
journal, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.engine import raise_lost, run_jobs
from surrogate_nas.errors import UserError
from surrogate_nas.files import Journal, home, replacing, table_path
from surrogate_nas.hardware import Protocol, draw_cells, measure
from surrogate_nas.metrics import Metric
from surrogate_nas.space import nb201
from surrogate_nas.surrogates import make_model
from surrogate_nas.table import CLASS_METRIC, ColumnKey, Table, TableFile, write_table
from surrogate_nas.training import Task, task_named, train

CURVES = ("train_loss", "train_error", "valid_loss", "valid_error")
FINALS = ("test_loss", "test_error")
_ORDER_SEED = 0
_CELLS_A_BATCH = 2
"""Trainings between two looks at the journal: few, so that little is lost."""
Progress = Callable[[int, int], None]


class Job(NamedTuple):
    """One training: the index of the cell that stands for its class, and the seed."""

    cell: int
    seed: int


@dataclass(frozen=True)
class Plan:
    """What is trained.

    Attributes:
        task: The task, as `task_named` knows it.
        epochs: The length of every run.
        seeds: How many seeds the random part of the classes is trained with.
        noisy_classes: How many classes that part holds.
        classes: How many classes are trained at all; None for all of them.
    """

    task: str
    epochs: int
    seeds: int = 3
    noisy_classes: int = 500
    classes: int | None = None

    def jobs(self) -> list[Job]:
        """All trainings in the order they are made: seed 0 first, classes in random order."""
        cells = representatives()
        order = [int(cell) for cell in np.random.default_rng(_ORDER_SEED).permutation(cells)][: self.classes]
        noisy = order[: self.noisy_classes]
        return [Job(cell, seed) for seed in range(self.seeds) for cell in (noisy if seed else order)]


def representatives() -> NDArray[np.intp]:
    """The first cell of every functional class, shape ``(5044,)``, indices into the space."""
    return np.unique(nb201().classes, return_index=True)[1]


def train_classes(
    plan: Plan, path: Path, *, workers: int = 1, engine: str = "processes", progress: Progress | None = None
) -> None:
    """Train what the journal does not hold yet; may be interrupted and called again.

    Args:
        plan: What to train.
        path: The journal's file.
        workers: How many trainings at once, each on one core.
        engine: Where: a key of `surrogate_nas.engine.ENGINES`.
        progress: Called with (trainings done, trainings in all).

    Raises:
        UserError: There is no such task, its data is not here, the journal is of another plan or damaged, or a worker
            was killed (when all others have done their part).
    """
    with Journal(path, describe(plan)) as journal:
        done = {Job(*entry["job"]) for entry in journal.entries}
        jobs = plan.jobs()
        missing = [job for job in jobs if job not in done]
        batches = [missing[i : i + _CELLS_A_BATCH] for i in range(0, len(missing), _CELLS_A_BATCH)]
        finished, lost = len(jobs) - len(missing), []
        for outcome in run_jobs(partial(_train, plan.task, plan.epochs), batches, workers=workers, engine=engine):
            if outcome.failure:
                lost.append(outcome)
                continue
            for entry in outcome.result:
                journal.append(entry)
            finished += len(outcome.job)
            if progress:
                progress(finished, len(jobs))
    raise_lost(lost)


def journal_path(plan: Plan) -> Path:
    """Where the finished trainings of a plan are kept, in the home folder; plans that differ in seeds share it.

    Args:
        plan: The plan.

    Raises:
        UserError: There is no such task, or its data is not here.
    """
    digest = hashlib.sha256(json.dumps(describe(plan), sort_keys=True).encode()).hexdigest()
    return home() / "training" / f"{task_named(plan.task).name}-{digest[:16]}.jsonl"


def describe(plan: Plan) -> dict[str, Any]:
    """The settings that a training's result depends on; the numbers of seeds and classes are none of them.

    Args:
        plan: The plan.

    Raises:
        UserError: There is no such task, or its data is not here.
    """
    task = task_named(plan.task)
    return {
        "task": task.name,
        "schedule": asdict(task.schedule),
        "network": asdict(task.network()),
        "splits": {name: len(split.targets) for name, split in task.data.items()},
        "epochs": plan.epochs,
    }


def _train(task: str, epochs: int, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Train some cells in this process; everything that is kept of each."""
    space, entries = nb201(), []
    for job in jobs:
        (curve,) = train([space[job.cell]], task_named(task), epochs=epochs, seed=job.seed)
        kept = (*CURVES, *FINALS, "train_seconds", "valid_seconds", "note")
        entries.append({"job": list(job), **{name: getattr(curve, name) for name in kept}})
    return entries


def make_table(
    task: str,
    *,
    out: Path | None = None,
    epochs: int | None = None,
    seeds: int = 3,
    noisy_classes: int = 500,
    latencies: int = 500,
    workers: int = 1,
    progress: Progress | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Train every functional class, measure latencies, and write the table; may be interrupted and called again.

    Args:
        task: A task's name, or ``file.py:TASK``.
        out: The file, whose name becomes the benchmark's; None for ``trained-TASK`` among the tables of the home
            folder, where `surrogate_nas.load` finds it by that name.
        epochs: The length of every run; None for the task's default.
        seeds: How many seeds train the random part of the classes.
        noisy_classes: How many classes that part holds.
        latencies: Cells measured for ``latency@cpu``; a ridge regression predicts the rest. 0 leaves it out.
        workers: Processes, each on one core.
        progress: Called with (trainings done, trainings in all).

    Returns:
        The file and the table's card.

    Raises:
        UserError: There is no such task, its data is not here, a number is too small, or nothing can be written.
    """
    if min(seeds, workers, 1 if epochs is None else epochs) < 1 or min(noisy_classes, latencies) < 0:
        raise UserError("Seeds, epochs and workers must be at least 1; classes and latencies at least 0.")
    found = task_named(task)
    plan = Plan(task, found.schedule.epochs if epochs is None else epochs, seeds, noisy_classes)
    path = journal_path(plan)
    train_classes(plan, path, workers=workers, progress=progress)
    return finish_table(plan, path, out or table_path(f"trained-{found.name}"), latencies)


def finish_table(plan: Plan, path: Path, out: Path, latencies: int) -> tuple[Path, dict[str, Any]]:
    """Write the table of what was trained, with latencies, and its card, also beside it as JSON.

    Args:
        plan: What was trained.
        path: The journal.
        out: The file to write.
        latencies: Cells measured for ``latency@cpu``; 0 leaves it out.

    Raises:
        UserError: Something of the plan is missing, or nothing can be written.
    """
    table, card = assemble(plan, path)
    table.name = out.stem
    if latencies:
        card |= _add_latencies(table, latencies, path.with_suffix(".latency.jsonl"))
        table.objective = "valid_loss + 0.1*params + 0.1*latency@cpu"
    card |= _beside_nb201(table, plan.epochs)
    table.card = json.dumps(card)
    write_table(table, out, compressed=True)
    with replacing(out.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return out, card


def assemble(plan: Plan, path: Path) -> tuple[Table, dict[str, Any]]:
    """Make the table of what was trained, and its card.

    Args:
        plan: What should have been trained.
        path: The journal's file.

    Raises:
        UserError: Something of the plan is still missing.
    """
    task, settings = task_named(plan.task), describe(plan)
    with Journal(path, settings) as journal:
        found = {Job(*entry["job"]): entry for entry in journal.entries}
    jobs = plan.jobs()
    if missing := len(set(jobs) - set(found)):
        raise UserError(f"{path} lacks {missing} of {len(jobs)} trainings; run the same command again to go on.")
    table = Table(
        name=task.name,
        space="nb201",
        title=f"every cell trained: {task.title}",
        source=f"trained by surrogate_nas; {task.source}",
        licence="that of surrogate_nas; the data's own may differ",
        citation="",
        objective="valid_loss + 0.1*params",
        network=task.network(),
    )
    results = _Results({job: found[job] for job in jobs})
    for metric, epochs, values in _columns(task, plan, results):
        seeds = {seed: values(seed) for seed in range(plan.seeds)} if metric.kind != "record" else None
        table.add(metric, epochs, values(0), 1, seeds)
    described = "index of the first cell of the functional class, which was trained for all of it"
    table.add(
        Metric(CLASS_METRIC, "", "record", "structure", description=described),
        None,
        results.first_of_class.astype(float),
    )
    return table, {"settings": settings, **_noise(plan, table), **_spent(results)}


def _noise(plan: Plan, table: Table) -> dict[str, Any]:
    """How far one seed can be trusted: Kendall's τ between seeds, and ties."""
    from scipy.stats import kendalltau

    def column(metric: str, seed: int) -> NDArray[np.float64]:
        return table.columns[ColumnKey(metric, plan.epochs, seed)]

    classes = representatives()
    card: dict[str, Any] = {}
    for metric in ("valid_loss", "valid_error"):
        taus = []
        for first, second in itertools.combinations(range(plan.seeds), 2):
            both = np.array([column(metric, first)[classes], column(metric, second)[classes]])
            both = both[:, np.isfinite(both).all(axis=0)]
            taus.append(float(kendalltau(*both).statistic))
            card["classes_of_several_seeds"] = both.shape[1]
        card[f"kendall_between_seeds_{metric}"] = taus
        values = column(metric, 0)
        card[f"quantiles_{metric}"] = [float(q) for q in np.nanquantile(values, (0, 0.25, 0.5, 0.75, 1))]
        card[f"tied_pairs_{metric}"] = {"cells": _tied(values), "classes": _tied(values[classes])}
    return card


def _beside_nb201(table: Table, epochs: int) -> dict[str, Any]:
    """Kendall's τ with NAS-Bench-201's CIFAR-10 validation error after 200 epochs, where that is here."""
    from scipy.stats import kendalltau

    path = table_path("nb201-cifar10")
    if not path.is_file():
        return {}
    file = TableFile(path)
    final, short = (file.column(ColumnKey("valid_error", run, "mean")) for run in (200, 12))
    columns = {name: table.columns[ColumnKey(name, epochs, 0)] for name in CURVES} | {"its own 12-epoch run": short}
    found = {name: np.isfinite(column) for name, column in columns.items()}
    taus = {name: float(kendalltau(column[found[name]], final[found[name]])[0]) for name, column in columns.items()}
    return {"kendall_with_nb201_cifar10_valid_error_200": taus}


def _tied(values: NDArray[np.float64]) -> float:
    """The share of pairs that are equal."""
    counts = np.unique(values[np.isfinite(values)], return_counts=True)[1].astype(float)
    total = counts.sum()
    return float((counts * (counts - 1)).sum() / (total * (total - 1))) if total > 1 else 0.0


def _spent(results: _Results) -> dict[str, Any]:
    seconds = [e["train_seconds"] + len(e["valid_loss"]) * e["valid_seconds"] for e in results.entries.values()]
    return {
        "trainings": len(seconds),
        "processor_seconds": sum(seconds),
        "processor_seconds_a_training": float(np.mean(seconds)),
        "diverged": sum(bool(entry["note"]) for entry in results.entries.values()),
    }


def _add_latencies(table: Table, count: int, journal: Path) -> dict[str, Any]:
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
    halves = np.random.default_rng(_ORDER_SEED).permutation(count)
    train, test = halves[: count // 2], halves[count // 2 :]
    half = make_model("ridge", "cost").fit([cells[i] for i in train], measured.latency[train])
    rho = _spearman(half.predict([cells[i] for i in test]).mean, measured.latency[test])
    return {"latency": {**summary, "spearman_of_one_half_from_the_other": rho}}


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(a, b).statistic)


class _Results:
    """Finished trainings, spread from the cells that stand for a class to all of the class."""

    def __init__(self, entries: dict[Job, dict[str, Any]]) -> None:
        _, first, number = np.unique(nb201().classes, return_index=True, return_inverse=True)
        self.first_of_class = first[number]
        self.entries = entries

    def column(self, seed: int, value: Callable[[dict[str, Any]], float]) -> NDArray[np.float64]:
        """A value of every cell's class under one seed, shape ``(15625,)``, NaN where it was not trained."""
        values = np.full(len(self.first_of_class), np.nan)
        for job, entry in self.entries.items():
            if job.seed == seed:
                values[job.cell] = value(entry)
        return values[self.first_of_class]


Column = Callable[[int], NDArray[np.float64]]


def _columns(task: Task, plan: Plan, results: _Results) -> Iterator[tuple[Metric, int | None, Column]]:
    """Every metric with its epochs and a function from a seed to the column."""
    loss = "squared error" if task.kind == "regression" else "nats"

    def metric(name: str, kind: Any, description: str) -> Metric:
        split, _, quantity = name.partition("_")
        unit = {"loss": loss, "error": "%", "seconds": "s"}[quantity]
        source = f"{task.name}, trained by this project"
        measured: Any = "cost" if quantity == "seconds" else quantity
        return Metric(name, unit, kind, measured, split=split, description=description, source=source)

    run = f"of one run of {plan.epochs} epochs"
    for epoch in range(1, plan.epochs + 1):
        for name in CURVES:
            how = "mean over the epoch's batches" if name.startswith("train") else "after the epoch"
            described = metric(name, "search", f"{how}; [n] is epoch n {run}, a point on its curve")
            yield described, epoch, lambda seed, n=name, e=epoch: results.column(seed, lambda x: x[n][e - 1])  # type: ignore[misc]
        spent = metric("train_seconds", "record", f"processor time of the first n epochs {run}, live operations only")
        share = epoch / plan.epochs
        yield spent, epoch, lambda seed, s=share: results.column(seed, lambda x: s * x["train_seconds"])  # type: ignore[misc]
        spent = metric("valid_seconds", "record", "processor time of one pass over the validation split")
        yield spent, epoch, lambda seed: results.column(seed, lambda x: x["valid_seconds"])
    for name in FINALS:
        described = metric(name, "final", f"at the end {run}")
        yield described, plan.epochs, lambda seed, n=name: results.column(seed, lambda x: x[n])  # type: ignore[misc]
