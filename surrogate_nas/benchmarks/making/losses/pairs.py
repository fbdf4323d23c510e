"""Which tasks are trained with which losses, and for how long: a plan for every pair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from surrogate_nas.benchmarks.making.plan import Plan, representatives
from surrogate_nas.core.arguments import check_whole
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import DEFAULT_SPACE, listed, space_named
from surrogate_nas.training import TASKS, Task, task_named

CLASSES, NOISY_CLASSES, SEEDS = 300, 300, 4
MOST_EXAMPLES = 10_000
"""A task of more training examples takes part only where it is named: its cells take minutes, not seconds."""
USUAL = "usual"
"""In place of a loss: that of the task."""
Note = Callable[[str], object]


@dataclass(frozen=True)
class Pair:
    """A task with a loss that trains it, in runs of some length.

    Attributes:
        task: The task, with the loss that is its own.
        trained: The task as it is trained here.
        plan: What is trained.
        length: Of a run, in usual runs of the task.
    """

    task: Task
    trained: Task
    plan: Plan
    length: int = 1

    @property
    def loss(self) -> str:
        """The name of the loss."""
        return self.trained.trained.name

    @property
    def table(self) -> str:
        """The name of the file that it goes into, without its ending."""
        return self.task.name if self.length == 1 else f"{self.task.name}-x{self.length}"

    @property
    def words(self) -> str:
        """What messages call it."""
        return self.plan.task + f" ×{self.length}" * (self.length > 1)

    @property
    def places(self) -> dict[int, int]:
        """By the index of a cell that stands for its class, its place in the random order of classes."""
        return _places(self.plan.space)

    def with_seeds(self, classes: int | None, seeds: int) -> Pair:
        """The same pair with every class trained with every seed.

        Args:
            classes: How many; None for all.
            seeds: How many.
        """
        noisy = len(representatives(self.plan.cells)) if classes is None else classes
        return replace(self, plan=replace(self.plan, classes=classes, noisy_classes=noisy, seeds=seeds))


@lru_cache(maxsize=8)
def _places(space: str) -> dict[int, int]:
    jobs = Plan("", 1, 1, 0, None, space).jobs()
    return {job.cell: place for place, job in enumerate(jobs)}


def pair_of(name: str, task: Task, loss: str, length: int = 1) -> Pair:
    """A task with a loss, with the usual numbers of classes and seeds.

    Args:
        name: Of the task, as `task_named` takes it.
        task: The task.
        loss: The name of a loss, or ``file.py:LOSS``.
        length: Of a run, in usual runs of the task.

    Raises:
        UserError: The loss does not fit.
    """
    plan = Plan(f"{name}?loss={loss}", length * task.schedule.epochs, SEEDS, NOISY_CLASSES, CLASSES, DEFAULT_SPACE)
    return Pair(task, task.with_loss(loss), plan, length)


def pairs_of(
    tasks: Sequence[str] = (),
    losses: Sequence[str] = (),
    *,
    classes: int = CLASSES,
    noisy_classes: int = NOISY_CLASSES,
    length: int = 1,
    note: Note = lambda _: None,
) -> list[Pair]:
    """Every task with every loss that fits it.

    Args:
        tasks: Names of tasks, or ``file.py:TASK``; none for all whose data is here and whose cells take seconds.
        losses: Names of losses, or ``file.py:LOSS``, or `USUAL`; none for all that fit.
        classes: How many classes every pair trains, in one random order.
        noisy_classes: How many of them further seeds train.
        length: Of a run, in usual runs of the task.
        note: Told of every task that is left out, and why.

    Raises:
        UserError: There is no such task or loss, a number is too small, or nothing is left.
    """
    from surrogate_nas.training.losses import fitting, loss_named

    check_whole("Classes", classes, 1)
    kinds = {loss: loss_named(loss).fits for loss in losses if loss != USUAL}
    found = []
    for name in dict.fromkeys(tasks or TASKS):
        if "?" in name:
            raise UserError(f"{name} names a loss; name the task alone, and losses by --losses.")
        task = task_named(name)
        if reason := _absent(task, named=bool(tasks)):
            note(f"{name} is left out: {reason}")
            continue
        named = [task.trained.name if loss == USUAL else loss for loss in losses]
        right = [loss for loss in dict.fromkeys(named) if task.kind in kinds.get(loss, (task.kind,))]
        for loss in right if losses else fitting(task.kind):
            pair = pair_of(name, task, loss, length)
            found.append(replace(pair, plan=replace(pair.plan, classes=classes, noisy_classes=noisy_classes)))
    if not found:
        raise UserError("There is nothing to train: none of the losses fits a task whose data is here.")
    return found


def by_table(pairs: Iterable[Pair]) -> dict[str, list[Pair]]:
    """The pairs that make a table, each once, by the table's name.

    Args:
        pairs: In the order of a design, in which a pair may stand with several plans.
    """
    found: dict[str, dict[str, Pair]] = {}
    for pair in pairs:
        own = found.setdefault(pair.table, {})
        known = own.setdefault(pair.loss, pair)
        if known.task is not pair.task and known.plan.task != pair.plan.task:
            raise UserError(
                f"{known.plan.task} and {pair.plan.task} would be in one table; give the tasks other names."
            )
        own[pair.loss] = known if classes_of(known) >= classes_of(pair) else pair
    return {table: list(own.values()) for table, own in found.items()}


def classes_of(pair: Pair) -> int:
    """How many classes a pair trains.

    Args:
        pair: The pair.
    """
    every = len(representatives(listed(space_named(pair.plan.space))))
    return every if pair.plan.classes is None else min(every, pair.plan.classes)


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
