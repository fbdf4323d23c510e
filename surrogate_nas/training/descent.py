"""How weights are trained: stochastic gradient descent by a task's schedule."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from surrogate_nas.training.tasks import Schedule


def descent(
    parameters: Iterable[nn.Parameter], schedule: Schedule, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """The optimiser, and what lets its learning rate fall to 0 as a cosine.

    Args:
        parameters: What is trained.
        schedule: The rates.
        steps: Over how many steps the rate falls.
    """
    optimiser = torch.optim.SGD(
        parameters,
        lr=schedule.learning_rate,
        momentum=schedule.momentum,
        weight_decay=schedule.weight_decay,
        nesterov=schedule.momentum > 0,
        foreach=True,
    )
    return optimiser, torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
