"""Measures of answers that are numbers; of several numbers an example, the mean over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from surrogate_nas.training.losses.numbers import QUANTILE, absolute, pinball
from surrogate_nas.training.measures.base import Answers, Measure

if TYPE_CHECKING:
    from torch import Tensor


def mean_absolute_error(answers: Answers) -> Tensor:
    """The mean absolute error, in the targets' unit.

    Args:
        answers: Numbers.
    """
    return absolute(answers.outputs.double(), answers.targets.double()).mean(1)


def root_mean_squared_error(answers: Answers) -> Tensor:
    """The root of the mean squared error, in the targets' unit.

    Args:
        answers: Numbers.
    """
    return _squares(answers).mean((1, 2)).sqrt()


def pinball_error(answers: Answers) -> Tensor:
    """The pinball loss at `QUANTILE`, in the targets' unit.

    Args:
        answers: Numbers.
    """
    return pinball(answers.outputs.double(), answers.targets.double()).mean(1)


def explained(answers: Answers) -> Tensor:
    """R²: the share of a target's variance that is explained, 1 at most; 0 for the mean of these targets.

    Args:
        answers: Numbers.
    """
    targets = answers.targets.double().reshape(len(answers.targets), -1)
    return (1 - _squares(answers).mean(1) / targets.var(0, unbiased=False)).mean(1)


def _squares(answers: Answers) -> Tensor:
    """Shape ``(K, n, numbers)``."""
    targets = answers.targets.double().reshape(len(answers.targets), -1)
    return (answers.outputs.double().flatten(2) - targets).square()


FAMILY = (
    Measure("mae", "mean absolute error", "absolute error", "loss", 10.0, mean_absolute_error),
    Measure("rmse", "root mean squared error", "root squared error", "loss", 10.0, root_mean_squared_error),
    Measure("pinball", f"pinball error at the quantile {QUANTILE:g}", "pinball error", "loss", 10.0, pinball_error),
    Measure("r2", "share of the targets' variance that is explained", "", "quality", -1.0, explained),
)
"""The measures of this file."""
