"""Expected hypervolume improvement: how much of the space between a front and a reference a cell is
expected to add.

Emmerich, Giannakoglou & Naujoks, "Single- and Multiobjective Evolutionary Optimization Assisted by
Gaussian Random Field Metamodels", IEEE Transactions on Evolutionary Computation 2006; exact by
slabs, as in Yang et al., "Efficient Computation of Expected Hypervolume Improvement Using Box
Decomposition Algorithms", Journal of Global Optimization
2019. A cell adds at a place what it dominates there, so the expectation is the integral, over the
      region that the front
leaves free, of the product of each objective's probability to lie below; over a box that is the
product of differences of E max(level − value, 0). An objective that is known for free has max(level
− value, 0) itself in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

from surrogate_nas.space import Trial
from surrogate_nas.surrogates.gaussian import Floats, Posterior

# How far beyond what is told the reference lies, as a share of its range.
_MARGIN = 0.1
_FENCE = 1.5
# Beyond two objectives a front is thinned until it makes about so many boxes.
_MOST_BOXES = 3000


class Believed(NamedTuple):
    """What is thought of one objective of some cells: known plus a learned part, or known exactly.

    Attributes:
        known: The part that is known, shape ``(k,)``.
        pole: Where the learned part's logarithm has its pole.
        seen: Mean and variance of log(learned part − pole) by each expert; nothing where the
            objective is known.
    """

    known: Floats
    pole: float = 0.0
    seen: Sequence[Posterior] = ()

    def below(self, levels: Floats) -> Floats:
        """E max(level − value, 0), averaged over the experts, shape ``(k, levels)``."""
        room = levels - (self.known + self.pole)[:, None]
        if not self.seen:
            return np.maximum(room, 0.0)
        return np.asarray(sum(shortfall(room, each) for each in self.seen) / len(self.seen))

    @property
    def expected(self) -> Floats:
        """The middle of what is thought, shape ``(k,)``."""
        learned = sum(np.exp(each.mean) for each in self.seen) / max(len(self.seen), 1)
        return self.known + self.pole + learned


def shortfall(room: Floats, seen: Posterior) -> Floats:
    """E max(room − value, 0) of log-normal values; 0 where there is no room, shape as `room`.

    Args:
        room: Shape ``(k, levels)``.
        seen: Mean and variance of the values' logarithms, shapes ``(k,)``.
    """
    mean, variance = (np.broadcast_to(part[:, None], room.shape)[room > 0] for part in seen)
    left = room[room > 0]
    deviation = np.sqrt(variance)
    q = (np.log(left) - mean) / deviation
    shortfalls = np.zeros(room.shape)
    shortfalls[room > 0] = left * ndtr(q) - np.exp(
        mean + variance / 2 + log_ndtr(q - deviation)
    )
    return np.maximum(shortfalls, 0.0)


def expected_gain(
    believed: Sequence[Believed],
    front: Floats,
    reference: Floats,
) -> Floats:
    """The hypervolume that each cell is expected to add to a front, shape ``(k,)``.

    Args:
        believed: Of each objective, what is thought of the cells; taken as independent.
        front: Vectors of told cells, shape ``(n, objectives)``; dominated ones change nothing.
        reference: Where the volume ends, shape ``(objectives,)``.
    """
    inside = thinned(front[(front < reference).all(axis=1)], reference)
    tables = []
    ranks = np.empty(inside.shape, dtype=np.intp)
    for part, each in enumerate(believed):
        levels, ranks[:, part] = np.unique(inside[:, part], return_inverse=True)
        below = each.below(np.append(levels, reference[part]))
        tables.append(np.column_stack([np.zeros(len(below)), below]))
    return _integral(tables, ranks + 1)


def _integral(tables: Sequence[Floats], ranks: NDArray[np.intp]) -> Floats:
    """The integral over what points leave free, slab by slab of the last objective."""
    *others, last = tables
    top = last.shape[1] - 1
    if not others:
        return last[:, ranks.min(initial=top)]
    total = np.zeros(len(last))
    for low, high in pairwise([0, *np.unique(ranks[:, -1]).tolist(), top]):
        total += (last[:, high] - last[:, low]) * _integral(
            others, ranks[ranks[:, -1] <= low, :-1]
        )
    return total


def thinned(front: Floats, reference: Floats) -> Floats:
    """The points that no other dominates; of more than two objectives only those of the largest
    contributions.
    """
    import moocore

    if not len(front):
        return front
    best = np.asarray(front[moocore.is_nondominated(front)])
    most = int(_MOST_BOXES ** (1 / max(best.shape[1] - 1, 1)))
    if len(best) <= most:
        return best
    return best[
        np.argsort(-moocore.hv_contributions(best, ref=reference), kind="stable")[:most]
    ]


def learned_of(
    trials: Sequence[Trial],
    known: Floats,
    whole: Sequence[bool],
    all_known: bool,
) -> tuple[Floats, Floats]:
    """The vectors that make the front, and what of every trial's vector has to be learned.

    What an infeasible cell lacks is not told apart from its scores; where all but one objective is
    known it follows.

    Args:
        trials: Under several objectives.
        known: Their known λR, shape ``(n, objectives)``.
        whole: Whether each objective is known for free.
        all_known: Whether nothing of R and the limits has to be learned.

    Returns:
        Of the feasible trials, or of all where none is, shape ``(k, objectives)``; and
        ``(n, objectives)``.
    """
    scores = np.array([trial.scores for trial in trials])
    feasible = np.array([trial.feasible for trial in trials])
    if not feasible.any():
        return scores, scores - known
    learned = np.minimum(scores, scores[feasible].max(axis=0)) - known
    if all_known and sum(whole) == len(whole) - 1:
        sums = np.array([trial.loss + trial.penalty for trial in trials]) - known.sum(
            axis=1
        )
        learned[~feasible] = sums[~feasible, None]
    return scores[feasible], learned


def reference_of(vectors: Floats, whole: Sequence[bool]) -> Floats:
    """The reference point, shape ``(objectives,)``: a little beyond all observations, not only the
    front.

    A front whose best cells are not found yet is short, and a reference at its ends would forbid to
    prolong it. In an objective that is learned, what lies beyond Tukey's fence of the told ones
    does not count: such a cell, one that cannot learn, say, is on the front for costing nothing.

    Args:
        vectors: Of feasible told cells, shape ``(n, objectives)``.
        whole: Whether each objective is known for free.
    """
    least, first, third, most = np.quantile(vectors, (0.0, 0.25, 0.75, 1.0), axis=0)
    high = np.where(whole, most, np.minimum(most, third + _FENCE * (third - first)))
    width = high - least
    return np.asarray(high + _MARGIN * np.where(width > 0, width, 1.0))
