"""Several objectives: fronts, and the one number of a run, the share of the exact front's hypervolume that it misses.

Objectives are scaled between utopia and nadir of the exact front (of all runs' front where there is no table), and the
hypervolume is taken to 1.1 in each: a reference fixed by the space, not by the run, so that loose bounds flatter
nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.comparison.statistics import Values
from surrogate_nas.objective import Objective
from surrogate_nas.trial import Trial

_REFERENCE = 1.1


@dataclass(frozen=True)
class Frame:
    """What hypervolumes of one comparison are taken in.

    Attributes:
        utopia: The best of each objective on the front, shape ``(m,)``.
        span: From there to the worst on the front, shape ``(m,)``.
        volume: Of the front itself, in this frame.
        exact: Whether the front is the whole space's.
    """

    utopia: Values
    span: Values
    volume: float
    exact: bool

    def missed(self, vectors: Values) -> float:
        """The share of the front's hypervolume that some cells leave uncovered, from 0 (none) to 1.

        Args:
            vectors: Scores of feasible cells, shape ``(n, m)``.
        """
        return 1.0 - hypervolume((vectors - self.utopia) / self.span) / self.volume if len(vectors) else 1.0


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


def frame_of(objective: Objective, trials: Sequence[Trial]) -> Frame | None:
    """The frame of a comparison; None where no cell is feasible.

    Args:
        objective: Several objectives.
        trials: Of all runs, for where there is no table.
    """
    scores = objective.over_space()
    if scores is None:
        points = np.array([trial.scores for trial in trials if trial.feasible])
    else:
        points = scores.vector[scores.feasible]
    if not len(points):
        return None
    front = nondominated(points)
    utopia, span = front.min(axis=0), np.ptp(front, axis=0)
    span = np.where(span > 0, span, 1.0)
    return Frame(utopia, span, hypervolume((front - utopia) / span), scores is not None)


def vectors_of(trials: Sequence[Trial]) -> Values:
    """The objectives' scores of the feasible trials, shape ``(n, m)``.

    Args:
        trials: Under several objectives.
    """
    width = len(trials[0].scores) if trials else 0
    return np.array([trial.scores for trial in trials if trial.feasible]).reshape(-1, width)
