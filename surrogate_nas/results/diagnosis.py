"""Does λ matter? Whether the regulariser moves the optimum of the loss, and whether it drowns the
loss.
"""

from __future__ import annotations

import numpy as np

from surrogate_nas.objective.objective import Objective
from surrogate_nas.space import Cell, Enumerable, Space
from surrogate_nas.space.network import CONV3, NONE, SKIP


def diagnose(objective: Objective) -> list[str] | None:
    """Compare L with L + λR over the whole space, in sentences, warnings first; None where there is
    no table or no feasible cell.
    """
    from pandas import DataFrame

    scores = objective.over_space() if objective.parts == 1 else None
    if scores is None or not scores.feasible.any():
        return None
    columns = {"L": scores.loss, "R": scores.penalty, "score": scores.score}
    feasible = DataFrame(columns)[scores.feasible]
    loss = feasible["L"]
    rank = float((loss < loss[feasible["score"].idxmin()]).mean())
    # penalties that differ by no more are equal but for rounding
    is_regularised = np.ptp(scores.penalty[scores.feasible]) > 1e-12
    share = len(feasible) / len(scores.feasible)
    sentences = []
    if is_regularised and rank == 0.0:
        sentences.append(
            "λ changes nothing: the optimum of L + λR is the optimum of L. Raise λ for R to matter."
        )
    if rank > 0.5:
        sentences.append(
            "R drowns L: the optimum of L + λR is worse in L than half of the cells. Lower λ."
        )
    if share < 1:
        sentences.append(f"{share:.1%} of the cells meet the constraints.")
    if is_regularised and len(feasible) > 1:
        rho = feasible.corr("spearman")["score"]
        sentences.append(
            f"Over the feasible cells the score ranks as L with ρ = {rho['L']:.3f}, as R with ρ ="
            f" {rho['R']:.3f}; {rank:.2%} of them have a lower L than the optimum."
        )
    return sentences


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
