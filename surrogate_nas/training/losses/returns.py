"""Losses of policies. At the current policy, the gradient of a policy loss equals the gradient of
the negative expected return.

Outputs of K policies have the shape ``(K, batch, actions)``. Targets have the shape ``(batch, 3)``:
the action taken at a step, its advantage, and its log-probability under the policy that acted. The
policy trainer does not report the values of these surrogate losses, but the lost share of the
greatest possible return of an episode.
"""

import numpy as np

from surrogate_nas.training.losses import Loss, always, of_right, share, softened
from surrogate_nas.training.machine import Array

ENTROPY = 0.01
"""The weight of the policy's entropy, in standard deviations of the advantages per nat."""
CLIP = 0.2
"""The maximum relative change of an action's probability."""


def _expected_return(outputs: Array, targets: Array) -> tuple[Array, Array]:
    better = targets[:, 1].astype(outputs.dtype)
    return of_right(
        outputs,
        targets[:, 0].astype(int),
        lambda log: (-log * better, np.broadcast_to(-better, log.shape)),
    )


def _entropy_return(outputs: Array, targets: Array) -> tuple[Array, Array]:
    losses, gradient = _expected_return(outputs, targets)
    p, total, top = softened(outputs)
    logs = outputs - top - np.log(total)
    p /= total
    spread = np.add.reduce(p * logs, axis=2, keepdims=True)
    logs -= spread
    p *= logs
    p *= ENTROPY * share(outputs)
    gradient += p
    return losses + ENTROPY * spread[:, :, 0], gradient


def _clipped_return(outputs: Array, targets: Array) -> tuple[Array, Array]:
    better, before = (targets[:, column].astype(outputs.dtype) for column in (1, 2))

    def surrogate(log: Array) -> tuple[Array, Array]:
        ratio = np.exp(log - before)
        free = -ratio * better
        clipped = -np.clip(ratio, 1 - CLIP, 1 + CLIP) * better
        # within the clip both are the same
        return np.maximum(free, clipped), np.where(free >= clipped, free, 0)

    return of_right(outputs, targets[:, 0].astype(int), surrogate)


FAMILY = tuple(
    Loss(
        name,
        title,
        "lost return",
        ("policy",),
        chance=always(1.0),
        comparable="lost return",
        gradient=gradient,
    )
    for name, title, gradient in (
        (
            "expected_return",
            "policy gradient: -log π(a|s) · advantage (Williams 1992)",
            _expected_return,
        ),
        (
            "entropy_return",
            f"policy gradient with an entropy bonus of {ENTROPY:g} (Williams & Peng 1991)",
            _entropy_return,
        ),
        (
            "clipped_return",
            "clipped ratio of probabilities, to use steps again (PPO, Schulman et al. 2017)",
            _clipped_return,
        ),
    )
)
