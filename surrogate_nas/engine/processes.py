"""Jobs on worker processes of this machine.

Each worker is a fresh interpreter that reads jobs from its standard input and writes answers to its standard output, so
nothing that this process holds (threads, signals, locks) reaches it. A thread of ours owns each worker and makes
another where one is lost. What a job prints goes to standard error.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

import cloudpickle

from surrogate_nas.engine.outcome import Outcome
from surrogate_nas.engine.worker import FAILED, receive, send

J = TypeVar("J")
R = TypeVar("R")
_ONE_THREAD = {
    name: "1"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
                 "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS")
}  # fmt: skip
_LOOK_SECONDS = 0.5


def run(function: Callable[[J], R], jobs: Sequence[J], workers: int) -> Iterator[Outcome[J, R]]:
    """Run jobs on a number of processes.

    Args:
        function: Of one job.
        jobs: What to call it with.
        workers: How many processes.

    Yields:
        Outcomes as they come.
    """
    pool = _Pool(cloudpickle.dumps(function), jobs)
    try:
        pool.start(workers)
        for _ in jobs:
            outcome = pool.outcomes.get()
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome
    finally:
        pool.stop()


class _Pool:
    """The workers, the jobs that none has begun, and what came of the others."""

    def __init__(self, function: bytes, jobs: Sequence[Any]) -> None:
        self.outcomes: SimpleQueue[Outcome[Any, Any] | BaseException] = SimpleQueue()
        self._function, self._jobs = function, iter(jobs)
        self._lock = threading.Lock()
        self._workers: set[subprocess.Popen[bytes]] = set()
        self._threads: list[threading.Thread] = []
        self._stopped = False

    def start(self, workers: int) -> None:
        for _ in range(workers):
            thread = threading.Thread(target=self._own, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End every worker now; those that have nothing to do lose nothing, those that have were not wanted."""
        with self._lock:
            self._stopped = True
            for worker in self._workers:
                worker.kill()
        for thread in self._threads:
            thread.join()

    def _own(self) -> None:
        """Feed one worker after the other until no job is left; the life of a thread."""
        worker = None
        try:
            for job in self._begun():
                worker = worker or self._make()
                if worker is None:
                    return
                if not self._do(worker, job):
                    self._bury(worker)
                    worker = None
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the thread that asked
            self.outcomes.put(error)
        finally:
            if worker is not None:
                self._bury(worker)

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

    def _make(self) -> subprocess.Popen[bytes] | None:
        """A fresh worker that knows the function; None where all is over."""
        code = f"import sys; sys.path[:] = {sys.path!r}; from surrogate_nas.engine.worker import main; main()"
        environment = os.environ | _ONE_THREAD
        with self._lock:
            if self._stopped:
                return None
            worker = subprocess.Popen(
                [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
            )
            self._workers.add(worker)
        with suppress(OSError):  # dead already: its first job will say so
            send(worker.stdin, str(os.getpid()).encode())
            send(worker.stdin, self._function)
        return worker

    def _do(self, worker: subprocess.Popen[bytes], job: Any) -> bool:
        """Let a worker do a job; whether it lives on."""
        answer = b""
        with suppress(OSError):
            send(worker.stdin, cloudpickle.dumps(job))
            if _answers(worker):
                answer = receive(worker.stdout)
        if not answer:
            self.outcomes.put(Outcome(job, failure=_epitaph(worker.wait())))
            return False
        kind, content = answer[:1], pickle.loads(answer[1:])
        self.outcomes.put(content if kind == FAILED else Outcome(job, content))
        return True

    def _bury(self, worker: subprocess.Popen[bytes]) -> None:
        worker.kill()
        worker.wait()
        for pipe in (worker.stdin, worker.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        with self._lock:
            self._workers.discard(worker)


def _answers(worker: subprocess.Popen[bytes]) -> bool:
    """Wait for a worker's answer; false where it ended without one, even if a child of its holds the pipe open."""
    if sys.platform == "win32":
        return True  # its pipes cannot be waited for; reading one ends with the worker
    assert worker.stdout is not None
    while not select.select([worker.stdout], [], [], _LOOK_SECONDS)[0]:
        if worker.poll() is not None:
            return False
    return True


def _epitaph(code: int) -> str:
    """How a worker ended, in words."""
    if code >= 0:
        return f"its worker ended itself with exit code {code}"
    try:
        return f"its worker was killed by {signal.Signals(-code).name} ({-code})"
    except ValueError:
        return f"its worker was killed by signal {-code}"
