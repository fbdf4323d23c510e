"""Tasks by name: a further one is one more file and one more line here, or a user's ``file.py:TASK``."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from surrogate_nas.errors import UserError, unknown
from surrogate_nas.training.tasks import cifar, digits, fashion, mnist1d, rotation, text
from surrogate_nas.training.tasks.base import Schedule, Split, Task

__all__ = ["TASKS", "Schedule", "Split", "Task", "task_named"]

TASKS: dict[str, Task] = {
    task.name: task
    for task in (digits.TASK, fashion.TASK, mnist1d.TASK, rotation.TASK, text.TASK, cifar.CIFAR10, cifar.CIFAR100)
}
"""Every task by name; its data is read when first used."""


def task_named(name: str) -> Task:
    """Find a task.

    Args:
        name: A key of `TASKS`, or ``path/to/file.py:NAME`` of a `Task`.

    Raises:
        UserError: There is no such name or file, the file fails to import, or it holds no such task.
    """
    if name in TASKS:
        return TASKS[name]
    path, separator, attribute = name.rpartition(":")
    if not separator:
        raise unknown("task", name, TASKS)
    if not Path(path).is_file():
        raise UserError(f"There is no task file {path}.")
    spec = importlib.util.spec_from_file_location(f"_task_{Path(path).stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # noqa: BLE001 - a stranger's file can raise anything
        raise UserError(f"{path} cannot be imported: {type(error).__name__}: {error}.") from error
    task = getattr(module, attribute, None)
    if not isinstance(task, Task):
        raise UserError(f"{path} holds no task {attribute}.")
    return task
