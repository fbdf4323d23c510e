"""Convert between NumPy gradients and PyTorch gradients, for losses and networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from surrogate_nas.training.machine import Array, Gradient, as_array

if TYPE_CHECKING:
    from torch import Tensor

# Of a difference, as a share of the largest output or 1.
_STEP = 1e-5


class _Value(torch.autograd.Function):
    """The loss of every network on every example, shape ``(K, batch)``; see `Loss.each`."""

    @staticmethod
    def forward(
        ctx: Any,
        outputs: Tensor,
        targets: Array,
        gradient: Gradient,
    ) -> Tensor:
        ctx.save_for_backward(outputs)
        ctx.definition = targets, gradient
        values, _ = gradient(as_array(outputs), targets)
        return torch.as_tensor(values, device=outputs.device)

    @staticmethod
    def backward(ctx: Any, by_values: Tensor) -> tuple[Tensor, None, None]:
        (outputs,) = ctx.saved_tensors
        by_outputs: Tensor = _Gradient.apply(  # type: ignore[no-untyped-call]
            outputs, *ctx.definition
        )
        axes = [1] * (outputs.dim() - 2)
        return by_values.reshape(*by_values.shape, *axes) * by_outputs, None, None


class _Gradient(torch.autograd.Function):
    """The gradient of each example's loss. Its second derivative, which the proxy grasp needs, is a
    central difference.
    """

    @staticmethod
    def forward(
        ctx: Any,
        outputs: Tensor,
        targets: Array,
        gradient: Gradient,
    ) -> Tensor:
        ctx.save_for_backward(outputs)
        ctx.definition = targets, gradient
        by_outputs = _of_examples(gradient, as_array(outputs), targets)
        return torch.as_tensor(by_outputs, device=outputs.device)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, direction: Tensor) -> tuple[Tensor, None, None]:
        (outputs,) = ctx.saved_tensors
        targets, gradient = ctx.definition
        middle = as_array(outputs).astype(float)
        way = as_array(direction).astype(float)
        length = abs(way).max(initial=0.0)
        if length == 0:
            return torch.zeros_like(outputs), None, None
        step = _STEP * max(1.0, abs(middle).max()) / length
        after = _of_examples(gradient, middle + step * way, targets)
        before = _of_examples(gradient, middle - step * way, targets)
        curvature = (after - before) / (2 * step)
        return torch.as_tensor(curvature).to(outputs), None, None


def _of_examples(gradient: Gradient, outputs: Array, targets: Array) -> Array:
    """Return the gradient for each example, from a `gradient` of the mean over the batch."""
    by_outputs: Array = gradient(outputs, targets)[1] * outputs.shape[1]
    return by_outputs


def autograd_input_gradient(
    again: Callable[[Tensor], Tensor],
    inputs: Tensor,
    gradient_of: Callable[[Array], Array],
) -> Array:
    """Return the gradients with respect to inputs ``(n, …)`` that K networks share, one gradient
    for each network.

    The argument `again` is a function that maps the inputs to outputs ``(K, n, …)`` with PyTorch
    operations.
    """
    with torch.inference_mode(False), torch.enable_grad():
        leaf = inputs.detach().clone().requires_grad_()
        outputs = again(leaf)
        by_outputs = torch.as_tensor(gradient_of(as_array(outputs))).to(outputs)
        gradients = [
            torch.autograd.grad(
                output,
                leaf,
                down,
                retain_graph=True,
                allow_unused=True,
            )[0]
            for output, down in zip(outputs, by_outputs, strict=True)
        ]
    nothing = np.zeros(
        inputs.shape, np.float32
    )  # of a network without a way from its input
    return np.stack([nothing if part is None else as_array(part) for part in gradients])
