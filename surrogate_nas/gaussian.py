"""One Gaussian process, for strategies and surrogates: Matérn-5/2, its likelihood and its predictions.

Rasmussen & Williams, "Gaussian Processes for Machine Learning", MIT Press 2006; leave-one-out predictions by their
section 5.4.2. The process has zero mean and a variance that is the most likely one given kernel and noise; noise is
relative to it everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LEAST_VARIANCE, _LEAST_LEFT = 1e-12, 1e-9
_MOST_FOR_LIKELIHOOD = 400
_ITERATIONS = 15
_START_NOISE, _NOISE_PRIOR = -2.0, (-3.0, 2.0)
_BOUNDS, _NOISE_BOUNDS = (-5.0, 4.0), (-7.0, 1.0)
_WEIGHT_PRIOR = 2.0


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


def matern(distances: Floats) -> Floats:
    """The Matérn-5/2 kernel, in units of its variance.

    Args:
        distances: Over the length scale.
    """
    return _matern(np.sqrt(5) * distances)


def matern_of_squares(squared: Floats) -> Floats:
    """The same of squared distances.

    Args:
        squared: Over the squared length scale.
    """
    return _matern(np.sqrt(5 * squared))


def _matern(r: Floats) -> Floats:
    return np.asarray((1 + r + r**2 / 3) * np.exp(-r))


class Process(NamedTuple):
    """A process that has seen values at some points.

    Attributes:
        root: The lower Cholesky factor of kernel plus noise there, shape ``(n, n)``.
        alpha: What it solves to for the values, shape ``(n,)``.
        noise: The variance of the noise, relative to that of the process.
        variance: Of the process.
    """

    root: Floats
    alpha: Floats
    noise: float
    variance: float

    @classmethod
    def seeing(cls, kernel: Floats, values: Floats, noise: float) -> Self:
        """Condition on values; the process's variance is the most likely one.

        Args:
            kernel: Between the seen points, shape ``(n, n)``.
            values: There, about zero on average.
            noise: The relative variance of their noise.
        """
        root = np.asarray(np.linalg.cholesky(kernel + noise * np.eye(len(values))))
        alpha = _solve(root, values)
        return cls(root, alpha, noise, max(float(values @ alpha) / len(values), _LEAST_VARIANCE))

    def foresee(self, to_seen: Floats, luck: float = 1.0) -> tuple[Floats, Floats]:
        """Mean and standard deviation at other points, shape ``(m,)`` each.

        Args:
            to_seen: The kernel between the seen points and those, shape ``(n, m)``.
            luck: The share of the noise that a new value has too.
        """
        from scipy.linalg import solve_triangular

        whitened = solve_triangular(self.root, to_seen, lower=True)
        left = np.maximum(1 - (whitened**2).sum(axis=0), _LEAST_LEFT) + luck * self.noise
        return to_seen.T @ self.alpha, np.sqrt(self.variance * left)

    def left_out(self, values: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation at every seen point, had it not been seen.

        Args:
            values: Those that it was conditioned on, or all of them shifted alike.
        """
        precision = np.diag(_solve(self.root, np.eye(len(values))))
        return values - self.alpha / precision, np.sqrt(self.variance / precision)


def _solve(root: Floats, right: Floats) -> Floats:
    from scipy.linalg import cho_solve

    return np.asarray(cho_solve((root, True), right))


def most_likely_weights(points: Sequence[Floats], values: Floats, seed: int) -> tuple[Floats, float]:
    """The weight of every block's squared distance, and the relative noise, by likelihood and weak priors.

    Args:
        points: A block each, shape ``(n, d)``, two random points about 1 apart.
        values: Shape ``(n,)``, about zero on average.
        seed: Chooses the points whose likelihood is maximised, where there are more than 400.
    """
    from scipy.linalg import solve_triangular
    from scipy.optimize import minimize

    chosen = np.random.default_rng(seed).permutation(len(values))[:_MOST_FOR_LIKELIHOOD]
    values, n = values[chosen], len(chosen)
    distances = [squared_distances(block[chosen], block[chosen]) for block in points]

    def cost(logs: Floats) -> float:
        kernel = matern_of_squares(weighted(np.exp(logs[:-1]), distances))
        kernel[np.diag_indices(n)] += np.exp(logs[-1])
        root = np.linalg.cholesky(kernel)
        whitened = solve_triangular(root, values, lower=True)
        likelihood = 0.5 * n * np.log(max(whitened @ whitened / n, _LEAST_VARIANCE)) + np.log(np.diag(root)).sum()
        away = ((logs[-1] - _NOISE_PRIOR[0]) / _NOISE_PRIOR[1]) ** 2 + ((logs[:-1] / 2 / _WEIGHT_PRIOR) ** 2).sum()
        return float(likelihood + 0.5 * away)

    start = np.append(np.zeros(len(points)), _START_NOISE)
    bounds = [tuple(2 * b for b in _BOUNDS)] * len(points) + [_NOISE_BOUNDS]
    found = minimize(cost, start, method="L-BFGS-B", bounds=bounds, options={"maxiter": _ITERATIONS}).x
    return np.exp(found[:-1]), float(np.exp(found[-1]))


def weighted(weights: Floats, matrices: Sequence[Floats]) -> Floats:
    """A weighted sum of matrices.

    Args:
        weights: One each.
        matrices: Of one shape, at least one.
    """
    return np.asarray(sum(weight * matrix for weight, matrix in zip(weights, matrices, strict=True)))


def most_likely_on_grid(
    distances: Floats, values: Floats, lengths: Sequence[float], noises: Sequence[float]
) -> tuple[float, float, float]:
    """The length scale, relative noise and process variance of the largest likelihood, among a few.

    Args:
        distances: Between the seen points, shape ``(n, n)``.
        values: Shape ``(n,)``, about zero on average.
        lengths: To choose from.
        noises: To choose from.
    """
    found = []
    for length in lengths:
        spectrum, vectors = np.linalg.eigh(matern(distances / length))
        projected = (vectors.T @ values) ** 2
        for noise in noises:
            noisy = np.maximum(spectrum, 0) + noise
            variance = max(float((projected / noisy).mean()), _LEAST_VARIANCE)  # a constant target has none
            found.append((-len(values) * np.log(variance) - np.log(noisy).sum(), length, noise, variance))
    return max(found)[1:]
