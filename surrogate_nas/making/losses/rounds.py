"""Training in rounds: a hundred classes of every pair, the second seed of these, the next hundred of every pair …"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from surrogate_nas.engine import run_jobs
from surrogate_nas.files import Journal
from surrogate_nas.making.batches import Entry
from surrogate_nas.making.losses.pace import Pace
from surrogate_nas.making.plan import Job, Plan, describe, journal_path
from surrogate_nas.making.train import train_job

ROUND = 100
"""Classes of a round."""
_CELLS_A_BATCH = 4
"""Trainings between two looks at the journals."""
Progress = Callable[[int, int, str], object]


class Batch(NamedTuple):
    """Trainings of one pair that are made one after another."""

    plan: Plan
    jobs: tuple[Job, ...]


def rounds(plans: Sequence[Plan]) -> Iterator[Batch]:
    """All trainings of all pairs in the order they are made.

    Args:
        plans: Of the pairs, alike in their classes and seeds.
    """
    jobs = {plan: plan.jobs() for plan in plans}
    order = {job.cell: place for place, job in enumerate(jobs[plans[0]]) if job.seed == 0}
    for number in range(-(-len(order) // ROUND)):
        for seed in range(plans[0].seeds):
            for plan in plans:
                now = [job for job in jobs[plan] if job.seed == seed and order[job.cell] // ROUND == number]
                for start in range(0, len(now), _CELLS_A_BATCH):
                    yield Batch(plan, tuple(now[start : start + _CELLS_A_BATCH]))


def train_rounds(
    plans: Sequence[Plan], *, workers: int | None = None, engine: str = "processes", progress: Progress | None = None
) -> dict[str, str]:
    """Train what the journals do not hold yet; may be interrupted and called again, also with more classes or pairs.

    Args:
        plans: Of the pairs, alike in their classes and seeds.
        workers: How many batches at once, each on one core.
        engine: Where: a key of `surrogate_nas.engine.ENGINES`, behind a colon its place.
        progress: Called with (trainings done, trainings in all, how long the rest will take).

    Returns:
        What could not be trained, by pair, and why; everything else is done.

    Raises:
        UserError: A journal is damaged or cannot be written.
    """
    with ExitStack() as stack:
        journals = {plan: stack.enter_context(Journal(journal_path(plan), describe(plan))) for plan in plans}
        found = {plan: {Job(*entry["job"]) for entry in journal.entries} for plan, journal in journals.items()}
        wanted = list(rounds(plans))
        missing = [Batch(plan, tuple(job for job in jobs if job not in found[plan])) for plan, jobs in wanted]
        missing = [batch for batch in missing if batch.jobs]
        left = {plan: sum(len(jobs) for of, jobs in missing if of is plan) for plan in plans}
        total = sum(len(batch.jobs) for batch in wanted)
        pace = Pace({plan: journal.entries for plan, journal in journals.items()}, left)
        done, failures = total - sum(left.values()), {}
        for outcome in run_jobs(_train, missing, workers=workers, engine=engine):
            plan, jobs = outcome.job
            entries, reason = ([], outcome.failure) if outcome.failure else outcome.result
            for entry in entries:
                journals[plan].append(entry)
            if reason:
                failures[plan.task] = reason
            pace.add(plan, jobs, entries)
            if progress:
                progress(done + pace.done, total, pace.words())
    return failures


def _train(batch: Batch) -> tuple[list[Entry], str]:
    """Train in this process; what was made, and why not all of it."""
    entries: list[Entry] = []
    try:
        for job in batch.jobs:
            entries.append(train_job(batch.plan, job))
    except Exception as error:  # noqa: BLE001 - one task's fault must not end the others' trainings
        return entries, f"{type(error).__name__}: {error}"
    return entries, ""
