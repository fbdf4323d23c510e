"""Which cells a page shows, and their scores: of a table all that there is room for, elsewhere those evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.objective import Objective, Scores
from surrogate_nas.space import Cell, listed
from surrogate_nas.space.trial import Trial
from surrogate_nas.study.comparison import Comparison
from surrogate_nas.study.comparison.front import undominated
from surrogate_nas.study.comparison.statistics import Values
from surrogate_nas.study.store import Run

_DRAW_SEED = 201
Places = NDArray[np.intp]


class Shown(NamedTuple):
    """The cells of a page, each array in their order.

    Attributes:
        cells: The cells.
        scores: Their scores.
        trials: One trial of each; empty where a table tells all cells.
        places: Their places in the order of the table; None where there is no table.
    """

    cells: Sequence[Cell]
    scores: Scores
    trials: Sequence[Trial] = ()
    places: Places | None = None


def shown_cells(comparison: Comparison, runs: Sequence[Run], background: int) -> Shown:
    """Choose the cells of a page.

    Args:
        comparison: The comparison.
        runs: The runs that the page shows, whose cells are all there.
        background: The most other cells of a table; where it has more, its exact front and a fixed draw are there.
    """
    best: dict[Cell, Trial] = {}
    for run in runs:
        for trial in comparison.reported(run):
            if trial.epochs == run.epochs and (trial.cell not in best or trial.score < best[trial.cell].score):
                best[trial.cell] = trial
    objective = comparison.objective
    told = objective.over_space()
    if told is None:
        trials = list(best.values())
        return Shown(list(best), _scores_of(trials), trials)
    space = listed(objective.benchmark.space)
    places = _places(objective, told, [space.index(cell) for cell in best], background)
    scores = Scores(
        told.score[places], told.loss[places], told.penalty[places], told.feasible[places], told.vector[places]
    )
    return Shown([space[place] for place in places.tolist()], scores, places=places)


def _places(objective: Objective, told: Scores, met: Sequence[int], background: int) -> Places:
    """The evaluated cells, the exact front, and a fixed draw of all others, in the order of the space."""
    n = len(told.loss)
    if n - len(met) <= background:
        return np.arange(n)
    feasible = np.flatnonzero(told.feasible)
    plane = told.vector if objective.parts > 1 else np.column_stack([told.penalty, told.loss])
    front = feasible[undominated(plane[feasible])] if len(feasible) else feasible
    drawn = np.random.default_rng(_DRAW_SEED).permutation(n)[:background]
    return np.unique(np.concatenate([np.array(met, dtype=np.intp), front, drawn]))


def _scores_of(trials: Sequence[Trial]) -> Scores:
    score, loss, penalty = (
        _column([getattr(trial, name) for trial in trials]) for name in ("score", "loss", "penalty")
    )
    feasible = np.array([trial.feasible for trial in trials], dtype=np.bool_)
    vector = np.array([trial.scores or (trial.score,) for trial in trials], dtype=np.float64)
    return Scores(score, loss, penalty, feasible, vector)


def _column(numbers: Sequence[float]) -> Values:
    return np.array(numbers, dtype=np.float64)
