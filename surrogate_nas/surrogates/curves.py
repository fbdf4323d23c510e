"""A Gaussian process over cells and epochs, for learning curves that stop at different epochs.

Lin, Ament, Balandat & Bakshy, "Scaling Gaussian Processes for Learning Curve Prediction via Latent
Kronecker Structure", arXiv 2410.09239, 2024: the covariance is a kernel over cells times one over
epochs, on a grid whose missing entries are projected out. Departure: they solve by conjugate
gradients and draw samples. With their Matérn-1/2 over epochs the latent values of all cells at one
epoch are an autoregression of order 1 on those at the epoch before, so that the process is
conditioned epoch by epoch, exactly (Hartikainen & Särkkä, "Kalman Filtering and Smoothing Solutions
to Temporal Gaussian Process Regression Models", MLSP 2010), and one more value changes each
covariance by rank 1.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular

from surrogate_nas.surrogates.gaussian import (
    LEAST,
    Floats,
    climbed,
    matern_of_squares,
    squared_distances,
)

_ROOM = 64
"""Curves that there is room for at once."""
_MOST_FOR_LIKELIHOOD = 100
"""More curves than these are stood for by a random choice."""


class CurveHyper(NamedTuple):
    """Of the covariance v·[Matérn-5/2(d/ℓ) + a + b·(same cell)]·exp(-|s - s'|/τ), and of the noise
    v·c.

    Attributes:
        length: ℓ, between the points of two cells; two random points are about 1 apart.
        common: a, what all curves share, such as that they fall.
        own: b, what each curve has beside what its point tells.
        memory: τ, between two steps.
        noise: c, what each value has of its own.

    Example:
        >>> CurveHyper(length=2.0)._replace(noise=0.1)
        CurveHyper(length=2.0, common=30.0, own=0.1, memory=10.0, noise=0.1)
    """

    length: float = 1.0
    common: float = 30.0
    own: float = 0.1
    memory: float = 10.0
    noise: float = 1e-2


_GRID = CurveHyper(
    length=(0.5, 1.0, 2.0, 4.0),  # type: ignore[arg-type]
    common=(3.0, 30.0, 300.0),  # type: ignore[arg-type]
    own=(0.01, 0.03, 0.1, 0.3, 1.0),  # type: ignore[arg-type]
    memory=(0.3, 1.0, 3.0, 10.0, 30.0, 100.0),  # type: ignore[arg-type]
    noise=(1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3),  # type: ignore[arg-type]
)


class Foreseen(NamedTuple):
    """What is said of some curves at their last step.

    Attributes:
        mean: Shape ``(n,)``.
        variance: Of a value there, with noise, shape ``(n,)``.
        explained: How much of it one more value of the same curve at its next step will explain, as
            far as the curve itself tells; 0 where there is no such step. Shape ``(n,)``.
    """

    mean: Floats
    variance: Floats
    explained: Floats


class CurveProcess:
    """The process over some cells, whose curves are observed at some of their steps.

    Better than a process of final values alone where curves are stopped early. Of n curves of t
    steps it holds t·n² numbers; a new value, or a prediction, takes as many operations.

    Attributes:
        n: How many curves there are.

    Example:
        >>> points = np.linspace(0, 2, 5)[:, None]
        >>> values = np.sin(points) + np.array([1.0, 0.5, 0.0])
        >>> values[4, 1:] = np.nan  # of the last curve only the beginning
        >>> hyper = CurveHyper(noise=1e-4)
        >>> process = CurveProcess(np.arange(3.0), hyper, points, ~np.isnan(values))
        >>> last = process.predict(values)
        >>> bool(abs(last.mean[4] - np.sin(2)) < 2 * last.variance[4] ** 0.5)
        True
        >>> bool(last.variance[4] > 10 * last.variance[:4].max())
        True
    """

    def __init__(
        self,
        steps: Floats,
        hyper: CurveHyper,
        points: Floats,
        seen: NDArray[np.bool_],
    ) -> None:
        """Take in what is observed so far.

        Args:
            steps: Where the steps of a curve lie, rising, such as the logarithms of epochs, shape
                ``(t,)``.
            hyper: See there.
            points: Of the cells, shape ``(n, d)``.
            seen: Which steps are observed, shape ``(n, t)``.
        """
        self._hyper = hyper
        self._decay = _decay(steps, hyper)
        self._to_end = np.append(np.cumprod(self._decay[:0:-1])[::-1], 1.0)
        self._seen = seen.copy()
        self._reserve(len(points))
        self._set(points)
        self._covariances[:], _ = _conditioned(self._kernel, seen, self._decay, hyper.noise)

    def add(self, points: Floats) -> None:
        """Take in curves that are not begun.

        Args:
            points: Of their cells, shape ``(m, d)``.
        """
        old, m = self.n, len(points)
        towards, across = self._weights(points)
        among = _kernel(squared_distances(points, points), self._hyper)
        if old + m > self._room.shape[1]:
            before = self._covariances
            self._reserve(old + m)
            self._room[:, :old, :old] = before
        self._set(np.vstack([self._points, points]))
        self._seen = np.vstack([self._seen, np.zeros((m, len(self._decay)), dtype=bool)])
        for covariance in self._covariances:
            between = covariance[:old, :old] @ towards
            covariance[:old, old:] = between
            covariance[old:, :old] = between.T
            covariance[old:, old:] = among - towards.T @ (across - between)

    def _reserve(self, n: int) -> None:
        self._room = np.empty((len(self._decay), n + _ROOM, n + _ROOM))

    def _set(self, points: Floats) -> None:
        """Store the points of all curves, and what follows from them."""
        self.n = len(points)
        self._points = points
        self._kernel = _kernel(squared_distances(points, points), self._hyper)
        self._root = np.linalg.cholesky(self._kernel)
        self._covariances = self._room[:, : self.n, : self.n]

    def observe(self, curve: int, step: int) -> None:
        """Take in that a step of a curve is observed; what was, is given to `predict`.

        Args:
            curve: Its number.
            step: One that was not observed.
        """
        noise = self._hyper.noise
        with_value = self._covariances[step, :, curve].copy()
        variance = float(with_value[curve]) + noise
        for later in range(step, len(self._decay)):
            covariance = self._covariances[later]
            if later > step:
                with_value *= self._decay[later]
                of_seen = np.where(self._seen[:, later], with_value, 0.0) / noise
                gained = covariance @ of_seen
                variance -= noise * float(of_seen @ of_seen) - float(of_seen @ gained)
                with_value -= gained
            covariance -= np.multiply.outer(with_value, with_value / max(variance, LEAST))
        self._seen[curve, step] = True

    def predict(self, values: Floats) -> Foreseen:
        """What the values so far say of the last step of every curve.

        Args:
            values: Of all curves and steps, shape ``(n, t)``; those of steps that are not observed
                are not read. All may change between calls.
        """
        hyper, seen, covariances = self._hyper, self._seen, self._covariances
        self._offset = float(values[seen].mean())
        self._last, fit = _means(covariances, values - self._offset, seen, self._decay, hyper.noise)
        self._variance = max(fit / int(seen.sum()), LEAST)
        variances = np.maximum(np.diagonal(covariances, axis1=1, axis2=2), LEAST)

        steps = seen.shape[1]
        latest = np.where(seen.any(axis=1), steps - 1 - seen[:, ::-1].argmax(axis=1), 0)
        alone = 1.0 + hyper.own
        here = variances[latest, np.arange(self.n)]
        following = np.minimum(latest + 1, steps - 1)
        to_next = np.where(following > latest, self._decay[following], 1.0) ** 2
        to_end = self._to_end[latest] ** 2
        at_next = to_next * here + (1 - to_next) * alone
        at_end = to_end * here + (1 - to_end) * alone
        share = _explained(at_next, at_end, self._to_end[following], hyper.noise)
        share = np.where(following > latest, share, 0.0)
        return self._foreseen(self._last, variances[-1], share)

    def predict_new(self, points: Floats) -> Foreseen:
        """What the last `predict` says of curves that are not begun.

        Args:
            points: Of their cells, shape ``(m, d)``.
        """
        towards, across = self._weights(points)
        explained = across - self._covariances[-1] @ towards
        own = 1.0 + self._hyper.common + self._hyper.own
        variance = np.maximum(own - np.einsum("ij,ij->j", towards, explained), LEAST)
        share = _explained(variance, variance, self._to_end[0], self._hyper.noise)
        return self._foreseen(towards.T @ self._last, variance, share)

    def _foreseen(self, mean: Floats, variance: Floats, share: Floats) -> Foreseen:
        """In the unit of the values, of latent values at the last step."""
        return Foreseen(
            self._offset + mean,
            self._variance * (variance + self._hyper.noise),
            self._variance * variance * share,
        )

    def _weights(self, points: Floats) -> tuple[Floats, Floats]:
        """What the latent values of all curves are multiplied by to give those of other cells, and
        the kernel between both, shape ``(n, m)`` each.
        """
        across = _smooth(squared_distances(self._points, points), self._hyper)
        return np.asarray(cho_solve((self._root, True), across)), across


def most_likely_curves(
    steps: Floats,
    points: Floats,
    values: Floats,
    start: CurveHyper,
    seed: int,
) -> CurveHyper:
    """Climb a grid from a start, along one axis after another, until no step along any is more
    likely.

    Args:
        steps: As for `CurveProcess`.
        points: Of cells, shape ``(n, d)``.
        values: Of their curves, NaN where a step is not observed, shape ``(n, t)``.
        start: On the grid, as `CurveHyper` begins.
        seed: Chooses the curves whose likelihood is compared, where there are more than 100.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> points, apart = rng.random((30, 1)), np.arange(4.0)
        >>> shared = np.sin(3 * points) - apart
        >>> smooth, rough = shared, shared + rng.standard_normal((30, 4))
        >>> clear, noisy = (
        ...     most_likely_curves(apart, points, values, CurveHyper(), 0)
        ...     for values in (smooth, rough)
        ... )
        >>> clear.noise < noisy.noise
        True
    """
    chosen = np.random.default_rng(seed).permutation(len(points))[:_MOST_FOR_LIKELIHOOD]
    squares = squared_distances(points[chosen], points[chosen])
    seen = ~np.isnan(values[chosen])
    n = int(seen.sum())
    centred = values[chosen] - values[chosen][seen].mean()

    @cache
    def likelihood(hyper: CurveHyper) -> float:
        decay = _decay(steps, hyper)
        covariances, spread = _conditioned(_kernel(squares, hyper), seen, decay, hyper.noise)
        _, fit = _means(covariances, centred, seen, decay, hyper.noise)
        return -n * float(np.log(max(fit / n, LEAST))) - spread

    return climbed(start, _GRID, CurveHyper._fields, likelihood)


def _smooth(squares: Floats, hyper: CurveHyper) -> Floats:
    """The kernel between different cells, from the squared distances of their points."""
    return matern_of_squares(squares / hyper.length**2) + hyper.common


def _kernel(squares: Floats, hyper: CurveHyper) -> Floats:
    """The kernel among some cells, shape ``(n, n)``."""
    return _smooth(squares, hyper) + hyper.own * np.eye(len(squares))


def _decay(steps: Floats, hyper: CurveHyper) -> Floats:
    """The correlation of each step with the one before; 0 for the first."""
    return np.append(0.0, np.exp(-np.diff(steps) / hyper.memory))


def _conditioned(
    kernel: Floats,
    seen: NDArray[np.bool_],
    decay: Floats,
    noise: float,
) -> tuple[Floats, float]:
    """The covariances of latent values at each step given that and earlier steps, shape
    ``(t, n, n)``, and the logarithm of the determinant of all that is observed.
    """
    covariances = np.empty((len(decay), *kernel.shape))
    covariance = kernel
    spread = 0.0
    for step, correlation in enumerate(decay**2):
        covariance = correlation * covariance + (1 - correlation) * kernel
        here = np.flatnonzero(seen[:, step])
        if len(here):
            observed = covariance[here]
            root = np.linalg.cholesky(observed[:, here] + noise * np.eye(len(here)))
            spread += 2 * float(np.log(np.diag(root)).sum())
            whitened = solve_triangular(root, observed, lower=True, check_finite=False)
            covariance -= whitened.T @ whitened
        covariances[step] = covariance
    return covariances, spread


def _means(
    covariances: Floats,
    values: Floats,
    seen: NDArray[np.bool_],
    decay: Floats,
    noise: float,
) -> tuple[Floats, float]:
    """The means of the latent values at the last step, shape ``(n,)``, and yᵀ K⁻¹ y of all that is
    observed.
    """
    mean = np.zeros(len(values))
    fit = 0.0
    for step, correlation in enumerate(decay):
        mean = correlation * mean
        surprise = np.where(seen[:, step], values[:, step] - mean, 0.0)
        mean = mean + covariances[step] @ surprise / noise
        fit += float(surprise @ np.where(seen[:, step], values[:, step] - mean, 0.0)) / noise
    return mean, fit


def _explained(at_next: Floats, at_end: Floats, decay: Floats | float, noise: float) -> Floats:
    """The share of the variance at the end that a value at the next step explains.

    Args:
        at_next: The variance there.
        at_end: At the end.
        decay: The correlation of both.
        noise: Of the value.
    """
    return np.asarray((decay * at_next) ** 2 / (at_next + noise) / at_end)
