"""Losses of detectors that answer on a grid, as YOLO does: at every place an objectness, scores of
classes and a box.

Outputs have shape ``(K, batch, 1 + classes + 4, rows, columns)``, targets ``(batch, objects, 5)``:
class or -1 for no object, centre x and y, width and height in pixels. An object belongs to the
place that its centre lies in (Redmon et al., CVPR 2016). A box is four numbers relative to an
anchor in the middle of its place, as in R-CNN (Girshick et al., CVPR 2014): how far its centre is
off, by the anchor's side, and the logs of its width and height by it.

Three terms weigh alike: the cross-entropy of the class and the box's own loss, means over objects,
and the cross-entropy of objectness, half of it a mean over the places with an object and half over
those without, which are many. Knowing nothing answers any class alike, even odds, and boxes each of
whose numbers is `_OFF` off or which share half their union with the right ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from surrogate_nas.training.arrays import Array, log
from surrogate_nas.training.losses.base import Loss

if TYPE_CHECKING:
    from torch import Tensor

STRIDE = 4
"""Pixels along the side of a place: a strided network halves twice."""
ANCHOR = 8
"""The anchor's side in pixels."""
BETA = 1 / 9
"""Where the smooth L1 distance turns from a square into a line (Ren et al., NeurIPS 2015)."""
_OFF = 0.25
_LARGEST = 2.0
"""Of a log of a side: what is larger is cut, so that no box is infinite."""


def middles(rows: int, columns: int, like: Tensor) -> Tensor:
    """The middles of all places, row by row, x and y in pixels, shape ``(rows·columns, 2)``."""
    import torch

    y, x = (
        STRIDE * (torch.arange(n, dtype=like.dtype, device=like.device) + 0.5)
        for n in (rows, columns)
    )
    return torch.stack([x.repeat(rows), y.repeat_interleave(columns)], 1)


def decoded(numbers: Tensor, middle: Tensor) -> Tensor:
    """Boxes, centre x and y, width and height in pixels, shape ``(…, 4)``.

    Args:
        numbers: As they are answered, shape ``(…, 4)``.
        middle: Of their places, shape ``(…, 2)``.
    """
    import torch

    return torch.cat(
        [middle + ANCHOR * numbers[..., :2], ANCHOR * numbers[..., 2:].clamp(max=_LARGEST).exp()],
        numbers.dim() - 1,
    )


def overlap(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """The intersection of boxes over their union, and the share of the box around both that neither
    fills.

    Args:
        one: Centre x and y, width and height, shape ``(…, 4)``.
        other: Likewise.
    """
    low = (one[..., :2] - one[..., 2:] / 2), (other[..., :2] - other[..., 2:] / 2)
    high = (one[..., :2] + one[..., 2:] / 2), (other[..., :2] + other[..., 2:] / 2)
    shared = (high[0].minimum(high[1]) - low[0].maximum(low[1])).clamp(min=0).prod(-1)
    around = (high[0].maximum(high[1]) - low[0].minimum(low[1])).prod(-1)
    union = one[..., 2:].prod(-1) + other[..., 2:].prod(-1) - shared
    return shared / union.clamp(min=1e-9), 1 - union / around.clamp(min=1e-9)


def smooth_l1(outputs: Tensor, targets: Tensor) -> Tensor:
    """Class, objectness and the smooth L1 distance of the box's numbers, summed, shape
    ``(K, batch)``.
    """
    return _summed(outputs, targets, _smooth_l1)


def giou(outputs: Tensor, targets: Tensor) -> Tensor:
    """Class, objectness and one less the generalised intersection over union, summed, shape
    ``(K, batch)``.
    """
    return _summed(outputs, targets, _giou)


def _smooth_l1(numbers: Tensor, middle: Tensor, boxes: Tensor) -> Tensor:
    import torch
    import torch.nn.functional as F

    wanted = torch.cat(
        [(boxes[..., :2] - middle) / ANCHOR, (boxes[..., 2:].clamp(min=1e-3) / ANCHOR).log()], 2
    )
    return F.smooth_l1_loss(numbers, wanted.expand_as(numbers), reduction="none", beta=BETA).sum(3)


def _giou(numbers: Tensor, middle: Tensor, boxes: Tensor) -> Tensor:
    shared, empty = overlap(decoded(numbers, middle), boxes)
    return 1 - shared + empty


def _summed(
    outputs: Tensor,
    targets: Tensor,
    of_boxes: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> Tensor:
    """The three terms, of which one compares numbers ``(K, batch, objects, 4)`` with boxes
    ``(batch, objects, 4)``.
    """
    import torch
    import torch.nn.functional as F

    rows, columns = outputs.shape[3:]
    there = targets[..., 0] >= 0
    classes = targets[..., 0].clamp(min=0).long()
    boxes = targets[..., 1:]
    x, y = (
        (boxes[..., axis] // STRIDE).long().clamp(0, n - 1) for axis, n in ((0, columns), (1, rows))
    )
    places = y * columns + x
    flat = outputs.flatten(3).transpose(2, 3)  # (K, batch, places, numbers)
    held = flat.gather(2, places[..., None].expand(len(flat), -1, -1, flat.shape[3]))
    of_class = F.cross_entropy(
        held[..., 1:-4].flatten(0, 2),
        classes.expand(len(flat), *classes.shape).flatten(),
        reduction="none",
    ).view(held.shape[:3])
    of_box = of_boxes(held[..., -4:], middles(rows, columns, outputs)[places], boxes)
    full = torch.zeros_like(flat[0, ..., 0]).scatter_reduce(1, places, there.to(flat.dtype), "amax")
    odds = F.binary_cross_entropy_with_logits(
        flat[..., 0], full.expand(flat.shape[:3]), reduction="none"
    )
    of_object = (_mean(odds, full) + _mean(odds, 1 - full)) / 2
    return _mean(of_class + of_box, there.to(flat.dtype)) + of_object


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean over the last dimension; 0 where nothing weighs."""
    return (values * weights).sum(-1) / weights.sum(-1).clamp(min=1)


_BoxSlope = Callable[[Array, Array, Array], tuple[Array, Array]]


@np.errstate(all="ignore")
def _slope(of_boxes: _BoxSlope, outputs: Array, targets: Array) -> tuple[Array, Array]:
    """The slope of `_summed`; that of boxes gives losses ``(K, batch, objects)`` and gradients by
    the numbers.
    """
    (count, batch), (rows, columns) = outputs.shape[:2], outputs.shape[3:]
    there = targets[..., 0] >= 0
    classes = np.maximum(targets[..., 0], 0).astype(int)
    boxes = targets[..., 1:]
    x, y = (
        np.clip((boxes[..., axis] // STRIDE).astype(int), 0, n - 1)
        for axis, n in ((0, columns), (1, rows))
    )
    boxes = boxes.astype(outputs.dtype, copy=False)
    networks, examples = np.ogrid[:count, :batch]
    at = (networks[:, :, None], examples[:, :, None], y[None], x[None])
    by_place = outputs.transpose(0, 1, 3, 4, 2)
    held = by_place[at]  # (K, batch, objects, numbers)
    by_held = np.empty_like(held)
    of_class, by_held[..., 1:-4] = _class_slope(held[..., 1:-4], classes)
    middle = STRIDE * (np.stack([x, y], 2).astype(outputs.dtype) + outputs.dtype.type(0.5))
    of_box, by_held[..., -4:] = of_boxes(held[..., -4:], middle, boxes)
    by_held[..., 0] = 0
    full = np.zeros((batch, rows, columns), outputs.dtype)
    np.maximum.at(full, (examples.T, y, x), there)
    of_objects = _weights(there.astype(outputs.dtype), 1)
    of_places = _weights(full, 2) / 2 + _weights(1 - full, 2) / 2
    odds = outputs[:, :, 0]
    raised = np.exp(-np.abs(odds))
    losses = (np.maximum(odds, 0) - odds * full + log(1 + raised.astype(float))) * of_places
    gradient = np.zeros_like(outputs)
    gradient[:, :, 0] = (np.where(odds >= 0, 1, raised) / (1 + raised) - full) * (of_places / batch)
    by_held *= (of_objects / batch)[..., None]
    np.add.at(gradient.transpose(0, 1, 3, 4, 2), at, by_held)
    return ((of_class + of_box) * of_objects).sum(2) + losses.sum((2, 3)).astype(
        outputs.dtype
    ), gradient


def _weights(chosen: Array, axes: int) -> Array:
    """What each weighs in the mean of those chosen, of the last axes; 0 where none is."""
    weights: Array = chosen / np.maximum(chosen.sum(tuple(range(-axes, 0)), keepdims=True), 1)
    return weights


def _class_slope(scores: Array, classes: Array) -> tuple[Array, Array]:
    """Cross-entropies of classes, the last axis, and their gradients."""
    lowered = scores - scores.max(-1, keepdims=True)
    p = np.exp(lowered)
    total = p.sum(-1, keepdims=True)
    right = classes[None, ..., None] == np.arange(scores.shape[-1])
    losses: Array = np.log(total[..., 0]) - np.where(right, lowered, 0).sum(-1)
    return losses, p / total - right


def _smooth_l1_slope(numbers: Array, middle: Array, boxes: Array) -> tuple[Array, Array]:
    wanted = np.concatenate(
        [(boxes[..., :2] - middle) / ANCHOR, np.log(np.maximum(boxes[..., 2:], 1e-3) / ANCHOR)], 2
    )
    off = numbers - wanted
    far = np.abs(off)
    near = far < BETA
    losses: Array = np.where(near, off * off / (2 * BETA), far - BETA / 2).sum(3)
    return losses, np.where(near, off / BETA, np.sign(off))


def _giou_slope(numbers: Array, middle: Array, boxes: Array) -> tuple[Array, Array]:
    """Where two edges are one, either moves half of what the lesser or the greater is, as PyTorch
    has it.
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
    by_span = np.where(around >= 1e-9, union / all_around**2, 0)[..., None] * span[..., ::-1]
    outside = _exceeds(high, other_high)
    outside_low = _exceeds(other_low, low)
    by_high = by_reach * (1 - outside) + by_span * outside
    by_low = -by_reach * (1 - outside_low) - by_span * outside_low
    by_side = (by_high - by_low) / 2 + by_union[..., None] * side[..., ::-1]
    by_log = by_side * side * (numbers[..., 2:] <= _LARGEST)
    return losses, np.concatenate([ANCHOR * (by_high + by_low), by_log], -1)


def _exceeds(one: Array, other: Array) -> Array:
    """1 where it does, a half where both are equal, else 0."""
    more: Array = np.heaviside(one - other, one.dtype.type(0.5))
    return more


_EVEN = math.log(2)
FAMILY = (
    Loss(
        "detection",
        "class + smooth L1 of the box (Girshick, ICCV 2015) + objectness (Redmon et al., CVPR"
        " 2016)",
        "nats",
        ("detection",),
        smooth_l1,
        chance=lambda classes: math.log(classes) + _EVEN + 4 * (_OFF - BETA / 2),
        comparable="detection, smooth L1",
        slope=partial(_slope, _smooth_l1_slope),
    ),
    Loss(
        "detection_giou",
        "class + 1 - generalised IoU of the box (Rezatofighi et al., CVPR 2019) + objectness",
        "nats",
        ("detection",),
        giou,
        chance=lambda classes: math.log(classes) + _EVEN + 0.5,
        comparable="detection, GIoU",
        slope=partial(_slope, _giou_slope),
    ),
)
"""The losses of this file."""
