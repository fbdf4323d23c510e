"""Measures of policies: answers are the returns of episodes, targets the greatest possible ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from surrogate_nas.training.measures.base import Answers, Measure

if TYPE_CHECKING:
    from torch import Tensor


def mean_return(answers: Answers) -> Tensor:
    """The mean return, in % of the greatest possible.

    Args:
        answers: Returns, shape ``(K, n, 1)``, and the greatest possible, shape ``(n,)``.
    """
    return 100 * answers.outputs[:, :, 0].sum(1) / answers.targets.sum()


def failures(answers: Answers) -> Tensor:
    """The share of episodes (%) that brought less than half of the greatest possible return.

    Args:
        answers: As `mean_return` takes them.
    """
    returns = answers.outputs[:, :, 0]
    return 100 * (~(returns >= answers.targets / 2)).double().mean(1)


FAMILY = (
    Measure("return", "mean return, of the greatest possible", "%", "quality", 0.0, mean_return),
    Measure("failures", "episodes that brought less than half of the greatest return", "%", "error", 100.0, failures),
)
"""The measures of this file."""
