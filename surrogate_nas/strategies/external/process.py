"""A process that speaks JSON lines: started, written to, read from with a time limit, and ended as a whole.

It is a stranger's, so nothing that it says is believed: a line is JSON or an error that quotes it. It runs under a
supervisor (`surrogate_nas.strategies.external.supervisor`), so that it and whatever it started end when we do, even if
we are killed. What it prints on its standard error is passed on, up to a limit.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

from surrogate_nas.core.errors import UserError
from surrogate_nas.files.passing import Passing

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_LONGEST_LINE = 2**20
_PATIENCE_SECONDS = 2.0


class Process:
    """A command that reads JSON lines and answers with JSON lines.

    Attributes:
        command: As it was given.
        end: Ends the process and what it started; called at the latest when this is forgotten.
    """

    def __init__(self, command: str) -> None:
        """Start it.

        Args:
            command: The command with its arguments, as a shell would read it; no shell is used.

        Raises:
            UserError: There is no such command, or the system does not start it.
        """
        self.command = command
        self._unread = b""
        words = _words(command)
        self._link, theirs = socket.socketpair()
        pipe, stop = os.pipe()
        printing = Passing(f"The proposer {command!r:.80}")
        try:
            supervisor = subprocess.Popen(
                [sys.executable, "-IS", str(_SUPERVISOR), str(pipe), str(os.getpid()), *words],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=printing.inlet,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
                pass_fds=[pipe],
                start_new_session=True,
            )
        except OSError as error:
            self._link.close()
            os.close(stop)
            raise UserError(f"The proposer {command!r:.200} cannot be started: {error.strerror}.") from error
        finally:
            theirs.close()
            os.close(pipe)
            os.close(printing.inlet)
        self._supervisor = supervisor
        self.end = weakref.finalize(self, _end, os.getpid(), supervisor, self._link, stop, printing)

    def send(self, message: Any, limit: float) -> None:
        """Write a line.

        Args:
            message: A JSON value.
            limit: The longest that it may take until the process has room for it, in seconds.

        Raises:
            UserError: It said something without being asked, ended, or does not read.
        """
        self._link.settimeout(0.0)
        with suppress(BlockingIOError):
            self._unread += self._received(b"")
        if self._unread:
            said = self._unread.partition(b"\n")[0]
            raise self._failure(f"said {_shown(said)} without being asked")
        self._link.settimeout(limit)
        try:
            self._link.sendall(json.dumps(message).encode() + b"\n")
        except TimeoutError:
            raise self._failure(f"read nothing for {limit:g} s") from None
        except OSError:
            raise self._failure(self._end_told()) from None

    def receive(self, limit: float) -> Any:
        """Read a line: a JSON value.

        Args:
            limit: The longest that it may take, in seconds.

        Raises:
            UserError: It took too long, ended, or said something that is no JSON.
        """
        until = time.monotonic() + limit
        while b"\n" not in self._unread:
            left = until - time.monotonic()
            if len(self._unread) > _LONGEST_LINE:
                raise self._failure(f"answered {_shown(self._unread)}, a line of more than {_LONGEST_LINE:,} bytes")
            try:
                self._link.settimeout(max(left, 1e-3))
                self._unread += self._received(self._unread)
            except TimeoutError:
                begun = f", only {_shown(self._unread)}" if self._unread else ""
                raise self._failure(f"answered no line within {limit:g} s{begun}") from None
        line, _, self._unread = self._unread.partition(b"\n")
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            raise self._failure(f"answered {_shown(line)}, which is no JSON") from None

    def _received(self, before: bytes) -> bytes:
        """What it has written meanwhile, at least a byte."""
        try:
            part = self._link.recv(2**16)
        except ConnectionError:
            part = b""
        if not part:
            begun = f" after {_shown(before)}" if before else ""
            raise self._failure(self._end_told() + begun)
        return part

    def _end_told(self) -> str:
        try:
            return f"ended with exit code {self._supervisor.wait(_PATIENCE_SECONDS)}"
        except subprocess.TimeoutExpired:
            return "closed its standard streams"

    def _failure(self, what: str) -> UserError:
        """The end of it, and the error that says why."""
        self.end()
        return UserError(f"The proposer {self.command!r:.200} {what}.")


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UserError(f"The proposer {command!r:.200} cannot be started: {error}.") from error
    if shutil.which(words[0]) is None:
        raise UserError(f"The proposer {command!r:.200} cannot be started: there is no command {words[0]!r:.80}.")
    return words


def _shown(said: bytes) -> str:
    """What it said, as a message can quote it."""
    text = repr(said[:400].decode(errors="replace"))
    return text if len(text) <= 120 else f"{text[:117]}..."  # noqa: PLR2004


def _end(owner: int, supervisor: subprocess.Popen[bytes], link: socket.socket, stop: int, printing: Passing) -> None:
    """End the process, in whatever state it is; without effect in a fork of its owner."""
    if os.getpid() != owner:
        return
    with suppress(OSError):
        os.write(stop, b"x")
    os.close(stop)
    link.close()
    try:
        supervisor.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()
    printing.finish(_PATIENCE_SECONDS)
