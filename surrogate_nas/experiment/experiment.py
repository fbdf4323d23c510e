"""Experiments: strategies × seeds × budget under one objective, the same for one worker or many and after any crash.

Run number k of every strategy starts from the same first cells, drawn from a stream that only the root seed and k
determine. A strategy is asked, validated, charged and told here; it never holds the benchmark.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from surrogate_nas.errors import UserError
from surrogate_nas.experiment.ledger import Evaluator
from surrogate_nas.experiment.store import Run, RunLog, Store
from surrogate_nas.objective import Objective
from surrogate_nas.space import Cell, Space
from surrogate_nas.strategies import Strategy, label, resolve
from surrogate_nas.trial import Trial

FIRST_CELLS = 10
CALL_LIMIT_SECONDS = 600.0
_FIRST_CELLS_STREAM, _STRATEGY_STREAM = 0, 1

StrategyLike = str | type[Strategy]
Progress = Callable[[int, int], None]


class StrategyError(UserError):
    """A strategy broke its contract, raised, or took too long."""


@dataclass(frozen=True)
class Budget:
    """What a run may spend; it ends at whichever comes first.

    Attributes:
        cells: The most evaluations, or None.
        seconds: The most simulated seconds (queries, where the benchmark counts those), or None. A trial that
            would pass it does not count, as it would not have finished.
    """

    cells: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.cells is None and self.seconds is None:
            raise UserError("A run needs a budget: a number of cells, or simulated seconds.")
        if self.cells is not None and self.cells < 1:
            raise UserError(f"A budget must be at least 1 cell, not {self.cells}.")
        if self.seconds is not None and not 0 < self.seconds < float("inf"):
            raise UserError(f"A budget must be a finite number of simulated seconds above 0, not {self.seconds}.")


@dataclass(frozen=True)
class Experiment:
    """What is compared.

    Attributes:
        objective: What every strategy minimises.
        strategies: Names, ``file.py:Class``, or classes.
        runs: How many seeds.
        budget: What each run may spend.
        seed: The root of all randomness.
        first_cells: How many random cells every strategy of a run is told first.
        call_limit_seconds: The longest that one `ask` or `tell` may take.
    """

    objective: Objective
    strategies: Sequence[StrategyLike]
    runs: int
    budget: Budget
    seed: int = 0
    first_cells: int = FIRST_CELLS
    call_limit_seconds: float = CALL_LIMIT_SECONDS

    def __post_init__(self) -> None:
        if self.runs < 1:
            raise UserError(f"A comparison needs at least 1 run, not {self.runs}.")
        if not self.strategies:
            raise UserError("A comparison needs at least one strategy.")
        if len(set(self.labels)) < len(self.labels):
            raise UserError(f"Two strategies have the same name: {', '.join(self.labels)}.")
        if self.seed < 0:
            raise UserError(f"A seed must be at least 0, not {self.seed}.")
        for strategy in self.strategies:
            resolve(strategy)

    @property
    def labels(self) -> list[str]:
        """The strategies' names."""
        return [label(strategy) for strategy in self.strategies]

    def describe(self) -> dict[str, Any]:
        """The experiment as its store records it."""
        return {
            "fingerprint": self.objective.fingerprint,
            "benchmark": self.objective.benchmark.name,
            "with": [str(file) for file in self.objective.benchmark.joined],
            "objective": self.objective.describe(),
            "strategies": self.labels,
            "runs": self.runs,
            "budget": {"cells": self.budget.cells, "seconds": self.budget.seconds},
            "seed": self.seed,
            "first_cells": self.first_cells,
        }

    def execute(self, *, folder: Path | None = None, workers: int = 1, progress: Progress | None = None) -> list[Run]:
        """Make every run that the folder does not hold yet, and return all of them.

        Args:
            folder: Where results are stored and resumed from; None keeps them in memory.
            workers: Processes; the results do not depend on it.
            progress: Called with (runs done, runs in all).

        Returns:
            By strategy, then by run. A run whose strategy failed carries `Run.failure`.

        Raises:
            UserError: The folder holds another comparison, or cannot be written.
        """
        if workers < 1:
            raise UserError(f"There must be at least 1 worker, not {workers}.")
        store = None if folder is None else Store(folder)
        if store is not None:
            store.begin(self.describe())
        jobs = [(strategy, run) for run in range(self.runs) for strategy in self.strategies]
        done: dict[tuple[str, int], Run] = {}
        todo = []
        for strategy, run in jobs:
            held = store.load(label(strategy), run, self.objective.benchmark.space) if store else None
            if held is not None and not held.failure:
                done[label(strategy), run] = held
                continue
            if store is not None and held is not None:
                store.discard(label(strategy), run)
            todo.append((strategy, run))
        if progress:
            progress(len(done), len(jobs))
        for result in self._results(todo, store, workers):
            done[result.strategy, result.run] = result
            if progress:
                progress(len(done), len(jobs))
        return [done[name, run] for name in self.labels for run in range(self.runs)]

    def _results(self, todo: list[tuple[StrategyLike, int]], store: Store | None, workers: int) -> Iterator[Run]:
        if workers == 1 or len(todo) < 2:
            for strategy, run in todo:
                yield execute_run(self, strategy, run, store)
            return
        from joblib import Parallel, delayed

        parallel = Parallel(n_jobs=min(workers, len(todo)), return_as="generator_unordered")
        yield from parallel(delayed(execute_run)(self, strategy, run, store) for strategy, run in todo)


def _generator(seed: int, run: int, stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(run, stream)))


def first_cells(space: Space, n: int, seed: int, run: int) -> list[Cell]:
    """The random cells, all different, that every strategy of a run is told first.

    Args:
        space: The space that cells come from.
        n: How many.
        seed: The root seed.
        run: The number of the run.
    """
    generator = _generator(seed, run, _FIRST_CELLS_STREAM)
    cells: dict[Cell, None] = {}
    while len(cells) < min(n, space.size):
        cells[space.sample(generator)] = None
    return list(cells)


def strategy_seed(seed: int, run: int) -> int:
    """The seed that a run's strategy is made with.

    Args:
        seed: The root seed.
        run: The number of the run.
    """
    return int(_generator(seed, run, _STRATEGY_STREAM).integers(2**63))


def execute_run(experiment: Experiment, strategy: StrategyLike, run: int, store: Store | None = None) -> Run:
    """Make one run, from the start or from where a crash left it.

    Args:
        experiment: What is compared.
        strategy: The strategy of this run.
        run: Its number.
        store: Where trials are appended, or None.

    Returns:
        The run; if the strategy failed, with the trials until then and the failure.
    """
    name = label(strategy)
    one_thread = threadpool_limits(1)  # sums round by the number of threads, and processes must not share cores
    with one_thread, Alarm() as alarm, store.log(name, run) if store else nullcontext() as log:
        search = _Search(experiment, log, alarm)
        started = time.perf_counter()
        failure = ""
        try:
            search.go(resolve(strategy), run)
        except StrategyError as error:
            failure = f"Strategy {name} failed in run {run}: {error}"
        seconds = time.perf_counter() - started
        result = Run(name, run, search.trials, seconds, search.strategy_seconds, failure)
        if log is not None:
            log.finish(result)
    return result


class _Search:
    """One run in progress: its trials, its evaluator and its clocks."""

    def __init__(self, experiment: Experiment, log: RunLog | None, alarm: Alarm) -> None:
        self.experiment = experiment
        self.log = log
        self.alarm = alarm
        self.trials: list[Trial] = []
        self.strategy_seconds = 0.0
        self.evaluator = Evaluator(experiment.objective)
        self.space = experiment.objective.benchmark.space

    def go(self, factory: type[Strategy], run: int) -> None:
        experiment = self.experiment
        strategy = self._call(lambda: factory(self.space, seed=strategy_seed(experiment.seed, run)), "was made")
        self.batch_size = self._call(lambda: max(int(strategy.batch_size), 1), "gave its batch size")
        cells = first_cells(self.space, min(experiment.first_cells, self.left()), experiment.seed, run)
        cells = cells or self._ask(strategy)
        while True:
            trials = self._evaluate(cells)
            if trials:
                told = [replace(trial, values=dict(trial.values)) for trial in trials]  # its own, should it change them
                self._call(partial(strategy.tell, told), "was told")
            if len(trials) < len(cells) or self.left() < 1:
                return
            cells = self._ask(strategy)

    def left(self) -> int:
        cells = self.experiment.budget.cells
        return 2**31 if cells is None else cells - len(self.trials)

    def _ask(self, strategy: Strategy) -> list[Cell]:
        n = min(self.batch_size, self.left())
        cells: list[Cell] = self._call(lambda: self._validated(strategy.ask(n), n), "was asked")
        return cells

    def _evaluate(self, cells: list[Cell]) -> list[Trial]:
        seconds = self.experiment.budget.seconds
        trials = self.evaluator.evaluate(cells, float("inf") if seconds is None else seconds)
        self.trials.extend(trials)
        if self.log is not None:
            self.log.append(trials)
        return trials

    def _validated(self, asked: Any, n: int) -> list[Cell]:
        if not isinstance(asked, Sequence) or isinstance(asked, str) or not asked:
            raise StrategyError(f"ask({n}) must return a non-empty list of cells, not {shown(asked)}.")
        if len(asked) > n:
            raise StrategyError(f"ask({n}) returned {len(asked)} cells.")
        for cell in asked:
            if cell not in self.space:
                raise StrategyError(f"ask({n}) returned {shown(cell)}, which is no cell of {self.space.name}.")
        return list(asked)

    def _call(self, function: Callable[[], Any], when: str) -> Any:
        """Run a stranger's code: its errors and its endless loops become one clear failure."""
        started = time.perf_counter()
        try:
            self.alarm.set(self.experiment.call_limit_seconds)
            return function()
        except TimeLimitError as error:
            limit = self.experiment.call_limit_seconds
            raise StrategyError(f"it took more than {limit:g} s when it {when}.") from error
        except StrategyError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's code can raise anything
            raise StrategyError(f"{type(error).__name__} when it {when}: {error}") from error
        finally:
            self.alarm.set(0)
            self.strategy_seconds += time.perf_counter() - started


def shown(value: object) -> str:
    """A stranger's value as a message can quote it, cut to length.

    Args:
        value: Anything with a repr.
    """
    text = repr(value)
    return text if len(text) < 80 else f"{text[:77]}..."


class TimeLimitError(BaseException):
    """A call took longer than its limit; no plain Exception, so that a stranger's `except Exception` lets it pass."""


class Alarm:
    """Interrupts calls that take too long; without effect outside the main thread and where there are no signals."""

    def __enter__(self) -> Alarm:
        self._works = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
        if self._works:
            self._previous = signal.signal(signal.SIGALRM, self._ring)
        return self

    def __exit__(self, *_: object) -> None:
        if self._works:
            signal.signal(signal.SIGALRM, self._previous)

    @staticmethod
    def _ring(signum: int, frame: FrameType | None) -> None:  # noqa: ARG004 - the signature of a handler
        raise TimeLimitError

    def set(self, seconds: float) -> None:
        """Let `TimeLimitError` be raised when some time has passed.

        Args:
            seconds: How long from now; 0 for never.
        """
        if self._works:
            signal.setitimer(signal.ITIMER_REAL, seconds)
