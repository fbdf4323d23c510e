"""Training what a plan holds: finished trainings are kept line by line, and interrupted work goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from surrogate_nas.benchmarks.making.batches import Progress, entries_of
from surrogate_nas.benchmarks.making.plan import Job, Plan, describe
from surrogate_nas.training import Task, task_named, train
from surrogate_nas.training.tasks import code_of

_KEPT = ("train_seconds", "valid_seconds", "note")
_CELLS_A_BATCH = 2
"""Trainings between two looks at the journal."""


def train_classes(
    plan: Plan, path: Path, *, workers: int | None = None, engine: str = "processes", progress: Progress | None = None
) -> None:
    """Train what the journal does not hold yet; may be interrupted and called again.

    Args:
        plan: What to train.
        path: The journal's file.
        workers: How many trainings at once, each on one core.
        engine: Where: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a colon its place.
        progress: Called with (trainings done, trainings in all).

    Raises:
        UserError: There is no such task, its data is not here, the journal is of another plan or damaged, or a worker
            was killed (when all others have done their part).
    """
    entries_of(
        partial(_train, plan), plan.jobs(), path, describe(plan), size=_CELLS_A_BATCH, workers=workers, engine=engine,
        progress=progress,
    )  # fmt: skip


def _train(plan: Plan, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Train some cells in this process; everything that is kept of each."""
    return [train_job(plan, job) for job in jobs]


def train_job(plan: Plan, job: Job) -> dict[str, Any]:
    """Train one cell in this process.

    Args:
        plan: Its task and epochs.
        job: The cell and the seed.

    Returns:
        Everything that is kept of it: the curve of every metric, what is told at the end, processor seconds, a note.
    """
    space, task = plan.cells, _learned(plan.task, code_of(plan.task))
    started = time.process_time()
    (curve,) = train([space[job.cell]], task, epochs=plan.epochs, seed=job.seed, space=space)
    spent = {"processor_seconds": time.process_time() - started}
    told = {**curve.values, **curve.finals, **{name: getattr(curve, name) for name in _KEPT}}
    return {"job": list(job), **told, **spent}


@lru_cache(maxsize=256)
def _learned(name: str, code: str) -> Task:  # noqa: ARG001 - the key
    """A task with its data, read once in a process."""
    return task_named(name)
