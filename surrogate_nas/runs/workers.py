"""The evaluations of one run: when each begins, and in which order they are reported.

There are three kinds of workers. `InTurn` is one worker, which evaluates the cells of a proposal
one after another. *Simulated* workers answer at once, from a table, and take the recorded cost on
the run's clock. `TrainingWorkers` train (`surrogate_nas.runs.trainings`). In the order of the
*clock*, trainings are reported as they would end if each took its predicted cost, which only the
cell and its epochs decide: so the run is the same whatever the workers are, how many and how fast.
In the order of *finishing* they are reported as they come: no worker waits for another, and the run
is a race, which its record replays.

A budget in seconds is the exception: charges are measured, so they decide in which trial it ends.

The times of a run in the order of the clock are those of as many workers as it has concurrent
trainings, each taking what the training was charged, reported in that order.
"""

from __future__ import annotations

import heapq
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from surrogate_nas.core.errors import EvaluationError, UserError
from surrogate_nas.runs.ledger import Asked, Ledger, Outcome, cell_of
from surrogate_nas.runs.run import RunLog
from surrogate_nas.runs.trainings import Job, Trainings
from surrogate_nas.space.trial import Trial


class Workers(ABC):
    """The workers of one run.

    Attributes:
        most_asked: How many cells a strategy is asked for at once, at most.
        clock: The time on the run's clock, in the unit of costs.
        is_over: Whether the run ends, so that nothing more is begun.
        is_interrupted: Whether Ctrl-C was pressed.
        numbers: What a run records of its workers, numbers by name.
    """

    is_interrupted = False

    def __init__(self, ledger: Ledger, limit: float, count: int) -> None:
        """Begin with nothing in flight: `count` evaluations at most, until `limit` on the clock."""
        self.most_asked = count
        self.clock = 0.0
        self.is_over = False
        self._ledger = ledger
        self._limit = limit
        self._count = count
        self._begun = 0
        self._ready = 0.0
        self._running: list[Any] = []

    @property
    def numbers(self) -> Mapping[str, float]:
        """What a run records of its workers, numbers by name."""
        return {}

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being evaluated."""
        return not self._running

    def room(self, left: int) -> int:
        """How many evaluations may begin now, where the budget pays for `left` with those in
        flight.
        """
        return min(self._count, left) - len(self._running)

    @abstractmethod
    def begin(self, asked: Sequence[Asked]) -> None:
        """Begin evaluations, as far as the budget allows."""

    @abstractmethod
    def next(self) -> Iterator[list[Trial]]:
        """Give the trials that are reported next, together, as they are made."""

    def wait_for_strategy(self) -> None:
        """Note the work of the strategy itself, which what it asks for next waits for."""
        self._ready = max(self._ready, self.clock + self._ledger.owed)

    def stop(self) -> None:
        """Forget what is in flight, where that can be ended."""
        return


class InTurn(Workers):
    """One worker: it evaluates the cells of a proposal in turn; they are reported together."""

    def room(self, left: int) -> int:
        """How many evaluations may begin now: all of a proposal."""
        return 0 if self._running else left

    def begin(self, asked: Sequence[Asked]) -> None:
        """Take a proposal."""
        self._running = [*asked]

    def next(self) -> Iterator[list[Trial]]:
        """Evaluate the proposal, as far as the budget allows: by one look-up in a table."""
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
    """Workers that know what an evaluation costs before it has run."""

    def begin(self, asked: Sequence[Asked]) -> None:
        """Look cells up; one that would end after the budget ends the run."""
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
        """Give what ends next; together what ends together."""
        self.clock = self._running[0][0]
        trials = []
        while self._running and self._running[0][0] == self.clock:
            *_, started, outcome = heapq.heappop(self._running)
            trials.append(self._ledger.trial(outcome, started))
        yield trials


class _Begun(NamedTuple):
    """A training that has begun; the smallest has the earliest predicted end.

    It is also charged what is `owed` for the strategy's own work, and goes on after the epochs
    `since`, or from scratch if None.
    """

    end: float
    number: int
    started: float
    owed: float
    predicted: float
    since: int | None
    asked: Asked


class TrainingWorkers(Workers):
    """Workers that train; what a stored run tells already is not trained again."""

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
        """Begin with nothing in flight.

        Args:
            ledger: Of the run.
            limit: The time on the run's clock at which it ends.
            count: The largest number of concurrent trainings.
            trainings: Makes them.
            log: The stored run, or None.
            by_clock: Whether trainings are reported in the order of their predicted ends. Else they
                are reported as they come, and the run's clock is the wall's, less the time between
                two sittings.
            stops: Whether trainings that run at the end of the budget are ended and not counted,
                rather than waited for.
        """
        super().__init__(ledger, limit, count)
        self._trainings = trainings
        self._log = log
        self._by_clock = by_clock
        self._stops = stops
        self._predicted = 0.0
        self._since = math.nan
        self._waiting: list[_Begun] = []
        """Begun while a stored run is replayed: it may tell what they gave."""

    @property
    def is_interrupted(self) -> bool:  # type: ignore[override]
        """Whether Ctrl-C was pressed."""
        return self._trainings.is_interrupted

    @property
    def numbers(self) -> Mapping[str, float]:
        """What was lost with workers."""
        return {
            "attempts lost": self._trainings.lost,
            "seconds lost with them": self._trainings.lost_seconds,
        }

    def stop(self) -> None:
        """Forget what is in flight; it is ended when the trainings are closed."""
        self.is_over = True
        self._running.clear()
        self._waiting.clear()

    def begin(self, asked: Sequence[Asked]) -> None:
        """Begin trainings, unless the budget is spent."""
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
            training = _Begun(end, self._begun, started, owed, predicted, since, request)
            self._begun += 1
            heapq.heappush(self._running, training)
            self._waiting.append(training)
        self._submit()

    def _submit(self) -> None:
        """Hand trainings to workers, once nothing more is known of the stored run."""
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
                " another cell, which this release does not do. Name another folder."
            )
        return entry

    def next(self) -> Iterator[list[Trial]]:
        """Give what is reported next; together what ends together where costs are known before."""
        trials = []
        for training in self._ending():
            trial = self._trial(training)
            if trial is None:
                break
            trials.append(trial)
        self._submit()
        yield trials

    def _ending(self) -> list[_Begun]:
        """What ends next, which is in flight no more; empty where the run is ended."""
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
        if entry is not None:
            fitting = [
                training for training in self._running if self._is_of(training, entry)
            ]
        else:
            left = self._limit - self._now() if self._stops else math.inf
            number = self._trainings.first(left)
            if number is None:
                self.stop()
                return []
            fitting = [training for training in self._running if training.number == number]
        if not fitting:
            raise self._other_history()
        ending = min(fitting, key=lambda training: training.number)
        self._running.remove(ending)
        heapq.heapify(self._running)
        return [ending]

    def _trial(self, training: _Begun) -> Trial | None:
        """The trial of a training that has ended, stored or made; None where it comes too late."""
        ledger = self._ledger
        entry = self._entry()
        if entry is not None:
            if not self._is_of(training, entry):
                raise self._other_history()
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
        cell = cell_of(training.asked).text
        epochs = self._ledger.epochs_of(training.asked)
        return (cell, epochs) == (entry["cell"], entry["epochs"])

    def _other_history(self) -> UserError:
        assert self._log is not None
        return self._log.other_history()

    def _now(self) -> float:
        # a stored run is replayed in no time
        if self._by_clock or self._entry() is not None:
            return self.clock
        if math.isnan(self._since):
            self._since = time.monotonic() - self.clock
        return time.monotonic() - self._since
