"""Measures of answers that are numbers: values, forecasts, reconstructions, and the returns of
policies.
"""

from __future__ import annotations

import numpy as np

from surrogate_nas.training.arrays import Array
from surrogate_nas.training.losses.numbers import QUANTILE
from surrogate_nas.training.metrics.base import Answers, Measure


def mean_absolute_error(answers: Answers) -> Array:
    """The mean absolute error, in the targets' unit."""
    return np.asarray(np.abs(_missing(answers)).mean((1, 2)))


def root_mean_squared_error(answers: Answers) -> Array:
    """The root of the mean squared error, in the targets' unit."""
    return np.asarray(np.sqrt(np.square(_missing(answers)).mean((1, 2))))


def pinball_error(answers: Answers) -> Array:
    """The pinball loss at `QUANTILE`, in the targets' unit."""
    missing = _missing(answers)
    return np.asarray((QUANTILE * missing - np.minimum(missing, 0)).mean((1, 2)))


def explained(answers: Answers) -> Array:
    """R²: the share of a target's variance that is explained, 1 at most; 0 for the mean of these
    targets.
    """
    targets = answers.arrays.targets.astype(np.float64).reshape(len(answers.arrays.targets), -1)
    return np.asarray((1 - np.square(_missing(answers)).mean(1) / targets.var(0)).mean(1))


def _missing(answers: Answers) -> Array:
    """Targets less outputs, shape ``(K, n, numbers)``."""
    outputs = answers.arrays.outputs
    targets = answers.arrays.targets
    return targets.reshape(len(targets), -1) - outputs.astype(np.float64).reshape(
        *outputs.shape[:2], -1
    )


_NUMBERS = (
    Measure("mae", "mean absolute error", "absolute error", "loss", 10.0, mean_absolute_error),
    Measure(
        "rmse",
        "root mean squared error",
        "root squared error",
        "loss",
        10.0,
        root_mean_squared_error,
    ),
    Measure(
        "pinball",
        f"pinball error at the quantile {QUANTILE:g}",
        "pinball error",
        "loss",
        10.0,
        pinball_error,
    ),
    Measure(
        "r2", "share of the targets' variance that is explained", "", "quality", -1.0, explained
    ),
)
"""The measures of this file."""


def mean_absolute_scaled_error(answers: Answers) -> Array:
    """The absolute error over that of the seasonal naive forecast within the past, the mean over
    series.

    Below 1 it is better than that forecast was in the past. The published scale; a past that
    repeats itself exactly has none, and counts as if it changed by a millionth.

    Args:
        answers: Forecasts, shape ``(K, n, season)``, from a past ``(n, 1, 1, length)`` in the
            targets' unit.
    """
    arrays, n = answers.arrays, len(answers.arrays.targets)
    past, targets = (
        part.astype(np.float64).reshape(n, -1) for part in (arrays.inputs, arrays.targets)
    )
    season = targets.shape[1]
    scale = np.maximum(np.abs(past[:, season:] - past[:, :-season]).mean(1), 1e-6)
    return np.asarray((np.abs(arrays.outputs.astype(np.float64) - targets).mean(2) / scale).mean(1))


_FORECASTS = (
    Measure(
        "mase",
        "mean absolute scaled error of a forecast (Hyndman & Koehler 2006)",
        "naive errors",
        "loss",
        100.0,
        mean_absolute_scaled_error,
        "batch",
    ),
)
"""Further measures, by what they are of."""


def area_under_curve(answers: Answers) -> Array:
    """How often an anomalous example has a larger squared error than a normal one, from 0 to 1;
    ties count half.

    The area under the receiver operating characteristic. The squared error judges, whatever loss
    trained; .5 is chance.

    Args:
        answers: Reconstructions, shape ``(K, n, …)``; targets are labels, 0 for normal.
    """
    arrays = answers.arrays
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
    Measure(
        "auc",
        "area under the ROC curve of the reconstruction error (Hanley & McNeil 1982)",
        "",
        "quality",
        0.0,
        area_under_curve,
    ),
)
"""Further measures, by what they are of."""


def mean_return(answers: Answers) -> Array:
    """The mean return, in % of the greatest possible.

    Args:
        answers: Returns, shape ``(K, n, 1)``, and the greatest possible, shape ``(n,)``.
    """
    return np.asarray(100 * answers.arrays.outputs[:, :, 0].sum(1) / answers.arrays.targets.sum())


def failures(answers: Answers) -> Array:
    """The share of episodes (%) that brought less than half of the greatest possible return."""
    return np.asarray(
        100 * (~(answers.arrays.outputs[:, :, 0] >= answers.arrays.targets / 2)).mean(1)
    )


_RETURNS = (
    Measure("return", "mean return, of the greatest possible", "%", "quality", 0.0, mean_return),
    Measure(
        "failures",
        "episodes that brought less than half of the greatest return",
        "%",
        "error",
        100.0,
        failures,
    ),
)
"""Further measures, by what they are of."""

FAMILY = (*_NUMBERS, *_FORECASTS, *_ANOMALIES, *_RETURNS)
