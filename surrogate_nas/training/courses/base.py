"""What a course is: which inputs the networks see in an epoch, what they are told, and how they are judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import torch
from torch import Tensor

from surrogate_nas.training.measures import Answers
from surrogate_nas.training.tasks.checking import Split

if TYPE_CHECKING:
    from surrogate_nas.training.tasks import Task

Answer: TypeAlias = Callable[[Tensor], Tensor]
"""From inputs ``(n, …)`` to the outputs of all networks ``(K, n, …)`` in evaluation mode."""


class Course:
    """One run of training of K networks that are trained side by side.

    Attributes:
        stackable: Whether several networks can take it at once; else K is 1.
        note: What went wrong with the one network of a course that is not stackable, or empty.
    """

    stackable: ClassVar[bool] = True

    def __init__(self, task: Task, data: Mapping[str, Split], *, seed: int, device: torch.device) -> None:
        """Begin a run.

        Args:
            task: Its loss, measures and schedule.
            data: The splits, on the device.
            seed: The root of everything that is drawn.
            device: Where it is trained.
        """
        self.task, self.data, self.seed, self.device = task, data, seed, device
        self.note = ""

    @property
    def steps(self) -> int:
        """Steps of the optimiser in an epoch."""
        raise NotImplementedError

    def batches(self, epoch: int, answer: Answer) -> Iterator[tuple[Tensor, Tensor]]:
        """What an epoch's steps see: inputs and what they are compared with.

        Args:
            epoch: Counted from 0.
            answer: The networks as they are now, without gradients.
        """
        raise NotImplementedError

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of each network on a batch, shape ``(K,)``.

        Args:
            outputs: Shape ``(K, batch, …)``, with gradients.
            targets: As `batches` gave them.
        """
        return self.task.losses(outputs, targets)

    def judged(self, split: str, answer: Answer) -> tuple[Tensor, Answers]:
        """The loss of each network on a split, shape ``(K,)``, and what measures look at.

        Args:
            split: ``valid`` or ``test``.
            answer: The networks as they are now; with gradients by the inputs where they require them.
        """
        raise NotImplementedError

    def faults(self, answers: Answers) -> list[str]:
        """What went wrong with each network, or empty: why its results are what they are.

        Args:
            answers: Of the split that was judged last.
        """
        return [self.note] * len(answers.outputs)
