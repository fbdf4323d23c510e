"""What a course is: which inputs the networks see in an epoch, what they are told, and how they are judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from surrogate_nas.training.arrays import Array
from surrogate_nas.training.measures import Answers
from surrogate_nas.training.tasks.checking import Split

if TYPE_CHECKING:
    from surrogate_nas.training.tasks import Task

Answer: TypeAlias = Callable[[Array], Array]
"""From inputs ``(n, …)`` to the arranged outputs of all networks ``(K, n, …)`` in evaluation mode."""


class Course:
    """One run of training of K networks that are trained side by side.

    Attributes:
        stackable: Whether several networks can take it at once; else K is 1.
        note: What went wrong with the one network of a course that is not stackable, or empty.
    """

    stackable: ClassVar[bool] = True

    def __init__(self, task: Task, data: Mapping[str, Split], *, seed: int) -> None:
        """Begin a run.

        Args:
            task: Its loss, measures and schedule.
            data: The splits.
            seed: The root of everything that is drawn.
        """
        self.task, self.data, self.seed = task, data, seed
        self.note = ""

    @property
    def steps(self) -> int:
        """Steps of the optimiser in an epoch."""
        raise NotImplementedError

    def batches(self, epoch: int, answer: Answer) -> Iterator[tuple[Array, Array]]:
        """What an epoch's steps see: inputs and what they are compared with.

        Args:
            epoch: Counted from 0.
            answer: The networks as they are now.
        """
        raise NotImplementedError

    def descent(self, outputs: Any, targets: Array) -> tuple[Array, Any]:
        """The loss of each network on a batch, shape ``(K,)`` float64, and the gradient of their sum by the outputs.

        Args:
            outputs: Arranged, shape ``(K, batch, …)``: an array on a CPU, elsewhere a tensor. The gradient is like it.
            targets: As `batches` gave them.
        """
        return self.task.descent(outputs, targets)

    def judged(self, split: str, answer: Answer) -> tuple[Array, Answers]:
        """The loss of each network on a split, shape ``(K,)``, and what measures look at.

        Args:
            split: ``valid`` or ``test``.
            answer: The networks as they are now.
        """
        raise NotImplementedError

    def faults(self, answers: Answers) -> list[str]:
        """What went wrong with each network, or empty: why its results are what they are.

        Args:
            answers: Of the split that was judged last.
        """
        return [self.note] * len(answers.arrays.outputs)
