"""Call a user's code in a process of its own, with a time limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import cloudpickle

from surrogate_nas.runtime.failure import StrategyError, location_in_dump
from surrogate_nas.runtime.worker import Lost, Task, Worker, outcome

START_SECONDS = 60.0
"""The longest that a user's file may take to be imported."""
_LATE = "killed by SIGALRM"
J = TypeVar("J")
R = TypeVar("R")


def call_aside(function: Callable[[J], R], argument: J, limit: float) -> R:
    """Call a function in a fresh process, which ends with the call or after `limit` seconds.

    Raises:
        StrategyError: It took too long, or ended its process.
        Exception: What it raised.
    """
    worker = Worker(Task.of(function, seconds=limit))
    try:
        reply = worker.do(cloudpickle.dumps(argument))
    finally:
        worker.end()
    if isinstance(reply, Lost):
        raise lost_in(reply)
    return outcome(argument, reply).result  # type: ignore[no-any-return]


def lost_in(lost: Lost, limit: float = 0.0, file: str = "") -> StrategyError:
    """The failure of a user's code, which lies in a file, that ended its process.

    The limit is that of a call which `surrogate_nas.runtime.worker.dump_when_alarmed` may end.
    """
    location, when = location_in_dump(lost.dump, file)
    words = lost.words.replace("its worker", "its process")
    if _LATE in words:
        words = f"it took more than {limit:g} s"
    where = f" ({location})" if location else ""
    return StrategyError(f"{words}{when}{where}.", lost.dump)
