"""NumPy arrays, and what turns into them: training on a CPU needs no PyTorch, but users' code may
speak it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.extras import is_installed

if TYPE_CHECKING:
    from torch import Tensor

Array: TypeAlias = NDArray[Any]
"""Of any type and shape."""
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
    return _of("exponentials", np.exp, x)


def log(x: Array) -> Array:
    """The natural logarithm of each number, in float64 and in the shape of `x`."""
    return _of("logarithms", np.log, x)


def _of(name: str, plain: np.ufunc, x: Array) -> Array:
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


def autograd_input_gradient(
    again: Callable[[Tensor], Tensor],
    inputs: Tensor,
    gradient_of: Callable[[Array], Array],
) -> Array:
    """The gradient of each of K networks by their common inputs, shape ``(K, n, …)``.

    Args:
        again: From inputs to outputs ``(K, n, …)``, by operations of PyTorch.
        inputs: Shape ``(n, …)``.
        gradient_of: From outputs to the gradient by them, both ``(K, n, …)``.
    """
    import torch

    with torch.inference_mode(False), torch.enable_grad():
        leaf = inputs.detach().clone().requires_grad_()
        outputs = again(leaf)
        come = torch.as_tensor(gradient_of(as_array(outputs))).to(outputs)
        gradients = [
            torch.autograd.grad(one, leaf, down, retain_graph=True, allow_unused=True)[0]
            for one, down in zip(outputs, come, strict=True)
        ]
    nothing = np.zeros(inputs.shape, np.float32)  # of a network without a way from its input
    return np.stack([nothing if part is None else as_array(part) for part in gradients])


def differentiable(
    again: Callable[[Array], Array], input_gradient: InputGradient
) -> Callable[[Tensor], Tensor]:
    """The same from tensors to tensors, differentiable by the inputs where they require a gradient.

    Args:
        again: From inputs to outputs ``(K, n, …)``.
        input_gradient: From inputs, and a function from outputs to the gradient by them, to that of
            each network by its inputs.
    """
    import torch

    class Again(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, inputs: Tensor) -> Tensor:
            ctx.inputs = as_array(inputs)
            return torch.as_tensor(again(ctx.inputs))

        @staticmethod
        def backward(ctx: Any, come: Tensor) -> Tensor:
            return torch.as_tensor(input_gradient(ctx.inputs, lambda _: as_array(come)).sum(0))

    return Again.apply
