"""Networks in vector lanes: outputs, gradients and running statistics are those of the same network in PyTorch."""

from __future__ import annotations

import pytest
import torch

from surrogate_nas.network import Network
from surrogate_nas.space import nb201
from surrogate_nas.training.fast.lanes import LaneNetwork

SPACE = nb201()
CELLS = [SPACE[i] for i in (11, 284, 5, 0, 6111, 777, 9999, 123, 4567)]
NETWORKS = {
    "image": Network(channels=4, cells_per_stage=1, image_size=14, input_channels=1),
    "odd image, odd channels, two cells": Network(channels=3, cells_per_stage=2, image_size=9, classes=3),
    "signal": Network(channels=4, cells_per_stage=1, image_size=13, input_channels=2, dimensions=1),
    "plain reductions": Network(channels=4, cells_per_stage=1, image_size=7, input_channels=2, residual=False),
    "causal, plain reductions": Network(
        channels=4, cells_per_stage=1, image_size=6, input_channels=1, dimensions=1, causal=True, residual=False
    ),
    "causal": Network(channels=5, cells_per_stage=1, image_size=11, input_channels=2, dimensions=1, causal=True),
    "image, positions": Network(channels=4, cells_per_stage=1, image_size=9, input_channels=1, positions=True),
    "image, unstrided": Network(channels=4, cells_per_stage=1, image_size=5, input_channels=2, strided=False),
    "image, unstrided positions, plain reductions": Network(
        channels=4, cells_per_stage=1, image_size=6, input_channels=1, positions=True, strided=False, residual=False
    ),
    "signal, positions": Network(
        channels=4, cells_per_stage=1, image_size=13, input_channels=2, dimensions=1, positions=True
    ),
    "signal, unstrided": Network(
        channels=4, cells_per_stage=1, image_size=7, input_channels=2, dimensions=1, strided=False
    ),
    "signal, unstrided positions": Network(
        channels=3, cells_per_stage=1, image_size=8, input_channels=2, dimensions=1, positions=True, strided=False
    ),
}


def batch(network: Network, examples: int, seed: int) -> torch.Tensor:
    height = network.image_size if network.dimensions == 2 else 1
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(examples, network.input_channels, height, network.image_size, generator=generator)


def assert_same_gradient(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert ours.grad is not None and theirs.grad is not None
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-5 * float(theirs.grad.abs().max()) + 1e-12)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_answers_and_gradients_are_those_of_the_plain_network(network: Network) -> None:
    for cell in CELLS:
        plain = nb201().build(cell, network, seed=0)
        lanes = LaneNetwork(nb201().build(cell, network, seed=0))
        for step, examples in enumerate((7, 7, 4)):  # buffers are used again, also by a smaller batch
            seen = [batch(network, examples, step).requires_grad_() for _ in range(2)]
            ours, theirs = lanes(seen[0]), plain(seen[1])
            assert torch.allclose(ours, theirs, atol=1e-5)
            weights = torch.randn(theirs.shape, generator=torch.Generator().manual_seed(step))
            lanes.zero_grad()
            plain.zero_grad()
            (ours * weights).sum().backward()  # type: ignore[no-untyped-call]
            (theirs * weights).sum().backward()
            flat = [torch.zeros_like(p) if p.grad is None else p.grad for p in plain.parameters()]
            gradient = torch.cat([g.ravel() for g in flat])
            assert lanes.flat.grad is not None
            assert torch.allclose(lanes.flat.grad, gradient, atol=1e-5 * float(gradient.abs().max()))
            assert_same_gradient(*seen)
        plain.eval()
        lanes.eval()
        # with the running statistics of the three steps, of which neither has gradients
        seen = [batch(network, 5, 9).requires_grad_() for _ in range(2)]
        ours, theirs = lanes(seen[0]), plain(seen[1])
        assert torch.allclose(ours, theirs, atol=1e-5)
        lanes.zero_grad()
        plain.zero_grad()
        for answers in (ours, theirs):
            answers.square().sum().backward()
        flat = [torch.zeros_like(p) if p.grad is None else p.grad for p in plain.parameters()]
        gradient = torch.cat([g.ravel() for g in flat])
        assert lanes.flat.grad is not None
        assert torch.allclose(lanes.flat.grad, gradient, atol=1e-5 * float(gradient.abs().max()))
        assert_same_gradient(*seen)


@pytest.mark.parametrize("name", ["image", "causal", "image, positions"])
def test_the_gradient_by_the_inputs_is_a_difference_of_outputs(name: str) -> None:
    network = NETWORKS[name]
    lanes = LaneNetwork(nb201().build(CELLS[0], network, seed=0))
    lanes(batch(network, 8, 0))
    lanes.eval()
    x = batch(network, 2, 1).requires_grad_()
    weights = torch.randn(lanes(x).shape, generator=torch.Generator().manual_seed(2))
    (gradient,) = torch.autograd.grad((lanes(x) * weights).sum(), x)
    before = lanes.flat.detach().clone()
    direction = gradient / gradient.norm()
    with torch.inference_mode():
        above, below = (((lanes(x + step * direction) * weights).double()).sum() for step in (1e-2, -1e-2))
    assert torch.equal(lanes.flat, before)
    assert float(above - below) / 2e-2 == pytest.approx(float(gradient.norm()), rel=0.02)


def test_parameters_are_the_plain_networks() -> None:
    network = NETWORKS["image"]
    plain = nb201().build(CELLS[0], network, seed=3)
    flat = LaneNetwork(nb201().build(CELLS[0], network, seed=3)).flat
    assert torch.equal(flat, torch.cat([p.detach().ravel() for p in plain.parameters()]))


def test_inputs_of_another_shape_are_refused() -> None:
    built = nb201().build(nb201()[11], Network(channels=4, cells_per_stage=1), seed=0)
    network = LaneNetwork(built)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"of shape \(4, 32, 32\) do not fit a network for \(3, 32, 32\)"):
        network(torch.zeros(2, 4, 32, 32))
