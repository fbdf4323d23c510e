"""One run: a strategy is asked, what it asks for is validated, charged and stored, and it is told."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from surrogate_nas.experiment.failure import StrategyError
from surrogate_nas.experiment.guard import Hosted, hosted
from surrogate_nas.experiment.ledger import Evaluator
from surrogate_nas.experiment.store import Run, RunLog, Store
from surrogate_nas.space import Cell, Space
from surrogate_nas.strategies import StrategyLike, label
from surrogate_nas.trial import Request, Trial

if TYPE_CHECKING:
    from surrogate_nas.experiment.experiment import Experiment

_FIRST_CELLS_STREAM, _STRATEGY_STREAM = 0, 1


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
    with one_thread, store.log(name, run) if store else nullcontext() as log:
        search = _Search(experiment, log)
        started = time.perf_counter()
        failure = trace = ""
        try:
            search.go(strategy, run)
        except StrategyError as error:
            failure, trace = f"Strategy {name} failed in run {run}: {error}", error.trace
        seconds = time.perf_counter() - started
        result = Run(name, run, search.trials, seconds, search.strategy_seconds, failure)
        if log is not None:
            log.finish(result)
    if store is not None:
        _keep(store, name, run, trace)
    return result


def _keep(store: Store, name: str, run: int, trace: str) -> None:
    """Keep the whole traceback of a failure, and none where a run was made anew and went well."""
    file = f"failures/{name}-{run}.txt"
    if trace:
        store.write_text(file, trace)
    else:
        (store.folder / file).unlink(missing_ok=True)


class _Search:
    """One run in progress: its trials, its evaluator and its clocks."""

    def __init__(self, experiment: Experiment, log: RunLog | None) -> None:
        self.experiment = experiment
        self.log = log
        self.trials: list[Trial] = []
        self.strategy_seconds = 0.0
        self.evaluator = Evaluator(experiment.objective)
        self.space = experiment.objective.benchmark.space

    def go(self, strategy: StrategyLike, run: int) -> None:
        experiment = self.experiment
        seed, limit = strategy_seed(experiment.seed, run), experiment.call_limit_seconds
        with hosted(strategy, self.space, seed=seed, limit=limit) as made:
            try:
                self._search(made, run)
            finally:
                self.strategy_seconds = made.seconds

    def _search(self, strategy: Hosted, run: int) -> None:
        experiment = self.experiment
        cells = first_cells(self.space, min(experiment.first_cells, self.left()), experiment.seed, run)
        cells = cells or self._ask(strategy)
        while True:
            trials = self._evaluate(cells)
            if trials:
                strategy.tell([replace(trial, values=dict(trial.values)) for trial in trials])
            if len(trials) < len(cells) or self.left() < 1:
                return
            cells = self._ask(strategy)

    def left(self) -> int:
        cells = self.experiment.budget.cells
        return 2**31 if cells is None else cells - len(self.trials)

    def _ask(self, strategy: Hosted) -> list[Cell]:
        n = min(strategy.batch_size, self.left())
        return [asked.cell if isinstance(asked, Request) else asked for asked in strategy.ask(n)]

    def _evaluate(self, cells: list[Cell]) -> list[Trial]:
        seconds = self.experiment.budget.seconds
        trials = self.evaluator.evaluate(cells, float("inf") if seconds is None else seconds)
        self.trials.extend(trials)
        if self.log is not None:
            self.log.append(trials)
        return trials
