"""Metrics of answers that are numbers: values, forecasts, reconstructions, and the returns of
policies.
"""

from __future__ import annotations

import numpy as np

from surrogate_nas.training.arrays import Array
from surrogate_nas.training.losses.numbers import QUANTILE
from surrogate_nas.training.metrics.base import Predictions, TaskMetric


def mean_absolute_error(predictions: Predictions) -> Array:
    """The mean absolute error, in the targets' unit."""
    return np.asarray(np.abs(_missing(predictions)).mean((1, 2)))


def root_mean_squared_error(predictions: Predictions) -> Array:
    """The root of the mean squared error, in the targets' unit."""
    return np.asarray(np.sqrt(np.square(_missing(predictions)).mean((1, 2))))


def pinball_error(predictions: Predictions) -> Array:
    """The pinball loss at `QUANTILE`, in the targets' unit."""
    missing = _missing(predictions)
    return np.asarray((QUANTILE * missing - np.minimum(missing, 0)).mean((1, 2)))


def explained(predictions: Predictions) -> Array:
    """R²: the share of a target's variance that is explained, 1 at most; 0 for the mean of these
    targets.
    """
    targets = predictions.arrays.targets.astype(np.float64).reshape(
        len(predictions.arrays.targets), -1
    )
    return np.asarray((1 - np.square(_missing(predictions)).mean(1) / targets.var(0)).mean(1))


def _missing(predictions: Predictions) -> Array:
    """Targets less outputs, shape ``(K, n, numbers)``."""
    outputs = predictions.arrays.outputs
    targets = predictions.arrays.targets
    return targets.reshape(len(targets), -1) - outputs.astype(np.float64).reshape(
        *outputs.shape[:2], -1
    )


_NUMBERS = (
    TaskMetric("mae", "mean absolute error", "absolute error", "loss", 10.0, mean_absolute_error),
    TaskMetric(
        "rmse",
        "root mean squared error",
        "root squared error",
        "loss",
        10.0,
        root_mean_squared_error,
    ),
    TaskMetric(
        "pinball",
        f"pinball error at the quantile {QUANTILE:g}",
        "pinball error",
        "loss",
        10.0,
        pinball_error,
    ),
    TaskMetric(
        "r2", "share of the targets' variance that is explained", "", "quality", -1.0, explained
    ),
)
"""The metrics of this file."""


def mean_absolute_scaled_error(predictions: Predictions) -> Array:
    """The absolute error over that of the seasonal naive forecast within the past, the mean over
    series.

    Below 1 it is better than that forecast was in the past. The published scale; a past that
    repeats itself exactly has none, and counts as if it changed by a millionth.

    Args:
        predictions: Forecasts, shape ``(K, n, season)``, from a past ``(n, 1, 1, length)`` in the
            targets' unit.
    """
    arrays = predictions.arrays
    n = len(arrays.targets)
    past = arrays.inputs.astype(np.float64).reshape(n, -1)
    targets = arrays.targets.astype(np.float64).reshape(n, -1)
    season = targets.shape[1]
    scale = np.maximum(np.abs(past[:, season:] - past[:, :-season]).mean(1), 1e-6)
    return np.asarray((np.abs(arrays.outputs.astype(np.float64) - targets).mean(2) / scale).mean(1))


_FORECASTS = (
    TaskMetric(
        "mase",
        "mean absolute scaled error of a forecast (Hyndman & Koehler 2006)",
        "naive errors",
        "loss",
        100.0,
        mean_absolute_scaled_error,
        "batch",
    ),
)
"""Further metrics, by what they describe."""


def area_under_curve(predictions: Predictions) -> Array:
    """How often an anomalous example has a larger squared error than a normal one, from 0 to 1;
    ties count half.

    The area under the receiver operating characteristic. The squared error judges, whatever loss
    trained; .5 is chance.

    Args:
        predictions: Reconstructions, shape ``(K, n, …)``; targets are labels, 0 for normal.
    """
    arrays = predictions.arrays
    off = (arrays.outputs.astype(np.float64) - arrays.inputs).reshape(
        len(arrays.outputs), len(arrays.inputs), -1
    )
    errors = (off**2).mean(2)
    return np.array(
        [_area(each[arrays.targets != 0], np.sort(each[arrays.targets == 0])) for each in errors]
    )


def _area(anomalous: Array, normal: Array) -> float:
    # An error that is not finite orders nothing: the worst value is recorded.
    if not (np.isfinite(anomalous).all() and np.isfinite(normal).all()):
        return float("nan")
    below, not_above = (np.searchsorted(normal, anomalous, side) for side in ("left", "right"))
    return float((below + not_above).mean() / (2 * len(normal)))


_ANOMALIES = (
    TaskMetric(
        "auc",
        "area under the ROC curve of the reconstruction error (Hanley & McNeil 1982)",
        "",
        "quality",
        0.0,
        area_under_curve,
    ),
)
"""Further metrics, by what they describe."""


def mean_return(predictions: Predictions) -> Array:
    """The mean return, in % of the greatest possible.

    Args:
        predictions: Returns, shape ``(K, n, 1)``, and the greatest possible, shape ``(n,)``.
    """
    return np.asarray(
        100 * predictions.arrays.outputs[:, :, 0].sum(1) / predictions.arrays.targets.sum()
    )


def failures(predictions: Predictions) -> Array:
    """The share of episodes (%) that brought less than half of the greatest possible return."""
    return np.asarray(
        100 * (~(predictions.arrays.outputs[:, :, 0] >= predictions.arrays.targets / 2)).mean(1)
    )


_RETURNS = (
    TaskMetric("return", "mean return, of the greatest possible", "%", "quality", 0.0, mean_return),
    TaskMetric(
        "failures",
        "episodes that brought less than half of the greatest return",
        "%",
        "error",
        100.0,
        failures,
    ),
)
"""Further metrics, by what they describe."""

FAMILY = (*_NUMBERS, *_FORECASTS, *_ANOMALIES, *_RETURNS)
