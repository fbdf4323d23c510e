"""A user's code in a process of its own: one call after another, each with a limit of time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import cloudpickle

from surrogate_nas.runtime.failure import StrategyError, place_in_dump
from surrogate_nas.runtime.worker import Lost, Task, Worker, outcome

START_SECONDS = 60.0
"""The longest that a user's file may take to be imported."""
_LATE = "killed by SIGALRM"
J = TypeVar("J")
R = TypeVar("R")


class Aside(Generic[J, R]):
    """A function that calls a user's code, in a process that is made anew where a call ended it.

    Example:
        >>> from contextlib import closing
        >>> with closing(Aside(abs, 60.0)) as aside:
        ...     aside.call(-3)
        3
    """

    def __init__(self, function: Callable[[J], R], limit: float) -> None:
        """Name the function; its process starts with the first call.

        Args:
            function: Of one argument; what it returns travels back.
            limit: The most seconds of a call.
        """
        self._task = Task.of(function, seconds=limit)
        self._worker: Worker | None = None

    def call(self, argument: J) -> R:
        """Call the function.

        Raises:
            StrategyError: It took too long, or ended its process.
            Exception: What it raised.
        """
        if self._worker is None:
            self._worker = Worker(self._task)
        reply = self._worker.do(cloudpickle.dumps(argument))
        if not isinstance(reply, Lost):
            return outcome(argument, reply).result  # type: ignore[no-any-return]
        self._worker = None
        raise lost_in(reply)

    @property
    def is_alive(self) -> bool:
        """Whether the last call has left its process."""
        return self._worker is not None

    def close(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None


def lost_in(lost: Lost, limit: float = 0.0, file: str = "") -> StrategyError:
    """The failure of a user's code that ended its process.

    Args:
        lost: How.
        limit: Of the call that `surrogate_nas.runtime.worker.dump_when_alarmed` may have ended.
        file: Where the code is; what it did last is looked for there.
    """
    place, when = place_in_dump(lost.dump, file)
    words = lost.words.replace("its worker", "its process")
    if _LATE in words:
        words = f"it took more than {limit:g} s"
    line = f"{words}{when} ({place})." if place else f"{words}{when}."
    return StrategyError(line, lost.dump)
