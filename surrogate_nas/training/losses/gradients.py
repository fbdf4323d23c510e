"""Parts of losses that are defined in NumPy with their gradients.

Outputs ``(K, batch, outputs[, positions…])`` come in any order of memory, often with the batch
innermost. A gradient lies in memory as the outputs do: bringing an array into the order of its axes
would cost more than the loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from surrogate_nas.training.arrays import Array, log

_CALM = (1e-15, 1e15)
"""Between these no term that matters was lost or too large, nor is a quotient, in either
precision.
"""
_LARGE = 1 << 12
"""Elements from which halving beats a reduction over an axis that is not the innermost one."""


def softened(outputs: Array) -> tuple[Array, Array, Array | float]:
    """Exponentials over classes, their sum, and what was taken from the outputs before.

    The greatest of the classes is taken off only where the sums say that it matters.
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
    """The sum over classes, which stay as an axis of one."""
    terms = values
    while terms.shape[2] > 1 and terms.size > _LARGE:
        half, odd = divmod(terms.shape[2], 2)
        halved: Array = terms[:, :, :half] + terms[:, :, half : 2 * half]
        if odd:
            halved[:, :, :1] += terms[:, :, -1:]
        terms = halved
    if terms.shape[2] > 1 or terms is values:
        terms = np.add.reduce(terms, axis=2, keepdims=True)
    return terms


def target_indices(values: Array, targets: Array) -> Array:
    """Where the right class of every network, example and position is in ``values.ravel("K")``.

    Values have the shape ``(K, batch, classes[, positions…])`` and no gaps in memory; the result
    lies in memory as they do.
    """
    firsts, step = _firsts(values.shape, values.strides)
    right: Array = np.multiply(targets, step, out=np.empty_like(firsts))
    right += firsts
    return right


@lru_cache(maxsize=32)
def _firsts(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[Array, int]:
    """Where the first class is, and how far it is to the next."""
    order = np.argsort(strides, kind="stable")[::-1]
    numbers = (
        np.arange(math.prod(shape))
        .reshape([shape[axis] for axis in order])
        .transpose(np.argsort(order))
    )
    first = numbers[:, :, 0].copy(order="K")
    return first, int(numbers[:, :, -1].flat[0] - first.flat[0]) // max(shape[2] - 1, 1)


class Softmax(NamedTuple):
    """A softmax before the division by its sum, with the right classes.

    Attributes:
        raised: Exponentials, shape ``(K, batch, classes[, positions…])``, a fresh array.
        total: Their sum, shape ``(K, batch, 1[, positions…])``.
        top: What was taken from the outputs before, see `softened`.
        flat: The exponentials in the order of memory, the same memory.
        right: The places of the right classes in it, shape ``(K, batch[, positions…])``.
        of_right: Their exponentials.
        logs: Their log-probabilities.
    """

    raised: Array
    total: Array
    top: Array | float
    flat: Array
    right: Array
    of_right: Array
    logs: Array


def softmax_of(outputs: Array, targets: Array) -> Softmax:
    """The softmax of scores over classes, with the right classes, see `target_indices`."""
    raised, total, top = softened(outputs)
    flat = raised.ravel("K")
    right = target_indices(raised, targets)
    of_right = flat[right]
    if isinstance(top, float) and of_right.size and of_right.min() > _CALM[0]:
        logs = np.log(of_right / total[:, :, 0])
    else:
        lowered = np.subtract(outputs, top, out=np.empty_like(raised))
        logs = lowered.ravel("K")[right] - np.log(total[:, :, 0])
    return Softmax(raised, total, top, flat, right, of_right, logs)


def of_right(
    outputs: Array,
    targets: Array,
    loss_of: Callable[[Array], tuple[Array, Array | float]],
) -> tuple[Array, Array]:
    """A loss that depends on the log-probability of the right class alone, with its gradient.

    `loss_of` leads from log-probabilities ``(K, batch[, positions…])`` to values and derivatives.
    """
    softmax = softmax_of(outputs, targets)
    values, derivative = loss_of(softmax.logs)
    derivative = derivative * share(outputs)
    factor = np.divide(-derivative, softmax.total[:, :, 0], out=softmax.total[:, :, 0])
    gradient = np.multiply(softmax.raised, softmax.total, out=softmax.raised)
    softmax.flat[softmax.right] = softmax.of_right * factor + derivative
    return averaged(values), gradient


def share(outputs: Array) -> float:
    """What a position weighs in the mean over the batch."""
    positions = outputs.shape[1] * math.prod(outputs.shape[3:])
    return 1 / float(positions)


def averaged(values: Array) -> Array:
    """The mean over all but networks and examples, shape ``(K, batch)``."""
    if values.ndim == 2:
        return values
    total: Array = np.add.reduce(values, axis=tuple(range(2, values.ndim)))
    return total / math.prod(values.shape[2:])


def softplus(x: Array) -> tuple[Array, Array]:
    """``log(1 + exp(x))`` and its derivative; from 20 on they are x and 1, as PyTorch has it."""
    raised = np.exp(np.minimum(x, 20))
    values = log(1 + raised.astype(float)).astype(x.dtype)
    derivative = raised / (1 + raised)
    is_straight = x > 20
    return np.where(is_straight, x, values), np.where(is_straight, 1, derivative)
