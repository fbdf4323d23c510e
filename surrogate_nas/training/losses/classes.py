"""Losses of class scores. A network has one set of scores per example or per position. The losses
of an example's positions are averaged.

Outputs of K networks have the shape ``(K, batch, classes[, positions…])``, and targets have the
shape ``(batch[, positions…])``. In the Dice loss for segmentation, all classes have the same
weight, whatever their number of pixels.
"""

import math

import numpy as np

from surrogate_nas.training.losses import (
    Loss,
    averaged,
    of_right,
    share,
    softmax_of,
    summed,
    target_indices,
)
from surrogate_nas.training.machine import Array

SMOOTHING = 0.1
"""The share of a target that is spread evenly over all classes (Szegedy et al. 2016)."""
GAMMA = 2
"""The exponent that reduces the focal loss of well-classified examples (Lin et al. 2017)."""
SMOOTH = 1.0
"""Pixels added to numerator and denominator, so that a class that is neither present nor predicted
has no loss.
"""
_FITS = ("classification", "language", "segmentation")


def cross_entropy(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Return the cross-entropy in nats: the negative logarithm of the softmax probability of the
    target's class.
    """
    return of_right(outputs, targets, lambda log: (-log, -1.0))


def _label_smoothing(outputs: Array, targets: Array) -> tuple[Array, Array]:
    softmax = softmax_of(outputs, targets)
    classes = outputs.shape[2]
    weight = share(outputs)
    lowered = outputs - softmax.top if isinstance(softmax.top, np.ndarray) else outputs
    means = (summed(lowered) / classes - np.log(softmax.total))[:, :, 0]
    gradient = softmax.raised
    gradient *= weight / softmax.total
    gradient -= weight * SMOOTHING / classes
    softmax.flat[softmax.right] -= weight * (1 - SMOOTHING)
    return averaged((SMOOTHING - 1) * softmax.logs - SMOOTHING * means), gradient


def _focal(outputs: Array, targets: Array) -> tuple[Array, Array]:
    def focal(log: Array) -> tuple[Array, Array]:
        p = np.exp(log)
        wrong = 1 - p
        return -(wrong**GAMMA) * log, wrong ** (GAMMA - 1) * (GAMMA * p * log - wrong)

    return of_right(outputs, targets, focal)


def _brier(outputs: Array, targets: Array) -> tuple[Array, Array]:
    softmax = softmax_of(outputs, targets)
    weight = 2 * share(outputs)
    p = softmax.raised
    p /= softmax.total
    of_target = softmax.flat[softmax.right]
    gradient = p * p
    squares = summed(gradient)
    p *= weight * (squares - of_target[:, :, None])
    gradient *= weight
    gradient -= p
    gradient.ravel("K")[softmax.right] -= weight * of_target
    return averaged(squares[:, :, 0] - 2 * of_target + 1), gradient


def _hinge(outputs: Array, targets: Array) -> tuple[Array, Array]:
    classes = outputs.shape[2]
    missing = outputs.copy(order="K")
    right = target_indices(missing, targets)
    of_target = missing.ravel("K")[right][:, :, None]
    missing += 1
    missing -= of_target
    gradient = (missing >= 0).astype(missing.dtype)
    gradient *= share(outputs) / classes
    np.maximum(missing, 0, out=missing)
    gradient.ravel("K")[right] -= summed(gradient)[:, :, 0]
    return averaged((summed(missing)[:, :, 0] - 1) / classes), gradient


def _dice(outputs: Array, targets: Array) -> tuple[Array, Array]:
    count, batch, classes = outputs.shape[:3]
    softmax = softmax_of(outputs, targets)
    p = softmax.raised
    flat = softmax.flat
    right = softmax.right
    p /= softmax.total
    answered = flat[right]
    pixels = tuple(range(3, p.ndim))
    where = np.arange(0, count * batch * classes, classes).reshape(
        count, batch, *([1] * (targets.ndim - 1))
    )
    where = np.add(where, targets, out=np.empty_like(right)).ravel("K")

    def of_class(weights: Array | None) -> Array:
        """Return the sums over the pixels of each class, shape ``(K, batch, classes)``."""
        sums = np.bincount(where, weights, count * batch * classes)
        return sums.reshape(count, batch, classes).astype(p.dtype)

    above = 2 * of_class(answered.ravel("K")) + SMOOTH
    below = np.add.reduce(p, axis=pixels)
    below += of_class(None) + SMOOTH
    # The loss falls by `gain` with p where a pixel has the class, and grows by `cost` with p
    # everywhere.
    gain = 2 / (classes * batch * below)
    cost = np.multiply(gain, above / (2 * below), out=np.empty_like(below))
    # the fall, by example and pixel
    np.multiply(gain.ravel()[where], answered.ravel("K"), out=answered.ravel("K"))
    gradient = np.multiply(p, np.expand_dims(cost, pixels), out=np.empty_like(p))
    inner = summed(gradient)
    inner -= answered[:, :, None]
    gradient -= np.multiply(p, inner, out=p)
    gradient.ravel("K")[right] -= answered
    return 1 - np.add.reduce(above / below, axis=2) / classes, gradient


FAMILY = (
    Loss(
        "cross_entropy",
        "negative log-likelihood of the right class",
        "nats",
        _FITS,
        chance=math.log,
        comparable="cross-entropy",
        gradient=cross_entropy,
    ),
    Loss(
        "label_smoothing",
        f"cross-entropy with {100 * SMOOTHING:g} % of a target spread over all classes (Szegedy et"
        " al., CVPR 2016)",
        "nats",
        _FITS,
        chance=math.log,
        comparable="smoothed cross-entropy",
        gradient=_label_smoothing,
    ),
    Loss(
        "focal",
        f"cross-entropy weighted by (1 - p)^{GAMMA} (Lin et al., ICCV 2017)",
        "weighted nats",
        _FITS,
        chance=lambda classes: (1 - 1 / classes) ** GAMMA * math.log(classes),
        comparable="focal",
        gradient=_focal,
    ),
    Loss(
        "brier",
        "squared error of the probabilities on the one-hot target (Brier 1950)",
        "squared probability",
        _FITS,
        chance=lambda classes: 1 - 1 / classes,
        comparable="Brier score",
        gradient=_brier,
    ),
    Loss(
        "hinge",
        "multi-class hinge, margins of 1 (Weston & Watkins, ESANN 1999), over the number of"
        " classes",
        "margins",
        _FITS,
        chance=lambda classes: 1 - 1 / classes,
        comparable="hinge",
        gradient=_hinge,
    ),
    Loss(
        "dice",
        "1 - soft Dice coefficient, the mean over classes (Milletari et al., 3DV 2016)",
        "1 - Dice",
        ("segmentation",),
        chance=lambda classes: 1 - 1 / classes,
        comparable="Dice",
        gradient=_dice,
    ),
)
