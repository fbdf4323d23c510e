"""A foreman: the process that speaks with a cluster, so that nothing of the cluster's library is in ours.

Such libraries take signals, print, import the main program again in every process that they make, and may end the
process where their cluster goes away. Ours sends an order and jobs, and reads what is found of each. The foreman, and
the cluster where it started one, end when our process does or closes the pipe.
"""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import struct
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import IO, NamedTuple

from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.engines.order import Order
from surrogate_nas.runtime.engines.worker import die_with_parent, packed, receive, send

NUMBER = struct.Struct("<q")
"""What a message begins with: the job's place, or `BROKEN`."""
BROKEN = -1
AGAIN = "What was finished is kept; run the same command again to go on, on any engine."
Found = tuple[int, bytes | str]
"""A job's place, and its worker's message or how it was lost, in words."""
_will: int | None = None


class Contract(NamedTuple):
    """What a foreman is told first.

    Attributes:
        engine: The file of this folder that speaks with the cluster.
        place: Which cluster, as the user wrote it; empty to start one on this machine.
        workers: How many jobs at once; None for as many as the cluster takes.
        order: What all jobs have in common.
        jobs: How many there are.
    """

    engine: str
    place: str
    workers: int | None
    order: Order
    jobs: int


def in_a_line(error: BaseException | None) -> str:
    """What a cluster's library says, as part of a line of ours.

    Args:
        error: What it raised.
    """
    return f"{type(error).__name__}: {' '.join(str(error).split()):.300}"


def main() -> None:
    """Do what the process that started this one says."""
    global _will
    _will = _leave_nothing()
    orders, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    parent = receive(orders)
    if not parent:
        return
    die_with_parent(int(parent))
    contract: Contract = pickle.loads(receive(orders))
    jobs = [receive(orders) for _ in range(contract.jobs)]
    over = threading.Event()
    threading.Thread(target=_listen, args=(orders, over), daemon=True).start()
    run = import_module(f"surrogate_nas.runtime.engines.{contract.engine}").run
    with suppress(BrokenPipeError):
        try:
            with closing(run(contract, jobs)) as found:
                _tell(found, answers, over)
        except UserError as error:
            send(answers, NUMBER.pack(BROKEN) + str(error).encode())
    sys.stderr.flush()
    os._exit(0)  # what threads of the library still wait for is nobody's concern


def remove_at_the_end(folder: Path) -> None:
    """Let a folder be removed when this process has ended, however that comes.

    Args:
        folder: One that nobody else needs.
    """
    if _will is not None:
        os.write(_will, f"{folder}\0".encode())


def _leave_nothing() -> int | None:
    """Let a child wait for the end of this process, however it comes, and then kill all of the session that is left.

    Returns:
        Where to write which folders it shall remove then, each with a zero behind it.
    """
    if sys.platform == "win32":
        return None
    reading, writing = os.pipe()  # nobody closes the other end but the system
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
    """Let a child in a session of its own wait for the end of this process and of all that could write, and remove."""
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


def _listen(orders: IO[bytes], over: threading.Event) -> None:
    orders.read()
    over.set()


def _tell(found: Iterator[Found | None], answers: IO[bytes], over: threading.Event) -> None:
    for one in found:
        if over.is_set():
            return
        if one is not None:
            place, told = one
            send(answers, NUMBER.pack(place) + packed(told))
