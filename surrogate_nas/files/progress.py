"""Progress reports for logs without a terminal: regular lines that show that work continues."""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

LINE_SECONDS = 30.0
# so many must be finished before it is said how long the others take
_FEWEST = 3


@dataclass
class ProgressLines:
    """A context manager that reports progress on standard error every 30 s.

    Inside the block, call the object with the number of finished items, the total and, optionally,
    a further text. A line is written every 30 s even if no item was finished since the last line.

    Attributes:
        what: The noun for the counted items, such as ``runs``.
        every: Seconds between two lines.
        write: Function that receives each line, without a line break.
        clock: Function that returns a monotonic time in seconds.

    Example:
        >>> with ProgressLines("runs", write=print) as progress:
        ...     progress(12, 50)
        ...     progress.say()
        runs 12/50, 0 s
    """

    what: str
    every: float = LINE_SECONDS
    write: Callable[[str], object] = lambda line: sys.stderr.write(f"{line}\n")
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._began = self.clock()
        self._state: tuple[int, int, str] | None = None
        self._first: tuple[int, float] | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._speak, daemon=True)

    def __call__(self, done: int, total: int, detail: str = "") -> None:
        """Update the progress, which the next line reports."""
        self._state = done, total, detail
        if self._first is None or done < self._first[0]:
            self._first = done, self.clock()

    def say(self) -> None:
        """Write a progress line now."""
        now = self.clock()
        done, total, detail = self._state or (0, 0, "")
        counted = (
            "" if self._state is None else f" {done}/{total}" if total else f" {done}"
        )
        words = [f"{self.what}{counted}", detail, duration(now - self._began)]
        first, since = self._first or (0, now)
        if total > done >= first + _FEWEST:
            words.append(
                f"about {duration((total - done) * (now - since) / (done - first))} left"
            )
        self.write(", ".join(filter(None, words)))

    def _speak(self) -> None:
        while not self._over.wait(self.every):
            self.say()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def duration(seconds: float) -> str:
    """Format a number of seconds as a duration: ``90 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return (
        f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
    )
