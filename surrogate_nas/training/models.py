"""PyTorch's way to train networks side by side, for any module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from surrogate_nas.training.arrays import Array, as_array
from surrogate_nas.training.machine import loaded

if TYPE_CHECKING:
    from torch import Tensor, nn

    from surrogate_nas.space.network.module import BlueprintModule
    from surrogate_nas.training.tasks import Schedule, Task

_EVALUATION_BATCH = 1000
_ON_A_CPU = 64
"""There a batch's activations should stay in the cache."""
LossAndGradient: TypeAlias = Callable[[Any, Array], tuple[Array, Any]]
"""From arranged outputs ``(K, batch, …)`` and targets to the losses ``(K,)`` and the gradient of
their sum.
"""


class TorchModel:
    """A module of PyTorch: one network, or a stack of `count` networks."""

    def __init__(
        self,
        module: nn.Module,
        task: Task,
        schedule: Schedule,
        device: str,
        *,
        count: int = 0,
    ) -> None:
        """Begin with the module's weights as they are.

        Args:
            module: From inputs ``(batch, channels, height, width)`` to ``(batch, …)``, or to
                ``(count, batch, …)``.
            task: Arranges what is answered.
            schedule: Momentum and weight decay.
            device: Where the module is.
            count: Of the networks in a stack; 0 for a single network.
        """
        self._torch = loaded()
        self.count = count or 1
        self._is_stack = count > 0
        self._module = module
        self._task = task
        self._schedule = schedule
        self._device = device
        self._parameters = [
            weight for weight in module.parameters() if weight.requires_grad
        ]
        self._type = self._parameters[0].dtype if self._parameters else None
        self._velocities = [self._torch.zeros_like(weight) for weight in self._parameters]
        self._batch = _ON_A_CPU if device == "cpu" else _EVALUATION_BATCH

    def step(
        self,
        inputs: Array,
        targets: Array,
        loss_and_gradient: LossAndGradient,
        rate: float,
    ) -> tuple[Array, Array]:
        """Take a step of descent; returns losses ``(K,)`` and the arranged outputs before it."""
        self._module.train()
        outputs = self._outputs(self._tensor(inputs))
        detached = outputs.detach()
        answers = detached.numpy() if self._device == "cpu" else detached
        losses, gradient = loss_and_gradient(answers, targets)
        for parameter in self._parameters:
            parameter.grad = None
        outputs.backward(self._torch.as_tensor(gradient).to(outputs))  # type: ignore[no-untyped-call]
        self._descend(rate)
        return losses, as_array(detached)

    def predict(self, inputs: Array) -> Array:
        """The arranged outputs in evaluation mode, shape ``(K, n, …)``."""
        self._module.eval()
        with self._torch.no_grad():
            batches = [
                as_array(self._outputs(self._tensor(inputs[start : start + self._batch])))
                for start in range(0, len(inputs), self._batch)
            ]
        return batches[0] if len(batches) == 1 else np.concatenate(batches, 1)

    def input_gradient(self, inputs: Array, gradient_of: Callable[[Array], Array]) -> Array:
        """The gradient of each network by its inputs."""
        self._module.eval()
        from surrogate_nas.training.autograd import autograd_input_gradient

        return autograd_input_gradient(self._outputs, self._tensor(inputs), gradient_of)

    def _tensor(self, inputs: Array) -> Tensor:
        tensor: Tensor = self._torch.as_tensor(
            inputs, dtype=self._type, device=self._device
        )
        return tensor

    def _outputs(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self._module(inputs)
        if not self._is_stack:
            outputs = outputs.unsqueeze(0)
        arranged: Tensor = self._task.arranged(outputs)
        return arranged

    def _descend(self, rate: float) -> None:
        """Move all parameters that have a gradient, as PyTorch's SGD does."""  # its import is slow
        torch = self._torch
        schedule = self._schedule
        pairs = zip(self._parameters, self._velocities, strict=True)
        moved = [(w.detach(), w.grad, v) for w, v in pairs if w.grad is not None]
        if not moved:
            return
        weights, gradients, velocities = map(list, zip(*moved, strict=True))
        with torch.no_grad():
            torch._foreach_add_(gradients, weights, alpha=schedule.weight_decay)
            torch._foreach_mul_(velocities, schedule.momentum)
            torch._foreach_add_(velocities, gradients)
            torch._foreach_add_(gradients, velocities, alpha=schedule.momentum)
            torch._foreach_add_(weights, gradients, alpha=-rate)


def torch_model(networks: Sequence[nn.Module], task: Task, device: str) -> TorchModel:
    """PyTorch's way of training one network, or several of one macro architecture stacked."""
    torch = loaded()
    module = networks[0]
    count = 0
    if len(networks) > 1:
        from surrogate_nas.training.fast.stack import Stack

        module = Stack(cast("Sequence[BlueprintModule]", networks))
        count = len(networks)
    placed = module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return TorchModel(placed, task, task.schedule, device, count=count)
