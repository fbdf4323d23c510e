"""Child processes: start, messages, limits, and ending them with all that they started.

There are two kinds: a `Child`, a fresh interpreter that calls a function of ours (workers, drivers
of clusters, the fork server, a check in a fresh process), and
`surrogate_nas.runtime.forkserver.Forked` (users' code and users' commands). Both use a `Link`, have
one thread for arithmetic, and die with their parent.
"""

from __future__ import annotations

import ctypes
import math
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from os import _exit as end_process  # also where a user's function runs (`staying`)
from os import read, write
from typing import IO

from surrogate_nas.core.threads import VARIABLES

ORPHANED = 3
"""The exit code of a child whose parent has ended."""
MOST_PRINTED = 100_000
"""The most bytes of a process's output that are passed on."""
_HEAD = struct.Struct("<q")
_PIECE = 2**16
_LARGE = 2**20
_RECEIVE = getattr(socket, "SO_RCVTIMEO", 0)
_SEND = getattr(socket, "SO_SNDTIMEO", 1)
_LOOK_SECONDS = 0.2
_WATCH_SECONDS = 1.0
_LONGEST_WAIT = 1e6
_DEATH_SIGNAL = 1
_SUBREAPER = 36
_ROUNDS = 100
"""So often is looked for what killed processes have left behind in turn."""
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


class Link:
    """A socket, or two pipes on Windows, for messages with a length of eight bytes, or lines.

    Attributes:
        reading: A descriptor.
        writing: The same, or that of another pipe.
        begun: What has come of a message or line that is not whole.
    """

    def __init__(
        self,
        reading: int,
        writing: int | None = None,
        *,
        most: int = 2**62,
        exact: bool = False,
        awake: float = 0.0,
    ) -> None:
        """Take the descriptors; `exact` where a read may take no more than a message.

        For `awake` seconds it is looked for what comes before the process sleeps: waking it takes
        as long as an answer.
        """
        self.reading = reading
        self.writing = reading if writing is None else writing
        self._most = most
        self.begun = bytearray()
        self._exact = exact
        self._socket = socket.socket(fileno=reading) if self.reading == self.writing else None
        self._patience = {_RECEIVE: 0.0, _SEND: 0.0}
        self._unsent = b""
        self._awake = awake

    def hold(self, content: bytes) -> None:
        """Let the next message take this one with it, which wakes the other side once."""
        self._unsent += _HEAD.pack(len(content)) + content

    def send(self, content: bytes, deadline: float = math.inf) -> None:
        """Write a message; TimeoutError when the deadline, on the monotonic clock, passes."""
        unsent = self._unsent
        self._unsent = b""
        self.send_plain(unsent + _HEAD.pack(len(content)) + content, deadline)

    def send_plain(self, content: bytes, deadline: float = math.inf) -> None:
        """Write bytes as they are."""
        view = memoryview(content)
        while view:
            if deadline < math.inf:
                self._wait_until(deadline, _SEND)
            with suppress(BlockingIOError):
                view = view[write(self.writing, view) :]

    def receive(self, deadline: float = math.inf, watch: Callable[[], bool] | None = None) -> bytes:
        """Read a message; EOFError at the end or by `watch`, OverflowError if it is too long."""
        begun = self.begun
        size = _HEAD.size
        while len(begun) < size:
            most = size - len(begun) if self._exact else _PIECE
            begun += self._some(most, deadline, watch)
        (length,) = _HEAD.unpack_from(begun)
        if not 0 <= length <= self._most:
            raise OverflowError(length)
        while len(begun) < size + length:
            left = min(size + length - len(begun), _LARGE)
            begun += self._some(left if self._exact else _PIECE, deadline, watch)
        content = bytes(begun[size : size + length])
        del begun[: size + length]
        return content

    def receive_line(self, deadline: float) -> bytes:
        """Read a line without its end; OverflowError where it is longer than may be."""
        while b"\n" not in self.begun:
            if len(self.begun) > self._most:
                raise OverflowError(len(self.begun))
            self.begun += self._some(_PIECE, deadline)
        line, _, self.begun = self.begun.partition(b"\n")
        return bytes(line)

    def unread(self) -> bytes:
        """What has arrived and is unread; EOFError at the end."""
        with suppress(BlockingIOError):
            assert self._socket is not None
            if not (part := self._socket.recv(_PIECE, socket.MSG_DONTWAIT)):
                raise EOFError
            self.begun += part
        return bytes(self.begun)

    def _some(
        self,
        most: int,
        deadline: float,
        watch: Callable[[], bool] | None = None,
    ) -> bytes:
        part: bytes | None
        if self._awake and (part := self._soon(most)):
            return part
        while True:
            if deadline < math.inf or watch:
                until = deadline
                if watch:
                    until = min(deadline, time.monotonic() + _LOOK_SECONDS)
                self._wait_until(until, _RECEIVE)
            try:
                part = read(self.reading, most)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise TimeoutError from None
                part = b"" if watch and not watch() else None
            if part:
                return part
            if part is not None:
                raise EOFError

    def _soon(self, most: int) -> bytes:
        """What arrives within a moment, while others may run; empty if nothing does."""
        until = time.perf_counter() + self._awake
        while time.perf_counter() < until:
            with suppress(BlockingIOError):
                assert self._socket is not None
                return self._socket.recv(most, socket.MSG_DONTWAIT)
            os.sched_yield()
        return b""

    def _wait_until(self, deadline: float, which: int) -> None:
        """Let the next call to the system wait about as long; one that ends early is repeated."""
        left = min(deadline - time.monotonic(), _LONGEST_WAIT)
        if left <= 0:
            raise TimeoutError
        if self._socket is not None and not left / 2 < self._patience[which] <= 1.01 * left:
            self._patience[which] = left
            seconds, part = divmod(max(left, 1e-3), 1)
            self._socket.setsockopt(
                socket.SOL_SOCKET, which, struct.pack("@ll", int(seconds), int(1e6 * part))
            )

    def shut(self, deadline: float) -> None:
        """End our side, and read until the other side ends or the deadline passes."""
        with suppress(OSError, EOFError):
            assert self._socket is not None
            self._socket.shutdown(socket.SHUT_WR)
            while True:
                self._some(_PIECE, deadline)

    def close(self) -> None:
        """Close the descriptors."""
        if self._socket is not None:
            self._socket.close()
        else:
            for descriptor in (self.reading, self.writing):
                with suppress(OSError):
                    os.close(descriptor)


class Child:
    """A fresh interpreter that calls a function of ours, which begins with `joined`.

    Nothing that this process holds (threads, signals, locks, a working directory) reaches it. What
    it prints goes to standard error.

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
                [sys.executable, "-c", code],
                stdin=stream,
                stdout=stream,
                stderr=errors,
                cwd=folder or None,
                env=os.environ | VARIABLES | dict(variables or {}),
                start_new_session=apart,
            )
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
            stdout = self.process.stdout
            stdin = self.process.stdin
            assert stdout is not None and stdin is not None
            self.link = Link(os.dup(stdout.fileno()), os.dup(stdin.fileno()))
            stdout.close()
            stdin.close()
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


def joined(*, watched: bool = True, exact: bool = False) -> Link:
    """The link of a child that has just begun to its parent, whose end it shares from now on.

    On Linux the kernel sees to that, however busy the child is; elsewhere, and where the kernel's
    word is lost, a thread looks every second. One that ends others in time looks for itself and is
    not `watched`.
    """
    link = Link(os.dup(0), None if sys.platform != "win32" else os.dup(1), exact=exact)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        parent = int(link.receive())
    except EOFError:
        end_process(ORPHANED)
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
    end_process(ORPHANED)


def end_session_with_this() -> None:
    """Let all processes of this one's session be killed when it ends, even where it is killed.

    A process that is forked here waits for that: what a user's code forks or starts must not
    outlive it. Only the leader of a session calls it, before it has threads.
    """
    if sys.platform == "win32" or os.getsid(0) != os.getpid():
        return
    leader = os.getpid()
    if os.fork():
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end_session)
    if _prctl is not None:
        _prctl(_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    while os.getppid() == leader:
        time.sleep(_WATCH_SECONDS)
    _end_session()


def _end_session(*_: object) -> None:
    os.killpg(0, signal.SIGKILL)


def adopt() -> None:
    """Let orphaned descendants become children of this process, even from other sessions."""
    if _prctl is not None:
        _prctl(_SUBREAPER, 1, 0, 0, 0)


def end_adopted(own: Collection[int]) -> None:
    """Kill all children but some, and their descendants; nothing where it cannot adopt."""
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
    me = os.getpid()
    children = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as stat:
            if int(stat.read().rpartition(b")")[2].split()[1]) == me:
                children.append(int(name))
    return children


def ending(code: int, kills: int | None = None) -> str:
    """How a process ended, in words that follow its name."""
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
    """A pipe for the output of a process, passed on to our standard error up to a limit.

    Attributes:
        inlet: Where the process writes; the process that starts it closes this end afterwards.
    """

    def __init__(self, who: str) -> None:
        """Begin to read; `who` is named in a note on omitted output. OSError without a pipe."""
        self._who = who
        self._outlet, self.inlet = os.pipe()
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    def finish(self, patience: float) -> None:
        """Wait some seconds until all output is passed on; others may hold the other end."""
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
                    _say(
                        f"\n{self._who} has printed {MOST_PRINTED:,} bytes; the rest is left out.\n".encode()  # noqa: E501
                    )


def _say(content: bytes) -> None:
    """Write to standard error, if it is still open."""
    with suppress(OSError):
        while content:
            content = content[write(2, content) :]


def folder_here() -> str:
    """The working directory; empty where it was removed."""
    try:
        return os.getcwd()
    except OSError:
        return ""
