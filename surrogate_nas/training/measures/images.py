"""Measures of answers that are images with values from 0 to 1, or signals of height 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from surrogate_nas.training.losses.images import ssim
from surrogate_nas.training.measures.base import Answers, Measure

if TYPE_CHECKING:
    from torch import Tensor

_LEAST = 1e-10
"""The squared error of an image that counts as none: 100 dB."""


def peak_signal_to_noise(answers: Answers) -> Tensor:
    """``-10 log10`` of the mean squared error of an image, dB, the mean over images.

    Args:
        answers: Images, shape ``(K, n, channels, height, width)``.
    """
    squares = (answers.outputs.double() - answers.targets).square().flatten(2).mean(2)
    return -10 * squares.clamp(min=_LEAST).log10().mean(1)


def structural_similarity(answers: Answers) -> Tensor:
    """The mean structural similarity, from -1 to 1; 1 is for equal images.

    Args:
        answers: Images, shape ``(K, n, channels, height, width)``.
    """
    return 1 - ssim(answers.outputs.double(), answers.targets.double()).mean(1)


FAMILY = (
    Measure("psnr", "peak signal-to-noise ratio", "dB", "quality", 0.0, peak_signal_to_noise),
    Measure("ssim", "structural similarity (Wang et al., IEEE TIP 2004)", "", "quality", -1.0, structural_similarity),
)
"""The measures of this file."""
