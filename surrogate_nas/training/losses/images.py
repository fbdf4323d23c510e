"""Losses of images with values from 0 to 1. Signals are images of height 1.

Outputs of K networks have the shape ``(K, batch, channels, height, width)``, and targets have the
shape ``(batch, channels, height, width)``. The loss at chance level is that of a uniformly grey
image, if the pixels of the target are black or white.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np

from surrogate_nas.training.losses import Loss, always
from surrogate_nas.training.losses.numbers import absolute_error, mean_error
from surrogate_nas.training.machine import Array

WINDOW = 7
"""The side of SSIM's uniform windows, as in scikit-image; a smaller image is one window."""
# What keeps SSIM's quotients from 0 by 0, at a range of 1 (Wang et al. 2004).
_SMALL = (0.01**2, 0.03**2)


def _ssim(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Return 1 − structural similarity, averaged over windows.

    Means over windows are matrix products; the backward pass uses the transposed matrices.
    """
    count, batch, channels, *sides = outputs.shape
    x = outputs.transpose(3, 4, 2, 0, 1)
    y = targets.transpose(2, 3, 1, 0)[:, :, :, None]
    maps = np.empty((*sides, 5, channels, count, batch), outputs.dtype)
    for at, image in enumerate((x, y)):
        maps[:, :, at] = image
    np.multiply(maps[:, :, :1], maps[:, :, :2], out=maps[:, :, 2:4])
    np.multiply(maps[:, :, 1], maps[:, :, 1], out=maps[:, :, 4])
    over = [_means(side, outputs.dtype) for side in sides]
    mean_x, mean_y, of_xx, of_xy, of_yy = np.moveaxis(_applied(maps, *over), 2, 0)
    pixels = math.prod(min(WINDOW, side) for side in sides)
    unbiased = pixels / max(pixels - 1, 1)
    variances = unbiased * (of_xx - mean_x**2 + of_yy - mean_y**2) + _SMALL[1]
    covariance = unbiased * (of_xy - mean_x * mean_y)
    squares = mean_x**2 + mean_y**2 + _SMALL[0]
    luminance = (2 * mean_x * mean_y + _SMALL[0]) / squares
    structure = (2 * covariance + _SMALL[1]) / variances
    negative = luminance < 0
    factor = np.where(negative, np.abs(structure), structure)
    similarity = luminance * factor
    axes = (0, 1, 2)
    windows = math.prod(similarity.shape[:3])
    by_luminance = factor * (-1 / (windows * batch))
    signs = np.where(negative, np.sign(structure), 1)
    by_structure = luminance * signs * (-1 / (windows * batch))
    back = np.empty((*similarity.shape[:2], 3, channels, count, batch), outputs.dtype)
    by_xy = by_structure * 2 * unbiased / variances
    by_xx = -by_structure * structure * unbiased / variances
    back[:, :, 0] = (
        2 * by_luminance * (mean_y - luminance * mean_x) / squares
        - by_xy * mean_y
        - 2 * by_xx * mean_x
    )
    back[:, :, 1] = by_xx
    back[:, :, 2] = by_xy
    by_mean, by_xx, by_xy = np.moveaxis(
        _applied(back, *(matrix.T for matrix in over)), 2, 0
    )
    gradient = np.empty_like(outputs)
    rest = 2 * maps[:, :, 0] * by_xx + maps[:, :, 1] * by_xy
    np.add(by_mean, rest, out=gradient.transpose(3, 4, 2, 0, 1))
    return 1 - np.add.reduce(similarity, axis=axes) / windows, gradient


@lru_cache(maxsize=16)
def _means(side: int, kind: np.dtype[Any]) -> Array:
    """Return the matrix that computes the means over all windows of a line, shape
    ``(windows, side)``.
    """
    window = min(WINDOW, side)
    first = np.arange(side - window + 1)[:, None]
    at = np.arange(side)
    means: Array = ((at >= first) & (at < first + window)).astype(kind) / kind.type(
        window
    )
    return means


def _applied(maps: Array, rows: Array, columns: Array) -> Array:
    """Multiply axes 0 and 1 of maps of shape ``(height, width, …)`` by a matrix each, from the
    left.
    """
    height, width, *rest = maps.shape
    lower = (rows @ maps.reshape(height, -1)).reshape(len(rows), width, -1)
    both: Array = (columns @ lower).reshape(len(rows), len(columns), *rest)
    return both


_FITS = ("images", "reconstruction")
FAMILY = (
    Loss(
        "l1",
        "mean absolute error of pixels",
        "absolute error",
        _FITS,
        chance=always(0.5),
        comparable="absolute error",
        gradient=mean_error(absolute_error),
    ),
    Loss(
        "ssim",
        "1 - structural similarity (Wang et al., IEEE TIP 2004)",
        "1 - SSIM",
        _FITS,
        chance=always(1.0),
        comparable="SSIM",
        gradient=_ssim,
    ),
)
