"""The table of finished trainings: a class's curve is spread to all its cells, with every epoch a column."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.making.card import noise, spent
from surrogate_nas.benchmarks.making.plan import Job, Plan, describe, first_of_class
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import Journal
from surrogate_nas.space import Enumerable
from surrogate_nas.tables import CLASS_METRIC, Table
from surrogate_nas.training import Task, task_named


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
        space=plan.space,
        title=f"every cell trained: {task.title}",
        source=f"trained by surrogate_nas; {task.source}",
        licence="that of surrogate_nas; the data's own may differ",
        citation="",
        objective="valid_loss + 0.1*params" if "params" in plan.cells.analytic else "valid_loss",
        network=task.network(),
        epochs="curve",
    )
    results = _Results(plan.cells, {job: found[job] for job in jobs})
    for metric, epochs, values in columns_of(task, plan, results.column):
        seeds = {seed: values(seed) for seed in range(plan.seeds)} if metric.kind != "record" else None
        table.add(metric, epochs, values(0), 1, seeds)
    described = "index of the first cell of the functional class, which was trained for all of it"
    table.add(
        Metric(CLASS_METRIC, "", "record", "structure", description=described),
        None,
        results.first_of_class.astype(float),
    )
    return table, {"settings": settings, **noise(plan, table), **spent(results.entries.values())}


class _Results:
    """Finished trainings, spread from the cells that stand for a class to all of the class."""

    def __init__(self, space: Enumerable, entries: dict[Job, dict[str, Any]]) -> None:
        self.first_of_class = first_of_class(space)
        self.entries = entries

    def column(self, seed: int, value: Callable[[dict[str, Any]], float]) -> NDArray[np.float64]:
        """A value of every cell's class under one seed, shape ``(len(space),)``, NaN where it was not trained."""
        values = np.full(len(self.first_of_class), np.nan)
        for job, entry in self.entries.items():
            if job.seed == seed:
                values[job.cell] = value(entry)
        return values[self.first_of_class]


Column = Callable[[int], NDArray[np.float64]]
Reader = Callable[[int, Callable[[dict[str, Any]], float]], NDArray[np.float64]]


def columns_of(task: Task, plan: Plan, read: Reader) -> Iterator[tuple[Metric, int | None, Column]]:
    """Every metric with its epochs and a function from a seed to the column.

    Args:
        task: The task.
        plan: What was trained.
        read: From a seed, and a function of what is kept of a training, to a column.
    """

    def seconds(split: str, description: str) -> Metric:
        return Metric(f"{split}_seconds", "s", "record", "cost", split=split, description=description, source=source)

    source, run = f"{task.name}, trained by this project", f"of one run of {plan.epochs} epochs"
    curves = [told for told in task.diagnostics if told.every_epoch]
    for epoch in range(1, plan.epochs + 1):
        for told in curves:
            how = "mean over the epoch's batches" if told.split == "train" else "after the epoch"
            described = told.metric((), f"{how}; [n] is epoch n {run}, a point on its curve", source)
            yield described, epoch, lambda seed, n=told.name, e=epoch: read(seed, lambda x: x[n][e - 1])  # type: ignore[misc]
        spent = seconds("train", f"processor time of the first n epochs {run}, live operations only")
        share = epoch / plan.epochs
        yield spent, epoch, lambda seed, s=share: read(seed, lambda x: s * x["train_seconds"])  # type: ignore[misc]
        spent = seconds("valid", "processor time of one pass over the validation split")
        yield spent, epoch, lambda seed: read(seed, lambda x: x["valid_seconds"])
    for told in task.diagnostics:
        if not told.every_epoch:
            described = told.metric((), f"at the end {run}", source)
            yield described, plan.epochs, lambda seed, n=told.name: read(seed, lambda x: x[n])  # type: ignore[misc]
