"""Metrics with which tasks evaluate networks, by name. Each file of this folder defines a family of
metrics. A user's own metric is named by ``FILE.py:METRIC``.
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
    """The outputs of K networks for n examples, with the examples' inputs and targets.

    Attributes:
        outputs: Outputs in the arrangement that the task's losses expect, shape ``(K, n, …)``.
        targets: Targets of the examples, shape ``(n, …)``.
        inputs: Inputs of the examples, shape ``(n, channels, height, width)``.
        task: The `Task` to which the examples belong.
        again: A function that evaluates the same networks on other inputs: from inputs
            ``(n, channels, height, width)`` to outputs ``(K, n, …)``.
        input_gradient: A function that returns gradients with respect to the inputs (see
            ``InputGradient``); None before the end of a training.
    """

    outputs: Array
    targets: Array
    inputs: Array
    task: Any
    again: Callable[[Array], Array]
    input_gradient: InputGradient | None = None


@dataclass(frozen=True)
class TaskMetric:
    """A metric of a task. The metric's name on a split has a prefix, as in ``valid_error``.

    Attributes:
        name: The key of the metric in `METRICS`.
        title: A description of the metric in one line, with the paper that introduced it.
        unit: The unit of the metric's values, or empty for a fraction.
        quantity: The type of metric: ``error`` (in %), ``loss`` (in its unit) or ``quality``
            (larger is better).
        worst: The value that is recorded if the computed value is not finite or is worse than
            `worst`.
        of: A function from `Predictions` to one float64 value per network, an array or a tensor of
            shape ``(K,)``.
        when: When the metric is computed: ``epoch`` after every epoch, ``end`` only at the end of a
            training. With ``batch``, the metric is also computed on every training batch, and its
            mean over the epoch is the value of the training split.
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
    """A metric of a task on one of its splits, as a training reports it.

    Attributes:
        split: The split of the data: ``train``, ``valid`` or ``test``.
        of: The metric.
    """

    split: str
    of: TaskMetric

    @property
    def name(self) -> str:
        """The name of the metric together with the split, such as ``valid_error``."""
        return f"{self.split}_{self.of.name}"

    @property
    def every_epoch(self) -> bool:
        """Whether the metric is recorded after every epoch. Other metrics are recorded only at the
        end of a training.
        """
        return self.split != "test" and self.of.when != "end"

    def recorded(self, value: float) -> float:
        """Return a computed value of the metric, or ``worst`` if the computed value is worse or not
        finite.
        """
        if not math.isfinite(value):
            return self.of.worst
        better = max if self.of.quantity == "quality" else min
        return better(value, self.of.worst)

    def metric(
        self, epochs: tuple[int, ...], description: str, source: str = "analytic"
    ) -> Metric:
        """Return the benchmark's metric for this task metric and split. A metric of the test split
        is final, that is, not for searching.

        Args:
            epochs: The training lengths, in epochs, for which a benchmark has the metric.
            description: A text that says when and how the metric is computed.
            source: The origin of the metric's values.
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
