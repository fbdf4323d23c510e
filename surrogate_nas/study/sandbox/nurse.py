"""The nursery from inside: forks the processes of strangers' strategies, and ends with all of them when we do.

See `surrogate_nas.study.sandbox.nursery`.
"""

from __future__ import annotations

import gc
import os
import pickle
import random
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np

from surrogate_nas.core.threads import VARIABLES
from surrogate_nas.space import Enumerable, Space
from surrogate_nas.space.once import work_out
from surrogate_nas.strategies.external.supervisor import adopt, end_adopted
from surrogate_nas.study.sandbox.nursery import PREPARE, RUNNING, WAIT
from surrogate_nas.study.sandbox.wire import HEAD, Birth, receive

Job = Callable[[], None]
_CHECK_SECONDS = 1.0
_spaces: dict[bytes | None, Space] = {}


def main(connection: int, parent: int) -> None:
    """Fork processes until the connection is closed; in one of those, do its work and leave.

    Args:
        connection: The file descriptor of the socket.
        parent: The process that started this one.
    """
    born: set[int] = set()
    adopt()
    with socket.socket(fileno=connection) as link:
        job = _tend(link, parent, born)
    if job is not None:
        job()
        return
    for pid in born:
        with suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
    end_adopted(())


def _tend(link: socket.socket, parent: int, born: set[int]) -> Job | None:
    """Answer until the end; returns work in a process that was forked, and None in the nursery itself."""
    while os.getppid() == parent:
        if not select.select([link], [], [], _CHECK_SECONDS)[0]:
            continue
        if (asked := _asked(link)) is None:
            return None
        message, order, fds = asked
        if message == PREPARE:
            _prepare(*order)
            continue
        if message == WAIT:
            answer = _waited(order[0], order[1], born)
        else:
            answer = _fork(order)
            if answer == 0:
                return _job(order, fds)
            if answer > 0:
                born.add(answer)
            for fd in fds:
                os.close(fd)
        with suppress(ConnectionError):  # nobody waits for it any more, which the next look tells
            link.sendall(HEAD.pack(answer))
    return None


def _asked(link: socket.socket) -> tuple[bytes, Any, list[int]] | None:
    """The next message, what it says, and descriptors; None where nobody asks any more."""
    try:
        message, fds, *_ = socket.recv_fds(link, 1, 3)
        return (message, pickle.loads(receive(link)), fds) if message else None
    except (ConnectionError, EOFError):
        return None


def _waited(pid: int, patience: float, born: set[int]) -> int:
    """How a process ended: its exit code, minus the signal that killed it, or that it still runs."""
    until = time.monotonic() + patience
    while True:
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return RUNNING
        if ended:
            born.discard(pid)
            end_adopted(born)
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= until:
            return RUNNING
        time.sleep(0.002)


def _prepare(space: bytes | None, modules: Sequence[str], questions: Sequence[Any]) -> None:
    """Import and work out what a process needed, so that later ones are forked with it."""
    for name in modules:
        with suppress(Exception, SystemExit):
            import_module(name)
    if space in _spaces:
        work_out(_spaces[space], questions)


def _fork(birth: Birth) -> int:
    """Fork, after what the new process needs of ours is there."""
    try:
        if birth.entry.startswith("surrogate_nas."):
            import_module(birth.entry.partition(":")[0])
        if birth.space and birth.space not in _spaces:
            (space,) = pickle.loads(birth.space)
            if isinstance(space, Enumerable):
                space.cell(space[0])  # lists the cells
            _spaces[birth.space] = space
        gc.freeze()  # else the first collection in a fork copies all of our memory
        return os.fork()
    except OSError as error:
        return -(error.errno or 1)


def _job(birth: Birth, fds: list[int]) -> Job:
    """Make the forked process look as if it had been started afresh; returns its work."""
    connection, log, output = fds
    os.setsid()
    adopt()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    with suppress(OSError):
        os.chdir(birth.folder)
    os.environ.clear()
    os.environ.update(birth.environment | VARIABLES)
    sys.path[:] = birth.path
    sys.dont_write_bytecode = True  # a user's module that was edited twice in a second would be taken from before
    random.seed()
    np.random.seed()  # noqa: NPY002 - else every process would draw alike
    module, _, name = birth.entry.partition(":")
    work: Callable[[int, int, Any], None] = getattr(import_module(module), name)
    return lambda: work(connection, log, _spaces.get(birth.space or b""))
