"""Trainers by name: how a run of training is spent, from batches of examples to episodes of a
policy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from surrogate_nas.core.registry import Registry, subclass_of
from surrogate_nas.training.trainers.base import Predict, Trainer

if TYPE_CHECKING:
    from surrogate_nas.training.tasks import Task

__all__ = ["TRAINERS", "Predict", "Trainer", "trainer_of"]

TRAINERS: Registry[type[Trainer]] = Registry(
    "trainer",
    subclass_of(Trainer, "surrogate_nas.training.trainers.Trainer"),
    {
        "policy": "surrogate_nas.training.trainers.policy:Policy",
        "supervised": "surrogate_nas.training.trainers.base:Trainer",
        "adversarial": "surrogate_nas.training.trainers.adversarial:Adversarial",
        "reconstruction": "surrogate_nas.training.trainers.base:Reconstruction",
    },
    group="surrogate_nas.trainers",
)


def trainer_of(task: Task) -> type[Trainer]:
    """The trainer of a task: its own, or that of its kind."""
    return TRAINERS.find(task.trainer or task.about.trainer)
