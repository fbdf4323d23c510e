"""Losses by name: a family is one more file here; a user's own is a ``file.py:LOSS``."""

from __future__ import annotations

from surrogate_nas.core.registry import Registry
from surrogate_nas.training.losses.base import Loss

__all__ = ["LOSSES", "Loss", "fitting", "loss_named"]

LOSSES = Registry(
    "loss",
    Loss,
    folder=__name__,
    attribute="FAMILY",
    first=("classes", "boxes", "numbers", "sequences", "images"),
    group="surrogate_nas.losses",
)


def loss_named(name: str) -> Loss:
    """Find a loss."""
    loss = LOSSES.find(name)
    return loss if name in LOSSES else loss.guarded


def fitting(kind: str) -> tuple[str, ...]:
    """The names of the losses that can train a kind of task, in the order of `LOSSES`."""
    return tuple(name for name, loss in LOSSES.items() if kind in loss.fits)
