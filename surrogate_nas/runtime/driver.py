"""A driver: the process with a cluster's executor, which keeps the cluster's library out of ours.

Such libraries take signals, print, import the main program again in every process that they make,
and may end the process where their cluster goes away. Our process sends a payload and jobs, and
reads the outcomes. The driver, and a cluster that it started, end when our process does or closes
the link.
"""

from __future__ import annotations

import os
import pickle
import re
import shutil
import signal
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TypeVar

import cloudpickle

from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.child import Child, Link, joined
from surrogate_nas.runtime.executor import AGAIN, results
from surrogate_nas.runtime.worker import Outcome, Payload, outcome

J = TypeVar("J")
R = TypeVar("R")
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


def run(
    engine: str,
    make: Callable[[], Executor],
    function: Callable[[J], R],
    jobs: Sequence[J],
) -> Iterator[Outcome[J, R]]:
    """Run jobs on an executor in a process of its own.

    Yields:
        Outcomes as they come.
    """
    payload = Payload.of(function)
    with TemporaryFile() as output:
        driver = Child("surrogate_nas.runtime.driver:main", apart=True, errors=output)
        patience = _TIDY_SECONDS
        try:
            head = pickle.dumps((make, payload, len(jobs)))
            threading.Thread(target=_send, args=(driver, head, jobs), daemon=True).start()
            for _ in jobs:
                try:
                    message = driver.link.receive()
                except (EOFError, OSError):
                    raise _gone(engine, driver.process.wait(), output.fileno()) from None
                number, lost = _PLACE.unpack(message[: _PLACE.size])
                content = message[_PLACE.size :]
                if number == _BROKEN:
                    raise UserError(content.decode())
                if lost:
                    yield outcome(jobs[number], content.decode())
                else:
                    yield outcome(jobs[number], content)
            patience = _CLOSE_SECONDS
        finally:
            driver.end(patience)


def _send(driver: Child, head: bytes, jobs: Sequence[Any]) -> None:
    with suppress(OSError, ValueError):  # it has ended, and the reader finds out
        driver.link.send(head)
        for job in jobs:
            driver.link.send(cloudpickle.dumps(job))


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
    make, payload, count = pickle.loads(link.receive())
    jobs = [link.receive() for _ in range(count)]
    over = threading.Event()
    threading.Thread(target=_listen, args=(link, over), daemon=True).start()
    with suppress(BrokenPipeError):
        try:
            with closing(results(make(), payload, jobs)) as outcomes:  # type: ignore[type-var]
                for one in outcomes:
                    if over.is_set():
                        break
                    if one is not None:
                        number, outcome = one
                        lost = isinstance(outcome, str)
                        content = outcome.encode() if isinstance(outcome, str) else outcome
                        link.send(_PLACE.pack(number, lost) + content)
        except UserError as error:
            link.send(_PLACE.pack(_BROKEN, True) + str(error).encode())
    sys.stderr.flush()
    os._exit(0)  # without waiting for threads of the library


def _listen(link: Link, over: threading.Event) -> None:
    with suppress(EOFError, OSError):
        link.receive()
    over.set()


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
