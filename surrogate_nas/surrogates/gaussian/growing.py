"""The same process seen value by value: what one more costs is a row, and one more place a column.

The covariance of seen cells and places is kept whitened: with K = RRᵀ of the seen cells, the rows of R⁻¹K(seen, places)
give means, variances and the next row of R at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.surrogates.gaussian.kernel import Floats

Places = NDArray[np.intp]
"""Places by their numbers, of any shape."""
LEAST = 1e-12
_ROOM = 64


class Foreseen(NamedTuple):
    """What a process says of every place.

    Attributes:
        mean: Shape ``(m,)``.
        variance: Of an unseen cell there, its own luck included, shape ``(m,)``.

    Example:
        >>> said = Foreseen(np.array([8.0, 6.5, 7.1]), np.array([0.1, 0.4, 0.2]))
        >>> said.at(np.array([1])).mean
        array([6.5])
    """

    mean: Floats
    variance: Floats

    def at(self, places: Places) -> Foreseen:
        """What it says of some places only.

        Args:
            places: Their numbers, shape ``(k,)``.
        """
        return Foreseen(self.mean[places], self.variance[places])


class Growing:
    """A process over places, of which each seen cell is at one; its constant mean is that of generalised least squares.

    Attributes:
        held: How many cells are seen.

    Example:
        >>> from surrogate_nas.surrogates.gaussian import matern_of_squares, squared_distances
        >>> line = np.linspace(0, 3, 31)[:, None]
        >>> kernel = matern_of_squares(squared_distances(line, line))
        >>> process = Growing(places=31, prior=1.0, luck=1e-4)
        >>> for place in (0, 10, 20, 30):
        ...     process.see(place, kernel[place])
        >>> said = process.foresee(np.sin(line[[0, 10, 20, 30], 0]), np.array([], dtype=int), np.zeros((0, 31)))
        >>> float(np.abs(said.mean - np.sin(line[:, 0])).max()) < 0.1
        True
        >>> int(said.variance.argmax()) in (5, 25)  # farthest from what was seen
        True
    """

    def __init__(self, places: int, prior: float, luck: float) -> None:
        """Start with nothing seen.

        Args:
            places: How many there are.
            prior: The variance at a place, relative to that of the process.
            luck: What a cell adds of its own.
        """
        self.held = 0
        self._prior, self._luck = prior, luck
        self._root: Floats = np.zeros((0, 0))
        self._rows: Floats = np.empty((0, places))
        self._spent: Floats = np.zeros(places)

    def see(self, place: int, covariance: Floats) -> None:
        """Take in a further cell.

        Args:
            place: Where it is.
            covariance: Between there and all places, shape ``(m,)``.
        """
        n = self.held
        self._make_room(n + 1)
        before = self._rows[:n, place].copy()
        own = max(self._prior + self._luck - float(before @ before), LEAST) ** 0.5
        self._root[n, :n], self._root[n, n] = before, own
        self._rows[n] = (covariance - before @ self._rows[:n]) / own
        self._spent += self._rows[n] ** 2
        self.held += 1

    def see_all(self, places: Places, covariance: Floats) -> None:
        """Take in the first cells at once.

        Args:
            places: Where they are, shape ``(n,)``.
            covariance: Between there and all places, shape ``(n, m)``.
        """
        n = len(places)
        self._make_room(n)
        among = covariance[:, places]
        among[np.equal.outer(places, places)] = self._prior
        among[np.diag_indices(n)] += self._luck
        self._root[:n, :n] = np.linalg.cholesky(among)
        self._rows[:n] = _forward(self._root[:n, :n], covariance)
        self._spent = np.einsum("ij,ij->j", self._rows[:n], self._rows[:n])
        self.held = n

    def widen(self, covariance: Floats) -> None:
        """Add places.

        Args:
            covariance: Between the seen cells and these, shape ``(n, k)``.
        """
        new = _forward(self._root[: self.held, : self.held], covariance)
        rows = np.empty((len(self._rows), self._rows.shape[1] + new.shape[1]))
        rows[: self.held] = np.hstack([self._rows[: self.held], new])
        self._rows = rows
        self._spent = np.concatenate([self._spent, (new**2).sum(axis=0)])

    def foresee(self, target: Floats, pending: Places, between: Floats) -> Foreseen:
        """Mean and variance at all places, given values, and pending cells as if these had come as expected.

        Args:
            target: The values of the seen cells, shape ``(n,)``; these may all change from call to call.
            pending: Where cells are whose values are not known yet, shape ``(k,)``.
            between: The covariance between there and all places, shape ``(k, m)``.
        """
        n, rows = self.held, self._rows[: self.held]
        white = _forward(self._root[:n, :n], np.column_stack([target, np.ones(n)]))
        level = float(white[:, 0] @ white[:, 1] / (white[:, 1] @ white[:, 1]))
        left = white[:, 0] - level * white[:, 1]
        variance = max(float(left @ left) / n, LEAST)
        spent = self._spent + self._taken(pending, between) if len(pending) else self._spent
        return Foreseen(level + left @ rows, variance * (np.maximum(self._prior - spent, LEAST) + self._luck))

    def _taken(self, pending: Places, between: Floats) -> Floats:
        """How much variance pending cells will take at every place, shape ``(m,)``."""
        rows = self._rows[: self.held]
        before = rows[:, pending]
        left = between - before.T @ rows
        among = left[:, pending] + self._luck * np.eye(len(pending))
        return np.asarray((_forward(np.asarray(np.linalg.cholesky(among)), left) ** 2).sum(axis=0))

    def _make_room(self, n: int) -> None:
        if n > len(self._rows):
            rows, root, held = self._rows, self._root, self.held
            room = max(_ROOM, 2 * n)
            self._rows, self._root = np.empty((room, rows.shape[1])), np.zeros((room, room))
            self._rows[:held], self._root[:held, :held] = rows[:held], root[:held, :held]


def _forward(root: Floats, right: Floats) -> Floats:
    from scipy.linalg import solve_triangular

    return np.asarray(solve_triangular(root, right, lower=True, check_finite=False))
