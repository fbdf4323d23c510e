"""The design of the experiment on losses: tasks, losses and run lengths, read from a TOML file.

A step is a table ``[[steps]]`` of:

- ``tasks``: a list of names;
- ``losses``: ``"all"`` that fit, or ``"usual"`` for the loss of the task;
- ``length``: of a run, in usual runs of the task, also a part of one (1 if left out);
- ``classes``: how many are trained of one random order, or ``"all"``;
- ``first``: the place of the first of them in that order (0 if left out);
- ``space``: whose cells (NAS-Bench-201's if left out);
- ``seeds``: with which every one of them is trained, from ``first_seed`` on (0 if left out);
- ``condition``: the name of the step, whose trainings then stand in the table of the task as
  ``METRIC@CONDITION``; without it they stand as ``METRIC@LOSS``;
- ``label_noise`` and ``train_share``: options of the task;
- ``varied``: whether every class has its own weight decay;
- ``shares``: of a run, at which numbers are kept in place of the whole curve.

The table ``[every]`` holds what all steps have in common, ``round`` the classes of a round.

A pair of task and loss may stand in several steps, and is trained once with every class and seed.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from analysis.building.jobs import Plan, class_order
from surrogate_nas.space import DEFAULT_SPACE
from surrogate_nas.training import Task, task_named
from surrogate_nas.training.losses import fitting
from surrogate_nas.training.tasks import OPTIONS, joined

PROTOCOL = Path(__file__).with_name("protocol.toml")


@dataclass(frozen=True)
class Pair:
    """A task with a loss that trains it, in runs of some length.

    Attributes:
        task: The task, with the loss that is its own.
        trained: The task as it is trained here.
        plan: What is trained.
        length: Of a run, in usual runs of the task.
        condition: The name of the step, if it has one.
    """

    task: Task
    trained: Task
    plan: Plan
    length: float = 1
    condition: str = ""

    @property
    def loss(self) -> str:
        """What a table calls it: the condition, or the loss."""
        return self.condition or self.trained.trained.name

    @property
    def table(self) -> str:
        """The name of the file that it goes into, without its ending."""
        space = "" if self.plan.space == DEFAULT_SPACE else f"-{self.plan.space}"
        is_longer = self.length != 1 and not self.condition
        longer = f"-x{self.length:g}" if is_longer else ""
        return f"{self.task.name}{space}{longer}"


def read_design(path: Path = PROTOCOL) -> Iterator[Pair]:
    """The pairs of a design in the order of their priority.

    Example:
        >>> pair = next(read_design())
        >>> pair.plan.task, pair.length, pair.plan.classes, pair.plan.seeds
        ('digits?loss=cross_entropy', 1, 100, 4)
    """
    design = tomllib.loads(path.read_text("utf-8"))
    for step in ({**design.get("every", {}), **step} for step in design["steps"]):
        space, length = step.get("space", DEFAULT_SPACE), step.get("length", 1)
        number = (
            len(class_order(space)) if step["classes"] == "all" else step["classes"]
        )
        for name in step["tasks"]:
            task = task_named(name)
            losses = (
                fitting(task.kind) if step["losses"] == "all" else [task.trained.name]
            )
            for loss in losses:
                options = {key: str(step[key]) for key in OPTIONS if key in step}
                plan = Plan(
                    joined(name, {"loss": loss, **options}),
                    math.ceil(length * task.schedule.epochs - 1e-9),
                    seeds=step["seeds"],
                    noisy_classes=number,
                    classes=number,
                    space=space,
                    first_class=step.get("first", 0),
                    first_seed=step.get("first_seed", 0),
                    shares=tuple(step.get("shares", ())),
                    varied=step.get("varied", False),
                )
                trained = plan.trained if plan.shares else task.with_loss(loss)
                yield Pair(task, trained, plan, length, step.get("condition", ""))


def round_of(path: Path = PROTOCOL) -> int:
    """The number of classes of a round."""
    size: int = tomllib.loads(path.read_text("utf-8")).get("round", 50)
    return size


def by_table(pairs: Iterable[Pair]) -> dict[str, dict[str, list[Pair]]]:
    """The pairs by the name of their table, and by loss."""
    tables: dict[str, dict[str, list[Pair]]] = {}
    for pair in pairs:
        tables.setdefault(pair.table, {}).setdefault(pair.loss, []).append(pair)
    return tables
