"""A loss with its gradient in NumPy as an operation of PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from surrogate_nas.training.arrays import Array, Gradient, as_array

if TYPE_CHECKING:
    from torch import Tensor

_STEP = 1e-5
"""Of a difference, as a share of the largest output or 1."""


def each_by(gradient: Gradient, outputs: Tensor, targets: Array) -> Tensor:
    """The loss of every network on every example, shape ``(K, batch)``; see `Loss.each`."""
    losses: Tensor = _Value.apply(outputs, targets, gradient)  # type: ignore[no-untyped-call]
    return losses


class _Value(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, outputs: Tensor, targets: Array, gradient: Gradient) -> Tensor:
        ctx.save_for_backward(outputs)
        ctx.definition = targets, gradient
        values, _ = gradient(as_array(outputs), targets)
        return torch.as_tensor(values, device=outputs.device)

    @staticmethod
    def backward(ctx: Any, by_values: Tensor) -> tuple[Tensor, None, None]:
        (outputs,) = ctx.saved_tensors
        by_outputs: Tensor = _Gradient.apply(outputs, *ctx.definition)  # type: ignore[no-untyped-call]
        axes = [1] * (outputs.dim() - 2)
        return by_values.reshape(*by_values.shape, *axes) * by_outputs, None, None


class _Gradient(torch.autograd.Function):
    """The gradient of each example's loss; a second derivative (of the proxy grasp) is a central
    difference of it.
    """

    @staticmethod
    def forward(ctx: Any, outputs: Tensor, targets: Array, gradient: Gradient) -> Tensor:
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
    """What `gradient` gives of the mean over the batch, of each example."""
    by_outputs: Array = gradient(outputs, targets)[1] * outputs.shape[1]
    return by_outputs
