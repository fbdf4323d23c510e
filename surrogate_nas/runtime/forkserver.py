"""The fork server: a process with our modules that forks one for each user's code or command.

A fresh interpreter takes a third of a second to import what a strategy needs; a fork takes
milliseconds. The server runs no user's code, has one thread, and ends, with all forked processes
and their descendants, when the process that started it does.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import pickle
import random
import select
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from surrogate_nas.core.threads import VARIABLES
from surrogate_nas.runtime.child import (
    Child,
    Link,
    Output,
    adopt,
    die_with_parent,
    end_adopted,
    ending,
    folder_here,
    joined,
    memory_kills,
)

START_SECONDS = 60.0
"""The longest that a process may take to start, and a user's file to be imported."""
_RUNNING = -1_000
_PATIENCE_SECONDS = 2.0
_PRINT_SECONDS = 0.3
_CHECK_SECONDS = 1.0
_LONGEST_LOG = 100_000
Work = Callable[[], None]


class Spawn(NamedTuple):
    """What a new process is made of.

    Attributes:
        entry: ``module:function`` that runs there, given the descriptors of its link and its log,
            and the argument.
        argument: Anything that can be pickled.
        prepare: ``module:function`` that the server itself calls with the argument; what it gives,
            which the new process shares, is the argument then. Empty for none.
        path: Where modules are found.
        folder: The working directory.
        environment: The environment variables.
    """

    entry: str
    argument: Any
    prepare: str
    path: list[str]
    folder: str
    environment: dict[str, str]


class ForkServer:
    """Our end of it.

    Attributes:
        owner: The process that started it.
    """

    def __init__(self) -> None:
        """Start it; OSError where the system does not."""
        self.owner = os.getpid()
        self._lock = threading.Lock()
        self._called: set[bytes] = set()
        self._child = Child("surrogate_nas.runtime.forkserver:main", apart=True)
        self._socket = socket.socket(fileno=os.dup(self._child.link.reading))

    def fork(self, spawn: Spawn, descriptors: list[int]) -> int:
        """Make a process and give its number; OSError where the system makes none."""
        pid = self._asked("fork", (spawn,), descriptors)
        if pid < 0:
            raise OSError(-pid, os.strerror(-pid))
        return pid

    def wait(self, pid: int, patience: float) -> int | None:
        """The exit code of a process, or minus the signal that ended it; None while it runs."""
        code = self._asked("wait", (pid, patience), [])
        return None if code == _RUNNING else code

    def call(self, function: str, *arguments: Any) -> None:
        """Let the server call ``module:function`` once, so that later forks inherit the effect."""
        content = pickle.dumps(("call", (function, arguments)))
        if content not in self._called:
            self._called.add(content)
            with self._lock:
                self._send(content, [])

    def _asked(
        self,
        what: str,
        arguments: tuple[Any, ...],
        descriptors: list[int],
    ) -> int:
        with self._lock:
            deadline = self._send(pickle.dumps((what, arguments)), descriptors)
            try:
                return int(json.loads(self._child.link.receive(deadline, self._is_waiting)))
            except BaseException as error:
                # a late reply would be taken for the next one
                self._child.link.close()
                if isinstance(error, TimeoutError):
                    raise OSError(
                        errno.EIO, "the process that forks others does not answer"
                    ) from None
                raise

    def _send(self, content: bytes, descriptors: list[int]) -> float:
        """Send a message; until when its answer is waited for."""
        deadline = time.monotonic() + START_SECONDS
        socket.send_fds(self._socket, [b"."], descriptors)
        self._child.link.send(content, deadline)
        return deadline

    def _is_waiting(self) -> bool:
        return not self.is_stopped

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped by a signal; known on Linux alone."""
        try:
            state = (
                Path(f"/proc/{self._child.process.pid}/stat")
                .read_text()
                .rpartition(")")[2]
                .split()[0]
            )
        except (OSError, IndexError):
            return False
        return state in ("T", "t")

    def close(self) -> None:
        """End it with all forks and their descendants; kill it if that takes long."""
        self._socket.close()
        with suppress(ProcessLookupError):
            self._child.process.send_signal(signal.SIGCONT)
        self._child.end(_PATIENCE_SECONDS)


_server: ForkServer | None = None
_server_lock = threading.Lock()


def the_server() -> ForkServer:
    """The fork server of this process, started on first use; OSError if it cannot be started."""
    global _server
    with _server_lock:
        if _server is None or _server.owner != os.getpid():
            _server = ForkServer()
        return _server


def _forget(server: ForkServer) -> None:
    """Let a server go that does not answer; the next process comes from another."""
    global _server
    with _server_lock:
        if _server is server:
            _server = None
    server.close()


class Forked:
    """A process that the fork server has made for what is not ours; it leads a session of its own.

    Attributes:
        link: A socket that only we and it hold.
        server: What has forked it.
    """

    def __init__(
        self,
        entry: str,
        argument: Any,
        who: str,
        *,
        prepare: str = "",
        most: int = 2**62,
    ) -> None:
        """Start it; OSError where the system does not."""
        self._owner = os.getpid()
        self._ended = False
        self._log = tempfile.TemporaryFile()
        ours, theirs = socket.socketpair()
        self.link = Link(ours.detach(), most=most)
        self._output = Output(who)
        spawn = Spawn(entry, argument, prepare, sys.path, folder_here(), dict(os.environ))
        descriptors = [theirs.fileno(), self._log.fileno(), self._output.inlet]
        self._memory_kills = memory_kills()
        try:
            self.server = the_server()
            try:
                self.pid = self.server.fork(spawn, descriptors)
            except (OSError, EOFError):  # a user's code may have killed it
                _forget(self.server)
                self.server = the_server()
                self.pid = self.server.fork(spawn, descriptors)
        except (OSError, EOFError) as error:
            self.link.close()
            self._log.close()
            raise (
                error if isinstance(error, OSError) else OSError(errno.EIO, "it is gone at once")
            ) from error
        finally:
            theirs.close()
            os.close(self._output.inlet)

    @property
    def alive(self) -> bool:
        """Whether it can be asked further."""
        return not self._log.closed

    def logged(self) -> str:
        """What it wrote into its log."""
        return os.pread(self._log.fileno(), _LONGEST_LOG, 0).decode(errors="replace")

    def noted(self, place: int, size: int) -> bytes:
        """What stands at a place of its log, where it wrote that far."""
        return os.pread(self._log.fileno(), size, place)

    def ended(self, patience: float) -> str:
        """How it ended, in words that follow its name; empty if it runs or that is unknown."""
        try:
            code = self.server.wait(self.pid, patience)
        except (OSError, EOFError):
            _forget(self.server)
            return ""
        self._ended = code is not None
        return "" if code is None else ending(code, self._memory_kills)

    def kill(self) -> None:
        """End it and all that it began; without effect in a fork of its owner."""
        if self._log.closed or os.getpid() != self._owner:
            return
        with suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)
        if not self._ended:
            with suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)
            self.ended(_PATIENCE_SECONDS)
        self.link.close()
        self._log.close()
        self._output.finish(_PRINT_SECONDS)


def main() -> None:
    """The server from inside: fork until the link closes; a fork does its work and ends."""
    link = joined(watched=False, exact=True)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    born: set[int] = set()
    adopt()
    work = _serve(link, os.getppid(), born)
    link.close()
    if work is not None:
        work()
        return
    for pid in born:
        with suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
    end_adopted(())


def _serve(link: Link, parent: int, born: set[int]) -> Work | None:
    """Reply until the end; returns work in a forked process, and None in the server itself."""
    server = os.getpid()
    with socket.socket(fileno=os.dup(link.reading)) as descriptors_come:
        while os.getppid() == parent:
            if not select.select([link.reading], [], [], _CHECK_SECONDS)[0]:
                continue
            try:
                byte, descriptors, *_ = socket.recv_fds(descriptors_come, 1, 3)
                if not byte:
                    return None
                what, (first, *rest) = pickle.loads(link.receive())
            except (ConnectionError, EOFError):
                return None
            if what == "fork":
                pid = _fork(first)
                if pid == 0:
                    return _begun(first, descriptors, server)
                if pid > 0:
                    born.add(pid)
                for descriptor in descriptors:
                    os.close(descriptor)
            elif what == "wait":
                pid = _waited(first, rest[0], born)
            else:
                with suppress(Exception, SystemExit):
                    _function(first)(*rest[0])
                continue
            # it has no parent any more, as the next check finds
            with suppress(ConnectionError):
                link.send(json.dumps(pid).encode())
    return None


def _function(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)  # type: ignore[no-any-return]


def _waited(pid: int, patience: float, born: set[int]) -> int:
    """How a process ended: its exit code, minus its signal, or that it still runs."""
    until = time.monotonic() + patience
    while True:
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return _RUNNING
        if ended:
            born.discard(pid)
            end_adopted(born)
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= until:
            return _RUNNING
        time.sleep(0.002)


_arguments: dict[str, Any] = {}


def _fork(spawn: Spawn) -> int:
    """Fork, after what the new process needs of ours is there."""
    try:
        _function(spawn.entry)
        _arguments[spawn.entry] = (
            _function(spawn.prepare)(spawn.argument) if spawn.prepare else spawn.argument
        )
        gc.freeze()  # else the first collection in a fork copies all of our memory
        return os.fork()
    except OSError as error:
        return -(error.errno or 1)


def _begun(spawn: Spawn, descriptors: list[int], server: int) -> Work:
    """Make the forked process look as if it had been started afresh; returns its work."""
    connection, log, output = descriptors
    os.setsid()
    die_with_parent()
    if os.getppid() != server:
        os._exit(1)
    adopt()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    with suppress(OSError):
        os.chdir(spawn.folder)
    os.environ.clear()
    os.environ.update(spawn.environment | VARIABLES)
    sys.path[:] = spawn.path
    # a user's module that was edited twice in a second would be taken from before
    sys.dont_write_bytecode = True
    random.seed()
    if "numpy" in sys.modules:
        import_module("numpy.random").seed()  # else every process would draw alike
    work = _function(spawn.entry)
    argument = _arguments.pop(spawn.entry)
    return lambda: work(connection, log, argument)
