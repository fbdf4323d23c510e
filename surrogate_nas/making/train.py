"""Training what a plan holds: finished trainings are kept line by line, and interrupted work goes on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from surrogate_nas.making.batches import Progress, entries_of
from surrogate_nas.making.plan import Job, Plan, describe
from surrogate_nas.training import task_named, train

_KEPT = ("train_seconds", "valid_seconds", "note")
_CELLS_A_BATCH = 2
"""Trainings between two looks at the journal."""


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
    entries_of(
        partial(_train, plan), plan.jobs(), path, describe(plan), size=_CELLS_A_BATCH, workers=workers, engine=engine,
        progress=progress,
    )  # fmt: skip


def _train(plan: Plan, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Train some cells in this process; everything that is kept of each."""
    space, task, entries = plan.cells, task_named(plan.task), []
    for job in jobs:
        (curve,) = train([space[job.cell]], task, epochs=plan.epochs, seed=job.seed, space=space)
        told = {**curve.values, **curve.finals, **{name: getattr(curve, name) for name in _KEPT}}
        entries.append({"job": list(job), **told})
    return entries
