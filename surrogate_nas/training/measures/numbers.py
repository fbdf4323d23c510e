"""Measures of answers that are numbers; of several numbers an example, the mean over them."""

from __future__ import annotations

import numpy as np

from surrogate_nas.training.arrays import Array
from surrogate_nas.training.losses.numbers import QUANTILE
from surrogate_nas.training.measures.base import Answers, Measure


def mean_absolute_error(answers: Answers) -> Array:
    """The mean absolute error, in the targets' unit.

    Args:
        answers: Numbers.
    """
    return np.asarray(np.abs(_missing(answers)).mean((1, 2)))


def root_mean_squared_error(answers: Answers) -> Array:
    """The root of the mean squared error, in the targets' unit.

    Args:
        answers: Numbers.
    """
    return np.asarray(np.sqrt(np.square(_missing(answers)).mean((1, 2))))


def pinball_error(answers: Answers) -> Array:
    """The pinball loss at `QUANTILE`, in the targets' unit.

    Args:
        answers: Numbers.
    """
    missing = _missing(answers)
    return np.asarray((QUANTILE * missing - np.minimum(missing, 0)).mean((1, 2)))


def explained(answers: Answers) -> Array:
    """R²: the share of a target's variance that is explained, 1 at most; 0 for the mean of these targets.

    Args:
        answers: Numbers.
    """
    targets = answers.arrays.targets.astype(np.float64).reshape(len(answers.arrays.targets), -1)
    return np.asarray((1 - np.square(_missing(answers)).mean(1) / targets.var(0)).mean(1))


def _missing(answers: Answers) -> Array:
    """Targets less outputs, shape ``(K, n, numbers)``."""
    outputs, targets = answers.arrays.outputs, answers.arrays.targets
    return targets.reshape(len(targets), -1) - outputs.astype(np.float64).reshape(*outputs.shape[:2], -1)


FAMILY = (
    Measure("mae", "mean absolute error", "absolute error", "loss", 10.0, mean_absolute_error),
    Measure("rmse", "root mean squared error", "root squared error", "loss", 10.0, root_mean_squared_error),
    Measure("pinball", f"pinball error at the quantile {QUANTILE:g}", "pinball error", "loss", 10.0, pinball_error),
    Measure("r2", "share of the targets' variance that is explained", "", "quality", -1.0, explained),
)
"""The measures of this file."""
