"""Measures of forecasts: of series whose horizon is one season, from a past of more than one."""

from __future__ import annotations

import numpy as np

from surrogate_nas.training.arrays import Array
from surrogate_nas.training.measures.base import Answers, Measure


def mean_absolute_scaled_error(answers: Answers) -> Array:
    """The absolute error over that of the seasonal naive forecast within the past, the mean over series.

    Below 1 it is better than that forecast was in the past. The published scale; a past that repeats itself exactly has
    none, and counts as if it changed by a millionth.

    Args:
        answers: Forecasts, shape ``(K, n, season)``, from a past ``(n, 1, 1, length)`` in the targets' unit.
    """
    told, n = answers.arrays, len(answers.arrays.targets)
    past, targets = (part.astype(np.float64).reshape(n, -1) for part in (told.inputs, told.targets))
    season = targets.shape[1]
    scale = np.maximum(np.abs(past[:, season:] - past[:, :-season]).mean(1), 1e-6)
    return np.asarray((np.abs(told.outputs.astype(np.float64) - targets).mean(2) / scale).mean(1))


FAMILY = (
    Measure(
        "mase", "mean absolute scaled error of a forecast (Hyndman & Koehler 2006)", "naive errors", "loss", 100.0,
        mean_absolute_scaled_error, "batch",
    ),
)  # fmt: skip
"""The measures of this file."""
