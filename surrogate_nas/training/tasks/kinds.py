"""Kinds of tasks: how a network answers, what its targets are, and what is trained and measured if nothing is named."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from surrogate_nas.training.measures import sequences
from surrogate_nas.training.tasks import checking

if TYPE_CHECKING:
    from surrogate_nas.training.measures import Answers


@dataclass(frozen=True)
class Kind:
    """What tasks of one kind have in common.

    Attributes:
        name: The key in `KINDS`.
        loss: The name of the loss that is trained if none is named.
        measures: The names of what is measured if nothing is named; the first judges the task.
        check: Of inputs, targets, what to call them in a message, and the number of classes; gives the targets in
            their own type, or raises a `UserError`.
        positions: Whether the head answers at every position instead of once, after pooling.
        strided: Whether the size is halved between the stages of the network.
        causal: Whether a position sees only itself and what is before it.
        course: How a run is spent: the key in `surrogate_nas.training.courses.COURSES`.
        least: The fewest classes.
        arrange: From what the head answers and the number of classes to what losses and measures take, arrays or
            tensors; None where it is the same.
        restore: The inverse of `arrange`, which takes how many numbers the head answers: so a gradient by what losses
            take becomes one by what the head answers.
        faults: From answers to what went wrong with each network, or empty; None where nothing is known that could.
    """

    name: str
    loss: str
    measures: tuple[str, ...]
    check: checking.Check
    positions: bool = False
    strided: bool = True
    causal: bool = False
    course: str = "supervised"
    least: int = 2
    arrange: Callable[[Any, int], Any] | None = None
    restore: Callable[[Any, int], Any] | None = None
    faults: Callable[[Answers], list[str]] | None = None


def pixels(answered: Any, classes: int) -> Any:
    """Answers of every pixel out of those of a coarser grid (a pixel shuffle, Shi et al., CVPR 2016).

    Args:
        answered: Shape ``(K, batch, classes·f², rows, columns)``; pixels are as they should be where f is 1.
        classes: How many classes there are.

    Returns:
        Shape ``(K, batch, classes, f·rows, f·columns)``, an array or a tensor as was given.
    """
    count, batch, numbers, rows, columns = answered.shape
    finer = math.isqrt(numbers // classes)
    if finer == 1:
        return answered
    parted = answered.reshape(count * batch * classes, finer, finer, rows, columns)
    return _moved(parted, (0, 3, 1, 4, 2)).reshape(count, batch, classes, finer * rows, finer * columns)


def places(shuffled: Any, outputs: int) -> Any:
    """Answers of a coarser grid out of those of every pixel: the inverse of `pixels`.

    Args:
        shuffled: Shape ``(K, batch, classes, f·rows, f·columns)``.
        outputs: How many numbers a place of the coarser grid answers: ``classes·f²``.

    Returns:
        Shape ``(K, batch, classes·f², rows, columns)``, an array or a tensor as was given.
    """
    count, batch, classes, height, width = shuffled.shape
    finer = math.isqrt(outputs // classes)
    if finer == 1:
        return shuffled
    parted = shuffled.reshape(count * batch * classes, height // finer, finer, width // finer, finer)
    return _moved(parted, (0, 2, 4, 1, 3)).reshape(count, batch, outputs, height // finer, width // finer)


def _moved(x: Any, axes: tuple[int, ...]) -> Any:
    return x.transpose(axes) if isinstance(x, np.ndarray) else x.permute(axes)


_OF_CLASSES = ("error", "nll", "ece", "robust_error")

KINDS = {
    kind.name: kind
    for kind in (
        Kind("classification", "cross_entropy", _OF_CLASSES, checking.one_class),
        Kind("regression", "squared", ("error", "mae"), checking.values, least=1),
        Kind("reconstruction", "squared", ("auc",), checking.one_class, course="reconstruction"),
        Kind("images", "squared", ("mae", "psnr", "ssim"), checking.images, positions=True, strided=False, least=1),
        Kind(
            "language", "cross_entropy", ("error", "perplexity"), checking.class_a_position, positions=True,
            strided=False, causal=True,
        ),
        Kind(
            "sequence", "ctc", ("character_error", "text_error"), checking.class_sequences, positions=True,
            strided=False, faults=sequences.unaligned,
        ),
        Kind(
            "segmentation", "cross_entropy", ("error", "miou"), checking.class_a_pixel, positions=True, arrange=pixels,
            restore=places,
        ),
        Kind("detection", "detection", ("missed", "iou"), checking.boxes, positions=True),
        Kind(
            "generation", "adversarial", ("frechet", "coverage"), checking.images, positions=True, strided=False,
            course="adversarial", least=1,
        ),
        Kind("policy", "clipped_return", ("return", "failures"), checking.states, course="policy"),
    )
}  # fmt: skip
"""Every kind by name."""
