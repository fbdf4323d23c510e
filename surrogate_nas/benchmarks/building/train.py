"""Training what a plan holds: finished trainings are kept line by line, and interrupted work goes
on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from surrogate_nas.benchmarks.building.plan import Job, Plan, describe
from surrogate_nas.files import Journal
from surrogate_nas.runtime.engines import raise_lost, run_jobs
from surrogate_nas.training import Task, task_named, train
from surrogate_nas.training.tasks import code_of

Entry = dict[str, Any]
"""What is kept of a job; ``job`` names it."""
Progress = Callable[[int, int], None]


def entries_of(
    function: Callable[[Sequence[Job]], Sequence[Entry]],
    jobs: Sequence[Job],
    path: Path,
    settings: dict[str, Any],
    *,
    size: int,
    workers: int | None,
    engine: str,
    progress: Progress | None,
) -> dict[Job, Entry]:
    """Do the jobs that a journal does not hold yet.

    Returns:
        Every entry that the journal holds then.
    """
    with Journal(path, settings) as journal:
        found = {Job(*entry["job"]): entry for entry in journal.entries}
        missing = [job for job in jobs if job not in found]
        batches = [missing[i : i + size] for i in range(0, len(missing), size)]
        done = len(jobs) - len(missing)
        lost = []
        for outcome in run_jobs(function, batches, workers=workers, engine=engine):
            if outcome.failure:
                lost.append(outcome)
                continue
            for entry in outcome.result:
                journal.append(entry)
                found[Job(*entry["job"])] = entry
            done += len(outcome.job)
            if progress:
                progress(done, len(jobs))
    raise_lost(lost)
    return found


_KEPT = ("train_seconds", "valid_seconds", "note")
_CELLS_A_BATCH = 2
"""Trainings between two looks at the journal."""


def train_classes(
    plan: Plan,
    path: Path,
    *,
    workers: int | None = None,
    engine: str = "processes",
    progress: Progress | None = None,
) -> None:
    """Train what the journal does not hold yet; may be interrupted and called again."""
    entries_of(
        partial(_train, plan),
        plan.jobs(),
        path,
        describe(plan),
        size=_CELLS_A_BATCH,
        workers=workers,
        engine=engine,
        progress=progress,
    )


def _train(plan: Plan, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Train some cells in this process; everything that is kept of each."""
    return [train_job(plan, job) for job in jobs]


def train_job(plan: Plan, job: Job) -> dict[str, Any]:
    """Train one cell in this process.

    Returns:
        Everything that is kept of it: the curve of every metric, what is told at the end, processor
        seconds, a note.
    """
    space = plan.cells
    task = _learned(plan.task, code_of(plan.task))
    started = time.process_time()
    (curve,) = train([space[job.cell]], task, epochs=plan.epochs, seed=job.seed, space=space)
    spent = {"processor_seconds": time.process_time() - started}
    told = {**curve.values, **curve.finals, **{name: getattr(curve, name) for name in _KEPT}}
    return {"job": list(job), **told, **spent}


@lru_cache(maxsize=256)
def _learned(name: str, code: str) -> Task:  # noqa: ARG001 - the key
    """A task with its data, read once in a process."""
    return task_named(name)
