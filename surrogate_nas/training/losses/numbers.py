"""Losses of numerical outputs, averaged over the numbers of an example.

Outputs have the shape ``(K, batch, numbers)``, and targets the shape ``(batch, numbers)``, or
``(batch,)`` for a single number. Outputs and targets may have further axes, as images have. The
loss at chance level is that of the best constant output for a standard normal target.
"""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from surrogate_nas.training.losses import Loss, always
from surrogate_nas.training.machine import Array, Gradient

QUANTILE = 0.9
"""The quantile that the pinball loss estimates; at the median the loss would be half the absolute
error.
"""
_NORMAL = NormalDist()


def mean_error(of_error: Callable[[Array], tuple[Array, Array]]) -> Gradient:
    """Return a function that computes a loss and its gradient. The loss is the mean of `of_error`
    over the numbers of an example.
    """

    def gradient_of(outputs: Array, targets: Array) -> tuple[Array, Array]:
        size = math.prod(outputs.shape[2:])
        wanted = targets.reshape(outputs.shape[1:]).astype(outputs.dtype, copy=False)
        values, gradient = of_error(
            np.subtract(outputs, wanted, out=np.empty_like(outputs))
        )
        losses: Array = np.add.reduce(values, axis=tuple(range(2, values.ndim))) / size
        gradient *= 1 / (outputs.shape[1] * size)
        return losses, gradient

    return gradient_of


def _squared(error: Array) -> tuple[Array, Array]:
    return error * error, 2 * error


def absolute_error(error: Array) -> tuple[Array, Array]:
    """Return the absolute values of errors and their derivatives. The derivative of the absolute
    value at 0 is set to 0.
    """
    return np.abs(error), np.sign(error)


def _huber(error: Array) -> tuple[Array, Array]:
    off = np.abs(error)
    near = np.minimum(off, 1)
    return near * (off - near / 2), np.clip(error, -1, 1)


def _pinball(error: Array) -> tuple[Array, Array]:
    kind = error.dtype.type
    derivative = np.where(error >= 0, kind(1 - QUANTILE), kind(-QUANTILE))
    return derivative * error, derivative


def _huber_of_normal() -> float:
    density = _NORMAL.pdf(1)
    inside = 2 * _NORMAL.cdf(1) - 1
    return (inside - 2 * density) / 2 + 2 * density - (1 - inside) / 2


_REGRESSION = ("regression",)
FAMILY = tuple(
    Loss(
        name,
        title,
        unit,
        fits,
        chance=always(constant),
        comparable=unit,
        gradient=mean_error(of_error),
    )
    for name, title, unit, of_error, constant, fits in (
        (
            "squared",
            "mean squared error: asks for the mean",
            "squared error",
            _squared,
            1.0,
            ("regression", "images", "reconstruction"),
        ),
        (
            "absolute",
            "mean absolute error: asks for the median",
            "absolute error",
            absolute_error,
            math.sqrt(2 / math.pi),
            _REGRESSION,
        ),
        (
            "huber",
            "squared near 0, absolute beyond 1 (Huber 1964)",
            "Huber error",
            _huber,
            _huber_of_normal(),
            _REGRESSION,
        ),
        (
            "pinball",
            f"asks for the quantile {QUANTILE:g} (Koenker & Bassett 1978)",
            "pinball error",
            _pinball,
            _NORMAL.pdf(_NORMAL.inv_cdf(QUANTILE)),
            _REGRESSION,
        ),
    )
)
