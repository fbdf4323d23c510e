"""The layers that networks are made of: convolution with batch normalisation, the head, and initial
weights.

Beyond the published network: signals (height 1, kernels of length 3), odd sizes (a stride of 2
rounds up), networks that keep the size, heads that answer at every position, and a causal variant
for language modelling, padded on the left only. Its batch statistics, while training, are still
over all positions.

Weights start as PyTorch's own layers do, but each tensor from a stream of its own, named by seed
and tensor: a cell's live operations start alike whether or not its dead ones are built.
"""

from __future__ import annotations

import math
import zlib

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surrogate_nas.space.network import Network


def convolve(
    x: Tensor,
    weight: Tensor,
    *,
    stride: int = 1,
    groups: int = 1,
    causal: bool = False,
) -> Tensor:
    """Convolve with padding that keeps the size at stride 1 and rounds it up at stride 2.

    Args:
        x: Shape ``(batch, channels, height, width)``; height 1 for signals.
        weight: Shape ``(out, channels / groups, rows, columns)``.
        stride: 1 or 2; along an axis of one row it is 1.
        groups: Independent groups of channels.
        causal: Whether to pad on the left only.
    """
    rows, columns = weight.shape[2:]
    if causal:
        return F.conv2d(F.pad(x, (columns - 1, 0)), weight, groups=groups)
    steps = (stride if rows > 1 or x.shape[2] > 1 else 1, stride)
    return F.conv2d(
        x,
        weight,
        stride=steps,
        padding=(rows // 2, columns // 2),
        groups=groups,
    )


class ConvolutionBN(nn.Module):
    """[ReLU,] convolution without bias, batch normalisation: every trained layer but the last
    two.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        network: Network,
        *,
        relu: bool = True,
        stride: int = 1,
    ) -> None:
        """Build the layer.

        Args:
            inputs: Channels in.
            outputs: Channels out.
            kernel: 1 or 3; one-dimensional for signals.
            network: The macro architecture, for dimensions and causality.
            relu: Whether the input passes a ReLU first.
            stride: 1 or 2.
        """
        super().__init__()
        rows = kernel if network.dimensions == 2 else 1
        self.weight = nn.Parameter(torch.empty(outputs, inputs, rows, kernel))
        self.norm = nn.BatchNorm2d(outputs)
        self.relu = relu
        self.stride = stride
        self.causal = network.causal

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        if self.relu:
            x = F.relu(x)
        normed: Tensor = self.norm(
            convolve(
                x,
                self.weight,
                stride=self.stride,
                causal=self.causal,
            )
        )
        return normed


class Zero(nn.Module):
    """The operation ``none``."""

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros."""
        return torch.zeros_like(x)


def answers(x: Tensor, head: nn.Linear, network: Network) -> Tensor:
    """Pool features and answer, or answer at every position.

    Returns:
        Shape ``(batch, outputs)``; at positions ``(batch, outputs, height, width)``, of signals
        ``(batch, outputs, length)``.
    """
    if not network.positions:
        return head(x.mean((2, 3)))  # type: ignore[no-any-return]
    places = x.squeeze(2) if network.dimensions == 1 else x
    return head(places.movedim(1, -1)).movedim(-1, 1)  # type: ignore[no-any-return]


@torch.no_grad()
def initialise(network: nn.Module, seed: int) -> None:
    """Draw the initial weights: uniform within one over the root of the fan-in, as PyTorch's layers
    do.
    """
    norms = {name for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)}
    fan_in = 1
    for name, parameter in network.named_parameters():
        if name.rpartition(".")[0] in norms:
            continue
        if parameter.dim() > 1:
            fan_in = parameter[0].numel()
        generator = torch.Generator().manual_seed(zlib.crc32(f"{seed}/{name}".encode()))
        parameter.uniform_(-1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in), generator=generator)


class AveragePool(nn.Module):
    """The operation ``avg_pool_3x3``: windows of 3×3 (or 3), stride 1, padding not counted.

    Example:
        >>> AveragePool()(torch.arange(4.0).view(1, 1, 1, 4)).flatten().tolist()
        [0.5, 1.0, 2.0, 2.5]
    """

    def __init__(self, causal: bool = False) -> None:
        """Choose the window: a causal one holds a position and the two before it, for inputs of
        height 1.
        """
        super().__init__()
        self.causal = causal

    def forward(self, x: Tensor) -> Tensor:
        """Pool."""
        rows = 3 if x.shape[2] > 1 else 1
        if not self.causal:
            return F.avg_pool2d(x, (rows, 3), 1, (rows // 2, 1), count_include_pad=False)
        inside = torch.arange(
            1,
            x.shape[3] + 1,
            dtype=x.dtype,
            device=x.device,
        ).clamp(max=3)
        return F.avg_pool2d(F.pad(x, (2, 0)), (1, 3), 1) * (3 / inside)


class HalvingPool(nn.Module):
    """Average pooling of 2×2 (or 2) with stride 2; an odd last row or column is a window of its
    own.

    Example:
        >>> HalvingPool()(torch.arange(5.0).view(1, 1, 1, 5)).flatten().tolist()
        [0.5, 2.5, 4.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pool."""
        return F.avg_pool2d(x, (2 if x.shape[2] > 1 else 1, 2), ceil_mode=True)
