"""Robustness: the error after one step of the fast gradient sign method (Goodfellow et al., ICLR 2015).

Whatever the loss that trained a network, the step climbs its cross-entropy, so that all networks meet the same attack.
No input is clipped: standardised inputs have no range.
"""

from __future__ import annotations

import numpy as np

from surrogate_nas.training.arrays import Array, softmax
from surrogate_nas.training.measures.base import Answers, Measure

STEP = 0.1
"""By how much every input is changed, in deviations of the standardised inputs."""
MOST = 500
"""The examples attacked: the first of the split."""


def robust_error(answers: Answers) -> Array:
    """The share of wrong answers to inputs that were changed by `STEP` each to the worse, %.

    Args:
        answers: Scores of classes; every network is attacked by its own gradient.
    """
    told = answers.arrays
    inputs, targets = told.inputs[:MOST], told.targets[:MOST]

    def uphill(outputs: Array) -> Array:
        # In double precision a gradient is left where single precision answers a probability of 1.
        gradient = softmax(outputs, 2)
        right = np.broadcast_to(targets[None, :, None], (*outputs.shape[:2], 1, *outputs.shape[3:]))
        np.put_along_axis(gradient, right, np.take_along_axis(gradient, right, 2) - 1, 2)
        return gradient

    attacks = inputs + STEP * np.sign(told.slope(inputs, uphill))
    wrong = np.stack([told.again(attacked)[k].argmax(1) != targets for k, attacked in enumerate(attacks)])
    return np.asarray(100 * wrong.reshape(len(wrong), -1).mean(1))


FAMILY = (
    Measure(
        "robust_error",
        f"share of wrong answers after one step of {STEP:g} against the network (FGSM, Goodfellow et al., ICLR 2015)",
        "%", "error", 100.0, robust_error, "end",
    ),
)  # fmt: skip
"""The measures of this file."""
