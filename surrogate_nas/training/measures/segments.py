"""Measures of segmentation over the pixels of all images."""

from __future__ import annotations

import numpy as np

from surrogate_nas.training.arrays import Array
from surrogate_nas.training.measures.base import Answers, Measure


def mean_overlap(answers: Answers) -> Array:
    """The mean over classes of the pixels that are rightly of a class by those that are or are said to be.

    Args:
        answers: Scores of classes at every pixel, shape ``(K, n, classes, height, width)``.
    """
    outputs = answers.arrays.outputs
    classes = outputs.shape[2]
    pairs = classes * answers.arrays.targets + outputs.argmax(2)
    table = np.stack([np.bincount(network.ravel(), minlength=classes**2) for network in pairs])
    table = table.reshape(-1, classes, classes).astype(np.float64)
    both, either = table.diagonal(axis1=1, axis2=2), table.sum(1) + table.sum(2)
    return np.asarray((both / np.maximum(either - both, 1)).sum(1) / (either > 0).sum(1))


FAMILY = (
    Measure(
        "miou", "intersection over union, the mean over classes (Everingham et al., IJCV 2010)", "", "quality", 0.0,
        mean_overlap,
    ),
)  # fmt: skip
"""The measures of this file."""
