"""The concurrent trainings of one run, each in a worker of an engine.

A training that ends without a result is tried again where that may help: one whose worker was
killed or whose machine went away is made again, three times at most; one that took more memory or
time than there is, or gave no sign of life, is made once more while nothing else runs. Otherwise it
has failed, for a reason in a line. Code that raises or answers nonsense has failed at once.

A training is charged for its attempts that ended by its own fault, also where a later one ends
well. Lost attempts are the machine's cost: they are counted apart, so that a run in the order of
the clock is the same whether or not a worker was lost.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Generic, NamedTuple, NoReturn, Protocol, TypeVar

from surrogate_nas.benchmarks.base import Question
from surrogate_nas.core.errors import EvaluationError, UserError, in_a_line
from surrogate_nas.core.numbers import plural
from surrogate_nas.objective import Draw, Objective
from surrogate_nas.runs.options import Options
from surrogate_nas.runtime.engines import Jobs
from surrogate_nas.runtime.worker import Lost, Task, answer
from surrogate_nas.space import Cell

T = TypeVar("T")

_MOST_LOST = 3
"""How often a training is begun whose worker was lost each time."""
_PATIENCE_SECONDS = 0.5
MOST_SAME_FAILURES = 3
"""The number of trainings that fail alike at the beginning after which a mistake is reported."""


class Job(NamedTuple):
    """A cell, what is read of its training, and the seed; None for that which the run sees."""

    cell: Cell
    questions: Sequence[Question]
    seed: int | None = None


class Trained(NamedTuple):
    """The values of a training, its cost, and that of earlier attempts that failed by their own
    fault.
    """

    values: list[float]
    cost: float
    cost_before: float = 0.0


Answer = Trained | EvaluationError
"""The result of a training, or why there is none."""


def is_mistake(failures: Sequence[tuple[str, str]]) -> bool:
    """Whether a mistake in the user's code may have made all of some trainings fail alike, by the
    text of the cell of each and why it failed, empty where it did not.
    """
    reasons = {
        failure.partition("; its output is in ")[0].replace(cell, "")
        for cell, failure in failures
    }
    return len(reasons) == 1 and all(failure for _, failure in failures)


class Unstored(Generic[T]):
    """Results that are stored as they come, unless a mistake may have made the first of them."""

    def __init__(
        self,
        store: Callable[[list[T]], object],
        failure_of: Callable[[T], tuple[str, str]],
        *,
        is_first: bool = True,
    ) -> None:
        """Begin with nothing.

        Args:
            store: Stores results.
            failure_of: Gives the text of a result's cell, and why its training failed or "".
            is_first: Whether nothing was stored before.
        """
        self._store = store
        self._failure_of = failure_of
        self._results: list[T] = []
        self._may_be_mistake = is_first

    def add(self, results: Sequence[T]) -> None:
        """Take further results; a UserError if the first trainings failed alike."""
        self._results += results
        if self._may_be_mistake:
            failures = [
                self._failure_of(result) for result in self._results[:MOST_SAME_FAILURES]
            ]
            self._may_be_mistake = is_mistake(failures)
            if self._may_be_mistake and len(failures) == MOST_SAME_FAILURES:
                raise self._mistake(f"The first {MOST_SAME_FAILURES} trainings")
        if not self._may_be_mistake:
            self.store()

    def _mistake(self, which: str) -> UserError:
        return UserError(
            f"{self._failure_of(self._results[0])[1]}. {which} failed alike, so nothing was"
            " stored: mend it and run the same command again."
        )

    def end(self) -> None:
        """Store what is left; a UserError if all trainings failed alike."""
        if self._may_be_mistake and self._results:
            raise self._mistake("All trainings")
        self.store()

    def store(self) -> None:
        """Store what is left, whatever made it."""
        results, self._results = self._results, []
        self._store(results)


class Watcher(Protocol):
    """An observer of the trainings of one run."""

    def running(self, running: int) -> None:
        """Called with the number of trainings that have a worker, where it has changed."""

    def failed(self, cell: str, reason: str) -> None:
        """Called at once with the cell's text and the reason of each training that has failed."""


@dataclass
class _Training:
    job: Job
    lost: int = 0
    charged: float = 0.0
    is_alone: bool = False


class Trainings:
    """Trainings by number, begun when they are given and waited for in any order.

    Attributes:
        is_interrupted: Whether Ctrl-C was pressed.
        lost: How many attempts were lost through no fault of the training; they are not charged.
        lost_seconds: How long these took, by the wall's clock, as far as it is known.
    """

    def __init__(
        self,
        objective: Objective,
        draw: Draw,
        options: Options,
        slots: Jobs,
        watcher: Watcher | None = None,
    ) -> None:
        """Begin with nothing.

        Args:
            objective: Whose questions are answered.
            draw: The seeds that the run sees.
            options: Say what of the machine each training has.
            slots: Where they are made, or what stands for that in another process
                (`surrogate_nas.runs.apart`).
            watcher: Observes them, or None.
        """
        self.is_interrupted = False
        self.lost = 0
        self.lost_seconds = 0.0
        benchmark = objective.benchmark
        self._benchmark = benchmark
        self._n_workers = options.parallel
        self._watcher = watcher
        self._n_observed = 0
        self._slots = slots
        self._task = Task.of(
            partial(answer_to, objective, draw),
            threads=options.threads_each,
            memory=options.memory_bytes,
            seconds=benchmark.longest_seconds,
            silence=benchmark.longest_silence,
        )
        self._is_told = False
        self._hearing = ExitStack()
        self._hearing.enter_context(slots.hearing(self.interrupt))
        self._finished: SimpleQueue[tuple[int, Future[Any]]] = SimpleQueue()
        self._trainings: dict[int, _Training] = {}
        self._running: dict[int, Future[Any]] = {}
        """Those that were given to the workers, in that order: the first of them run."""
        self._answers: dict[int, Answer] = {}

    def begin(self, number: int, job: Job) -> None:
        """Give a training, by its number, to the workers; it begins as soon as one is free."""
        self._trainings[number] = _Training(job)
        self._submit(number)

    def _submit(self, number: int) -> None:
        if self.is_interrupted:
            return
        training = self._trainings[number]
        future = self._slots.submit(self._task, training.job, alone=training.is_alone)
        self._running[number] = future
        future.add_done_callback(lambda ended: self._finished.put((number, ended)))

    def answer(self, number: int) -> Answer:
        """Wait for a certain training; KeyboardInterrupt if Ctrl-C came before it had a worker."""
        while number not in self._answers:
            if self.is_interrupted and number not in self._running:
                self.leave()
            self._look(_PATIENCE_SECONDS)
        del self._trainings[number]
        return self._answers.pop(number)

    def leave(self) -> NoReturn:
        """End after Ctrl-C, once what runs has ended, where its answers are kept."""
        while self._running and self._benchmark.keeps_answers:
            self._look(_PATIENCE_SECONDS)
        raise KeyboardInterrupt

    def interrupt(self) -> None:
        """Begin nothing more, as after Ctrl-C."""
        self.is_interrupted = True
        for future in list(self._running.values()):
            future.cancel()  # without effect on what has a worker

    def first(self, patience: float = math.inf) -> int | None:
        """Wait for the training that ends first; None where none does for some seconds, and
        KeyboardInterrupt where nothing runs after Ctrl-C.
        """
        until = time.monotonic() + patience
        while not self._answers:
            if self.is_interrupted and not self._running:
                raise KeyboardInterrupt
            left = until - time.monotonic()
            if left <= 0:
                return None
            self._look(min(left, _PATIENCE_SECONDS))
        return next(iter(self._answers))

    def _look(self, patience: float) -> None:
        if self.is_interrupted and not self._is_told:
            self._is_told = True
            left = sum(future.running() for future in self._running.values())
            sys.stderr.write(
                f"\nInterrupted: waits for {plural(left, 'training')}; Ctrl-C again ends at"
                " once.\n"
            )
        running = min(len(self._running), self._n_workers)
        if self._watcher is not None and running != self._n_observed:
            self._n_observed = running
            self._watcher.running(running)
        try:
            number, future = self._finished.get(timeout=patience)
        except Empty:
            return
        del self._running[number]
        if not future.cancelled() and future.result() is not None:
            self._end(number, self._answered(future.result()))

    def _answered(self, reply: Any) -> Answer:
        ended: Answer | Lost = answer(reply)
        if not isinstance(ended, Lost):
            return ended
        used = 1.0 if self._benchmark.cost == "queries" else ended.seconds
        if ended.cause == "lost":
            self.lost += 1
            self.lost_seconds += ended.seconds
            used = 0.0
        return EvaluationError(ended.words, ended.cause, used)

    def _end(self, number: int, answer: Answer) -> None:
        """Keep an answer, or try again where that may help: one that ran out of memory or time
        while it is alone.
        """
        training = self._trainings[number]
        if isinstance(answer, EvaluationError):
            training.charged += answer.cost
            reason = str(answer)
            is_lost = answer.cause == "lost"
            training.lost += is_lost
            if is_lost and training.lost == _MOST_LOST:
                reason = f"lost {_MOST_LOST} times: {reason}"
            elif is_lost or (answer.cause == "resources" and not training.is_alone):
                training.is_alone |= not is_lost
                self._submit(number)
                return
            answer = EvaluationError(reason, answer.cause, training.charged)
            if self._watcher is not None:
                self._watcher.failed(training.job.cell.text, reason)
        else:
            answer = answer._replace(cost_before=training.charged)
        self._answers[number] = answer

    def close(self) -> None:
        """End what still runs."""
        self._hearing.close()
        self._slots.drop(self._task)


def answer_to(objective: Objective, draw: Draw, job: Job) -> Answer:
    """Train; the seed of the job is that of the draw where it is None."""
    try:
        if job.seed is None:
            values, cost = objective.seen(draw, [job.cell], job.questions)
        else:
            values, cost = objective.benchmark.measure([job.cell], job.questions, job.seed)
    except EvaluationError as error:
        return EvaluationError(str(error), error.cause, error.cost)
    except OSError as error:  # such as after its descriptors were closed
        return EvaluationError(f"its process is spoilt ({in_a_line(error)})")
    return Trained(values[0].tolist(), float(cost[0]))
