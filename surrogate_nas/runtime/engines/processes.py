"""Jobs on worker processes of this machine: a thread of ours at every seat."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any, TypeVar

import cloudpickle

from surrogate_nas.runtime.engines.outcome import Outcome, told
from surrogate_nas.runtime.engines.seat import Seat

J = TypeVar("J")
R = TypeVar("R")


def run(function: Callable[[J], R], jobs: Sequence[J], workers: int) -> Iterator[Outcome[J, R]]:
    """Run jobs on a number of processes.

    Args:
        function: Of one job.
        jobs: What to call it with.
        workers: How many processes.

    Yields:
        Outcomes as they come.
    """
    pool = _Pool(cloudpickle.dumps(function), jobs, workers)
    try:
        pool.start()
        for _ in jobs:
            found = pool.found.get()
            if isinstance(found, BaseException):
                raise found
            yield told(*found)
    finally:
        pool.stop()


class _Pool:
    """The seats, the jobs that none has begun, and what came of the others."""

    def __init__(self, function: bytes, jobs: Sequence[Any], workers: int) -> None:
        self.found: SimpleQueue[tuple[Any, bytes | str] | BaseException] = SimpleQueue()
        self._jobs = iter(jobs)
        self._lock = threading.Lock()
        self._seats = [Seat(function) for _ in range(workers)]
        self._threads = [threading.Thread(target=self._fill, args=(seat,), daemon=True) for seat in self._seats]
        self._stopped = False

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End every worker now; those that have nothing to do lose nothing, those that have were not wanted."""
        with self._lock:
            self._stopped = True
        for seat in self._seats:
            seat.close()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _fill(self, seat: Seat) -> None:
        """Let one job after the other be done at a seat until none is left; the life of a thread."""
        try:
            for job in self._begun():
                self.found.put((job, seat.do(cloudpickle.dumps(job))))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the thread that asked
            self.found.put(error)
        finally:
            seat.leave()

    def _begun(self) -> Iterator[Any]:
        while True:
            with self._lock:
                if self._stopped:
                    return
                try:
                    job = next(self._jobs)
                except StopIteration:
                    return
            yield job
