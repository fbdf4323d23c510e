"""Scores that only order cells, brought to the target's unit by a rising line through what they are seen to mean."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.surrogates.target import Floats

_TAIL = 0.1
"""Beyond the outermost knots the line goes on as steeply as it rises on average over this share of the cells."""
_LEAST_SLOPE = 0.05
"""There; scores and target have a standard deviation of about one."""


class Units(NamedTuple):
    """A strictly rising map from the scores of an ensemble to the target.

    Attributes:
        centre: Of each member's scores, shape ``(members, 1)``.
        spread: Their standard deviation, same shape.
        knots: Standardised scores, rising, shape ``(k,)``.
        values: The target at them, rising.
        slopes: Below the first knot and above the last, shape ``(2,)``.
    """

    centre: Floats
    spread: Floats
    knots: Floats
    values: Floats
    slopes: Floats

    @classmethod
    def fit(cls, scores: Floats, unseen: NDArray[np.bool_], target: Floats) -> Self:
        """Lay the line: isotonic regression, joined through the middles of its steps, which would make cells equal.

        Every member is standardised over all cells; then the line is laid through what members say of the cells that
        they have not seen. Barlow et al., "Statistical inference under order restrictions", 1972; for classifiers
        Zadrozny and Elkan, KDD 2002.

        Args:
            scores: Of the training cells, shape ``(members, n)``.
            unseen: Whether a member did not learn from a cell, same shape.
            target: Shape ``(n,)``.
        """
        from scipy.optimize import isotonic_regression

        centre, spread = scores.mean(axis=1, keepdims=True), np.maximum(scores.std(axis=1, keepdims=True), 1e-9)
        members, cells = np.nonzero(unseen)
        found = ((scores - centre) / spread)[members, cells]
        order = np.argsort(found, kind="stable")
        found, wanted = found[order], target[cells][order]
        blocks = isotonic_regression(wanted).blocks
        knots, values = (np.add.reduceat(column, blocks[:-1]) / np.diff(blocks) for column in (found, wanted))
        apart = np.concatenate([[True], np.diff(knots) > 0])
        knots, values = knots[apart], values[apart]
        slopes = []
        for first, inner in ((knots[0], np.quantile(found, _TAIL)), (knots[-1], np.quantile(found, 1 - _TAIL))):
            nearest = knots[np.argsort(np.abs(knots - first))[:2]][-1]
            other = inner if abs(inner - first) > abs(nearest - first) else nearest
            rise = abs(np.interp(other, knots, values) - np.interp(first, knots, values))
            slopes.append(max(rise / max(abs(other - first), 1e-9), _LEAST_SLOPE))
        return cls(centre, spread, knots, values, np.array(slopes))

    def of(self, scores: Floats) -> Floats:
        """The target that scores stand for, shape as given.

        Args:
            scores: Shape ``(members, n)``.
        """
        found = (scores - self.centre) / self.spread
        below, above = np.minimum(found - self.knots[0], 0.0), np.maximum(found - self.knots[-1], 0.0)
        inside = np.interp(found, self.knots, self.values)
        return np.asarray(inside + self.slopes[0] * below + self.slopes[1] * above, dtype=np.float64)
