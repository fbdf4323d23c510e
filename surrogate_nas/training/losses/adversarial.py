"""Losses of a generator that is trained against a discriminator. The discriminator has a loss of
its own.

Adversarial losses compare the discriminator's scores of generated examples, shape ``(K, batch)``,
with its scores of real examples, shape ``(batch,)``. A larger score means that an example looks
more real. Two networks cannot be compared by their adversarial losses, because each network has its
own discriminator. At chance level, every example has a score of 0. For the hinge loss, every
generated example has a score of −1, the margin.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from surrogate_nas.training.losses import Loss, always, softplus
from surrogate_nas.training.machine import Array

DiscriminatorGradient: TypeAlias = Callable[[Array, Array], tuple[float, Array, Array]]


@dataclass(frozen=True)
class AdversarialLoss(Loss):
    """The loss of a generator, together with the loss of its discriminator.

    Attributes:
        discriminating_gradient: A function from the scores of generated and of real examples, both
            of shape ``(batch,)``, to the discriminator's mean loss. The function also returns the
            gradients with respect to both arrays of scores.
    """

    discriminating_gradient: DiscriminatorGradient = field(kw_only=True)


def _non_saturating(fake: Array, _: Array) -> tuple[Array, Array]:
    losses, derivative = softplus(-fake)
    return losses, -derivative / fake.shape[1]


@np.errstate(all="ignore")
def _binary(fake: Array, real: Array) -> tuple[float, Array, Array]:
    fooled, by_fake = softplus(fake)
    missed, by_real = softplus(-real)
    return (
        float(fooled.mean() + missed.mean()),
        by_fake / fake.size,
        -by_real / real.size,
    )


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
