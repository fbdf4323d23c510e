"""Normal scores: values replaced by the normal quantiles of their ranks, and back, piecewise linearly."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from surrogate_nas.surrogates.target import Floats

_TAIL = 0.1
"""Beyond the seen values the slope over so many of the outermost ones goes on."""
_REACH = 3.0
"""How far beyond, in normal scores."""


class Warp(NamedTuple):
    """A monotone map between values and normal scores.

    Attributes:
        knots: Different values, rising, shape ``(k,)``.
        scores: Their normal scores, rising.
    """

    knots: Floats
    scores: Floats

    @classmethod
    def fit(cls, values: Floats) -> Self:
        """Make the map for values; equal ones share the score of their mean rank.

        Args:
            values: Shape ``(n,)``, at least two different.
        """
        from scipy.special import ndtri
        from scipy.stats import rankdata

        knots, first = np.unique(values, return_index=True)
        scores = ndtri((rankdata(values)[first] - 0.5) / len(values))
        reach = max(1, round(_TAIL * (len(knots) - 1)))
        low = (knots[reach] - knots[0]) / (scores[reach] - scores[0])
        high = (knots[-1] - knots[-1 - reach]) / (scores[-1] - scores[-1 - reach])
        return cls(
            np.concatenate([[knots[0] - _REACH * low], knots, [knots[-1] + _REACH * high]]),
            np.concatenate([[scores[0] - _REACH], scores, [scores[-1] + _REACH]]),
        )

    def forward(self, values: Floats) -> Floats:
        """Values to normal scores.

        Args:
            values: Shape ``(n,)``.
        """
        return np.interp(values, self.knots, self.scores)

    def backward(self, mean: Floats, std: Floats) -> tuple[Floats, Floats]:
        """Normal scores to values; the standard deviation is half of what one up and one down span.

        Args:
            mean: Shape ``(n,)``.
            std: Shape ``(n,)``.
        """
        low, middle, high = (np.interp(mean + step * std, self.scores, self.knots) for step in (-1, 0, 1))
        return middle, (high - low) / 2
