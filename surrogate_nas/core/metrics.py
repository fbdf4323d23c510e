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
"""Searched on, only reported, or a record of what an answer costs."""
Quantity = Literal[
    "error", "loss", "quality", "cost", "structure", "proxy", "undeclared"
]
"""What a metric tells; its direction and its part in an objective follow from it."""
Direction = Literal["min", "max"]
"""Whether a smaller or a larger value is better."""
DIRECTIONS: tuple[Direction, ...] = ("min", "max")
FRACTION = "fraction"
PERCENT = "%"
_FULL = {PERCENT: 100.0, FRACTION: 1.0}
# how far beyond its range a value may lie by rounding, as a share of the range
_ROUNDING = 1e-6
LOSSES: tuple[Quantity, ...] = ("error", "loss", "quality")
"""The quantities that tell how well a network does its task, so that L can be made of them."""


@dataclass(frozen=True)
class Metric:
    """A named, unit-carrying number of a cell; smaller is better, but for a quality and a proxy.

    Attributes:
        name: Such as ``valid_error`` or ``latency@raspi4``.
        unit: Such as ``%``, ``fraction``, ``nats``, ``ms``, ``s``, ``M`` (million), or empty for a
            count.
        kind: ``search`` metrics may enter an objective; ``final`` ones (test results) are only
            reported; ``record`` ones (training and evaluation seconds) say what an answer costs.
        quantity: ``error`` (% or a fraction), ``loss`` (in its own unit) and ``quality`` (accuracy
            and mIoU in % or as a fraction, SSIM without a unit, which may be negative; larger is
            better) tell how well the task is done, ``cost`` and ``structure`` regularise, ``proxy``
            is a score without training, of which larger promises more. ``undeclared`` has no known
            direction, so that it may be limited, but is no term of an objective.
        epochs: The training runs that it is held for; empty where training does not matter.
        split: The data it was measured on, or empty.
        description: One line, with what a reader must know.
        source: Where the numbers come from.
        n_cells: How many cells of the space have a value.

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
        """Whether it can be the L of an objective, which takes of a quality what it lacks to 1."""
        return self.quantity in LOSSES

    @property
    def larger_is_better(self) -> bool:
        """Whether larger values are better, as those of a quality and a proxy are."""
        return self.quantity in ("quality", "proxy")

    def minimised(self, values: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Values, in any shape, such that smaller is better: a quality and a proxy negated."""
        return -values if self.larger_is_better else values

    def worst(self, values: "NDArray[np.float64]") -> float:
        """The worst of some values, in any shape but not empty."""
        return float(values.min() if self.larger_is_better else values.max())

    @property
    def is_share(self) -> bool:
        """Whether it is an error or a quality in % or as a fraction."""
        return self.quantity in ("error", "quality") and self.unit in _FULL

    @property
    def limits(self) -> tuple[float, float]:
        """The smallest and the largest value that it can have, in its unit."""
        if self.is_share:
            return 0.0, _FULL[self.unit]
        is_physical = self.quantity == "cost" and self.unit in _NEVER_NEGATIVE
        return (0.0 if is_physical else -math.inf), math.inf

    def outside(self, value: float) -> str:
        """Words that follow a value outside the `limits`; empty where it is within.

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
        """The metric's entry in ``snas benchmarks --json``."""
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
    """Describe a user's metric by its name and by what the user declares.

    ``…_error`` is in %, and so is ``…_accuracy``, a quality: larger is better; either may be
    declared as a fraction. ``…_loss`` is a loss in a unit of its own; ``test_…`` is only reported
    and never searched on; ``latency@…`` is in ms, ``energy@…`` in mJ, ``memory@…`` in MB;
    ``…_proxy`` is a score without training: larger promises more. A name that begins or ends with a
    word such as ``params``, ``size`` or ``seconds`` is a cost without unit, and any other name in a
    unit such as ``g``, ``mJ``, ``MB`` or ``ms``. The direction of every other metric is undeclared,
    unless it is given.

    Args:
        name: Such as ``valid_error`` or ``latency@mine``.
        unit: The declared unit; that of the name if left out.
        direction: The declared direction; ``max`` makes a quality, ``min`` a cost, of a name that
            says neither.
        description: One line, with what a reader must know.
        source: Where the numbers come from.

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
            f"{name} is in {unit}; an error or an accuracy is in % or a fraction."
        )
    metric = Metric(name, unit or default, kind, quantity, (), "", description, source)
    if direction is not None and metric.larger_is_better is not (direction == "max"):
        implied = "minimised" if direction == "max" else "maximised"
        raise UserError(
            f"{name} is {implied} by its name; rename it, or leave its direction out."
        )
    return metric


def undeclared_units(names: "Sequence[str]", ways: str = "") -> UserError:
    """Build the error for errors and accuracies that may be fractions or in %.

    Args:
        names: The metrics, none of whose values exceeds 1.
        ways: How a user declares the unit; in Python if left out.
    """
    in_python = f"{{{names[0]!r}: sn.Metric(unit='fraction')}} or sn.Metric(unit='%')"
    return UserError(
        f"No value of {', '.join(names)} exceeds 1, so it may be a fraction or in %. Declare its"
        f" unit: {ways or in_python}."
    )


def undeclared_direction(name: str, benchmark: str) -> UserError:
    """Build the error for a metric of which nobody has said whether larger is better."""
    return UserError(
        f"{name} of {benchmark} has no declared direction, so it is no term of an objective."
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
    """How good a trained network is: a final metric where the name begins with ``test_``.

    The arguments are those of `Metric`; the split is taken from the prefix of the name if omitted.
    """
    kind: Kind = "final" if name.startswith("test_") else "search"
    split = split or name.partition("_")[0]
    return Metric(
        name, unit, kind, quantity, split=split, description=description, source=source
    )
