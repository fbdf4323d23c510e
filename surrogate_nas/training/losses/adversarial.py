"""Losses of a generator against a discriminator, which learns by a loss of its own.

What is compared is the discriminator's scores, large for what it takes to be real: of made
examples, shape ``(K, batch)``, and of real ones, shape ``(batch,)``. A value says how one network
stands against its own discriminator; those of two networks cannot be compared. Knowing nothing is a
discriminator that gives every example a score of 0, of the hinge one that is sure by its margin.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from surrogate_nas.training.arrays import Array
from surrogate_nas.training.losses.base import Loss
from surrogate_nas.training.losses.gradients import softplus

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class AdversarialLoss(Loss):
    """A generator's loss, with that of the discriminator that it plays against.

    Attributes:
        discriminating: From scores of made and of real examples, each of shape ``(batch,)``, to the
            mean loss of the discriminator.
        discriminating_slope: From the same as NumPy arrays to that mean loss and its gradients by
            the scores of made and of real examples. None where PyTorch has to find them.
    """

    discriminating: Callable[[Tensor, Tensor], Tensor] = field(kw_only=True)
    discriminating_slope: Callable[[Array, Array], tuple[float, Array, Array]] | None = field(
        default=None, kw_only=True
    )


def non_saturating(made: Tensor, real: Tensor) -> Tensor:  # noqa: ARG001 - relativistic losses would look at it
    """The negative log-probability that made examples are taken to be real, shape
    ``(K, batch)``.
    """
    from torch.nn.functional import softplus

    return softplus(-made)


def binary(made: Tensor, real: Tensor) -> Tensor:
    """The cross-entropy of a discriminator whose scores are log-odds.

    Args:
        made: Shape ``(batch,)``.
        real: Likewise.
    """
    from torch.nn.functional import softplus

    return softplus(made).mean() + softplus(-real).mean()


def scored(made: Tensor, real: Tensor) -> Tensor:  # noqa: ARG001
    """The negative score of made examples, shape ``(K, batch)``."""
    return -made


def hinge(made: Tensor, real: Tensor) -> Tensor:
    """What scores lack to a margin of 1 on their side.

    Args:
        made: Shape ``(batch,)``.
        real: Likewise.
    """
    return (1 + made).clamp(min=0).mean() + (1 - real).clamp(min=0).mean()


@np.errstate(all="ignore")
def _non_saturating_slope(made: Array, real: Array) -> tuple[Array, Array]:  # noqa: ARG001
    losses, slope = softplus(-made)
    return losses, -slope / made.shape[1]


@np.errstate(all="ignore")
def _binary_slope(made: Array, real: Array) -> tuple[float, Array, Array]:
    (fooled, by_made), (missed, by_real) = softplus(made), softplus(-real)
    return float(fooled.mean() + missed.mean()), by_made / made.size, -by_real / real.size


def _scored_slope(made: Array, real: Array) -> tuple[Array, Array]:  # noqa: ARG001
    return -made, np.full_like(made, -1 / made.shape[1])


@np.errstate(all="ignore")
def _hinge_slope(made: Array, real: Array) -> tuple[float, Array, Array]:
    fooled = 1 + made
    missed = 1 - real
    value = np.maximum(fooled, 0).mean() + np.maximum(missed, 0).mean()
    by_made, by_real = ((lack >= 0).astype(lack.dtype) / lack.size for lack in (fooled, missed))
    return float(value), by_made, -by_real


FAMILY = (
    AdversarialLoss(
        "adversarial",
        "non-saturating loss against a discriminator (Goodfellow et al., NeurIPS 2014)",
        "nats",
        ("generation",),
        non_saturating,
        chance=lambda classes: math.log(2),  # noqa: ARG005 - images have no classes
        comparable="one discriminator's odds",
        discriminating=binary,
        slope=_non_saturating_slope,
        discriminating_slope=_binary_slope,
    ),
    AdversarialLoss(
        "adversarial_hinge",
        "hinge against a discriminator (Lim & Ye 2017; Miyato et al., ICLR 2018)",
        "score",
        ("generation",),
        scored,
        chance=lambda classes: 1.0,  # noqa: ARG005
        comparable="one discriminator's scores",
        discriminating=hinge,
        slope=_scored_slope,
        discriminating_slope=_hinge_slope,
    ),
)
"""The losses of this file."""
