"""Losses of a generator against a discriminator, which learns by a loss of its own.

They compare the discriminator's scores, large for what it takes to be real: of made examples, shape
``(K, batch)``, and of real ones, shape ``(batch,)``. Values of two networks cannot be compared.
Knowing nothing is a score of 0 for every example; of the hinge, certainty by its margin.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.training.arrays import Array
from surrogate_nas.training.losses.base import Loss, always
from surrogate_nas.training.losses.gradients import softplus

if TYPE_CHECKING:
    from torch import Tensor

DiscriminatorGradient: TypeAlias = Callable[[Array, Array], tuple[float, Array, Array]]


@dataclass(frozen=True)
class AdversarialLoss(Loss):
    """A generator's loss, with that of the discriminator that it plays against.

    Attributes:
        discriminating: From scores of made and of real examples, each of shape ``(batch,)``, to the
            mean loss of the discriminator.
        discriminating_gradient: From the same as arrays to that mean loss and its gradients by
            both; needed without `discriminating`.
    """

    discriminating: Callable[[Tensor, Tensor], Tensor] | None = field(
        default=None, kw_only=True
    )
    discriminating_gradient: DiscriminatorGradient | None = field(
        default=None, kw_only=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.discriminating_gradient is None and self.discriminating is None:
            raise UserError(f"The loss {self.name} has no loss of the discriminator.")


def _non_saturating(fake: Array, _: Array) -> tuple[Array, Array]:
    losses, derivative = softplus(-fake)
    return losses, -derivative / fake.shape[1]


@np.errstate(all="ignore")
def _binary(fake: Array, real: Array) -> tuple[float, Array, Array]:
    fooled, by_fake = softplus(fake)
    missed, by_real = softplus(-real)
    return float(fooled.mean() + missed.mean()), by_fake / fake.size, -by_real / real.size


def _scored(fake: Array, _: Array) -> tuple[Array, Array]:
    return -fake, np.full_like(fake, -1 / fake.shape[1])


@np.errstate(all="ignore")
def _hinge(fake: Array, real: Array) -> tuple[float, Array, Array]:
    fooled = 1 + fake
    missed = 1 - real
    value = np.maximum(fooled, 0).mean() + np.maximum(missed, 0).mean()
    by_fake = (fooled >= 0).astype(fooled.dtype) / fooled.size
    by_real = (missed >= 0).astype(missed.dtype) / missed.size
    return float(value), by_fake, -by_real


FAMILY = (
    AdversarialLoss(
        "adversarial",
        "non-saturating loss against a discriminator (Goodfellow et al., NeurIPS 2014)",
        "nats",
        ("generation",),
        chance=always(math.log(2)),
        comparable="one discriminator's odds",
        gradient=_non_saturating,
        discriminating_gradient=_binary,
    ),
    AdversarialLoss(
        "adversarial_hinge",
        "hinge against a discriminator (Lim & Ye 2017; Miyato et al., ICLR 2018)",
        "score",
        ("generation",),
        chance=always(1.0),
        comparable="one discriminator's scores",
        gradient=_scored,
        discriminating_gradient=_hinge,
    ),
)
