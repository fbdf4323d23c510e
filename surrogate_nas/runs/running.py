"""What one run trains now, told as it changes: to a file of its folder, and to a watcher.

The file ``running/STRATEGY-RUN.json`` is for those who look on. It is replaced whole, about twice a
second at most, and removed when the run ends; nothing is read back from it, and where it cannot be
written the run goes on without. What a crash leaves there is told apart by the lock of the run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import write_whole
from surrogate_nas.space import Cell

_PAUSE_SECONDS = 0.5
_SLOWER = 100
"""A file that took long to write is not written again for so many times as long."""
MOST_TOLD = 200
"""Trainings in a file; those that run come first."""
LONGEST_TEXT = 2000
"""Characters of a cell or a reason in a file."""

State = Literal["waiting", "running", "alone", "ended"]
"""Of a training in flight: for a slot; in one; in one while nothing else runs; for its turn to be
told.
"""
ReportsOf = Callable[[], Path | None]
"""Gives the file in which a training reports its epochs, or None."""


@dataclass(frozen=True)
class InFlight:
    """A training in flight.

    Attributes:
        cell: Its text.
        epochs: The length of the training; None where training plays no part.
        state: One of `State`.
        since: When that began, in seconds since 1970.
        again: Why it is tried again, or empty.
        seconds: What it will take by those that have ended, or None.
        reports: The file in which it reports its epochs, or None.
    """

    cell: str
    epochs: int | None
    state: State
    since: float
    again: str = ""
    seconds: float | None = None
    reports: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether it has a slot."""
        return self.state in ("running", "alone")


class Running(NamedTuple):
    """What a run trains now.

    Attributes:
        slots: How many trainings at once.
        ended: How many have ended in this sitting.
        seconds: What these took together, by the wall's clock.
        in_flight: How many have begun and are not told yet.
        trainings: Those, or the first of many.
    """

    slots: int
    ended: int
    seconds: float
    in_flight: int
    trainings: tuple[InFlight, ...]

    @property
    def running(self) -> int:
        """How many have a slot."""
        return sum(one.is_running for one in self.trainings)

    def seconds_left(self, left: int, now: float) -> float | None:
        """How long the rest will take, by the mean training so far; None before one has ended.

        Args:
            left: How many of the budget are not told yet.
            now: Seconds since 1970.

        Example:
            >>> one = InFlight("cell", 12, "running", since=100.0)
            >>> Running(2, ended=4, seconds=40.0, in_flight=1, trainings=(one,)).seconds_left(
            ...     5, 104.0
            ... )
            23.0
        """
        if not self.ended:
            return None
        mean = self.seconds / self.ended
        spent = 0.0
        for one in self.trainings:
            if one.is_running:
                spent += min(max(now - one.since, 0.0), mean)
            elif one.state == "ended":
                left -= 1
        slots = max(min(self.slots, left), 1)
        return max(left * mean - spent, 0.0) / slots


class Watcher(Protocol):
    """Who is told what a run trains now."""

    def running(self, running: Running) -> None:
        """Told about twice a second, where something has changed.

        Args:
            running: What the run trains now.
        """

    def failed(self, cell: str, reason: str) -> None:
        """Told at once of each training that has failed in this sitting.

        Args:
            cell: Its text.
            reason: Why it failed.
        """


@dataclass
class _Known:
    """What is noted of a training in flight."""

    cell: Cell
    epochs: int | None
    predicted: float
    reports: ReportsOf
    state: State
    since: float
    again: str = ""
    took: float = 0.0


class Now:
    """What a run trains now, noted as trainings begin and end.

    Slots are given trainings in the order in which they were handed out, so the first of them run.
    """

    def __init__(
        self,
        slots: int,
        file: Path | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        """Begin with nothing in flight, and remove what a crash left.

        Args:
            slots: How many trainings at once.
            file: Where it is told, or None.
            watcher: Who else is told, or None.
        """
        self._slots = slots
        self._file = file
        self._watcher = watcher
        self._known: dict[int, _Known] = {}
        self._given: dict[int, None] = {}
        """In the order in which slots are given them."""
        self._ended = 0
        self._seconds = 0.0
        self._predicted = 0.0
        self._last: Running | None = None
        self._due = 0.0
        self._remove()

    def add(
        self,
        number: int,
        cell: Cell,
        epochs: int | None,
        predicted: float,
        reports: ReportsOf,
    ) -> None:
        """Note a training that waits for a slot.

        Args:
            number: Which it is.
            cell: What is trained.
            epochs: For how long; None where training plays no part.
            predicted: Its predicted cost, of which ratios matter only.
            reports: Called where it is told.
        """
        self._known[number] = _Known(cell, epochs, predicted, reports, "waiting", time.time())

    def given(self, number: int, *, alone: bool) -> None:
        """Note that a training was handed to the slots."""
        self._given[number] = None
        self._advance("alone" if alone else "running")

    def _advance(self, state: State = "running") -> None:
        """The first that were given have slots by now."""
        now = time.time()
        for number in islice(self._given, self._slots):
            known = self._known.get(number)
            if known is not None and known.state == "waiting":
                known.state = state
                known.since = now

    def left(self, number: int) -> None:
        """Note that a training has left its slot, whatever it gave."""
        self._given.pop(number, None)
        known = self._known.get(number)
        if known is not None:
            now = time.time()
            known.took += max(now - known.since, 0.0)
            known.state = "ended"
            known.since = now
        self._advance()

    def again(self, number: int, reason: str) -> None:
        """Note that a training will be tried again."""
        known = self._known.get(number)
        if known is not None:
            known.state = "waiting"
            known.again = reason

    def answered(self, number: int, failure: str = "") -> None:
        """Note that a training has ended, and why where it has failed."""
        known = self._known.get(number)
        if known is None:
            return
        self._ended += 1
        self._seconds += known.took
        self._predicted += known.predicted
        if failure and self._watcher is not None:
            self._watcher.failed(known.cell.text, failure)

    def told(self, number: int) -> None:
        """Note that a training is in flight no more."""
        self._known.pop(number, None)

    def look(self) -> None:
        """Tell what has changed, unless it was just told."""
        began = time.monotonic()
        if began < self._due or (self._file is None and self._watcher is None):
            return
        self._due = began + _PAUSE_SECONDS
        running = self._running()
        if running == self._last:
            return
        self._last = running
        if self._watcher is not None:
            self._watcher.running(running)
        if self._file is not None:
            self._write(self._file, running)
            ended = time.monotonic()
            self._due = ended + max(_PAUSE_SECONDS, _SLOWER * (ended - began))

    def _write(self, file: Path, running: Running) -> None:
        content = running._asdict()
        content["trainings"] = [asdict(one) for one in running.trainings]
        try:
            write_whole(file, json.dumps(content), lasting=False)
        except (UserError, OSError):  # a full disk is no reason to end a run
            self._last = None

    def _running(self) -> Running:
        known = sorted(self._known.values(), key=lambda one: one.state not in ("running", "alone"))
        trainings = tuple(map(self._in_flight, known[:MOST_TOLD]))
        return Running(self._slots, self._ended, self._seconds, len(known), trainings)

    def _in_flight(self, known: _Known) -> InFlight:
        seconds = None
        if self._predicted > 0:
            seconds = known.predicted * self._seconds / self._predicted
        reports = None
        with suppress(UserError, OSError):
            reports = known.reports()
        return InFlight(
            _shortened(known.cell.text),
            known.epochs,
            known.state,
            known.since,
            _shortened(known.again),
            seconds,
            None if reports is None else str(reports),
        )

    def close(self) -> None:
        """Tell nothing more, and remove the file."""
        self._remove()
        self._file = None

    def _remove(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)
                self._file.parent.rmdir()  # while no other run has one there


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
