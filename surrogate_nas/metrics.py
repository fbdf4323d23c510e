"""What can be asked of a cell: named, unit-carrying numbers, each with its kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["search", "final", "record"]
Quantity = Literal["error", "loss", "cost", "structure"]


@dataclass(frozen=True)
class Metric:
    """A named, unit-carrying number of a cell; smaller is better throughout.

    Attributes:
        name: Such as ``valid_error`` or ``latency@raspi4``.
        unit: Such as ``%``, ``nats``, ``ms``, ``s``, ``M`` (million), or empty for a count.
        kind: ``search`` metrics may enter an objective; ``final`` ones (test results) are only reported;
            ``record`` ones (training and evaluation seconds) say what an answer costs.
        quantity: ``error`` (%) and ``loss`` (in its own unit) are losses of the task, ``cost`` and ``structure``
            regularise.
        epochs: The training runs that it is held for; empty where training does not matter.
        split: The data it was measured on, or empty.
        description: One line, with what a reader must know.
        source: Where the numbers come from.
        n_cells: How many cells of the space have a value.
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


_COST_UNITS = {"latency": "ms", "energy": "mJ", "memory": "MB"}


def metric_named(name: str, *, description: str = "", source: str = "") -> Metric:
    """What a metric of a user's own is, by its name.

    ``…_error`` is in %, ``…_loss`` a loss in a unit of its own; ``test_…`` is only reported and never searched on;
    ``latency@…`` is in ms, ``energy@…`` in mJ, ``memory@…`` in MB; everything else is a cost without unit.

    Args:
        name: Such as ``valid_error`` or ``latency@mine``.
        description: One line, with what a reader must know.
        source: Where the numbers come from.
    """
    kind: Kind = "final" if name.startswith("test_") else "search"
    quantity: Quantity = "error" if name.endswith("_error") else "loss" if name.endswith("_loss") else "cost"
    unit = "%" if quantity == "error" else "" if quantity == "loss" else _COST_UNITS.get(name.partition("@")[0], "")
    return Metric(name, unit, kind, quantity, description=description, source=source)
