"""What users declare of their metrics: a function of a cell, a unit, and a direction.

An error or an accuracy is in % or a fraction. Where neither is declared, its first value above 1
shows that it is in %. Until then a value of 1 or less is refused, since it may mean either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass

from surrogate_nas.core import metrics
from surrogate_nas.core.arguments import check_names
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import DIRECTIONS, FRACTION, PERCENT, Direction, metric_named
from surrogate_nas.space import Cell

Function = Callable[[Cell], float]
"""A user's metric of a cell: one number."""

_WORST: dict[str, float] = {"error": 1e3, "quality": -1e3, "loss": 1e12}
"""Values that no error and no quality (in %), and no loss, is worse than: infeasible cells rank
behind all these.
"""
_PERCENT = 100.0


def worst_of(metric: metrics.Metric) -> float:
    """Return a bound that no value of a metric is worse than, in its unit.

    Args:
        metric: The metric; that of a cost is infinite.
    """
    worst = _WORST.get(metric.quantity, math.inf)
    return worst / _PERCENT if metric.unit == FRACTION else worst


@dataclass(frozen=True)
class Metric:
    """What a user declares of a metric of `surrogate_nas.Computed` or `surrogate_nas.Training`.

    Attributes:
        function: A function from a cell to a number; None where a training reports the metric.
        unit: ``fraction`` or ``%`` of an error or an accuracy; any text of another metric; empty
            for the unit that the name implies.
        direction: ``min`` or ``max``; None for the direction that the name implies.

    Raises:
        UserError: The unit is no text, the direction is neither, or the function cannot be called.

    Example:
        >>> import surrogate_nas as sn
        >>> space = sn.EnumerableChoiceSpace("mlp", {"width": (16, 64), "depth": (1, 2, 3)})
        >>> share = sn.Metric(lambda cell: 0.9 - 0.01 * sum(cell.choices), unit="fraction")
        >>> bench = sn.Computed(space, {"valid_accuracy": share}, cheap=True)
        >>> str(sn.search(bench, "random", "valid_accuracy", budget=6).incumbent.cell)
        'mlp(width=16, depth=1)'
    """

    function: Function | None = None
    _: KW_ONLY
    unit: str = ""
    direction: Direction | None = None

    def __post_init__(self) -> None:
        if self.function is not None and not callable(self.function):
            raise UserError(f"A metric is a function of a cell, not {self.function!r:.80}.")
        if not isinstance(self.unit, str):
            raise UserError(f"A unit is a text such as 'fraction', not {self.unit!r:.80}.")
        if self.direction is not None and self.direction not in DIRECTIONS:
            raise UserError(f"A direction is 'min' or 'max', not {self.direction!r:.80}.")

    def named(self, name: str, *, source: str, description: str = "") -> metrics.Metric:
        """Build the metric of a benchmark.

        Args:
            name: Its name.
            source: Where its values come from.
            description: One line.

        Raises:
            UserError: The unit or the direction contradicts the name.
        """
        return metric_named(
            name,
            unit=self.unit,
            direction=self.direction,
            source=source,
            description=description,
        )


def declared(given: object, what: str) -> dict[str, Metric]:
    """Read a mapping of names to functions or to `Metric`, or names alone.

    Args:
        given: The mapping, or the names.
        what: The argument, for messages.

    Raises:
        UserError: It is neither, or a name is there twice.
    """
    if not isinstance(given, Mapping):
        names = check_names(what, given)
        if twice := [name for name in names if names.count(name) > 1]:
            raise UserError(f"{twice[0]} is there twice among {what}.")
        return {name: Metric() for name in names}
    return {
        str(name): one if isinstance(one, Metric) else Metric(one) for name, one in given.items()
    }


def with_open_units(own: Mapping[str, Metric]) -> frozenset[str]:
    """Choose the errors and accuracies whose unit is not declared.

    Args:
        own: What is declared, by name.
    """
    names = (name for name, one in own.items() if not one.unit)
    return frozenset(name for name in names if metric_named(name).unit == PERCENT)


def differences(own: Mapping[str, Metric]) -> dict[str, list[str]]:
    """Return the declared units and directions that names do not imply, for a fingerprint.

    Args:
        own: What is declared, by name.
    """
    found = {}
    for name, one in own.items():
        meant = one.named(name, source="")
        usual = metric_named(name)
        if (meant.unit, meant.quantity) != (usual.unit, usual.quantity):
            found[name] = [meant.unit, meant.quantity]
    return found
