"""The nursery: a process that holds our modules and forks one for each stranger's strategy.

A fresh interpreter takes a third of a second to import what a strategy needs; a fork of one that has done so takes
milliseconds. The nursery runs no stranger's code, has one thread, and ends, with all that it forked, when the process
that started it does.
"""

from __future__ import annotations

import errno
import json
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from surrogate_nas.core.threads import VARIABLES
from surrogate_nas.study.sandbox.wire import HEAD, LIBRARIES, Birth, read, send

START_SECONDS = 60.0
"""The longest that a process may take to start, and a stranger's file to be imported."""
FORK, WAIT, PREPARE = b"f", b"w", b"p"
RUNNING = -1_000
_LOOK_SECONDS, _PATIENCE_SECONDS = 0.2, 2.0
_BOOT = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from surrogate_nas.study.sandbox.nurse import main
main(*map(int, sys.argv[2:]))
"""


class Nursery:
    """Our end of it.

    Attributes:
        owner: The process that started it.
    """

    def __init__(self) -> None:
        """Start it.

        Raises:
            OSError: The system does not.
        """
        self.owner = os.getpid()
        self._prepared: set[str] = set()
        self._lock = threading.Lock()
        self._link, theirs = socket.socketpair()
        arguments = [json.dumps(sys.path), str(theirs.fileno()), str(self.owner)]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=os.environ | VARIABLES | {"PYTHONUNBUFFERED": "1"},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def fork(self, birth: Birth, fds: list[int]) -> int:
        """Make a process and give its number.

        Args:
            birth: What it is told.
            fds: The descriptors of its socket, its log and its output.

        Raises:
            OSError: The system makes none.
        """
        with self._lock:
            socket.send_fds(self._link, [FORK], fds)
            pid = self._answer(birth)
        if pid < 0:
            raise OSError(-pid, os.strerror(-pid))
        return pid

    def wait(self, pid: int, patience: float) -> int | None:
        """The exit code of a process, or minus the signal that ended it; None while it runs.

        Args:
            pid: Its number.
            patience: How long to wait for its end, in seconds.
        """
        with self._lock:
            self._link.sendall(WAIT)
            code = self._answer((pid, patience))
        return None if code == RUNNING else code

    def prepare(self, space: bytes | None, needed: Any) -> None:
        """Let later processes have at once what one needed, as our strategies do, whose runs share a process.

        Args:
            space: The pickled space that it started with.
            needed: What that process says that it imported and asked of the space; nothing of it is believed.

        Raises:
            OSError: The nursery does not answer.
        """
        match needed:
            case [[*modules], [*questions]] if (key := json.dumps(needed)) not in self._prepared:
                allowed = [one for one in modules if isinstance(one, str) and one.partition(".")[0] in LIBRARIES]
                with self._lock:
                    self._prepared.add(key)
                    self._link.sendall(PREPARE)
                    send(self._link, pickle.dumps((space, allowed, questions)), time.monotonic() + START_SECONDS)

    def _answer(self, order: object) -> int:
        deadline = time.monotonic() + START_SECONDS
        try:
            send(self._link, pickle.dumps(order), deadline)
            while not select.select([self._link], [], [], _LOOK_SECONDS)[0]:
                if self.is_stopped or time.monotonic() > deadline:
                    raise OSError(errno.EIO, "the process that forks others does not answer")
            return int(HEAD.unpack(read(self._link, HEAD.size, deadline))[0])
        except BaseException:  # an answer that nobody waited for would be taken for the next
            self._link.close()
            raise

    @property
    def is_stopped(self) -> bool:
        """Whether somebody has sent it a signal to stop; told on Linux alone."""
        try:
            state = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, IndexError):
            return False
        return state in ("T", "t")

    def close(self) -> None:
        """Let it end, with all that it forked and what these left behind; kill it where it takes long."""
        self._link.close()
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGCONT)
        try:
            self._process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


_nursery: Nursery | None = None
_nursery_lock = threading.Lock()


def the_nursery() -> Nursery:
    """The nursery of this process, started when it is first needed.

    Raises:
        OSError: The system does not start it.
    """
    global _nursery
    with _nursery_lock:
        if _nursery is None or _nursery.owner != os.getpid():
            _nursery = Nursery()
        return _nursery


def forget(nursery: Nursery) -> None:
    """Let a nursery go that does not answer; the next process comes from another.

    Args:
        nursery: That one.
    """
    global _nursery
    with _nursery_lock:
        if _nursery is nursery:
            _nursery = None
    nursery.close()
