"""Every loss by PyTorch's own operators: what the definitions in NumPy are compared with."""

import inspect
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from surrogate_nas.training.losses.boxes import _LARGEST, ANCHOR, BETA, STRIDE
from surrogate_nas.training.losses.classes import GAMMA, SMOOTH, SMOOTHING
from surrogate_nas.training.losses.images import _SMALL, WINDOW
from surrogate_nas.training.losses.numbers import QUANTILE
from surrogate_nas.training.losses.returns import CLIP, ENTROPY
from surrogate_nas.training.losses.sequences import BLANK, aligned, needed

BoxLoss = Callable[[Tensor, Tensor, Tensor], Tensor]


def cross_entropy(outputs, targets, smoothing=0.0):
    given = outputs.flatten(0, 1), _labels(outputs, targets).flatten(0, 1)
    return _mean(
        F.cross_entropy(*given, reduction="none", label_smoothing=smoothing), outputs
    )


def label_smoothing(outputs, targets):
    return cross_entropy(outputs, targets, SMOOTHING)


def focal(outputs, targets):
    log = _of_target(outputs.log_softmax(2), targets)
    return _mean(-((1 - log.exp()) ** GAMMA) * log, outputs)


def brier(outputs, targets):
    p = outputs.softmax(2)
    return _mean(p.square().sum(2) - 2 * _of_target(p, targets) + 1, outputs)


def hinge(outputs, targets):
    missing = (1 + outputs - _of_target(outputs, targets).unsqueeze(2)).clamp(min=0)
    return _mean((missing.sum(2) - 1) / outputs.shape[2], outputs)


def dice(outputs, targets):
    p = outputs.softmax(2).flatten(3)
    right = F.one_hot(targets.flatten(1), outputs.shape[2]).transpose(1, 2).to(p.dtype)
    shared = (p * right).sum(3)
    return 1 - ((2 * shared + SMOOTH) / (p.sum(3) + right.sum(2) + SMOOTH)).mean(2)


def _labels(outputs, targets):
    return targets.expand(len(outputs), *targets.shape)


def _of_target(values, targets):
    return values.gather(2, _labels(values, targets).unsqueeze(2)).squeeze(2)


def _mean(values, outputs):
    return values.reshape(*outputs.shape[:2], -1).mean(2)


def squared(outputs, targets):
    return F.mse_loss(*_pair(outputs, targets), reduction="none").mean(2)


def absolute(outputs, targets):
    return F.l1_loss(*_pair(outputs, targets), reduction="none").mean(2)


def l1(outputs, targets):
    return absolute(outputs, targets)


def huber(outputs, targets):
    return F.huber_loss(*_pair(outputs, targets), reduction="none").mean(2)


def pinball(outputs, targets):
    given, wanted = _pair(outputs, targets)
    missing = wanted - given
    return (QUANTILE * missing - missing.clamp(max=0)).mean(2)


def _pair(outputs, targets):
    given = outputs.flatten(2)
    return given, targets.reshape(len(targets), -1).to(given.dtype).expand_as(given)


def ssim(outputs, targets):
    count, batch, _, *sides = outputs.shape
    window = [min(WINDOW, side) for side in sides]
    x = outputs.flatten(0, 1)
    y = targets.expand(count, *targets.shape).flatten(0, 1)
    pixels = window[0] * window[1]
    unbiased = pixels / max(pixels - 1, 1)

    def mean(of):
        return F.avg_pool2d(of, window, stride=1)

    mean_x = mean(x)
    mean_y = mean(y)
    variances = unbiased * (mean(x * x) - mean_x**2 + mean(y * y) - mean_y**2)
    covariance = unbiased * (mean(x * y) - mean_x * mean_y)
    luminance = (2 * mean_x * mean_y + _SMALL[0]) / (mean_x**2 + mean_y**2 + _SMALL[0])
    structure = (2 * covariance + _SMALL[1]) / (variances + _SMALL[1])
    # of a negative with values below 0 both are below 0, and the published product is positive
    similarity = luminance * torch.where(luminance < 0, structure.abs(), structure)
    return 1 - similarity.view(count, batch, -1).mean(2)


def ctc(outputs, targets):
    count, batch, classes, positions = outputs.shape
    logs = outputs.flatten(0, 1).permute(2, 0, 1).log_softmax(2)
    lengths = (targets != BLANK).sum(1).repeat(count)
    nats = F.ctc_loss(
        logs,
        targets.repeat(count, 1),
        torch.full_like(lengths, positions),
        lengths,
        blank=BLANK,
        reduction="none",
        zero_infinity=True,
    )
    return _worst_where_too_long(nats.view(count, batch) / positions, outputs, targets)


def aligned_cross_entropy(outputs, targets):
    written = torch.from_numpy(aligned(targets.numpy(), outputs.shape[3]))
    return _worst_where_too_long(cross_entropy(outputs, written), outputs, targets)


def _worst_where_too_long(values, outputs, targets):
    _, _, classes, positions = outputs.shape
    too_long = torch.from_numpy(needed(targets.numpy()) > positions)
    return values.masked_fill(too_long, 10 * math.log(classes))


def expected_return(outputs, targets):
    return -_log_probability(outputs, targets) * targets[:, 1]


def entropy_return(outputs, targets):
    logs = outputs.log_softmax(2)
    return expected_return(outputs, targets) + ENTROPY * (logs.exp() * logs).sum(2)


def clipped_return(outputs, targets):
    ratio = (_log_probability(outputs, targets) - targets[:, 2]).exp()
    advantage = targets[:, 1]
    return (-ratio * advantage).maximum(-ratio.clamp(1 - CLIP, 1 + CLIP) * advantage)


def _log_probability(outputs, targets):
    return _of_target(outputs.log_softmax(2), targets[:, 0].long())


def detection(outputs, targets):
    return _detector(outputs, targets, _smooth_l1)


def detection_giou(outputs, targets):
    return _detector(outputs, targets, _giou)


def _smooth_l1(numbers, middle, boxes):
    centre = (boxes[..., :2] - middle) / ANCHOR
    sides = (boxes[..., 2:].clamp(min=1e-3) / ANCHOR).log()
    expected = torch.cat([centre, sides], 2).expand_as(numbers)
    return F.smooth_l1_loss(numbers, expected, reduction="none", beta=BETA).sum(3)


def _giou(numbers, middle, boxes):
    centre = middle + ANCHOR * numbers[..., :2]
    side = ANCHOR * numbers[..., 2:].clamp(max=_LARGEST).exp()
    low = centre - side / 2, boxes[..., :2] - boxes[..., 2:] / 2
    high = centre + side / 2, boxes[..., :2] + boxes[..., 2:] / 2
    shared = (high[0].minimum(high[1]) - low[0].maximum(low[1])).clamp(min=0).prod(-1)
    around = (high[0].maximum(high[1]) - low[0].minimum(low[1])).prod(-1)
    union = side.prod(-1) + boxes[..., 2:].prod(-1) - shared
    return 1 - shared / union.clamp(min=1e-9) + 1 - union / around.clamp(min=1e-9)


def _detector(outputs, targets, of_boxes):
    rows, columns = outputs.shape[3:]
    there = targets[..., 0] >= 0
    classes = targets[..., 0].clamp(min=0).long()
    boxes = targets[..., 1:]
    x = (boxes[..., 0] // STRIDE).long().clamp(0, columns - 1)
    y = (boxes[..., 1] // STRIDE).long().clamp(0, rows - 1)
    places = y * columns + x
    middle = STRIDE * (torch.stack([x, y], 2).to(outputs.dtype) + 0.5)
    flat = outputs.flatten(3).transpose(2, 3)  # (K, batch, places, numbers)
    at_objects = flat.gather(
        2, places[..., None].expand(len(flat), -1, -1, flat.shape[3])
    )
    of_class = F.cross_entropy(
        at_objects[..., 1:-4].flatten(0, 2),
        classes.expand(len(flat), *classes.shape).flatten(),
        reduction="none",
    ).view(at_objects.shape[:3])
    of_box = of_boxes(at_objects[..., -4:], middle, boxes)
    full = torch.zeros_like(flat[0, ..., 0]).scatter_reduce(
        1, places, there.to(flat.dtype), "amax"
    )
    odds = F.binary_cross_entropy_with_logits(
        flat[..., 0], full.expand(flat.shape[:3]), reduction="none"
    )
    of_objectness = (_weighted_mean(odds, full) + _weighted_mean(odds, 1 - full)) / 2
    return _weighted_mean(of_class + of_box, there.to(flat.dtype)) + of_objectness


def _weighted_mean(values, weights):
    return (values * weights).sum(-1) / weights.sum(-1).clamp(min=1)


def adversarial(made, real):
    return F.softplus(-made)


def adversarial_hinge(made, real):
    return -made


def _binary(made, real):
    return F.softplus(made).mean() + F.softplus(-real).mean()


def _hinges(made, real):
    return (1 + made).clamp(min=0).mean() + (1 - real).clamp(min=0).mean()


DISCRIMINATING = {"adversarial": _binary, "adversarial_hinge": _hinges}
"""The discriminator's loss."""

EACH = {
    name: each
    for name, each in globals().items()
    if inspect.isfunction(each) and each.__module__ == __name__ and name[0] != "_"
}
"""Every loss by its name: each function of this file whose name has no underscore before it."""
