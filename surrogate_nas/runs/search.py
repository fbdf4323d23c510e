"""One run: a strategy proposes cells, and the run validates, evaluates, charges and stores them.
The strategy then observes the resulting trials.

A run of a user-defined strategy is made in its own process, and so are parallel runs that train
cells. The process of a run sends its trials to the main process as they are made, and requests its
trainings from the main process. A single dispatcher distributes the trainings of all runs to the
workers. If the process of a run dies, the run ends with the trials made so far.
"""

import itertools
import math
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import cloudpickle
import numpy as np

from surrogate_nas.core import UserError, first_noted, one_thread
from surrogate_nas.files import Journal
from surrogate_nas.files.opened import Opened
from surrogate_nas.objective import Objective
from surrogate_nas.objective.objective import problem_of
from surrogate_nas.objective.supernet_context import supernet_context_of
from surrogate_nas.runs.beginning import NOTHING, Beginning
from surrogate_nas.runs.confirm import judged
from surrogate_nas.runs.ledger import Asked, Ledger
from surrogate_nas.runs.options import ENDED_EARLY, USAGE, Budget, Options, ended_by
from surrogate_nas.runs.run import Run, RunLog
from surrogate_nas.runs.sandbox import (
    Recorded,
    Scalarised,
    received,
    sandboxed,
    scalarised,
    sent,
)
from surrogate_nas.runs.sources import Sources, folder_of, sources_of
from surrogate_nas.runs.store import Store
from surrogate_nas.runs.workers import (
    InTurn,
    SimulatedWorkers,
    Trainings,
    TrainingWorkers,
    Unstored,
    Workers,
)
from surrogate_nas.runtime.engines import Jobs
from surrogate_nas.runtime.user_code import StrategyError, as_strategy_error, lost_in
from surrogate_nas.runtime.worker import (
    PRELOADED,
    Lost,
    Task,
    Worker,
    answer,
    hear,
    say,
)
from surrogate_nas.space import Cell, Space, Trial
from surrogate_nas.strategies import StrategyEntry

_FIRST_CELLS_STREAM = 0
_STRATEGY_STREAM = 1
_UNLIMITED = 2**31
# Draws for each first cell: a space may hold fewer cells than its size tells.
_MOST_DRAWS = 1000


Note = Callable[..., bool]
"""A function that is called with the fields of an event, and returns whether to end the run."""


def _generator(seed: int, run: int, stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(run, stream)))


def first_cells(
    space: Space,
    n: int,
    seed: int,
    run: int,
) -> list[Cell]:
    """Return the distinct random cells that every strategy evaluates first in the run with a given
    number.
    """
    generator = _generator(seed, run, _FIRST_CELLS_STREAM)
    cells: dict[Cell, None] = {}
    for _ in range(_MOST_DRAWS * n):
        if len(cells) >= min(n, space.size):
            break
        cells[space.sample(generator)] = None
    return list(cells)


def strategy_seed(seed: int, run: int) -> int:
    """Return the random seed with which the strategy of a run is created."""
    return int(_generator(seed, run, _STRATEGY_STREAM).integers(2**63))


def strategy_of(
    entry: StrategyEntry,
    objective: Objective,
    options: Options,
    run: int,
    budget: Mapping[str, float | None] = MappingProxyType({}),
    files: Sequence[Opened] = (),
) -> Any:
    """Create the strategy of a run, with the settings that it declares to use. `budget` maps a unit
    to the limit in that unit, or None.
    """
    seed = strategy_seed(options.seed, run)
    hidden = options.hidden
    supernet_context = None
    if entry.is_trusted and entry.load().needs_supernet:
        supernet_context = supernet_context_of(objective, hidden=hidden)
    settings = {
        "free": None if hidden else objective.free,
        "epochs": objective.fidelities,
        "readable": objective.readable,
        "qualities": objective.qualities,
        "objectives": objective.n_objectives,
        "supernet_context": supernet_context,
        "problem": {**problem_of(objective), "budget": budget},
    }
    space = objective.benchmark.space
    limit = options.call_limit
    make = partial(sandboxed, entry, space, limit=limit, settings=settings, files=files)
    return scalarised(make(seed=seed), make, objective.n_objectives, seed)


def make_run(
    objective: Objective, budget: Budget, options: Options, **more: Any
) -> Run:
    """Make one run, or continue it after a crash. If the strategy fails, the run contains the
    trials made before the failure. Further arguments are the fields of `_Search`.
    """
    search = _Search(objective, budget, options, **more)
    # sums round by the number of threads, and processes must not share cores
    with one_thread():
        return search.made()


def failed_in(name: str, run: int, why: object) -> str:
    """Return the error message for a run whose strategy failed."""
    return f"Strategy {name} failed in run {run}: {why}"


def _edited(names: Iterable[str]) -> None:
    """Refuse a run if its strategy, or a file that it read, was edited since another run was made,
    because the earlier code may have made other runs.
    """
    if edited := sorted(names):
        raise StrategyError(
            f"{edited[0]} was edited during the runs. Repeat the command to make all of them"
            " again."
        )


@dataclass
class _Search:
    """One run in progress: its trials, its ledger and its workers."""

    objective: Objective
    budget: Budget
    options: Options
    entry: StrategyEntry
    run: int
    store: Store | None = None
    sources: Sources | None = None
    beginning: Beginning = NOTHING
    note: Note | None = None
    slots: Jobs | None = None
    kept: Callable[[Sequence[Trial]], object] | None = None
    # the trials of a run that was made elsewhere until its process ended
    lost: tuple[Sequence[Trial], StrategyError] | None = None
    started: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        self.trials: list[Trial] = []
        self.ledger = Ledger(self.objective, root=self.options.seed, run=self.run)
        self.limit = math.inf if self.budget.seconds is None else self.budget.seconds
        self.strategy: Any = None
        self.scalarised = self.ended_early = False
        self.diagnosis: Mapping[str, Mapping[str, float]] = {}
        self.log: RunLog | None = None
        self.unstored = Unstored(
            self._store, lambda trial: (trial.cell.text, trial.failure)
        )

    @property
    def left(self) -> int:
        """Return how many further trials the budget in cells allows."""
        cells = self.budget.cells
        return _UNLIMITED if cells is None else cells - len(self.trials)

    def made(self) -> Run:
        name, store = self.entry.label, self.store
        failure = trace = ""
        with ExitStack() as stack:
            if store is not None:
                self.log = stack.enter_context(store.log(name, self.run))
                for line in self.log.known:
                    self.objective.benchmark.recall(
                        str(line["cell"]), dict(line["values"])
                    )
            try:
                if self.lost is not None:
                    trials, error = self.lost
                    self._add(trials)
                    raise error
                self._go()
            except StrategyError as error:
                self.unstored.store()
                failure, trace = failed_in(name, self.run, error), error.trace
            result = Run(
                name,
                self.run,
                self.trials,
                time.perf_counter() - self.started,
                0.0 if self.strategy is None else self.strategy.seconds,
                failure,
                self.objective.epochs,
                self.budget.cells,
                self.budget.seconds,
                self.scalarised,
                self.diagnosis,
                self.beginning.known,
            )
            if not failure and self.trials and not result.answers:
                why = (
                    f"it evaluated no cell at the objective's {self.objective.epochs} epochs,"
                    " so it has no answer."
                )
                result = replace(result, failure=failed_in(name, self.run, why))
            result = self._judged(result)
            if self.log is not None:
                self.log.finish(result)
        if store is not None:
            store.keep_trace(name, self.run, trace)
        return result

    def _go(self) -> None:
        store = self.store
        if store is None:
            self._run(())
            return
        if now := sources_of(self.entry):
            _edited(n for n, _ in {*now.items()} ^ {*(self.sources or {}).items()})
        folder = folder_of(self.entry)
        files = [] if folder is None else [Opened(folder)]
        self._run(files)
        for opened in files:
            _edited(store.note_files(self.entry.label, self.run, opened))

    def _run(self, files: Sequence[Opened]) -> None:
        objective, options, entry = self.objective, self.options, self.entry
        space = objective.benchmark.space
        drawn = first_cells(
            space, min(options.n_random, self.left), options.seed, self.run
        )
        queue: Sequence[Asked] = self.beginning.asked(drawn, self.left)
        with ExitStack() as stack:
            limits = self._limits()
            self.strategy = strategy_of(
                entry, objective, options, self.run, limits, files
            )
            self.scalarised = isinstance(self.strategy, Scalarised)
            flags = self.strategy.flags
            if flags.from_outside:
                journal = Journal(None, {})
                if self.store is not None:
                    journal = self.store.answers(entry.label, self.run)
                stack.enter_context(journal)
                epochs = objective.fidelities if flags.chooses_epochs else ()
                self.strategy = Recorded(self.strategy, journal, space, epochs)
            if self.beginning.known:
                self.strategy.tell(self.beginning.known)
            with ExitStack() as of_workers:
                workers = self._workers(of_workers)
                self._evaluate(queue, workers)
                numbers = {"slots": workers.numbers} if workers.numbers else {}
            if workers.is_interrupted:
                raise KeyboardInterrupt
            self.unstored.end()
            early = (
                {ENDED_EARLY: {"trials": len(self.trials)}} if self.ended_early else {}
            )
            self.diagnosis = {**self.strategy.diagnosis(), **early, **numbers}

    def _limits(self) -> dict[str, float | None]:
        tokens: float | None = self.options.budget_tokens
        if tokens is not None and self.store is not None:
            kept = self.store.answered(self.entry.label, self.run)
            tokens -= sum(answer.get(USAGE, {}).get("tokens", 0.0) for answer in kept)
        return {
            "cells": self.budget.cells,
            "seconds": self.budget.seconds,
            "tokens": tokens,
        }

    def _workers(self, stack: ExitStack) -> Workers:
        options = self.options
        if options.in_flight is None:
            if options.simulated_workers > 1:
                return SimulatedWorkers(
                    self.ledger, self.limit, options.simulated_workers
                )
            return InTurn(self.ledger, self.limit, self.strategy.flags.batch_size)
        assert self.slots is not None
        trainings = Trainings(
            self.objective, self.ledger.draw, options, self.slots, self.note
        )
        stack.enter_context(closing(trainings))
        return TrainingWorkers(
            self.ledger,
            self.limit,
            options.in_flight,
            trainings=trainings,
            log=self.log,
            by_clock=options.order == "clock",
            stops=options.at_end == "stop",
        )

    def _evaluate(self, queue: Sequence[Asked], workers: Workers) -> None:
        while True:
            while not workers.is_over and (room := workers.room(self.left)) > 0:
                if not queue:
                    queue = self._asked(min(room, workers.most_asked), workers)
                    if workers.is_over:
                        break
                workers.begin(queue[:room])
                queue = queue[room:]
            if workers.is_over and self.options.at_end == "stop":
                workers.stop()
            if workers.is_idle:
                return
            observed: list[Trial] = []
            for trials in workers.next():
                self._add(trials)
                observed += trials
            if observed:
                self.strategy.tell(observed)
                is_stopped = self.note is not None and self.note(trials=observed)
                if is_stopped or ended_by(
                    observed, self.objective.epochs, self.options
                ):
                    workers.is_over = True
            workers.is_over |= workers.is_interrupted

    def _add(self, trials: Sequence[Trial]) -> None:
        self.trials += trials
        self.unstored.add(trials)

    def _asked(self, n: int, workers: Workers) -> Sequence[Asked]:
        """Return the strategy's proposals, after its own work. The run is over if there are none,
        or if the answer exceeds the budget of tokens.
        """
        while (seconds := self.strategy.work()) is not None:
            self.ledger.owed += seconds
            if workers.clock + self.ledger.owed > self.limit:
                workers.is_over = True
                return ()
        workers.wait_for_strategy()
        asked: Sequence[Asked] = self.strategy.ask(n)
        is_recorded = isinstance(self.strategy, Recorded)
        usage = {USAGE: self.strategy.usage} if is_recorded else {}
        if not asked or ended_by((), None, self.options, usage):
            self.ended_early = workers.is_over = True
        return asked

    def _store(self, trials: Sequence[Trial]) -> None:
        if self.log is not None:
            self.log.append(trials, at_once=self.options.in_flight is not None)
        if self.kept is not None and trials:
            self.kept(trials)

    def _judged(self, run: Run) -> Run:
        """Train the answer with the other seeds, if the search used random seeds."""
        is_asked = self.objective.trained_seeds and run.answers and not run.failure
        if not is_asked or not run.lowest.feasible:
            return run
        assert self.slots is not None
        judgement = judged(
            self.objective, self.ledger.draw, run.lowest, self.options, self.slots
        )
        return replace(run, judged=judgement)


PRELOADED += [
    *(__name__, "surrogate_nas.benchmarks.training"),
    *("surrogate_nas.strategies.bo.strategy", "filelock"),
]
INTERRUPT = "interrupt"
"""The message to the process of a run after Ctrl-C."""
Make = Callable[..., Run]
"""A function that makes a run; its arguments are `entry`, `note`, `slots` and `kept`."""


class _Above:
    """The interface of a run's process to its parent process: its workers and its event handler."""

    def __init__(self, *, is_watched: bool) -> None:
        self._is_watched = is_watched
        self._interrupted: Callable[[], None] | None = None
        self._is_interrupted = self._is_over = False
        self._ends: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._numbers = itertools.count()
        self._futures: dict[int, Future[Any]] = {}
        self._sent: set[str] = set()
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

    def note(self, **what: Any) -> bool:
        if "trials" not in what:
            say(("note", what))
        return self._is_over

    def submit(self, task: Task, job: Any, *, alone: bool = False) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        number = next(self._numbers)
        self._futures[number] = future
        new = None if task.key in self._sent else task
        say(("train", number, task.key, new, job, alone))
        self._sent.add(task.key)
        return future

    def drop(self, task: Task) -> None:
        say(("drop", task.key))


def _made(make: Make, is_watched: bool, entry: Any) -> Run | None:
    """Make a run in this process. Return None if it was interrupted."""
    above = _Above(is_watched=is_watched)
    try:
        return make(
            entry=received(entry),
            note=above.note if is_watched else None,
            slots=above,
            kept=above.keep,
        )
    except KeyboardInterrupt:
        return None


class Follower:
    """Receives the trials and requests of a run that is made in another process.

    Attributes:
        trials: The trials of the run that have been received so far.
    """

    def __init__(
        self,
        slots: Jobs | None = None,
        note: Note | None = None,
    ) -> None:
        """Follow nothing yet. Trainings are made by `slots`."""
        self.trials: list[Trial] = []
        self._slots = slots
        self._note = note
        self._trainings: set[Future[Any]] = set()
        # of its trainings, by their keys: each is sent once
        self._tasks: dict[str, Task] = {}
        self._error: BaseException | None = None

    def made(self, make: Make, entry: StrategyEntry, limit: float, file: str) -> Run:
        """Make a run in another process. Each call of its strategy may take at most `limit`
        seconds. `file` is the path of the strategy's code.

        Raises:
            UserError: The process of the run ended unexpectedly, or the run could not be made in
                it.
            KeyboardInterrupt: Ctrl-C was pressed, and the running trainings have ended.
        """
        packed = sent(entry)
        task = Task.of(partial(_made, make, self._note is not None))
        with closing(Worker(task)) as self._worker, ExitStack() as stack:
            if self._slots is not None:
                stack.enter_context(first_noted(partial(self._worker.send, INTERRUPT)))
            reply = self._worker.do(cloudpickle.dumps(packed), self._heard)
        if self._error is not None:
            raise self._error
        if isinstance(reply, Lost):
            raise lost_in(reply, limit, file)
        try:
            run = answer(reply)
        except Exception as error:
            if entry.is_trusted or isinstance(error, UserError):
                raise
            raise as_strategy_error(error, "ran", file) from error
        if run is None:
            raise KeyboardInterrupt
        return run  # type: ignore[no-any-return]

    def _heard(self, content: Any) -> None:
        match content:
            case ("trials", trials):
                self.trials += trials
                if self._note is not None:
                    self._worker.send(self._note(trials=trials))
            case ("note", what):
                assert self._note is not None
                self._note(**what)
            case ("train", number, key, new, job, alone):
                assert self._slots is not None
                task = self._tasks.setdefault(key, new)
                future = self._slots.submit(task, job, alone=alone)
                self._trainings.add(future)
                future.add_done_callback(partial(self._trained, number))
            case ("drop", key):
                if self._slots is not None and key in self._tasks:
                    self._slots.drop(self._tasks.pop(key))
            case _:
                for future in [*self._trainings]:
                    future.cancel()

    def _trained(self, number: int, future: Future[Any]) -> None:
        """Forward the end of a training. An exception of the engine ends the run."""
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
