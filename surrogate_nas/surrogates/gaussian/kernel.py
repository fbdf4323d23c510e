"""Points and the Matérn-5/2 kernel over them, in units of its variance.

Rasmussen & Williams, "Gaussian Processes for Machine Learning", MIT Press 2006, section 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
"""Numbers of double precision, of any shape."""


class Scaling(NamedTuple):
    """How columns are brought to one scale: by their range over many points.

    Attributes:
        kept: The columns that vary, shape ``(d,)``.
        centre: Their means, shape ``(kept,)``.
        span: Their ranges.
        distance: The mean squared distance of two random points after that.

    Example:
        >>> cells = np.array([[0, 5, 100], [1, 5, 300], [1, 5, 200]])
        >>> Scaling.of(cells).kept, Scaling.of(cells).ranged(cells)[:, 1]
        (array([ True, False,  True]), array([-0.5,  0.5,  0. ]))
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

    Example:
        >>> squared_distances(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 1.0]]))
        array([[25.,  1.]])
    """
    sums = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)
    return np.asarray(np.maximum(sums - 2 * left @ right.T, 0))


def matern_of_squares(squared: Floats) -> Floats:
    """The Matérn-5/2 kernel.

    Args:
        squared: Squared distances over the squared length scale.

    Example:
        >>> matern_of_squares(np.array([0.0, 1.0, 9.0])).round(3)
        array([1.   , 0.524, 0.028])
    """
    r = np.sqrt(5 * squared)
    return np.asarray((1 + r + r**2 / 3) * np.exp(-r))


def weighted(weights: Floats, matrices: Sequence[Floats]) -> Floats:
    """A weighted sum of matrices.

    Args:
        weights: One each.
        matrices: Of one shape, at least one.

    Example:
        >>> weighted(np.array([1.0, 0.5]), [np.eye(2), np.ones((2, 2))])
        array([[1.5, 0.5],
               [0.5, 1.5]])
    """
    return np.asarray(sum(weight * matrix for weight, matrix in zip(weights, matrices, strict=True)))
