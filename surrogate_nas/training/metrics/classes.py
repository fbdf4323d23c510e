"""Metrics of class scores, per example or per position. Some are computed under an adversarial
attack, or over the pixels of segments.
"""

from typing import Any

import numpy as np

from surrogate_nas.training.machine import Array, exp, log, softmax
from surrogate_nas.training.metrics import Predictions, TaskMetric

BINS = 15
"""The number of equal bins in which confidence and accuracy are compared (Guo et al. 2017)."""


def _error(predictions: Predictions) -> Any:
    outputs = predictions.outputs
    targets = predictions.targets
    if targets.dtype.kind == "f":
        off = outputs.reshape(*outputs.shape[:2], -1) - targets.reshape(
            len(targets), -1
        )
        wrong = np.abs(off) > predictions.task.tolerance
    else:
        wrong = _wrong(outputs, targets)
    return 100 * wrong.reshape(len(wrong), -1).mean(1)


def negative_log_likelihood(predictions: Predictions) -> Any:
    """Return the cross-entropy in nats, even if the network was trained with another loss."""
    outputs = predictions.outputs
    scores = np.subtract(outputs, outputs.max(2, keepdims=True), dtype=np.float64)
    right = of_target(scores, predictions.targets)
    nats = log(exp(scores).sum(2)) - right
    return nats.reshape(len(nats), -1).mean(1)


def _brier_score(predictions: Predictions) -> Any:
    p = softmax(predictions.outputs, 2)
    squares = np.square(p).sum(2) - 2 * of_target(p, predictions.targets) + 1
    return squares.reshape(len(squares), -1).mean(1)


def _calibration_error(predictions: Predictions) -> Any:
    outputs = predictions.outputs.astype(np.float64)
    outputs -= outputs.max(2, keepdims=True)
    confidence = 1 / exp(outputs).sum(2)
    over = confidence - (outputs.argmax(2) == predictions.targets)
    bins = (np.ceil(confidence * BINS).astype(np.int64) - 1).clip(0, BINS - 1)
    sums = [
        np.bincount(which.ravel(), off.ravel(), BINS)
        for which, off in zip(bins, over, strict=True)
    ]
    return 100 * np.abs(sums).sum(1) / over[0].size


def _wrong(outputs: Array, targets: Array) -> Any:
    """Return where the first of the best classes is not the target, shape
    ``(K, n[, positions…])``.
    """
    # NumPy is many times slower at an argmax over an inner axis than at a maximum
    if outputs.ndim > 3:
        best = outputs.max(2)
        if np.count_nonzero(outputs == best[:, :, None]) == best.size:
            return of_target(outputs, targets) != best
    return outputs.argmax(2) != targets


def of_target(values: Array, targets: Array) -> Array:
    """Select the values of the targets' classes, given values ``(K, n, classes[, positions…])`` and
    targets ``(n[, positions…])``.
    """
    return np.take_along_axis(values, targets[None, :, None], 2).squeeze(2)


STEP = 0.1
"""The change of every input by the attack, in standard deviations of the inputs."""
MOST = 500
"""The number of attacked examples, the first ones of the split."""


def _robust_error(predictions: Predictions) -> Any:
    """Return the error after a step that increases the cross-entropy, whatever loss the network was
    trained with.
    """
    assert predictions.input_gradient
    inputs = predictions.inputs[:MOST]
    targets = predictions.targets[:MOST]

    def uphill(outputs: Array) -> Array:
        # In double precision a gradient is left where single precision answers a probability of 1.
        gradient = softmax(outputs, 2)
        right = targets[None, :, None]
        one_less = np.take_along_axis(gradient, right, 2) - 1
        np.put_along_axis(gradient, np.broadcast_to(right, one_less.shape), one_less, 2)
        return gradient

    attacks = inputs + STEP * np.sign(predictions.input_gradient(inputs, uphill))
    wrong = [
        predictions.again(attacked)[k].argmax(1) != targets
        for k, attacked in enumerate(attacks)
    ]
    return 100 * np.reshape(wrong, (len(wrong), -1)).mean(1)


def _mean_overlap(predictions: Predictions) -> Any:
    outputs = predictions.outputs
    classes = outputs.shape[2]
    pairs = classes * predictions.targets + outputs.argmax(2)
    counts = [np.bincount(network.ravel(), minlength=classes**2) for network in pairs]
    table = np.reshape(counts, (-1, classes, classes)).astype(np.float64)
    both = table.diagonal(axis1=1, axis2=2)
    either = table.sum(1) + table.sum(2)
    return (both / np.maximum(either - both, 1)).sum(1) / (either > 0).sum(1)


FAMILY = (
    TaskMetric(
        "error",
        "share of wrong answers, of numbers those beyond the tolerance",
        "%",
        "error",
        100.0,
        _error,
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
        _brier_score,
    ),
    TaskMetric(
        "ece",
        f"expected calibration error, {BINS} bins (Guo et al., ICML 2017)",
        "%",
        "error",
        100.0,
        _calibration_error,
    ),
    TaskMetric(
        "robust_error",
        f"share of wrong answers after one step of {STEP:g} against the network (FGSM, Goodfellow"
        " et al., ICLR 2015)",
        "%",
        "error",
        100.0,
        _robust_error,
        "end",
    ),
    TaskMetric(
        "miou",
        "intersection over union, the mean over classes (Everingham et al., IJCV 2010)",
        "",
        "quality",
        0.0,
        _mean_overlap,
    ),
)
