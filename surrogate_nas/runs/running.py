"""What one run trains now, told as it changes: to a file of its folder, and to a watcher.

The file ``running/STRATEGY-RUN.json`` is for observers. It is replaced whole, about twice a second
at most, and removed when the run ends. Nothing is read back from it, and where it cannot be written
the run continues without. A stale file after a crash is detected by the run's lock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, Protocol

from msgspec import Meta, Struct, json

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import write_whole
from surrogate_nas.files.regular import open_regular
from surrogate_nas.runs.options import MOST
from surrogate_nas.runs.stored import Epochs, Positive

_PAUSE_SECONDS = 0.5
_SLOWER = 100
"""A file that took long to write is not written again for so many times as long."""
MOST_TOLD = 200
"""Trainings in a file; those that run come first."""
_LONGEST_TEXT = 2000
_LONGEST_PATH = 4096
_LARGEST_FILE = 2**23

State = Literal["waiting", "running", "alone", "ended"]
"""Of a concurrent training: it waits for a worker; it has one; it has one while nothing else runs;
it waits for its turn to be reported.
"""
_Number = Annotated[int, Meta(ge=0, le=MOST)]
_Text = Annotated[str, Meta(max_length=_LONGEST_TEXT)]


class InFlight(Struct, frozen=True):
    """A training that has begun and is not reported yet.

    Attributes:
        since: When its state began, in seconds since 1970.
        again: Why it is tried again, or empty.
        seconds: How long it will take, estimated from those that have ended, or None.
        reports: The file in which it reports its epochs, or None.
    """

    cell: _Text
    epochs: Epochs | None
    state: State
    since: Positive
    again: _Text = ""
    seconds: Positive | None = None
    reports: Annotated[str, Meta(max_length=_LONGEST_PATH)] | None = None

    @property
    def is_running(self) -> bool:
        """Whether it has a worker."""
        return self.state in ("running", "alone")


class Running(Struct, frozen=True):
    """What a run trains now.

    Attributes:
        slots: Number of parallel workers.
        ended: How many trainings have ended in this sitting.
        seconds: How long these took together, by the wall's clock.
        in_flight: How many have begun and are not reported yet.
        trainings: Those, or the first of many.
    """

    slots: Annotated[int, Meta(ge=1, le=MOST)]
    ended: _Number
    seconds: Positive
    in_flight: _Number
    trainings: Annotated[tuple[InFlight, ...], Meta(max_length=MOST_TOLD)]

    @property
    def running(self) -> int:
        """How many have a worker."""
        return sum(training.is_running for training in self.trainings)

    def seconds_left(self, left: int, now: float) -> float | None:
        """How long the rest will take, by the mean training so far; None before one has ended.

        Args:
            left: How many of the budget are not reported yet.
            now: Seconds since 1970.

        Example:
            >>> one = InFlight("cell", 12, "running", since=100.0)
            >>> Running(
            ...     2, ended=4, seconds=40.0, in_flight=1, trainings=(one,)
            ... ).seconds_left(5, 104.0)
            23.0
        """
        if not self.ended:
            return None
        mean = self.seconds / self.ended
        left -= sum(training.state == "ended" for training in self.trainings)
        spent = sum(
            min(max(now - training.since, 0.0), mean)
            for training in self.trainings
            if training.is_running
        )
        return max(left * mean - spent, 0.0) / max(min(self.slots, left), 1)


class Watcher(Protocol):
    """An observer of what a run trains now."""

    def running(self, running: Running) -> None:
        """Called about twice a second, where something has changed, with what the run trains."""

    def failed(self, cell: str, reason: str) -> None:
        """Called at once with the cell's text and the reason of each training that has failed."""


class RunningStatus:
    """Tells a file and a watcher what a run trains, at most about twice a second."""

    def __init__(self, file: Path | None = None, watcher: Watcher | None = None) -> None:
        self._file = file
        self._watcher = watcher
        self._last: Running | None = None
        self._due = 0.0
        self.close()

    def look(self, state: Callable[[], Running]) -> None:
        """Tell what has changed by what `state` gives, unless something was just told."""
        now = time.monotonic()
        if now < self._due or (self._file is None and self._watcher is None):
            return
        self._due = now + _PAUSE_SECONDS
        running = state()
        if running == self._last:
            return
        self._last = running
        if self._watcher is not None:
            self._watcher.running(running)
        if self._file is not None:
            try:
                write_whole(self._file, json.encode(running), lasting=False)
            except (UserError, OSError, ValueError):  # no reason to end a run
                self._last = None
            self._due += _SLOWER * (time.monotonic() - now)

    def failed(self, cell: str, reason: str) -> None:
        """Tell that a training has failed."""
        if self._watcher is not None:
            self._watcher.failed(cell, reason)

    def close(self) -> None:
        """Remove the file."""
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)
                self._file.parent.rmdir()  # while no other run has one there


def shortened(text: str) -> str:
    """A text that a file may hold."""
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"


def read_running(path: Path, since: float) -> Running | None:
    """Read what a run's file tells; None where there is none, or nothing sensible, or it is older
    than the process that makes the run since some time.
    """
    try:
        with open_regular(path, follow=False) as file:
            if os.fstat(file.fileno()).st_mtime < since:
                return None
            return json.decode(file.read(_LARGEST_FILE), type=Running)
    except (OSError, ValueError, RecursionError):
        return None
