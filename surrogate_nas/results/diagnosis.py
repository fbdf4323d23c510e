"""Does λ matter? Whether the regulariser moves the optimum of the loss, and whether it drowns the
loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surrogate_nas.objective.objective import Objective
from surrogate_nas.space import Cell, Enumerable, Space, listed
from surrogate_nas.space.network import CONV3, NONE, SKIP
from surrogate_nas.statistics.decision import Values

_SAME = 1e-12
"""Penalties that differ by no more are equal but for rounding."""


@dataclass(frozen=True)
class Diagnosis:
    """What λ does to an objective over a whole table.

    Attributes:
        best_by_loss: The feasible cell of lowest L.
        best_by_score: The feasible cell of lowest L + λR.
        loss_rank: The share of feasible cells with a lower L than the best by score, from 0 to 1.
        loss_correlation: Spearman's ρ of L and L + λR over the feasible cells.
        penalty_correlation: Spearman's ρ of R and L + λR over the feasible cells.
        changes_nothing: R is in the objective, yet the optimum of L stays where it was.
        drowns: The optimum of L + λR is worse in L than half of the feasible cells.
        feasible_share: The share of cells that meet all constraints.
    """

    best_by_loss: Cell
    best_by_score: Cell
    loss_rank: float
    loss_correlation: float
    penalty_correlation: float
    changes_nothing: bool
    drowns: bool
    feasible_share: float

    def sentences(self) -> list[str]:
        """The findings in words, warnings first."""
        lines = []
        if self.changes_nothing:
            lines.append(
                "λ changes nothing: the optimum of L + λR is the optimum of L. Raise λ for R to"
                " matter."
            )
        if self.drowns:
            lines.append(
                "R drowns L: the optimum of L + λR is worse in L than half of the cells. Lower λ."
            )
        if self.feasible_share < 1:
            lines.append(f"{self.feasible_share:.1%} of the cells meet the constraints.")
        if not np.isnan(self.penalty_correlation):
            lines.append(
                "Over the feasible cells the score ranks as L with ρ ="
                f" {self.loss_correlation:.3f}, as R with ρ = {self.penalty_correlation:.3f};"
                f" {self.loss_rank:.2%} of them have a lower L than the optimum."
            )
        return lines


def diagnose(objective: Objective) -> Diagnosis | None:
    """Compare L with L + λR over the whole space."""
    scores = objective.over_space() if objective.parts == 1 else None
    if scores is None or not scores.feasible.any():
        return None
    feasible = np.flatnonzero(scores.feasible)
    loss, penalty, score = (x[feasible] for x in (scores.loss, scores.penalty, scores.score))
    by_loss = int(loss.argmin())
    by_score = int(score.argmin())
    rank = float((loss < loss[by_score]).mean())
    regularised = float(np.ptp(penalty)) > _SAME
    space = listed(objective.benchmark.space)
    return Diagnosis(
        best_by_loss=space[int(feasible[by_loss])],
        best_by_score=space[int(feasible[by_score])],
        loss_rank=rank,
        loss_correlation=spearman(loss, score) if len(feasible) > 2 else float("nan"),
        penalty_correlation=spearman(penalty, score) if regularised else float("nan"),
        changes_nothing=regularised and rank == 0.0,
        drowns=rank > 0.5,
        feasible_share=len(feasible) / len(scores.feasible),
    )


def spearman(first: Values, second: Values) -> float:
    """Spearman's ρ of two samples: the correlation of their ranks, equals sharing the mean of their
    places.

    Example:
        >>> round(spearman(np.array([1.0, 2, 2, 9]), np.array([1.0, 2, 3, 4])), 3)
        0.949
    """
    return float(np.corrcoef(_places(first), _places(second))[0, 1])


def _places(values: Values) -> Values:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place.reshape(-1)])


def trivial_cells(space: Space) -> dict[str, Cell]:
    """All 3×3, one 3×3 from input to output, all skips; none where cells are no graphs that can be
    listed.
    """
    cells: dict[str, Cell] = {}
    for cell in space if isinstance(space, Enumerable) else ():
        graph = space.graph(cell)
        if graph is None:
            return {}
        live_operations = [operation for operation in graph.operations if operation != NONE]
        is_uniform = len({*graph.operations}) == 1
        if is_uniform and live_operations[:1] == [CONV3]:
            cells["all 3×3"] = cell
        elif is_uniform and live_operations[:1] == [SKIP]:
            cells["all skip"] = cell
        elif live_operations == [CONV3] and any(graph.live().operations):
            cells["one 3×3"] = cell
    return cells
