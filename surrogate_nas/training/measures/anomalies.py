"""Measures of networks that reconstruct their inputs: what they reconstruct badly should be what is anomalous."""

from __future__ import annotations

from typing import TYPE_CHECKING

from surrogate_nas.training.measures.base import Answers, Measure

if TYPE_CHECKING:
    from torch import Tensor


def area_under_curve(answers: Answers) -> Tensor:
    """How often an anomalous example has a larger squared error than a normal one, from 0 to 1; ties count half.

    The area under the receiver operating characteristic. The squared error judges, whatever loss trained; .5 is chance.

    Args:
        answers: Reconstructions, shape ``(K, n, …)``; targets are labels, 0 for normal.
    """
    import torch

    errors = (answers.outputs.double() - answers.inputs).square().flatten(2).mean(2)
    anomalous = answers.targets != 0
    worse = errors[:, anomalous, None] - errors[:, None, ~anomalous]
    # An error that is not finite orders nothing: the worst value is recorded.
    finite = errors.isfinite().all(1)
    return torch.where(finite, (worse.sign() + 1).mean((1, 2)) / 2, torch.nan)


FAMILY = (
    Measure(
        "auc", "area under the ROC curve of the reconstruction error (Hanley & McNeil 1982)", "", "quality", 0.0,
        area_under_curve,
    ),
)  # fmt: skip
"""The measures of this file."""
