"""The trainings of one run that are in flight at once, each in a slot of an engine.

A training that ends without a result is tried again where that may help: one whose slot was killed
or whose machine went away is made again, three times at most; one that took more memory or time
than there is, or gave no sign of life, is made once more while nothing else runs. What is left has
failed, for a reason in a line. Code that raises or answers nonsense has failed at once.

What a training is charged includes its attempts that ended by its own fault, also where a later one
ends well. Attempts that were lost are the machine's cost: they are counted apart, so that a run in
the order of the clock is the same whether or not a slot was lost.
"""

from __future__ import annotations

import math
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack
from functools import cache, partial
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, NoReturn, Protocol

import numpy as np

from surrogate_nas.benchmarks.base import Question
from surrogate_nas.core.errors import EvaluationError, in_a_line
from surrogate_nas.core.numbers import plural
from surrogate_nas.objective import Draw, Objective
from surrogate_nas.runs.options import Options
from surrogate_nas.runs.running import Now
from surrogate_nas.runtime.engines import Jobs
from surrogate_nas.runtime.worker import Outcome, Task, outcome
from surrogate_nas.space import Cell

_MOST_LOST = 3
"""How often a training is begun whose slot was lost each time."""
_PATIENCE_SECONDS = 0.5
_REFERENCES = 5
_STEPS = 200


class Job(NamedTuple):
    """What a slot is given.

    Attributes:
        cell: What is trained.
        questions: What is read of it.
        seed: The training seed; None for what the run sees.
    """

    cell: Cell
    questions: Sequence[Question]
    seed: int | None = None


class Trained(NamedTuple):
    """What a training gave.

    Attributes:
        values: In natural units.
        cost: What the benchmark charges for it.
        slot: Machine and process that trained.
        reference_seconds: What a reference training takes there.
        cost_before: What attempts before it took that ended by its own fault; charged too.
    """

    values: list[float]
    cost: float
    slot: str
    reference_seconds: float
    cost_before: float = 0.0


Answer = Trained | EvaluationError
"""What a training gave, or why it gave nothing."""


class Slots(Protocol):
    """Where trainings are made: `surrogate_nas.runtime.engines.Jobs`, or those of another process
    (`surrogate_nas.runs.apart`).
    """

    def submit(self, task: Task, job: Any, *, alone: bool = False) -> Future[Any]:
        """Give a job, as `surrogate_nas.runtime.engines.Jobs.submit`."""

    def drop(self, task: Task) -> None:
        """End all jobs of a task."""

    def hearing(self, note: Callable[[], None]) -> AbstractContextManager[None]:
        """Let the first Ctrl-C call a function."""


def slots_of(options: Options, engine: str) -> Jobs:
    """The slots of one run.

    Args:
        options: Say how many trainings at once, and which devices they have.
        engine: Where they are.
    """
    return Jobs(engine, options.parallel, options.devices)


class Trainings:
    """Trainings by number, begun when they are given and waited for in any order.

    Attributes:
        is_interrupted: Whether Ctrl-C was pressed.
        reference_seconds: What a reference training takes in each slot that has answered.
        lost: How many attempts were lost through no fault of the training; they are not charged.
        lost_seconds: What these took, by the wall's clock, as far as it is known.
        now: What trains now, told as it changes.
    """

    def __init__(
        self,
        objective: Objective,
        draw: Draw,
        options: Options,
        slots: Slots,
        now: Now | None = None,
    ) -> None:
        """Begin with nothing.

        Args:
            objective: Whose questions are answered.
            draw: The seeds that the run sees.
            options: Say what of the machine each training has.
            slots: Where they are made, perhaps beside those of other runs.
            now: Who is told what trains now, or None.
        """
        self.is_interrupted = False
        self.reference_seconds: dict[str, float] = {}
        self.lost = 0
        self.lost_seconds = 0.0
        self.now = now or Now(options.parallel)
        benchmark = objective.benchmark
        self._counts_queries = benchmark.cost == "queries"
        self._slots = slots
        self._task = Task.of(
            partial(_answer, objective, draw),
            threads=options.threads_each,
            memory=options.memory_bytes,
            seconds=benchmark.longest_seconds,
            silence=benchmark.longest_silence,
        )
        self._keeps_answers = benchmark.keeps_answers
        self._is_told = False
        self._hearing = ExitStack()
        self._hearing.enter_context(slots.hearing(self.interrupt))
        self._ended: SimpleQueue[tuple[int, Future[Any]]] = SimpleQueue()
        self._running: dict[int, Future[Any]] = {}
        """Those that were given to the slots."""
        self._jobs: dict[int, Job] = {}
        self._answers: dict[int, Answer] = {}
        self._lost: dict[int, int] = {}
        self._charged: dict[int, float] = {}
        """What attempts took that ended by their own fault."""
        self._tried_alone: set[int] = set()

    def begin(self, number: int, job: Job) -> None:
        """Give a training, which is begun as soon as a slot is free."""
        self._jobs[number] = job
        self._submit(number)

    def answer(self, number: int) -> Answer:
        """Wait for a certain training.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed before it was in a slot.
        """
        while number not in self._answers:
            if self.is_interrupted and number not in self._running:
                self.leave()
            self._look(_PATIENCE_SECONDS)
        return self._taken(number)

    def leave(self) -> NoReturn:
        """End after Ctrl-C, once what runs has ended, where its answers are kept."""
        while self._running and self._keeps_answers:
            self._look(_PATIENCE_SECONDS)
        raise KeyboardInterrupt

    def interrupt(self) -> None:
        """Begin nothing more, as after Ctrl-C."""
        self.is_interrupted = True
        for future in list(self._running.values()):
            future.cancel()  # without effect on what has a slot

    def first(self, patience: float = float("inf")) -> tuple[int, Answer] | None:
        """Wait for the training that ends first; None where none does for some seconds.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed, and nothing runs any more.
        """
        until = time.monotonic() + patience
        while not self._answers:
            if self.is_interrupted and not self._running:
                raise KeyboardInterrupt
            left = until - time.monotonic()
            if left <= 0:
                return None
            self._look(min(left, _PATIENCE_SECONDS))
        number = next(iter(self._answers))
        return number, self._taken(number)

    def _taken(self, number: int) -> Answer:
        del self._jobs[number]
        self.now.told(number)
        return self._answers.pop(number)

    def _submit(self, number: int, *, alone: bool = False) -> None:
        if self.is_interrupted:
            return
        future = self._slots.submit(self._task, self._jobs[number], alone=alone)
        self._running[number] = future
        self.now.given(number, alone=alone)
        future.add_done_callback(lambda ended: self._ended.put((number, ended)))

    def _look(self, patience: float) -> None:
        """Take what ends within some seconds, if anything does."""
        if self.is_interrupted and not self._is_told:
            self._is_told = True
            running = plural(sum(one.running() for one in self._running.values()), "training")
            sys.stderr.write(f"\nInterrupted: waits for {running}; Ctrl-C again ends at once.\n")
        self.now.look()
        try:
            number, future = self._ended.get(timeout=patience)
        except Empty:
            return
        del self._running[number]
        self.now.left(number)
        if future.cancelled() or future.result() is None:
            return
        answer = self._answered(outcome(self._jobs[number], future.result()))
        if isinstance(answer, EvaluationError):
            self._failed(number, answer)
        else:
            self.reference_seconds[answer.slot] = answer.reference_seconds
            before = self._charged.pop(number, 0.0)
            self._answers[number] = answer._replace(cost_before=before)
            self.now.answered(number)

    def _answered(self, outcome: Outcome[Job, Answer]) -> Answer:
        """What a slot gave, or how it was lost and what that is charged."""
        if not outcome.failure:
            return outcome.result
        if outcome.cause == "lost":
            self.lost += 1
            self.lost_seconds += outcome.seconds
            return EvaluationError(outcome.failure, "lost")
        used = 1.0 if self._counts_queries else outcome.seconds
        return EvaluationError(outcome.failure, outcome.cause, used)

    def _failed(self, number: int, error: EvaluationError) -> None:
        """Try again where that may help: one that ran out of memory or time while it is alone."""
        self._charged[number] = self._charged.get(number, 0.0) + error.cost
        reason = str(error)
        if error.cause == "lost":
            self._lost[number] = self._lost.get(number, 0) + 1
            if self._lost[number] < _MOST_LOST:
                self.now.again(number, reason)
                self._submit(number)
                return
            reason = f"lost {_MOST_LOST} times: {reason}"
        elif error.cause == "resources" and number not in self._tried_alone:
            self._tried_alone.add(number)
            self.now.again(number, reason)
            self._submit(number, alone=True)
            return
        self._answers[number] = EvaluationError(reason, error.cause, self._charged.pop(number))
        self.now.answered(number, reason)

    @property
    def speeds(self) -> dict[str, float]:
        """How fast each slot is, as a share of the fastest."""
        fastest = min(self.reference_seconds.values(), default=1.0)
        return {slot: fastest / seconds for slot, seconds in self.reference_seconds.items()}

    def close(self) -> None:
        """End what still runs."""
        self._hearing.close()
        self.now.close()
        self._slots.drop(self._task)


def _answer(objective: Objective, draw: Draw, job: Job) -> Answer:
    """Train a cell, in a slot."""
    reference = reference_seconds()
    try:
        if job.seed is None:
            values, cost = objective.seen(draw, [job.cell], job.questions)
        else:
            values, cost = objective.benchmark.measure([job.cell], job.questions, job.seed)
    except EvaluationError as error:
        return EvaluationError(str(error), error.cause, error.cost)
    except OSError as error:  # such as after its descriptors were closed
        return EvaluationError(f"its process is spoilt ({in_a_line(error)})")
    slot = f"{platform.node()}-{os.getpid()}"
    return Trained(values[0].tolist(), float(cost[0]), slot, reference)


@cache
def reference_seconds() -> float:
    """The processor seconds of a small training here, the least of some; measured once a process.

    A network of one layer takes a few steps down the gradient of a squared error, on 256 examples.
    """
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(256, 64))
    wanted = rng.normal(size=(256, 8))
    least = math.inf
    for _ in range(_REFERENCES):
        weights = np.zeros((64, 8))
        begun = time.process_time()
        for _ in range(_STEPS):
            weights -= 1e-4 * inputs.T @ (np.tanh(inputs @ weights) - wanted)
        least = min(least, time.process_time() - begun)
    return least
