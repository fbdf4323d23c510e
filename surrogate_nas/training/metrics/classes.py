"""Metrics of scores of classes: once an example or at every position, attacked, and over the
pixels of segments.
"""

from __future__ import annotations

import numpy as np

from surrogate_nas.training.arrays import Array, exp, log, softmax
from surrogate_nas.training.metrics.base import Predictions, TaskMetric

BINS = 15
"""Of equal width, in which confidence and accuracy are compared (Guo et al. 2017)."""


def error(predictions: Predictions) -> Array:
    """The share of answers that are wrong: another class, or a number further off than the task's
    tolerance, %.
    """
    outputs = predictions.arrays.outputs
    targets = predictions.arrays.targets
    if targets.dtype.kind == "f":
        off = outputs.reshape(*outputs.shape[:2], -1) - targets.reshape(len(targets), -1)
        wrong = np.abs(off) > predictions.task.tolerance
    else:
        wrong = _wrong(outputs, targets)
    return np.asarray(100 * wrong.reshape(len(wrong), -1).mean(1))


def negative_log_likelihood(predictions: Predictions) -> Array:
    """The cross-entropy, nats, whatever the loss that trained the network."""
    outputs = predictions.arrays.outputs
    scores = np.subtract(outputs, outputs.max(2, keepdims=True), dtype=np.float64)
    right = of_target(scores, predictions.arrays.targets)
    nats = log(exp(scores).sum(2)) - right
    return np.asarray(nats.reshape(len(nats), -1).mean(1))


def brier_score(predictions: Predictions) -> Array:
    """The squared distance from the probabilities to the one-hot target, from 0 to 2."""
    p = softmax(predictions.arrays.outputs, 2)
    squares = np.square(p).sum(2) - 2 * of_target(p, predictions.arrays.targets) + 1
    return np.asarray(squares.reshape(len(squares), -1).mean(1))


def calibration_error(predictions: Predictions) -> Array:
    """The distance of confidence from accuracy in each of `BINS`, weighted by its answers, %."""
    outputs = predictions.arrays.outputs.astype(np.float64)
    outputs -= outputs.max(2, keepdims=True)
    confidence = 1 / exp(outputs).sum(2)
    over = (confidence - (outputs.argmax(2) == predictions.arrays.targets)).reshape(
        len(outputs), -1
    )
    bins = (np.ceil(confidence * BINS).astype(np.int64) - 1).clip(0, BINS - 1).reshape(over.shape)
    sums = np.array(
        [np.bincount(*network, minlength=BINS) for network in zip(bins, over, strict=True)]
    )
    return np.asarray(100 * np.abs(sums).sum(1) / over.shape[1])


def _wrong(outputs: Array, targets: Array) -> Array:
    """Where the first of the best classes is not the target, shape ``(K, n[, positions…])``."""
    # NumPy is many times slower at an argmax over an inner axis than at a maximum
    if outputs.ndim > 3:
        best = outputs.max(2)
        if np.count_nonzero(outputs == best[:, :, None]) == best.size:
            return np.asarray(of_target(outputs, targets) != best)
    return np.asarray(outputs.argmax(2) != targets)


def of_target(values: Array, targets: Array) -> Array:
    """The values of the right classes, shape ``(K, n[, positions…])``.

    Args:
        values: Shape ``(K, n, classes[, positions…])``.
        targets: Shape ``(n[, positions…])``.
    """
    return np.take_along_axis(values, targets[None, :, None], 2).squeeze(2)


_CLASSES = (
    TaskMetric(
        "error",
        "share of wrong answers, of numbers those beyond the tolerance",
        "%",
        "error",
        100.0,
        error,
        "batch",
    ),
    TaskMetric(
        "nll",
        "negative log-likelihood of the right class",
        "nats",
        "loss",
        100.0,
        negative_log_likelihood,
    ),
    TaskMetric(
        "brier",
        "squared error of the probabilities (Brier 1950)",
        "squared probability",
        "loss",
        2.0,
        brier_score,
    ),
    TaskMetric(
        "ece",
        f"expected calibration error, {BINS} bins (Guo et al., ICML 2017)",
        "%",
        "error",
        100.0,
        calibration_error,
    ),
)
"""The metrics of this file."""


# Robustness: the error after one step of the fast gradient sign method (Goodfellow et al., ICLR
# 2015).
#
# Whatever the loss that trained a network, the step climbs its cross-entropy, so that all networks
# meet the same attack. No input is clipped: standardised inputs have no range.


STEP = 0.1
"""By how much every input is changed, in deviations of the standardised inputs."""
MOST = 500
"""The examples attacked: the first of the split."""


def robust_error(predictions: Predictions) -> Array:
    """The share of wrong answers to inputs that were changed by `STEP` each to the worse, %."""
    arrays = predictions.arrays
    inputs = arrays.inputs[:MOST]
    targets = arrays.targets[:MOST]

    def uphill(outputs: Array) -> Array:
        # In double precision a gradient is left where single precision answers a probability of 1.
        gradient = softmax(outputs, 2)
        right = np.broadcast_to(targets[None, :, None], (*outputs.shape[:2], 1, *outputs.shape[3:]))
        np.put_along_axis(gradient, right, np.take_along_axis(gradient, right, 2) - 1, 2)
        return gradient

    attacks = inputs + STEP * np.sign(arrays.input_gradient(inputs, uphill))
    wrong = np.stack(
        [arrays.again(attacked)[k].argmax(1) != targets for k, attacked in enumerate(attacks)]
    )
    return np.asarray(100 * wrong.reshape(len(wrong), -1).mean(1))


_ROBUST = (
    TaskMetric(
        "robust_error",
        f"share of wrong answers after one step of {STEP:g} against the network (FGSM, Goodfellow"
        " et al., ICLR 2015)",
        "%",
        "error",
        100.0,
        robust_error,
        "end",
    ),
)
"""Further metrics, by what they describe."""


def mean_overlap(predictions: Predictions) -> Array:
    """The mean over classes of the pixels that are rightly of a class by those that are or are said
    to be.

    Args:
        predictions: Scores of classes at every pixel, shape ``(K, n, classes, height, width)``.
    """
    outputs = predictions.arrays.outputs
    classes = outputs.shape[2]
    pairs = classes * predictions.arrays.targets + outputs.argmax(2)
    table = np.stack([np.bincount(network.ravel(), minlength=classes**2) for network in pairs])
    table = table.reshape(-1, classes, classes).astype(np.float64)
    both = table.diagonal(axis1=1, axis2=2)
    either = table.sum(1) + table.sum(2)
    return np.asarray((both / np.maximum(either - both, 1)).sum(1) / (either > 0).sum(1))


_SEGMENTS = (
    TaskMetric(
        "miou",
        "intersection over union, the mean over classes (Everingham et al., IJCV 2010)",
        "",
        "quality",
        0.0,
        mean_overlap,
    ),
)
"""Further metrics, by what they describe."""

FAMILY = (*_CLASSES, *_ROBUST, *_SEGMENTS)
