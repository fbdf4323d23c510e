"""Several objectives: fronts, and the one number of a run, the share of the exact front's hypervolume that it misses.

Objectives are scaled between utopia and nadir of the exact front (of all runs' front where there is no table), and the
hypervolume is taken to 1.1 in each: a reference fixed by the space, not by the run, so that loose bounds flatter
nobody. Cells that cannot learn are on a front for costing nothing, and would stretch it over losses that nobody wants:
a cell whose objective with a loss lies beyond Tukey's fence of all cells, three quartiles and 1.5 times the range
between the first and the third, bounds no frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.objective import Objective
from surrogate_nas.space.trial import Trial
from surrogate_nas.study.comparison.statistics import Values

_REFERENCE = 1.1
_FENCE = 1.5


@dataclass(frozen=True)
class Frame:
    """What hypervolumes of one comparison are taken in.

    Attributes:
        utopia: The best of each objective on the front, shape ``(m,)``.
        span: From there to the worst on the front, shape ``(m,)``.
        front: In this frame, shape ``(k, m)``.
        volume: Of all that the frame holds, in this frame.
        exact: Whether the front is the whole space's.
    """

    utopia: Values
    span: Values
    front: Values
    volume: float
    exact: bool

    def missed(self, vectors: Values) -> float:
        """The share of the front's hypervolume that some cells leave uncovered, from 0 (none) to 1.

        Args:
            vectors: Scores of feasible cells, shape ``(n, m)``.
        """
        return 1.0 - hypervolume((vectors - self.utopia) / self.span) / self.volume if len(vectors) else 1.0

    def distance(self, vectors: Values) -> float:
        """IGD+: how far, on average, some cells fall short of a point of the front, in shares of the front's width.

        Ishibuchi et al., "Modified Distance Calculation in Generational Distance and Inverted Generational Distance",
        EMO 2015.

        Args:
            vectors: Scores of feasible cells, shape ``(n, m)``.
        """
        import moocore

        if not len(vectors):
            return float("inf")
        return float(moocore.igd_plus((vectors - self.utopia) / self.span, ref=self.front))


def hypervolume(scaled: Values) -> float:
    """The volume between scaled points and the reference.

    Args:
        scaled: Shape ``(n, m)``, 0 to 1 on the front.
    """
    import moocore

    inside = scaled[(scaled < _REFERENCE).all(axis=1)]
    return float(moocore.hypervolume(inside, ref=np.full(scaled.shape[1], _REFERENCE))) if len(inside) else 0.0


def nondominated(vectors: Values) -> Values:
    """The points that no other one beats in every objective, shape ``(k, m)``.

    Args:
        vectors: Shape ``(n, m)``, smaller is better.
    """
    return np.asarray(vectors[undominated(vectors)])


def undominated(vectors: Values) -> NDArray[np.bool_]:
    """Whether no other point beats a point in every objective, shape ``(n,)``; of equal ones the first counts.

    Args:
        vectors: Shape ``(n, m)``, smaller is better.
    """
    import moocore

    return np.asarray(moocore.is_nondominated(vectors), dtype=np.bool_)


def frame_of(objective: Objective, trials: Sequence[Trial] = (), *, fenced: bool = True) -> Frame | None:
    """The frame of a comparison; None where no cell is feasible.

    Args:
        objective: Several objectives.
        trials: Of all runs, for where there is no table.
        fenced: Whether cells beyond the fence bound no frame.
    """
    scores = objective.over_space()
    if scores is None:
        points = np.array([trial.scores for trial in trials if trial.feasible])
    else:
        points = scores.vector[scores.feasible]
    if not len(points):
        return None
    learned = [part in {term.part for term in objective.terms if term.is_loss} for part in range(objective.parts)]
    first, third = np.quantile(points, (0.25, 0.75), axis=0)
    fence = np.where(np.array(learned) & fenced, third + _FENCE * (third - first), np.inf)
    front = nondominated(points[(points <= fence).all(axis=1)])
    utopia, span = front.min(axis=0), np.ptp(front, axis=0)
    span = np.where(span > 0, span, 1.0)
    volume = hypervolume((nondominated(points) - utopia) / span)
    return Frame(utopia, span, (front - utopia) / span, volume, scores is not None)


def vectors_of(trials: Sequence[Trial]) -> Values:
    """The objectives' scores of the feasible trials, shape ``(n, m)``.

    Args:
        trials: Under several objectives.
    """
    width = len(trials[0].scores) if trials else 0
    return np.array([trial.scores for trial in trials if trial.feasible]).reshape(-1, width)
