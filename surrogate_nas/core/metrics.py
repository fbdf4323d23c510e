"""What can be asked of a cell: named, unit-carrying numbers, each with its kind and its
direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind = Literal["search", "final", "record"]
"""Searched on, only reported, or a record of what an answer costs."""
Quantity = Literal["error", "loss", "quality", "cost", "structure", "proxy"]
"""What a metric tells; its direction and its part in an objective follow from it."""
LOSSES: tuple[Quantity, ...] = ("error", "loss", "quality")
"""The quantities that tell how well a network does its task, so that L can be made of them."""


@dataclass(frozen=True)
class Metric:
    """A named, unit-carrying number of a cell; smaller is better, but for a quality and a proxy.

    Attributes:
        name: Such as ``valid_error`` or ``latency@raspi4``.
        unit: Such as ``%``, ``nats``, ``ms``, ``s``, ``M`` (million), or empty for a count and for
            a fraction.
        kind: ``search`` metrics may enter an objective; ``final`` ones (test results) are only
            reported; ``record`` ones (training and evaluation seconds) say what an answer costs.
        quantity: ``error`` (%), ``loss`` (in its own unit) and ``quality`` (accuracy and mIoU in %,
            SSIM as a fraction, which may be negative; larger is better) tell how well the task is
            done, ``cost`` and ``structure`` regularise, ``proxy`` is a score without training, of
            which larger promises more.
        epochs: The training runs that it is held for; empty where training does not matter.
        split: The data it was measured on, or empty.
        description: One line, with what a reader must know.
        source: Where the numbers come from.
        n_cells: How many cells of the space have a value.

    Example:
        >>> import numpy as np
        >>> accuracy = Metric("valid_accuracy", "%", "search", "quality", epochs=(12, 200))
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
        """The direction: of a quality and a proxy larger values are better, of everything else
        smaller ones.
        """
        return self.quantity in ("quality", "proxy")

    def minimised(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values of this metric such that smaller is better: a quality and a proxy negated, all
        others as they are.

        Args:
            values: Any shape, in the metric's unit.
        """
        return -values if self.larger_is_better else values

    def worst(self, values: NDArray[np.float64]) -> float:
        """The worst of some values: the largest; of a quality or a proxy the smallest.

        Args:
            values: Any shape, not empty, in the metric's unit.
        """
        return float(values.min() if self.larger_is_better else values.max())

    def describe(self) -> dict[str, Any]:
        """The metric's entry in ``snas benchmarks --json``; ``direction`` says whether smaller or
        larger is better.
        """
        return {
            "name": self.name,
            "unit": self.unit,
            "direction": "larger" if self.larger_is_better else "smaller",
            "epochs": list(self.epochs),
            "kind": self.kind,
            "split": self.split,
            "description": self.description,
        }


def by_use(metric: Metric) -> int:
    """The place of a metric in lists: what L is made of, then what R is, final ones, proxies,
    records.

    Example:
        >>> names = ("params", "test_error", "train_error", "valid_error")
        >>> [metric.name for metric in sorted(map(metric_named, names), key=by_use)]
        ['valid_error', 'train_error', 'params', 'test_error']
    """
    if metric.kind != "search":
        return 5 if metric.kind == "final" else 7
    of_loss = int(metric.split == "train" or metric.name.startswith("train_"))
    return of_loss if metric.is_loss else {"cost": 2, "structure": 3, "proxy": 6}[metric.quantity]


_QUANTITIES: dict[str, Quantity] = {
    "error": "error",
    "loss": "loss",
    "accuracy": "quality",
    "proxy": "proxy",
}
_COST_UNITS = {"latency": "ms", "energy": "mJ", "memory": "MB"}


def metric_named(name: str, *, description: str = "", source: str = "") -> Metric:
    """What a metric of a user's own is, by its name.

    ``…_error`` is in %, and so is ``…_accuracy``, a quality: larger is better; ``…_loss`` is a loss
    in a unit of its own; ``test_…`` is only reported and never searched on; ``latency@…`` is in ms,
    ``energy@…`` in mJ, ``memory@…`` in MB; ``…_proxy`` is a score without training: larger promises
    more; everything else is a cost without unit.

    Args:
        name: Such as ``valid_error`` or ``latency@mine``.
        description: One line, with what a reader must know.
        source: Where the numbers come from.

    Example:
        >>> [
        ...     metric_named(name).unit
        ...     for name in ("valid_error", "latency@mine", "memory@mine", "depth")
        ... ]
        ['%', 'ms', 'MB', '']
        >>> metric_named("test_error").kind  # never searched on
        'final'
    """
    kind: Kind = "final" if name.startswith("test_") else "search"
    what, _, _ = name.partition("@")
    quantity = _QUANTITIES.get(what.rpartition("_")[2], "cost")
    unit = "%" if quantity in ("error", "quality") else _COST_UNITS.get(what, "")
    return Metric(
        name,
        unit,
        kind,
        quantity,
        description=description,
        source=source,
    )


def score_metric(
    name: str,
    unit: str,
    quantity: Quantity,
    description: str,
    source: str = "analytic",
    split: str = "",
) -> Metric:
    """How good a trained network is: final where the name begins with ``test_``.

    Args:
        name: The metric, such as ``valid_error@best``.
        unit: Of its values.
        quantity: Error, loss or quality.
        description: One line.
        source: Where it comes from.
        split: What it was measured on; the beginning of the name if left out.
    """
    kind: Kind = "final" if name.startswith("test_") else "search"
    split = split or name.partition("_")[0]
    return Metric(name, unit, kind, quantity, split=split, description=description, source=source)


def cost_metric(name: str, unit: str, description: str = "", source: str = "analytic") -> Metric:
    """What a network costs, which a search may see.

    Args:
        name: The metric, such as ``latency@raspi4``.
        unit: Of its values.
        description: One line.
        source: Where it comes from.
    """
    return Metric(name, unit, "search", "cost", description=description, source=source)


def record_metric(
    name: str,
    unit: str,
    description: str,
    source: str = "analytic",
    quantity: Quantity = "cost",
) -> Metric:
    """What is told of how a number came about, such as the seconds of a training.

    Args:
        name: The metric, such as ``train_seconds``.
        unit: Of its values.
        description: One line.
        source: Where it comes from.
        quantity: What kind of number it is.
    """
    return Metric(name, unit, "record", quantity, description=description, source=source)
