"""A table of one's own: every functional class of NAS-Bench-201's space trained on a task, learning curves kept.

Cells of one functional class compute the same family of functions, so one of them is trained (the first of the class
in the order of the space, live operations only) and its curve is spread to all. One seed trains every class; further
seeds train a random part of the classes and say how noisy one seed is. Finished trainings are kept line by line in a
journal, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.errors import UserError
from surrogate_nas.journal import Journal
from surrogate_nas.metrics import Metric
from surrogate_nas.space import nb201
from surrogate_nas.table import Table
from surrogate_nas.training import Task, task_named, train

CURVES = ("train_loss", "train_error", "valid_loss", "valid_error")
FINALS = ("test_loss", "test_error")
CLASS = "functional_class"
"""The metric that names a cell's class: the index of its first member."""
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
    return np.unique(nb201().functional_classes, return_index=True)[1]


def train_classes(plan: Plan, path: Path, *, workers: int = 1, progress: Progress | None = None) -> None:
    """Train what the journal does not hold yet; may be interrupted and called again.

    Args:
        plan: What to train.
        path: The journal's file.
        workers: Processes, each on one core.
        progress: Called with (trainings done, trainings in all).

    Raises:
        UserError: There is no such task, its data is not here, or the journal is of another plan or damaged.
    """
    from joblib import Parallel, delayed

    task = task_named(plan.task)
    settings = {**describe(task), "epochs": plan.epochs}
    with Journal(path, settings) as journal:
        done = {Job(*entry["job"]) for entry in journal.entries}
        jobs = plan.jobs()
        missing = [job for job in jobs if job not in done]
        batches = [missing[i : i + _CELLS_A_BATCH] for i in range(0, len(missing), _CELLS_A_BATCH)]
        parallel = Parallel(n_jobs=min(workers, len(batches) or 1), return_as="generator_unordered")
        finished = len(jobs) - len(missing)
        for entries in parallel(delayed(_train)(plan.task, plan.epochs, batch) for batch in batches):
            for entry in entries:
                journal.append(entry)
            finished += len(entries)
            if progress:
                progress(finished, len(jobs))


def describe(task: Task) -> dict[str, Any]:
    """The settings that a training's result depends on.

    Args:
        task: The task.

    Raises:
        UserError: The task's data is not here.
    """
    sizes = {name: len(split.targets) for name, split in task.data.items()}
    return {"task": task.name, "schedule": asdict(task.schedule), "network": asdict(task.network()), "splits": sizes}


def _train(task: str, epochs: int, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Train some cells in this process; everything that is kept of each."""
    space, entries = nb201(), []
    for job in jobs:
        (curve,) = train([space[job.cell]], task_named(task), epochs=epochs, seed=job.seed)
        kept = (*CURVES, *FINALS, "train_seconds", "valid_seconds", "note")
        entries.append({"job": list(job), **{name: getattr(curve, name) for name in kept}})
    return entries


def assemble(plan: Plan, path: Path) -> Table:
    """Make the table of what was trained.

    Args:
        plan: What should have been trained.
        path: The journal's file.

    Raises:
        UserError: Something of the plan is still missing.
    """
    task = task_named(plan.task)
    with Journal(path, {**describe(task), "epochs": plan.epochs}) as journal:
        found = {Job(*entry["job"]): entry for entry in journal.entries}
    jobs = plan.jobs()
    if missing := len(set(jobs) - set(found)):
        raise UserError(f"{path} lacks {missing} of {len(jobs)} trainings; run the same command again to go on.")
    table = Table(
        name=plan.task,
        space="nb201",
        title=f"every cell trained here: {task.title}",
        source=f"trained by this project: {task.source}",
        licence="MIT, as this project",
        citation="",
        objective="valid_loss + 0.1*params",
        network=task.network(),
    )
    results = _Results(plan, {job: found[job] for job in jobs})
    for metric, epochs, values in _columns(task, plan, results):
        mean = values(0)
        others = {seed: values(seed) for seed in range(plan.seeds)}
        table.add(metric, epochs, mean, 1, others if metric.kind != "record" else None)
    table.add(
        Metric(CLASS, "", "record", "structure", description="index of the first cell of the functional class"),
        None,
        results.first_of_class.astype(np.float64),
    )
    return table


class _Results:
    """Finished trainings, spread from the cells that stand for a class to all of the class."""

    def __init__(self, plan: Plan, entries: dict[Job, dict[str, Any]]) -> None:
        classes = nb201().functional_classes
        self.first_of_class = representatives()[np.unique(classes, return_inverse=True)[1]]
        self.plan, self._entries = plan, entries

    def column(self, seed: int, value: Callable[[dict[str, Any]], float]) -> NDArray[np.float64]:
        """A value of every cell's class under one seed, shape ``(15625,)``, NaN where it was not trained."""
        values = np.full(len(self.first_of_class), np.nan)
        for job, entry in self._entries.items():
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
