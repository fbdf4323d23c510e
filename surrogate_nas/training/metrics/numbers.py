"""Metrics of numerical outputs: regression values, forecasts, reconstructions, and the returns of
policies.
"""

from typing import Any

import numpy as np

from surrogate_nas.training.losses.numbers import QUANTILE
from surrogate_nas.training.machine import Array
from surrogate_nas.training.metrics import Predictions, TaskMetric


def _mean_absolute_error(predictions: Predictions) -> Any:
    return np.abs(_missing(predictions)).mean((1, 2))


def _root_mean_squared_error(predictions: Predictions) -> Any:
    return np.sqrt(np.square(_missing(predictions)).mean((1, 2)))


def _pinball_error(predictions: Predictions) -> Any:
    missing = _missing(predictions)
    return (QUANTILE * missing - np.minimum(missing, 0)).mean((1, 2))


def _explained(predictions: Predictions) -> Any:
    targets = predictions.targets.astype(np.float64).reshape(
        len(predictions.targets), -1
    )
    return (1 - np.square(_missing(predictions)).mean(1) / targets.var(0)).mean(1)


def _missing(predictions: Predictions) -> Any:
    outputs = predictions.outputs
    targets = predictions.targets
    flat = outputs.astype(np.float64).reshape(*outputs.shape[:2], -1)
    return targets.reshape(len(targets), -1) - flat


def mean_absolute_scaled_error(predictions: Predictions) -> Any:
    """Return the absolute error of forecasts divided by the error of the seasonal naive forecast
    within the past, averaged over series.

    If the past is exactly periodic, the error of the seasonal naive forecast is set to a millionth.

    Args:
        predictions: Forecasts, shape ``(K, n, season)``, together with past values as inputs, shape
            ``(n, 1, 1, length)``.
    """
    n = len(predictions.targets)
    past = predictions.inputs.astype(np.float64).reshape(n, -1)
    targets = predictions.targets.astype(np.float64).reshape(n, -1)
    season = targets.shape[1]
    scale = np.maximum(np.abs(past[:, season:] - past[:, :-season]).mean(1), 1e-6)
    off = np.abs(predictions.outputs.astype(np.float64) - targets).mean(2)
    return (off / scale).mean(1)


def area_under_curve(predictions: Predictions) -> Any:
    """Return the area under the receiver operating characteristic (AUC) of the squared error of a
    reconstruction; 0.5 is chance level.

    Args:
        predictions: Reconstructions, shape ``(K, n, …)``, with labels as targets: 0 for normal
            examples.
    """
    off = predictions.outputs.astype(np.float64) - predictions.inputs
    errors = (off**2).reshape(*off.shape[:2], -1).mean(2)
    normal = predictions.targets == 0
    return np.array([_area(row[~normal], np.sort(row[normal])) for row in errors])


def _area(anomalous: Array, normal: Array) -> float:
    # An error that is not finite orders nothing: the worst value is recorded.
    if not (np.isfinite(anomalous).all() and np.isfinite(normal).all()):
        return float("nan")
    below, not_above = (
        np.searchsorted(normal, anomalous, side) for side in ("left", "right")
    )
    return float((below + not_above).mean() / (2 * len(normal)))


def _mean_return(predictions: Predictions) -> Any:
    return 100 * predictions.outputs[:, :, 0].sum(1) / predictions.targets.sum()


def _failures(predictions: Predictions) -> Any:
    return 100 * (~(predictions.outputs[:, :, 0] >= predictions.targets / 2)).mean(1)


FAMILY = (
    TaskMetric(
        "mae",
        "mean absolute error",
        "absolute error",
        "loss",
        10.0,
        _mean_absolute_error,
    ),
    TaskMetric(
        "rmse",
        "root mean squared error",
        "root squared error",
        "loss",
        10.0,
        _root_mean_squared_error,
    ),
    TaskMetric(
        "pinball",
        f"pinball error at the quantile {QUANTILE:g}",
        "pinball error",
        "loss",
        10.0,
        _pinball_error,
    ),
    TaskMetric(
        "r2",
        "share of the targets' variance that is explained",
        "",
        "quality",
        -1.0,
        _explained,
    ),
    TaskMetric(
        "mase",
        "mean absolute scaled error of a forecast (Hyndman & Koehler 2006)",
        "naive errors",
        "loss",
        100.0,
        mean_absolute_scaled_error,
        "batch",
    ),
    TaskMetric(
        "auc",
        "area under the ROC curve of the reconstruction error (Hanley & McNeil 1982)",
        "",
        "quality",
        0.0,
        area_under_curve,
    ),
    TaskMetric(
        "return",
        "mean return, of the greatest possible",
        "%",
        "quality",
        0.0,
        _mean_return,
    ),
    TaskMetric(
        "failures",
        "episodes that brought less than half of the greatest return",
        "%",
        "error",
        100.0,
        _failures,
    ),
)
