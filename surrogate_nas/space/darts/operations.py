"""The operations of DARTS's cells as PyTorch modules: ReLU, convolution, batch normalisation in this order.

As in DARTS's networks for evaluation, pooling has no normalisation behind it and normalisations are affine.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surrogate_nas.space.network import Network
from surrogate_nas.space.network.layers import convolve
from surrogate_nas.space.network.pooling import AveragePool


def operation(name: str, channels: int, stride: int, network: Network) -> nn.Module:
    """The module of an operation.

    Args:
        name: As DARTS calls it; its last digit is the kernel's size.
        channels: In and out.
        stride: 1 or 2.
        network: The macro architecture, for dimensions and causality.
    """
    kernel = int(name[-1]) if name[-1].isdigit() else 0
    match name.partition("_")[0]:
        case "skip":
            return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels, network)
        case "sep":
            return nn.Sequential(
                Separable(channels, kernel, network, stride=stride), Separable(channels, kernel, network)
            )
        case "dil":
            return Separable(channels, kernel, network, stride=stride, dilation=2)
        case "conv":
            return Crossed(channels, kernel, network, stride=stride)
        case "avg" if network.causal:
            return AveragePool(causal=True)
    return Pool(name.startswith("max"), kernel, stride, network)


class Separable(nn.Module):
    """ReLU, a convolution of each channel by itself, a 1×1 convolution, batch normalisation."""

    def __init__(self, channels: int, kernel: int, network: Network, *, stride: int = 1, dilation: int = 1) -> None:
        """Build the layer.

        Args:
            channels: In and out.
            kernel: Odd; one-dimensional for signals.
            network: The macro architecture, for dimensions and causality.
            stride: 1 or 2.
            dilation: How far apart neighbouring weights of the kernel look.
        """
        super().__init__()
        self.depthwise = nn.Parameter(torch.empty(channels, 1, kernel if network.dimensions == 2 else 1, kernel))
        self.pointwise = nn.Parameter(torch.empty(channels, channels, 1, 1))
        self.norm = nn.BatchNorm2d(channels)
        self.channels, self.stride, self.dilation, self.causal = channels, stride, dilation, network.causal

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer.

        Args:
            x: Shape ``(batch, channels, height, width)``.
        """
        x = convolve(
            F.relu(x), self.depthwise, stride=self.stride, groups=self.channels, dilation=self.dilation,
            causal=self.causal,
        )  # fmt: skip
        normed: Tensor = self.norm(convolve(x, self.pointwise))
        return normed


class Crossed(nn.Module):
    """ReLU, a convolution along the rows, one along the columns, batch normalisation; of signals only the first."""

    def __init__(self, channels: int, kernel: int, network: Network, *, stride: int) -> None:
        """Build the layer.

        Args:
            channels: In and out.
            kernel: Its length, odd.
            network: The macro architecture, for dimensions and causality.
            stride: 1 or 2.
        """
        super().__init__()
        self.along = nn.Parameter(torch.empty(channels, channels, 1, kernel))
        self.across = nn.Parameter(torch.empty(channels, channels, kernel, 1)) if network.dimensions == 2 else None
        self.norm = nn.BatchNorm2d(channels)
        self.stride, self.causal = stride, network.causal

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer.

        Args:
            x: Shape ``(batch, channels, height, width)``.
        """
        x = convolve(F.relu(x), self.along, stride=(1, self.stride), causal=self.causal)
        if self.across is not None:
            x = convolve(x, self.across, stride=(self.stride, 1))
        normed: Tensor = self.norm(x)
        return normed


class FactorizedReduce(nn.Module):
    """ReLU, two 1×1 convolutions of stride 2, the second one position further, joined; batch normalisation.

    Beyond an odd size the second one reads zeros.
    """

    def __init__(self, inputs: int, outputs: int, network: Network) -> None:
        """Build the layer.

        Args:
            inputs: Channels in.
            outputs: Channels out, even.
            network: The macro architecture, for dimensions.
        """
        super().__init__()
        self.even, self.odd = (nn.Parameter(torch.empty(outputs // 2, inputs, 1, 1)) for _ in range(2))
        self.norm = nn.BatchNorm2d(outputs)
        self.rows = int(network.dimensions == 2)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer.

        Args:
            x: Shape ``(batch, inputs, height, width)``.
        """
        x = F.relu(x)
        further = F.pad(x[:, :, self.rows :, 1:], (0, 1, 0, self.rows))
        halves = [convolve(part, weight, stride=2) for part, weight in ((x, self.even), (further, self.odd))]
        normed: Tensor = self.norm(torch.cat(halves, dim=1))
        return normed


class Pool(nn.Module):
    """The largest of a window, or its mean without the padding; a causal window ends at its position."""

    def __init__(self, largest: bool, kernel: int, stride: int, network: Network) -> None:
        """Choose the window.

        Args:
            largest: Whether the largest is taken, not the mean, which is then not causal.
            kernel: The window's length, odd.
            stride: 1 or 2.
            network: The macro architecture, for dimensions and causality.
        """
        super().__init__()
        self.largest, self.causal = largest, network.causal
        flat = network.dimensions == 1
        self.window, self.stride = (1 if flat else kernel, kernel), (1 if flat else stride, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Pool.

        Args:
            x: Shape ``(batch, channels, height, width)``; height 1 for signals.
        """
        rows, columns = self.window
        if not self.largest:
            return F.avg_pool2d(x, self.window, self.stride, (rows // 2, columns // 2), count_include_pad=False)
        if self.causal:
            return F.max_pool2d(F.pad(x, (columns - 1, 0), value=-torch.inf), self.window, 1)
        return F.max_pool2d(x, self.window, self.stride, (rows // 2, columns // 2))
