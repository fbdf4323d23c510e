"""Robustness: the error after one step of the fast gradient sign method (Goodfellow et al., ICLR 2015).

Whatever the loss that trained a network, the step climbs its cross-entropy, so that all networks meet the same attack.
No input is clipped: standardised inputs have no range.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from surrogate_nas.training.losses.classes import cross_entropy
from surrogate_nas.training.measures.base import Answers, Measure

if TYPE_CHECKING:
    from torch import Tensor

STEP = 0.1
"""By how much every input is changed, in deviations of the standardised inputs."""
MOST = 500
"""The examples attacked: the first of the split."""


def robust_error(answers: Answers) -> Tensor:
    """The share of wrong answers to inputs that were changed by `STEP` each to the worse, %.

    Args:
        answers: Scores of classes; every network is attacked by its own gradient.
    """
    import torch

    targets, wrong = answers.targets[:MOST], []
    with torch.inference_mode(False), torch.enable_grad():
        inputs = answers.inputs[:MOST].clone().requires_grad_()
        # In double precision a gradient is left where single precision answers a probability of 1.
        losses = cross_entropy(answers.again(inputs).double(), targets.clone()).sum(1)
        for k, loss in enumerate(losses):
            (uphill,) = torch.autograd.grad(loss, inputs, retain_graph=k + 1 < len(losses))
            attacked = inputs.detach() + STEP * uphill.sign()
            with torch.no_grad():
                wrong.append(answers.again(attacked)[k].argmax(1) != targets)
    return 100 * torch.stack(wrong).flatten(1).double().mean(1)


FAMILY = (
    Measure(
        "robust_error",
        f"share of wrong answers after one step of {STEP:g} against the network (FGSM, Goodfellow et al., ICLR 2015)",
        "%", "error", 100.0, robust_error, "end",
    ),
)  # fmt: skip
"""The measures of this file."""
