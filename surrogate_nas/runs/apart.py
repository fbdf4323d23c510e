"""A run in a process of its own: that of a user's strategy, and those that are made side by side
and train in slots.

The process sends the trials of the run as they come, and asks this one for its trainings, which one
dispatcher hands out to the slots of all runs. What ends the process ends the run, with the trials
until then.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

import cloudpickle

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.process import first_noted
from surrogate_nas.runs.run import Run
from surrogate_nas.runs.sandbox import received, sent
from surrogate_nas.runs.search import Watch
from surrogate_nas.runs.workers import Watcher
from surrogate_nas.runtime.engines import Jobs
from surrogate_nas.runtime.user_code import as_strategy_error, lost_in
from surrogate_nas.runtime.worker import PRELOADED, Lost, Task, Worker, answer, hear, say
from surrogate_nas.space.trial import Trial
from surrogate_nas.strategies import StrategyEntry

PRELOADED.extend([__name__, "surrogate_nas.strategies.bo.strategy"])
INTERRUPT = "interrupt"
"""What the process of a run is told after Ctrl-C."""
Make = Callable[..., Run]
"""Makes a run; takes `entry`, `watch`, `watcher`, `slots` and `kept`."""


class _Above:
    """The process that follows a run, from inside: its slots, its watcher, and what it watches."""

    def __init__(self, *, is_watched: bool) -> None:
        self._is_watched = is_watched
        self._interrupted: Callable[[], None] | None = None
        self._is_interrupted = False
        self._ends: queue.SimpleQueue[bool | None] = queue.SimpleQueue()
        self._is_over: bool | None = False
        self._numbers = itertools.count()
        self._futures: dict[int, Future[Any]] = {}
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                match hear():
                    case (int() as number, reply):
                        self._futures.pop(number).set_result(reply)
                    case str():
                        self._is_interrupted = True
                        say(("withdraw",))
                        if self._interrupted is not None:
                            self._interrupted()
                    case is_over:
                        self._ends.put(is_over)

    @contextmanager
    def hearing(self, note: Callable[[], None]) -> Iterator[None]:
        self._interrupted = note
        if self._is_interrupted:
            note()
        yield
        self._interrupted = None

    def keep(self, trials: Sequence[Trial]) -> None:
        say(("trials", trials))
        if self._is_watched:
            self._is_over = self._ends.get()

    def watch(self, _: Sequence[Trial]) -> bool | None:
        return self._is_over

    def running(self, running: int) -> None:
        say(("watcher", "running", running))

    def failed(self, cell: str, reason: str) -> None:
        say(("watcher", "failed", cell, reason))

    def submit(self, task: Task, job: Any, *, alone: bool = False) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        number = next(self._numbers)
        self._futures[number] = future
        say(("train", number, task, job, alone))
        return future

    def drop(self, task: Task) -> None:
        say(("drop", task))


def _made(make: Make, told: bool, is_watched: bool, entry: Any) -> Run | None:
    """Make a run in this process; None where it was interrupted."""
    above = _Above(is_watched=is_watched)
    try:
        return make(
            entry=received(entry),
            watch=above.watch,
            watcher=above if told else None,
            slots=above,
            kept=above.keep,
        )
    except KeyboardInterrupt:
        return None


class Follower:
    """Follows a run in a process of its own, from outside.

    Attributes:
        trials: What it has made so far.
    """

    def __init__(
        self,
        slots: Jobs | None = None,
        watch: Watch | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        """Follow nothing yet; trainings are made in `slots`."""
        self.trials: list[Trial] = []
        self._slots = slots
        self._watch = watch
        self._watcher = watcher
        self._trainings: set[Future[Any]] = set()
        self._error: BaseException | None = None

    def made(self, make: Make, entry: StrategyEntry, limit: float, file: str) -> Run:
        """Have a run made, each call of whose strategy may take `limit` seconds; `file` has its
        code.

        Raises:
            UserError: The run ended its process, or could not be made there.
            KeyboardInterrupt: Ctrl-C was pressed; what trained then has ended.
        """
        packed = sent(entry)
        function = partial(_made, make, self._watcher is not None, self._watch is not None)
        self._worker = Worker(Task.of(function))
        with ExitStack() as stack:
            stack.callback(self._worker.end)
            if self._slots is not None:
                stack.enter_context(first_noted(partial(self._worker.send, INTERRUPT)))
            reply = self._worker.do(cloudpickle.dumps(packed), self._heard)
        if self._error is not None:
            raise self._error
        if isinstance(reply, Lost):
            raise lost_in(reply, limit, file)
        try:
            run = answer(reply)
        except UserError:
            raise
        except Exception as error:
            if entry.is_trusted:
                raise
            raise as_strategy_error(error, "ran", file) from error
        if run is None:
            raise KeyboardInterrupt
        return run  # type: ignore[no-any-return]

    def _heard(self, content: Any) -> None:
        match content:
            case ("trials", trials):
                self.trials += trials
                if self._watch is not None:
                    self._worker.send(self._watch(trials))
            case ("watcher", name, *arguments):
                getattr(self._watcher, name)(*arguments)
            case ("train", number, task, job, alone):
                assert self._slots is not None
                future = self._slots.submit(task, job, alone=alone)
                self._trainings.add(future)
                future.add_done_callback(partial(self._trained, number))
            case ("drop", task):
                assert self._slots is not None
                self._slots.drop(task)
            case _:
                for future in [*self._trainings]:
                    future.cancel()

    def _trained(self, number: int, future: Future[Any]) -> None:
        """Pass on how a training ended; what the engine raises ends the run."""
        self._trainings.discard(future)
        reply = None
        if not future.cancelled():
            self._error = future.exception()
            if self._error is not None:
                self._worker.kill()
                return
            reply = future.result()
        with suppress(OSError):
            self._worker.send((number, reply))
