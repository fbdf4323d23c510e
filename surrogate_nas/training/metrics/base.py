"""What a metric of a task is: a number that says how well networks predict a split, besides the
loss that trained them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Kind, Metric
from surrogate_nas.training.arrays import Array, InputGradient

When = Literal["batch", "epoch", "end"]
Quantity = Literal["error", "loss", "quality"]
"""How well a task is done: an error, a loss, or a quality, of which more is better."""


def _without_input_gradient(*_: object) -> Array:
    raise NotImplementedError("These answers know no gradient by the inputs.")


@dataclass(frozen=True)
class Predictions:
    """The answers of K networks to n examples.

    Attributes:
        outputs: Shape ``(K, n, …)``, as the task's losses take them.
        targets: Shape ``(n, …)``.
        inputs: Shape ``(n, channels, height, width)``.
        task: The `Task` that the examples are from.
        again: From inputs ``(n, channels, height, width)`` to outputs ``(K, n, …)`` of the same
            networks in evaluation mode.
        input_gradient: From such inputs, and a function from outputs to the gradient by them, to
            the gradient of each network by its inputs, shape ``(K, n, channels, height, width)``,
            in evaluation mode.
    """

    outputs: Array
    targets: Array
    inputs: Array
    task: Any
    again: Callable[[Array], Array]
    input_gradient: InputGradient = _without_input_gradient


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
        for field, kind in (("quantity", Quantity), ("when", When)):
            value = getattr(self, field)
            if value not in get_args(kind):
                raise UserError(
                    f"The {field} of the metric {self.name} is one of {', '.join(get_args(kind))},"
                    f" not {value!r}."
                )


@dataclass(frozen=True)
class Diagnostic:
    """One number that a training tells.

    Attributes:
        name: The metric's name, such as ``valid_error``.
        split: ``train``, ``valid`` or ``test``.
        unit: Its unit.
        quantity: What it is: a loss, an error or a quality.
        worst: What is recorded where it is worse, or not finite.
        every_epoch: Whether it is recorded after every epoch, or only at the end.
    """

    name: str
    split: str
    unit: str
    quantity: Quantity
    worst: float
    every_epoch: bool

    def recorded(self, value: float) -> float:
        """A measured value, or the worst where it is worse or not finite."""
        if not math.isfinite(value):
            return self.worst
        return (
            max(value, self.worst) if self.quantity == "quality" else min(value, self.worst)
        )

    def metric(
        self,
        epochs: tuple[int, ...],
        description: str,
        source: str = "analytic",
    ) -> Metric:
        """The metric of it; what the test split tells is final.

        Args:
            epochs: The lengths of the runs that have it.
            description: When and how it is measured.
            source: Where the numbers come from.
        """
        kind: Kind = "final" if self.split == "test" else "search"
        return Metric(
            self.name,
            self.unit,
            kind,
            self.quantity,
            epochs,
            split=self.split,
            description=description,
            source=source,
        )
