"""The trainings of a table: a cell of every functional class, some with several seeds.

Finished trainings are in a journal of the data directory; the same call resumes from there.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.digests import json_digest
from surrogate_nas.files import Journal, home
from surrogate_nas.runtime.engines import raise_lost, run_jobs
from surrogate_nas.space import (
    DEFAULT_SPACE,
    Enumerable,
    first_of_class,
    listed,
    space_named,
)
from surrogate_nas.training import Curve, Task, task_named, train
from surrogate_nas.training.engine import trainer_of
from surrogate_nas.training.machine import engine_named
from surrogate_nas.training.metrics import METRICS, Predictions, TaskMetric
from surrogate_nas.training.tasks import batch_loss, code_of

ORDER_SEED = 0
"""Of the random order of classes."""
DECAYS = (1e-5, 2e-2)
"""The least and the largest weight decay of plans that vary it."""
DECAY_SEED = 44
BEST = "_best"
Entry = Mapping[str, Any]
"""The stored result of a job; ``job`` names it."""
_STORED = ("train_seconds", "valid_seconds", "note")
_BATCH = 4
"""Trainings of one job."""


class Job(NamedTuple):
    """One training: the index of the cell that stands for its class, and the seed."""

    cell: int
    seed: int


@dataclass(frozen=True)
class Plan:
    """A number of trainings.

    Attributes:
        task: The task, as `task_named` knows it.
        epochs: The length of every run.
        seeds: Number of seeds of the first classes of the random order.
        noisy_classes: Number of classes with several seeds.
        classes: Number of classes that are trained; None for all of them.
        space: The space, by its name or definition.
        first_class: The place of the first of them in the random order of classes.
        first_seed: The lowest seed.
        shares: Shares of a run at which numbers are stored besides those of its end. With shares,
            `SIGNALS` are measured and curves are not stored.
        varied: Whether every class has its own weight decay, see `weight_decays`.
    """

    task: str
    epochs: int
    seeds: int = 3
    noisy_classes: int = 500
    classes: int | None = None
    space: str = DEFAULT_SPACE
    first_class: int = 0
    first_seed: int = 0
    shares: tuple[float, ...] = ()
    varied: bool = False

    @property
    def cells(self) -> Enumerable:
        """The space."""
        return listed(space_named(self.space))

    def jobs(self) -> list[Job]:
        """All trainings in their order: the lowest seed first, classes in random order."""
        order = class_order(self.space)[self.first_class :][: self.classes]
        jobs = [Job(cell, self.first_seed) for cell in order]
        for seed in range(self.first_seed + 1, self.first_seed + self.seeds):
            jobs += [Job(cell, seed) for cell in order[: self.noisy_classes]]
        return jobs

    @property
    def trained(self) -> Task:
        """The task, with the metrics that are stored."""
        return _task(self.task, bool(self.shares))

    def settings(self) -> dict[str, Any]:
        """The settings that a training depends on, without the numbers of seeds and classes."""
        task = self.trained
        about: dict[str, Any] = {}
        if self.shares:
            about = {"shares": [*self.shares], "varied": self.varied}
        return about | {
            "task": task.name,
            "space": self.cells.definition,
            "schedule": asdict(task.schedule),
            "network": task.network().settings,
            "splits": {name: len(split.targets) for name, split in task.data.items()},
            "epochs": self.epochs,
            "digest": f"{task.digest} {code_of(self.task)}",
            "engine": engine_named(
                self.cells, by_matrices=trainer_of(task).multiplies_matrices
            ),
        }

    def journal(self) -> Path:
        """The journal of the trainings; plans that differ in seeds and classes share it."""
        name = self.trained.name.replace("?loss=", "-").replace("?", "-")[:60]
        return home() / "training" / f"{name}-{json_digest(self.settings())[:16]}.jsonl"

    def entries(self) -> dict[Job, Entry]:
        """The stored results of its trainings."""
        path = self.journal()
        stored = Journal.read(path, self.settings()) if path.is_file() else []
        entries = {Job(*entry["job"]): entry for entry in stored}
        return {job: entries[job] for job in self.jobs() if job in entries}


def _on_half(of: Callable[[Predictions], Any], predictions: Predictions) -> Any:
    """A metric on every second example of a split."""
    parts = (
        predictions.outputs[:, ::2],
        predictions.targets[::2],
        predictions.inputs[::2],
    )
    outputs, targets, inputs = parts
    return of(replace(predictions, outputs=outputs, targets=targets, inputs=inputs))


_ERROR = METRICS.find("error")
_HALF = "half_"
SIGNALS = (
    _ERROR,
    replace(
        _ERROR, name=_HALF + "error", when="epoch", of=partial(_on_half, _ERROR.of)
    ),
    TaskMetric(
        _HALF + "loss",
        "the loss of every second example",
        "nats",
        "loss",
        100.0,
        partial(_on_half, batch_loss),
    ),
)
"""The metrics of plans with shares, besides the loss."""


@cache
def _task(name: str, signals: bool) -> Task:
    """A task whose data a process reads only once."""
    task = task_named(name)
    if not signals:
        return task
    return replace(task, measures=SIGNALS, load=partial(getattr, task, "clean"))


@cache
def weight_decays(space: str) -> dict[int, float]:
    """A weight decay for every class, by its first cell: log-uniform, to three digits."""
    order = class_order(space)
    low, high = np.log10(DECAYS)
    drawn = 10 ** np.random.default_rng(DECAY_SEED).uniform(low, high, len(order))
    return {
        cell: float(f"{decay:.3g}") for cell, decay in zip(order, drawn, strict=True)
    }


@cache
def class_order(space: str) -> tuple[int, ...]:
    """The first cell of every functional class of a space, in the random order of classes."""
    cells = np.unique(first_of_class(listed(space_named(space))))
    return tuple(np.random.default_rng(ORDER_SEED).permutation(cells).tolist())


def results_of(
    function: Callable[[Sequence[Job]], Sequence[Entry]],
    jobs: Sequence[Job],
    path: Path,
    settings: dict[str, Any],
    workers: int,
) -> dict[Job, Entry]:
    """Do the jobs that a journal lacks, and return all of their entries."""
    with Journal(path, settings) as journal:
        entries = {Job(*entry["job"]): entry for entry in journal.entries}
        missing = [job for job in jobs if job not in entries]
        batches = [missing[i : i + _BATCH] for i in range(0, len(missing), _BATCH)]
        lost = []
        for outcome in run_jobs(function, batches, workers=workers):
            if outcome.failure:
                lost.append(outcome)
                continue
            for entry in outcome.result:
                journal.append(entry)
                entries[Job(*entry["job"])] = entry
            show_progress(len(entries), len(jobs))
    raise_lost(lost)
    return {job: entries[job] for job in jobs}


def show_progress(done: int, of: int, hours: float = 0.0) -> None:
    """Write on standard error how many jobs are done, and the hours left if they are known."""
    left = f", {hours:.2f} hours left" if hours else ""
    end = "" if done < of else "\n"
    print(f"\r{done:,}/{of:,}{left}", end=end, file=sys.stderr, flush=True)


def trained(plan: Plan, workers: int = 1) -> dict[Job, Entry]:
    """Train what the journal of a plan lacks, and return all of its entries."""
    return results_of(
        partial(_train, plan), plan.jobs(), plan.journal(), plan.settings(), workers
    )


def _train(plan: Plan, jobs: Sequence[Job]) -> list[Entry]:
    return [train_job(plan, job) for job in jobs]


def train_job(plan: Plan, job: Job) -> dict[str, Any]:
    """Train one cell in this process.

    Returns:
        Its entry: the curve of every metric, the values at the end, processor seconds, a note.
    """
    space = plan.cells
    decay = weight_decays(plan.space)[job.cell] if plan.varied else None
    started = time.process_time()
    (curve,) = train(
        [space[job.cell]],
        plan.trained,
        epochs=plan.epochs,
        seed=job.seed,
        space=space,
        shares=plan.shares,
        weight_decay=(lambda _: decay) if decay else None,
    )
    seconds = time.process_time() - started
    stored = {name: getattr(curve, name) for name in _STORED}
    values = _summary(curve) if plan.shares else curve.values
    entry = {"job": list(job), **values, **curve.finals, **stored}
    return {**entry, "processor_seconds": seconds, "weight_decay": decay}


def _summary(curve: Curve) -> dict[str, float]:
    """The numbers at the end of a run, at its shares (``NAME_20``), and the least of every epoch
    (``NAME_best``).
    """
    summary = {name: values[-1] for name, values in curve.values.items()}
    summary |= {name + BEST: min(values) for name, values in curve.values.items()}
    for share, numbers in curve.points.items():
        summary |= {f"{name}_{100 * share:g}": numbers[name] for name in numbers}
    return summary


def by_class(space: Enumerable, values: Mapping[int, float]) -> NDArray[np.float64]:
    """A column of every cell, from values by the first cell of each class."""
    column = np.full(len(space), np.nan)
    column[[*values]] = [*values.values()]
    return column[first_of_class(space)]
