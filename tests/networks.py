"""Networks of every shape, small, and what tests of networks count and feed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surrogate_nas.space.network import Network
from surrogate_nas.space.network.cells import CellNetwork

SMALL = Network(channels=4, cells_per_stage=1, image_size=7, input_channels=2)
SIGNAL = Network(channels=4, cells_per_stage=1, image_size=13, input_channels=1, dimensions=1)
CAUSAL = Network(
    classes=5,
    channels=4,
    cells_per_stage=1,
    image_size=12,
    input_channels=3,
    dimensions=1,
    causal=True,
)
SHAPES = {
    "image": SMALL,
    "signal": SIGNAL,
    "causal": CAUSAL,
    "image, positions": replace(SMALL, positions=True),
    "image, unstrided": replace(SMALL, strided=False),
    "image, unstrided positions": replace(SMALL, positions=True, strided=False),
    "signal, positions": replace(SIGNAL, positions=True),
    "signal, unstrided": replace(SIGNAL, strided=False),
    "signal, unstrided positions": replace(SIGNAL, positions=True, strided=False),
}


def inputs(
    network: Network,
    batch: int = 3,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    height = network.image_size if network.dimensions == 2 else 1
    generator = torch.Generator().manual_seed(0)
    return torch.randn(
        batch, network.input_channels, height, network.image_size, dtype=dtype, generator=generator
    )


def count_macs(model: CellNetwork, monkeypatch: pytest.MonkeyPatch) -> int:
    """Count multiply-accumulates by watching every convolution and linear layer of one forward
    pass.
    """
    counted: list[int] = []
    convolution = F.conv2d
    linear = F.linear

    def watched_convolution(x: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        y = convolution(x, weight, *args, **kwargs)
        counted.append(y[0, 0].numel() * weight.numel())
        return y

    def watched_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        counted.append(x[0].numel() // x.shape[-1] * (weight.numel() + bias.numel()))
        return linear(x, weight, bias)

    with monkeypatch.context() as patch, torch.no_grad():
        patch.setattr(F, "conv2d", watched_convolution)
        patch.setattr(F, "linear", watched_linear)
        model(inputs(model.network, 1, torch.float32))
    return sum(counted)


def size(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
