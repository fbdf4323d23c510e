"""A process of its own for code that is not to be trusted: ours sends pickles and reads JSON, and can always end it.

The two are joined by a socket that only they hold, so that what the stranger prints goes to our standard error, up to a
limit, and disturbs nothing. The process leads a session of its own, which is ended as a whole, and dies with us.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
from typing import Any

from surrogate_nas.files.passing import Passing
from surrogate_nas.study.sandbox.failure import StrategyError, as_text, one_line, place_in_dump
from surrogate_nas.study.sandbox.nursery import forget, the_nursery
from surrogate_nas.study.sandbox.wire import HEAD, LARGEST_ANSWER, Birth, read, send

_PATIENCE_SECONDS = 1.0
_DUMP_SECONDS = 0.3
_LONGEST_TRACE = 100_000


class Child:
    """A process that answers one question at a time.

    Attributes:
        file: The file that the stranger's class is defined in, for messages; empty until that is known.
    """

    def __init__(self, entry: str, space: bytes | None = None, *, name: str = "A user's code") -> None:
        """Start the process; the first `call` waits until it is ready.

        Args:
            entry: ``module:function`` that runs there, given the descriptors of the socket and the log, and the space.
            space: A pickled space of ours that it starts with.
            name: Whose it is, for what is said of its output.

        Raises:
            StrategyError: The system starts none.
        """
        self.file = ""
        self._ended, self._space = False, space
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `kill`
        self._socket, theirs = socket.socketpair()
        self._printing = Passing(name)
        output = self._printing.inlet
        try:
            self._nursery = the_nursery()
            birth = Birth(entry, sys.path, _folder(), dict(os.environ), space)
            self._pid = self._born(birth, [theirs.fileno(), self._log.fileno(), output])
        except OSError as error:
            self._socket.close()
            self._log.close()
            raise StrategyError(f"a process of its own could not be started: {error.strerror or error}.") from error
        finally:
            theirs.close()
            os.close(output)

    @property
    def parent_is_stopped(self) -> bool:
        """Whether the process that forked it was stopped, which nobody does but a stranger."""
        return self._nursery.is_stopped

    @property
    def alive(self) -> bool:
        """Whether it can be asked further."""
        return not self._log.closed

    def _born(self, birth: Birth, fds: list[int]) -> int:
        try:
            return self._nursery.fork(birth, fds)
        except (OSError, EOFError):  # a stranger may have killed it
            forget(self._nursery)
            self._nursery = the_nursery()
            return self._nursery.fork(birth, fds)

    def call(self, command: str, *arguments: object, limit: float, when: str) -> Any:
        """Ask the process and wait for its answer.

        Args:
            command: What it shall do.
            arguments: Sent as a pickle.
            limit: The longest that it may take, in seconds.
            when: For messages, such as ``"was asked"``.

        Returns:
            A JSON value of any shape.

        Raises:
            StrategyError: It raised, took too long, ended, or sent no answer; after the last three it is gone.
        """
        deadline = time.monotonic() + limit
        try:
            send(self._socket, pickle.dumps((command, arguments)), deadline)
            (length,) = HEAD.unpack(read(self._socket, HEAD.size, deadline))
            if not 0 <= length <= LARGEST_ANSWER:
                self.kill()
                raise StrategyError(f"its answer takes {length:,} bytes when it {when}; {LARGEST_ANSWER:,} may be.")
            reply = read(self._socket, length, deadline)
        except TimeoutError:
            dump = self._dumped()
            raise self._at(f"it took more than {limit:g} s when it {when}", dump) from None
        except (EOFError, OSError):
            raise self._death(when) from None
        return self._opened(reply, when)

    def _opened(self, reply: bytes, when: str) -> Any:
        """The answer in a reply, which may be anything."""
        try:
            content = json.loads(reply)
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict) and "answer" in content:
            return content["answer"]
        if isinstance(content, dict) and as_text(content.get("failure"), 1):
            line = one_line(as_text(content["failure"], _LONGEST_TRACE))
            raise StrategyError(line, as_text(content.get("trace"), _LONGEST_TRACE))
        self.kill()
        raise StrategyError(f"its process sent something that is no answer when it {when}.")

    def _at(self, line: str, dump: str) -> StrategyError:
        place = place_in_dump(dump, self.file)
        return StrategyError(f"{line} ({place})." if place else f"{line}.", dump)

    def _dumped(self) -> str:
        """Where it is, printed by itself before it is killed."""
        with suppress(OSError):
            os.kill(self._pid, signal.SIGUSR1)
        before, now, until = "", self._printed(), time.monotonic() + _DUMP_SECONDS
        while (not now or now != before) and time.monotonic() < until:
            time.sleep(0.02)
            before, now = now, self._printed()
        self.kill()
        return now

    def _printed(self) -> str:
        return os.pread(self._log.fileno(), _LONGEST_TRACE, 0).decode(errors="replace")

    def _death(self, when: str) -> StrategyError:
        """What ended it."""
        code, dump = self._code(_PATIENCE_SECONDS), self._printed()
        self.kill()
        if code is None:
            return StrategyError(f"its process closed the connection when it {when}.", dump)
        if code >= 0:
            return StrategyError(f"its process ended with exit code {code} when it {when}.", dump)
        return self._at(f"its process was killed by {_signal_name(-code)} when it {when}", dump)

    def _code(self, patience: float) -> int | None:
        """Its exit code, or minus the signal that ended it; None where it runs on, or nobody knows."""
        try:
            code = self._nursery.wait(self._pid, patience)
            self._ended = code is not None
            return code
        except (OSError, EOFError):
            forget(self._nursery)
            return None

    def prepare_others(self, limit: float) -> None:
        """Let processes that are forked later start with what this one has needed until now.

        Args:
            limit: The longest that it may take to say so, in seconds.

        Raises:
            StrategyError: It does not answer.
        """
        needed = self.call("needed", limit=limit, when="was asked what it needed")
        with suppress(OSError):
            self._nursery.prepare(self._space, needed)

    def end(self) -> None:
        """Let the process end by itself, for a moment, and then end all of its session."""
        with suppress(OSError, EOFError):
            self._socket.shutdown(socket.SHUT_WR)
            read(self._socket, LARGEST_ANSWER, time.monotonic() + _PATIENCE_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End the process and all of its session now."""
        if self._log.closed:
            return
        with suppress(OSError):
            os.killpg(self._pid, signal.SIGKILL)
        if not self._ended:
            with suppress(OSError):
                os.kill(self._pid, signal.SIGKILL)
            self._code(_PATIENCE_SECONDS)
        self._socket.close()
        self._log.close()
        self._printing.finish(_DUMP_SECONDS)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""
