"""NumPy arrays, and what turns into them: training on a CPU needs no PyTorch, but users' code may
speak it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.extras import is_installed

Array: TypeAlias = NDArray[Any]
Gradient: TypeAlias = Callable[[Array, Array], tuple[Array, Array]]
"""From outputs and targets to the loss of every network on every example, and a gradient by the
outputs.
"""
InputGradient: TypeAlias = Callable[[Array, Callable[[Array], Array]], Array]
"""From inputs ``(n, …)``, and a function from outputs ``(K, n, …)`` of networks to the gradient by
them, to the gradient of each network by its inputs ``(K, n, …)``.
"""


def as_array(given: Any) -> Array:
    """An array of what is given, without a copy where there need be none."""
    if hasattr(given, "detach"):
        given = given.detach().cpu().numpy()
    return np.asarray(given)


def exp(x: Array) -> Array:
    """The exponential of each number, in float64 and in the shape of `x`."""
    return _compiled("exponentials", np.exp, x)


def log(x: Array) -> Array:
    """The natural logarithm of each number, in float64 and in the shape of `x`."""
    return _compiled("logarithms", np.log, x)


def _compiled(name: str, plain: np.ufunc, x: Array) -> Array:
    values = np.array(x, np.float64)
    # where PyTorch trains, whose own numbers depend on the device anyway
    if not is_installed("llvmlite"):
        return np.asarray(plain(values, out=values))
    from surrogate_nas.training.fast.compiled import kernels

    # as it lies in memory, in whatever order
    getattr(kernels(), name)(values.ctypes.data, values.size)
    return values


def log_softmax(scores: Array, axis: int) -> Array:
    """The logarithms of the softmax, float64, in the shape of the scores."""
    shifted = scores.astype(np.float64)
    shifted -= shifted.max(axis, keepdims=True)
    shifted -= log(exp(shifted).sum(axis, keepdims=True))
    return shifted


def softmax(scores: Array, axis: int) -> Array:
    """Probabilities, float64, in the shape of the scores."""
    shifted = scores.astype(np.float64)
    shifted -= shifted.max(axis, keepdims=True)
    shifted = exp(shifted)
    shifted /= shifted.sum(axis, keepdims=True)
    return shifted
