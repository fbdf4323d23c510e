"""The trainings of a table: a cell of every functional class, some with several seeds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.arguments import check_whole
from surrogate_nas.core.digests import json_digest
from surrogate_nas.files import home
from surrogate_nas.space import DEFAULT_SPACE, Enumerable, listed, space_named
from surrogate_nas.training import task_named
from surrogate_nas.training.machine import check_numbers, engine_named
from surrogate_nas.training.tasks import code_of
from surrogate_nas.training.trainers import trainer_of

ORDER_SEED = 0
MOST_SEEDS = 1000


class Job(NamedTuple):
    """One training: the index of the cell that stands for its class, and the seed."""

    cell: int
    seed: int


@dataclass(frozen=True)
class Plan:
    """What is trained.

    Attributes:
        task: The task, as `task_named` knows it.
        epochs: The length of every run.
        seeds: How many seeds the random part of the classes is trained with.
        noisy_classes: How many classes that part has.
        classes: How many classes are trained at all; None for all of them.
        space: The space, by its name or definition.
        first_class: The place of the first of them in the random order of classes.
    """

    task: str
    epochs: int
    seeds: int = 3
    noisy_classes: int = 500
    classes: int | None = None
    space: str = DEFAULT_SPACE
    first_class: int = 0

    def __post_init__(self) -> None:
        check_numbers(epochs=self.epochs)
        check_whole("Seeds", self.seeds, 1, MOST_SEEDS)
        check_whole("Classes of several seeds", self.noisy_classes, most=None)

    @property
    def cells(self) -> Enumerable:
        """The space."""
        return listed(space_named(self.space))

    def jobs(self) -> list[Job]:
        """All trainings in the order they are made: seed 0 first, classes in random order."""
        cells = representatives(self.cells)
        order = np.random.default_rng(ORDER_SEED).permutation(cells).tolist()
        order = order[self.first_class :][: self.classes]
        jobs = [Job(cell, 0) for cell in order]
        for seed in range(1, self.seeds):
            jobs += [Job(cell, seed) for cell in order[: self.noisy_classes]]
        return jobs


def first_of_class(space: Enumerable) -> NDArray[np.intp]:
    """The index of the first cell of every cell's functional class, shape ``(len(space),)``."""
    if space.classes is None:
        return np.arange(len(space))
    _, first, number = np.unique(space.classes, return_index=True, return_inverse=True)
    return first[number]


def representatives(space: Enumerable) -> NDArray[np.intp]:
    """The first cell of every functional class, indices into the space."""
    return np.unique(first_of_class(space))


def journal_path(plan: Plan) -> Path:
    """The journal of a plan's trainings in the home folder; plans that differ in seeds share it."""
    digest = json_digest(describe(plan))
    name = task_named(plan.task).name.replace("?loss=", "-")[:60]
    return home() / "training" / f"{name}-{digest[:16]}.jsonl"


def describe(plan: Plan) -> dict[str, Any]:
    """The settings that a training depends on, without the numbers of seeds and classes."""
    task = task_named(plan.task)
    return {
        "task": task.name,
        "space": plan.cells.definition,
        "schedule": asdict(task.schedule),
        "network": task.network().settings,
        "splits": {name: len(split.targets) for name, split in task.data.items()},
        "epochs": plan.epochs,
        "digest": f"{task.digest} {code_of(plan.task)}",
        "engine": engine_named(plan.cells, by_matrices=trainer_of(task).multiplies_matrices),
    }
