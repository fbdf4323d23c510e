"""Points and the Matérn-5/2 kernel over them, in units of its variance.

Rasmussen & Williams, "Gaussian Processes for Machine Learning", MIT Press 2006, section 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Scaling(NamedTuple):
    """How columns are brought to one scale: by their range over many points.

    Attributes:
        kept: The columns that vary, shape ``(d,)``.
        centre: Their means, shape ``(kept,)``.
        span: Their ranges.
        distance: The mean squared distance of two random points after that.
    """

    kept: NDArray[np.bool_]
    centre: Floats
    span: Floats
    distance: float

    @classmethod
    def of(cls, block: NDArray[Any]) -> Self:
        """Take the constants from points, shape ``(n, d)``.

        Args:
            block: Many points, at best the whole space.
        """
        kept = np.ptp(block, axis=0) > 0
        varying = block[:, kept].astype(np.float64)
        centre, span = varying.mean(axis=0), np.ptp(varying, axis=0)
        return cls(kept, centre, span, float(2 * ((varying - centre) / span).var(axis=0).sum()) or 1.0)

    def ranged(self, block: NDArray[Any]) -> Floats:
        """Points with the columns that vary, each centred and divided by its range, shape ``(n, kept)``.

        Args:
            block: Shape ``(n, d)``.
        """
        return np.asarray((block[:, self.kept].astype(np.float64) - self.centre) / self.span)

    def unit(self, block: NDArray[Any]) -> Floats:
        """`ranged`, and the whole so that two random points are 1 apart (root mean square).

        Args:
            block: Shape ``(n, d)``.
        """
        return np.asarray(self.ranged(block) / np.sqrt(self.distance))


def squared_distances(left: Floats, right: Floats) -> Floats:
    """Between all points of two sets, shape ``(n, m)``.

    Args:
        left: Shape ``(n, d)``.
        right: Shape ``(m, d)``.
    """
    sums = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)
    return np.asarray(np.maximum(sums - 2 * left @ right.T, 0))


def matern_of_squares(squared: Floats) -> Floats:
    """The Matérn-5/2 kernel.

    Args:
        squared: Squared distances over the squared length scale.
    """
    r = np.sqrt(5 * squared)
    return np.asarray((1 + r + r**2 / 3) * np.exp(-r))


def weighted(weights: Floats, matrices: Sequence[Floats]) -> Floats:
    """A weighted sum of matrices.

    Args:
        weights: One each.
        matrices: Of one shape, at least one.
    """
    return np.asarray(sum(weight * matrix for weight, matrix in zip(weights, matrices, strict=True)))
