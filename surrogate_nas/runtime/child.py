"""Child processes: how one is started, spoken with, limited and ended with all that it began, and its end in words.

Whatever runs beside us is one of two: a `Child`, a fresh interpreter that calls a function of ours (workers, drivers of
clusters, the fork server, a check in a fresh process), or `surrogate_nas.runtime.forkserver.Forked` (users' code and
users' commands). Both speak over a `Link`, have one thread for arithmetic, and die with their parent.
"""

from __future__ import annotations

import ctypes
import math
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from os import read, write
from typing import IO

from surrogate_nas.core.threads import VARIABLES

ORPHANED = 3
"""The exit code of a child whose parent has ended."""
MOST_PRINTED = 100_000
"""The most bytes of a process's output that are passed on."""
_HEAD = struct.Struct("<q")
_PIECE = 2**16
_LOOK_SECONDS, _WATCH_SECONDS = 0.2, 1.0
_LONGEST_WAIT = 1e6
_DEATH_SIGNAL, _SUBREAPER = 1, 36
_ROUNDS = 100
"""So often is looked for what killed processes have left behind in turn."""
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


class Link:
    """Two descriptors, or one of a socket, for messages that begin with their length in eight bytes, or for lines.

    Attributes:
        reading: One of them.
        writing: The other.
        begun: What has come of a line that is not whole.
    """

    def __init__(self, reading: int, writing: int | None = None, *, most: int = 2**62, waits: bool = False) -> None:
        """Take the descriptors; with `waits`, as on Windows, there are no deadlines and fewer system calls."""
        self.reading, self.writing, self._most = reading, reading if writing is None else writing, most
        self.begun = bytearray()
        if not waits and sys.platform != "win32":
            for descriptor in {self.reading, self.writing}:
                os.set_blocking(descriptor, False)

    def send(self, content: bytes, deadline: float = math.inf) -> None:
        """Write a message; TimeoutError when the deadline, on the monotonic clock, passes before there is room."""
        self.send_plain(_HEAD.pack(len(content)) + content, deadline)

    def send_plain(self, content: bytes, deadline: float = math.inf) -> None:
        """Write bytes as they are."""
        view = memoryview(content)
        while view:
            try:
                view = view[write(self.writing, view) :]
            except BlockingIOError:
                _wait(self.writing, select.POLLOUT, deadline, None)

    def receive(self, deadline: float = math.inf, watch: Callable[[], bool] | None = None) -> bytes:
        """Read a message; EOFError at its end or when `watch` says so, OverflowError where it is longer than may be."""
        (length,) = _HEAD.unpack(self._exactly(_HEAD.size, deadline, watch))
        if not 0 <= length <= self._most:
            raise OverflowError(length)
        return self._exactly(length, deadline, watch)

    def _exactly(self, length: int, deadline: float, watch: Callable[[], bool] | None) -> bytes:
        content = self._some(length, deadline, watch) if length else b""
        if len(content) == length:
            return content
        parts = bytearray(content)
        while len(parts) < length:
            parts += self._some(length - len(parts), deadline, watch)
        return bytes(parts)

    def _some(self, most: int, deadline: float, watch: Callable[[], bool] | None = None) -> bytes:
        while True:
            try:
                part = read(self.reading, min(most, _PIECE))
            except BlockingIOError:
                _wait(self.reading, select.POLLIN, deadline, watch)
                continue
            if not part:
                raise EOFError
            return part

    def receive_line(self, deadline: float) -> bytes:
        """Read a line without its end; OverflowError where it is longer than may be."""
        while b"\n" not in self.begun:
            if len(self.begun) > self._most:
                raise OverflowError(len(self.begun))
            self.begun += self._some(_PIECE, deadline)
        line, _, self.begun = self.begun.partition(b"\n")
        return bytes(line)

    def unread(self) -> bytes:
        """What has come of lines that nobody has read; EOFError at the end."""
        with suppress(TimeoutError):
            self.begun += self._some(_PIECE, -math.inf)
        return bytes(self.begun)

    def shut(self, deadline: float) -> None:
        """Say that nothing more is sent, and read until the other side says the same, or the deadline."""
        with suppress(OSError, EOFError), socket.socket(fileno=os.dup(self.writing)) as end:
            end.shutdown(socket.SHUT_WR)
            while True:
                self._some(_PIECE, deadline)

    def close(self) -> None:
        """Close the descriptors."""
        for descriptor in {self.reading, self.writing}:
            with suppress(OSError):
                os.close(descriptor)


def _wait(descriptor: int, event: int, deadline: float, watch: Callable[[], bool] | None) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    while True:
        left = min(deadline - time.monotonic(), _LONGEST_WAIT)
        if left <= 0:
            raise TimeoutError
        if poll.poll(1000 * (min(left, _LOOK_SECONDS) if watch else left)):
            return
        if watch and not watch():
            raise EOFError


class Child:
    """A fresh interpreter that calls a function of ours, which begins with `joined`.

    Nothing that this process holds (threads, signals, locks, a working directory) reaches it. What it prints goes to
    standard error.

    Attributes:
        link: To speak with it.
        process: For its number and its end.
    """

    def __init__(
        self,
        entry: str,
        *,
        path: Sequence[str] | None = None,
        folder: str = "",
        variables: Mapping[str, str] | None = None,
        apart: bool = False,
        errors: IO[bytes] | None = None,
    ) -> None:
        """Start it.

        Args:
            entry: ``module:function``.
            path: Where modules are found; None for where this process finds them.
            folder: The working directory; empty for this process's.
            variables: Of the environment, beside this process's.
            apart: Whether it leads a session of its own, which no Ctrl-C of a terminal reaches.
            errors: Its standard error; None for this process's.

        Raises:
            OSError: No process can be made.
        """
        module, _, name = entry.partition(":")
        places = list(sys.path if path is None else path)
        code = f"import sys; sys.path[:] = {places!r}; from {module} import {name}; {name}()"
        ours, theirs = socket.socketpair() if sys.platform != "win32" else (None, None)
        self._memory_kills = memory_kills()
        stream = theirs.fileno() if theirs else subprocess.PIPE
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code], stdin=stream, stdout=stream,
                stderr=errors, cwd=folder or None, env=os.environ | dict(variables or {}) | VARIABLES,
                start_new_session=apart,
            )  # fmt: skip
        except OSError:
            if ours:
                ours.close()
            raise
        finally:
            if theirs:
                theirs.close()
        if ours:
            self.link = Link(ours.detach())
        else:
            self.link = Link(os.dup(self.process.stdout.fileno()), os.dup(self.process.stdin.fileno()))  # type: ignore[union-attr]
            self.process.stdout.close()  # type: ignore[union-attr]
            self.process.stdin.close()  # type: ignore[union-attr]
        with suppress(OSError):  # dead already, which the first answer tells
            self.link.send(str(os.getpid()).encode())

    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def ended(self) -> str:
        """How it ended, in words that follow its name; waits for its end."""
        return ending(self.process.wait(), self._memory_kills)

    def end(self, patience: float = 0.0) -> None:
        """Close the link, give it some seconds to end, and kill it."""
        self.link.close()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def joined(*, watched: bool = True) -> Link:
    """The link of a child that has just begun to its parent, whose end it shares from now on.

    On Linux the kernel sees to that, however busy the child is; elsewhere, and where the kernel's word is lost, a
    thread looks every second. One that ends others in time looks for itself and is not `watched`.
    """
    link = Link(os.dup(0), os.dup(1), waits=True)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        parent = int(link.receive())
    except EOFError:
        os._exit(ORPHANED)
    if watched:
        die_with_parent()
    if watched and hasattr(os, "getppid"):
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    return link


def die_with_parent() -> None:
    """Let the kernel kill this process when the one that made it ends; on Linux alone."""
    if _prctl is not None:
        _prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(ORPHANED)


def adopt() -> None:
    """Let orphaned descendants of this process become its children, also those in sessions of their own."""
    if _prctl is not None:
        _prctl(_SUBREAPER, 1, 0, 0, 0)


def end_adopted(own: Collection[int]) -> None:
    """Kill all children of this process but some, and what these leave behind; nothing where it cannot adopt."""
    for _ in range(_ROUNDS):
        left = [pid for pid in _children() if pid not in own]
        if not left:
            return
        for end in (lambda pid: os.kill(pid, signal.SIGKILL), lambda pid: os.waitpid(pid, 0)):
            for pid in left:
                with suppress(OSError):
                    end(pid)


def _children() -> list[int]:
    if sys.platform != "linux":
        return []
    me, found = os.getpid(), []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as stat:
            if int(stat.read().rpartition(b")")[2].split()[1]) == me:
                found.append(int(name))
    return found


def ending(code: int, kills: int | None = None) -> str:
    """How a process ended, in words that follow its name.

    Args:
        code: Its exit code, or minus the signal that killed it.
        kills: What `memory_kills` said when it began.
    """
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else "a signal"
    memory = code == -9 and kills is not None and memory_kills() > kills
    return f"was killed by {name} ({-code})" + " as memory ran out" * memory


def memory_kills() -> int:
    """How many processes the kernel has killed for want of memory."""
    with suppress(OSError, ValueError, IndexError), open("/proc/vmstat") as file:
        return int(file.read().partition("\noom_kill ")[2].split()[0])
    return 0


class Output:
    """A pipe for what a process prints, passed on to our standard error up to a limit; what follows is left out.

    Attributes:
        inlet: Where the process writes; whoever starts it closes this end when it has it.
    """

    def __init__(self, who: str) -> None:
        """Begin to read; OSError where the system gives no pipe. `who` is named where something is left out."""
        self._who = who
        self._outlet, self.inlet = os.pipe()
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    def finish(self, patience: float) -> None:
        """Wait some seconds until all that was printed is passed on: somebody may hold the other end."""
        self._thread.join(patience)

    def _pass_on(self) -> None:
        left = MOST_PRINTED
        with suppress(OSError), os.fdopen(self._outlet, "rb", buffering=0) as pipe:
            while piece := pipe.read(_PIECE):
                if not left:
                    continue
                _say(piece[:left])
                left = max(left - len(piece), 0)
                if not left:
                    _say(f"\n{self._who} has printed {MOST_PRINTED:,} bytes; the rest is left out.\n".encode())


def _say(content: bytes) -> None:
    """Write to standard error, whoever has closed it."""
    with suppress(OSError):
        while content:
            content = content[write(2, content) :]


def folder_here() -> str:
    """The working directory; empty where it was removed."""
    try:
        return os.getcwd()
    except OSError:
        return ""
