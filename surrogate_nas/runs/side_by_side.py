"""Several evaluations of one run at once: who begins when, and in which order they are told.

There are three kinds of workers. *Simulated* ones answer at once, from a table, and take the
recorded cost on the run's clock. The others train, in slots (`surrogate_nas.runs.trainings`). In
the order of the *clock*, trainings are told as they would end if each took its predicted cost,
which only the cell and its epochs decide: so the run is the same whatever the slots are, how many
and how fast. In the order of *finishing* they are told as they come: no slot waits for another, and
the run is a race, which its record replays.

A budget in seconds is the exception: charges are measured, so they decide in which trial it ends.

The times of a run in the order of the clock are those of as many workers as it has trainings in
flight, each taking what the training was charged, told in that order.
"""

from __future__ import annotations

import heapq
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from surrogate_nas.core.errors import EvaluationError, UserError
from surrogate_nas.runs.ledger import Asked, Ledger, Outcome, cell_of
from surrogate_nas.runs.run import RunLog
from surrogate_nas.runs.trainings import Answer, Job, Trainings
from surrogate_nas.space import Cell
from surrogate_nas.space.trial import Trial
from surrogate_nas.tables import Seed

SLOWEST = "slowest, share of the fastest"
"""Among the numbers that are told of slots."""


class Workers(ABC):
    """What evaluates cells side by side for one run.

    Attributes:
        count: How many evaluations may be in flight.
        clock: What the run's clock shows, in the unit of costs.
        is_over: Whether the budget of the run ends it, so that nothing more is begun.
    """

    def __init__(self, ledger: Ledger, count: int, limit: float) -> None:
        """Begin with nothing in flight.

        Args:
            ledger: Of the run.
            count: How many evaluations may be in flight.
            limit: The time on the run's clock at which it ends; infinite for none.
        """
        self.count = count
        self.clock = 0.0
        self.is_over = False
        self._ledger = ledger
        self._limit = limit
        self._begun = 0
        self._ready = 0.0

    @property
    @abstractmethod
    def in_flight(self) -> int:
        """How many evaluations are in flight."""

    @abstractmethod
    def begin(self, asked: Sequence[Asked]) -> None:
        """Begin evaluations, as far as the budget allows."""

    @abstractmethod
    def next(self) -> list[Trial]:
        """The trials that are told next, together; empty where the run is ended instead."""

    def wait_for_strategy(self) -> None:
        """Note the work of the strategy itself, which what it asks for next waits for."""
        self._ready = max(self._ready, self.clock + self._ledger.owed)

    @property
    def is_interrupted(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return False

    @property
    def of_slots(self) -> Mapping[str, float]:
        """What is told of the slots, numbers by name; empty where there are none."""
        return {}

    def drop(self) -> None:
        """Forget what is in flight."""
        return


class SimulatedWorkers(Workers):
    """Workers that know what an evaluation costs before it has run."""

    def __init__(self, ledger: Ledger, count: int, limit: float) -> None:
        """Begin with nothing in flight."""
        super().__init__(ledger, count, limit)
        self._running: list[tuple[float, int, float, Outcome]] = []

    @property
    def in_flight(self) -> int:
        """How many evaluations are in flight."""
        return len(self._running)

    def begin(self, asked: Sequence[Asked]) -> None:
        """Look cells up; one that would end after the budget ends the run."""
        is_owing = self._ledger.owed > 0
        for outcome in self._ledger.look_up(asked):
            start = self.clock if is_owing else max(self.clock, self._ready)
            is_owing = False
            if start + outcome.cost > self._limit:
                self.is_over = True
                return
            heapq.heappush(self._running, (start + outcome.cost, self._begun, start, outcome))
            self._begun += 1

    def next(self) -> list[Trial]:
        """What ends next; together what ends together."""
        self.clock = self._running[0][0]
        trials = []
        while self._running and self._running[0][0] == self.clock:
            *_, started, outcome = heapq.heappop(self._running)
            trials.append(self._ledger.trial(outcome, started))
        return trials


class _Training(NamedTuple):
    """A training in flight; the smallest ends first by its predicted cost.

    Attributes:
        end: When it ends by the prediction.
        number: Which it is, from 0.
        started: When it began, on the run's clock.
        owed: What of the strategy's own work it is charged.
        predicted: Its predicted cost.
        since: The epochs after which it goes on, or None.
        asked: What was asked for.
    """

    end: float
    number: int
    started: float
    owed: float
    predicted: float
    since: int | None
    asked: Asked


class TrainingWorkers(Workers):
    """Slots that train; what a stored run tells already is not trained again."""

    def __init__(
        self,
        ledger: Ledger,
        count: int,
        limit: float,
        *,
        trainings: Trainings,
        log: RunLog | None,
        stops: bool,
    ) -> None:
        """Begin with nothing in flight.

        Args:
            ledger: Of the run.
            count: How many trainings may be in flight.
            limit: The time on the run's clock at which it ends; infinite for none.
            trainings: The slots.
            log: The stored run, or None.
            stops: Whether trainings that run at the end of the budget are ended and not counted,
                rather than waited for.
        """
        super().__init__(ledger, count, limit)
        self._trainings = trainings
        self._stops = stops
        self._log = log
        self._running: list[_Training] = []
        self._waiting: list[_Training] = []
        """Begun while a stored run is replayed: it may tell what they gave."""

    @property
    def in_flight(self) -> int:
        """How many trainings are in flight."""
        return len(self._running)

    def begin(self, asked: Sequence[Asked]) -> None:
        """Begin trainings, unless the budget is spent."""
        benchmark = self._ledger.objective.benchmark
        for one in asked:
            now = self._now()
            owed = self._ledger.owed
            started = now if owed else max(now, self._ready)
            predicted = self._ledger.predicted_cost(one)
            least = predicted if benchmark.knows_costs else 0.0
            if started >= self._limit or started + owed + least > self._limit:
                self.is_over = True
                return
            self._ledger.owed = 0.0
            end = self._predicted_now() + (started - now) + owed + predicted
            since = self._ledger.trained_for(one)
            training = _Training(end, self._begun, started, owed, predicted, since, one)
            self._begun += 1
            heapq.heappush(self._running, training)
            self._waiting.append(training)
        self._submit()

    def _submit(self) -> None:
        """Hand trainings to slots, once nothing more is known of the stored run."""
        if self._entry() is not None:
            return
        waiting, self._waiting = self._waiting, []
        for training in waiting:
            cell = cell_of(training.asked)
            self._trainings.now.add(
                training.number,
                cell,
                self._ledger.epochs_of(training.asked),
                training.predicted,
                partial(self._ledger.objective.benchmark.reports_of, cell, self._seed(cell)),
            )
            questions = self._ledger.questions(training.asked)
            self._trainings.begin(training.number, Job(cell, questions))

    def _seed(self, cell: Cell) -> Seed:
        """The seed that the run sees of a cell."""
        return self._ledger.objective.seed_of(self._ledger.draw, cell)

    def _entry(self) -> Mapping[str, Any] | None:
        """The stored line of the trial that is told next, if there is one.

        Raises:
            UserError: Its training started from the weights of another cell.
        """
        told = self._ledger.evaluations
        if self._log is None or told >= self._log.known:
            return None
        entry = self._log.entry(told)
        if "start" in entry:
            raise UserError(
                f"{self._log.path} cannot be resumed: trial {told} started from the weights of"
                " another cell, which this release does not do. Name another folder."
            )
        return entry

    def next(self) -> list[Trial]:
        """What is told next; together what ends together where costs are known beforehand."""
        trials = []
        for training in self._ending():
            trial = self._trial(training)
            if trial is None:
                break
            trials.append(trial)
        self._submit()
        return trials

    def _trial(self, training: _Training) -> Trial | None:
        """The trial of a training that has ended, stored or made; None where it comes too late."""
        entry = self._entry()
        if entry is not None:
            if not self._is_of(training, entry):
                raise self._other_history()
            self._waiting.remove(training)
            self._set_clock(training, entry["finished"])
            outcome = self._ledger.recorded(training.asked, entry)
            return self._ledger.trial(outcome, entry["started"], entry["finished"])
        self._submit()
        answer = self._answer(training)
        charged = training.owed
        if isinstance(answer, EvaluationError):
            outcome = self._ledger.failed(training.asked, str(answer), answer.cost)
        else:
            outcome = self._ledger.answered(
                training.asked, answer.values, answer.cost, training.since
            )
            charged += answer.cost_before
        outcome = outcome._replace(cost=outcome.cost + charged)
        finished = self._finished(training, outcome.cost)
        if finished > self._limit:
            self.is_over = True
            if self._stops:
                self.drop()
                return None
        self._set_clock(training, finished)
        return self._ledger.trial(outcome, training.started, finished)

    def _is_of(self, training: _Training, entry: Mapping[str, Any]) -> bool:
        cell = cell_of(training.asked).text
        epochs = self._ledger.epochs_of(training.asked)
        return (cell, epochs) == (entry["cell"], entry["epochs"])

    def _other_history(self) -> UserError:
        assert self._log is not None
        return self._log.other_history()

    def _remove(self, training: _Training) -> None:
        self._running.remove(training)
        heapq.heapify(self._running)

    @property
    def is_interrupted(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self._trainings.is_interrupted

    @property
    def of_slots(self) -> Mapping[str, float]:
        """How many answered, how fast the slowest is, and what was lost with some."""
        speeds = self._trainings.speeds
        if not speeds and not self._trainings.lost:
            return {}
        return {
            "count": len(speeds),
            SLOWEST: min(speeds.values(), default=1.0),
            "attempts lost": self._trainings.lost,
            "seconds lost with them": self._trainings.lost_seconds,
        }

    def drop(self) -> None:
        """Forget what is in flight; it is ended when the slots are closed."""
        self.is_over = True
        self._running.clear()
        self._waiting.clear()

    @abstractmethod
    def _now(self) -> float:
        """What the run's clock shows."""

    @abstractmethod
    def _predicted_now(self) -> float:
        """What the clock shows by which predicted ends are compared."""

    @abstractmethod
    def _ending(self) -> list[_Training]:
        """What ends next, which is in flight no more; empty where the run is ended."""

    @abstractmethod
    def _answer(self, training: _Training) -> Answer:
        """What a training that has ended gave."""

    @abstractmethod
    def _finished(self, training: _Training, cost: float) -> float:
        """When a training that was charged a cost was over, on the run's clock."""

    @abstractmethod
    def _set_clock(self, training: _Training, finished: float) -> None:
        """Set the clocks to the end of a training."""


class InClockOrder(TrainingWorkers):
    """Trainings are told in the order of their predicted ends."""

    _predicted = 0.0

    def _now(self) -> float:
        return self.clock

    def _predicted_now(self) -> float:
        return self._predicted

    def _ending(self) -> list[_Training]:
        if self.is_interrupted:  # without it, a shorter one might have been begun by now
            self._trainings.leave()
        ending = [heapq.heappop(self._running)]
        if self._ledger.objective.benchmark.knows_costs:
            while self._running and self._running[0].end == ending[0].end:
                ending.append(heapq.heappop(self._running))
        return ending

    def _answer(self, training: _Training) -> Answer:
        return self._trainings.answer(training.number)

    def _finished(self, training: _Training, cost: float) -> float:
        return max(self.clock, training.started + cost)

    def _set_clock(self, training: _Training, finished: float) -> None:
        self._predicted = training.end
        self.clock = finished


class InOrderOfFinishing(TrainingWorkers):
    """Trainings are told as they come; the run's clock is the wall's, less the time between two
    sittings.
    """

    _ended: Answer
    _begin: float = math.nan

    def _now(self) -> float:
        if self._entry() is not None:  # a stored run is replayed in no time
            return self.clock
        if math.isnan(self._begin):
            self._begin = time.monotonic() - self.clock
        return time.monotonic() - self._begin

    def _predicted_now(self) -> float:
        return 0.0

    def _ending(self) -> list[_Training]:
        entry = self._entry()
        if entry is not None:
            by_number = sorted(self._running, key=lambda training: training.number)
            fitting = (training for training in by_number if self._is_of(training, entry))
            ending = next(fitting, None)
            if ending is None:
                raise self._other_history()
        else:
            self._submit()
            found = self._trainings.first(self._limit - self._now() if self._stops else math.inf)
            if found is None:
                self.drop()
                return []
            number, self._ended = found
            ending = next(one for one in self._running if one.number == number)
        self._remove(ending)
        return [ending]

    def _answer(self, training: _Training) -> Answer:  # noqa: ARG002 - it is the one that came
        return self._ended

    def _finished(self, training: _Training, cost: float) -> float:  # noqa: ARG002 - it is over now
        return max(self.clock, self._now())

    def _set_clock(self, training: _Training, finished: float) -> None:  # noqa: ARG002 - it is the wall's
        self.clock = finished
