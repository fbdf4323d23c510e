"""Bayesian linear regression with groups of columns: how much each group varies is learned by maximum evidence.

A target is ``X w + noise`` with ``w ~ N(centre, a₀ TᵀT + diag(a_group))``: ``T`` holds directions in which weights are
known to vary together, and every group of columns may vary by itself. MacKay, "Bayesian interpolation", Neural
Computation 1992; the directions and the prior over the variances come from other targets of the same kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.surrogates.target import Floats

_LOWEST, _HIGHEST = -22.0, 4.0
"""Where the logarithm of a variance may lie; targets are about 1 in size."""
_JITTER = 1e-9
_ITERATIONS = 60
_SMALLEST = 0.2
"""Latencies below this share of the mean are as noisy as those at it."""


@dataclass(frozen=True)
class Prior:
    """What is believed of a target before any of it is measured.

    Attributes:
        centre: The expected weights, shape ``(d,)``.
        directions: Shape ``(k, d)``: the spread of other targets' weights around their mean; k may be 0.
        group: For every column the number of its group, shape ``(d,)``.
        log_variances: Expected logarithms of the variances: of the directions, of every group, of the noise.
        spread: Their standard deviations, same shape.
    """

    centre: Floats
    directions: Floats
    group: NDArray[np.int64]
    log_variances: Floats
    spread: Floats

    def covariance(self, log_variances: Floats) -> Floats:
        """The covariance of the weights, shape ``(d, d)``.

        Args:
            log_variances: Of the directions, the groups and the noise.
        """
        variances = np.exp(log_variances)
        shared = variances[0] * self.directions.T @ self.directions
        return np.asarray(shared + np.diag(variances[1:-1][self.group]), dtype=np.float64)


class Posterior(NamedTuple):
    """What is believed of the weights after measuring.

    Attributes:
        weights: Shape ``(d,)``.
        root: Shape ``(d, d)``; the weights' covariance is ``root @ root.T``.
        noise: The variance of the noise at a target of 1.
        leverage: Of each measured row, shape ``(n,)``.
    """

    weights: Floats
    root: Floats
    noise: float
    leverage: Floats


def noise_shape(target: Floats) -> Floats:
    """How the noise's variance grows with the target: in proportion, between a constant and a relative error.

    Args:
        target: Shape ``(n,)``, about 1 on average.
    """
    return np.maximum(target, _SMALLEST)


def most_evident(parts: Sequence[tuple[Floats, Floats]], prior: Prior) -> Floats:
    """The log-variances under which the measured values are most probable, given their prior.

    Args:
        parts: Independent pairs of a matrix ``(n, d)`` and its target ``(n,)``, sharing their variances.
        prior: The belief beforehand.
    """
    from scipy.linalg import cho_solve
    from scipy.optimize import minimize

    members = [np.flatnonzero(prior.group == g) for g in range(len(prior.log_variances) - 2)]
    made = []
    for matrix, target in parts:
        scores = matrix @ prior.directions.T
        kernels = [scores @ scores.T, *(matrix[:, g] @ matrix[:, g].T for g in members), np.diag(noise_shape(target))]
        made.append((target - matrix @ prior.centre, np.array(kernels)))

    def cost(logs: Floats) -> tuple[float, Floats]:
        variances = np.exp(logs)
        deviation = (logs - prior.log_variances) / prior.spread
        total, slope = 0.5 * float(deviation @ deviation), deviation / prior.spread
        for rest, kernels in made:
            covariance = np.tensordot(variances, kernels, 1)
            covariance[np.diag_indices(len(rest))] += _JITTER
            lower = np.linalg.cholesky(covariance)
            inverse = cho_solve((lower, True), np.eye(len(rest)))
            solved = inverse @ rest
            total += 0.5 * float(rest @ solved) + float(np.log(np.diag(lower)).sum())
            slope = slope + 0.5 * variances * np.einsum("ij,kij->k", inverse - np.outer(solved, solved), kernels)
        return total, slope

    bounds = [(_LOWEST, _HIGHEST)] * len(prior.log_variances)
    start = np.clip(prior.log_variances, _LOWEST, _HIGHEST)
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _ITERATIONS})
    return np.asarray(found.x, dtype=np.float64)


def measure(matrix: Floats, target: Floats, prior: Prior, log_variances: Floats) -> Posterior:
    """Update the weights by measured values.

    Args:
        matrix: Shape ``(n, d)``.
        target: Shape ``(n,)``.
        prior: The belief beforehand.
        log_variances: Of the directions, the groups and the noise.
    """
    d = len(prior.centre)
    lower = np.linalg.cholesky(prior.covariance(log_variances) + _JITTER * np.eye(d))
    noise = float(np.exp(log_variances[-1])) + _JITTER
    shape = noise_shape(target)
    for _ in range(2):
        weight = np.sqrt(noise * shape)
        scaled = (matrix @ lower) / weight[:, None]
        precision = np.linalg.cholesky(scaled.T @ scaled + np.eye(d))
        root = lower @ np.linalg.inv(precision).T
        weights = prior.centre + root @ (root.T @ (matrix.T @ ((target - matrix @ prior.centre) / weight**2)))
        shape = noise_shape(matrix @ weights)
    leverage = (((matrix @ root) / weight[:, None]) ** 2).sum(axis=1)
    return Posterior(weights, np.asarray(root, dtype=np.float64), noise, leverage)
