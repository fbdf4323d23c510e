"""What a measure is: a number that says how well networks answer a split, beside the loss that trained them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from surrogate_nas.errors import UserError

if TYPE_CHECKING:  # a list of measures needs no PyTorch
    from torch import Tensor

    from surrogate_nas.training.tasks.base import Task

When = Literal["batch", "epoch", "end"]
"""How often a measure is taken."""
Quantity = Literal["error", "loss", "quality"]
"""How well a task is done: an error, a loss, or a quality, of which more is better."""
_QUANTITIES = ("error", "loss", "quality")
_TIMES = ("batch", "epoch", "end")


@dataclass(frozen=True)
class Answers:
    """What K networks answered to n examples.

    Attributes:
        outputs: Shape ``(K, n, …)``, as the task's losses take them.
        targets: Shape ``(n, …)``.
        inputs: Shape ``(n, channels, height, width)``.
        task: The task that the examples are from.
        again: From inputs ``(n, channels, height, width)`` to outputs ``(K, n, …)`` of the same networks in evaluation
            mode; differentiable by the inputs where they require a gradient.
    """

    outputs: Tensor
    targets: Tensor
    inputs: Tensor
    task: Task
    again: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Measure:
    """A measure of a task; its metric is ``SPLIT_NAME``.

    Attributes:
        name: The key in `MEASURES`.
        title: One line saying what it is, with the paper.
        unit: Of its values; empty for a fraction.
        quantity: An ``error`` is in %, a ``loss`` in its unit; of a ``quality`` larger is better.
        worst: Recorded where the value is not finite, or worse.
        of: From answers to a float64 value of each network, shape ``(K,)``.
        when: After an ``epoch``; in a ``batch`` too, of which the epoch's mean is the training split's; or once, at the
            ``end``.
    """

    name: str
    title: str
    unit: str
    quantity: Quantity
    worst: float
    of: Callable[[Answers], Tensor]
    when: When = "epoch"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise UserError(f"The name of a measure is a text, not {self.name!r:.80}.")
        for field, given, known in (("quantity", self.quantity, _QUANTITIES), ("when", self.when, _TIMES)):
            if given not in known:
                raise UserError(f"The {field} of the measure {self.name} is one of {', '.join(known)}, not {given!r}.")
