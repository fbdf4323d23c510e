"""Adversarial: a generator made of the cell against a fixed, small discriminator; one step of each, by turns.

The discriminator has two strided convolutions and is trained by Adam; the gradient of its scores at real images is
penalised (R1, Mescheder et al., ICML 2018). Neither spectral normalisation, nor other rates, nor the penalty in every
fourth step only, kept so short a training from swinging. Answers become images by the logistic function. Noise and real
images are each shuffled anew in every epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surrogate_nas.errors import UserError
from surrogate_nas.training.courses.base import Answer
from surrogate_nas.training.courses.supervised import Supervised
from surrogate_nas.training.losses.adversarial import AdversarialLoss
from surrogate_nas.training.measures import Answers
from surrogate_nas.training.measures.generation import coverage
from surrogate_nas.training.tasks import Split, Task

COLLAPSED = 0.1
"""A coverage below this is noted as a collapse."""
_WIDTH = 16
_RATE = 2e-3
_PENALTY = 1.0
"""Half of it weighs the squared gradient."""


class Discriminator(nn.Module):
    """From images ``(n, channels, height, width)`` to scores ``(n,)``, large for real ones."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        """Build it.

        Args:
            channels: Of an image.
            height: Likewise.
            width: Likewise.
        """
        super().__init__()
        sides = [-(-side // 4) for side in (height, width)]
        self.first = nn.Conv2d(channels, _WIDTH, 3, stride=2, padding=1)
        self.second = nn.Conv2d(_WIDTH, 2 * _WIDTH, 3, stride=2, padding=1)
        self.head = nn.Linear(2 * _WIDTH * sides[0] * sides[1], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Score images.

        Args:
            x: Shape ``(n, channels, height, width)``.
        """
        x = F.leaky_relu(self.first(x), 0.2)
        scores: Tensor = self.head(F.leaky_relu(self.second(x), 0.2).flatten(1))
        return scores.squeeze(1)


class Adversarial(Supervised):
    """Every noise input once an epoch, with a real image each; a step of the discriminator, then of the generator."""

    stackable: ClassVar[bool] = False

    def __init__(self, task: Task, data: Mapping[str, Split], *, seed: int, device: torch.device) -> None:
        """Begin a run.

        Args:
            task: Trained by an `AdversarialLoss`.
            data: Inputs are noise, targets real images.
            seed: The root of the discriminator's weights and of the order of examples.
            device: Where it is trained.

        Raises:
            UserError: The task's loss knows no discriminator.
        """
        super().__init__(task, data, seed=seed, device=device)
        if not isinstance(task.trained, AdversarialLoss):
            raise UserError(f"The loss {task.trained.name} says nothing to a discriminator: it is no AdversarialLoss.")
        self.loss = task.trained
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.discriminator = Discriminator(*data["train"].targets.shape[1:]).to(device)
        self.optimiser = torch.optim.Adam(self.discriminator.parameters(), lr=_RATE, betas=(0.5, 0.99), foreach=True)

    def batches(self, epoch: int, answer: Answer) -> Iterator[tuple[Tensor, Tensor]]:  # noqa: ARG002 - the interface
        """Noise, and as many real images.

        Args:
            epoch: Counted from 0.
            answer: Not looked at.
        """
        noise, images = self.data["train"]
        rng = np.random.default_rng((self.seed, epoch))
        orders = (torch.from_numpy(rng.permutation(len(noise))).to(self.device) for _ in range(2))
        for chosen, real in zip(*(torch.split(order, self.task.schedule.batch) for order in orders), strict=True):
            yield noise[chosen], images[real]

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The generator's loss, shape ``(1,)``, after a step of the discriminator.

        Args:
            outputs: Made images, shape ``(1, batch, channels, height, width)``, with gradients.
            targets: Real images, shape ``(batch, channels, height, width)``.
        """
        made = outputs[0].sigmoid()
        self.discriminator.requires_grad_(True)
        scores = self._discriminate(made.detach(), targets)
        self.discriminator.requires_grad_(False)
        return self._generating(made, scores)

    def _discriminate(self, made: Tensor, images: Tensor) -> Tensor:
        """One step of the discriminator; gives the scores of the real images before it, shape ``(batch,)``."""
        real = images.clone().requires_grad_()
        scores: Tensor = self.discriminator(torch.cat([made, real]))
        fooled, right = scores[: len(made)], scores[len(made) :]
        (slope,) = torch.autograd.grad(right.sum(), real, create_graph=True)
        penalty = _PENALTY / 2 * slope.square().flatten(1).sum(1).mean()
        self.optimiser.zero_grad()
        (self.loss.discriminating(fooled, right) + penalty).backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return right.detach()

    def _generating(self, made: Tensor, real: Tensor) -> Tensor:
        return self.loss.each(self.discriminator(made)[None], real).mean(1)

    @torch.no_grad()
    def judged(self, split: str, answer: Answer) -> tuple[Tensor, Answers]:
        """The generator's loss on a split's noise, shape ``(1,)``, and its images; a collapse is noted.

        Args:
            split: ``valid`` or ``test``.
            answer: The generator as it is now.
        """
        noise, images = self.data[split]
        answers = Answers(answer(noise).sigmoid(), images, noise, self.task, answer)
        covered = coverage(answers).item()
        self.note = f"collapsed: {split} coverage {covered:.2f}" if covered < COLLAPSED else ""
        return self._generating(answers.outputs[0], self.discriminator(images)), answers
