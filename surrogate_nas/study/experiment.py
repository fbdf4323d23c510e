"""Experiments: strategies × seeds × budget under one objective, the same for one worker or many and after any crash.

Run number k of every strategy starts from the same first cells, drawn from a stream that only the root seed and k
determine. A strategy is asked, validated, charged and told here; it never holds the benchmark.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from surrogate_nas.core.arguments import check_fields
from surrogate_nas.core.errors import UserError
from surrogate_nas.objective import Objective
from surrogate_nas.objective.workshop import workshop_of
from surrogate_nas.runtime.engines import check_engine, run_jobs, stays_here
from surrogate_nas.space.trial import Trial
from surrogate_nas.strategies import StrategyLike, label
from surrogate_nas.study.description import MOST, MOST_RUNS
from surrogate_nas.study.run import execute_run, first_cells
from surrogate_nas.study.runs import OtherHistoryError, Run
from surrogate_nas.study.sandbox import CALL_LIMIT_SECONDS, check_call_limit, introduce
from surrogate_nas.study.sources import Sources, sources_of
from surrogate_nas.study.store import Store

FIRST_CELLS = 10

Progress = Callable[[int, int], None]
"""Is told (runs done, runs in all)."""
Within = Callable[[str, int, Sequence[Trial]], None]
"""Is told (strategy, run, new trials) after each evaluation."""


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
        check_fields(self)
        if self.cells is None and self.seconds is None:
            raise UserError("A run needs a budget: a number of cells, or simulated seconds.")
        if self.cells is not None and self.cells < 1:
            raise UserError(f"A budget must be at least 1 cell, not {self.cells}.")
        if self.cells is not None and self.cells > MOST:
            raise UserError(f"A budget is at most {MOST:,} cells, not {self.cells}.")
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
        simulated_workers: How many cells are evaluated side by side on the simulated clock.
        hidden: Whether strategies are denied what is known for free (`Objective.known`).
        target: A run ends when a feasible trial scores this or less, as its search sees it; None for never.
    """

    objective: Objective
    strategies: Sequence[StrategyLike]
    runs: int
    budget: Budget
    seed: int = 0
    first_cells: int = FIRST_CELLS
    call_limit_seconds: float = CALL_LIMIT_SECONDS
    simulated_workers: int = 1
    hidden: bool = False
    target: float | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if isinstance(self.strategies, str) or not isinstance(self.strategies, Sequence):
            raise UserError(f"strategies is a list of names or classes, not {self.strategies!r:.80}.")
        if self.runs < 1:
            raise UserError(f"A comparison needs at least 1 run, not {self.runs}.")
        if self.runs > MOST_RUNS:
            raise UserError(f"A comparison has at most {MOST_RUNS:,} runs, not {self.runs}.")
        if not self.strategies:
            raise UserError("A comparison needs at least one strategy.")
        if len(set(self.labels)) < len(self.labels):
            raise UserError(f"Two strategies have the same name: {', '.join(self.labels)}.")
        if not 1 <= self.simulated_workers <= MOST:
            raise UserError(f"There must be at least 1 simulated worker, not {self.simulated_workers}.")
        if self.target is not None and not math.isfinite(self.target):
            raise UserError(f"A target is a finite score, not {self.target}.")
        if self.seed < 0:
            raise UserError(f"A seed must be at least 0, not {self.seed}.")
        check_call_limit(self.call_limit_seconds)
        if any([introduce(strategy).needs_workshop for strategy in self.strategies]):
            workshop_of(self.objective)

    @property
    def labels(self) -> list[str]:
        """The strategies' names."""
        return [label(strategy) for strategy in self.strategies]

    @cached_property
    def sources(self) -> dict[str, Sources]:
        """The source of every strategy of a user's, by label, as it is when this is first asked."""
        found = {label(strategy): sources_of(strategy) for strategy in self.strategies}
        return {name: files for name, files in found.items() if files}

    def describe(self) -> dict[str, Any]:
        """The experiment as its store records it."""
        return {
            "fingerprint": self.objective.fingerprint,
            "benchmark": self.objective.benchmark.name,
            "address": self.objective.benchmark.address,
            "with": [str(file) for file in self.objective.benchmark.joined],
            "objective": self.objective.describe(),
            "strategies": self.labels,
            "runs": self.runs,
            "budget": {"cells": self.budget.cells, "seconds": self.budget.seconds},
            "seed": self.seed,
            "first_cells": self.first_cells,
            "simulated_workers": self.simulated_workers,
            "hidden": self.hidden,
            "target": self.target,
        }

    def execute(
        self,
        *,
        folder: Path | None = None,
        workers: int | None = None,
        engine: str = "processes",
        progress: Progress | None = None,
        within: Within | None = None,
    ) -> list[Run]:
        """Make every run that the folder does not hold yet, and return all of them.

        Args:
            folder: Where results are stored and resumed from; None keeps them in memory.
            workers: How many runs at once; the results do not depend on it.
            engine: Where they are made: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a colon its place.
            progress: Called with (runs done, runs in all).
            within: Called with (strategy, run, new trials) after each evaluation, where one worker makes the runs here.

        Returns:
            By strategy, then by run. A run whose strategy failed, or whose worker was killed, carries `Run.failure`.

        Raises:
            UserError: The folder holds another comparison, or cannot be written.
        """
        check_engine(engine, workers)
        self.check_budget()
        store = None if folder is None else Store(folder)
        with store.locked() if store else nullcontext():
            if store is not None:
                store.begin(self.describe(), self.sources)
            held = self._held(store)
            done = {key: run for key, run in held.items() if self._is_whole(run)}
            jobs = [(strategy, run) for run in range(self.runs) for strategy in self.strategies]
            todo = [
                (strategy, run, (label(strategy), run) in held)
                for strategy, run in jobs
                if (label(strategy), run) not in done
            ]
            if progress:
                progress(len(done), len(jobs))
            for outcome in run_jobs(
                partial(_execute, self, store, within if stays_here(engine, workers) else None),
                todo,
                workers=workers,
                engine=engine,
            ):
                name, run = label(outcome.job[0]), outcome.job[1]
                lost = f"Strategy {name} failed in run {run}: {outcome.failure}."
                done[name, run] = Run(name, run, [], 0.0, 0.0, lost) if outcome.failure else outcome.result
                if progress:
                    progress(len(done), len(jobs))
        if not any(run.trials or run.failure for run in done.values()):
            raise UserError("The budget does not pay for a single evaluation.")
        return [done[name, run] for name in self.labels for run in range(self.runs)]

    def check_budget(self) -> None:
        """Refuse a budget in seconds that pays for nothing, where a table tells it beforehand.

        Raises:
            UserError: Not one of the runs could make its first evaluation.
        """
        seconds, benchmark = self.budget.seconds, self.objective.benchmark
        if seconds is None or not benchmark.has_columns or not self.first_cells:
            return
        begins = [first_cells(benchmark.space, 1, self.seed, run)[0] for run in range(self.runs)]
        if not (self.objective.look_up(begins)[2] <= seconds).any():
            raise UserError("The budget does not pay for a single evaluation.")

    def _held(self, store: Store | None) -> dict[tuple[str, int], Run]:
        """The runs of a folder that have ended; those that failed are forgotten."""
        pairs = [(name, number) for name in self.labels if store for number in range(self.runs)]
        held = {(name, number): self._ended(store, name, number) for name, number in pairs}
        return {pair: run for pair, run in held.items() if run is not None}

    def _ended(self, store: Store | None, name: str, number: int) -> Run | None:
        """A run of a folder that has ended; one that failed is forgotten."""
        run = None if store is None else store.load(name, number, self.objective.benchmark.space)
        if store is not None and run is not None and run.failure:
            store.discard(name, number)
            return None
        return run

    def one(self, strategy: StrategyLike, number: int, store: Store | None = None) -> Run:
        """A single run, as the folder holds it whole, or made now.

        Whoever calls it holds the folder's lock, and has begun the folder.

        Args:
            strategy: One of `strategies`.
            number: The number of the run.
            store: Where results are; None keeps them in memory.
        """
        held = self._ended(store, label(strategy), number)
        if held is not None and self._is_whole(held):
            return held
        return _execute(self, store, None, (strategy, number, held is not None))

    def _is_whole(self, run: Run) -> bool:
        """Whether a run that has ended need not go on, as it must where the budget was raised."""
        if self.target is not None and any(t.feasible and t.score <= self.target for t in run.answers):
            return True
        return (run.budget_cells, run.budget_seconds) == (self.budget.cells, self.budget.seconds)


def _execute(
    experiment: Experiment, store: Store | None, within: Within | None, job: tuple[StrategyLike, int, bool]
) -> Run:
    """Make a run; one whose budget was raised goes on, or starts anew where it now goes another way."""
    strategy, run, was_ended = job
    watch = None if within is None else partial(within, label(strategy), run)
    try:
        return execute_run(experiment, strategy, run, store, watch)
    except OtherHistoryError:
        if store is None or not was_ended:
            raise
        store.discard(label(strategy), run)
        return execute_run(experiment, strategy, run, store, watch)
