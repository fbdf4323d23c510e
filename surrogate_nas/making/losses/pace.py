"""How long what is left of a table will take, from what its trainings took so far."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from surrogate_nas.files.progress import duration
from surrogate_nas.making.batches import Entry
from surrogate_nas.making.plan import Job, Plan

Clock = Callable[[], float]
_LONGEST = 10


def seconds_each(seconds: Sequence[float]) -> float:
    """The mean of what trainings took; of the first of a process, which compiles kernels, at most ten times the median.

    Args:
        seconds: At least one.
    """
    return float(np.minimum(seconds, _LONGEST * np.median(seconds)).mean())


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
