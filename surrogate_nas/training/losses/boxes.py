"""Losses of object detectors that predict on a grid, as YOLO does. For every grid cell, a detector
outputs an objectness, class scores and a box.

Outputs have the shape ``(K, batch, 1 + classes + 4, rows, columns)``, and targets the shape
``(batch, objects, 5)``. The five numbers of a target are its class (-1 for no object), the centre's
x and y, and the box's width and height in pixels. An object belongs to the grid cell that contains
the object's centre (Redmon et al., CVPR 2016). As in R-CNN (Girshick et al., CVPR 2014), a box is
encoded as four numbers relative to an anchor in the middle of its grid cell. The numbers are the
offset of the box's centre and the logarithms of its width and height, in units of the anchor's
side.

A detector's loss is the sum of three terms: the cross-entropy of the class and the loss of the box,
both means over objects, and the cross-entropy of objectness. Half of the objectness term is a mean
over grid cells with an object, the other half a mean over grid cells without an object. At chance
level, all classes are equally likely and the objectness is one half. Each of a box's four numbers
is off by `_OFF`, or the predicted and the true box have an intersection over union of one half.
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from surrogate_nas.training.losses import Loss
from surrogate_nas.training.machine import Array, log

STRIDE = 4
"""Pixels along the side of a grid cell: a strided network halves the size twice."""
ANCHOR = 8
BETA = 1 / 9
"""The error at which the smooth L1 distance changes from a square to a line (Ren et al., NeurIPS
2015).
"""
_OFF = 0.25
# Of a log of a side: what is larger is cut, so that no box is infinite.
_LARGEST = 2.0

_BoxGradient = Callable[[Array, Array, Array], tuple[Array, Array]]


def _summed(
    of_boxes: _BoxGradient, outputs: Array, targets: Array
) -> tuple[Array, Array]:
    """Return the three terms.

    `of_boxes` maps numbers ``(K, batch, objects, 4)``, the middles of their grid cells and the
    boxes ``(batch, objects, 4)`` to losses ``(K, batch, objects)`` and gradients with respect to
    the numbers.
    """
    count, batch, _, rows, columns = outputs.shape
    there = targets[..., 0] >= 0
    classes = np.maximum(targets[..., 0], 0).astype(int)
    boxes = targets[..., 1:]
    x = np.clip((boxes[..., 0] // STRIDE).astype(int), 0, columns - 1)
    y = np.clip((boxes[..., 1] // STRIDE).astype(int), 0, rows - 1)
    boxes = boxes.astype(outputs.dtype, copy=False)
    networks, examples = np.ogrid[:count, :batch]
    at = (networks[:, :, None], examples[:, :, None], y[None], x[None])
    by_place = outputs.transpose(0, 1, 3, 4, 2)
    at_objects = by_place[at]  # (K, batch, objects, numbers)
    by_object = np.empty_like(at_objects)
    of_class, by_object[..., 1:-4] = _class(at_objects[..., 1:-4], classes)
    middle = STRIDE * (
        np.stack([x, y], 2).astype(outputs.dtype) + outputs.dtype.type(0.5)
    )
    of_box, by_object[..., -4:] = of_boxes(at_objects[..., -4:], middle, boxes)
    by_object[..., 0] = 0
    full = np.zeros((batch, rows, columns), outputs.dtype)
    np.maximum.at(full, (examples.T, y, x), there)
    of_objects = _weights(there.astype(outputs.dtype), 1)
    of_places = _weights(full, 2) / 2 + _weights(1 - full, 2) / 2
    odds = outputs[:, :, 0]
    raised = np.exp(-np.abs(odds))
    of_odds = np.maximum(odds, 0) - odds * full + log(1 + raised.astype(float))
    of_objectness = (of_odds * of_places).sum((2, 3)).astype(outputs.dtype)
    gradient = np.zeros_like(outputs)
    probability = np.where(odds >= 0, 1, raised) / (1 + raised)
    gradient[:, :, 0] = (probability - full) * (of_places / batch)
    by_object *= (of_objects / batch)[..., None]
    np.add.at(gradient.transpose(0, 1, 3, 4, 2), at, by_object)
    losses = ((of_class + of_box) * of_objects).sum(2) + of_objectness
    return losses, gradient


def _weights(chosen: Array, axes: int) -> Array:
    """Return the weights of a mean over the chosen elements of the last axes; 0 if none is
    chosen.
    """
    count: Array = chosen.sum(tuple(range(-axes, 0)), keepdims=True)
    return chosen / np.maximum(count, 1)


def _class(scores: Array, classes: Array) -> tuple[Array, Array]:
    lowered = scores - scores.max(-1, keepdims=True)
    p = np.exp(lowered)
    total = p.sum(-1, keepdims=True)
    right = classes[None, ..., None] == np.arange(scores.shape[-1])
    losses: Array = np.log(total[..., 0]) - np.where(right, lowered, 0).sum(-1)
    return losses, p / total - right


def _smooth_l1(numbers: Array, middle: Array, boxes: Array) -> tuple[Array, Array]:
    centre = (boxes[..., :2] - middle) / ANCHOR
    sides = np.log(np.maximum(boxes[..., 2:], 1e-3) / ANCHOR)
    off = numbers - np.concatenate([centre, sides], 2)
    far = np.abs(off)
    near = far < BETA
    losses: Array = np.where(near, off * off / (2 * BETA), far - BETA / 2).sum(3)
    return losses, np.where(near, off / BETA, np.sign(off))


def _giou(numbers: Array, middle: Array, boxes: Array) -> tuple[Array, Array]:
    """Return 1 − generalised intersection over union.

    If two edges coincide, each has half of the derivative, as in PyTorch.
    """
    centre = middle + ANCHOR * numbers[..., :2]
    side = ANCHOR * np.exp(np.minimum(numbers[..., 2:], _LARGEST))
    low = centre - side / 2
    high = centre + side / 2
    other_low = boxes[..., :2] - boxes[..., 2:] / 2
    other_high = boxes[..., :2] + boxes[..., 2:] / 2
    reach = np.minimum(high, other_high) - np.maximum(low, other_low)
    within = np.maximum(reach, 0)
    span = np.maximum(high, other_high) - np.minimum(low, other_low)
    shared = within.prod(-1)
    around = span.prod(-1)
    union = side.prod(-1) + boxes[..., 2:].prod(-1) - shared
    some = np.maximum(union, 1e-9)
    all_around = np.maximum(around, 1e-9)
    losses = 2 - shared / some - union / all_around
    by_union = np.where(union >= 1e-9, shared / some**2, 0) - 1 / all_around
    by_reach = ((-1 / some - by_union)[..., None] * within[..., ::-1]) * (reach >= 0)
    by_span = (
        np.where(around >= 1e-9, union / all_around**2, 0)[..., None] * span[..., ::-1]
    )
    half = high.dtype.type(0.5)
    outside = np.heaviside(high - other_high, half)
    outside_low = np.heaviside(other_low - low, half)
    by_high = by_reach * (1 - outside) + by_span * outside
    by_low = -by_reach * (1 - outside_low) - by_span * outside_low
    by_side = (by_high - by_low) / 2 + by_union[..., None] * side[..., ::-1]
    by_log = by_side * side * (numbers[..., 2:] <= _LARGEST)
    return losses, np.concatenate([ANCHOR * (by_high + by_low), by_log], -1)


_EVEN = math.log(2)
FAMILY = (
    Loss(
        "detection",
        "class + smooth L1 of the box (Girshick, ICCV 2015) + objectness (Redmon et al., CVPR"
        " 2016)",
        "nats",
        ("detection",),
        chance=lambda classes: math.log(classes) + _EVEN + 4 * (_OFF - BETA / 2),
        comparable="detection, smooth L1",
        gradient=partial(_summed, _smooth_l1),
    ),
    Loss(
        "detection_giou",
        "class + 1 - generalised IoU of the box (Rezatofighi et al., CVPR 2019) + objectness",
        "nats",
        ("detection",),
        chance=lambda classes: math.log(classes) + _EVEN + 0.5,
        comparable="detection, GIoU",
        gradient=partial(_summed, _giou),
    ),
)
