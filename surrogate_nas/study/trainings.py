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
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache, partial
from typing import NamedTuple, NoReturn

import numpy as np

from surrogate_nas.benchmarks.base import Question
from surrogate_nas.core.errors import EvaluationError
from surrogate_nas.core.interrupts import first_noted
from surrogate_nas.core.numbers import plural
from surrogate_nas.objective import Draw, Objective
from surrogate_nas.runtime.engines import Outcome, Slots
from surrogate_nas.runtime.shared import SharedSlots
from surrogate_nas.space import Cell
from surrogate_nas.study.options import Options
from surrogate_nas.study.running import Now

_MOST_LOST = 3
"""How often a training is begun whose slot was lost each time."""
_PATIENCE_SECONDS = 0.5
_POLL_SECONDS = 0.05
"""How often a run looks for a free slot among those that runs share."""
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
        engine: str,
        now: Now | None = None,
        shared: SharedSlots | None = None,
    ) -> None:
        """Open the slots.

        Args:
            objective: Whose questions are answered.
            draw: The seeds that the run sees.
            options: Say how many trainings at once, and what of the machine each has.
            engine: Where they are made.
            now: Who is told what trains now, or None.
            shared: The slots of all runs that are made side by side, of which this one takes as
                many as are free, up to its own; None where it has its own for itself.
        """
        self.is_interrupted = False
        self.reference_seconds: dict[str, float] = {}
        self.lost = 0
        self.lost_seconds = 0.0
        self.now = now or Now(options.parallel)
        benchmark = objective.benchmark
        self._counts_queries = benchmark.cost == "queries"
        self._slots = Slots[Job, Answer](
            partial(_answer, objective, draw),
            options.parallel,
            engine,
            devices=options.devices,
            threads=options.threads_each,
            memory=options.memory_bytes,
            runs_strangers=True,
            seconds=benchmark.longest_seconds,
            silence=benchmark.longest_silence,
        )
        self._keeps_answers = benchmark.keeps_answers
        self._is_told = False
        self._hearing = ExitStack()
        self._hearing.enter_context(first_noted(self._interrupt))
        self._shared = shared
        self._most = options.parallel
        self._shares: dict[int, int] = {}
        """The shared slots that trainings have."""
        self._jobs: dict[int, Job] = {}
        self._answers: dict[int, Answer] = {}
        self._lost: dict[int, int] = {}
        self._charged: dict[int, float] = {}
        """What attempts took that ended by their own fault."""
        self._waiting: deque[int] = deque()
        self._alone: deque[int] = deque()
        self._running: set[int] = set()
        self._is_alone = False

    def begin(self, number: int, job: Job) -> None:
        """Give a training, which is begun as soon as a slot is free."""
        self._jobs[number] = job
        self._waiting.append(number)
        self._hand_out()

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

    def _interrupt(self) -> None:
        self.is_interrupted = True

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

    def _hand_out(self) -> None:
        """Begin what may run: one that ran out of memory or time waits until it is alone."""
        if self._is_alone or self.is_interrupted:
            return
        if self._alone:
            if not self._running and (self._shared is None or self._shared.take_all()):
                self._is_alone = True
                self._submit(self._alone.popleft())
            return
        while self._waiting and self._takes_slot(self._waiting[0]):
            self._submit(self._waiting.popleft())

    def _takes_slot(self, number: int) -> bool:
        """Whether there is a slot for a training, which is then its own where slots are shared."""
        if self._shared is None:
            return True
        slot = self._shared.take() if len(self._running) < self._most else None
        if slot is not None:
            self._shares[number] = slot
        return slot is not None

    def _leave_slot(self, number: int) -> None:
        """Let other runs have what a training had."""
        if self._shared is None:
            return
        if number in self._shares:
            self._shared.leave(self._shares.pop(number))
        else:  # it was alone
            self._shared.leave_all()

    def _submit(self, number: int) -> None:
        self._running.add(number)
        self.now.given(number, alone=self._is_alone)
        slot = None if self._shared is None else self._shares.get(number, 0)
        self._slots.submit(number, self._jobs[number], slot)

    def _look(self, patience: float) -> None:
        """Take what ends within some seconds, if anything does."""
        if self._shared is not None and (self._waiting or self._alone):
            self._hand_out()
            patience = min(patience, _POLL_SECONDS)
        if self.is_interrupted and not self._is_told:
            self._is_told = True
            running = plural(len(self._running), "training")
            sys.stderr.write(f"\nInterrupted: waits for {running}; Ctrl-C again ends at once.\n")
        self.now.look()
        found = self._slots.next(patience)
        if found is None:
            return
        number, outcome = found
        self._running.discard(number)
        self._leave_slot(number)
        self.now.left(number)
        was_alone = self._is_alone
        self._is_alone = False
        answer = self._answered(outcome)
        if isinstance(answer, EvaluationError):
            self._failed(number, answer, was_alone)
        else:
            self.reference_seconds[answer.slot] = answer.reference_seconds
            before = self._charged.pop(number, 0.0)
            self._answers[number] = answer._replace(cost_before=before)
            self.now.answered(number)
        self._hand_out()

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

    def _failed(self, number: int, error: EvaluationError, was_alone: bool) -> None:
        """Try again where that may help."""
        self._charged[number] = self._charged.get(number, 0.0) + error.cost
        reason = str(error)
        if error.cause == "lost":
            self._lost[number] = self._lost.get(number, 0) + 1
            if self._lost[number] < _MOST_LOST:
                self._waiting.appendleft(number)
                self.now.again(number, reason)
                return
            reason = f"lost {_MOST_LOST} times: {reason}"
        elif error.cause == "resources" and not was_alone:
            self._alone.append(number)
            self.now.again(number, reason)
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
        self._slots.close()
        if self._shared is not None:
            self._shared.leave_all()


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
