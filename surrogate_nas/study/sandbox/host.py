"""The process of a stranger's strategy, from inside: it makes the strategy, asks and tells it, and answers as JSON.

Started by `surrogate_nas.study.sandbox.process.Child`. What is used after the stranger's code runs is taken
beforehand, so that a patched module spoils no more than the strategy's own answers.
"""

from __future__ import annotations

import ctypes
import faulthandler
import inspect
import os
import pickle
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from json import JSONEncoder
from os import _exit as leave
from os import getpid, read, write
from typing import Any

from surrogate_nas.space import Enumerable, Space
from surrogate_nas.space.once import Question, asked_of
from surrogate_nas.space.trial import Trial
from surrogate_nas.strategies import Strategy, resolve
from surrogate_nas.study.sandbox.answers import cells_to_json, flags_of, flags_of_class, own_cells
from surrogate_nas.study.sandbox.failure import StrategyError, as_strategy_error
from surrogate_nas.study.sandbox.parcel import Parcel, unpack
from surrogate_nas.study.sandbox.wire import HEAD, LARGEST_ANSWER, LIBRARIES

Commands = Mapping[str, tuple[Callable[..., Any], str]]
"""What the process can be asked for: by name a function, and what it does, for messages."""
_SET_DEATH_SIGNAL = 1
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def main(connection: int, log: int, space: Space | None) -> None:
    """Host one strategy until the parent process closes the connection.

    Args:
        connection: The file descriptor of the socket.
        log: That of the file for stacks of a crash.
        space: The space that cells come from, where it is one of ours.
    """
    settle(log)
    _host(connection, _Guest(space))
    leave_quietly()


def leave_quietly() -> None:
    """End the process without waiting for threads that never end."""
    with suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    leave(0)


def _host(connection: int, guest: _Guest) -> None:
    commands: Commands = {
        "load": (guest.load, "was loaded"),
        "make": (guest.make, "was made"),
        "give": (guest.give, "was given what is known"),
        "ask": (guest.ask, "was asked"),
        "tell": (guest.tell, "was told"),
        "needed": (guest.needed, "was asked what it needed"),
    }
    serve(connection, commands, lambda: guest.file)


def settle(log: int) -> None:
    """Die with the process that forked this one, and print stacks into the log on a crash, or when that is wanted.

    Args:
        log: The file descriptor of the log.
    """
    parent = os.getppid()
    _die_with_parent()
    if os.getppid() != parent:
        leave(1)
    os.register_at_fork(after_in_child=_die_with_parent)
    faulthandler.enable(log)
    faulthandler.register(signal.SIGUSR1, log)


def _die_with_parent() -> None:
    if _prctl is not None:
        _prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)


def serve(connection: int, commands: Commands, file: Callable[[], str]) -> None:
    """Answer until the parent process closes the connection.

    Args:
        connection: The file descriptor of the socket.
        commands: What can be asked for.
        file: Gives the file that the stranger's class is defined in.
    """
    owner, encode = getpid(), JSONEncoder().encode
    while (message := _received(connection)) is not None:
        command, arguments = pickle.loads(message)
        function, when = commands[command]
        try:
            body = encode({"answer": function(*arguments)}).encode()
            if len(body) > LARGEST_ANSWER:
                raise StrategyError(f"its answer takes {len(body):,} bytes; {LARGEST_ANSWER:,} are the most.")
        except BaseException as error:  # noqa: BLE001 - a stranger's code can raise anything
            failure = as_strategy_error(error, when, file())
            body = encode({"failure": str(failure), "trace": failure.trace}).encode()
        if getpid() != owner:
            leave(0)  # a copy that the stranger forked came back here
        if not _sent(connection, HEAD.pack(len(body)) + body):
            return


def _received(connection: int) -> bytes | None:
    """The next message; None where nobody sends any more."""
    head = _read(connection, HEAD.size)
    return None if head is None else _read(connection, HEAD.unpack(head)[0])


def _read(connection: int, length: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < length:
        try:
            part = read(connection, length - len(parts))
        except ConnectionError:
            return None
        if not part:
            return None
        parts += part
    return bytes(parts)


def _sent(connection: int, content: bytes) -> bool:
    """Send an answer; False where nobody reads any more."""
    view = memoryview(content)
    try:
        while view:
            view = view[write(connection, view) :]
    except ConnectionError:
        return False
    return True


class _Guest:
    """The strategy."""

    _factory: type[Strategy]
    _space: Space
    _epochs: Sequence[int] = ()

    def __init__(self, space: Space | None) -> None:
        if space is not None:
            self._space = space
        self.file = ""

    def load(self, strategy: Parcel, space: Parcel | None) -> dict[str, Any]:
        """Import its class, and the space; the answer is its file and its flags."""
        if space is not None:
            (self._space,) = unpack(space)
            if isinstance(self._space, Enumerable):
                self._space.cell(self._space[0])  # lists the cells, which is no work of the strategy's
        (reference,) = unpack(strategy)
        self._factory = resolve(reference)
        self.file = _file_of(self._factory)
        return {"file": self.file, "flags": flags_of_class(self._factory)._asdict()}

    def make(self, seed: int) -> dict[str, Any]:
        """Make it; the answer is its flags."""
        self._strategy = self._factory(self._space, seed=seed)
        return flags_of(self._strategy)._asdict()

    def give(self, parcel: Parcel) -> None:
        """Set attributes of it."""
        for name, value in unpack(parcel, self._space)[0].items():
            setattr(self._strategy, name, value)
            if name == "epochs":
                self._epochs = value

    def ask(self, n: int) -> list[Any]:
        """The texts of the cells that it asks for."""
        cells = own_cells(self._strategy.ask(n), n, self._space, self._epochs)
        return cells_to_json(cells)

    def tell(self, trials: list[Trial]) -> None:
        """Tell it trials."""
        self._strategy.tell(trials)

    def needed(self) -> tuple[list[str], list[Question]]:
        """What of `LIBRARIES` this process holds, in the order of import, and what was asked of the space."""
        names = [name for name in list(sys.modules) if isinstance(name, str) and name.partition(".")[0] in LIBRARIES]
        return names, asked_of(self._space)


def _file_of(kind: type) -> str:
    try:
        return inspect.getfile(kind)
    except (TypeError, OSError):  # made by value: its code knows
        return next((f.__code__.co_filename for f in vars(kind).values() if inspect.isfunction(f)), "")
