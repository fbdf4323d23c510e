"""The record of one training: what it told after every epoch and at its end, what it took, and what went wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from surrogate_nas.space import Cell


@dataclass
class Curve:
    """What training one cell gave.

    A number that is not finite, or a loss beyond `Task.worst_loss`, is recorded as the worst there is, with a note.

    Attributes:
        cell: The cell.
        task: The task's name.
        epochs: How many were trained.
        seed: The root of initial weights and batches.
        parameters: Of the whole network, dead operations included.
        multiply_accumulates: By the paper's convention, dead operations included; NaN where the space has no formula.
        device: What it was trained on.
        units: Of everything that is told, by name.
        values: By name, one after each epoch: of the training split the mean over its batches while training.
        finals: By name, what is told at the end only: of the test split, and of the validation split what costs more.
        seconds: Evaluation included; processor time on a CPU, wall-clock elsewhere; in a stack each cell's equal share.
        train_seconds: Of all epochs of training, without evaluation, likewise.
        valid_seconds: Of one evaluation of the validation split, likewise.
        note: What went wrong, or empty.

    Example:
        >>> from surrogate_nas.space import nb201
        >>> from surrogate_nas.training import TASKS, train
        >>> (curve,) = train([nb201()[11]], TASKS["digits"], epochs=2, test=False)
        >>> len(curve.values["train_loss"]), curve.units["valid_error"], curve.note
        (2, '%', '')
    """

    cell: Cell
    task: str
    epochs: int
    seed: int
    parameters: int
    multiply_accumulates: float
    device: str
    units: dict[str, str]
    values: dict[str, list[float]] = field(default_factory=dict)
    finals: dict[str, float] = field(default_factory=dict)
    seconds: float = math.nan
    train_seconds: float = 0.0
    valid_seconds: float = math.nan
    note: str = ""

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics at the end of the run, by the names of the benchmarks, in the order of their units."""
        last = {name: values[-1] for name, values in self.values.items()} | self.finals
        return {name: last[name] for name in self.units}
