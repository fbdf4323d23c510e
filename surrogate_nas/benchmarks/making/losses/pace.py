"""How long what is left of a table will take, from what its trainings took so far, and what of it fits into hours."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from surrogate_nas.benchmarks.making.batches import Entry
from surrogate_nas.benchmarks.making.plan import Job, Plan
from surrogate_nas.core.arguments import check_number
from surrogate_nas.files.progress import duration

Clock = Callable[[], float]
_LONGEST = 10


def seconds_each(seconds: Sequence[float]) -> float:
    """The mean of what trainings took, but for the first, which compiles kernels; each at most ten times the median.

    Args:
        seconds: At least one.
    """
    seconds = seconds[1:] or seconds
    return float(np.minimum(seconds, _LONGEST * np.median(seconds)).mean())


def hours_given(hours: float | None) -> float:
    """Check the hours that a user gives; infinite where none are.

    Args:
        hours: What was given.

    Raises:
        UserError: They are no finite number above 0.
    """
    if hours is None:
        return math.inf
    return check_number("Hours", hours, above=True)


class Known:
    """What a training of each pair takes, from those that are made.

    A pair of which none is takes what those of its task take for as many epochs, else what all do.
    """

    def __init__(self, spent: Mapping[Plan, Sequence[float]]) -> None:
        """Look at what is made.

        Args:
            spent: Processor seconds of the trainings of each pair.
        """
        self._each = {plan: seconds_each(seconds) for plan, seconds in spent.items() if seconds}

    def __getitem__(self, plan: Plan) -> float:
        """Processor seconds of a training; a tenth of one where nothing is known at all.

        Args:
            plan: Of the pair.
        """
        if plan in self._each:
            return self._each[plan]
        task = plan.task.partition("?")[0]
        own = [each / of.epochs for of, each in self._each.items() if of.task.partition("?")[0] == task]
        every = own or [each / of.epochs for of, each in self._each.items()] or [0.1 / plan.epochs]
        return plan.epochs * float(np.mean(every))


def fitting_in(hours: float, spent: float, wanted: Sequence[tuple[Plan, int]], known: Known) -> tuple[int, float]:
    """How many of some pairs, from the first, are expected to be made in so many processor hours.

    Args:
        hours: In all, what is spent included.
        spent: Processor seconds by now.
        wanted: Pairs in the order of their priority, each with how many trainings are left of it.
        known: What a training takes.

    Returns:
        How many pairs, and the hours that all of them would take.
    """
    ends = spent + np.cumsum([0.0, *(number * known[plan] for plan, number in wanted)])
    return int((ends[1:] <= 3600 * hours).sum()), float(ends[-1] / 3600)


class Pace:
    """Counts trainings and foretells the rest: each pair's mean processor seconds, times this run's wall-clock for one.

    Attributes:
        done: How many trainings are made.
    """

    def __init__(
        self, made: Mapping[Plan, Iterable[Entry]], left: Mapping[Plan, int], clock: Clock = time.monotonic
    ) -> None:
        """Begin to count.

        Args:
            made: What the journal of each pair holds.
            left: How many trainings of each pair are still to be made.
            clock: Seconds that only grow.
        """
        self._spent = {plan: [entry["processor_seconds"] for entry in entries] for plan, entries in made.items()}
        self._left, self._clock = dict(left), clock
        self._began, self._used = clock(), 0.0
        self.done = 0

    def add(self, plan: Plan, jobs: Iterable[Job], entries: Iterable[Entry]) -> None:
        """Note a batch.

        Args:
            plan: Of the pair.
            jobs: What was asked for.
            entries: What was made of it.
        """
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
