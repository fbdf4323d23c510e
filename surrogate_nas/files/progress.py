"""Progress without a terminal: a line now and then, so that a log shows that work goes on."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Self

LINE_SECONDS = 30.0
_TICK_SECONDS = 0.2
_FEWEST_TICKS = 3
_MOST_TICKS = 5000
_SLOWEST = 3
"""A stretch counts as at most so many times as slow as nine tenths of all: a standstill says
nothing of the rest.
"""


class TimeLeft:
    """How long work will still take, by the seconds that what is finished took.

    A machine that stood still, or was busy with other things for a while, makes one stretch slow,
    and not the estimate.

    Example:
        >>> seconds = iter([0, 1, 2, 3, 3603, 3604])
        >>> left = TimeLeft(clock=lambda: next(seconds))
        >>> [left(done, 25) for done in range(6)]  # an hour's pause, then twenty to come
        [None, None, None, 22.0, 31.5, 28.0]
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Know nothing yet."""
        self._clock = clock
        self._last: tuple[int, float] | None = None
        self._ticks: deque[tuple[int, float]] = deque(maxlen=_MOST_TICKS)

    def __call__(self, done: int, total: int) -> float | None:
        """Note the progress; returns the seconds left, or None while these are unknown."""
        now = self._clock()
        if self._last is None or done < self._last[0]:
            self._last = done, now
            self._ticks.clear()
        elif done > self._last[0] and now - self._last[1] >= _TICK_SECONDS:
            new = done - self._last[0]
            self._ticks.append((new, (now - self._last[1]) / new))
            self._last = done, now
        if not total or len(self._ticks) < _FEWEST_TICKS:
            return None
        rates = sorted(rate for _, rate in self._ticks)
        most = _SLOWEST * rates[(len(rates) - 1) * 9 // 10]
        spent = sum(new * min(rate, most) for new, rate in self._ticks)
        return max(total - done, 0) * spent / sum(new for new, _ in self._ticks)


class ProgressLines:
    """Reports progress on standard error every half minute, even if nothing was finished.

    Used as a context manager; inside, call it with (done, in all) and, if there is more to say, a
    text.

    Example:
        >>> with ProgressLines("runs", write=print) as progress:
        ...     progress(12, 50)
        ...     progress.say()
        runs 12/50, 0 s
    """

    def __init__(
        self,
        what: str,
        *,
        every: float = LINE_SECONDS,
        write: Callable[[str], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to count; nothing is said before the block begins.

        Args:
            what: What is counted.
            every: Seconds from line to line.
            write: Given each line without its end; None for standard error.
            clock: Seconds that only grow.
        """
        self._what = what
        self._every = every
        self._clock = clock
        self._write = write or (lambda line: sys.stderr.write(f"{line}\n"))
        self._began = clock()
        self._state: tuple[int, int, str] | None = None
        self._time_left = TimeLeft(clock)
        self._left: float | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._speak, daemon=True)

    def __call__(self, done: int, total: int, detail: str = "") -> None:
        """Note how far the work is."""
        self._state = done, total, detail
        self._left = self._time_left(done, total)

    def say(self) -> None:
        """Write a line now."""
        counted = self._what
        if self._state:
            done, total, _ = self._state
            counted += f" {done}/{total}" if total else f" {done}"
        detail = f", {self._state[2]}" if self._state and self._state[2] else ""
        left = f", about {duration(self._left)} left" if self._left else ""
        self._write(f"{counted}{detail}, {duration(self._clock() - self._began)}{left}")

    def _speak(self) -> None:
        while not self._over.wait(self._every):
            self.say()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def duration(seconds: float) -> str:
    """Seconds in words: ``90 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
