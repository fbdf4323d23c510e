"""The Dice loss of segmentation, which weighs classes alike, however few pixels they have.

Outputs have shape ``(K, batch, classes, height, width)``, targets ``(batch, height, width)``: class numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from surrogate_nas.training.losses.base import Loss

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


FAMILY = (
    Loss(
        "dice", "1 - soft Dice coefficient, the mean over classes (Milletari et al., 3DV 2016)", "1 - Dice",
        ("segmentation",), dice,
        chance=lambda classes: 1 - 1 / classes, comparable="Dice",
    ),
)  # fmt: skip
"""The losses of this file."""
