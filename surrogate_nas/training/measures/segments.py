"""Measures of segmentation over the pixels of all images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from surrogate_nas.training.measures.base import Answers, Measure

if TYPE_CHECKING:
    from torch import Tensor


def mean_overlap(answers: Answers) -> Tensor:
    """The mean over classes of the pixels that are rightly of a class by those that are or are said to be.

    Args:
        answers: Scores of classes at every pixel, shape ``(K, n, classes, height, width)``.
    """
    import torch

    classes = answers.outputs.shape[2]
    said, right = answers.outputs.max(2).indices.flatten(1), answers.targets.flatten()
    counts = torch.stack([torch.bincount(classes * right + k, minlength=classes**2) for k in said])
    table = counts.view(-1, classes, classes).double()
    both, either = table.diagonal(dim1=1, dim2=2), table.sum(1) + table.sum(2)
    known = either > 0
    return (both / (either - both).clamp(min=1)).sum(1) / known.sum(1)


FAMILY = (
    Measure(
        "miou", "intersection over union, the mean over classes (Everingham et al., IJCV 2010)", "", "quality", 0.0,
        mean_overlap,
    ),
)  # fmt: skip
"""The measures of this file."""
