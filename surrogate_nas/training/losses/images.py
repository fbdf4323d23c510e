"""Losses of answers that are images with values from 0 to 1, or signals of height 1.

Outputs have shape ``(K, batch, channels, height, width)``, targets ``(batch, channels, height, width)``. Knowing
nothing is a grey answer to pixels that are black or white.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from surrogate_nas.training.losses.base import Loss

if TYPE_CHECKING:
    from torch import Tensor

WINDOW = 7
"""The side of SSIM's uniform windows, as in scikit-image; a smaller image is one window."""
_SMALL = (0.01**2, 0.03**2)
"""What keeps SSIM's quotients from 0 by 0, at a range of 1 (Wang et al. 2004)."""


def l1(outputs: Tensor, targets: Tensor) -> Tensor:
    """The mean absolute error of pixels, shape ``(K, batch)``.

    Args:
        outputs: See the module.
        targets: See the module.
    """
    return (outputs - targets).abs().flatten(2).mean(2)


def ssim(outputs: Tensor, targets: Tensor) -> Tensor:
    """One less the structural similarity, from 0 to 2, the mean over windows, shape ``(K, batch)``.

    Args:
        outputs: See the module.
        targets: See the module.
    """
    import torch
    from torch.nn.functional import avg_pool2d

    count, batch, _, *sides = outputs.shape
    window = [min(WINDOW, side) for side in sides]
    x, y = outputs.flatten(0, 1), targets.expand(count, *targets.shape).flatten(0, 1)
    pixels = window[0] * window[1]
    unbiased = pixels / max(pixels - 1, 1)

    def mean(of: Tensor) -> Tensor:
        return avg_pool2d(of, window, stride=1)

    mean_x, mean_y = mean(x), mean(y)
    variances = unbiased * (mean(x * x) - mean_x**2 + mean(y * y) - mean_y**2)
    covariance = unbiased * (mean(x * y) - mean_x * mean_y)
    luminance = (2 * mean_x * mean_y + _SMALL[0]) / (mean_x**2 + mean_y**2 + _SMALL[0])
    structure = (2 * covariance + _SMALL[1]) / (variances + _SMALL[1])
    # Both are below 0 of a negative with values below 0, which the published product takes to be the image itself.
    similarity = luminance * torch.where(luminance < 0, structure.abs(), structure)
    return 1 - similarity.view(count, batch, -1).mean(2)


_FITS = ("images", "reconstruction")
FAMILY = (
    Loss(
        "l1", "mean absolute error of pixels", "absolute error", _FITS, l1,
        chance=lambda classes: 0.5, comparable="absolute error",  # noqa: ARG005 - images have no classes
    ),
    Loss(
        "ssim", "1 - structural similarity (Wang et al., IEEE TIP 2004)", "1 - SSIM", _FITS, ssim,
        chance=lambda classes: 1.0, comparable="SSIM",  # noqa: ARG005
    ),
)  # fmt: skip
"""The losses of this file."""
