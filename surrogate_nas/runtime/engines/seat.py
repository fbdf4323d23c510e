"""A seat: a place where jobs are done one after another, each by a worker process that is made anew where one is lost.

Each worker is a fresh interpreter that reads jobs from its standard input and writes answers to its standard output, so
nothing that this process holds (threads, signals, locks, a working directory) reaches it. Arithmetic has one thread
there. What a job prints goes to standard error.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

from surrogate_nas.core.threads import VARIABLES
from surrogate_nas.runtime.engines.worker import receive, send

_LOOK_SECONDS = 0.5


class Seat:
    """One job at a time, in a worker that knows one function."""

    def __init__(
        self,
        function: bytes,
        *,
        path: Sequence[str] | None = None,
        folder: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare a seat; its worker is made for the first job.

        Args:
            function: What is done with every job, pickled.
            path: Where modules are found; None for where this process finds them.
            folder: The working directory; None for this process's.
            variables: Of the environment, beside this process's.
        """
        self._function, self._folder = function, folder
        self._path = list(sys.path if path is None else path)
        self._variables = {**(variables or {}), **VARIABLES}
        self._lock = threading.Lock()
        self._worker: subprocess.Popen[bytes] | None = None
        self._closed = False

    def do(self, job: bytes) -> bytes | str:
        """Let the worker do a job.

        Args:
            job: What to call the function with, pickled.

        Returns:
            The worker's message (see `surrogate_nas.runtime.engines.worker`), or how it was lost, in words.

        Raises:
            OSError: No process can be made.
        """
        worker = self._living()
        if worker is None:
            return "it was not wanted any more"
        answer = b""
        with suppress(OSError, ValueError):  # it died, or the seat was closed, a moment ago
            send(worker.stdin, job)
            if _answers(worker):
                answer = receive(worker.stdout)
        if answer:
            return answer
        code = worker.wait()
        self._bury()
        return _epitaph(code)

    def close(self) -> None:
        """End the worker now, whatever it does, and make no other; any thread may call it."""
        with self._lock:
            self._closed = True
            if self._worker is not None:
                self._worker.kill()

    def leave(self) -> None:
        """Close the seat and let its worker's pipes go; only the thread that lets jobs be done calls it."""
        self.close()
        self._bury()

    def _living(self) -> subprocess.Popen[bytes] | None:
        """The worker, made if need be; None where the seat is closed."""
        if self._worker is not None and self._worker.poll() is not None:
            self._bury()
        with self._lock:
            if self._closed:
                return None
            if self._worker is not None:
                return self._worker
            start = "from surrogate_nas.runtime.engines.worker import main; main()"
            code = f"import sys; sys.path[:] = {self._path!r}; {start}"
            worker = self._worker = subprocess.Popen(
                [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=self._folder,
                env=os.environ | self._variables,
            )  # fmt: skip
        with suppress(OSError):  # dead already: its first job will say so
            send(worker.stdin, str(os.getpid()).encode())
            send(worker.stdin, self._function)
        return worker

    def _bury(self) -> None:
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is None:
            return
        worker.kill()
        worker.wait()
        for pipe in (worker.stdin, worker.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]


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
