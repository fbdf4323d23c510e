"""Adversarial training: a generator that contains the cell and a small discriminator take steps in
turn.

The gradient of the discriminator's scores at real images is penalised (R1, Mescheder et al., ICML
2018). We tried other methods, but none prevented oscillations in such a short training. The outputs
of the generator pass through the logistic function, which yields images with values from 0 to 1.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from surrogate_nas.core import UserError
from surrogate_nas.training.losses.adversarial import (
    AdversarialLoss,
    DiscriminatorGradient,
)
from surrogate_nas.training.machine import Array, as_array
from surrogate_nas.training.metrics import Predictions
from surrogate_nas.training.metrics.generation import coverage
from surrogate_nas.training.tasks import Split, Task
from surrogate_nas.training.trainers import Predict, Trainer

WIDTH = 16
"""The channels after the first convolution; there are twice as many after the second."""
LEAK = 0.2
RATE = 2e-3
BETAS = (0.5, 0.99)
PENALTY = 1.0
"""The weight of R1's penalty: half of it multiplies the squared gradient."""
_TINY = 1e-8


class Discriminator:
    """The discriminator, a network that maps images ``(n, channels, height, width)`` to scores
    ``(n,)``. Real images should have large scores.

    The discriminator has two 3×3 convolutions with stride 2, leaky rectifiers, and one linear
    score. The discriminator's score is piecewise linear in the image. The gradient of R1's penalty
    therefore needs only one more forward pass, which propagates the score's gradient. The initial
    weights are distributed as in PyTorch's layers, and the optimiser is PyTorch's version of Adam
    (Kingma & Ba, ICLR 2015). In all internal arrays of the discriminator, examples are the last
    axis.

    Attributes:
        layers: Weights and biases of the two convolutions and of the score, as matrices.
        gradients: Gradients of the last step with respect to each array in `layers`.
    """

    def __init__(
        self,
        channels: int,
        height: int,
        width: int,
        *,
        seed: int,
        kind: type[np.floating[Any]] = np.float32,
    ) -> None:
        """Sample the initial weights."""
        features = 2 * WIDTH * math.prod(_halved(*_halved(height, width)))
        sizes = ((WIDTH, 9 * channels), (2 * WIDTH, 9 * WIDTH), (1, features))
        shapes = [shape for o, i in sizes for shape in ((o, i), (o, 1))]
        bounds = [np.full(o * (i + 1), 1 / math.sqrt(i), np.float32) for o, i in sizes]
        self._all = _uniform(seed, np.concatenate(bounds)).astype(kind)
        self.layers = _views(self._all, shapes)
        self._gradient = np.zeros_like(self._all)
        self.gradients = _views(self._gradient, shapes)
        self._first = np.zeros_like(self._all)
        self._second = np.zeros_like(self._all)
        self._steps = 0

    def scores(self, images: Array) -> Array:
        """Return the discriminator's scores of images, shape ``(n,)``."""
        return self._pass(images).scores

    def score_gradients(self, images: Array) -> tuple[Array, Array]:
        """Return the discriminator's scores of images, shape ``(n,)``, and the gradient of each
        score with respect to its image.
        """
        activations = self._pass(images)
        return activations.scores, activations.image_gradient().transpose(3, 0, 1, 2)

    @np.errstate(all="ignore")
    def learn(self, fake: Array, real: Array, compared: DiscriminatorGradient) -> Array:
        """Update the discriminator by one step of Adam. Return the discriminator's scores of the
        real images before the step, shape ``(n,)``.

        Args:
            fake: Generated images, shape ``(m, channels, height, width)``.
            real: Real images, shape ``(n, channels, height, width)``.
            compared: A function that computes the loss of the discriminator and its gradients from
                the scores of generated and real images.
        """
        fooled = len(fake)
        activations = self._pass(np.concatenate([fake, real]))
        _, by_fake, by_real = compared(
            activations.scores[:fooled], activations.scores[fooled:]
        )
        by_score = np.concatenate([by_fake, by_real]).astype(
            self._all.dtype, copy=False
        )
        self._of_scores(activations, by_score)
        self._of_penalty(activations, fooled)
        self._step()
        return activations.scores[fooled:]

    def _pass(self, images: Array) -> "_Pass":
        return _Pass(
            self.layers,
            images.transpose(1, 2, 3, 0).astype(self._all.dtype, copy=False),
        )

    def _of_scores(self, activations: "_Pass", by_score: Array) -> None:
        """Compute the gradient of a loss, from the gradient with respect to the scores."""
        first, first_bias, second, second_bias, head, head_bias = self.gradients
        np.matmul(activations.features, by_score, out=head[0])
        head_bias[:] = by_score.sum()
        for weight, bias, by_layer, windows in (
            (second, second_bias, activations.by_second, activations.second_windows),
            (first, first_bias, activations.by_first, activations.first_windows),
        ):
            down = (by_layer * by_score).reshape(len(weight), -1)
            np.matmul(down, windows.T, out=weight)
            np.add.reduce(down, axis=1, keepdims=True, out=bias)

    def _of_penalty(self, activations: "_Pass", begin: int) -> None:
        """Add the gradient of the penalty on images from ``begin`` on."""
        passed = activations.image_gradient(begin) * (
            PENALTY / (activations.scores.size - begin)
        )
        for i, by_layer, mask in (
            (0, activations.by_first, activations.first_mask),
            (2, activations.by_second, activations.second_mask),
        ):
            windows = _windows(passed)
            weight = self.layers[i]
            by_real = by_layer[..., begin:]
            self.gradients[i] += by_real.reshape(len(weight), -1) @ windows.T
            passed = (weight @ windows).reshape(by_real.shape) * mask[..., begin:]
        self.gradients[4] += np.add.reduce(passed, axis=3).reshape(1, -1)

    def _step(self) -> None:
        self._steps += 1
        gradient = self._gradient
        slow, fast = BETAS
        self._first += (1 - slow) * (gradient - self._first)
        self._second *= fast
        self._second += (1 - fast) * gradient * gradient
        scale = np.sqrt(self._second)
        scale /= math.sqrt(1 - fast**self._steps)
        scale += _TINY
        np.divide(self._first, scale, out=scale)
        scale *= RATE / (1 - slow**self._steps)
        self._all -= scale


class _Pass:
    """The activations of a forward pass of images ``(channels, height, width, n)``, and the
    gradients of their scores.
    """

    def __init__(self, layers: Sequence[Array], images: Array) -> None:
        first, first_bias, second, second_bias, head, head_bias = self.layers = layers
        self.images = images
        self.first_windows = _windows(images)
        hidden, self.first_mask = _rectified(
            first @ self.first_windows + first_bias, images
        )
        self.second_windows = _windows(hidden)
        hidden, self.second_mask = _rectified(
            second @ self.second_windows + second_bias, hidden
        )
        self.features = hidden.reshape(-1, images.shape[3])
        self.scores: Array = (head @ self.features + head_bias)[0]

    @cached_property
    def by_second(self) -> Array:
        """The gradients with respect to the output of the second convolution."""
        return self.layers[4].reshape(*self.second_mask.shape[:3], 1) * self.second_mask

    @cached_property
    def by_first(self) -> Array:
        """The gradients with respect to the output of the first convolution."""
        down = self.layers[2].T @ self.by_second.reshape(2 * WIDTH, -1)
        return _together(down, self.first_mask.shape) * self.first_mask

    def image_gradient(self, begin: int = 0) -> Array:
        """Return the gradients with respect to the images from ``begin`` on."""
        by_first = self.by_first[..., begin:]
        windows = self.layers[0].T @ by_first.reshape(WIDTH, -1)
        return _together(windows, self.images[..., begin:].shape)


def _halved(*sides: int) -> list[int]:
    return [-(-side // 2) for side in sides]


def _rectified(flat: Array, before: Array) -> tuple[Array, Array]:
    """Return leaky rectified values ``(channels, height, width, n)``, with half the height and
    width as before, and their derivatives.
    """
    values = flat.reshape(len(flat), *_halved(*before.shape[1:3]), before.shape[3])
    mask = np.where(values > 0, values.dtype.type(1), values.dtype.type(LEAK))
    return values * mask, mask


def _windows(images: Array) -> Array:
    """Return all zero-padded windows of 3×3 with stride 2 from ``(channels, height, width, n)``,
    one per column.
    """
    channels, height, width, n = images.shape
    rows, columns = _halved(height, width)
    padded = np.zeros((channels, 2 * rows + 1, 2 * columns + 1, n), images.dtype)
    padded[:, 1 : height + 1, 1 : width + 1] = images
    windows = np.empty((channels, 3, 3, rows, columns, n), images.dtype)
    for y in range(3):
        for x in range(3):
            windows[:, y, x] = padded[:, y : y + 2 * rows : 2, x : x + 2 * columns : 2]
    return windows.reshape(9 * channels, -1)


def _together(windows: Array, shape: tuple[int, ...]) -> Array:
    """Apply the transpose of `_windows`: for each pixel, sum its values in all windows, shape
    ``(channels, height, width, n)``.
    """
    channels, height, width, n = shape
    rows, columns = _halved(height, width)
    patches = windows.reshape(channels, 3, 3, rows, columns, n)
    padded = np.zeros((channels, 2 * rows + 1, 2 * columns + 1, n), windows.dtype)
    for y in range(3):
        for x in range(3):
            padded[:, y : y + 2 * rows : 2, x : x + 2 * columns : 2] += patches[:, y, x]
    return padded[:, 1 : height + 1, 1 : width + 1]


def _uniform(seed: int, bounds: Array) -> Array:
    """Return numbers between minus and plus their bounds, sampled as in PyTorch one after the
    other: 24 bits of each word.
    """
    words = np.random.RandomState(seed % 2**32).randint(
        0, 2**32, len(bounds), np.uint32
    )
    fractions = (words & np.uint32(2**24 - 1)).astype(np.float32) * np.float32(2**-24)
    uniform: Array = fractions * (2 * bounds) - bounds
    return uniform


def _views(flat: Array, shapes: Sequence[tuple[int, int]]) -> list[Array]:
    """Return parts of a vector as matrices of the given shapes, as views."""
    stops = np.cumsum([math.prod(shape) for shape in shapes])
    return [
        part.reshape(shape)
        for part, shape in zip(np.split(flat, stops[:-1]), shapes, strict=True)
    ]


COLLAPSED = 0.1
"""A coverage below this value is noted as a collapse."""


class Adversarial(Trainer):
    """Train a generator on every noise input once per epoch, each with one real image. In each
    step, the discriminator is updated first, then the generator.
    """

    stackable = False
    multiplies_matrices = True

    def __init__(self, task: Task, data: Mapping[str, Split], *, seed: int) -> None:
        """Begin a run."""
        super().__init__(task, data, seed=seed)
        if not isinstance(task.trained, AdversarialLoss):
            raise UserError(
                f"The loss {task.trained.name} has no loss for a discriminator: it is not an"
                " AdversarialLoss."
            )
        self.loss = task.trained
        self.discriminator = Discriminator(*data["train"].targets.shape[1:], seed=seed)

    def batches(self, epoch: int, predict: Predict) -> Iterator[tuple[Array, Array]]:
        """Yield batches of noise with the same number of real images."""
        noise, images = self.data["train"]
        rng = np.random.default_rng((self.seed, epoch))
        batch = self.task.schedule.batch
        chosen, real = (rng.permutation(len(noise)) for _ in range(2))
        for start in range(0, len(noise), batch):
            part = slice(start, start + batch)
            yield noise[chosen[part]], images[real[part]]

    def loss_and_gradient(self, outputs: Any, targets: Array) -> tuple[Array, Any]:
        """Update the discriminator by one step. Return the generator's loss, shape ``(1,)``, and
        the gradient with respect to its outputs.
        """
        fake = _logistic(as_array(outputs)[0])
        real = self.discriminator.learn(
            fake, as_array(targets), self.loss.discriminating_gradient
        )
        scores, score_gradients = self.discriminator.score_gradients(fake)
        losses, by_score = self.loss.loss_and_gradient(scores[None], real)
        gradient = score_gradients * by_score[0, :, None, None, None]
        gradient *= fake
        gradient *= 1 - fake
        if not isinstance(outputs, np.ndarray):
            gradient = outputs.new_tensor(gradient)
        return losses, gradient[None]

    def judged(self, split: str, predict: Predict) -> tuple[Array, Predictions]:
        """Return the generator's loss on the noise of a split, shape ``(1,)``, and the generated
        images. If the generator has collapsed, `note` says so.
        """
        noise, images = self.data[split]
        fake = _logistic(as_array(predict(noise)))
        predictions = Predictions(fake, images, noise, self.task, predict)
        covered = coverage(predictions).item()
        collapsed = f"collapsed: {split} coverage {covered:.2f}"
        self.note = collapsed if covered < COLLAPSED else ""
        real = self.discriminator.scores(as_array(images))
        scores = self.discriminator.scores(fake[0])[None]
        return self.loss.loss_and_gradient(scores, real)[0], predictions


@np.errstate(all="ignore")
def _logistic(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))
