"""The units in which scores are compared: the noise of training, the reference frame of a Pareto
front, and the scale of normalised regret.

With several objectives, the score of a run is the share of the exact Pareto front's hypervolume
that the run misses. Objectives are scaled so that the front's best values (utopia point) are 0 and
its worst values (nadir point) are 1. If there is no table, the joint front of all runs is used. The
reference point of the hypervolume is 1.1 in each objective. The frame depends on the space and not
on the run, so loose constraints favour no strategy. Cells that cannot learn are on the Pareto front
because they cost nothing, and would extend the frame to useless losses. A cell with a loss beyond
Tukey's fence (the third quartile plus 1.5 times the interquartile range of all cells) is therefore
not used to define the frame.

Normalised regret is 0 at the optimum and 1 at the expected result of random sampling with the whole
budget. On a table, this expected value is exact. If n cells are sampled uniformly with replacement,
the best of the sampled cells is the i-th best cell of the table with probability (1 − W(i−1))ⁿ − (1
− W(i))ⁿ. Here, cells are ordered by search score, and W(i) is the share of the i best cells. If
training seeds are sampled, the trainings of a cell divide the cell's share, and the expected value
is that of the chosen cell's mean score over seeds. A run that has not found a feasible cell yet
gets the expected regret of one random feasible cell, which is the largest regret that a run can
get.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import ceil
from types import MappingProxyType
from typing import Any

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.core import ROUNDING, checked_as
from surrogate_nas.objective import Objective
from surrogate_nas.runs.options import Budget
from surrogate_nas.space import Trial, listed
from surrogate_nas.stats.summaries import Values

_REFERENCE = 1.1
_FENCE = 1.5


@dataclass(frozen=True)
class Frame:
    """The frame of reference in which the hypervolumes of a comparison are computed.

    Attributes:
        utopia: The best value of each objective on the Pareto front, shape ``(m,)``.
        span: The worst value of each objective on the Pareto front minus `utopia`, shape ``(m,)``.
        front: The Pareto front, scaled to this frame, shape ``(k, m)``.
        volume: The hypervolume of the Pareto front in this frame.
        exact: Whether the Pareto front is that of the whole space, instead of that of the runs.
    """

    utopia: Values
    span: Values
    front: Values
    volume: float
    exact: bool

    def missed(self, vectors: Values) -> float:
        """Return the share of the Pareto front's hypervolume, from 0 to 1, that some feasible cells
        miss. The scores of the cells have the shape ``(n, m)``.
        """
        return (
            1.0 - hypervolume((vectors - self.utopia) / self.span) / self.volume
            if len(vectors)
            else 1.0
        )


def hypervolume(points: Values, reference: Values | float = _REFERENCE) -> float:
    """Return the hypervolume that points of shape ``(n, m)`` dominate up to a reference point. The
    default reference point is for points that are scaled to the range from 0 to 1 on the Pareto
    front.
    """
    import moocore

    inside = points[(points < reference).all(axis=1)]
    if not len(inside):
        return 0.0
    ref = np.broadcast_to(reference, points.shape[1:])
    return float(moocore.hypervolume(inside, ref=ref))


def nondominated(vectors: Values) -> Values:
    """Return the nondominated points among points of shape ``(n, m)``, as an array of shape
    ``(k, m)``. Smaller values are better.
    """
    return np.asarray(vectors[undominated(vectors)])


def undominated(vectors: Values) -> NDArray[np.bool_]:
    """Return whether each point is nondominated, shape ``(n,)``. Of several equal points, only the
    first counts as nondominated.
    """
    import moocore

    return np.asarray(moocore.is_nondominated(vectors), dtype=np.bool_)


def frame_of(
    objective: Objective,
    trials: Sequence[Trial] = (),
    *,
    fenced: bool = True,
) -> Frame | None:
    """Return the frame in which the hypervolumes of a comparison are computed, or None if no cell
    is feasible.
    """
    scores = objective.over_space()
    if scores is None:
        points = np.array([trial.scores for trial in trials if trial.feasible])
    else:
        points = scores.vector[scores.feasible]
    if not len(points):
        return None
    learned = [
        part in {term.part for term in objective.terms if term.is_loss}
        for part in range(objective.n_objectives)
    ]
    first, third = np.quantile(points, (0.25, 0.75), axis=0)
    fence = np.where(
        np.array(learned) & fenced, third + _FENCE * (third - first), np.inf
    )
    front = nondominated(points[(points <= fence).all(axis=1)])
    utopia = front.min(axis=0)
    span = np.ptp(front, axis=0)
    span = np.where(span > 0, span, 1.0)
    volume = hypervolume((nondominated(points) - utopia) / span)
    return Frame(utopia, span, (front - utopia) / span, volume, scores is not None)


def vectors_of(trials: Sequence[Trial]) -> Values:
    """Return the scores of the feasible trials among `trials` for each objective, shape
    ``(n, m)``.
    """
    found = [trial.scores for trial in trials if trial.feasible]
    return np.array(found) if found else np.empty((0, 0))


BEST_SHARE = 0.01
"""The share of best cells (with at least two seeds) whose noise is estimated, near a search's
end.
"""
_FEWEST_CELLS = 10


@dataclass(frozen=True)
class Noise:
    """The standard deviation of scores over training seeds, averaged over the best cells, in units
    of the score.

    Attributes:
        one_seed: The standard deviation of the score of a single training.
        mean_of_seeds: The standard deviation of a cell's mean score over its seeds.
        cells: Number of cells over which the standard deviations are averaged.
    """

    one_seed: float
    mean_of_seeds: float
    cells: int


def noise_of(objective: Objective) -> Noise | None:
    """Return the training noise of an objective on its table. Return None if there are several
    objectives, if the objective depends on the history of a run, or if no cell has two seeds.
    """
    scores = objective.over_space() if objective.n_objectives == 1 else None
    seeds = None if scores is None else objective.single_seeds()
    if scores is None or seeds is None:
        return None
    several = np.flatnonzero((seeds.held.sum(axis=1) > 1) & scores.feasible)
    if not len(several):
        return None
    n_best = max(ceil(BEST_SHARE * len(several)), _FEWEST_CELLS)
    best = several[np.argsort(scores.score[several], kind="stable")[:n_best]]
    means = objective.look_up(
        [listed(objective.benchmark.space)[int(i)] for i in best]
    )[0]
    rows = seeds.rows(best, means)
    by_seed = objective.combine(rows.reshape(-1, rows.shape[2]))
    spread = np.nanstd(
        (by_seed.loss + by_seed.penalty).reshape(rows.shape[:2]), axis=1, ddof=1
    )
    count = seeds.held[best].sum(axis=1)
    return Noise(
        float(spread.mean()), float((spread / np.sqrt(count)).mean()), len(best)
    )


# Checkpoints of a budget in seconds; one in cells has one after every cell.
_POINTS = 200


def checkpoints(budget: Budget) -> Values:
    """Return the increasing checkpoints of a budget at which curves are evaluated, in cells or, if
    the budget is in seconds, in seconds.
    """
    if budget.cells is not None:
        return np.arange(1.0, budget.cells + 1)
    assert budget.seconds is not None
    return budget.seconds * np.arange(1, _POINTS + 1) / _POINTS


@dataclass(frozen=True)
class Reference:
    """The scale of normalised regret on one problem.

    Attributes:
        optimum: The best score of the space, or of all runs if the optimum of the space is not
            available.
        start: The expected score of one random feasible cell.
        random: The expected best score of random sampling at every checkpoint, shape
            ``(checkpoints,)``; empty if there is no table.
        scale: The score difference that corresponds to a regret of 1. With a table, it is the
            expected final score of random sampling minus the optimum. Without a table, it is the
            mean final score of all runs minus the optimum.
        exact: Whether the scale is computed from the whole space instead of the runs.
        rounding: The normalised regret up to which a run counts as having found the optimum, which
            allows for rounding errors.
    """

    optimum: float
    start: float
    random: Values
    scale: float
    exact: bool
    rounding: float = ROUNDING

    @property
    def ceiling(self) -> float:
        """The normalised regret of a run that has not found a feasible cell."""
        return max((self.start - self.optimum) / self.scale, 1.0)

    def regret(self, score: Values) -> Values:
        """Convert scores of any shape to normalised regret, from 0 (the optimum) to `ceiling`. An
        infinite score, which stands for a run without a feasible cell, gives `ceiling`.
        """
        return np.clip((score - self.optimum) / self.scale, 0.0, self.ceiling)


def reference_of(
    objective: Objective,
    budget: Budget,
    curves: Sequence[Values],
    description: Mapping[str, Any] = MappingProxyType({}),
) -> Reference:
    """Compute the scale of normalised regret from the table or, if there is no table, from the best
    scores of every run at the checkpoints. If the stored description contains the scale for this
    budget, it is not computed again.
    """
    if description.get("budget") == structs.asdict(budget):
        with suppress(ValueError):  # nothing is recorded, or the frame of a front
            return checked_as(
                Reference,
                {**(description.get("reference") or {}), "exact": True},
                lambda _, curve: np.array(curve, float),
            )
    scores = objective.over_space() if objective.n_objectives == 1 else None
    if scores is None or not scores.feasible.any():
        return _from_runs(objective, curves)
    optimum = float(scores.score[scores.feasible].min())
    start = float(scores.score[scores.feasible].mean())
    random = expected(objective, budget, start)
    scale = next(
        span for span in (float(random[-1]) - optimum, start - optimum, 1.0) if span > 0
    )
    return Reference(
        optimum,
        start,
        random,
        scale,
        exact=True,
        rounding=scores.rounding / scale,
    )


def _from_runs(objective: Objective, curves: Sequence[Values]) -> Reference:
    """Use the best and the mean of the runs in place of those of the space. With several
    objectives, the best missed share is 0.
    """
    ends = np.array([curve[-1] for curve in curves])
    begins = np.array(
        [curve[np.isfinite(curve)][:1] for curve in curves if np.isfinite(curve).any()]
    )
    if not len(begins):
        return Reference(0.0, 1.0, np.empty(0), 1.0, exact=False)
    optimum = 0.0 if objective.n_objectives > 1 else float(ends.min())
    start = float(begins.mean())
    end = float(ends[np.isfinite(ends)].mean())
    scale = next(span for span in (end - optimum, start - optimum, 1.0) if span > 0)
    return Reference(optimum, start, np.empty(0), scale, exact=False)


# Terms that together are smaller than a sum times e to minus this do not change its last digit.
_HALF_A_DIGIT = 37.0


def expected(objective: Objective, budget: Budget, start: float) -> Values:
    """Return the expected best score of random sampling for one objective on a table, shape
    ``(checkpoints,)``.

    If the budget is in seconds, it is converted to a number of cells by the mean cost of a cell. If
    no sampled cell is feasible, the score is `start`. The sum at each checkpoint includes only
    cells with a non-negligible probability. After n sampled cells, these are about 45/n of the
    table. The time for all checkpoints is therefore proportional to cells × log(budget).
    """
    values, scores, cost = objective.look_up(listed(objective.benchmark.space))
    drawn = checkpoints(budget)
    if budget.cells is None:
        drawn = np.floor(drawn / cost.mean())
    reported = np.where(scores.feasible, scores.score, start)
    seen, held, weight = scores, np.ones(len(values), np.bool_), np.ones(len(values))
    seeds = objective.single_seeds() if objective.draws else None
    if seeds is not None:
        rows = seeds.rows(np.arange(len(values)), values)
        seen, held = (
            objective.combine(rows.reshape(-1, rows.shape[2])),
            seeds.held.ravel(),
        )
        weight = np.repeat(1 / np.maximum(seeds.held.sum(axis=1), 1), rows.shape[1])
        reported = np.repeat(reported, rows.shape[1])
    order = np.flatnonzero(held)[np.argsort(seen.score[held], kind="stable")]
    reported = np.where(seen.feasible, reported, start)[order]
    steps = np.diff(reported)
    share = np.minimum(np.cumsum(weight[order])[:-1] / weight[held].sum(), 1.0)
    # ln(1 − W), falling: the chance of not drawing any of the best so far
    missed = np.log1p(-share[steps != 0])
    steps = steps[steps != 0]
    if not len(steps):
        return np.where(drawn > 0, reported[0], start)
    reach = _HALF_A_DIGIT + np.log(np.abs(steps).sum()) - np.log(np.abs(steps[0]))
    ends = np.searchsorted(-missed, reach / np.maximum(drawn, 1.0) - missed[0])
    return np.array(
        [
            reported[0] + (np.exp(n * missed[:end]) * steps[:end]).sum() if n else start
            for n, end in zip(drawn, ends, strict=True)
        ]
    )


# Checkpoints of a budget, or points of a front, that a folder records.
_MOST_POINTS = 20_000


def recordable(objective: Objective, budget: Budget) -> dict[str, Any] | None:
    """Return the scale and the noise, or the frame, computed from all cells of a table, in the
    format in which a folder stores them. Return None if there is no table or the result is too
    large.
    """
    benchmark = objective.benchmark
    is_table = benchmark.contents or isinstance(benchmark, TableBenchmark)
    scores = objective.over_space() if is_table else None
    if (
        scores is None
        or not scores.feasible.any()
        or (budget.cells or 0) > _MOST_POINTS
    ):
        return None
    if objective.n_objectives > 1:
        frame = frame_of(objective)
        if frame is None or len(frame.front) > _MOST_POINTS:
            return None
        content = {
            name: np.asarray(value).tolist() for name, value in vars(frame).items()
        }
    else:
        reference = reference_of(objective, budget, [])
        noise = noise_of(objective)
        content = asdict(reference) | {
            "random": reference.random.tolist(),
            "score_rounding": scores.rounding,
            "noise": None if noise is None else asdict(noise),
        }
    del content["exact"]
    return content
