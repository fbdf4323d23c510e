"""A blueprint as a PyTorch module: any device, any type of numbers, and gradients of everything."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surrogate_nas.space.network.blueprint import Blueprint, Layer, Windows


class BlueprintModule(nn.Module):
    """The network of a blueprint with fresh weights, which have its names.

    Example:
        >>> from surrogate_nas.space import space_named
        >>> from surrogate_nas.space.network import Network
        >>> space = space_named("nb101")
        >>> network = space.build(
        ...     space.parse("inception"), Network(channels=128, cells_per_stage=3), seed=0
        ... )
        >>> sum(p.numel() for p in network.parameters())
        2694282
    """

    def __init__(self, plan: Blueprint, *, seed: int) -> None:
        """Draw the weights."""
        super().__init__()
        self.plan = plan
        self.network = plan.network
        for layer in plan.layers:
            if layer.kind == "normalisation":
                holder, name = self._holder(layer.name)
                holder.add_module(name, nn.BatchNorm2d(layer.shape[0], affine=layer.affine))
        for name, weight in plan.weights(seed).items():
            holder, last = self._holder(name)
            if last not in holder._parameters:
                holder.register_parameter(last, nn.Parameter(torch.from_numpy(weight)))
        last_reader = {}
        for place, layer in enumerate(plan.layers):
            for source in layer.sources:
                last_reader[source] = place
        self._read: list[list[int]] = [[] for _ in plan.layers]
        for source, place in last_reader.items():
            self._read[place].append(source)

    def _holder(self, name: str) -> tuple[nn.Module, str]:
        """The module that a dotted name leads to, made where it is not there, and the last part of
        the name.
        """
        *path, last = name.split(".")
        holder: nn.Module = self
        for part in path:
            if part not in holder._modules:
                holder.add_module(part, nn.Module())
            holder = getattr(holder, part)
        return holder, last

    def forward(self, x: Tensor) -> Tensor:
        """Compute the answers, shape ``(batch, classes)``, or with positions behind."""
        outputs: list[Tensor | None] = []
        for layer, read in zip(self.plan.layers, self._read, strict=True):
            given = [outputs[place] for place in layer.sources]
            sources = [source for source in given if source is not None]
            outputs.append(self._computed(layer, sources or [x]))
            for place in read:
                outputs[place] = None
        answer = outputs[-1]
        assert answer is not None
        return answer

    def _computed(self, layer: Layer, sources: list[Tensor]) -> Tensor:
        x = sources[0]
        match layer.kind:
            case "relu":
                return F.relu(x)
            case "sum":
                total = x if layer.sources else x.new_zeros(len(x), *layer.shape)
                for term in sources[1:]:
                    total = total + term
                return total
            case "join":
                return torch.cat(sources, dim=1)
            case "part":
                return x[:, : layer.shape[0]]
            case "normalisation":
                normed: Tensor = self.get_submodule(layer.name)(x)
                return normed
            case "linear":
                return self._answered(x, layer.name)
            case "convolution" | "depthwise":
                assert layer.windows
                groups = len(x[0]) if layer.kind == "depthwise" else 1
                x, padding = _padded(x, layer.windows)
                steps = layer.windows.stride, padding, layer.windows.dilation
                return F.conv2d(x, self.get_parameter(layer.name), None, *steps, groups)
        return x if layer.windows is None else _pooled(x, layer.windows, layer.kind == "largest")

    def _answered(self, x: Tensor, name: str) -> Tensor:
        weight = self.get_parameter(f"{name}.weight")
        bias = self.get_parameter(f"{name}.bias")
        if not self.network.positions:
            return F.linear(x.flatten(1), weight, bias)
        places = x.squeeze(2) if self.network.dimensions == 1 else x
        return F.linear(places.movedim(1, -1), weight, bias).movedim(-1, 1)


def _pooled(x: Tensor, windows: Windows, largest: bool) -> Tensor:
    """The largest of each window, or its mean, for which padding does not count."""
    if not windows.kernel:
        return x.mean((2, 3), keepdim=True)
    if largest:
        x, padding = _padded(x, windows, -torch.inf)
        return F.max_pool2d(x, windows.kernel, windows.stride, padding)
    inside, padding = _padded(x.new_ones(1, 1, *x.shape[2:]), windows)
    if any(padding) or inside.shape[2:] == x.shape[2:]:
        return F.avg_pool2d(x, windows.kernel, windows.stride, padding, count_include_pad=False)
    means, shares = (
        F.avg_pool2d(part, windows.kernel, windows.stride)
        for part in (_padded(x, windows)[0], inside)
    )
    return means / shares


def _padded(
    x: Tensor,
    windows: Windows,
    value: float = 0.0,
) -> tuple[Tensor, tuple[int, int]]:
    """What windows look at, and by how much PyTorch shall pad it itself, which it can where both
    sides are alike.
    """
    reach = [windows.dilation * (length - 1) for length in windows.kernel]
    if all(-2 * first == further for first, further in zip(windows.start, reach, strict=True)):
        return x, (reach[0] // 2, reach[1] // 2)
    pads = []
    for axis in (1, 0):
        last = windows.start[axis] + (windows.size[axis] - 1) * windows.stride[axis] + reach[axis]
        pads += [-windows.start[axis], last + 1 - x.shape[2 + axis]]
    return F.pad(x, pads, value=value), (0, 0)
