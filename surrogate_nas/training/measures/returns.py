"""Measures of policies: answers are the returns of episodes, targets the greatest possible ones."""

from __future__ import annotations

import numpy as np

from surrogate_nas.training.arrays import Array
from surrogate_nas.training.measures.base import Answers, Measure


def mean_return(answers: Answers) -> Array:
    """The mean return, in % of the greatest possible.

    Args:
        answers: Returns, shape ``(K, n, 1)``, and the greatest possible, shape ``(n,)``.
    """
    return np.asarray(100 * answers.arrays.outputs[:, :, 0].sum(1) / answers.arrays.targets.sum())


def failures(answers: Answers) -> Array:
    """The share of episodes (%) that brought less than half of the greatest possible return.

    Args:
        answers: As `mean_return` takes them.
    """
    return np.asarray(100 * (~(answers.arrays.outputs[:, :, 0] >= answers.arrays.targets / 2)).mean(1))


FAMILY = (
    Measure("return", "mean return, of the greatest possible", "%", "quality", 0.0, mean_return),
    Measure("failures", "episodes that brought less than half of the greatest return", "%", "error", 100.0, failures),
)
"""The measures of this file."""
