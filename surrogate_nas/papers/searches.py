"""Searches within simulated seconds, run by run: what each had found, and when; finished runs are kept.

The papers' conventions: no shared first cells, and what would end after the budget does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks import load
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.version import __version__
from surrogate_nas.objective import Objective
from surrogate_nas.papers.jobs import results_of
from surrogate_nas.study.experiment import Budget, Experiment, Progress
from surrogate_nas.study.run import execute_run


class Search(NamedTuple):
    """One strategy on one benchmark.

    Attributes:
        benchmark: Its name.
        objective: What is minimised.
        strategy: As `surrogate_nas.strategies.resolve` takes it.
        seconds: The budget.
        seed: The training seed that it sees; None for what the benchmark says by itself.
    """

    benchmark: str
    objective: str
    strategy: str
    seconds: float
    seed: int | None = None

    @property
    def name(self) -> str:
        """By which its runs are kept."""
        told = (self.benchmark, self.objective, self.strategy, self.seconds)
        return ", ".join(map(str, told if self.seed is None else (*told, f"seed {self.seed}")))


class Found(NamedTuple):
    """What one run found.

    Attributes:
        ends: When its trials ended, in simulated seconds.
        best: Each change of the best validated cell: the number of the trial, and the cell's index.
    """

    ends: list[float]
    best: list[tuple[int, int]]

    def at(self, seconds: float) -> int | None:
        """The index of the best validated cell after some time; None where none had been trained to the end.

        Args:
            seconds: Simulated.
        """
        done = self.cells_at(seconds)
        return next((cell for trial, cell in reversed(self.best) if trial < done), None)

    def cells_at(self, seconds: float) -> int:
        """How many trials had ended.

        Args:
            seconds: Simulated.
        """
        return int(np.searchsorted(self.ends, seconds, side="right"))


def run_searches(
    searches: Sequence[tuple[Search, int]],
    path: Path,
    *,
    workers: int | None,
    engine: str = "processes",
    progress: Progress | None,
) -> dict[Search, list[Found]]:
    """Make all runs that an earlier call has not finished.

    Args:
        searches: Each with the number of its runs.
        path: The file of finished runs.
        workers: How many jobs at once, or None.
        engine: Where: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a colon its place.
        progress: Called with (runs done, runs in all).

    Raises:
        UserError: A strategy failed, a table is not here, or the file is of another version or cannot be written.
    """
    jobs = {f"{search.name}, {run}": (search, run) for search, n in searches for run in range(n)}
    settings = {
        "version": __version__,
        "objectives": sorted({_objective(s.benchmark, s.objective, s.seed).fingerprint for s, _ in searches}),
    }
    made = results_of(run_search, jobs, path, settings, workers=workers, engine=engine, progress=progress)
    return {search: [_read(made[f"{search.name}, {run}"]) for run in range(n)] for search, n in searches}


def _read(result: tuple[list[float], list[tuple[int, int]]]) -> Found:
    ends, best = result
    return Found(ends, [(trial, cell) for trial, cell in best])


@lru_cache(maxsize=8)
def _objective(benchmark: str, objective: str, seed: int | None) -> Objective:
    return Objective(objective, load(benchmark), seed=seed)


def run_search(job: tuple[Search, int]) -> Found:
    """Make one run.

    Args:
        job: The search and the number of the run.

    Raises:
        UserError: The strategy failed.
    """
    search, number = job
    objective = _objective(search.benchmark, search.objective, search.seed)
    experiment = Experiment(objective, [search.strategy], number + 1, Budget(seconds=search.seconds), first_cells=0)
    run = execute_run(experiment, search.strategy, number)
    if run.failure:
        raise UserError(run.failure)
    best: list[tuple[int, int]] = []
    least = np.inf
    for trial in run.answers:
        if trial.score < least:
            least = trial.score
            best.append((trial.index, trial.cell.index))
    return Found([trial.finished for trial in run.trials], best)


def places(found: Sequence[Found], seconds: float) -> NDArray[np.intp]:
    """The best validated cells of runs after some time, of those that had one.

    Args:
        found: The runs.
        seconds: Simulated.
    """
    return np.array([cell for one in found if (cell := one.at(seconds)) is not None], dtype=np.intp)
