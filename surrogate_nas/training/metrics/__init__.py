"""Metrics of tasks by name: a family is one more file; a user's own is a ``file.py:METRIC``."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from surrogate_nas.core import Metric, Registry, UserError
from surrogate_nas.training.machine import Array, InputGradient

When = Literal["batch", "epoch", "end"]
Quantity = Literal["error", "loss", "quality"]
"""How well a task is done: an error, a loss, or a quality, of which more is better."""


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
        input_gradient: See ``InputGradient``; None before the end of a run.
    """

    outputs: Array
    targets: Array
    inputs: Array
    task: Any
    again: Callable[[Array], Array]
    input_gradient: InputGradient | None = None


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
    """A metric of a task on one split, as a training reports it.

    Attributes:
        split: ``train``, ``valid`` or ``test``.
        of: The metric.
    """

    split: str
    of: TaskMetric

    @property
    def name(self) -> str:
        """The metric's name with its split, such as ``valid_error``."""
        return f"{self.split}_{self.of.name}"

    @property
    def every_epoch(self) -> bool:
        """Whether it is recorded after every epoch, or only at the end."""
        return self.split != "test" and self.of.when != "end"

    def recorded(self, value: float) -> float:
        """A measured value, or the worst where it is worse or not finite."""
        if not math.isfinite(value):
            return self.of.worst
        better = max if self.of.quantity == "quality" else min
        return better(value, self.of.worst)

    def metric(
        self, epochs: tuple[int, ...], description: str, source: str = "analytic"
    ) -> Metric:
        """The metric of benchmarks; that of the test split is final.

        Args:
            epochs: The lengths of the runs that have it.
            description: When and how it is measured.
            source: Where the numbers come from.
        """
        return Metric(
            self.name,
            self.of.unit,
            "final" if self.split == "test" else "search",
            self.of.quantity,
            epochs,
            split=self.split,
            description=description,
            source=source,
        )


METRICS = Registry(
    "metric",
    TaskMetric,
    folder=__name__,
    attribute="FAMILY",
    first=("classes", "boxes", "numbers", "sequences", "images", "generation"),
    group="surrogate_nas.metrics",
)
"""Every metric of a task by name."""
