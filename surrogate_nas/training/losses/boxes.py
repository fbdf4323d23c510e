"""Losses of detectors that answer on a grid, as YOLO does: at every place an objectness, scores of classes and a box.

Outputs have shape ``(K, batch, 1 + classes + 4, rows, columns)``, targets ``(batch, objects, 5)``: class or -1 for no
object, centre x and y, width and height in pixels. An object belongs to the place that its centre lies in (Redmon et
al., CVPR 2016). A box is four numbers relative to an anchor in the middle of its place, as in R-CNN (Girshick et al.,
CVPR 2014): how far its centre is off, by the anchor's side, and the logs of its width and height by it.

Three terms weigh alike: the cross-entropy of the class and the box's own loss, means over objects, and the
cross-entropy of objectness, half of it a mean over the places with an object and half over those without, which are
many. Knowing nothing answers any class alike, even odds, and boxes each of whose numbers is `_OFF` off
or which share half their union with the right ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

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
    """The middles of all places, row by row, x and y in pixels, shape ``(rows·columns, 2)``.

    Args:
        rows: Of the grid.
        columns: Of the grid.
        like: A tensor of the type and the device wanted.
    """
    import torch

    y, x = (STRIDE * (torch.arange(n, dtype=like.dtype, device=like.device) + 0.5) for n in (rows, columns))
    return torch.stack([x.repeat(rows), y.repeat_interleave(columns)], 1)


def decoded(numbers: Tensor, middle: Tensor) -> Tensor:
    """Boxes, centre x and y, width and height in pixels, shape ``(…, 4)``.

    Args:
        numbers: As they are answered, shape ``(…, 4)``.
        middle: Of their places, shape ``(…, 2)``.
    """
    import torch

    return torch.cat(
        [middle + ANCHOR * numbers[..., :2], ANCHOR * numbers[..., 2:].clamp(max=_LARGEST).exp()], numbers.dim() - 1
    )


def overlap(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """The intersection of boxes over their union, and the share of the box around both that neither fills.

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
    """Class, objectness and the smooth L1 distance of the box's numbers, summed, shape ``(K, batch)``.

    Args:
        outputs: See the module.
        targets: See the module.
    """
    return _summed(outputs, targets, _smooth_l1)


def giou(outputs: Tensor, targets: Tensor) -> Tensor:
    """Class, objectness and one less the generalised intersection over union, summed, shape ``(K, batch)``.

    Args:
        outputs: See the module.
        targets: See the module.
    """
    return _summed(outputs, targets, _giou)


def _smooth_l1(numbers: Tensor, middle: Tensor, boxes: Tensor) -> Tensor:
    import torch
    import torch.nn.functional as F

    wanted = torch.cat([(boxes[..., :2] - middle) / ANCHOR, (boxes[..., 2:].clamp(min=1e-3) / ANCHOR).log()], 2)
    return F.smooth_l1_loss(numbers, wanted.expand_as(numbers), reduction="none", beta=BETA).sum(3)


def _giou(numbers: Tensor, middle: Tensor, boxes: Tensor) -> Tensor:
    shared, empty = overlap(decoded(numbers, middle), boxes)
    return 1 - shared + empty


def _summed(outputs: Tensor, targets: Tensor, of_boxes: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Tensor:
    """The three terms, of which one compares numbers ``(K, batch, objects, 4)`` with boxes ``(batch, objects, 4)``."""
    import torch
    import torch.nn.functional as F

    rows, columns = outputs.shape[3:]
    there, classes, boxes = targets[..., 0] >= 0, targets[..., 0].clamp(min=0).long(), targets[..., 1:]
    x, y = ((boxes[..., axis] // STRIDE).long().clamp(0, n - 1) for axis, n in ((0, columns), (1, rows)))
    places = y * columns + x
    flat = outputs.flatten(3).transpose(2, 3)  # (K, batch, places, numbers)
    held = flat.gather(2, places[..., None].expand(len(flat), -1, -1, flat.shape[3]))
    of_class = F.cross_entropy(
        held[..., 1:-4].flatten(0, 2), classes.expand(len(flat), *classes.shape).flatten(), reduction="none"
    ).view(held.shape[:3])
    of_box = of_boxes(held[..., -4:], middles(rows, columns, outputs)[places], boxes)
    full = torch.zeros_like(flat[0, ..., 0]).scatter_reduce(1, places, there.to(flat.dtype), "amax")
    odds = F.binary_cross_entropy_with_logits(flat[..., 0], full.expand(flat.shape[:3]), reduction="none")
    of_object = (_mean(odds, full) + _mean(odds, 1 - full)) / 2
    return _mean(of_class + of_box, there.to(flat.dtype)) + of_object


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean over the last dimension; 0 where nothing weighs."""
    return (values * weights).sum(-1) / weights.sum(-1).clamp(min=1)


_EVEN = math.log(2)
FAMILY = (
    Loss(
        "detection", "class + smooth L1 of the box (Girshick, ICCV 2015) + objectness (Redmon et al., CVPR 2016)",
        "nats", ("detection",), smooth_l1,
        chance=lambda classes: math.log(classes) + _EVEN + 4 * (_OFF - BETA / 2), comparable="detection, smooth L1",
    ),
    Loss(
        "detection_giou", "class + 1 - generalised IoU of the box (Rezatofighi et al., CVPR 2019) + objectness",
        "nats", ("detection",), giou,
        chance=lambda classes: math.log(classes) + _EVEN + 0.5, comparable="detection, GIoU",
    ),
)  # fmt: skip
"""The losses of this file."""
