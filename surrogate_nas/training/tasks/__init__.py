"""Tasks by name: a further one is one more file here, or a user's ``file.py:TASK``."""

from __future__ import annotations

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.registry import Registry
from surrogate_nas.training.losses import LOSSES
from surrogate_nas.training.tasks.base import Schedule, Task
from surrogate_nas.training.tasks.checking import Split

__all__ = ["TASKS", "Schedule", "Split", "Task", "code_of", "task_named"]

NUMBERS_SINCE = "0.1.0"
"""The release since which trainings give the same numbers; it is raised when they change, so that
what was trained before and after is not mixed. A test holds it against shipped tables.
"""

TASKS = Registry(
    "task",
    Task,
    folder=__name__,
    attribute="TASK",
    first=(
        "digits",
        "fashion",
        "mnist1d",
        "rotation",
        "detection",
        "segmentation",
        "denoising",
        "generation",
        "text",
        "languages",
        "translation",
        "vowels",
        "letters",
        "sounds",
        "forecasting",
        "anomaly",
        "cartpole",
        "gridworld",
        "scripture",
        "bytecode",
        "words",
        "splice",
        "photographs",
        "mnist8",
        "glyphs",
        "life",
        "spelling",
        "speech_words",
        "chessboard",
        "cifar8",
        "hyphens",
    ),
    group="surrogate_nas.tasks",
)
"""Every task by name; its data is read when first used."""


def task_named(name: str) -> Task:
    """Find a task.

    Args:
        name: A key of `TASKS`, or ``path/to/file.py:NAME`` of a `Task`; ``?loss=NAME`` behind it
            trains another loss.

    Raises:
        UserError: There is no such name or file, the file fails to import, it holds no such task,
            or the loss does not fit.

    Example:
        >>> task = task_named("fashion?loss=focal")
        >>> task.name, task.classes, task.schedule.epochs
        ('fashion?loss=focal', 10, 5)
    """
    name, loss = parted(name)
    task = TASKS.find(name)
    return task.with_loss(loss) if loss else task


def parted(name: str) -> tuple[str, str]:
    """The task and the loss of ``TASK?loss=LOSS``; the loss is empty where none is named."""
    task, mark, option = name.partition("?")
    key, _, loss = option.partition("=")
    if mark and (key != "loss" or not loss):
        raise UserError(
            f"Behind a task's name only ?loss=LOSS may stand, not ?{option:.80}."
        )
    return task, loss


def code_of(name: str) -> str:
    """What stands for the code of a task and its loss: `NUMBERS_SINCE`, and a digest of the user's
    files.

    Imports of a user's file are not part of it; the data that it makes are (`Task.digest`).
    """
    task, loss = parted(name)
    codes = (NUMBERS_SINCE, TASKS.code(task), LOSSES.code(loss))
    return " ".join(code for code in codes if code)


def is_theirs(name: str) -> bool:
    """Whether a task or its loss is code of a user's, in a file or in an installed package."""
    task, loss = parted(name)
    return ":" in name or task in TASKS.points() or loss in LOSSES.points()
