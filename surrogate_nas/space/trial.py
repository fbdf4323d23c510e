"""Requests of strategies for evaluations, and trials: all that a strategy observes of an
evaluation.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from surrogate_nas.core import former
from surrogate_nas.space.cell import Cell

_LARGEST = sys.float_info.max
Epochs = Annotated[int, Meta(ge=1)]
Finite = Annotated[float, Meta(ge=-_LARGEST, le=_LARGEST)]
Positive = Annotated[float, Meta(ge=0, le=_LARGEST)]
"""The type by which numbers of stored trials are checked."""


class Request(NamedTuple):
    """A request to evaluate a cell, made by a strategy that chooses the number of epochs.

    Attributes:
        cell: The cell to evaluate.
        epochs: The number of training epochs, one of the strategy's `epochs`.
        read: Additional search metrics to include in `Trial.values`, such as ``train_loss``.

    Example:
        >>> import surrogate_nas as sn
        >>> class Short(sn.Strategy):
        ...     chooses_epochs = True
        ...
        ...     def ask(self, n):
        ...         cell = self.space.sample(self.rng)
        ...         return [
        ...             Request(
        ...                 cell, self.epochs[0 if self.rng.random() < 2 / 3 else -1]
        ...             )
        ...         ]
        >>> run = sn.search("fashion", Short, "valid_error", budget=30)
        >>> sorted({trial.epochs for trial in run.trials})
        [1, 5]
    """

    cell: Cell
    epochs: int
    read: tuple[str, ...] = ()


class TrialValues(dict[str, float]):
    """The metrics of a trial by name. ``valid_error[5]`` is the validation error after 5 epochs.

    If a metric was read at a single number of epochs, its name without epochs suffices, such as
    ``valid_error``.

    Example:
        >>> values = TrialValues({"valid_error[5]": 7.5, "params": 3.0})
        >>> values["valid_error"], "valid_error" in values, values.get("test_error")
        (7.5, True, None)
        >>> list(values), values == {"valid_error[5]": 7.5, "params": 3.0}
        (['valid_error[5]', 'params'], True)
    """

    __slots__ = ()

    def __missing__(self, name: str) -> float:
        full = [key for key in self if key.partition("[")[0] == name]
        if len(full) != 1:
            raise KeyError(f"{name} is not one of {', '.join(full or self)}")
        return self[full[0]]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (
            sum(key.partition("[")[0] == name for key in self) == 1
        )

    def get(self, name: Any, default: Any = None) -> Any:
        """Return the value of a metric by its name with or without epochs.

        Return `default` if the name is unknown or not unique.
        """
        return self[name] if name in self else default


@dataclass(frozen=True, slots=True)
class Trial:
    """The outcome of one evaluation under an objective.

    Attributes:
        index: The number of the trial in its run, from 0, in the order of finishing.
        cell: The evaluated cell.
        score: The score to minimise, a finite number. With several objectives, it is the sum of
            their scores. Infeasible cells and failed evaluations have higher scores than every
            feasible cell.
        loss: The loss term L of the objective, or NaN if the evaluation failed. An error is a
            dimensionless fraction, and a loss has its own unit.
        penalty: The dimensionless penalty term λ·R of the objective, or NaN if the evaluation
            failed.
        feasible: Whether the evaluation succeeded and every constraint is satisfied.
        epochs: The number of training epochs after which the loss was read, or None if the loss
            does not depend on training.
        cost: The cost that the evaluation charges to the budget, in the benchmark's unit: simulated
            or measured seconds, or queries.
        values: The search metrics that the objective read, in their own units. The name
            ``valid_error`` refers to ``valid_error[5]`` if the metric was read at no other number
            of epochs.
        started: The start of the evaluation on the simulated clock of the run, in the unit of
            `cost`.
        finished: The end of the evaluation on the simulated clock of the run, in the unit of
            `cost`.
        scores: The score under each of several objectives, or empty for a single objective.
        failure: The reason why the evaluation failed, such as ``out of memory``, or empty if the
            evaluation succeeded. A failed trial has no values, ranks after all feasible trials and
            is never the best. Models ignore it.

    Example:
        >>> import surrogate_nas as sn
        >>> trial = sn.search(
        ...     "fashion", "random", "valid_error + 0.1*params", budget=20
        ... ).trials[0]
        >>> trial.epochs, trial.feasible, sorted(trial.values)
        (5, True, ['params', 'valid_error[5]'])
        >>> abs(trial.score - (trial.loss + trial.penalty)) < 1e-9
        True
    """

    index: int
    cell: Cell
    score: Finite
    loss: float
    penalty: float
    feasible: bool
    epochs: Epochs | None
    cost: Positive
    values: Mapping[str, float] = field(default_factory=dict)
    started: Positive = 0.0
    finished: Positive = 0.0
    scores: tuple[Finite, ...] = ()
    failure: str = ""
    cost_seconds = former("cost_seconds", "cost")

    @property
    def options(self) -> dict[str, Any]:
        """The cell's options by position, such as ``{"width": 16, "depth": 2}``."""
        return self.cell.options
