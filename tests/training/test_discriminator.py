"""The discriminator by hand: its first weights, its gradients and its training against
PyTorch's.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surrogate_nas.training.losses import LOSSES
from surrogate_nas.training.losses.adversarial import AdversarialLoss
from surrogate_nas.training.trainers.adversarial import (
    BETAS,
    PENALTY,
    RATE,
    WIDTH,
    Discriminator,
)
from tests.training.losses_in_torch import DISCRIMINATING

SIZES = [(1, 8, 8), (3, 7, 10), (2, 1, 5), (1, 6, 6)]


class Same(nn.Module):
    """The same network, of PyTorch's layers."""

    def __init__(self, channels: int, height: int, width: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        sides = [-(-side // 4) for side in (height, width)]
        self.first = nn.Conv2d(channels, WIDTH, 3, stride=2, padding=1)
        self.second = nn.Conv2d(WIDTH, 2 * WIDTH, 3, stride=2, padding=1)
        self.head = nn.Linear(2 * WIDTH * sides[0] * sides[1], 1)

    def forward(self, x):
        hidden = F.leaky_relu(self.second(F.leaky_relu(self.first(x), 0.2)), 0.2)
        scores: Tensor = self.head(hidden.flatten(1)).squeeze(1)
        return scores

    def losses(self, made, real, loss):
        real = real.clone().requires_grad_()
        fooled = self(made)
        right = self(real)
        (slope,) = torch.autograd.grad(right.sum(), real, create_graph=True)
        return (
            DISCRIMINATING[loss.name](fooled, right)
            + PENALTY / 2 * slope.square().flatten(1).sum(1).mean()
        )


def images(n, size, seed=0):
    return np.random.default_rng((seed, n)).standard_normal((n, *size))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", [0, 1, 12345, 2**32 - 1, 2**32 + 7])
def test_weights_begin_as_pytorchs(size, seed):
    expected = list(Same(*size, seed).parameters())
    for found, right in zip(
        Discriminator(*size, seed=seed).layers, expected, strict=True
    ):
        np.testing.assert_allclose(
            found.ravel(), right.detach().numpy().ravel(), rtol=0, atol=1e-7
        )


@pytest.mark.parametrize("size", SIZES)
def test_scores_and_slopes_are_those_of_autograd(size):
    ours = Discriminator(*size, seed=3, kind=np.float64)
    same = Same(*size, 3).double()
    given = torch.from_numpy(images(4, size)).requires_grad_()
    expected = same(given)
    scores, slopes = ours.score_gradients(images(4, size))
    np.testing.assert_allclose(scores, expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    take_over(ours, same)
    scores, slopes = ours.score_gradients(images(4, size))
    expected = same(given)
    np.testing.assert_allclose(
        scores, expected.detach().numpy(), rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(ours.scores(images(4, size)), scores, rtol=1e-12)
    (right,) = torch.autograd.grad(expected.sum(), given)
    np.testing.assert_allclose(slopes, right.numpy(), rtol=1e-9, atol=1e-12)


def take_over(ours, same):
    for found, right in zip(ours.layers, same.parameters(), strict=True):
        found[...] = right.detach().numpy().reshape(found.shape)


@pytest.mark.parametrize("name", ["adversarial", "adversarial_hinge"])
@pytest.mark.parametrize("size", SIZES)
def test_gradients_and_ten_steps_are_pytorchs(name, size):
    loss = LOSSES[name]
    assert isinstance(loss, AdversarialLoss) and loss.discriminating_gradient
    ours = Discriminator(*size, seed=1, kind=np.float64)
    same = Same(*size, 1).double()
    take_over(ours, same)
    optimiser = torch.optim.Adam(same.parameters(), lr=RATE, betas=BETAS)
    for step in range(10):
        made = images(5, size, step)
        real = images(6, size, step)
        expected = same(torch.from_numpy(real)).detach().numpy()
        optimiser.zero_grad()
        same.losses(torch.from_numpy(made), torch.from_numpy(real), loss).backward()
        optimiser.step()
        scores = ours.learn(made, real, loss.discriminating_gradient)
        np.testing.assert_allclose(scores, expected, rtol=1e-8, atol=1e-10)
        for gradient, weights, right in zip(
            ours.gradients, ours.layers, same.parameters(), strict=True
        ):
            assert right.grad is not None
            np.testing.assert_allclose(
                gradient.ravel(), right.grad.numpy().ravel(), rtol=1e-8, atol=1e-10
            )
            np.testing.assert_allclose(
                weights.ravel(), right.detach().numpy().ravel(), rtol=1e-8, atol=1e-9
            )


def test_float32_stays_float32_and_images_may_lie_in_any_order():
    loss = LOSSES["adversarial"]
    assert isinstance(loss, AdversarialLoss) and loss.discriminating_gradient
    first, second = (Discriminator(1, 8, 8, seed=0) for _ in range(2))
    made, real = (images(n, (1, 8, 8)).astype(np.float32) for n in (4, 5))
    turned = np.ascontiguousarray(made.transpose(2, 3, 1, 0)).transpose(3, 2, 0, 1)
    assert first.learn(made, real, loss.discriminating_gradient).dtype == np.float32
    second.learn(turned, real, loss.discriminating_gradient)
    for one, other in zip(first.layers, second.layers, strict=True):
        assert one.dtype == np.float32 and np.array_equal(one, other)
