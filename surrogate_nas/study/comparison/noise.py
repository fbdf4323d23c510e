"""The noise of training: how much the score of a good cell changes with the seed, below which regret says nothing."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from surrogate_nas.objective import Objective
from surrogate_nas.space import listed

BEST_SHARE = 0.01
"""Of the cells with two seeds or more, those whose noise is looked at: where a search ends."""
_FEWEST_CELLS = 10


@dataclass(frozen=True)
class Noise:
    """The standard deviation of scores over training seeds, averaged over the best cells, in units of the score.

    Attributes:
        one_seed: Of the score of one training.
        mean_of_seeds: Of the mean over the seeds that a cell has: one training's, divided by the root of their number.
        cells: How many cells were looked at.
    """

    one_seed: float
    mean_of_seeds: float
    cells: int


def noise_of(objective: Objective) -> Noise | None:
    """Measure the noise of an objective on its table.

    Args:
        objective: The objective.

    Returns:
        None where scores are several or depend on history, or where no cell has two seeds of all that is trained.
    """
    scores = objective.over_space() if objective.parts == 1 else None
    seeds = None if scores is None else objective.single_seeds()
    if scores is None or seeds is None:
        return None
    several = np.flatnonzero((seeds.held.sum(axis=1) > 1) & scores.feasible)
    if not len(several):
        return None
    n_best = max(ceil(BEST_SHARE * len(several)), _FEWEST_CELLS)
    best = several[np.argsort(scores.score[several], kind="stable")[:n_best]]
    means = objective.look_up([listed(objective.benchmark.space)[int(i)] for i in best])[0]
    rows = seeds.rows(best, means)
    by_seed = objective.combine(rows.reshape(-1, rows.shape[2]))
    spread = np.nanstd((by_seed.loss + by_seed.penalty).reshape(rows.shape[:2]), axis=1, ddof=1)
    count = seeds.held[best].sum(axis=1)
    return Noise(float(spread.mean()), float((spread / np.sqrt(count)).mean()), len(best))
