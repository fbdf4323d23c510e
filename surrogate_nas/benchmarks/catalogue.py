"""Live benchmarks as a list shows them: nothing is opened, so nothing waits for PyTorch or for data.

A test holds every entry against what the opened benchmark says of itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from surrogate_nas.benchmarks.proxies import untrained
from surrogate_nas.core.extras import is_installed
from surrogate_nas.space import DEFAULT_SPACE, SPACES, Space, space_named
from surrogate_nas.training.tasks import TASKS, Task

_PREFIX = "live:"
HOW = "at the end of the run, one seed"
"""How a metric of live training is measured."""


def describe_live() -> Iterator[dict[str, Any]]:
    """Every task on every space of the project's own whose cells can be trained, as a list has it."""
    for space in filter(lambda space: space.is_buildable, map(space_named, SPACES)):
        yield from (_describe(task, space) for task in TASKS.values())


def _describe(task: Task, space: Space) -> dict[str, Any]:
    trained = [told.metric((task.schedule.epochs,), HOW) for told in task.diagnostics]
    metrics = [*trained, *(metric for metric, _ in untrained(space).values())]
    return {
        "name": _PREFIX + (task.name if space.name == DEFAULT_SPACE else f"{task.name}/{space.name}"),
        "title": f"live training: {task.title}",
        "space": space.name,
        "cells": int(space.size) if math.isfinite(space.size) else None,
        "available": task.is_here() and is_installed("torch"),
        "metrics": [metric.describe() for metric in metrics],
        "seeds": [],
        "source": f"trained here on cpu: {task.source}",
        "licence": "see the task's source",
        "citation": "",
        "banner": "",
    }
