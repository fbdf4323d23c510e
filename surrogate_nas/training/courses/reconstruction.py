"""Reconstruction: networks learn to answer their own inputs, of normal examples only; labels are for the judge.

What a network makes of anomalous examples has no part in a loss: they are not trained on, and the loss of a split is
that of its normal examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surrogate_nas.training.arrays import Array
from surrogate_nas.training.courses.base import Answer
from surrogate_nas.training.courses.supervised import Supervised
from surrogate_nas.training.measures import Answers
from surrogate_nas.training.tasks import Split, Task

NORMAL = 0
"""The label of normal examples; every other label is of anomalous ones."""


class Reconstruction(Supervised):
    """Shuffled batches of normal examples, each its own target; all examples are judged."""

    def __init__(self, task: Task, data: Mapping[str, Split], *, seed: int) -> None:
        """Begin a run.

        Args:
            task: Its head answers as many numbers as an input has.
            data: The splits; targets are labels.
            seed: The root of the order of examples.
        """
        normal = data["train"].inputs[data["train"].targets == NORMAL]
        super().__init__(task, {**data, "train": Split(normal, normal)}, seed=seed)

    def descent(self, outputs: Any, targets: Array) -> tuple[Array, Any]:
        """The loss of each network on a batch, shape ``(K,)`` float64, and the gradient of their sum by the outputs.

        Args:
            outputs: Shape ``(K, batch, numbers)``, an array or a tensor.
            targets: Shape ``(batch, channels, height, width)``.
        """
        losses, gradient = super().descent(outputs.reshape(-1, *targets.shape), targets)
        return losses, gradient.reshape(outputs.shape)

    def judged(self, split: str, answer: Answer) -> tuple[Array, Answers]:
        """The loss of each network on the normal examples of a split, and its answers to all.

        Args:
            split: ``valid`` or ``test``.
            answer: The networks as they are now.
        """
        inputs, labels = self.data[split]
        outputs = answer(inputs).reshape(-1, *inputs.shape)
        normal = labels == NORMAL
        answers = Answers(outputs, labels, inputs, self.task, answer)
        return self.task.losses(outputs[:, normal], inputs[normal]), answers
