"""Measures of detectors: which objects of an image are among as many boxes, the surest that it is left with.

Boxes as in `surrogate_nas.training.losses.boxes`. The surest box is kept, and all that overlap it by more than half are
dropped, and so on (Felzenszwalb et al., TPAMI 2010), until as many are kept as the image has objects: to answer more
boxes gains nothing. A box is as sure as its objectness times the probability of its class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from surrogate_nas.training.losses.boxes import decoded, middles, overlap
from surrogate_nas.training.measures.base import Answers, Measure

if TYPE_CHECKING:
    from torch import Tensor

HALF = 0.5
"""The intersection over union from which two boxes are the same."""


class Kept(NamedTuple):
    """The surest boxes of every image, in this order.

    Attributes:
        boxes: Centre x and y, width and height in pixels, shape ``(K, n, objects, 4)``.
        classes: Shape ``(K, n, objects)``; -1 behind as many as the image has objects.
    """

    boxes: Tensor
    classes: Tensor


def kept(outputs: Tensor, targets: Tensor) -> Kept:
    """The boxes that are left when the surest drop those that they overlap.

    Args:
        outputs: Shape ``(K, n, 1 + classes + 4, rows, columns)``.
        targets: Shape ``(n, objects, 5)``.
    """
    import torch

    flat = outputs.flatten(3).transpose(2, 3)
    boxes = decoded(flat[..., -4:], middles(outputs.shape[3], outputs.shape[4], outputs))
    likely, classes = flat[..., 1:-4].softmax(3).max(3)
    sure = (flat[..., 0].sigmoid() * likely).nan_to_num(0)
    chosen = []
    for _ in range(targets.shape[1]):
        best = sure.argmax(2, keepdim=True)
        box = boxes.gather(2, best[..., None].expand(-1, -1, -1, 4))
        chosen.append((box, classes.gather(2, best)))
        sure = torch.where(overlap(box, boxes)[0] > HALF, -1, sure).scatter(2, best, -1)
    counts = (targets[..., 0] >= 0).sum(1, keepdim=True)
    within = torch.arange(targets.shape[1], device=counts.device) < counts
    return Kept(torch.cat([box for box, _ in chosen], 2), torch.where(within, torch.cat([c for _, c in chosen], 2), -1))


def missed(answers: Answers) -> Tensor:
    """The share of objects that no kept box finds, %: one of its class, with at least `HALF` in common.

    A box finds one object, and the surest box chooses first.

    Args:
        answers: Of a detector.
    """
    found = kept(answers.outputs, answers.targets)
    classes, boxes = answers.targets[:, :, 0], answers.targets[:, :, 1:]
    left = (classes >= 0).expand(len(found.boxes), -1, -1)
    before = left.sum((1, 2))
    for box, guess in zip(found.boxes.unbind(2), found.classes.unbind(2), strict=True):
        shared = overlap(box.unsqueeze(2), boxes)[0] * (left & (guess.unsqueeze(2) == classes))
        most, which = shared.max(2, keepdim=True)
        left = left.scatter(2, which, left.gather(2, which) & (most < HALF))
    return 100 * left.sum((1, 2)).double() / before


def mean_overlap(answers: Answers) -> Tensor:
    """The mean over objects of the largest intersection over union with a kept box, whatever its class.

    Args:
        answers: Of a detector.
    """
    found = kept(answers.outputs, answers.targets)
    there = answers.targets[:, :, 0] >= 0
    shared = overlap(found.boxes.unsqueeze(2), answers.targets[:, :, None, 1:])[0]
    best = (shared * (found.classes >= 0).unsqueeze(2)).amax(3)
    return (best * there).sum((1, 2)).double() / there.sum()


FAMILY = (
    Measure(
        "missed", "share of objects not found among as many boxes: another class or an overlap below ½", "%", "error",
        100.0, missed,
    ),
    Measure("iou", "intersection over union of objects and the boxes that find them best", "", "quality", 0.0,
            mean_overlap),
)  # fmt: skip
"""The measures of this file."""
