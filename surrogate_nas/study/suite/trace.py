"""A run in a few numbers: what it had found at every checkpoint of its budget, and what that took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from surrogate_nas.objective import Objective
from surrogate_nas.study.comparison import Comparison
from surrogate_nas.study.comparison.statistics import Values
from surrogate_nas.study.experiment import Budget
from surrogate_nas.study.store import Run

_POINTS = 200
"""Checkpoints of a budget in seconds; one in cells has one after every cell."""


@dataclass(frozen=True)
class Trace:
    """What is kept of a run, whose trials stay in its folder.

    Attributes:
        strategy: The label of the strategy.
        run: The number of the run; runs of one number start from the same cells.
        score: What it had found at every checkpoint, as it is reported; infinite before the first feasible cell.
        failure: What went wrong, or empty; a run that failed has found nothing.
        evaluations: How many cells it evaluated.
        distinct: How many different ones.
        simulated: What these were charged, in seconds or queries.
        real_seconds: Of strategy and evaluation together.
        strategy_seconds: Of `ask` and `tell`.
    """

    strategy: str
    run: int
    score: Values
    failure: str
    evaluations: int
    distinct: int
    simulated: float
    real_seconds: float
    strategy_seconds: float

    @property
    def duplicates(self) -> int:
        """How often it asked for a cell that it had evaluated before."""
        return self.evaluations - self.distinct

    @property
    def found_nothing(self) -> bool:
        """Whether it ended without a feasible cell."""
        return not np.isfinite(self.score[-1])


def checkpoints(budget: Budget) -> Values:
    """Where the curves of a problem are read, rising to the budget, in cells or else in seconds.

    Args:
        budget: The problem's.
    """
    if budget.cells is not None:
        return np.arange(1.0, budget.cells + 1)
    assert budget.seconds is not None
    return budget.seconds * np.arange(1, _POINTS + 1) / _POINTS


def trace_of(objective: Objective, description: Mapping[str, Any], run: Run, budget: Budget) -> Trace:
    """Read what a report needs of a run.

    Args:
        objective: What it minimised.
        description: Of the comparison that it belongs to.
        run: The run, failed or not.
        budget: The problem's.
    """
    points = checkpoints(budget)
    score = np.full(len(points), np.inf)
    if run.trials and not run.failure:
        comparison = Comparison(objective, dict(description), [run])
        found = comparison.anytime(run)
        best = found.score
        if objective.parts == 1:
            told = comparison.reported(run)
            best = np.where([told[i].feasible for i in found.best], best, np.inf)
        if budget.cells is not None:
            score = found.at_cells(best, points.astype(np.int64))
        else:
            score = np.nan_to_num(found.at_cost(best, points), nan=np.inf, posinf=np.inf)
    return Trace(
        strategy=run.strategy,
        run=run.run,
        score=score,
        failure=run.failure,
        evaluations=len(run.trials),
        distinct=len({trial.cell for trial in run.trials}),
        simulated=run.simulated_seconds,
        real_seconds=run.real_seconds,
        strategy_seconds=run.strategy_seconds,
    )
