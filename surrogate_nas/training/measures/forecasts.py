"""Measures of forecasts: of series whose horizon is one season, from a past of more than one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from surrogate_nas.training.measures.base import Answers, Measure

if TYPE_CHECKING:
    from torch import Tensor


def mean_absolute_scaled_error(answers: Answers) -> Tensor:
    """The absolute error over that of the seasonal naive forecast within the past, the mean over series.

    Below 1 it is better than that forecast was in the past. The published scale; a past that repeats itself exactly has
    none, and counts as if it changed by a millionth.

    Args:
        answers: Forecasts, shape ``(K, n, season)``, from a past ``(n, 1, 1, length)`` in the targets' unit.
    """
    past, targets = answers.inputs.double().flatten(1), answers.targets.double().reshape(len(answers.targets), -1)
    season = targets.shape[1]
    scale = (past[:, season:] - past[:, :-season]).abs().mean(1).clamp(min=1e-6)
    return ((answers.outputs.double() - targets).abs().mean(2) / scale).mean(1)


FAMILY = (
    Measure(
        "mase", "mean absolute scaled error of a forecast (Hyndman & Koehler 2006)", "naive errors", "loss", 100.0,
        mean_absolute_scaled_error, "batch",
    ),
)  # fmt: skip
"""The measures of this file."""
