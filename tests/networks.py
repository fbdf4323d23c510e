"""Networks of every shape, small, and what tests of networks count and feed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from surrogate_nas.space.network import CONV1, CONV3, POOL, SKIP, Graph, Network

SMALL = Network(channels=4, cells_per_stage=1, image_size=7, input_channels=2)
SIGNAL = Network(
    channels=4, cells_per_stage=1, image_size=13, input_channels=1, dimensions=1
)
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


def inputs(network, batch=3, dtype=torch.float64):
    height = network.image_size if network.dimensions == 2 else 1
    generator = torch.Generator().manual_seed(0)
    return torch.randn(
        batch,
        network.input_channels,
        height,
        network.image_size,
        dtype=dtype,
        generator=generator,
    )


def count_macs(model, monkeypatch):
    """Count multiply-accumulates by watching every convolution and linear layer of one forward
    pass.
    """
    counted = []
    convolution = F.conv2d
    linear = F.linear

    def watched_convolution(x, weight, *args, **kwargs):
        y = convolution(x, weight, *args, **kwargs)
        counted.append(y[0, 0].numel() * weight.numel())
        return y

    def watched_linear(x, weight, bias):
        counted.append(x[0].numel() // x.shape[-1] * (weight.numel() + bias.numel()))
        return linear(x, weight, bias)

    with monkeypatch.context() as patch, torch.no_grad():
        patch.setattr(F, "conv2d", watched_convolution)
        patch.setattr(F, "linear", watched_linear)
        model(inputs(model.network, 1, torch.float32))
    return sum(counted)


def size(model):
    return sum(parameter.numel() for parameter in model.parameters())


class Published:
    """NAS-Bench-201's network while it trains, plainly, as a reference for what blueprints give."""

    def __init__(
        self, graph: Graph, network: Network, weights: Mapping[str, Tensor]
    ) -> None:
        self.graph = graph
        self.network = network
        self.weights = weights
        self.flat = network.dimensions == 1

    def __call__(self, x):
        x = self.trained(x, "stem")
        for stage in range(3):
            x = self.reduced(x, f"reductions.{stage - 1}") if stage else x
            for n in range(self.network.cells_per_stage):
                x = self.cell(x, f"stages.{stage}.{n}")
        x = self.normalised(x, "last").relu()
        weight = self.weights["head.weight"]
        bias = self.weights["head.bias"]
        if not self.network.positions:
            return F.linear(x.mean((2, 3)), weight, bias)
        answers = torch.einsum("bchw,oc->bohw", x, weight) + bias[:, None, None]
        return answers.squeeze(2) if self.flat else answers

    def convolution(self, x, name, stride=1):
        weight = self.weights[name]
        rows, columns = weight.shape[2:]
        if self.network.causal:
            return F.conv2d(F.pad(x, (columns - 1, 0)), weight)
        strides = (1 if self.flat else stride, stride)
        return F.conv2d(x, weight, stride=strides, padding=(rows // 2, columns // 2))

    def normalised(self, x, name):
        scale, shift = (self.weights[f"{name}.{what}"] for what in ("weight", "bias"))
        return F.batch_norm(x, None, None, scale, shift, training=True)

    def trained(self, x, name, stride=1):
        return self.normalised(
            self.convolution(x, f"{name}.weight", stride), f"{name}.norm"
        )

    def pooled(self, x):
        if self.network.causal:
            windows = [
                x[..., max(0, i - 2) : i + 1].mean(-1) for i in range(x.shape[3])
            ]
            return torch.stack(windows, -1)
        kernel, padding = ((1, 3), (0, 1)) if self.flat else ((3, 3), (1, 1))
        return F.avg_pool2d(x, kernel, 1, padding, count_include_pad=False)

    def cell(self, x, name):
        nodes = [x] + [torch.zeros_like(x) for _ in range(self.graph.nodes - 1)]
        edges = zip(self.graph.edges, self.graph.operations, strict=True)
        for e, ((source, target), operation) in enumerate(edges):
            if operation in (CONV1, CONV3):
                term = self.trained(nodes[source].relu(), f"{name}.edges.{e}")
                nodes[target] = nodes[target] + term
            elif operation == POOL:
                nodes[target] = nodes[target] + self.pooled(nodes[source])
            elif operation == SKIP:
                nodes[target] = nodes[target] + nodes[source]
        return nodes[-1]

    def reduced(self, x, name):
        pair = (1, 2) if self.flat else (2, 2)
        halves = F.avg_pool2d(x, pair, ceil_mode=True) if self.network.strided else x
        shortcut = self.convolution(halves, f"{name}.shortcut")
        if not self.network.residual:
            return shortcut
        middle = self.trained(
            x.relu(), f"{name}.first", 2 if self.network.strided else 1
        )
        return shortcut + self.trained(middle.relu(), f"{name}.second")
