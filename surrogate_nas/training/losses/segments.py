"""The Dice loss of segmentation, which weighs classes alike, however few pixels they have.

Outputs have shape ``(K, batch, classes, height, width)``, targets ``(batch, height, width)``: class numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from surrogate_nas.training.arrays import Array
from surrogate_nas.training.losses.base import Loss
from surrogate_nas.training.losses.slopes import softmax_of, summed

if TYPE_CHECKING:
    from torch import Tensor

SMOOTH = 1.0
"""Added above and below, in pixels, so that a class that is neither there nor answered has no loss."""


def dice(outputs: Tensor, targets: Tensor) -> Tensor:
    """One less the Dice coefficient of probabilities and pixels, the mean over classes, shape ``(K, batch)``.

    Args:
        outputs: Scores, see the module.
        targets: See the module.
    """
    import torch.nn.functional as F

    p = outputs.softmax(2).flatten(3)
    right = F.one_hot(targets.flatten(1), outputs.shape[2]).transpose(1, 2).to(p.dtype)
    shared = (p * right).sum(3)
    return 1 - ((2 * shared + SMOOTH) / (p.sum(3) + right.sum(2) + SMOOTH)).mean(2)


@np.errstate(all="ignore")
def _dice_slope(outputs: Array, targets: Array) -> tuple[Array, Array]:
    count, batch, classes = outputs.shape[:3]
    softmax = softmax_of(outputs, targets)
    p, flat, right = softmax.raised, softmax.flat, softmax.right
    p /= softmax.total
    answered = flat[right]
    pixels = tuple(range(3, p.ndim))
    where = np.arange(0, count * batch * classes, classes).reshape(count, batch, *([1] * (targets.ndim - 1)))
    where = np.add(where, targets, out=np.empty_like(right)).ravel("K")

    def of_class(weights: Array | None) -> Array:
        """Sums over the pixels of each class, shape ``(K, batch, classes)``."""
        found = np.bincount(where, weights, count * batch * classes)
        return found.reshape(count, batch, classes).astype(p.dtype)

    above = 2 * of_class(answered.ravel("K")) + SMOOTH
    below = np.add.reduce(p, axis=pixels)
    below += of_class(None) + SMOOTH
    # The loss falls by `gain` with p where a pixel has the class, and grows by `cost` with p everywhere.
    gain = 2 / (classes * batch * below)
    cost = np.multiply(gain, above / (2 * below), out=np.empty_like(below))
    np.multiply(gain.ravel()[where], answered.ravel("K"), out=answered.ravel("K"))  # the fall, by example and pixel
    gradient = np.multiply(p, np.expand_dims(cost, pixels), out=np.empty_like(p))
    inner = summed(gradient)
    inner -= answered[:, :, None]
    gradient -= np.multiply(p, inner, out=p)
    gradient.ravel("K")[right] -= answered
    return 1 - np.add.reduce(above / below, axis=2) / classes, gradient


FAMILY = (
    Loss(
        "dice", "1 - soft Dice coefficient, the mean over classes (Milletari et al., 3DV 2016)", "1 - Dice",
        ("segmentation",), dice,
        chance=lambda classes: 1 - 1 / classes, comparable="Dice", slope=_dice_slope,
    ),
)  # fmt: skip
"""The losses of this file."""
