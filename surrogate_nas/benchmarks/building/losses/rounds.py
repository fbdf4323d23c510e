"""Training in rounds: fifty classes of every pair with all seeds, then the next fifty.

Pairs of which nothing is known are timed first, by some trainings of the first round; batches are
then as long as a second of work, and what does not fit into the hours that are given is left out
from the end of the design's order.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from surrogate_nas.benchmarks.building.losses.trainings import MADE, SPENT
from surrogate_nas.benchmarks.building.plan import Job, Plan, describe, journal_path
from surrogate_nas.benchmarks.building.train import Entry, train_job
from surrogate_nas.core.arguments import check_number
from surrogate_nas.files import Journal
from surrogate_nas.files.progress import duration
from surrogate_nas.runtime.engines import run_jobs

Clock = Callable[[], float]
_LONGEST = 10


def seconds_each(seconds: Sequence[float]) -> float:
    """The mean of what trainings took, but for the first, which compiles kernels; each at most ten
    times the median.
    """
    seconds = seconds[1:] or seconds
    return float(np.minimum(seconds, _LONGEST * np.median(seconds)).mean())


def hours_given(hours: float | None) -> float:
    """Check the hours that a user gives; infinite where none are."""
    if hours is None:
        return math.inf
    return check_number("Hours", hours, above=True)


class Known:
    """What a training of each pair takes, from those that are made.

    A pair of which none is takes what those of its task take for as many epochs, else what all do.
    """

    def __init__(self, spent: Mapping[Plan, Sequence[float]]) -> None:
        """Look at what is made."""
        self._each = {plan: seconds_each(seconds) for plan, seconds in spent.items() if seconds}

    def __getitem__(self, plan: Plan) -> float:
        """Processor seconds of a training; a tenth of one where nothing is known at all."""
        if plan in self._each:
            return self._each[plan]
        task = plan.task.partition("?")[0]
        own = [
            each / of.epochs for of, each in self._each.items() if of.task.partition("?")[0] == task
        ]
        every = own or [each / of.epochs for of, each in self._each.items()] or [0.1 / plan.epochs]
        return plan.epochs * float(np.mean(every))


def fitting_in(
    hours: float,
    spent: float,
    wanted: Sequence[tuple[Plan, int]],
    known: Known,
) -> tuple[int, float]:
    """How many of some pairs, from the first, are expected to be made in so many processor hours.

    Returns:
        How many pairs, and the hours that all of them would take.
    """
    ends = spent + np.cumsum([0.0, *(number * known[plan] for plan, number in wanted)])
    return int((ends[1:] <= 3600 * hours).sum()), float(ends[-1] / 3600)


class Forecast:
    """Counts trainings and predicts the rest: each pair's mean processor seconds, times this run's
    wall-clock for one.

    Attributes:
        done: How many trainings are made.
    """

    def __init__(
        self,
        made: Mapping[Plan, Iterable[Entry]],
        left: Mapping[Plan, int],
        clock: Clock = time.monotonic,
    ) -> None:
        """Begin to count."""
        self._spent = {
            plan: [entry["processor_seconds"] for entry in entries]
            for plan, entries in made.items()
        }
        self._left = dict(left)
        self._clock = clock
        self._began = clock()
        self._used = 0.0
        self.done = 0

    def add(self, plan: Plan, jobs: Iterable[Job], entries: Iterable[Entry]) -> None:
        """Note a batch."""
        seconds = [entry["processor_seconds"] for entry in entries]
        self._spent[plan] += seconds
        self._used += sum(seconds)
        self._left[plan] -= len(list(jobs))
        self.done += len(seconds)

    def seconds_left(self) -> float:
        """Wall-clock seconds until all is made; NaN before the first batch."""
        known = {plan: seconds_each(seconds) for plan, seconds in self._spent.items() if seconds}
        if not known or not self._used:
            return math.nan
        usual = float(np.mean([*known.values()]))
        work = sum(n * known.get(plan, usual) for plan, n in self._left.items())
        return work * (self._clock() - self._began) / self._used

    def words(self) -> str:
        """The same for people; empty before the first batch."""
        left = self.seconds_left()
        return f"about {duration(left)} left" if math.isfinite(left) else ""


ROUND = 50
"""Classes of a round."""
BATCH_SECONDS = 1.0
MOST_A_BATCH = 64
"""What lies between two looks at the journals: about so many seconds of work, and at most so many
trainings.
"""
TIMED = 8
"""Trainings by which a pair is timed: as many classes of the first round, with one seed."""
Progress = Callable[[int, int, str], object]
Note = Callable[[str], object]
Size = Callable[[Plan], int]


class Batch(NamedTuple):
    """Trainings of one pair that are made one after another."""

    plan: Plan
    jobs: tuple[Job, ...]


def run_of(plan: Plan) -> Plan:
    """What a plan has in common with those that share its journal: of all classes and one seed."""
    return replace(
        plan,
        seeds=1,
        noisy_classes=0,
        classes=None,
        first_class=0,
    )


def rounds(plans: Sequence[Plan], size: Size = lambda _: 1) -> Iterator[Batch]:
    """All trainings of all pairs, each once, in the order they are made."""
    yield from _batches([(run_of(plan), _by_round(plan)) for plan in plans], set(), size)


def _by_round(plan: Plan) -> dict[int, list[Job]]:
    """The trainings of every round: class after class, each with all its seeds."""
    jobs = plan.jobs()
    place = {job.cell: place for place, job in enumerate(job for job in jobs if job.seed == 0)}
    found: dict[int, list[Job]] = {}
    for job in sorted(jobs, key=lambda job: (place[job.cell], job.seed)):
        found.setdefault(place[job.cell] // ROUND, []).append(job)
    return found


def _batches(
    wanted: Sequence[tuple[Plan, Mapping[int, Sequence[Job]]]],
    made: set[tuple[Plan, Job]],
    size: Size,
) -> Iterator[Batch]:
    made = set(made)
    for number in range(1 + max((max(jobs, default=-1) for _, jobs in wanted), default=-1)):
        for run, jobs in wanted:
            now = [job for job in jobs.get(number, ()) if (run, job) not in made]
            made.update((run, job) for job in now)
            for start in range(0, len(now), size(run)):
                yield Batch(run, tuple(now[start : start + size(run)]))


def train_rounds(
    plans: Sequence[Plan],
    *,
    elsewhere: Mapping[Plan, Mapping[Job, float]] | None = None,
    hours: float = math.inf,
    workers: int | None = None,
    engine: str = "processes",
    progress: Progress | None = None,
    note: Note = lambda _: None,
) -> dict[str, str]:
    """Train what the journals do not hold yet; may be interrupted and called again, also with more
    classes or pairs.

    Returns:
        What could not be trained, by pair, and why; everything else is done.
    """
    with ExitStack() as stack:
        runs = list(dict.fromkeys(map(run_of, plans)))
        journals = {
            run: stack.enter_context(Journal(journal_path(run), describe(run))) for run in runs
        }
        work = _Work(plans, journals, elsewhere or {}, progress)
        work.do(work.timing(), workers, engine)
        work.leave_out(hours, note)
        work.do(work.rest(), workers, engine)
    return work.failures


class _Work:
    """What is to be trained, what of it is, and what went wrong."""

    def __init__(
        self,
        plans: Sequence[Plan],
        journals: Mapping[Plan, Journal],
        elsewhere: Mapping[Plan, Mapping[Job, float]],
        progress: Progress | None,
    ) -> None:
        self.failures: dict[str, str] = {}
        self._plans = list(plans)
        self._journals = journals
        self._progress = progress
        self._wanted = [(run_of(plan), _by_round(plan)) for plan in plans]
        self._seconds: dict[Plan, dict[Job, float]] = {run: {} for run in journals}
        for plan, seconds in elsewhere.items():
            self._seconds[run_of(plan)].update(seconds)
        for run, journal in journals.items():
            self._seconds[run].update(
                {Job(*entry["job"]): entry[SPENT] for entry in journal.entries}
            )

    @property
    def _made(self) -> set[tuple[Plan, Job]]:
        return {(run, job) for run, seconds in self._seconds.items() for job in seconds}

    def timing(self) -> list[Batch]:
        """Some trainings of every pair of which there are none."""
        found = {}
        for run, jobs in self._wanted:
            if not self._seconds[run] and run not in found:
                found[run] = Batch(
                    run, tuple(islice((job for job in jobs.get(0, ()) if job.seed == 0), TIMED))
                )
        return list(found.values())

    def rest(self) -> list[Batch]:
        """Everything that is not made, in rounds; nothing of pairs that failed before anything was
        made of them.
        """
        known = Known({run: [*seconds.values()] for run, seconds in self._seconds.items()})
        wanted = [
            (run, jobs)
            for run, jobs in self._wanted
            if self._seconds[run] or run.task not in self.failures
        ]
        sizes = {
            run: max(1, min(MOST_A_BATCH, round(BATCH_SECONDS / max(known[run], 1e-6))))
            for run, _ in wanted
        }
        return list(_batches(wanted, self._made, sizes.__getitem__))

    def leave_out(self, hours: float, note: Note) -> None:
        """Leave out pairs from the end of the order until the rest fits into some hours."""
        known = Known({run: [*seconds.values()] for run, seconds in self._seconds.items()})
        seen = self._made
        left = []
        for run, by_round in self._wanted:
            new = {(run, job) for jobs in by_round.values() for job in jobs} - seen
            seen |= new
            left.append((run, len(new)))
        spent = sum(sum(seconds.values()) for seconds in self._seconds.values())
        kept, whole = fitting_in(hours, spent, left, known)
        out = [
            plan
            for plan, (_, number) in zip(self._plans[kept:], left[kept:], strict=True)
            if number
        ]
        self._wanted = self._wanted[:kept]
        if out:
            names = ", ".join(_words(plan) for plan in out)
            note(
                f"All would take {whole:.2f} processor hours, {hours:g} are given; left out:"
                f" {names}."
            )

    def do(self, batches: Sequence[Batch], workers: int | None, engine: str) -> None:
        """Train batches, and keep what is made."""
        every = {
            (run, job)
            for run, by_round in self._wanted
            for jobs in by_round.values()
            for job in jobs
        }
        left: dict[Plan, int] = {run: 0 for run in self._journals}
        made = self._made
        for run, _ in every - made:
            left[run] += 1
        done = len(every & made)
        forecast = Forecast(
            {run: [{SPENT: s} for s in seconds.values()] for run, seconds in self._seconds.items()},
            left,
        )
        for outcome in run_jobs(
            _train,
            batches,
            workers=workers,
            engine=engine,
        ):
            run, jobs = outcome.job
            entries, reason = ([], outcome.failure) if outcome.failure else outcome.result
            self._keep(run, entries)
            if reason:
                self.failures[run.task] = reason
            forecast.add(run, jobs, entries)
            if self._progress:
                self._progress(done + forecast.done, len(every), forecast.words())

    def _keep(self, run: Plan, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._journals[run].append(entry)
            self._seconds[run][Job(*entry["job"])] = entry[SPENT]
        self._journals[run].commit()  # the next batch of this pair may be a round away


def _words(plan: Plan) -> str:
    classes = "all classes" if plan.classes is None else f"{plan.classes} classes"
    return f"{plan.task} ({plan.epochs} epochs, {classes}, {plan.seeds} seeds)"


def _train(batch: Batch) -> tuple[list[dict[str, Any]], str]:
    """Train in this process; what was made, and why not all of it."""
    entries: list[Entry] = []
    try:
        for job in batch.jobs:
            trained = train_job(batch.plan, job)
            entries.append({**trained, MADE: datetime.now(UTC).isoformat(timespec="seconds")})
    except Exception as error:  # noqa: BLE001 - one task's fault must not end the others' trainings
        return entries, f"{type(error).__name__}: {error}"
    return entries, ""
