"""Metrics of tasks by name. Each family of metrics is a file of this folder; a user's own metric is
a ``file.py:METRIC``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from surrogate_nas.core import Metric, Registry, UserError
from surrogate_nas.training.machine import Array, InputGradient

When = Literal["batch", "epoch", "end"]
Quantity = Literal["error", "loss", "quality"]
"""The type of a metric: an error, a loss, or a quality, of which larger values are better."""


@dataclass(frozen=True)
class Predictions:
    """The outputs of K networks for n examples.

    Attributes:
        outputs: Arranged outputs, shape ``(K, n, …)``, as the task's losses expect them.
        targets: Targets, shape ``(n, …)``.
        inputs: Inputs, shape ``(n, channels, height, width)``.
        task: The `Task` of the examples.
        again: Function from inputs ``(n, channels, height, width)`` to outputs ``(K, n, …)`` of the
            same networks in evaluation mode.
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
    """A metric of a task; its name on a split is ``SPLIT_NAME``.

    Attributes:
        name: The key in `METRICS`.
        title: A description in one line, with the paper.
        unit: The unit of its values; empty for a fraction.
        quantity: ``error`` (in %), ``loss`` (in its unit) or ``quality`` (larger is better).
        worst: The value that is recorded if the computed value is not finite, or worse than this.
        of: Function of `Predictions` that returns a float64 value of each network, an array or a
            tensor of shape ``(K,)``.
        when: When the metric is computed: ``epoch``, after every epoch; ``batch``, also on every
            training batch, whose mean over the epoch is the value of the training split; ``end``,
            only at the end of a run.
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
            raise UserError(
                f"The name of a metric must be a text, not {self.name!r:.80}."
            )
        for field, kind in (("quantity", Quantity), ("when", When)):
            value = getattr(self, field)
            if value not in get_args(kind):
                raise UserError(
                    f"The {field} of the metric {self.name} must be one of"
                    f" {', '.join(get_args(kind))}, not {value!r}."
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
        """Whether the metric is recorded after every epoch; otherwise only at the end."""
        return self.split != "test" and self.of.when != "end"

    def recorded(self, value: float) -> float:
        """Return a computed value, or ``worst`` if the value is worse or not finite."""
        if not math.isfinite(value):
            return self.of.worst
        better = max if self.of.quantity == "quality" else min
        return better(value, self.of.worst)

    def metric(
        self, epochs: tuple[int, ...], description: str, source: str = "analytic"
    ) -> Metric:
        """Return the corresponding metric of benchmarks; that of the test split is final.

        Args:
            epochs: The lengths of the runs for which the metric is available.
            description: When and how the metric is computed.
            source: The source of the numbers.
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
