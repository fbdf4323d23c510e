"""A comparison: the runs of an experiment with their objective, and the numbers that a report needs of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from surrogate_nas.benchmarks import Benchmark, load
from surrogate_nas.comparison.statistics import PairedTest, Summary, Values, paired_tests, summarise
from surrogate_nas.errors import UserError
from surrogate_nas.experiment.experiment import FIRST_CELLS, Budget, Experiment, Progress
from surrogate_nas.experiment.guard import CALL_LIMIT_SECONDS
from surrogate_nas.experiment.run import execute_run
from surrogate_nas.experiment.store import Run, Store, provenance
from surrogate_nas.objective import Expression, Objective
from surrogate_nas.space import Cell
from surrogate_nas.strategies import StrategyLike

ObjectiveLike = str | Expression | Objective | None


@dataclass(frozen=True)
class Comparison:
    """The finished runs of several strategies under one objective.

    Attributes:
        objective: What was minimised.
        description: What was compared, as the store records it.
        runs: Every run.
    """

    objective: Objective
    description: dict[str, Any]
    runs: Sequence[Run]

    @property
    def strategies(self) -> list[str]:
        """The strategies with at least one finished run, in the order of the comparison."""
        return [name for name in self.description["strategies"] if self.runs_of(name)]

    @property
    def failures(self) -> list[str]:
        """What went wrong in the runs that failed."""
        return [run.failure for run in self.runs if run.failure]

    def runs_of(self, strategy: str) -> list[Run]:
        """The finished runs of a strategy, by number.

        Args:
            strategy: Its name.
        """
        return [run for run in self.runs if run.strategy == strategy and run.trials and not run.failure]

    @cached_property
    def optimum(self) -> float | None:
        """The best score of the space; None where it is undefined."""
        return self.objective.optimum()

    def scores(self, strategy: str) -> Values:
        """The final score of every finished run of a strategy, shape ``(runs,)``.

        Args:
            strategy: Its name.
        """
        return np.array([run.incumbent.score for run in self.runs_of(strategy)])

    def regrets(self, strategy: str) -> Values | None:
        """Final score minus the optimum, shape ``(runs,)``; None where it is undefined.

        Args:
            strategy: Its name.
        """
        return None if self.optimum is None else self.scores(strategy) - self.optimum

    def summary(self, strategy: str) -> Summary:
        """The final scores in a few numbers.

        Args:
            strategy: Its name.
        """
        return summarise(self.scores(strategy))

    @cached_property
    def tests(self) -> list[PairedTest]:
        """Every pair of strategies over the runs that all of them finished."""
        finished = [{run.run for run in self.runs_of(name)} for name in self.strategies]
        shared = set.intersection(*finished) if finished else set()
        scores = {
            name: np.array([run.incumbent.score for run in self.runs_of(name) if run.run in shared])
            for name in self.strategies
        }
        return paired_tests(scores) if shared else []

    def to_json(self) -> dict[str, Any]:
        """The comparison as ``snas compare --json`` prints it."""
        return {
            "fingerprint": self.objective.fingerprint,
            "benchmark": self.objective.benchmark.name,
            "objective": self.objective.describe(),
            "optimum": self.optimum,
            "strategies": [self._strategy_json(name) for name in self.strategies],
            "tests": [asdict(test) for test in self.tests],
            "failures": self.failures,
        }

    def _strategy_json(self, name: str) -> dict[str, Any]:
        runs = self.runs_of(name)
        regrets = self.regrets(name)
        best = min((run.incumbent for run in runs), key=lambda trial: trial.score)
        return {
            "name": name,
            "runs": len(runs),
            "score": self.summary(name).to_json(),
            "regret": {
                "mean": None if regrets is None else float(regrets.mean()),
                "median": None if regrets is None else float(np.median(regrets)),
            },
            "best": {"cell": str(best.cell), "score": best.score, "final": final_metrics(self.objective, best.cell)},
            "evaluations": sum(len(run.trials) for run in runs),
            "distinct_cells": sum(len({trial.cell for trial in run.trials}) for run in runs),
            "simulated_seconds": sum(run.simulated_seconds for run in runs),
            "real_seconds": sum(run.real_seconds for run in runs),
        }


def final_metrics(objective: Objective, cell: Cell) -> dict[str, float | None]:
    """The final (test) metrics of a found cell, each after its longest run; read for reports, never for a search.

    Args:
        objective: The objective, for its benchmark.
        cell: The cell.
    """
    return objective.benchmark.final(cell)


def bind(benchmark: str | Benchmark, objective: ObjectiveLike, subject_to: str | None) -> Objective:
    """Tie what the user gave to a benchmark.

    Args:
        benchmark: A name or an opened benchmark.
        objective: Text, an expression or an `Objective`; None for the benchmark's default.
        subject_to: Limits as text.

    Raises:
        UserError: See `Objective`; or the objective is tied to another benchmark.
    """
    opened = load(benchmark) if isinstance(benchmark, str) else benchmark
    if isinstance(objective, Objective):
        if objective.benchmark.fingerprint != opened.fingerprint or subject_to:
            raise UserError(f"This objective is tied to {objective.benchmark.name} and complete; give its expression.")
        return objective
    return Objective(opened.objective if objective is None else objective, opened, subject_to=subject_to)


def search(
    benchmark: str | Benchmark,
    strategy: StrategyLike = "bo",
    objective: ObjectiveLike = None,
    *,
    subject_to: str | None = None,
    budget: int | None = None,
    budget_seconds: float | None = None,
    seed: int = 0,
    call_limit_seconds: float = CALL_LIMIT_SECONDS,
) -> Run:
    """Run one strategy once; the same as run number `seed` of a comparison with the root seed 0.

    Args:
        benchmark: A name or an opened benchmark.
        strategy: A name, ``file.py:Class``, or a class.
        objective: Text, an expression or an `Objective`; None for the benchmark's default.
        subject_to: Limits as text.
        budget: The most evaluations.
        budget_seconds: The most simulated seconds.
        seed: The number of the run.
        call_limit_seconds: The longest that one `ask` or `tell` may take.

    Raises:
        UserError: The input is wrong, the strategy failed, or the budget pays for nothing.
    """
    if seed < 0:
        raise UserError(f"A seed must be at least 0, not {seed}.")
    bound = bind(benchmark, objective, subject_to)
    limits = Budget(budget, budget_seconds)
    experiment = Experiment(bound, [strategy], 1, limits, call_limit_seconds=call_limit_seconds)
    run = execute_run(experiment, strategy, seed)
    if run.failure:
        raise UserError(run.failure)
    if not run.trials:
        raise UserError("The budget does not pay for a single evaluation.")
    return run


def compare(
    benchmark: str | Benchmark,
    strategies: Sequence[StrategyLike],
    objective: ObjectiveLike = None,
    *,
    subject_to: str | None = None,
    runs: int = 10,
    budget: int | None = None,
    budget_seconds: float | None = None,
    seed: int = 0,
    first_cells: int = FIRST_CELLS,
    call_limit_seconds: float = CALL_LIMIT_SECONDS,
    workers: int = 1,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare strategies under one objective, resuming what a folder already holds.

    Args:
        benchmark: A name or an opened benchmark.
        strategies: Names, ``file.py:Class``, or classes.
        objective: Text, an expression or an `Objective`; None for the benchmark's default.
        subject_to: Limits as text.
        runs: How many seeds.
        budget: The most evaluations of a run.
        budget_seconds: The most simulated seconds of a run.
        seed: The root of all randomness.
        first_cells: How many random cells every strategy of a run is told first.
        call_limit_seconds: The longest that one `ask` or `tell` may take.
        workers: Processes; the results do not depend on it.
        folder: Where results are stored; None keeps them in memory.
        progress: Called with (runs done, runs in all).

    Raises:
        UserError: Anything about the input is wrong; the message says what would be right.
    """
    bound = bind(benchmark, objective, subject_to)
    experiment = Experiment(
        bound, strategies, runs, Budget(budget, budget_seconds), seed, first_cells, call_limit_seconds
    )
    made = experiment.execute(folder=folder, workers=workers, progress=progress)
    return Comparison(bound, experiment.describe() | {"provenance": provenance()}, made)


def read_comparison(folder: Path) -> Comparison:
    """Read a stored comparison, finished or not.

    Args:
        folder: Where `compare` stored it.

    Raises:
        UserError: There is none, it is damaged, or its benchmark now holds other data.
    """
    store = Store(folder)
    description = store.read()
    benchmark = load(description["benchmark"], with_=description.get("with", ()))
    objective = Objective(description["objective"]["expression"], benchmark, seed=description["objective"]["seed"])
    if objective.fingerprint != description["fingerprint"]:
        raise UserError(
            f"{folder} was made with other data or conventions (fingerprint {description['fingerprint']}, "
            f"now {objective.fingerprint}); results of two are never mixed. Run the comparison again."
        )
    pairs = [(name, run) for name in description["strategies"] for run in range(description["runs"])]
    found = [store.load(name, run, benchmark.space) for name, run in pairs]
    runs = [run for run in found if run is not None]
    if not any(run.trials and not run.failure for run in runs):
        raise UserError(f"{folder} holds no finished run yet.")
    return Comparison(objective, description, runs)
