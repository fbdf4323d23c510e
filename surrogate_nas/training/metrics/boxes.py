"""Metrics of object detectors, such as the share of an image's objects that are found among equally
many predicted boxes.

Predicted boxes are encoded as in `surrogate_nas.training.losses.boxes`. Non-maximum suppression
(Felzenszwalb et al., TPAMI 2010) chooses the box of highest confidence, drops all boxes that
overlap it by more than half, and repeats. The procedure ends when as many boxes are chosen as the
image has objects. The confidence of a predicted box is its objectness times the probability of its
class.
"""

from typing import Any

import numpy as np

from surrogate_nas.training.losses.boxes import _LARGEST, ANCHOR, STRIDE
from surrogate_nas.training.machine import Array, exp, softmax
from surrogate_nas.training.metrics import Predictions, TaskMetric

HALF = 0.5
"""The intersection over union above which two boxes count as the same."""


def surest(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Return the boxes of highest confidence, as non-maximum suppression chooses them.

    Returns:
        The chosen boxes of every image, shape ``(K, n, objects, 4)``, and their classes, shape
        ``(K, n, objects)``. If an image has fewer objects, the remaining classes are -1.
    """
    count, n, numbers, rows, columns = outputs.shape
    flat = outputs.astype(np.float64).reshape(count, n, numbers, -1).swapaxes(2, 3)
    y, x = STRIDE * (np.indices((rows, columns)).reshape(2, -1) + 0.5)
    sides = ANCHOR * exp(np.minimum(flat[..., -2:], _LARGEST))
    boxes = np.concatenate([np.stack([x, y], 1) + ANCHOR * flat[..., -4:-2], sides], 3)
    likely = softmax(flat[..., 1:-4], 3)
    sure = np.nan_to_num(likely.max(3) / (1 + exp(-flat[..., 0])), nan=0)
    classes = likely.argmax(3)
    chosen = []
    for _ in range(targets.shape[1]):
        best = sure.argmax(2)[..., None]
        box = np.take_along_axis(boxes, best[..., None], 2)
        chosen.append((box, np.take_along_axis(classes, best, 2)))
        sure[_shared(box, boxes) > HALF] = -1
        np.put_along_axis(sure, best, -1, 2)
    within = np.arange(targets.shape[1]) < (targets[..., 0] >= 0).sum(1, keepdims=True)
    chosen_boxes, chosen_classes = (
        np.concatenate(part, 2) for part in zip(*chosen, strict=True)
    )
    return chosen_boxes, np.where(within, chosen_classes, -1)


def _missed(predictions: Predictions) -> Any:
    targets = predictions.targets.astype(np.float64)
    chosen, guesses = surest(predictions.outputs, targets)
    classes = targets[:, :, 0]
    unmatched = np.tile(classes >= 0, (len(chosen), 1, 1))
    before = unmatched.sum((1, 2))
    for i in range(targets.shape[1]):
        is_class = unmatched & (guesses[:, :, i, None] == classes)
        shared = _shared(chosen[:, :, i, None], targets[:, :, 1:]) * is_class
        which = shared.argmax(2)[..., None]
        most, still = (
            np.take_along_axis(part, which, 2) for part in (shared, unmatched)
        )
        np.put_along_axis(unmatched, which, still & (most < HALF), 2)
    return 100 * unmatched.sum((1, 2)) / before


def _mean_overlap(predictions: Predictions) -> Any:
    targets = predictions.targets.astype(np.float64)
    chosen, guesses = surest(predictions.outputs, targets)
    there = targets[:, :, 0] >= 0
    shared = _shared(chosen[:, :, None], targets[:, :, None, 1:])
    best = (shared * (guesses >= 0)[:, :, None]).max(3)
    return (best * there).sum((1, 2)) / there.sum()


def _shared(one: Array, other: Array) -> Any:
    """Return the intersection of boxes ``(…, 4)`` divided by their union."""
    low = np.maximum(
        one[..., :2] - one[..., 2:] / 2, other[..., :2] - other[..., 2:] / 2
    )
    high = np.minimum(
        one[..., :2] + one[..., 2:] / 2, other[..., :2] + other[..., 2:] / 2
    )
    shared = np.maximum(high - low, 0).prod(-1)
    union = one[..., 2:].prod(-1) + other[..., 2:].prod(-1) - shared
    return shared / np.maximum(union, 1e-9)


FAMILY = (
    TaskMetric(
        "missed",
        "share of objects not found among as many boxes: another class or an overlap below ½",
        "%",
        "error",
        100.0,
        _missed,
    ),
    TaskMetric(
        "iou",
        "intersection over union of objects and the boxes that find them best",
        "",
        "quality",
        0.0,
        _mean_overlap,
    ),
)
