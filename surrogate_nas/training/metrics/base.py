"""What a metric of a task is: a number that says how well networks predict a split, besides the
loss that trained them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.training.arrays import Array, InputGradient, as_array
from surrogate_nas.training.machine import loaded

if TYPE_CHECKING:  # a list of metrics needs no PyTorch
    from torch import Tensor

When = Literal["batch", "epoch", "end"]
"""How often a metric is computed."""
Quantity = Literal["error", "loss", "quality"]
"""How well a task is done: an error, a loss, or a quality, of which more is better."""
_QUANTITIES = ("error", "loss", "quality")
_TIMES = ("batch", "epoch", "end")


@dataclass(frozen=True)
class Arrays:
    """What K networks answered to n examples, in NumPy.

    Attributes:
        outputs: Shape ``(K, n, …)``, as the task's losses take them.
        targets: Shape ``(n, …)``.
        inputs: Shape ``(n, channels, height, width)``.
        again: From inputs ``(n, channels, height, width)`` to outputs ``(K, n, …)`` of the same
            networks in evaluation mode.
        input_gradient: From such inputs, and a function from outputs to the gradient by them, to
            the gradient of each network by its inputs, shape ``(K, n, channels, height, width)``,
            in evaluation mode.
    """

    outputs: Array
    targets: Array
    inputs: Array
    again: Callable[[Array], Array]
    input_gradient: InputGradient


class Predictions:
    """What K networks answered to n examples: `arrays` in NumPy, the other attributes as tensors of
    PyTorch.

    Either is made of the other at its first use, so that a metric of arrays needs no PyTorch.

    Attributes:
        task: The `Task` that the examples are from.
    """

    def __init__(
        self,
        outputs: Array | Tensor,
        targets: Array | Tensor,
        inputs: Array | Tensor,
        task: Any,
        again: Callable[[Any], Any],
        input_gradient: InputGradient | None = None,
    ) -> None:
        """Keep what was answered.

        Args:
            outputs: See `Arrays`; an array or a tensor.
            targets: Likewise.
            inputs: Likewise.
            task: The task.
            again: See `Arrays`; from arrays to arrays, or from tensors to tensors where the outputs
                are a tensor.
            input_gradient: See `Arrays`; where the outputs are a tensor it can be left out, and
                `again` is differentiated.
        """
        self.task = task
        self._given = (outputs, targets, inputs)
        self._again = again
        self._input_gradient = input_gradient
        self._is_array = isinstance(outputs, np.ndarray)

    def with_input_gradient(self, input_gradient: InputGradient) -> Predictions:
        """The same, whose inputs can be changed by the gradient of the networks.

        Args:
            input_gradient: See `Arrays`.
        """
        return Predictions(*self._given, self.task, self._again, input_gradient)

    @cached_property
    def arrays(self) -> Arrays:
        """Outputs, targets and inputs in NumPy, and the networks from arrays to arrays."""
        again: Callable[[Array], Array] = self._again
        if not self._is_array:
            again = partial(_by_tensors, self._again)
        input_gradient = self._input_gradient or (
            _without_input_gradient if self._is_array else partial(_autograd, self._again)
        )
        outputs, targets, inputs = (as_array(part) for part in self._given)
        return Arrays(outputs, targets, inputs, again, input_gradient)

    @cached_property
    def outputs(self) -> Tensor:
        """Shape ``(K, n, …)``, as the task's losses take them."""
        return _tensor(self._given[0])

    @cached_property
    def targets(self) -> Tensor:
        """Shape ``(n, …)``."""
        return _tensor(self._given[1])

    @cached_property
    def inputs(self) -> Tensor:
        """Shape ``(n, channels, height, width)``."""
        return _tensor(self._given[2])

    @cached_property
    def again(self) -> Callable[[Tensor], Tensor]:
        """From inputs ``(n, channels, height, width)`` to outputs ``(K, n, …)`` of the same
        networks when they answer.

        In evaluation mode; they can be differentiated by the inputs where these require a gradient.
        """
        if not self._is_array:
            return self._again
        from surrogate_nas.training.autograd import differentiable

        return differentiable(self._again, self.arrays.input_gradient)


def _tensor(given: Array | Tensor) -> Tensor:
    tensor: Tensor = loaded().as_tensor(given)
    return tensor


def _by_tensors(again: Callable[[Tensor], Tensor], inputs: Array) -> Array:
    return as_array(again(_tensor(inputs)))


def _autograd(
    again: Callable[[Tensor], Tensor],
    inputs: Array,
    gradient_of: Callable[[Array], Array],
) -> Array:
    from surrogate_nas.training.autograd import autograd_input_gradient

    return autograd_input_gradient(again, _tensor(inputs), gradient_of)


def _without_input_gradient(*_: object) -> Array:
    raise NotImplementedError("These answers know no gradient by the inputs.")


@dataclass(frozen=True)
class TaskMetric:
    """A metric of a task, by split ``SPLIT_NAME``.

    Attributes:
        name: The key in `METRICS`.
        title: One line saying what it is, with the paper.
        unit: Of its values; empty for a fraction.
        quantity: An ``error`` is in %, a ``loss`` in its unit; of a ``quality`` larger is better.
        worst: Recorded where the value is not finite, or worse.
        of: From answers to a float64 value of each network, an array or a tensor of shape ``(K,)``.
        when: After an ``epoch``; in a ``batch`` too, of which the epoch's mean is the training
            split's; or once, at the ``end``.
    """

    name: str
    title: str
    unit: str
    quantity: Quantity
    worst: float
    of: Callable[[Predictions], Any]
    when: When = "epoch"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise UserError(f"The name of a metric is a text, not {self.name!r:.80}.")
        for field, given, known in (
            ("quantity", self.quantity, _QUANTITIES),
            ("when", self.when, _TIMES),
        ):
            if given not in known:
                raise UserError(
                    f"The {field} of the metric {self.name} is one of {', '.join(known)}, not"
                    f" {given!r}."
                )
