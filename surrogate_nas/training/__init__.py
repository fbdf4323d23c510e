"""Live training: the network of a cell, the tasks it learns, and an engine that trains many cells
at once.

What is here is imported when first used, so that a list of tasks does not wait for
PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from surrogate_nas.training.engine import Curve, train
    from surrogate_nas.training.tasks import TASKS, Task, task_named

__all__ = ["TASKS", "Curve", "Task", "task_named", "train"]

_FILES = {
    "TASKS": "tasks",
    "Curve": "engine",
    "Task": "tasks",
    "task_named": "tasks",
    "train": "engine",
}


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_FILES[name]}"), name)
