"""Which tasks are trained with which losses: a plan for every pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from surrogate_nas.errors import UserError
from surrogate_nas.making.plan import Plan
from surrogate_nas.training import TASKS, Task, task_named

CLASSES, NOISY_CLASSES, SEEDS = 1000, 200, 2
MOST_EXAMPLES = 10_000
"""A task of more training examples takes part only where it is named: its cells take minutes, not seconds."""
Note = Callable[[str], object]


@dataclass(frozen=True)
class Pair:
    """A task with a loss that trains it.

    Attributes:
        task: The task, with the loss that is its own.
        trained: The task as it is trained here.
        plan: What is trained.
    """

    task: Task
    trained: Task
    plan: Plan

    @property
    def loss(self) -> str:
        """The name of the loss."""
        return self.trained.trained.name


def pairs_of(
    tasks: Sequence[str] = (),
    losses: Sequence[str] = (),
    *,
    classes: int = CLASSES,
    noisy_classes: int = NOISY_CLASSES,
    note: Note = lambda _: None,
) -> list[Pair]:
    """Every task with every loss that fits it.

    Args:
        tasks: Names of tasks, or ``file.py:TASK``; none for all whose data is here and whose cells take seconds.
        losses: Names of losses, or ``file.py:LOSS``; none for all that fit.
        classes: How many classes every pair trains, in one random order.
        noisy_classes: How many of them a second seed trains.
        note: Told of every task that is left out, and why.

    Raises:
        UserError: There is no such task or loss, a number is too small, or nothing is left.
    """
    from surrogate_nas.training.losses import fitting, loss_named

    if not isinstance(classes, int) or classes < 1:
        raise UserError(f"Classes must be at least 1, not {classes!r:.80}.")
    kinds = {loss: loss_named(loss).fits for loss in losses}
    found = []
    for name in dict.fromkeys(tasks or TASKS):
        if "?" in name:
            raise UserError(f"{name} names a loss; name the task alone, and losses by --losses.")
        task = task_named(name)
        if reason := _absent(task, named=bool(tasks)):
            note(f"{name} is left out: {reason}")
            continue
        for loss in [loss for loss in losses if task.kind in kinds[loss]] if losses else fitting(task.kind):
            plan = Plan(f"{name}?loss={loss}", task.schedule.epochs, SEEDS, noisy_classes, classes)
            found.append(Pair(task, task.with_loss(loss), plan))
    if not found:
        raise UserError("There is nothing to train: none of the losses fits a task whose data is here.")
    return found


def _absent(task: Task, *, named: bool) -> str:
    """Why a task cannot take part, or empty."""
    if not task.is_here():
        return f"its data is not here ({task.source})."
    try:
        examples = len(task.data["train"].targets)
    except UserError as error:
        return str(error)
    too_long = examples > MOST_EXAMPLES and not named
    return f"its {examples:,} training examples take long; name it to train it." if too_long else ""
