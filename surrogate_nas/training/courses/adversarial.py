"""Adversarial: a generator made of the cell against a fixed, small discriminator; one step of each, by turns.

The discriminator has two strided convolutions and is trained by Adam; the gradient of its scores at real images is
penalised (R1, Mescheder et al., ICML 2018). Neither spectral normalisation, nor other rates, nor the penalty in every
fourth step only, kept so short a training from swinging. Answers become images by the logistic function. Noise and real
images are each shuffled anew in every epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.training.arrays import Array, as_array
from surrogate_nas.training.courses.base import Answer
from surrogate_nas.training.courses.discriminator import Discriminator
from surrogate_nas.training.courses.supervised import Supervised
from surrogate_nas.training.losses.adversarial import AdversarialLoss
from surrogate_nas.training.machine import loaded
from surrogate_nas.training.measures import Answers
from surrogate_nas.training.measures.generation import coverage
from surrogate_nas.training.tasks import Split, Task

COLLAPSED = 0.1
"""A coverage below this is noted as a collapse."""


class Adversarial(Supervised):
    """Every noise input once an epoch, with a real image each; a step of the discriminator, then of the generator."""

    stackable: ClassVar[bool] = False

    def __init__(self, task: Task, data: Mapping[str, Split], *, seed: int) -> None:
        """Begin a run.

        Args:
            task: Trained by an `AdversarialLoss`.
            data: Inputs are noise, targets real images.
            seed: The root of the discriminator's weights and of the order of examples.

        Raises:
            UserError: The task's loss knows no discriminator.
        """
        super().__init__(task, data, seed=seed)
        if not isinstance(task.trained, AdversarialLoss):
            raise UserError(f"The loss {task.trained.name} says nothing to a discriminator: it is no AdversarialLoss.")
        self.loss = task.trained
        self.compared = self.loss.discriminating_slope or partial(_by_autograd, self.loss)
        self.discriminator = Discriminator(*data["train"].targets.shape[1:], seed=seed)

    def batches(self, epoch: int, answer: Answer) -> Iterator[tuple[Array, Array]]:  # noqa: ARG002 - the interface
        """Noise, and as many real images.

        Args:
            epoch: Counted from 0.
            answer: Not looked at.
        """
        noise, images = self.data["train"]
        rng, batch = np.random.default_rng((self.seed, epoch)), self.task.schedule.batch
        chosen, real = (rng.permutation(len(noise)) for _ in range(2))
        for start in range(0, len(noise), batch):
            part = slice(start, start + batch)
            yield noise[chosen[part]], images[real[part]]

    def descent(self, outputs: Any, targets: Array) -> tuple[Array, Any]:
        """The generator's loss, shape ``(1,)``, after a step of the discriminator, and its gradient by the outputs.

        Args:
            outputs: Shape ``(1, batch, channels, height, width)``, of which the logistic function makes images: an
                array, or a tensor where it is trained elsewhere. The gradient is like it.
            targets: Real images, shape ``(batch, channels, height, width)``.
        """
        made = _logistic(as_array(outputs)[0])
        real = self.discriminator.learn(made, as_array(targets), self.compared)
        scores, slopes = self.discriminator.slopes(made)
        losses, by_score = self.loss.descent(scores[None], real)
        gradient = slopes * by_score[0, :, None, None, None]
        gradient *= made
        gradient *= 1 - made
        return losses, gradient[None] if isinstance(outputs, np.ndarray) else outputs.new_tensor(gradient)[None]

    def judged(self, split: str, answer: Answer) -> tuple[Array, Answers]:
        """The generator's loss on a split's noise, shape ``(1,)``, and its images; a collapse is noted.

        Args:
            split: ``valid`` or ``test``.
            answer: The generator as it is now.
        """
        noise, images = self.data[split]
        made = _logistic(as_array(answer(noise)))
        answers = Answers(made, images, noise, self.task, answer)
        covered = coverage(answers).item()
        self.note = f"collapsed: {split} coverage {covered:.2f}" if covered < COLLAPSED else ""
        real = self.discriminator.scores(as_array(images))
        return self.loss.values(self.discriminator.scores(made[0])[None], real), answers


@np.errstate(all="ignore")
def _logistic(x: Array) -> Array:
    made: Array = 1 / (1 + np.exp(-x))
    return made


def _by_autograd(loss: AdversarialLoss, made: Array, real: Array) -> tuple[float, Array, Array]:
    """What the discriminator loses, and its gradients by the scores, of a loss that knows no slope."""
    torch = loaded()
    with torch.enable_grad():
        scores = [torch.from_numpy(one.copy()).requires_grad_() for one in (made, real)]
        value = loss.discriminating(*scores)
        slopes = torch.autograd.grad(value, scores, allow_unused=True, materialize_grads=True)
    return value.item(), as_array(slopes[0]), as_array(slopes[1])
