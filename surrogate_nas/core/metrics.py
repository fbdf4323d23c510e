"""Metrics of cells: named numbers with a unit, a kind and a direction."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from surrogate_nas.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

Kind = Literal["search", "final", "record"]
"""The use of a metric: in the search, only in reports, or as a record of evaluation costs."""
Quantity = Literal[
    "error", "loss", "quality", "cost", "structure", "proxy", "undeclared"
]
"""The quantity that a metric describes. It determines its direction and role in an objective."""
Direction = Literal["min", "max"]
"""The direction of a metric: whether a smaller or a larger value is better."""
DIRECTIONS: tuple[Direction, ...] = ("min", "max")
FRACTION = "fraction"
PERCENT = "%"
_FULL = {PERCENT: 100.0, FRACTION: 1.0}
# how far beyond its range a value may lie by rounding, as a share of the range
_ROUNDING = 1e-6
LOSSES: tuple[Quantity, ...] = ("error", "loss", "quality")
"""The quantities that describe how well a network does its task. L is computed from them."""


@dataclass(frozen=True)
class Metric:
    """A metric: a named number of a cell, with a unit.

    Smaller values are better, except for qualities (such as accuracy) and training-free proxies.

    Attributes:
        name: Name of the metric, such as ``valid_error`` or ``latency@raspi4``.
        unit: Unit of the metric, such as ``%``, ``fraction``, ``nats``, ``ms``, ``s`` or ``M``
            (million), or empty if the metric is a count.
        kind: The use of the metric. ``search`` metrics can be terms of an objective. ``final``
            metrics (test results) are only reported. ``record`` metrics (training and evaluation
            seconds) record what evaluations cost.
        quantity: The type of quantity, which is one of these:

            - ``error``: an error rate in % or as a fraction. Smaller is better.
            - ``loss``: a loss in its own unit, such as nats. Smaller is better.
            - ``quality``: an accuracy or a mean IoU in % or as a fraction, or an SSIM, which has no
              unit and can be negative. Larger is better.
            - ``cost`` and ``structure``: a cost, such as latency, or a property of the
              architecture, such as depth. Costs and structure can be penalty terms of an objective.
            - ``proxy``: a training-free score (zero-cost proxy). Larger is better.
            - ``undeclared``: a metric without a declared direction. The metric can be constrained,
              but cannot be a term of an objective.

        epochs: The numbers of training epochs for which values exist, or empty if the metric does
            not depend on training.
        split: The data split that the values were measured on, or empty if no split applies.
        description: Description of the metric in one line.
        source: The origin of the metric's values.
        n_cells: Number of cells of the space that have a value.

    Example:
        >>> import numpy as np
        >>> accuracy = Metric(
        ...     "valid_accuracy", "%", "search", "quality", epochs=(12, 200)
        ... )
        >>> accuracy.is_loss, accuracy.larger_is_better
        (True, True)
        >>> accuracy.minimised(np.array([90.0, 94.0]))
        array([-90., -94.])
    """

    name: str
    unit: str
    kind: Kind
    quantity: Quantity
    epochs: tuple[int, ...] = ()
    split: str = ""
    description: str = ""
    source: str = "analytic"
    n_cells: int = -1

    @property
    def is_loss(self) -> bool:
        """Whether the metric can be the loss L of an objective.

        A quality q enters the objective as 1 − q.
        """
        return self.quantity in LOSSES

    @property
    def larger_is_better(self) -> bool:
        """Whether larger values are better, as for a quality or a proxy."""
        return self.quantity in ("quality", "proxy")

    def minimised(self, values: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return metric values such that smaller is better: qualities and proxies are negated."""
        return -values if self.larger_is_better else values

    def worst(self, values: "NDArray[np.float64]") -> float:
        """Return the worst value of a non-empty array of any shape."""
        return float(values.min() if self.larger_is_better else values.max())

    @property
    def is_share(self) -> bool:
        """Whether the metric is an error or a quality in % or as a fraction."""
        return self.quantity in ("error", "quality") and self.unit in _FULL

    @property
    def limits(self) -> tuple[float, float]:
        """The smallest and the largest possible value of the metric, in its unit."""
        if self.is_share:
            return 0.0, _FULL[self.unit]
        is_physical = self.quantity == "cost" and self.unit in _NEVER_NEGATIVE
        return (0.0 if is_physical else -math.inf), math.inf

    def outside(self, value: float) -> str:
        """Describe how a value is outside the `limits`.

        Return an empty text for a value within the limits.

        Example:
            >>> metric_named("valid_error").outside(120.0)
            'outside 0 to 100 %'
        """
        low, high = self.limits
        slack = _ROUNDING * high if self.is_share else 0.0
        if low - slack <= value <= high + slack:
            return ""
        if math.isfinite(high):
            unit = f" {self.unit}" if self.unit == PERCENT else f" (a {self.unit})"
            return f"outside {low:g} to {high:g}{unit}"
        return f"below {low:g} {self.unit}"

    def describe(self) -> dict[str, Any]:
        """Return the metric's entry in ``snas benchmarks --json``."""
        direction = "larger" if self.larger_is_better else "smaller"
        return {
            "name": self.name,
            "unit": self.unit,
            "direction": "undeclared" if self.quantity == "undeclared" else direction,
            "epochs": list(self.epochs),
            "kind": self.kind,
            "split": self.split,
            "description": self.description,
        }


# by the last word of a name
_QUANTITIES: dict[str, Quantity] = {
    "error": "error",
    "loss": "loss",
    "accuracy": "quality",
    "proxy": "proxy",
}
_COST_UNITS = {"latency": "ms", "energy": "mJ", "memory": "MB"}
# the first or the last word of a name whose metric is a cost
_COSTS = frozenset(
    "cost depth energy flops latency macs memory parameters params seconds size time weights"
    " width".split()
)
# amounts that a network takes, of which less is better
_AMOUNTS = frozenset(
    "ns us µs ms s mJ J kJ mWh Wh kWh mW W kB KB MB GB B g kg parameters".split()
)
_NEVER_NEGATIVE = _AMOUNTS | {"min", "h", "M", "G"}


def metric_named(
    name: str,
    *,
    unit: str = "",
    direction: Direction | None = None,
    description: str = "",
    source: str = "",
) -> Metric:
    """Create the `Metric` for a user's metric from its name and the user's declarations.

    The name of a metric has these meanings:

    - ``…_error`` is an error in %, and ``…_accuracy`` a quality in %. An error or an accuracy may
      be declared as a fraction instead.
    - ``…_loss`` is a loss in its own unit.
    - A metric ``test_…`` is only reported and never used in the search.
    - ``latency@…`` is in ms, ``energy@…`` in mJ and ``memory@…`` in MB.
    - ``…_proxy`` is a training-free score (zero-cost proxy). Larger is better.
    - A name that begins or ends with a word such as ``params``, ``size`` or ``seconds`` is a cost
      without a unit.
    - Any other name with a unit such as ``g``, ``mJ``, ``MB`` or ``ms`` is a cost.

    The direction of a metric with any other name is undeclared unless `direction` is given.

    Args:
        name: Name of the metric, such as ``valid_error`` or ``latency@mine``.
        unit: The declared unit. If `unit` is omitted, the name of the metric determines the unit.
        direction: The declared direction. If the name implies no direction, ``max`` makes the
            metric a quality and ``min`` a cost.
        description: Description of the metric in one line.
        source: The origin of the metric's values.

    Raises:
        UserError: The unit or the direction contradicts the name.

    Example:
        >>> metric_named("latency@mine").unit, metric_named("test_error").kind
        ('ms', 'final')
        >>> metric_named("val_acc").quantity
        'undeclared'
        >>> metric_named("val_acc", unit="fraction", direction="max").quantity
        'quality'
    """
    kind: Kind = "final" if name.startswith("test_") else "search"
    stem, _, _ = name.partition("@")
    words = stem.split("_")
    is_cost = bool(_COSTS & {words[0], words[-1]}) or unit in _AMOUNTS
    quantity = _QUANTITIES.get(words[-1], "cost" if is_cost else "undeclared")
    if quantity == "undeclared" and direction is not None:
        quantity = "quality" if direction == "max" else "cost"
    is_share = quantity == "error" or words[-1] == "accuracy"
    default = PERCENT if is_share else _COST_UNITS.get(stem, "")
    if default == PERCENT and unit not in ("", *_FULL):
        raise UserError(
            f"The unit of {name} is {unit}, but an error or an accuracy must be in % or a fraction."
        )
    metric = Metric(name, unit or default, kind, quantity, (), "", description, source)
    if direction is not None and metric.larger_is_better is not (direction == "max"):
        implied = "minimised" if direction == "max" else "maximised"
        raise UserError(
            f"The name {name} implies that it is {implied}. Rename it, or omit its direction."
        )
    return metric


def undeclared_units(names: "Sequence[str]", ways: str = "") -> UserError:
    """Build the error for error rates and accuracies whose unit, % or fraction, is unclear.

    Args:
        names: Names of the metrics whose unit is unclear, because none of their values exceeds 1.
        ways: Text that says how to declare the unit. The default text is for users of the Python
            API.
    """
    in_python = f"{{{names[0]!r}: sn.Metric(unit='fraction')}} or sn.Metric(unit='%')"
    return UserError(
        f"No value of {', '.join(names)} exceeds 1, so it may be a fraction or in %. Declare its"
        f" unit: {ways or in_python}."
    )


def undeclared_direction(name: str, benchmark: str) -> UserError:
    """Build the error for a metric without a declared direction."""
    return UserError(
        f"{name} of {benchmark} has no declared direction, so it cannot be a term of an objective."
        f" Declare it: sn.Metric(direction='max') or 'min' in Python; for a file, import it again"
        f" with --direction {name}=max or min."
    )


def score_metric(
    name: str,
    unit: str,
    quantity: Quantity,
    description: str,
    source: str = "analytic",
    split: str = "",
) -> Metric:
    """Create the `Metric` for a score of a trained network.

    A score whose name begins with ``test_`` is final: it is only reported.

    The arguments are fields of `Metric`. If `split` is omitted, it is taken from the prefix of the
    name.
    """
    kind: Kind = "final" if name.startswith("test_") else "search"
    split = split or name.partition("_")[0]
    return Metric(
        name, unit, kind, quantity, split=split, description=description, source=source
    )
