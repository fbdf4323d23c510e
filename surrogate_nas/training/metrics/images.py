"""Metrics of images with values from 0 to 1. Signals are images of height 1."""

import math
from typing import Any

import numpy as np

from surrogate_nas.training.losses.images import _SMALL, WINDOW
from surrogate_nas.training.machine import Array, log
from surrogate_nas.training.metrics import Predictions, TaskMetric


def _peak_signal_to_noise(predictions: Predictions) -> Any:
    outputs = predictions.outputs
    off = (outputs.astype(np.float64) - predictions.targets).reshape(
        *outputs.shape[:2], -1
    )
    decades = log(np.maximum((off**2).mean(2), 1e-10)) / math.log(10)
    return -10 * decades.mean(1)


def _structural_similarity(predictions: Predictions) -> Any:
    x, y = (
        part.astype(np.float64) for part in (predictions.outputs, predictions.targets)
    )
    window = tuple(min(WINDOW, side) for side in x.shape[3:])
    pixels = window[0] * window[1]
    unbiased = pixels / max(pixels - 1, 1)
    height, width = (side - w + 1 for side, w in zip(x.shape[3:], window, strict=True))

    def mean(values: Array) -> Any:
        rows = np.sum([values[..., i : i + height, :] for i in range(window[0])], 0)
        return np.sum([rows[..., i : i + width] for i in range(window[1])], 0) / pixels

    mean_x = mean(x)
    mean_y = mean(y)
    variances = unbiased * (mean(x * x) - mean_x**2 + mean(y * y) - mean_y**2)
    covariance = unbiased * (mean(x * y) - mean_x * mean_y)
    luminance = (2 * mean_x * mean_y + _SMALL[0]) / (mean_x**2 + mean_y**2 + _SMALL[0])
    structure = (2 * covariance + _SMALL[1]) / (variances + _SMALL[1])
    # Both are below 0 of a negative with values below 0, which the published product takes to be
    # the image itself.
    similarity = luminance * np.where(luminance < 0, np.abs(structure), structure)
    return similarity.reshape(len(x), -1).mean(1)


FAMILY = (
    TaskMetric(
        "psnr",
        "peak signal-to-noise ratio",
        "dB",
        "quality",
        0.0,
        _peak_signal_to_noise,
    ),
    TaskMetric(
        "ssim",
        "structural similarity (Wang et al., IEEE TIP 2004)",
        "",
        "quality",
        -1.0,
        _structural_similarity,
    ),
)
