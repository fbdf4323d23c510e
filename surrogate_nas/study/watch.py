"""A run while it is made: what its file tells by now, read without its lock, each line once.

The writer is not disturbed. A line that it is just writing is read the next time; a file that was begun anew, or whose
end was taken back because the budget was raised, is read from its start.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

from surrogate_nas.files.journal import DamagedError, read_chain
from surrogate_nas.files.regular import open_regular
from surrogate_nas.study.runs import ending


class _Stamp(NamedTuple):
    """What changes with a file's content."""

    inode: int
    size: int
    changed: int


class RunWatch:
    """Follows one run.

    Attributes:
        path: Its file.
        best: The best feasible score after each trial, infinite before there is one; trials after other epochs than
            the objective's do not count.
        finished: When each trial ended, on the simulated clock of the run.
        end: What its last line says, by the fields of `Run`; None while it has not ended.
        damage: What is wrong with its file, or empty.
        is_read: Whether it was looked at.
    """

    def __init__(self, path: Path, root: str, epochs: int | None) -> None:
        """Name the file; nothing is read yet.

        Args:
            path: The file.
            root: Of which run of which comparison it is.
            epochs: The objective's own.
        """
        self.path = path
        self._root, self._epochs = root, epochs
        self._stamp: _Stamp | None = None
        self.is_read = False
        self._forget()

    def _forget(self) -> None:
        self._read, self._seal = 0, self._root
        self.best: list[float] = []
        self.finished: list[float] = []
        self.end: dict[str, Any] | None = None
        self.damage = ""

    @property
    def is_begun(self) -> bool:
        """Whether there is a file."""
        return self._stamp is not None

    def refresh(self) -> bool:
        """Read what has come since the last time.

        Returns:
            Whether the file has changed.
        """
        try:
            status = self.path.stat()
            stamp = _Stamp(status.st_ino, status.st_size, status.st_mtime_ns)
        except OSError:
            stamp = None
        before, self._stamp, self.is_read = self._stamp, stamp, True
        if stamp == before:
            return False
        grown = stamp and before and stamp.inode == before.inode and stamp.size >= self._read and not self.damage
        if not (grown and self._read_on()):
            self._forget()
            if stamp:
                self._read_on()
        return True

    def _read_on(self) -> bool:
        """Read further lines; whether they go on from those before."""
        try:
            with open_regular(self.path) as file:
                file.seek(self._read)
                links = read_chain(file.read(), self._seal)
            for link in links:
                self._take(link.entry)
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            self.damage = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            return False
        if links:
            self._read, self._seal = self._read + links[-1].end, links[-1].seal.decode()
        return not self.damage

    def _take(self, entry: dict[str, Any]) -> None:
        if self.end is not None:
            raise DamagedError("it goes on after its end")
        self.end = ending(entry, len(self.best))
        if self.end is not None:
            return
        score, finished = float(entry["score"]), float(entry["finished"])
        if not (math.isfinite(score) and math.isfinite(finished)):
            raise DamagedError(f"trial {len(self.best)} is no number")
        best = self.best[-1] if self.best else math.inf
        counts = entry["feasible"] is True and entry["epochs"] == self._epochs
        self.best.append(min(best, score) if counts else best)
        self.finished.append(finished)
