"""A user's command as a subprocess: read its output lines with time limits, and end all its
processes.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import IO, Any

import psutil

from surrogate_nas.core import UserError
from surrogate_nas.runtime.worker import (
    code_of,
    ending,
    is_inside,
    kill,
    memory_kills,
    started,
)

_LONGEST_LINE = 2**20
_PIECE = 2**16
_PATIENCE_SECONDS = 2.0
_LOOK_SECONDS = 0.01
_NOT_FOUND = 127


class Lines:
    """A running command that prints lines. The command has its own session.

    Attributes:
        pid: The process id.
        is_open: Whether the command can still print lines.
        kill: Function that ends the command and its child processes. This function is called at the
            latest when the object is discarded.
    """

    def __init__(
        self,
        words: Sequence[str],
        errors: IO[bytes] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Start the command. Raise an OSError if that fails.

        Args:
            words: The command and its arguments. No shell is involved.
            errors: The destination of its standard error; None for that of this process.
            variables: Environment variables in addition to those of this process.
        """
        self._kills = memory_kills()
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(variables or {})}
        inlet, self._inlet = os.pipe()
        self._outlet, outlet = os.pipe()
        os.set_blocking(self._inlet, False)
        error = os.dup(2 if errors is None else errors.fileno())
        streams = [Connection(stream) for stream in (inlet, outlet, error)]
        try:
            if is_inside():
                self._process = _InWorker(words, streams, environment)
            else:
                self._process = started(_become, streams, words, environment)
        finally:
            for stream in streams:
                stream.close()
        self.pid = self._process.pid
        self._begun = b""
        self.is_open = True
        pipes = (self._inlet, self._outlet)
        self.kill = weakref.finalize(self, _kill, self._process, pipes)

    def line(self, patience: float) -> bytes:
        """Return the next line of the command's output, with its line break, or a part of a very
        long or unfinished line. Return an empty `bytes` object if the command prints nothing within
        `patience` seconds.
        """
        until = time.monotonic() + patience
        while (
            b"\n" not in self._begun
            and len(self._begun) <= _LONGEST_LINE
            and self.is_open
        ):
            if not wait([self._outlet], max(until - time.monotonic(), 0.0)):
                return b""
            piece = os.read(self._outlet, _PIECE)
            self.is_open = bool(piece)
            self._begun += piece
        head, end, self._begun = self._begun.partition(b"\n")
        return head + end

    def ended(self, patience: float) -> str:
        """Describe how the command ended, as in ``ended with exit code 1``.

        Return an empty string if the command still runs.
        """
        code = _code(self._process, patience)
        return "" if code is None else ending(code, self._kills)

    def end(self, patience: float) -> str:
        """Ask the command to end, kill it after `patience` seconds, and describe how it ended."""
        if not self.ended(0.0):
            with suppress(OSError):
                os.killpg(self.pid, signal.SIGTERM)
        how = self.ended(patience)
        self.kill()
        return how or "did not end on request and was killed"


class Command(Lines):
    """A command that reads and writes lines of JSON. The output of the command is validated."""

    def __init__(self, command: str, who: str) -> None:
        self._who = f"{who} {command!r:.200}"
        try:
            words = shlex.split(command)
            if shutil.which(words[0]) is None:
                raise ValueError(f"there is no command {words[0]!r:.80}")
            super().__init__(words)
        except (ValueError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise UserError(f"{self._who} cannot be started: {reason}.") from error

    def send(self, message: Any, limit: float) -> None:
        """Write a line."""
        if unasked := self.line(0.0):
            raise self._failure(f"printed {_quote(unasked.rstrip())} without a request")
        content = json.dumps(message).encode() + b"\n"
        until = time.monotonic() + limit
        try:
            while content:
                with suppress(BlockingIOError):
                    content = content[os.write(self._inlet, content) :]
                    continue
                if time.monotonic() >= until:
                    raise self._failure(f"read nothing for {limit:g} s")
                time.sleep(_LOOK_SECONDS)
        except OSError:
            raise self._failure(self._end()) from None

    def receive(self, limit: float) -> Any:
        """Read a line of the command's output, and return its JSON value."""
        line = self.line(limit)
        if line.endswith(b"\n"):
            with suppress(ValueError, RecursionError):
                return json.loads(line)
            fault = f"answered {_quote(line[:-1])}, which is not JSON"
        elif len(line) > _LONGEST_LINE:
            fault = (
                f"answered {_quote(line)}, a line of more than {_LONGEST_LINE:,} bytes"
            )
        elif self.is_open:
            begun = f", only {_quote(self._begun)}" if self._begun else ""
            fault = f"did not answer a line within {limit:g} s{begun}"
        else:
            fault = self._end() + (f" after {_quote(line)}" if line else "")
        raise self._failure(fault)

    def _end(self) -> str:
        return self.ended(_PATIENCE_SECONDS) or "closed its standard streams"

    def _failure(self, fault: str) -> UserError:
        self.kill()
        return UserError(f"{self._who} {fault}.")


class _InWorker(subprocess.Popen[bytes]):
    """A command started by a worker. It ends with all its child processes."""

    def __init__(
        self,
        words: Sequence[str],
        streams: Sequence[Connection],
        environment: Mapping[str, str],
    ) -> None:
        inlet, outlet, errors = (stream.fileno() for stream in streams)
        super().__init__(
            words,
            stdin=inlet,
            stdout=outlet,
            stderr=errors,
            env=environment,
            start_new_session=True,
        )


def _become(
    streams: Sequence[Connection], words: Sequence[str], environment: Mapping[str, str]
) -> None:
    os.setsid()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
    # one of them keeps the fork server alive
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    try:
        os.execvpe(words[0], list(words), environment)
    except OSError as error:
        os.write(2, f"{words[0]}: {error.strerror}\n".encode())
        os._exit(_NOT_FOUND)


def _code(process: Any, seconds: float) -> int | None:
    if not isinstance(process, _InWorker):
        return code_of(process, seconds)
    with suppress(subprocess.TimeoutExpired):
        return process.wait(seconds)
    return None


def _kill(process: Any, pipes: Sequence[int]) -> None:
    with suppress(psutil.Error):
        kill(psutil.Process(process.pid))
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    _code(process, _PATIENCE_SECONDS)
    for pipe in pipes:
        os.close(pipe)


def _quote(output: bytes) -> str:
    text = repr(output[:400].decode(errors="replace"))
    return text if len(text) <= 120 else f"{text[:117]}..."
