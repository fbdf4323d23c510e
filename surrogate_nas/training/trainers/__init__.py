"""Trainers: how a training run is organised, from batches of examples to episodes of a policy."""

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
    """One training run of K networks that are trained side by side.

    Every example is used once per epoch, in an order that the seed and the epoch determine; the
    last batch may be smaller.

    Attributes:
        stackable: Whether several networks can be trained at once; otherwise K is 1.
        multiplies_matrices: Whether the trainer uses NumPy's matrix products, whose last digits
            depend on the processor.
        note: A description of a failure, for the network of a trainer that is not stackable; empty
            if there was none.
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
        """Yield the inputs of an epoch's steps, and the targets for the outputs.

        Args:
            epoch: The number of the epoch, counted from 0.
            predict: The prediction function of the current networks.
        """
        inputs, targets = self.data["train"]
        order = np.random.default_rng((self.seed, epoch)).permutation(len(targets))
        batch = self.task.schedule.batch
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            yield inputs[chosen], targets[chosen]

    def loss_and_gradient(self, outputs: Any, targets: Array) -> tuple[Array, Any]:
        """Return the loss of each network on a batch, shape ``(K,)`` float64, and the gradient of
        the sum of these losses with respect to the outputs.
        """
        return self.task.trained.loss_and_gradient(outputs, targets)

    def judged(self, split: str, predict: Predict) -> tuple[Array, Predictions]:
        """Return the loss of each network on a split, shape ``(K,)``, and the predictions for
        computing metrics.

        Args:
            split: ``valid`` or ``test``.
            predict: The prediction function of the current networks.
        """
        inputs, targets = self.data[split]
        outputs = predict(inputs)
        predictions = Predictions(outputs, targets, inputs, self.task, predict)
        return self.task.losses(outputs, targets), predictions

    def faults(self, predictions: Predictions) -> list[str]:
        """Return a description of each network's failure, which explains its results; empty if
        there was none.
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
    """Train on shuffled batches of normal examples, each its own target; evaluate on all
    examples.
    """

    def __init__(self, task: Task, data: Mapping[str, Split], *, seed: int) -> None:
        """Begin a run."""
        normal = data["train"].inputs[data["train"].targets == NORMAL]
        super().__init__(task, {**data, "train": Split(normal, normal)}, seed=seed)

    def loss_and_gradient(self, outputs: Any, targets: Array) -> tuple[Array, Any]:
        """The loss of each network on a batch, shape ``(K,)`` float64, and the gradient of their
        sum by the outputs.
        """
        losses, gradient = super().loss_and_gradient(
            outputs.reshape(-1, *targets.shape), targets
        )
        return losses, gradient.reshape(outputs.shape)

    def judged(self, split: str, predict: Predict) -> tuple[Array, Predictions]:
        """Return the loss of each network on the normal examples of a split, and its predictions
        for all examples.
        """
        inputs, labels = self.data[split]
        outputs = predict(inputs).reshape(-1, *inputs.shape)
        normal = labels == NORMAL
        predictions = Predictions(outputs, labels, inputs, self.task, predict)
        return self.task.losses(outputs[:, normal], inputs[normal]), predictions
