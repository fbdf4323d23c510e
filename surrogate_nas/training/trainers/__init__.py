"""Trainers define how a training is organised: from batches of examples, by adversarial steps, or
from episodes of a policy.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, TypeAlias

import numpy as np

from surrogate_nas.training.machine import Array
from surrogate_nas.training.metrics import Predictions
from surrogate_nas.training.tasks import Split, Task

Predict: TypeAlias = Callable[[Array], Array]
"""A function from inputs ``(n, …)`` to the arranged outputs of all networks ``(K, n, …)`` in
evaluation mode.
"""


class Trainer:
    """A training of K networks that are trained side by side on batches of examples.

    Every example is used once per epoch, in an order that depends on the seed and the epoch. The
    last batch of an epoch may be smaller.

    Attributes:
        stackable: Whether several networks can be trained at once. Otherwise, the number of
            networks K is 1.
        multiplies_matrices: Whether the trainer uses NumPy's matrix products, whose last digits
            depend on the processor.
        note: A description of the network's failure if the trainer is not stackable; empty if there
            was no failure.
    """

    stackable: ClassVar[bool] = True
    multiplies_matrices: ClassVar[bool] = False

    def __init__(self, task: Task, data: Mapping[str, Split], *, seed: int) -> None:
        """Begin a run."""
        self.task = task
        self.data = data
        self.seed = seed
        self.note = ""

    @property
    def steps(self) -> int:
        """The number of optimiser steps per epoch."""
        return math.ceil(len(self.data["train"].targets) / self.task.schedule.batch)

    def batches(self, epoch: int, predict: Predict) -> Iterator[tuple[Array, Array]]:
        """Yield the inputs and the targets of each step of an epoch.

        Args:
            epoch: The number of the epoch, counted from 0.
            predict: A function that computes the outputs of the current networks.
        """
        inputs, targets = self.data["train"]
        order = np.random.default_rng((self.seed, epoch)).permutation(len(targets))
        batch = self.task.schedule.batch
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            yield inputs[chosen], targets[chosen]

    def loss_and_gradient(self, outputs: Any, targets: Array) -> tuple[Array, Any]:
        """Return the loss of each of K networks on a batch, shape ``(K,)``, and the gradient of the
        sum of these losses with respect to the outputs.
        """
        return self.task.trained.loss_and_gradient(outputs, targets)

    def judged(self, split: str, predict: Predict) -> tuple[Array, Predictions]:
        """Return the loss of each of K networks on a split, shape ``(K,)``, and the predictions
        from which metrics are computed.

        Args:
            split: The split for evaluation, ``valid`` or ``test``.
            predict: A function that computes the outputs of the current networks.
        """
        inputs, targets = self.data[split]
        outputs = predict(inputs)
        predictions = Predictions(outputs, targets, inputs, self.task, predict)
        return self.task.losses(outputs, targets), predictions

    def faults(self, predictions: Predictions) -> list[str]:
        """Return a text for each network that describes its failure, if any, and so explains its
        results. The text is empty without a failure.
        """
        find = self.task.about.faults
        return find(predictions) if find else [self.note] * len(predictions.outputs)


# Reconstruction: networks learn to answer their own inputs, of normal examples only; labels are for
# evaluation.
#
# What a network makes of anomalous examples has no part in a loss: they are not trained on, and the
# loss of a split is that of its normal examples.


NORMAL = 0
"""The label of normal examples; all other labels are those of anomalous examples."""


class Reconstruction(Trainer):
    """Train networks to reconstruct their inputs, on shuffled batches of normal examples. Networks
    are evaluated on all examples.
    """

    def __init__(self, task: Task, data: Mapping[str, Split], *, seed: int) -> None:
        """Begin a run."""
        normal = data["train"].inputs[data["train"].targets == NORMAL]
        super().__init__(task, {**data, "train": Split(normal, normal)}, seed=seed)

    def loss_and_gradient(self, outputs: Any, targets: Array) -> tuple[Array, Any]:
        """Return the reconstruction loss of each of K networks on a batch, shape ``(K,)``, and the
        gradient of the sum of these losses with respect to the outputs.
        """
        losses, gradient = super().loss_and_gradient(
            outputs.reshape(-1, *targets.shape), targets
        )
        return losses, gradient.reshape(outputs.shape)

    def judged(self, split: str, predict: Predict) -> tuple[Array, Predictions]:
        """Return the loss of each network on the normal examples of a split, and the network's
        predictions for all examples.
        """
        inputs, labels = self.data[split]
        outputs = predict(inputs).reshape(-1, *inputs.shape)
        normal = labels == NORMAL
        predictions = Predictions(outputs, labels, inputs, self.task, predict)
        return self.task.losses(outputs[:, normal], inputs[normal]), predictions
