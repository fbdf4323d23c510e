"""Losses of policies: surrogates whose gradient, at the policy that acted, is that of minus the
expected return.

Outputs have shape ``(K, batch, actions)``. Targets ``(batch, 3)`` say of every step which action
was taken, its advantage, and its log-probability when it was taken. The value of a surrogate says
nothing of how good a policy is; the trainer of policies reports in its place what an episode loses
of the greatest possible return, so that knowing nothing costs 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from surrogate_nas.training.arrays import Array
from surrogate_nas.training.losses.base import Loss, Slope
from surrogate_nas.training.losses.gradients import of_right, share, softened

if TYPE_CHECKING:
    from torch import Tensor

ENTROPY = 0.01
"""What a nat of the policy's entropy is worth, in standard deviations of the advantages."""
CLIP = 0.2
"""How far the probability of an action may move, as a share of what it was."""


def expected_return(outputs: Tensor, targets: Tensor) -> Tensor:
    """Minus log-probability times advantage, shape ``(K, batch)``."""
    return -_log_probability(outputs, targets) * targets[:, 1]


def entropy_return(outputs: Tensor, targets: Tensor) -> Tensor:
    """`expected_return` less `ENTROPY` times the policy's entropy, shape ``(K, batch)``."""
    logs = outputs.log_softmax(2)
    return expected_return(outputs, targets) + ENTROPY * (logs.exp() * logs).sum(2)


def clipped_return(outputs: Tensor, targets: Tensor) -> Tensor:
    """Minus ratio of probabilities times advantage, without gain beyond a ratio of 1 ± `CLIP`,
    shape ``(K, batch)``.
    """
    ratio = (_log_probability(outputs, targets) - targets[:, 2]).exp()
    advantage = targets[:, 1]
    return (-ratio * advantage).maximum(-ratio.clamp(1 - CLIP, 1 + CLIP) * advantage)


def _log_probability(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of the actions taken, shape ``(K, batch)``."""
    actions = targets[:, 0].long().expand(len(outputs), -1).unsqueeze(2)
    return outputs.log_softmax(2).gather(2, actions).squeeze(2)


@np.errstate(all="ignore")
def _expected_return_slope(outputs: Array, targets: Array) -> tuple[Array, Array]:
    better = targets[:, 1].astype(outputs.dtype)
    return of_right(
        outputs,
        targets[:, 0].astype(int),
        lambda log: (-log * better, np.broadcast_to(-better, log.shape)),
    )


@np.errstate(all="ignore")
def _entropy_return_slope(outputs: Array, targets: Array) -> tuple[Array, Array]:
    losses, gradient = _expected_return_slope(outputs, targets)
    p, total, top = softened(outputs)
    logs = outputs - top - np.log(total)
    p /= total
    spread = np.add.reduce(p * logs, axis=2, keepdims=True)
    logs -= spread
    p *= logs
    p *= ENTROPY * share(outputs)
    gradient += p
    return losses + ENTROPY * spread[:, :, 0], gradient


@np.errstate(all="ignore")
def _clipped_return_slope(outputs: Array, targets: Array) -> tuple[Array, Array]:
    better, before = (targets[:, column].astype(outputs.dtype) for column in (1, 2))

    def of(log: Array) -> tuple[Array, Array]:
        ratio = np.exp(log - before)
        free = -ratio * better
        held = -np.clip(ratio, 1 - CLIP, 1 + CLIP) * better
        # within the clip both are the same
        return np.maximum(free, held), np.where(free >= held, free, 0)

    return of_right(outputs, targets[:, 0].astype(int), of)


def _all_lost(actions: int) -> float:  # noqa: ARG001 - the interface
    return 1.0


def _loss(
    name: str,
    title: str,
    each: Callable[[Tensor, Tensor], Tensor],
    slope: Slope,
) -> Loss:
    return Loss(
        name, title, "lost return", ("policy",), each, _all_lost, "lost return", slope=slope
    )


FAMILY = (
    _loss(
        "expected_return",
        "policy gradient: -log π(a|s) · advantage (Williams 1992)",
        expected_return,
        _expected_return_slope,
    ),
    _loss(
        "entropy_return",
        f"policy gradient with an entropy bonus of {ENTROPY:g} (Williams & Peng 1991)",
        entropy_return,
        _entropy_return_slope,
    ),
    _loss(
        "clipped_return",
        "clipped ratio of probabilities, so that steps are used again (PPO, Schulman et al. 2017)",
        clipped_return,
        _clipped_return_slope,
    ),
)
"""The losses of this file."""
