"""Does λ matter? Whether the regulariser moves the optimum of the loss, and whether it drowns the
loss.
"""

from __future__ import annotations

import numpy as np

from surrogate_nas.objective.objective import Objective


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
