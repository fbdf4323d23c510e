"""One Gaussian process over points; each observed cell adds a row to its Cholesky factor.

The covariance of two cells is v·[Matérn-5/2(d/ℓ) + a·(same point) + b·(same cell)]: cells of one
function share a point, so they share its mean and its deviation a, and each has noise b of its own.
ℓ, a and b are found again whenever the told cells have grown by a tenth, or those that share a
point with an earlier one by half.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.surrogates.gaussian import (
    MOST_FOR_LIKELIHOOD,
    Floats,
    GrowingProcess,
    Hyper,
    Places,
    Posterior,
    matern_of_squares,
    most_likely,
    squared_distances,
)

_GROWTH = 1.1
_GROWTH_OF_TWINS = 1.5
# Told cells that there is room for at once; what of it is not used is never touched.
_ROOM = 256


class Expert:
    """A process over some points, conditioned on observed cells, each at one of the points.

    Args:
        points: Shape ``(m, d)``, two random ones about 1 apart.
        seed: Chooses the cells whose likelihood is compared, where more than 400 are told.
        like: One over other points of the same space, whose ℓ, a and b are kept until more is
            told.
    """

    def __init__(
        self,
        points: NDArray[np.floating[Any]],
        seed: int,
        like: Expert | None = None,
    ) -> None:
        self.hyper: Hyper = like.hyper if like else Hyper()
        self._fitted: tuple[int, int] = like._fitted if like else (0, 0)
        self._seed = seed
        self._points = points.astype(np.float32, copy=False)
        self._norms = np.einsum("ij,ij->i", self._points, self._points)
        self._observed: Places = np.empty(0, dtype=np.intp)
        self._away: NDArray[np.float32] = np.empty((0, len(points)), dtype=np.float32)
        self._process = GrowingProcess(len(points), 1 + self.hyper.shared, self.hyper.noise)

    def extend(self, points: NDArray[np.floating[Any]]) -> None:
        """Add points, shape ``(k, d)``; those that were there keep their places."""
        new = points.astype(np.float32, copy=False)
        n = len(self._observed)
        norms = np.einsum("ij,ij->i", new, new)
        observed = self._points[self._observed]
        to_new = np.maximum(
            self._norms[self._observed][:, None] + norms - 2 * observed @ new.T, 0
        )
        away = np.empty((len(self._away), len(self._points) + len(new)), dtype=np.float32)
        away[:n] = np.hstack([self._away[:n], to_new])
        self._away, self._points = away, np.vstack([self._points, new])
        self._norms = np.concatenate([self._norms, norms])
        self._process.add_points(self._smooth(to_new[: self._process.n_observed]))

    def is_due(self, observed: Places) -> bool:
        """Whether ℓ, a and b are to be fitted again."""
        before, shared = self._fitted
        grown = len(observed) >= _GROWTH * max(before, 1)
        return grown or len(observed) - len(np.unique(observed)) > _GROWTH_OF_TWINS * shared

    def observe(
        self,
        observed: Places,
        target: Floats,
        pending: Places,
        *,
        waits: bool = False,
    ) -> Posterior:
        """Mean and variance at all points, given observed cells and pending ones at their expected
        values.

        Args:
            observed: The points of the observed cells; those of an earlier call come first, in
                that order.
            target: Their values, shape ``(n,)``; these may all change.
            pending: The points of cells that are asked for and not told.
            waits: Whether ℓ, a and b, where they were found before, stay what they are, though they
                are due.
        """
        known = len(self._observed)
        if len(observed) > len(self._away):
            room = np.empty(
                (max(_ROOM, 2 * len(observed)), len(self._points)), dtype=np.float32
            )
            room[:known] = self._away[:known]
            self._away = room
        for number in range(known, len(observed)):
            self._away[number] = self._distances(int(observed[number]))
        self._observed = observed
        if self.is_due(observed) and not (waits and self._fitted[0]):
            self._fit(target)
            self._fitted = len(observed), len(observed) - len(np.unique(observed))
        if not self._process.n_observed:
            self._process.observe_all(observed, partial(self._covariance_within, observed))
        for number in range(self._process.n_observed, len(observed)):
            place = observed[[number]]
            self._process.observe(
                int(place[0]), self._covariance(place, self._away[[number]])[0]
            )
        between = np.empty((len(pending), len(self._points)), dtype=np.float32)
        for number, place in enumerate(pending):
            between[number] = self._distances(int(place))
        return self._process.predict(target, pending, self._covariance(pending, between))

    def _smooth(self, away: NDArray[np.float32]) -> Floats:
        return matern_of_squares(away / np.float64(self.hyper.length**2))

    def _covariance(self, places: Places, away: NDArray[np.float32]) -> Floats:
        covariance = self._smooth(away)
        covariance[np.arange(len(places)), places] += self.hyper.shared
        return covariance

    def _covariance_within(self, places: Places, at: slice) -> Floats:
        """The same with a range of points only, shape ``(k, stop - start)``."""
        covariance = self._smooth(self._away[: len(places), at])
        inside = np.flatnonzero((places >= at.start) & (places < at.stop))
        covariance[inside, places[inside] - at.start] += self.hyper.shared
        return covariance

    def _distances(self, place: int) -> NDArray[np.float32]:
        away = self._norms + (self._norms[place] - 2 * (self._points @ self._points[place]))
        away[place] = 0.0
        return np.asarray(np.maximum(away, 0.0), dtype=np.float32)

    def _fit(self, target: Floats) -> None:
        """Fit ℓ, a and b again; where they stay the same, so does the factor."""
        n = len(target)
        chosen = np.arange(n)
        if n > MOST_FOR_LIKELIHOOD:
            rng = np.random.default_rng([self._seed, n])
            chosen = rng.permutation(chosen)[:MOST_FOR_LIKELIHOOD]
        observed = self._observed[chosen]
        points = self._points[observed].astype(np.float64)
        best = most_likely(
            squared_distances(points, points),
            np.equal.outer(observed, observed),
            target[chosen],
            self.hyper,
        )
        if best != self.hyper:
            self.hyper = best
            self._process.begin(1 + best.shared, best.noise)
