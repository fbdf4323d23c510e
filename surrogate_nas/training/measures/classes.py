"""Measures of answers that are scores of classes, once an example or at every position, all of which count alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from surrogate_nas.training.losses.classes import brier, cross_entropy
from surrogate_nas.training.measures.base import Answers, Measure

if TYPE_CHECKING:
    from torch import Tensor

BINS = 15
"""Of equal width, in which confidence and accuracy are compared (Guo et al. 2017)."""


def error(answers: Answers) -> Tensor:
    """The share of answers that are wrong: another class, or a number further off than the task's tolerance, %.

    Args:
        answers: Scores of classes, or numbers.
    """
    outputs, targets = answers.outputs, answers.targets
    if targets.is_floating_point():
        wrong = (outputs.flatten(2) - targets.reshape(len(targets), -1)).abs() > answers.task.tolerance
    else:
        wrong = outputs.max(2).indices != targets  # of positions many times faster than argmax
    return 100 * wrong.flatten(1).double().mean(1)


def negative_log_likelihood(answers: Answers) -> Tensor:
    """The cross-entropy, nats, whatever the loss that trained the network.

    Args:
        answers: Scores of classes.
    """
    return cross_entropy(answers.outputs.double(), answers.targets).mean(1)


def brier_score(answers: Answers) -> Tensor:
    """The squared distance from the probabilities to the one-hot target, from 0 to 2.

    Args:
        answers: Scores of classes.
    """
    return brier(answers.outputs.double(), answers.targets).mean(1)


def calibration_error(answers: Answers) -> Tensor:
    """The distance of confidence from accuracy in each of `BINS`, weighted by its answers, %.

    Args:
        answers: Scores of classes.
    """
    confidence, chosen = answers.outputs.double().softmax(2).max(2)
    over = (confidence - (chosen == answers.targets).double()).flatten(1)
    bins = (confidence.flatten(1) * BINS).ceil().long().sub(1).clamp(0, BINS - 1)
    sums = over.new_zeros(len(over), BINS).scatter_add(1, bins, over)
    return 100 * sums.abs().sum(1) / over.shape[1]


FAMILY = (
    Measure(
        "error", "share of wrong answers, of numbers those beyond the tolerance", "%", "error", 100.0, error, "batch"
    ),
    Measure("nll", "negative log-likelihood of the right class", "nats", "loss", 100.0, negative_log_likelihood),
    Measure(
        "brier", "squared error of the probabilities (Brier 1950)", "squared probability", "loss", 2.0, brier_score
    ),
    Measure(
        "ece",
        f"expected calibration error, {BINS} bins (Guo et al., ICML 2017)",
        "%",
        "error",
        100.0,
        calibration_error,
    ),
)
"""The measures of this file."""
