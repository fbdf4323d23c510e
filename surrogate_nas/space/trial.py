"""The request of a strategy, and the trial: all that a strategy sees of one evaluation."""

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
"""What stored trials are checked by."""


class Request(NamedTuple):
    """An evaluation that a strategy which chooses epochs asks for.

    Attributes:
        epochs: The length of the training run, one of the strategy's `epochs`.
        read: Further search metrics after that run that `Trial.values` shall hold, such as
            ``train_loss``.

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
    """The metrics that were looked up for a trial, by the names that an expression writes, such as
    ``valid_error[5]``; of a metric that was read once, ``valid_error`` is enough.

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
            raise KeyError(f"{name} is none of {', '.join(full or self)}")
        return self[full[0]]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (
            sum(key.partition("[")[0] == name for key in self) == 1
        )

    def get(self, name: Any, default: Any = None) -> Any:
        """The value of a metric by either name, or a default where it was not read once."""
        return self[name] if name in self else default


@dataclass(frozen=True, slots=True)
class Trial:
    """The outcome of one evaluation under an objective.

    Attributes:
        index: The trial's place in its run, from 0, in the order of finishing.
        cell: The evaluated cell.
        score: What is minimised; finite. An infeasible cell's score lies above that of every
            feasible one, and so does that of a failed evaluation. Of several objectives it is their
            sum.
        loss: The L of the objective (dimensionless for errors, as fractions; a loss in its own
            unit); NaN where the evaluation failed.
        penalty: The λ·R of the objective (dimensionless); NaN where the evaluation failed.
        feasible: Whether every constraint holds; False where the evaluation failed.
        epochs: The training run that the loss was read from; None where training plays no part.
        cost: The charge for the evaluation in the benchmark's unit: simulated or measured seconds,
            or queries.
        values: The search metrics that the objective looked up, in their own units; ``valid_error``
            finds ``valid_error[5]`` where no other epochs were read.
        started: When it began, on the simulated clock of the run, in the unit of `cost`.
        finished: When it ended.
        scores: Of several objectives, each one's score; empty where there is one.
        failure: Why the evaluation failed, such as ``out of memory``; empty where it did not. A
            failed trial has no values, ranks after all feasible ones and is never the best; models
            leave it out.

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
