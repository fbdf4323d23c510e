"""What regret is measured in: 0 is the optimum, 1 what random sampling is expected to reach with the whole budget.

The expectation is exact on a table: n cells are drawn uniformly, with replacement, so that the best of them by what
the search sees is cell i with probability (1 − W(i−1))ⁿ − (1 − W(i))ⁿ, where W is the share of cells up to i in their
order. Where seeds are drawn, each training of a cell takes part with its share, and what is expected is the mean over
seeds of the cell that it chose. A run that has found nothing yet counts as one random feasible cell, and nothing counts
as worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surrogate_nas.objective import Objective
from surrogate_nas.objective.terms import ROUNDING
from surrogate_nas.space import listed
from surrogate_nas.study.comparison.statistics import Values
from surrogate_nas.study.experiment import Budget
from surrogate_nas.study.suite.trace import Trace, checkpoints


@dataclass(frozen=True)
class Reference:
    """The scale of one problem's regret.

    Attributes:
        optimum: The best score of the space; of the runs, where the space's is not known.
        start: The expected score of one random feasible cell.
        random: What random sampling is expected to have found at every checkpoint, shape ``(checkpoints,)``; empty
            where no table tells.
        scale: From the optimum to what random sampling is expected to reach in the end; where no table tells, to the
            mean of all runs.
        exact: Whether all this is the space's, not the runs'.
        rounding: Up to which normalised regret the optimum counts as found.
    """

    optimum: float
    start: float
    random: Values
    scale: float
    exact: bool
    rounding: float = ROUNDING

    @property
    def ceiling(self) -> float:
        """The normalised regret of whoever has found nothing."""
        return max((self.start - self.optimum) / self.scale, 1.0)

    def regret(self, score: Values) -> Values:
        """Scores as normalised regret, from 0 (the optimum) to `ceiling`.

        Args:
            score: Any shape; infinite where nothing was found.
        """
        return np.clip((score - self.optimum) / self.scale, 0.0, self.ceiling)


def reference_of(objective: Objective, budget: Budget, traces: Sequence[Trace]) -> Reference:
    """Take the scale from the table, or from the runs where none tells.

    Args:
        objective: The objective.
        budget: The problem's.
        traces: All runs of the problem.
    """
    scores = objective.over_space() if objective.parts == 1 else None
    if scores is None or not scores.feasible.any():
        return _from_runs(objective, traces)
    optimum = float(scores.score[scores.feasible].min())
    start = float(scores.score[scores.feasible].mean())
    random = expected(objective, budget, start)
    scale = next(span for span in (float(random[-1]) - optimum, start - optimum, 1.0) if span > 0)
    return Reference(optimum, start, random, scale, exact=True, rounding=scores.rounding / scale)


def _from_runs(objective: Objective, traces: Sequence[Trace]) -> Reference:
    """The best and the mean of the runs in place of the space's; of several objectives nothing is missed at best."""
    ends = np.array([trace.score[-1] for trace in traces])
    begins = np.array([trace.score[np.isfinite(trace.score)][:1] for trace in traces if np.isfinite(trace.score).any()])
    if not len(begins):
        return Reference(0.0, 1.0, np.empty(0), 1.0, exact=False)
    optimum = 0.0 if objective.parts > 1 else float(ends.min())
    start, end = float(begins.mean()), float(ends[np.isfinite(ends)].mean())
    scale = next(span for span in (end - optimum, start - optimum, 1.0) if span > 0)
    return Reference(optimum, start, np.empty(0), scale, exact=False)


def expected(objective: Objective, budget: Budget, start: float) -> Values:
    """What random sampling is expected to have found at every checkpoint, shape ``(checkpoints,)``.

    Args:
        objective: One objective on a table.
        budget: In cells; seconds are turned into cells by the mean charge.
        start: What counts where no drawn cell is feasible.
    """
    values, scores, cost = objective.look_up(listed(objective.benchmark.space))
    drawn = checkpoints(budget)
    if budget.cells is None:
        drawn = np.floor(drawn / cost.mean())
    reported = np.where(scores.feasible, scores.score, start)
    seen, feasible, weight = scores.score, scores.feasible, np.ones(len(values))
    seeds = objective.single_seeds() if objective.draws else None
    if seeds is not None:
        rows = seeds.rows(np.arange(len(values)), values)
        by_seed = objective.combine(rows.reshape(-1, rows.shape[2]))
        held = seeds.held.ravel()
        weight = np.repeat(1 / np.maximum(seeds.held.sum(axis=1), 1), rows.shape[1])[held]
        seen, feasible = by_seed.score[held], by_seed.feasible[held]
        reported = np.where(feasible, np.repeat(reported, rows.shape[1])[held], start)
    order = np.argsort(seen, kind="stable")
    share = np.minimum(np.cumsum(weight[order]) / weight.sum(), 1.0)
    share[-1] = 1.0
    missed = np.log1p(-share[:-1])  # ln(1 − W): of not drawing any of the best so far
    reported = np.where(feasible, reported, start)[order]
    steps = np.diff(reported)
    return np.array([reported[0] + (np.exp(n * missed) * steps).sum() if n else start for n in drawn])
