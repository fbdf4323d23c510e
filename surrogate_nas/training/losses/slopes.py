"""What slopes share: losses with their gradients in NumPy, by hand, so that a training on a CPU needs no autograd.

A slope takes outputs ``(K, batch, outputs[, positions…])`` in whatever order they lie in memory, often with the batch
innermost. It works element by element, reduces over axis 2, and gives a gradient that lies in memory as the outputs do:
an array is never brought into the order of its axes, which would cost more than the loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Slope: TypeAlias = Callable[[Array, Array], tuple[Array, Array]]
"""See `Loss.slope`."""
_CALM = (1e-30, 1e30)
"""Sums of exponentials between which no term that matters was lost or too large, in either precision."""
_LARGE = 1 << 14
"""Elements from which halving beats a reduction over an axis that is not the innermost one."""


def softened(outputs: Array) -> tuple[Array, Array, Array | float]:
    """Exponentials over classes, their sum, and what was taken from the outputs before, mostly 0.

    The greatest of the classes is taken off only where the sums say that it matters: finding it costs as much as the
    exponentials.

    Args:
        outputs: Scores, shape ``(K, batch, classes[, positions…])``.

    Returns:
        Shapes ``(K, batch, classes[, positions…])``, a fresh array, and twice ``(K, batch, 1[, positions…])``.
    """
    raised = np.exp(outputs)
    total = summed(raised)
    if total.size and total.min() > _CALM[0] and total.max() < _CALM[1]:
        return raised, total, 0.0
    top = np.maximum.reduce(outputs, axis=2, keepdims=True)
    np.subtract(outputs, top, out=raised)
    np.exp(raised, out=raised)
    return raised, summed(raised), top


def summed(values: Array) -> Array:
    """The sum over classes, which stay as an axis of one.

    Args:
        values: Shape ``(K, batch, classes[, positions…])``.
    """
    while values.size > _LARGE and values.shape[2] > 3:
        half, odd = divmod(values.shape[2], 2)
        halved: Array = values[:, :, :half] + values[:, :, half : 2 * half]
        if odd:
            halved[:, :, :1] += values[:, :, -1:]
        values = halved
    total: Array = np.add.reduce(values, axis=2, keepdims=True)
    return total


def places(outputs: Array, targets: Array) -> tuple[Array, ...]:
    """The index of the right class of every network, example and position.

    Args:
        outputs: Shape ``(K, batch, classes[, positions…])``.
        targets: Class numbers, shape ``(batch[, positions…])``.
    """
    networks, examples, *positions = _grid(len(outputs), *targets.shape)
    return networks, examples, targets[None], *positions


@lru_cache(maxsize=64)
def _grid(*sides: int) -> tuple[Array, ...]:
    return tuple(np.ogrid[tuple(slice(side) for side in sides)])


def of_right(outputs: Array, targets: Array, of: Callable[[Array], tuple[Array, Array | float]]) -> tuple[Array, Array]:
    """The slope of a loss that looks at nothing but the log-probability of the right class.

    Args:
        outputs: Scores, shape ``(K, batch, classes[, positions…])``.
        targets: Class numbers, shape ``(batch[, positions…])``.
        of: From log-probabilities ``(K, batch[, positions…])`` to values and derivatives, of the same shape.
    """
    gradient, total, top = softened(outputs)
    right = places(outputs, targets)
    values, derivative = of(log_right(outputs[right], total, top))
    derivative = derivative * share(outputs)
    gradient *= -np.expand_dims(derivative, 2) / total if isinstance(derivative, np.ndarray) else -derivative / total
    gradient[right] += derivative
    return averaged(values), gradient


def log_right(scores: Array, total: Array, top: Array | float) -> Array:
    """Log-probabilities of classes by their scores.

    Args:
        scores: Of one class each, shape ``(K, batch[, positions…])``.
        total: Of `softened`.
        top: Of `softened`.
    """
    lowered = scores - top[:, :, 0] if isinstance(top, np.ndarray) else scores
    logs: Array = lowered - np.log(total[:, :, 0])
    return logs


def share(outputs: Array) -> float:
    """What a position weighs in the mean over the batch.

    Args:
        outputs: Shape ``(K, batch, outputs[, positions…])``.
    """
    positions = outputs.shape[1] * math.prod(outputs.shape[3:])
    return 1 / float(positions)


def averaged(values: Array) -> Array:
    """The mean over all but networks and examples, shape ``(K, batch)``.

    Args:
        values: Shape ``(K, batch, …)``.
    """
    if values.ndim == 2:
        return values
    total: Array = np.add.reduce(values, axis=tuple(range(2, values.ndim)))
    return total / math.prod(values.shape[2:])


def softplus(x: Array) -> tuple[Array, Array]:
    """``log(1 + exp(x))`` and its derivative; from 20 on they are x and 1, as PyTorch has it.

    Args:
        x: Of any shape.
    """
    raised = np.exp(np.minimum(x, 20))
    straight = x > 20
    return np.where(straight, x, np.log1p(raised)), np.where(straight, 1, raised / (1 + raised))
