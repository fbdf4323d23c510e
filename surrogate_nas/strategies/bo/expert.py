"""One Gaussian process over points, which a told cell grows by a row, so that nothing told is taken in twice.

The covariance of two cells is v·[Matérn-5/2(d/ℓ) + a·(same point) + b·(same cell)]: cells of one function share a
point, so they share its mean and its deviation a, and each has luck b of its own. ℓ, a and b are the most likely ones
on a grid (v is profiled out), found again whenever the told cells have grown by a tenth; the constant mean is that of
generalised least squares. Rasmussen & Williams, "Gaussian Processes for Machine Learning", MIT Press 2006.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.gaussian import Floats, matern_of_squares, squared_distances

Places = NDArray[np.intp]
_LENGTHS = (0.5, 1.0, 2.0, 4.0)  # two random points are about 1 apart
_SHARED = (0.0, 0.03, 0.1)
_LUCK = (1e-6, 1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3)
_GROWTH = 1.1
_CONTRADICTED = 10.0
"""By how much v grows where what is told since ℓ, a and b were found contradicts them, as unlike twins do."""
_MOST_FOR_LIKELIHOOD = 400
_LEAST = 1e-12


class Hyper(NamedTuple):
    """What the covariance is made of, in units of v.

    Attributes:
        length: ℓ.
        shared: a.
        luck: b.
    """

    length: float = 1.0
    shared: float = 0.0
    luck: float = 1e-2


class Seen(NamedTuple):
    """What the process says of every point, in the unit of the target.

    Attributes:
        mean: Shape ``(m,)``.
        variance: Of an untold cell there, its own luck included, shape ``(m,)``.
    """

    mean: Floats
    variance: Floats


class Expert:
    """A process over some points, conditioned on told cells, each at one of them.

    Attributes:
        hyper: ℓ, a and b as they are now.
    """

    def __init__(self, points: Floats, seed: int, like: Expert | None = None) -> None:
        """Start with nothing told.

        Args:
            points: Shape ``(m, d)``, two random ones about 1 apart.
            seed: Chooses the cells whose likelihood is compared, where more than 400 are told.
            like: One over other points of the same space, whose ℓ, a and b are kept until more is told.
        """
        self.hyper: Hyper = like.hyper if like else Hyper()
        self._fitted: int = like._fitted if like else 0
        self._points = points
        self._squares = np.einsum("ij,ij->i", points, points)
        self._seed = seed
        self._variance = np.inf
        self._held = 0
        self._rows = np.empty((0, len(points)))  # L⁻¹ K(told, points)
        self._away = np.empty((0, len(points)), dtype=np.float32)  # squared distances of told cells and points
        self._measured = 0
        self._root: Floats = np.empty((0, 0))
        self._spent = np.zeros(len(points))

    def see(self, told: Places, target: Floats, pending: Places) -> Seen:
        """Mean and variance at all points, given what is told, and what is asked for as if it had come as expected.

        Args:
            told: The points of the told cells; what was told in an earlier call comes first, in that order.
            target: Their values, shape ``(n,)``; these may all change.
            pending: The points of cells that are asked for and not told.
        """
        if len(told) >= _GROWTH * max(self._fitted, 1):
            self._fit(told, target)
        level, left, variance = self._taken_in(told, target)
        if variance > _CONTRADICTED * self._variance:
            self._fit(told, target)
            level, left, variance = self._taken_in(told, target)
        self._variance = min(variance, self._variance)
        rows = self._rows[: len(told)]
        spent = self._spent
        if len(pending):
            spent = spent + self._foreseen(pending)
        mean = level + left @ rows
        whole = 1 + self.hyper.shared
        return Seen(mean, variance * (np.maximum(whole - spent, _LEAST) + self.hyper.luck))

    def _taken_in(self, told: Places, target: Floats) -> tuple[float, Floats, float]:
        """The mean, what is left of the target once whitened, and v, with all told cells."""
        self._measure(told)
        if not self._held:
            self._condition(told)
        for place in told[self._held :]:
            self._grow(int(place))
        n = len(told)
        white = _forward(self._root[:n, :n], np.column_stack([target, np.ones(n)]))
        level = float(white[:, 0] @ white[:, 1] / (white[:, 1] @ white[:, 1]))
        left = white[:, 0] - level * white[:, 1]
        return level, left, max(float(left @ left) / n, _LEAST)

    def _distances(self, place: int) -> Floats:
        """The squared distances of a point and all points, shape ``(m,)``."""
        away = self._squares + (self._squares[place] - 2 * (self._points @ self._points[place]))
        away[place] = 0.0
        return np.asarray(np.maximum(away, 0.0))

    def _covariance(self, place: int, away: Floats) -> Floats:
        """Between a told cell at a point and untold ones at all points, shape ``(m,)``."""
        row = matern_of_squares(away / self.hyper.length**2)
        row[place] += self.hyper.shared
        return row

    def _measure(self, told: Places) -> None:
        """Note the distances of told cells that are new."""
        if len(told) > len(self._away):
            room = np.empty((max(64, 2 * len(told)), len(self._points)), dtype=np.float32)
            room[: self._measured] = self._away[: self._measured]
            self._away = room
        for number in range(self._measured, len(told)):
            self._away[number] = self._distances(int(told[number]))
        self._measured = len(told)

    def _grow(self, place: int) -> None:
        n = self._held
        if n == len(self._rows):
            rows, root = self._rows, self._root
            room = max(64, 2 * n)
            self._rows, self._root = np.empty((room, rows.shape[1])), np.zeros((room, room))
            self._rows[:n], self._root[:n, :n] = rows[:n], root[:n, :n]
        before = self._rows[:n, place].copy()
        own = max(1 + self.hyper.shared + self.hyper.luck - float(before @ before), _LEAST) ** 0.5
        self._root[n, :n], self._root[n, n] = before, own
        self._rows[n] = (self._covariance(place, self._away[n]) - before @ self._rows[:n]) / own
        self._spent += self._rows[n] ** 2
        self._held += 1

    def _foreseen(self, pending: Places) -> Floats:
        """How much variance pending cells will take at every point, shape ``(m,)``."""
        spent, extra = np.zeros(self._rows.shape[1]), np.empty((0, self._rows.shape[1]))
        rows = self._rows[: self._held]
        for place in pending:
            before, later = rows[:, place], extra[:, place]
            own = 1 + self.hyper.shared + self.hyper.luck - float(before @ before) - float(later @ later)
            here = self._covariance(int(place), self._distances(int(place)))
            row = (here - before @ rows - later @ extra) / max(own, _LEAST) ** 0.5
            extra = np.vstack([extra, row])
            spent += row**2
        return spent

    def _fit(self, told: Places, target: Floats) -> None:
        """Choose ℓ, a and b anew."""
        chosen = np.arange(len(told))
        if len(told) > _MOST_FOR_LIKELIHOOD:
            chosen = np.random.default_rng([self._seed, len(told)]).permutation(len(told))[:_MOST_FOR_LIKELIHOOD]
        self.hyper = most_likely(self._points[told[chosen]], told[chosen], target[chosen])
        self._fitted, self._held, self._variance = len(told), 0, np.inf

    def _condition(self, told: Places) -> None:
        """Take all told cells in at once."""
        n = self._held = len(told)
        to_all = matern_of_squares(self._away[:n] / np.float64(self.hyper.length**2))
        to_all[np.arange(n), told] += self.hyper.shared
        among = to_all[:, told]
        among[np.equal.outer(told, told)] = 1 + self.hyper.shared
        among[np.diag_indices(n)] += self.hyper.luck
        self._root = np.asarray(np.linalg.cholesky(among))
        self._rows = _forward(self._root, to_all)
        self._spent = (self._rows**2).sum(axis=0)


def _forward(root: Floats, right: Floats) -> Floats:
    from scipy.linalg import solve_triangular

    return np.asarray(solve_triangular(root, right, lower=True, check_finite=False))


def most_likely(points: Floats, places: Places, target: Floats) -> Hyper:
    """The most likely ℓ, a and b among a few; the mean is that of generalised least squares, v is profiled out.

    Args:
        points: Of the told cells, shape ``(n, d)``.
        places: A number that cells of one point share, shape ``(n,)``.
        target: Shape ``(n,)``.
    """
    n = len(target)
    squares, same = squared_distances(points, points), np.equal.outer(places, places).astype(np.float64)
    both = np.column_stack([target, np.ones(n)])
    luck = np.array(_LUCK)
    best, found = -np.inf, Hyper()
    for length in _LENGTHS:
        smooth = matern_of_squares(squares / length**2)
        for shared in _SHARED:
            spectrum, vectors = np.linalg.eigh(smooth + shared * same)
            turned = vectors.T @ both
            noisy = np.maximum(spectrum, 0)[:, None] + luck
            yy, y1, one = ((turned[:, i] * turned[:, j]) @ (1 / noisy) for i, j in ((0, 0), (0, 1), (1, 1)))
            variance = np.maximum((yy - y1**2 / one) / n, _LEAST)
            likelihood = -n * np.log(variance) - np.log(noisy).sum(axis=0)
            place = int(likelihood.argmax())
            if likelihood[place] > best:
                best, found = float(likelihood[place]), Hyper(length, shared, float(luck[place]))
    return found
