"""What a training tells: the names, units and moments of the numbers on its curve and at its
end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from surrogate_nas.core.metrics import Kind, Metric, Quantity

if TYPE_CHECKING:
    from surrogate_nas.training.metrics import TaskMetric


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
        """A value, or the worst where it is worse or not finite.

        Args:
            value: As it was measured.
        """
        if not math.isfinite(value):
            return self.worst
        return max(value, self.worst) if self.quantity == "quality" else min(value, self.worst)

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


def diagnostics_of(
    loss_unit: str,
    worst_loss: float,
    measures: Sequence[TaskMetric],
) -> Iterator[Diagnostic]:
    """Everything that a training tells, by split."""
    for split in ("train", "valid", "test"):
        yield Diagnostic(f"{split}_loss", split, loss_unit, "loss", worst_loss, split != "test")
        for measure in measures:
            if split != "train" or measure.when == "batch":
                every = split != "test" and measure.when != "end"
                yield Diagnostic(
                    f"{split}_{measure.name}",
                    split,
                    measure.unit,
                    measure.quantity,
                    measure.worst,
                    every,
                )
