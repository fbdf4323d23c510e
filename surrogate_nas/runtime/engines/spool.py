"""A folder through which workers on machines of a queue take jobs and give answers, as fast as the file system tells.

A queue starts a task in seconds or hours, so few tasks take many jobs: each claims the next job by making a file that
only one can make, and leaves its answer in a file that is whole when it is seen. The head's file changes as long as the
process that reads the answers lives; workers that see it stand still end.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from surrogate_nas.runtime.engines.order import Order
from surrogate_nas.runtime.engines.seats import do, end
from surrogate_nas.runtime.engines.worker import packed, unpacked

_BEAT_SECONDS, _SILENCE_SECONDS = 5.0, 180.0


class Spool:
    """The folder, for those who take jobs and for the one who reads answers."""

    def __init__(self, folder: Path) -> None:
        """Name the folder.

        Args:
            folder: It, on a file system that all machines share.
        """
        self.folder = folder
        self._claims, self._answers, self._head = folder / "claims", folder / "answers", folder / "head"
        self._beaten = 0.0

    def fill(self, order: Order, jobs: list[bytes]) -> None:
        """Write what is to be done.

        Args:
            order: What all jobs have in common.
            jobs: Pickled.
        """
        self._claims.mkdir()
        self._answers.mkdir()
        _write(self.folder / "jobs", pickle.dumps((order, jobs)))
        self.beat()

    def beat(self) -> None:
        """Tell workers that somebody reads what they answer."""
        if time.monotonic() - self._beaten >= _BEAT_SECONDS:
            self._beaten = time.monotonic()
            _write(self._head, str(time.time_ns()).encode())

    def take(self) -> Iterator[tuple[int, bytes | str]]:
        """Every answer that came since the last call, each once."""
        for entry in sorted(os.scandir(self._answers), key=lambda entry: entry.name):
            if entry.name.isdigit():
                content = Path(entry.path).read_bytes()
                os.unlink(entry.path)
                yield int(entry.name), unpacked(content)

    def claims(self) -> dict[int, str]:
        """Who claimed each job that was claimed."""
        held = {}
        for entry in os.scandir(self._claims):
            with suppress(OSError):
                held[int(entry.name)] = Path(entry.path).read_text()
        return held

    def serve(self, name: str, first: int, workers: int) -> None:
        """Do jobs until none is left unclaimed or nobody waits for answers any more; the life of a worker.

        Args:
            name: Under which to claim.
            first: This worker's number, where it begins to look.
            workers: How many there are.
        """
        order: Order
        order, jobs = pickle.loads((self.folder / "jobs").read_bytes())
        pulse = _Pulse(self._head)
        try:
            for number in self._unclaimed(name, len(jobs), first, workers):
                _write(self._answers / str(number), packed(do(order, jobs[number])))
                if pulse.stopped():
                    return
        except FileNotFoundError:  # the folder is gone: all is over
            return
        finally:
            end(order.key)

    def _unclaimed(self, name: str, jobs: int, first: int, workers: int) -> Iterator[int]:
        """Jobs that are now this worker's: of its own share, and then those that others have not begun."""
        for number in range(first, jobs, workers):
            if self._claim(number, name):
                yield number
        for number in sorted({*range(jobs)} - self.claims().keys()):
            if self._claim(number, name):
                yield number

    def _claim(self, number: int, name: str) -> bool:
        try:
            descriptor = os.open(self._claims / str(number), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            return False
        os.write(descriptor, name.encode())
        os.close(descriptor)
        return True


class _Pulse:
    """Whether the head's file still changes, by this machine's own clock."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._last, self._since = file.read_bytes(), time.monotonic()

    def stopped(self) -> bool:
        now = self._file.read_bytes()
        if now != self._last:
            self._last, self._since = now, time.monotonic()
        return time.monotonic() - self._since > _SILENCE_SECONDS


def _write(path: Path, content: bytes) -> None:
    """Write a file that is whole when it is seen."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    os.replace(part, path)
