"""Trains the cells of a plan; finished trainings are stored, and interrupted work continues."""

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
"""The stored result of a job; ``job`` names it."""
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
    """Do the jobs that are missing in a journal, and return all of its entries."""
    with Journal(path, settings) as journal:
        entries = {Job(*entry["job"]): entry for entry in journal.entries}
        missing = [job for job in jobs if job not in entries]
        batches = [missing[i : i + size] for i in range(0, len(missing), size)]
        done = len(jobs) - len(missing)
        lost = []
        for outcome in run_jobs(
            function,
            batches,
            workers=workers,
            engine=engine,
        ):
            if outcome.failure:
                lost.append(outcome)
                continue
            for entry in outcome.result:
                journal.append(entry)
                entries[Job(*entry["job"])] = entry
            done += len(outcome.job)
            if progress:
                progress(done, len(jobs))
    raise_lost(lost)
    return entries


_STORED = ("train_seconds", "valid_seconds", "note")
_CELLS_A_BATCH = 2
"""Trainings of one job."""


def train_classes(
    plan: Plan,
    path: Path,
    *,
    workers: int | None = None,
    engine: str = "processes",
    progress: Progress | None = None,
) -> None:
    """Train what is missing in the journal; can be interrupted and called again."""
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


def _train(plan: Plan, jobs: Sequence[Job]) -> list[Entry]:
    return [train_job(plan, job) for job in jobs]


def train_job(plan: Plan, job: Job) -> Entry:
    """Train one cell in this process.

    Returns:
        Its entry: the curve of every metric, the values at the end, processor seconds, a note.
    """
    space = plan.cells
    task = _task_with_data(plan.task, code_of(plan.task))
    started = time.process_time()
    (curve,) = train(
        [space[job.cell]],
        task,
        epochs=plan.epochs,
        seed=job.seed,
        space=space,
    )
    seconds = time.process_time() - started
    stored = {name: getattr(curve, name) for name in _STORED}
    return {
        "job": list(job),
        **curve.values,
        **curve.finals,
        **stored,
        "processor_seconds": seconds,
    }


@lru_cache(maxsize=256)
def _task_with_data(name: str, code: str) -> Task:  # noqa: ARG001 - the key
    """A task, whose data a process reads only once."""
    return task_named(name)
