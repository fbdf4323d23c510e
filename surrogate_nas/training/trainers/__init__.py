"""Trainers by name: how a run of training is spent, from batches of examples to episodes of a policy."""

from __future__ import annotations

import importlib

from surrogate_nas.core.errors import unknown
from surrogate_nas.training.trainers.base import Answer, Trainer

__all__ = ["TRAINERS", "Answer", "Trainer", "trainer_named"]

TRAINERS = {
    "policy": "policy:Policy",
    "supervised": "base:Supervised",
    "adversarial": "adversarial:Adversarial",
    "reconstruction": "base:Reconstruction",
}
"""The file here and the class of every trainer."""


def trainer_named(name: str) -> type[Trainer]:
    """Find a trainer.

    Args:
        name: A key of `TRAINERS`.

    Raises:
        UserError: There is none of this name.
    """
    if name not in TRAINERS:
        raise unknown("course of training", name, TRAINERS)
    file, _, found = TRAINERS[name].partition(":")
    kind: type[Trainer] = getattr(importlib.import_module(f"{__name__}.{file}"), found)
    return kind
