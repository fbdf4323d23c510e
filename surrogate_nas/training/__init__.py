"""Live training: the network of a cell, the tasks it learns, and an engine that trains many cells at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from surrogate_nas.training.tasks import TASKS, Task, task_named

if TYPE_CHECKING:
    from surrogate_nas.training.engine import Curve, train

__all__ = ["TASKS", "Curve", "Task", "task_named", "train"]


def __getattr__(name: str) -> Any:
    """The engine, which loads PyTorch, is imported when first used: a list of tasks does without."""
    if name in ("Curve", "train"):
        from surrogate_nas.training import engine

        return getattr(engine, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
