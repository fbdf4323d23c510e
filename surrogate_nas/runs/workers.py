"""The evaluations of one run: when each evaluation starts, and in which order evaluations are
reported to the strategy.

There are three types of workers. `InTurn` is one worker, which evaluates the cells of a proposal
one after another. `SimulatedWorkers` look values up in a table, and each evaluation takes its
recorded cost on the run's clock. `TrainingWorkers` train cells and have two orders of reporting. In
the order of the *clock*, trainings are reported as if each training took its predicted cost, which
depends only on the cell and its epochs. The run is then equal for any number and speed of workers.
In the order of *finishing*, trainings are reported as they end, so no worker waits for another
worker. The run then depends on timing, but it can be replayed from its stored trials.

With a budget in seconds, even a run in the order of the clock depends on timing: costs are
measured, and they determine after which trial the run ends.

In the order of the clock, the start and end times of a run's trials are simulated. There are as
many simulated workers as concurrent trainings, each training takes its charged time, and trainings
are reported in the order of the clock.

A training that ends without a result is retried if a second attempt may succeed. If the worker was
killed or the machine disappeared, the training is retried up to three times. If the training
exceeded its memory or time limit, or gave no sign of life, it is retried once while no other
training runs. If no retry succeeds, the training has failed, with a one-line reason. A training
whose code raises an exception or returns invalid values fails without a retry.

Attempts that failed through a training's own fault are charged to the budget, even if a later
attempt succeeds. Attempts that were lost with their worker are counted separately and not charged,
so a run in the order of the clock does not depend on lost workers.
"""

import heapq
import math
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar

from surrogate_nas.benchmarks.base import Question
from surrogate_nas.core import EvaluationError, UserError, in_a_line, plural
from surrogate_nas.objective import Draw, Objective
from surrogate_nas.runs.ledger import Asked, Ledger, Outcome, cell_of
from surrogate_nas.runs.options import Resources
from surrogate_nas.runs.run import RunLog
from surrogate_nas.runtime.engines import Jobs
from surrogate_nas.runtime.worker import Lost, Task, answer
from surrogate_nas.space import Cell, Trial

T = TypeVar("T")

# How often a training is begun whose worker was lost each time.
_MOST_LOST = 3
_PATIENCE_SECONDS = 0.5
MOST_SAME_FAILURES = 3
"""Number of initial trainings that must fail alike before a mistake in the code is reported."""


class Job(NamedTuple):
    """A cell to train, the metrics to read, and the training seed, or None to use the seed of the
    run.
    """

    cell: Cell
    questions: Sequence[Question]
    seed: int | None = None


class Trained(NamedTuple):
    """The result of a training: the values of the metrics, the cost, and the cost of earlier
    attempts that failed through the training's own fault.
    """

    values: list[float]
    cost: float
    cost_before: float = 0.0


Answer = Trained | EvaluationError
"""The result of a training, or the error that it ended with."""


def is_mistake(failures: Sequence[tuple[str, str]]) -> bool:
    """Return whether all trainings failed for the same reason, so that a mistake in the user's code
    is likely. Each pair in `failures` contains the string of a cell and the reason of its failure,
    which is empty if the training succeeded.
    """
    reasons = {
        failure.partition("; its output is in ")[0].replace(cell, "")
        for cell, failure in failures
    }
    return len(reasons) == 1 and all(failure for _, failure in failures)


class Unstored(Generic[T]):
    """Results of trainings that are stored as they arrive, unless the first results suggest a
    mistake in the user's code.
    """

    def __init__(
        self,
        store: Callable[[list[T]], object],
        failure_of: Callable[[T], tuple[str, str]],
        *,
        is_first: bool = True,
    ) -> None:
        """Start without results.

        Args:
            store: Stores results.
            failure_of: Returns the string of a result's cell, and why its training failed or "".
            is_first: Whether nothing was stored before.
        """
        self._store = store
        self._failure_of = failure_of
        self._results: list[T] = []
        self._may_be_mistake = is_first

    def add(self, results: Sequence[T]) -> None:
        """Add results. Raise a UserError if the first trainings all failed for the same reason."""
        self._results += results
        if self._may_be_mistake:
            failures = [
                self._failure_of(result)
                for result in self._results[:MOST_SAME_FAILURES]
            ]
            self._may_be_mistake = is_mistake(failures)
            if self._may_be_mistake and len(failures) == MOST_SAME_FAILURES:
                raise self._mistake(f"The first {MOST_SAME_FAILURES} trainings")
        if not self._may_be_mistake:
            self.store()

    def _mistake(self, which: str) -> UserError:
        return UserError(
            f"{self._failure_of(self._results[0])[1]}. {which} failed alike, so nothing was"
            " stored. Correct the code and repeat the command."
        )

    def end(self) -> None:
        """Store the remaining results. Raise a UserError if all trainings failed for the same
        reason.
        """
        if self._may_be_mistake and self._results:
            raise self._mistake("All trainings")
        self.store()

    def store(self) -> None:
        """Store the remaining results, even if they suggest a mistake in the user's code."""
        results, self._results = self._results, []
        self._store(results)


@dataclass
class _Training:
    job: Job
    lost: int = 0
    charged: float = 0.0
    is_alone: bool = False


class Trainings:
    """Trainings by number. Trainings are started when they are added, and can be awaited in any
    order.

    Attributes:
        is_interrupted: Whether Ctrl-C was pressed.
        lost: Number of attempts that were lost through no fault of the training, such as with a
            killed worker. Lost attempts are not charged to the budget.
        lost_seconds: Wall-clock seconds of lost attempts, as far as the times could be measured.
    """

    def __init__(
        self,
        objective: Objective,
        draw: Draw,
        options: Resources,
        slots: Jobs,
        note: Callable[..., object] | None = None,
    ) -> None:
        """Start without trainings.

        Args:
            objective: The objective, which determines the metrics to read.
            draw: The training seeds of the run.
            options: The resources of each training.
            slots: The workers, or their counterpart in the process of a run
                (`surrogate_nas.runs.search`).
            note: Called with ``running``, the number of running trainings, when it has changed.
                Called immediately with ``failed``, the reason by cell, or None.
        """
        self.is_interrupted = self._is_told = False
        self.lost = self._n_observed = 0
        self.lost_seconds = 0.0
        benchmark = objective.benchmark
        self._benchmark = benchmark
        self._n_workers = options.parallel
        self._note = note
        self._slots = slots
        self._task = Task.of(
            partial(answer_to, objective, draw),
            threads=options.threads,
            memory=options.memory_bytes,
            seconds=benchmark.longest_seconds,
            silence=benchmark.longest_silence,
            shared=benchmark.in_server,
        )
        self._hearing = ExitStack()
        self._hearing.enter_context(slots.hearing(self.interrupt))
        self._finished: SimpleQueue[tuple[int, Future[Any]]] = SimpleQueue()
        self._trainings: dict[int, _Training] = {}
        # those that were given to the workers, in that order: the first of them run
        self._running: dict[int, Future[Any]] = {}
        self._answers: dict[int, Answer] = {}

    def begin(self, number: int, job: Job) -> None:
        """Submit a training under a number. The training starts as soon as a worker is free."""
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
        """Wait for a training, and return its result. Raise KeyboardInterrupt if Ctrl-C was pressed
        before the training started.
        """
        while number not in self._answers:
            if self.is_interrupted and number not in self._running:
                self.leave()
            self._look(_PATIENCE_SECONDS)
        del self._trainings[number]
        return self._answers.pop(number)

    def leave(self) -> NoReturn:
        """Wait after Ctrl-C until the running trainings have ended and are stored, and then raise
        KeyboardInterrupt.
        """
        while self._running and self._benchmark.keeps_answers:
            self._look(_PATIENCE_SECONDS)
        raise KeyboardInterrupt

    def interrupt(self) -> None:
        """Start no more trainings, as after Ctrl-C."""
        self.is_interrupted = True
        for future in list(self._running.values()):
            future.cancel()  # without effect on what has a worker

    def first(self, patience: float = math.inf) -> int | None:
        """Wait for the training that ends first, and return its number. Return None if no training
        ends within `patience` seconds. After Ctrl-C, raise KeyboardInterrupt if no training is
        running.
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
            left = sum(not future.cancelled() for future in self._running.values())
            sys.stderr.write(
                f"\nInterrupted: waiting for {plural(left, 'training')}. Press Ctrl-C again to end"
                " immediately.\n"
            )
        running = min(len(self._running), self._n_workers)
        if self._note is not None and running != self._n_observed:
            self._n_observed = running
            self._note(running=running)
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
        used = 1.0 if self._benchmark.cost_unit == "queries" else ended.seconds
        if ended.cause == "lost":
            self.lost += 1
            self.lost_seconds += ended.seconds
            used = 0.0
        return EvaluationError(ended.words, ended.cause, used)

    def _end(self, number: int, answer: Answer) -> None:
        """Store an answer, or retry if that may help. A training that exceeded its memory or time
        is retried alone.
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
            if self._note is not None:
                self._note(failed={training.job.cell.text: reason})
        else:
            answer = answer._replace(cost_before=training.charged)
        self._answers[number] = answer

    def close(self) -> None:
        """End all running trainings."""
        self._hearing.close()
        self._slots.drop(self._task)


def answer_to(objective: Objective, draw: Draw, job: Job) -> Answer:
    """Train a cell. If the job has no training seed, use the seed that `draw` determines."""
    try:
        if job.seed is None:
            values, cost = objective.seen(draw, [job.cell], job.questions)
        else:
            values, cost = objective.benchmark.measure(
                [job.cell], job.questions, job.seed
            )
    except EvaluationError as error:
        return EvaluationError(str(error), error.cause, error.cost)
    except OSError as error:  # such as after its descriptors were closed
        return EvaluationError(f"its process is corrupted ({in_a_line(error)})")
    return Trained(values[0].tolist(), float(cost[0]))


class Workers(ABC):
    """The workers that evaluate the cells of one run.

    Attributes:
        most_asked: The largest number of cells that a strategy is asked for at once.
        clock: The time on the run's clock, in the unit of costs.
        is_over: Whether the run is ending, so that no further evaluation is started.
        is_interrupted: Whether Ctrl-C was pressed.
        numbers: Statistics of the workers, by name, which are stored with the run.
    """

    is_interrupted = False
    numbers: Mapping[str, float] = {}

    def __init__(self, ledger: Ledger, limit: float, count: int) -> None:
        """Start without pending evaluations: at most `count` of them, until `limit` on the
        clock.
        """
        self.most_asked = count
        self.clock = self._ready = 0.0
        self.is_over = False
        self._ledger = ledger
        self._limit = limit
        self._count = count
        self._begun = 0
        self._running: list[Any] = []

    @property
    def is_idle(self) -> bool:
        """Return whether no evaluation is pending."""
        return not self._running

    def room(self, left: int) -> int:
        """Return how many evaluations may start now. `left` is the number of evaluations that the
        budget pays for, including pending evaluations.
        """
        return min(self._count, left) - len(self._running)

    @abstractmethod
    def begin(self, asked: Sequence[Asked]) -> None:
        """Start the requested evaluations, as far as the budget allows."""

    @abstractmethod
    def next(self) -> Iterator[list[Trial]]:
        """Wait for the next evaluations that are reported together, and yield their trials as they
        are made.
        """

    def wait_for_strategy(self) -> None:
        """Advance the clock by the strategy's own work, which must be finished before the next
        evaluation starts.
        """
        self._ready = max(self._ready, self.clock + self._ledger.owed)

    def stop(self) -> None:
        """Discard pending evaluations, if they can be stopped."""
        return


class InTurn(Workers):
    """A single worker that evaluates the cells of a proposal one after another. All cells of a
    proposal are reported together.
    """

    def room(self, left: int) -> int:
        """Return how many evaluations may start now: all evaluations of a proposal, if no proposal
        is pending.
        """
        return 0 if self._running else left

    def begin(self, asked: Sequence[Asked]) -> None:
        """Accept a proposal."""
        self._running = [*asked]

    def next(self) -> Iterator[list[Trial]]:
        """Evaluate the cells of the proposal as far as the budget allows. A table is read with a
        single look-up.
        """
        asked, self._running = self._running, []
        is_each_stored = self._ledger.objective.benchmark.one_by_one
        trials = []
        for trial in self._ledger.evaluate(asked, self._limit):
            trials.append(trial)
            if is_each_stored:
                yield [trial]
        if not is_each_stored:
            yield trials
        self.is_over = len(trials) < len(asked)
        self.clock = self._ledger.cost


class SimulatedWorkers(Workers):
    """Simulated workers, for benchmarks in which the cost of an evaluation is available before it
    ends.
    """

    def begin(self, asked: Sequence[Asked]) -> None:
        """Look cells up. If the evaluation of a cell would end after the budget is spent, the run
        ends.
        """
        is_owing = self._ledger.owed > 0
        for outcome in self._ledger.look_up(asked):
            start = self.clock if is_owing else max(self.clock, self._ready)
            is_owing = False
            if start + outcome.cost > self._limit:
                self.is_over = True
                return
            heapq.heappush(
                self._running, (start + outcome.cost, self._begun, start, outcome)
            )
            self._begun += 1

    def next(self) -> Iterator[list[Trial]]:
        """Yield the evaluations that end next on the run's clock. Evaluations that end at one time
        are reported together.
        """
        self.clock = self._running[0][0]
        trials = []
        while self._running and self._running[0][0] == self.clock:
            *_, started, outcome = heapq.heappop(self._running)
            trials.append(self._ledger.trial(outcome, started))
        yield trials


class _Begun(NamedTuple):
    """A started training, ordered by its predicted end.

    It is also charged `owed` for the strategy's own work. It continues after `since` epochs, or
    starts from scratch if None.
    """

    end: float
    number: int
    started: float
    owed: float
    predicted: float
    since: int | None
    asked: Asked


class TrainingWorkers(Workers):
    """Workers that train cells. Trainings that a stored run contains are replayed instead of
    repeated.
    """

    def __init__(
        self,
        ledger: Ledger,
        limit: float,
        count: int,
        *,
        trainings: Trainings,
        log: RunLog | None,
        by_clock: bool,
        stops: bool,
    ) -> None:
        """Start without pending trainings.

        Args:
            ledger: The ledger of the run.
            limit: The time on the run's clock at which it ends.
            count: The largest number of concurrent trainings.
            trainings: Executes the trainings.
            log: The stored run, or None.
            by_clock: Whether trainings are reported in the order of their predicted ends. Otherwise
                they are reported as they end, and the run's clock is the wall clock, without the
                time between two sessions.
            stops: Whether trainings that run at the end of the budget are stopped and not counted,
                instead of awaited.
        """
        super().__init__(ledger, limit, count)
        self._trainings = trainings
        self._log = log
        self._by_clock = by_clock
        self._stops = stops
        self._predicted = 0.0
        self._since = math.nan
        # begun while a stored run is replayed: it may tell what they gave
        self._waiting: list[_Begun] = []

    @property
    def is_interrupted(self) -> bool:  # type: ignore[override]
        """Whether Ctrl-C was pressed."""
        return self._trainings.is_interrupted

    @property
    def numbers(self) -> Mapping[str, float]:  # type: ignore[override]
        """Statistics of attempts that were lost with their workers."""
        return {
            "attempts lost": self._trainings.lost,
            "seconds lost with them": self._trainings.lost_seconds,
        }

    def stop(self) -> None:
        """Discard pending trainings. Running trainings are ended later, when `Trainings` is
        closed.
        """
        self.is_over = True
        self._running.clear()
        self._waiting.clear()

    def begin(self, asked: Sequence[Asked]) -> None:
        """Start the requested trainings, unless the budget is spent."""
        ledger = self._ledger
        for request in asked:
            now = self._now()
            owed = ledger.owed
            started = now if owed else max(now, self._ready)
            predicted = ledger.predicted_cost(request)
            least = predicted if ledger.objective.benchmark.knows_costs else 0.0
            if started >= self._limit or started + owed + least > self._limit:
                self.is_over = True
                return
            ledger.owed = 0.0
            end = self._predicted + (started - now) + owed + predicted
            since = ledger.trained_for(request)
            training = _Begun(
                end, self._begun, started, owed, predicted, since, request
            )
            self._begun += 1
            heapq.heappush(self._running, training)
            self._waiting.append(training)
        self._submit()

    def _submit(self) -> None:
        """Submit trainings to workers, once the stored run has been replayed."""
        if self._entry() is not None:
            return
        waiting, self._waiting = self._waiting, []
        for training in waiting:
            job = Job(cell_of(training.asked), self._ledger.questions(training.asked))
            self._trainings.begin(training.number, job)

    def _entry(self) -> Mapping[str, Any] | None:
        index = self._ledger.evaluations
        if self._log is None or index >= len(self._log.known):
            return None
        entry = self._log.known[index]
        if "start" in entry:
            raise UserError(
                f"{self._log.path} cannot be resumed: trial {index} started from the weights of"
                " another cell, which this release does not support. Name another folder"
                " with --out (in Python folder=)."
            )
        return entry

    def next(self) -> Iterator[list[Trial]]:
        """Yield the trials that are reported next. In the order of the clock, trainings with equal
        predicted ends are reported together.
        """
        trials = []
        for training in self._ending():
            trial = self._trial(training)
            if trial is None:
                break
            trials.append(trial)
        self._submit()
        yield trials

    def _ending(self) -> list[_Begun]:
        """Return the trainings that end next; empty if the run is ended."""
        if self._by_clock:
            # without an interrupt, a shorter one might have been begun by now
            if self.is_interrupted:
                self._trainings.leave()
            together = [heapq.heappop(self._running)]
            if self._ledger.objective.benchmark.knows_costs:
                while self._running and self._running[0].end == together[0].end:
                    together.append(heapq.heappop(self._running))
            return together
        entry = self._entry()
        if entry is None:
            left = self._limit - self._now() if self._stops else math.inf
            number = self._trainings.first(left)
            if number is None:
                self.stop()
                return []
        fitting = [
            training
            for training in self._running
            if (self._is_of(training, entry) if entry else training.number == number)
        ]
        if not fitting:
            assert self._log is not None
            raise self._log.other_history()
        ending = min(fitting, key=lambda training: training.number)
        self._running.remove(ending)  # no heap, of which this order has no need
        return [ending]

    def _trial(self, training: _Begun) -> Trial | None:
        """Return the trial of a finished training, stored or made. Return None if it ended too
        late.
        """
        ledger = self._ledger
        entry = self._entry()
        if entry is not None:
            if not self._is_of(training, entry):
                assert self._log is not None
                raise self._log.other_history()
            self._waiting.remove(training)
            started, finished = entry["started"], entry["finished"]
            outcome = ledger.recorded(training.asked, entry)
        else:
            self._submit()
            started, outcome = training.started, self._made(training)
            end = started + outcome.cost if self._by_clock else self._now()
            finished = max(self.clock, end)
            if finished > self._limit:
                self.is_over = True
                if self._stops:
                    self.stop()
                    return None
        if self._by_clock:
            self._predicted = training.end
        self.clock = finished
        return ledger.trial(outcome, started, finished)

    def _made(self, training: _Begun) -> Outcome:
        answer = self._trainings.answer(training.number)
        asked, charged = training.asked, training.owed
        if isinstance(answer, EvaluationError):
            outcome = self._ledger.failed(asked, str(answer), answer.cost)
        else:
            outcome = self._ledger.answered(
                asked, answer.values, answer.cost, training.since
            )
            charged += answer.cost_before
        return outcome._replace(cost=outcome.cost + charged)

    def _is_of(self, training: _Begun, entry: Mapping[str, Any]) -> bool:
        asked = training.asked
        own = cell_of(asked).text, self._ledger.epochs_of(asked)
        return own == (entry["cell"], entry["epochs"])

    def _now(self) -> float:
        # a stored run is replayed in no time
        if self._by_clock or self._entry() is not None:
            return self.clock
        if math.isnan(self._since):
            self._since = time.monotonic() - self.clock
        return time.monotonic() - self._since
