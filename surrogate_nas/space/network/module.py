"""Networks in PyTorch, built from blueprints (lists of layers), for any device and data type, with
all gradients.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from surrogate_nas.space.network import Blueprint, Layer, Windows


class BlueprintModule(nn.Module):
    """The PyTorch network of a blueprint.

    The network's weights have the same names as in the blueprint.

    In cells that are graphs, every convolution has its own ReLU, as in NAS-Bench-201's published
    networks. Latencies and zero-cost proxies include these ReLUs.

    Attributes:
        network: The macro architecture.
        count: The number of networks that are stacked in the channels.

    Example:
        >>> import surrogate_nas as sn
        >>> from surrogate_nas.space.network import Network
        >>> space = sn.space_named("nb101")
        >>> network = space.build(
        ...     space.parse("inception"),
        ...     Network(channels=128, cells_per_stage=3),
        ...     seed=0,
        ... )
        >>> sum(p.numel() for p in network.parameters())
        2694282
    """

    def __init__(
        self,
        plan: Blueprint,
        weights: Mapping[str, Tensor | NDArray[np.float32]],
        *,
        modules: Mapping[str, nn.Module] | None = None,
        count: int = 1,
    ) -> None:
        """Build the network.

        Args:
            plan: The blueprint.
            weights: The weights by name of the parameter, concatenated for several networks. They
                may be omitted in a part of a network until the whole network is built.
            modules: The modules of ``module`` layers, by name.
            count: The number of networks that are stacked in the channels.

        Raises:
            TypeError: A layer cannot be computed for stacked networks.
        """
        super().__init__()
        self.plan = plan
        self.network = plan.network
        self.count = count
        if count > 1 and any(layer.kind in ("join", "part") for layer in plan.layers):
            raise TypeError(
                "Networks with joined or divided channels cannot be stacked."
            )
        self._owners = []
        for layer in plan.layers:
            holder, name = self._holder(layer.name)
            self._owners.append((holder, name))
            if layer.kind == "normalisation":
                features = count * layer.shape[0]
                holder.add_module(name, nn.BatchNorm2d(features, affine=layer.affine))
            elif layer.kind == "module":
                holder.add_module(name, (modules or {})[layer.name])
        for name, weight in weights.items():
            holder, last = self._holder(name)
            holder.register_parameter(last, nn.Parameter(torch.as_tensor(weight)))
        self._read: list[list[int]] = [[] for _ in plan.layers]
        self._own_relu: set[int] = set()
        self._follow(plan)

    def _follow(self, plan: Blueprint) -> None:
        """Find the last reader of each tensor, and the ReLUs that are computed by their readers."""
        readers: list[list[int]] = [[] for _ in plan.layers]
        for index, layer in enumerate(plan.layers):
            for source in layer.sources:
                readers[source].append(index)
        for index, following in enumerate(readers):
            if following:
                self._read[following[-1]].append(index)
            if (
                plan.graph
                and plan.layers[index].kind == "relu"
                and {plan.layers[reader].kind for reader in following}
                == {"convolution"}
            ):
                self._own_relu |= {index, *following}

    def _holder(self, name: str) -> tuple[nn.Module, str]:
        """Return the module of a dotted name, created if missing, and the last part of the name."""
        *path, last = name.split(".")
        holder: nn.Module = self
        for part in path:
            if part not in holder._modules:
                holder.add_module(part, nn.Module())
            holder = getattr(holder, part)
        return holder, last

    def forward(self, x: Tensor) -> Tensor:
        """Compute the outputs, shape ``(batch, classes)`` or ``(batch, classes, positions)``."""
        outputs: list[Any] = []
        for index, (layer, read) in enumerate(
            zip(self.plan.layers, self._read, strict=True)
        ):
            sources = [outputs[source] for source in layer.sources]
            outputs.append(self._computed(index, layer, sources or [x]))
            for source in read:
                outputs[source] = None
        answer: Tensor = outputs[-1]
        return answer

    def _computed(self, index: int, layer: Layer, sources: list[Tensor]) -> Tensor:
        x = sources[0]
        owner, name = self._owners[index]
        match layer.kind:
            case "relu":
                return x if index in self._own_relu else F.relu(x)
            case "convolution" | "depthwise":
                assert layer.windows
                if index in self._own_relu:
                    x = F.relu(x)
                weight = owner._parameters[name]
                assert weight is not None
                y = convolved(x, weight, layer.windows)
                # grouped ones leave another order in memory, in which normalisation is slow
                return (
                    y
                    if self.count == 1
                    else y.contiguous(memory_format=torch.channels_last)
                )
            case "normalisation" | "module":
                transformed: Tensor = owner._modules[name](x)  # type: ignore[misc]
                return transformed
            case "sum":
                channels, *pixels = layer.shape
                zeros = len(x), self.count * channels, *pixels
                total = x if layer.sources else x.new_zeros(zeros)
                for term in sources[1:]:
                    total = total + term
                return total
            case "join":
                return torch.cat(sources, dim=1)
            case "part":
                return x[:, : layer.shape[0]]
            case "linear":
                return self._answered(x, getattr(owner, name))
        return (
            x
            if layer.windows is None
            else _pooled(x, layer.windows, layer.kind == "largest")
        )

    def _answered(self, x: Tensor, head: nn.Module) -> Tensor:
        weight = head.get_parameter("weight")
        bias = head.get_parameter("bias")
        if not self.network.positions:
            return F.linear(x.flatten(1), weight, bias)
        sequence = x.squeeze(2) if self.network.dimensions == 1 else x
        return F.linear(sequence.movedim(1, -1), weight, bias).movedim(-1, 1)


def convolved(x: Tensor, weight: Tensor, windows: Windows) -> Tensor:
    """Compute a convolution without bias. The shape of the weights determines the groups.

    Args:
        x: The input, shape ``(batch, channels, height, width)``.
        weight: The weights, shape ``(out, channels / groups, rows, columns)``.
        windows: The windows of the convolution.
    """
    padded, padding = _padded(x, windows)
    groups = x.shape[1] // weight.shape[1]
    return F.conv2d(
        padded, weight, None, windows.stride, padding, windows.dilation, groups
    )


def _pooled(x: Tensor, windows: Windows, largest: bool) -> Tensor:
    if not windows.kernel:
        return x.mean((2, 3), keepdim=True)
    padded, padding = _padded(x, windows, -torch.inf if largest else 0.0)
    if largest:
        return F.max_pool2d(padded, windows.kernel, windows.stride, padding)
    if padded is x:
        settings = windows.kernel, windows.stride, padding
        return F.avg_pool2d(x, *settings, count_include_pad=False)
    inside, _ = _padded(x.new_ones(1, 1, *x.shape[2:]), windows)
    shares = F.avg_pool2d(inside, windows.kernel, windows.stride)
    return F.avg_pool2d(padded, windows.kernel, windows.stride) * shares.reciprocal()


def _padded(
    x: Tensor, windows: Windows, value: float = 0.0
) -> tuple[Tensor, tuple[int, int]]:
    """Return the padded input, and the padding left to PyTorch, which must be symmetric."""
    if windows.padding is not None:
        return x, windows.padding
    pads = []
    for axis in (1, 0):
        first = windows.start[axis]
        last = (
            first
            + (windows.size[axis] - 1) * windows.stride[axis]
            + windows.reach[axis]
        )
        pads += [-first, last + 1 - x.shape[2 + axis]]
    return F.pad(x, pads, value=value) if any(pads) else x, (0, 0)
