"""A driver: the process with a cluster's executor, which keeps the cluster's library out of ours.

Such libraries take signals, print, import the main program again in every process that they make,
and may end the process where their cluster goes away. Our process sends a payload and jobs, and
reads the outcomes. The driver, and a cluster that it started, end when our process does or closes
the link.
"""

from __future__ import annotations

import math
import os
import pickle
import re
import shutil
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile

from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.child import Child, Link, joined
from surrogate_nas.runtime.executor import AGAIN, Found, JobPool
from surrogate_nas.runtime.worker import Payload

_PLACE = struct.Struct("<q?")
"""What an answer begins with: the job's place, and whether its worker was lost."""
_BROKEN = -1
"""In place of a job's: all work is over, which the rest says."""
_STAMP = re.compile(r"^\[.*?\] (\S+:\d+: )?")
_TIDY_SECONDS = 3.0
"""How long a driver may take to end what it began; less than a command has after Ctrl-C."""
_CLOSE_SECONDS = 30.0
"""The same where all is done."""
_will: int | None = None


class Driver:
    """A driver from outside: jobs go to it, what is found of them comes back.

    It has the interface of `surrogate_nas.runtime.executor.JobPool`.
    """

    def __init__(self, engine: str, make: Callable[[], Executor], payload: Payload) -> None:
        """Start it.

        Args:
            engine: Its name, for messages.
            make: Gives the executor there.
            payload: What all jobs have in common.
        """
        self._engine = engine
        self._output = TemporaryFile()
        self._child = Child("surrogate_nas.runtime.driver:main", apart=True, errors=self._output)
        self._left = 0
        self._send(pickle.dumps((make, payload)))

    def submit(self, place: int, job: bytes, *_: str) -> None:
        """Give it a job, which is begun after those before it; devices are the cluster's."""
        self._left += 1
        self._send(_PLACE.pack(place, False) + job)

    def _send(self, content: bytes) -> None:
        with suppress(OSError, ValueError):  # it has ended, which `next` finds out
            self._child.link.send(content)

    def next(self, patience: float = math.inf) -> Found | None:
        """What is found of the next job that ends; None where none does for some seconds."""
        try:
            message = self._child.link.receive(time.monotonic() + patience)
        except TimeoutError:
            return None
        except (EOFError, OSError):
            code = self._child.process.wait()
            raise _gone(self._engine, code, self._output.fileno()) from None
        place, is_lost = _PLACE.unpack(message[: _PLACE.size])
        content = message[_PLACE.size :]
        if place == _BROKEN:
            raise UserError(content.decode())
        self._left -= 1
        return place, content.decode() if is_lost else content

    def close(self) -> None:
        """Let it end, with what it began; kill it where that takes long."""
        self._child.end(_TIDY_SECONDS if self._left else _CLOSE_SECONDS)
        self._output.close()


def _gone(engine: str, code: int, output: int) -> UserError:
    """What to raise where a driver ended before its time: its library's last words tell why."""
    content = os.pread(output, os.fstat(output).st_size, 0)
    lines = [line.strip() for line in content.decode(errors="replace").splitlines() if line.strip()]
    words = _STAMP.sub("", lines[-1]).partition(". ")[0] if lines else f"exit code {code}"
    return UserError(f"The {engine} engine went away ({words:.200}). {AGAIN}")


def main() -> None:
    """The driver from inside: do what the process that started it says."""
    global _will
    _will = _leave_nothing()
    link = joined()
    make, payload = pickle.loads(link.receive())
    over = threading.Event()
    with suppress(BrokenPipeError):
        try:
            with closing(JobPool(make(), payload)) as pool:
                threading.Thread(target=_listen, args=(link, pool, over), daemon=True).start()
                while not over.is_set():
                    found = pool.next()
                    if found is not None:
                        place, content = found
                        is_lost = isinstance(content, str)
                        content = content.encode() if isinstance(content, str) else content
                        link.send(_PLACE.pack(place, is_lost) + content)
        except UserError as error:
            link.send(_PLACE.pack(_BROKEN, True) + str(error).encode())
    sys.stderr.flush()
    os._exit(0)  # without waiting for threads of the library


def _listen(link: Link, pool: JobPool, over: threading.Event) -> None:
    """Hand on jobs as they come; the life of a thread."""
    with suppress(EOFError, OSError):
        while True:
            message = link.receive()
            place, _ = _PLACE.unpack(message[: _PLACE.size])
            pool.submit(place, message[_PLACE.size :])
    over.set()
    pool.wake()


def remove_at_the_end(folder: Path) -> None:
    """Remove a folder when this driver has ended, even if it is killed."""
    if _will is not None:
        os.write(_will, f"{folder}\0".encode())


def _leave_nothing() -> int | None:
    """Start a child that waits for the end of this process and kills the rest of the session.

    Returns:
        Where to write which folders it shall remove then, each with a zero behind it.
    """
    if sys.platform == "win32":
        return None
    reading, writing = os.pipe()  # only the system closes the other end
    if os.fork():
        os.close(reading)
        return writing
    os.closerange(0, reading)
    os.closerange(reading + 1, os.sysconf("SC_OPEN_MAX"))
    left = b"".join(iter(partial(os.read, reading, 4096), b""))
    if left:
        _remove_after_this(left.split(b"\0")[:-1])
    os.killpg(0, signal.SIGKILL)
    return None


def _remove_after_this(folders: Sequence[bytes]) -> None:
    """Start a child that removes a folder after the end of this process and all writers."""
    (ready, away), (over, alive) = os.pipe(), os.pipe()
    if os.fork():
        os.close(away)
        os.read(ready, 1)
        return
    os.setsid()
    os.close(away)
    os.close(alive)
    os.read(over, 1)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)
