"""Predict latency on a new device from a few measurements and from data of other devices.

The setting is that of HELP (Lee et al., NeurIPS 2021): many cells are measured on some training
devices, and ten on the new device. HELP meta-trains a network. The model in this module is a linear
regression on the operations of a cell, with a prior learned from the training devices. The weights
of the training devices determine the prior mean and the directions in which devices differ.
Leave-one-device-out validation determines the prior variances. The space defines the columns of the
regression and their groups (`Space.cost_groups`). Latencies are not transformed but divided by the
mean measured latency, so cells with a latency of zero need no special treatment.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import UserError, one_thread
from surrogate_nas.space import Cell, Space, choices_of
from surrogate_nas.surrogates.base import (
    Arrays,
    Floats,
    Model,
    Prediction,
    Quantity,
    Target,
    check_data,
    folds,
    is_surveyed,
    own_cells,
    within,
)

# Bayesian linear regression with groups of columns: how much each group varies is learned by
# maximum evidence.
#
# A target is ``X w + noise`` with ``w ~ N(centre, a₀ TᵀT + diag(a_group))``: ``T`` holds directions
# in which weights are known to vary together, and every group of columns may vary by itself.
# MacKay, "Bayesian interpolation", Neural Computation 1992; the directions and the prior over the
# variances come from other targets of the same kind.


_LOWEST = -22.0
# Where the logarithm of a variance may lie; targets are about 1 in size.
_HIGHEST = 4.0
_JITTER = 1e-9
_ITERATIONS = 60
# Latencies below this share of the mean are as noisy as those at it.
_SMALLEST = 0.2


class Prior(NamedTuple):
    """The prior of the regression weights of a new device, before any measurement.

    Attributes:
        centre: The expected weights, shape ``(d,)``.
        directions: The scaled deviations of the training devices' weights from their mean, shape
            ``(k, d)``, where k may be 0.
        group: The number of each column's group, shape ``(d,)``.
        log_variances: Expected logarithms of the variances of the directions, of every group of
            columns, and of the noise.
        spread: Prior standard deviations of `log_variances`, with the same shape as
            `log_variances`.
    """

    centre: Floats
    directions: Floats
    group: NDArray[np.int64]
    log_variances: Floats
    spread: Floats

    def covariance(self, log_variances: Floats) -> Floats:
        """Return the covariance of the weights, shape ``(d, d)``."""
        variances = np.exp(log_variances)
        shared = variances[0] * self.directions.T @ self.directions
        return np.asarray(
            shared + np.diag(variances[1:-1][self.group]), dtype=np.float64
        )


class WeightPosterior(NamedTuple):
    """The posterior of the regression weights of a device.

    Attributes:
        weights: The posterior mean, shape ``(d,)``.
        root: A square root of the covariance, shape ``(d, d)``: the covariance is
            ``root @ root.T``.
        noise: The variance of the noise at a relative latency of 1.
        leverage: The leverage of each measured row, shape ``(n,)``.
        size: The mean latency of the measured cells, divided by the mean latency of all cells.
    """

    weights: Floats
    root: Floats
    noise: float
    leverage: Floats
    size: float = 1.0

    def predict(self, matrix: Floats) -> Prediction:
        """Predict latency relative to the mean measured latency. `matrix` has shape ``(n, d)``."""
        mean = matrix @ self.weights
        variance = ((matrix @ self.root) ** 2).sum(axis=1) + self.noise * noise_shape(
            mean
        )
        return Prediction(mean / self.size, np.sqrt(variance) / self.size)


def noise_shape(target: Floats) -> Floats:
    """Return the variance of the noise as a function of the target, up to a constant factor.

    The variance is proportional to the target, a compromise between a constant and a relative
    error.
    """
    return np.maximum(target, _SMALLEST)


def most_evident(samples: Sequence[tuple[Floats, Floats]], prior: Prior) -> Floats:
    """Return the log-variances with the highest posterior density, given measured values.

    Args:
        samples: Independent pairs of a matrix, shape ``(n, d)``, and its target, shape ``(n,)``,
            that share the variances.
        prior: The prior.
    """
    from scipy.linalg import cho_solve
    from scipy.optimize import minimize

    members = [
        np.flatnonzero(prior.group == g) for g in range(len(prior.log_variances) - 2)
    ]
    terms = []
    for matrix, target in samples:
        scores = matrix @ prior.directions.T
        kernels = [
            scores @ scores.T,
            *(matrix[:, g] @ matrix[:, g].T for g in members),
            np.diag(noise_shape(target)),
        ]
        terms.append((target - matrix @ prior.centre, np.array(kernels)))

    def cost(logs: Floats) -> tuple[float, Floats]:
        variances = np.exp(logs)
        deviation = (logs - prior.log_variances) / prior.spread
        total = 0.5 * float(deviation @ deviation)
        gradient = deviation / prior.spread
        for rest, kernels in terms:
            covariance = np.tensordot(variances, kernels, 1)
            covariance[np.diag_indices(len(rest))] += _JITTER
            lower = np.linalg.cholesky(covariance)
            inverse = cho_solve((lower, True), np.eye(len(rest)))
            solved = inverse @ rest
            total += 0.5 * float(rest @ solved) + float(np.log(np.diag(lower)).sum())
            gradient = gradient + 0.5 * variances * np.einsum(
                "ij,kij->k", inverse - np.outer(solved, solved), kernels
            )
        return total, gradient

    solution = minimize(
        cost,
        np.clip(prior.log_variances, _LOWEST, _HIGHEST),
        jac=True,
        method="L-BFGS-B",
        bounds=[(_LOWEST, _HIGHEST)] * len(prior.log_variances),
        options={"maxiter": _ITERATIONS},
    )
    return np.asarray(solution.x, dtype=np.float64)


def measure(
    matrix: Floats,
    target: Floats,
    prior: Prior,
    log_variances: Floats,
) -> WeightPosterior:
    """Compute the posterior of the regression weights from measured values.

    Args:
        matrix: Columns of the measured cells, shape ``(n, d)``.
        target: Measured values, shape ``(n,)``.
        prior: The prior.
        log_variances: Logarithms of the variances of the directions, the groups and the noise.
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
        weights = prior.centre + root @ (
            root.T @ (matrix.T @ ((target - matrix @ prior.centre) / weight**2))
        )
        shape = noise_shape(matrix @ weights)
    leverage = (((matrix @ root) / weight[:, None]) ** 2).sum(axis=1)
    return WeightPosterior(weights, np.asarray(root, dtype=np.float64), noise, leverage)


KnownDevices = Mapping[str, tuple[Sequence[Cell], Sequence[float] | NDArray[Any]]]
"""For each training device, the cells measured on it and their latencies, in any unit."""

_FEWEST_KNOWN = 100
_REHEARSALS = 12
# Draws of a known device, hidden, and the cells of each.
_REHEARSED_CELLS = 10
_PENALTY = 0.3
_FIRST_GUESS = -6.0
_FIRST_SPREAD = 4.0
_NOISE_GUESS = -5.0
_NARROWEST = 1.0
_MOST_FOR_EVIDENCE = 200
_SMALLEST_SIZE = 0.1
_NEAR_ZERO = 0.02
_MOST_REFITTED = 100
# Up to so many cells the uncertainty is calibrated by refitting, variances included; beyond, in
# closed form.
_FOLDS = 10


class Latency(Model):
    """A linear model of latency in the columns of `Space.cost_groups`, with a prior from training
    devices.

    Args:
        quantity: The quantity of the metric. The metric is learned without a transform.
        seed: Seed of the samples of training-device cells that determine the prior variances.
        known: Training devices with at least 100 measured cells each. Without training devices, the
            prior is vague.

    Example:
        >>> import surrogate_nas as sn
        >>> cells = sn.nb201()[:300]
        >>> slow = [1.0 + sum(c == 3 for c in cell.choices) for cell in cells]
        >>> fast = [
        ...     0.5 + 0.2 * sum(c in (2, 3) for c in cell.choices) for cell in cells
        ... ]
        >>> model = Latency(
        ...     "cost", known={"slow": (cells, slow), "fast": (cells, fast)}
        ... )
        >>> new = [3.0 + 2 * sum(c == 3 for c in cell.choices) for cell in cells[:10]]
        >>> model.fit(cells[:10], new).predict(cells[200:]).mean.shape
        (100,)
    """

    name: ClassVar[str] = "latency"

    def __init__(
        self,
        quantity: Quantity = "cost",
        *,
        seed: int = 0,
        calibrate: bool = True,
        known: KnownDevices | None = None,
    ) -> None:
        super().__init__(quantity, seed=seed, calibrate=calibrate)
        if known is not None and not isinstance(known, Mapping):
            raise UserError(
                "known= must map names of devices to their cells and latencies, not"
                f" {known!r:.80}."
            )
        self._known = known
        self._prior: tuple[Space, Prior] | None = None

    def prior(self, space: Space) -> Prior:
        """Return the prior for a new device in a space, learned from the training devices.

        The result is cached.

        Raises:
            UserError: A training device has too few cells, cells of another space, or values that
                are not numbers.
        """
        if self._prior is None or self._prior[0] != space:
            with one_thread():
                self._prior = space, _learn_prior(space, self._known or {}, self.seed)
        return self._prior[1]

    def _scale_of(self, values: Floats) -> Target:
        size = values.mean() if values.mean() > 0 else np.abs(values).mean()
        return Target(0.0, 0.0, 0.0, float(size))

    def _learn(self, cells: Sequence[Cell], target: Floats) -> None:
        self._learned = _update(
            self.prior(self._space), _rows(self._space, cells), target
        )

    def _predict(self, cells: Sequence[Cell]) -> Prediction:
        mean, std = self._learned.predict(_rows(self._space, cells))
        if (
            self.quantity == "cost"
        ):  # what is nearly zero or below stays above, in the same order
            bent = _NEAR_ZERO * np.exp(np.minimum(mean / _NEAR_ZERO, 1.0) - 1.0)
            mean = np.where(mean > _NEAR_ZERO, mean, bent)
        return Prediction(mean, std)

    def _held_out(self, cells: Sequence[Cell], target: Floats) -> Prediction:
        matrix = _rows(self._space, cells)
        mean = matrix @ self._learned.weights
        if len(cells) > _MOST_REFITTED:
            left = np.maximum(1.0 - self._learned.leverage, 1e-6)
            std = (
                np.sqrt(self._learned.noise * noise_shape(mean) / left)
                / self._learned.size
            )
            return Prediction(target - (target - mean / self._learned.size) / left, std)
        std = np.empty(len(cells))
        for fold in folds(len(cells), _FOLDS, self.seed):
            training = np.setdiff1d(np.arange(len(cells)), fold)
            part = _update(self.prior(self._space), matrix[training], target[training])
            mean[fold], std[fold] = part.predict(matrix[fold])
        return Prediction(mean, std)

    def _arrays(self) -> Arrays:
        prior = {
            f"prior/{name}": a for name, a in self.prior(self._space)._asdict().items()
        }
        return {
            name: np.asarray(a) for name, a in (prior | self._learned._asdict()).items()
        }

    def _restore(self, arrays: Arrays) -> None:
        self._prior = self._space, Prior(**within("prior/", arrays))
        self._learned = WeightPosterior(
            *(arrays[name] for name in WeightPosterior._fields)  # type: ignore[arg-type]
        )


def _size(prior: Prior, matrix: Floats) -> float:
    """Return the mean latency of cells that the prior expects, or 1 if that is not positive."""
    expected = float((matrix @ prior.centre).mean())
    return expected if expected > _SMALLEST_SIZE else 1.0


def _update(prior: Prior, matrix: Floats, target: Floats) -> WeightPosterior:
    size = _size(prior, matrix)
    some = slice(_MOST_FOR_EVIDENCE)
    logs = most_evident([(matrix[some], size * target[some])], prior)
    return measure(matrix, size * target, prior, logs)._replace(size=size)


def _rows(space: Space, cells: Sequence[Cell]) -> Floats:
    if is_surveyed(space):
        return _surveyed(space)[0][[cell.index for cell in cells]]
    return np.hstack(space.cost_groups(choices_of(cells))).astype(np.float64)


@lru_cache(maxsize=4)
def _surveyed(space: Space) -> tuple[Floats, NDArray[np.int64]]:
    """Return the columns of the cells of `Space.reference_sample`, and each column's group."""
    groups = space.cost_groups(space.reference_choices)
    sizes = [group.shape[1] for group in groups]
    return np.hstack(groups).astype(np.float64), np.repeat(np.arange(len(sizes)), sizes)


def _learn_prior(space: Space, known: KnownDevices, seed: int) -> Prior:
    """Learn the prior: the weights of every training device, and the variances under which each
    device is best predicted from the others.
    """
    rng = np.random.default_rng(seed)
    measured = [_check_known(space, device, known[device]) for device in sorted(known)]
    weights = np.array([_weights(matrix, values) for matrix, values in measured])
    scales = []
    for i, (matrix, values) in enumerate(measured):
        others = _vague(space, np.delete(weights, i, axis=0))
        draws = [
            rng.choice(len(values), _REHEARSED_CELLS, replace=False)
            for _ in range(_REHEARSALS)
        ]
        samples = [
            (matrix[at], _size(others, matrix[at]) * values[at] / values[at].mean())
            for at in draws
        ]
        scales.append(most_evident(samples, others))
    vague = _vague(space, weights)
    if not scales:
        return vague
    spread = (
        np.maximum(np.std(scales, axis=0), _NARROWEST)
        if len(scales) > 1
        else vague.spread
    )
    return Prior(
        vague.centre, vague.directions, vague.group, np.mean(scales, axis=0), spread
    )


def _vague(space: Space, weights: Floats) -> Prior:
    """Return a prior from some devices' weights, shape ``(k, d)``, with default variances."""
    _, group = _surveyed(space)
    logs = np.full(int(group.max()) + 3, _FIRST_GUESS)
    logs[0] = 0.0
    logs[-1] = _NOISE_GUESS
    centre, directions = np.zeros(len(group)), np.zeros((0, len(group)))
    if not len(weights):
        logs[1] = 0.0
    else:
        centre = weights.mean(axis=0)
    if len(weights) > 1:
        directions = (weights - centre) / np.sqrt(len(weights) - 1)
    return Prior(centre, directions, group, logs, np.full(len(logs), _FIRST_SPREAD))


def _weights(matrix: Floats, values: Floats) -> Floats:
    gram = matrix.T @ matrix + _PENALTY * np.eye(matrix.shape[1])
    return np.asarray(
        np.linalg.solve(gram, matrix.T @ (values / values.mean())), dtype=np.float64
    )


def _check_known(space: Space, device: str, given: Any) -> tuple[Floats, Floats]:
    try:
        cells, values = given
        distinct, numbers = check_data(own_cells(cells, space)[1], values)
    except (TypeError, ValueError) as error:
        raise UserError(f"Training device {device}: {error}") from error
    if len(distinct) < _FEWEST_KNOWN or numbers.mean() <= 0:
        raise UserError(
            f"Training device {device} needs positive latencies of at least {_FEWEST_KNOWN}"
            f" different cells, not {len(distinct)} with a mean of {numbers.mean():g}."
        )
    return _rows(space, distinct), numbers
