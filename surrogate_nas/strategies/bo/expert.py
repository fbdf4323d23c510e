"""One Gaussian process over points, which a told cell grows by a row, so that nothing told is taken
in twice.

The covariance of two cells is v·[Matérn-5/2(d/ℓ) + a·(same point) + b·(same cell)]: cells of one
function share a point, so they share its mean and its deviation a, and each has noise b of its own.
ℓ, a and b are found again whenever the told cells have grown by a tenth, or those that share a
point with an earlier one by half.
"""

from __future__ import annotations

from functools import partial
from typing import Any, TypeAlias

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

__all__ = ["Expert", "Hyper", "Places", "Seen"]

Seen: TypeAlias = Posterior
_GROWTH = 1.1
_GROWTH_OF_TWINS = 1.5
_ROOM = 256
"""Told cells that there is room for at once; what of it is not used is never touched."""


class Expert:
    """A process over some points, conditioned on told cells, each at one of them.

    Attributes:
        hyper: ℓ, a and b as they are now.
    """

    def __init__(
        self,
        points: NDArray[np.floating[Any]],
        seed: int,
        like: Expert | None = None,
    ) -> None:
        """Start with nothing told.

        Args:
            points: Shape ``(m, d)``, two random ones about 1 apart.
            seed: Chooses the cells whose likelihood is compared, where more than 400 are told.
            like: One over other points of the same space, whose ℓ, a and b are kept until more is
                told.
        """
        self.hyper: Hyper = like.hyper if like else Hyper()
        self._fitted: tuple[int, int] = like._fitted if like else (0, 0)
        self._seed = seed
        self._points = points.astype(np.float32, copy=False)
        self._norms = np.einsum("ij,ij->i", self._points, self._points)
        self._told: Places = np.empty(0, dtype=np.intp)
        self._away: NDArray[np.float32] = np.empty((0, len(points)), dtype=np.float32)
        self._process: GrowingProcess | None = None

    def extend(self, points: NDArray[np.floating[Any]]) -> None:
        """Add points; those that were there keep their places.

        Args:
            points: Shape ``(k, d)``.
        """
        new = points.astype(np.float32, copy=False)
        n = len(self._told)
        norms = np.einsum("ij,ij->i", new, new)
        told = self._points[self._told]
        to_new = np.maximum(self._norms[self._told][:, None] + norms - 2 * told @ new.T, 0)
        away = np.empty((len(self._away), len(self._points) + len(new)), dtype=np.float32)
        away[:n] = np.hstack([self._away[:n], to_new])
        self._away, self._points = away, np.vstack([self._points, new])
        self._norms = np.concatenate([self._norms, norms])
        if self._process is not None:
            self._process.widen(self._smooth(to_new[: self._process.held]))

    def is_due(self, told: Places) -> bool:
        """Whether ℓ, a and b are to be found again.

        Args:
            told: As for `see`.
        """
        before, shared = self._fitted
        grown = len(told) >= _GROWTH * max(before, 1)
        return grown or len(told) - len(np.unique(told)) > _GROWTH_OF_TWINS * shared

    def see(
        self,
        told: Places,
        target: Floats,
        pending: Places,
        *,
        waits: bool = False,
    ) -> Seen:
        """Mean and variance at all points, given what is told, and what is asked for as if it had
        come as expected.

        Args:
            told: The points of the told cells; what was told in an earlier call comes first, in
                that order.
            target: Their values, shape ``(n,)``; these may all change.
            pending: The points of cells that are asked for and not told.
            waits: Whether ℓ, a and b, where they were found before, stay what they are, though they
                are due.
        """
        self._measure(told)
        if self.is_due(told) and not (waits and self._fitted[0]):
            self._fit(target)
            self._fitted = len(told), len(told) - len(np.unique(told))
        if self._process is None:
            self._process = GrowingProcess(
                len(self._points), 1 + self.hyper.shared, self.hyper.noise
            )
        if not self._process.held:
            self._process.see_all(told, partial(self._covariance_within, told))
        for number in range(self._process.held, len(told)):
            place = told[[number]]
            self._process.see(int(place[0]), self._covariance(place, self._away[[number]])[0])
        between = np.empty((len(pending), len(self._points)), dtype=np.float32)
        for number, place in enumerate(pending):
            between[number] = self._distances(int(place))
        return self._process.predict(target, pending, self._covariance(pending, between))

    def _smooth(self, away: NDArray[np.float32]) -> Floats:
        return matern_of_squares(away / np.float64(self.hyper.length**2))

    def _covariance(self, places: Places, away: NDArray[np.float32]) -> Floats:
        """Between cells at some places and other cells at all points, shape ``(k, m)``."""
        found = self._smooth(away)
        found[np.arange(len(places)), places] += self.hyper.shared
        return found

    def _covariance_within(self, places: Places, at: slice) -> Floats:
        """The same with a range of points only, shape ``(k, stop - start)``."""
        found = self._smooth(self._away[: len(places), at])
        inside = np.flatnonzero((places >= at.start) & (places < at.stop))
        found[inside, places[inside] - at.start] += self.hyper.shared
        return found

    def _distances(self, place: int) -> NDArray[np.float32]:
        """The squared distances of a point and all points, shape ``(m,)``."""
        away = self._norms + (self._norms[place] - 2 * (self._points @ self._points[place]))
        away[place] = 0.0
        return np.asarray(np.maximum(away, 0.0), dtype=np.float32)

    def _measure(self, told: Places) -> None:
        """Note the distances of told cells that are new."""
        known = len(self._told)
        if len(told) > len(self._away):
            room = np.empty((max(_ROOM, 2 * len(told)), len(self._points)), dtype=np.float32)
            room[:known] = self._away[:known]
            self._away = room
        for number in range(known, len(told)):
            self._away[number] = self._distances(int(told[number]))
        self._told = told

    def _fit(self, target: Floats) -> None:
        """Choose ℓ, a and b anew; where they stay, so does what was taken in."""
        chosen = np.arange(len(target))
        if len(chosen) > MOST_FOR_LIKELIHOOD:
            chosen = np.random.default_rng([self._seed, len(chosen)]).permutation(chosen)[
                :MOST_FOR_LIKELIHOOD
            ]
        told = self._told[chosen]
        points = self._points[told].astype(np.float64)
        found = most_likely(
            squared_distances(points, points),
            np.equal.outer(told, told),
            target[chosen],
            self.hyper,
        )
        if found != self.hyper:
            self.hyper = found
            if self._process is not None:
                self._process.begin(1 + found.shared, found.noise)
