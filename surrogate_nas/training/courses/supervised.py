"""Supervised: shuffled batches of the training split, judged on the whole of another."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from surrogate_nas.training.arrays import Array
from surrogate_nas.training.courses.base import Answer, Course
from surrogate_nas.training.measures import Answers


class Supervised(Course):
    """Every example once an epoch, in an order that the seed and the epoch draw; the last batch may be smaller."""

    @property
    def steps(self) -> int:
        """Steps of the optimiser in an epoch."""
        return math.ceil(len(self.data["train"].targets) / self.task.schedule.batch)

    def batches(self, epoch: int, answer: Answer) -> Iterator[tuple[Array, Array]]:  # noqa: ARG002 - the interface
        """Examples and their targets.

        Args:
            epoch: Counted from 0.
            answer: Not looked at.
        """
        inputs, targets = self.data["train"]
        order, batch = np.random.default_rng((self.seed, epoch)).permutation(len(targets)), self.task.schedule.batch
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            yield inputs[chosen], targets[chosen]

    def judged(self, split: str, answer: Answer) -> tuple[Array, Answers]:
        """The loss of each network on a split, and its answers.

        Args:
            split: ``valid`` or ``test``.
            answer: The networks as they are now.
        """
        inputs, targets = self.data[split]
        outputs = answer(inputs)
        return self.task.losses(outputs, targets), Answers(outputs, targets, inputs, self.task, answer)

    def faults(self, answers: Answers) -> list[str]:
        """What went wrong with each network, as tasks of this kind know it.

        Args:
            answers: Of the split that was judged last.
        """
        known = self.task.about.faults
        return known(answers) if known else super().faults(answers)
