"""User code in a process of its own: we send pickles, read JSON, limit everything and can end it.

A socket joins the two processes. What the code prints goes to our standard error, up to a limit.
`Sandbox` is our end; `serve` is the other. `serve` takes references to all it needs before the
user's code runs, so a patched module spoils no more than the results of that code.
"""

from __future__ import annotations

import faulthandler
import inspect
import json
import os
import pickle
import signal
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from json import JSONEncoder
from os import _exit as leave
from os import getpid
from typing import Any, NamedTuple

from surrogate_nas.runtime.child import Link, die_with_parent
from surrogate_nas.runtime.failure import (
    StrategyError,
    as_strategy_error,
    as_text,
    one_line,
    place_in_dump,
)
from surrogate_nas.runtime.forkserver import Forked

LARGEST_ANSWER = 16 * 2**20
"""The most bytes that we read of a user's process at once."""
Commands = Mapping[str, tuple[Callable[..., Any], str]]
"""What the process can be asked for: by name a function, and what it does, for messages."""
_PATIENCE_SECONDS = 1.0
_DUMP_SECONDS = 0.3
_LONGEST_TRACE = 100_000
_AWAKE_SECONDS = 4e-5
"""What a run does between two questions takes about so long; to wake a process that slept meanwhile
takes longer.
"""
_NOTHING = b'{"answer": null}'
_NOTE = struct.Struct("<qd")
_NOTE_AT = 2**20
"""What the process notes far behind the end of its log, before it does the second of two things
that came together: how many it has done since it began, and when it ended the last, on the
monotonic clock.
"""


class _Step(NamedTuple):
    """A message for the process, its time limit in seconds, and its text for messages."""

    content: bytes
    limit: float
    when: str


class Sandbox:
    """A process that answers one question at a time.

    Attributes:
        file: The file that the user's class is defined in, for messages; empty until that is known.
    """

    def __init__(
        self,
        entry: str,
        argument: Any = None,
        *,
        prepare: str = "",
        who: str = "A user's code",
    ) -> None:
        """Start the process; the first `call` waits for it. StrategyError if it cannot start.

        Args:
            entry: ``module:function`` that runs there, given the descriptors of the link and the
                log, and the argument.
            argument: Anything that can be pickled.
            prepare: ``module:function`` that makes of the argument what all such processes share.
            who: Whose it is, for what is said of its output.
        """
        self.file = ""
        try:
            self._process = Forked(
                entry,
                argument,
                who,
                prepare=prepare,
                most=LARGEST_ANSWER,
            )
        except OSError as error:
            raise StrategyError(
                f"a process of its own could not be started: {error.strerror or error}."
            ) from error
        self._link = self._process.link
        self._posted: list[_Step] = []
        self._answered = 0

    @property
    def parent_is_stopped(self) -> bool:
        """Whether the process that forked it was stopped, which only a user's code does."""
        return self._process.server.is_stopped

    @property
    def alive(self) -> bool:
        """Whether it can be asked further."""
        return self._process.alive

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
            StrategyError: It raised, took too long, ended, or sent no answer; after the last three
                it is gone.
        """
        return self._exchange(
            [*self._taken(), _Step(pickle.dumps((command, arguments)), limit, when)]
        )

    def post(self, command: str, *arguments: object, limit: float, when: str) -> None:
        """Send this with the next `call`, which raises its errors; it has no reply."""
        self.settle()
        self._posted = [_Step(pickle.dumps((command, arguments)), limit, when)]

    def settle(self) -> None:
        """Have done what was posted, if anything was; StrategyError as in `call`."""
        if steps := self._taken():
            self._exchange(steps)

    def _taken(self) -> list[_Step]:
        steps = self._posted
        self._posted = []
        return steps

    def _exchange(self, steps: Sequence[_Step]) -> Any:
        """Send all steps in one piece and wait for the replies; returns the last one."""
        began = time.monotonic()
        reply = None
        try:
            for step in steps[:-1]:
                self._link.hold(step.content)
            self._link.send(steps[-1].content, began + steps[0].limit)
        except TimeoutError:
            raise self._late(steps[0]) from None
        except OSError:
            raise self._death(steps[0].when) from None
        for number in range(len(steps)):
            reply = self._wait_for_reply(steps[number:], began)
            self._answered = self._answered + 1
            began = time.monotonic()
        return reply

    def _wait_for_reply(self, steps: Sequence[_Step], began: float) -> Any:
        """The next answer, to the first of what is not answered yet."""
        try:
            reply = self._reply(steps, began)
        except OverflowError as error:
            when = self._doing(steps)[0].when
            self.kill()
            raise StrategyError(
                f"its answer takes {error.args[0]:,} bytes when it {when}; {LARGEST_ANSWER:,}"
                " may be."
            ) from None
        except (EOFError, OSError):
            raise self._death(self._doing(steps)[0].when) from None
        if reply == _NOTHING:
            return None
        try:
            content = json.loads(reply.decode())
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict) and "answer" in content:
            return content["answer"]
        if isinstance(content, dict) and as_text(content.get("failure"), 1):
            if len(steps) > 1:
                self.kill()  # it does already what comes next
            line = one_line(as_text(content["failure"], _LONGEST_TRACE))
            raise StrategyError(line, as_text(content.get("trace"), _LONGEST_TRACE))
        when = self._doing(steps)[0].when
        self.kill()
        raise StrategyError(f"its process sent something that is no answer when it {when}.")

    def _reply(self, steps: Sequence[_Step], began: float) -> bytes:
        step = steps[0]
        while True:
            try:
                return self._link.receive(began + step.limit)
            except TimeoutError:
                before, (step, began) = step, self._doing(steps)
                if step is before:
                    raise self._late(step) from None

    def _doing(self, steps: Sequence[_Step]) -> tuple[_Step, float]:
        """Which of these it does now, and since when; the first where it has noted nothing else."""
        note = self._process.noted(_NOTE_AT, _NOTE.size)
        done, ended = _NOTE.unpack(note) if len(note) == _NOTE.size else (0, 0.0)
        place = done - self._answered
        return (
            (steps[place], min(ended, time.monotonic()))
            if 0 < place < len(steps)
            else (steps[0], 0.0)
        )

    def _late(self, step: _Step) -> StrategyError:
        return self._at(f"it took more than {step.limit:g} s when it {step.when}", self._dumped())

    def _at(self, line: str, dump: str) -> StrategyError:
        place = place_in_dump(dump, self.file)
        if place:
            line += f" ({place})"
        return StrategyError(f"{line}.", dump)

    def _dumped(self) -> str:
        """Where it is, printed by itself before it is killed."""
        with suppress(OSError):
            os.kill(self._process.pid, signal.SIGUSR1)
        before = ""
        now = self._process.logged()
        until = time.monotonic() + _DUMP_SECONDS
        while (not now or now != before) and time.monotonic() < until:
            time.sleep(0.02)
            before = now
            now = self._process.logged()
        self.kill()
        return now

    def _death(self, when: str) -> StrategyError:
        """What ended it."""
        words = self._process.ended(_PATIENCE_SECONDS)
        dump = self._process.logged()
        self.kill()
        line = f"its process {words or 'closed the connection'} when it {when}"
        return self._at(line, dump) if "killed" in words else StrategyError(f"{line}.", dump)

    def call_server(self, function: str, *arguments: Any) -> None:
        """Let the forking process call a function of ours, for all later forks."""
        with suppress(OSError, EOFError):
            self._process.server.call(function, *arguments)

    def end(self) -> None:
        """Let the process end by itself, for a moment, and then end all of its session."""
        self._link.shut(time.monotonic() + _PATIENCE_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End the process and all of its session now."""
        self._process.kill()


def serve(
    connection: int,
    log: int,
    commands: Commands,
    file: Callable[[], str],
) -> None:
    """The process from inside: answer until our end closes the connection, and leave."""
    os.register_at_fork(after_in_child=die_with_parent)
    faulthandler.enable(log)
    faulthandler.register(signal.SIGUSR1, log)
    link = Link(connection, awake=_AWAKE_SECONDS)
    owner = getpid()
    encode = JSONEncoder().encode
    done = 0
    note = os.pwrite
    now = time.monotonic
    with suppress(EOFError, ConnectionError):
        while True:
            command, arguments = pickle.loads(link.receive())
            function, when = commands[command]
            try:
                body = encode({"answer": function(*arguments)}).encode()
                if len(body) > LARGEST_ANSWER:
                    raise StrategyError(
                        f"its answer takes {len(body):,} bytes; {LARGEST_ANSWER:,} are the most."
                    )
            except BaseException as error:  # noqa: BLE001 - a user's code can raise anything
                failure = as_strategy_error(error, when, file())
                body = encode({"failure": str(failure), "trace": failure.trace}).encode()
            if getpid() != owner:
                leave(0)  # a copy that the user's code forked came back here
            done += 1
            if link.begun:  # what comes next is here already, and its answer takes this one with it
                link.hold(body)
                with suppress(OSError):
                    note(log, _NOTE.pack(done, now()), _NOTE_AT)
            else:
                link.send(body)
    with suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    leave(0)  # without waiting for threads that never end


def file_of(kind: type) -> str:
    """The file that a class is defined in; empty if unknown."""
    try:
        return inspect.getfile(kind)
    except (TypeError, OSError):  # made by value: its code knows
        return next(
            (f.__code__.co_filename for f in vars(kind).values() if inspect.isfunction(f)), ""
        )
