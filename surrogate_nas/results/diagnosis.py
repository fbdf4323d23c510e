"""Does λ matter? Whether the regulariser moves the optimum of the loss, and whether it drowns the
loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surrogate_nas.objective.objective import Objective
from surrogate_nas.space import Cell, Enumerable, Space, listed
from surrogate_nas.space.network import CONV3, NONE, SKIP
from surrogate_nas.stats.decision import Values

# Penalties that differ by no more are equal but for rounding
_SAME = 1e-12


@dataclass(frozen=True)
class Diagnosis:
    """What λ does to an objective over a whole table.

    Attributes:
        best_by_loss: The feasible cell of lowest L.
        best_by_score: The feasible cell of lowest L + λR.
        changes_nothing: R is in the objective, yet the optimum of L stays where it was.
        drowns: The optimum of L + λR is worse in L than half of the feasible cells.
        feasible_share: The share of cells that meet all constraints.
        sentences: The findings in words, warnings first.
    """

    best_by_loss: Cell
    best_by_score: Cell
    changes_nothing: bool
    drowns: bool
    feasible_share: float
    sentences: list[str]


def diagnose(objective: Objective) -> Diagnosis | None:
    """Compare L with L + λR over the whole space."""
    scores = objective.over_space() if objective.parts == 1 else None
    if scores is None or not scores.feasible.any():
        return None
    feasible = np.flatnonzero(scores.feasible)
    loss, penalty, score = (
        x[feasible] for x in (scores.loss, scores.penalty, scores.score)
    )
    best = [int(loss.argmin()), int(score.argmin())]
    rank = float((loss < loss[best[1]]).mean())
    regularised = float(np.ptp(penalty)) > _SAME
    share = len(feasible) / len(scores.feasible)
    sentences = []
    if regularised and rank == 0.0:
        sentences.append(
            "λ changes nothing: the optimum of L + λR is the optimum of L. Raise λ for R to matter."
        )
    if rank > 0.5:
        sentences.append(
            "R drowns L: the optimum of L + λR is worse in L than half of the cells. Lower λ."
        )
    if share < 1:
        sentences.append(f"{share:.1%} of the cells meet the constraints.")
    if regularised and len(feasible) > 1:
        of_loss, of_penalty, _ = np.corrcoef([*map(_ranks, (loss, penalty, score))])[2]
        sentences.append(
            f"Over the feasible cells the score ranks as L with ρ = {of_loss:.3f}, as R with ρ ="
            f" {of_penalty:.3f}; {rank:.2%} of them have a lower L than the optimum."
        )
    cells = listed(objective.benchmark.space)
    by_loss, by_score = (cells[int(feasible[place])] for place in best)
    is_idle = regularised and rank == 0.0
    return Diagnosis(by_loss, by_score, is_idle, rank > 0.5, share, sentences)


def _ranks(values: Values) -> Values:
    """The rank of each value, whose correlations are Spearman's; equals share the mean."""
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
