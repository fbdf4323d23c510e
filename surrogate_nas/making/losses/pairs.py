"""Which tasks are trained with which losses: a plan for every pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from surrogate_nas.errors import UserError, unknown
from surrogate_nas.making.plan import Plan
from surrogate_nas.training import TASKS, Task, task_named

MOST_EXAMPLES = 10_000
"""A task of more training examples takes part only where it is named: its cells take minutes, not seconds."""
CLASSES, NOISY_CLASSES, SEEDS = 1000, 200, 2
Note = Callable[[str], object]


@dataclass(frozen=True)
class Pair:
    """A task and a loss that trains it.

    Attributes:
        task: The task, as it was named.
        loss: The loss, as it was named.
        plan: What is trained; how many classes is said elsewhere.
    """

    task: str
    loss: str
    plan: Plan

    @property
    def trained(self) -> Task:
        """The task with its loss."""
        return task_named(self.plan.task)


def pairs_of(tasks: Sequence[str] = (), losses: Sequence[str] = (), *, note: Note = lambda _: None) -> list[Pair]:
    """Every task with every loss that fits it.

    Args:
        tasks: Names of tasks, or ``file.py:TASK``; none for all whose data is here and whose cells take seconds.
        losses: Names of losses, or ``file.py:LOSS``; none for all that fit.
        note: Told of every task that is left out, and why.

    Raises:
        UserError: There is no such task or loss, or nothing is left.
    """
    from surrogate_nas.training.losses import LOSSES, fitting, loss_named

    kinds = {loss: loss_named(loss).fits for loss in losses}
    found = []
    for name in dict.fromkeys(tasks or TASKS):
        task = task_named(name)
        if "?" in name:
            raise UserError(f"Name the task alone, not {name}: all losses that fit it are trained, or those of --losses.")
        if reason := _left_out(task, named=bool(tasks)):
            note(f"{name} is left out: {reason}")
            continue
        fitted = [loss for loss in losses if task.kind in kinds[loss]] if losses else fitting(task.kind)
        found += [Pair(name, loss, _plan(task, f"{name}?loss={loss}")) for loss in fitted]
    if not found:
        known = "none of the losses fits the tasks" if losses else "no task is here"
        raise UserError(f"There is nothing to train: {known}. {unknown('loss', ','.join(losses), LOSSES)}")
    return found


def _plan(task: Task, name: str) -> Plan:
    return Plan(name, task.schedule.epochs, seeds=SEEDS, noisy_classes=NOISY_CLASSES)


def _left_out(task: Task, *, named: bool) -> str:
    """Why a task cannot take part, or empty."""
    if not task.is_here():
        return f"its data is not here ({task.source})"
    try:
        examples = len(task.data["train"].targets)
    except UserError as error:
        return str(error)
    return f"{examples:,} training examples take too long; name it to train it" if examples > MOST_EXAMPLES and not named else ""
