"""The layers that networks are made of: convolution with batch normalisation, the head, and initial weights.

Beyond the published network: signals (height 1, kernels of length 3), odd sizes (a stride of 2 rounds up), networks
that keep the size, heads that answer at every position, and a causal variant for language modelling, padded on the
left only. Its batch statistics, while training, are still over all positions.

Weights start as PyTorch's own layers do, but each tensor from a stream of its own, named by seed and tensor: a cell's
live operations start alike whether or not its dead ones are built.
"""

from __future__ import annotations

import math
import zlib

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from surrogate_nas.space.network.frame import Network


def convolve(
    x: Tensor,
    weight: Tensor,
    *,
    stride: int | tuple[int, int] = 1,
    groups: int = 1,
    dilation: int = 1,
    causal: bool = False,
) -> Tensor:
    """Convolve with padding that keeps the size at stride 1 and rounds it up at stride 2.

    Args:
        x: Shape ``(batch, channels, height, width)``; height 1 for signals.
        weight: Shape ``(out, channels / groups, rows, columns)``.
        stride: 1 or 2, or one each for rows and columns; along an axis of one row it is 1.
        groups: Independent groups of channels.
        dilation: How far apart neighbouring weights look; along an axis of one row it has no meaning.
        causal: Whether to pad on the left only.
    """
    rows, columns = weight.shape[2:]
    if causal:
        return F.conv2d(F.pad(x, (dilation * (columns - 1), 0)), weight, groups=groups, dilation=dilation)
    down, along = (stride, stride) if isinstance(stride, int) else stride
    steps = (down if rows > 1 or x.shape[2] > 1 else 1, along)
    padding = (dilation * (rows // 2), dilation * (columns // 2))
    return F.conv2d(x, weight, stride=steps, padding=padding, groups=groups, dilation=dilation)


class ConvolutionBN(nn.Module):
    """[ReLU,] convolution without bias, batch normalisation: every trained layer but the last two."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, network: Network, *, relu: bool = True, stride: int = 1
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
        self.relu, self.stride, self.causal = relu, stride, network.causal

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer.

        Args:
            x: Shape ``(batch, inputs, height, width)``.
        """
        if self.relu:
            x = F.relu(x)
        normed: Tensor = self.norm(convolve(x, self.weight, stride=self.stride, causal=self.causal))
        return normed


class Zero(nn.Module):
    """The operation ``none``."""

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros.

        Args:
            x: Any shape.
        """
        return torch.zeros_like(x)


def answers(x: Tensor, head: nn.Linear, network: Network) -> Tensor:
    """Pool features and answer, or answer at every position.

    Args:
        x: Shape ``(batch, channels, height, width)``.
        head: The linear layer.
        network: The macro architecture, for dimensions and whether every position answers for itself.

    Returns:
        Shape ``(batch, outputs)``; at positions ``(batch, outputs, height, width)``, of signals ``(batch, outputs,
        length)``.
    """
    if not network.positions:
        return head(x.mean((2, 3)))  # type: ignore[no-any-return]
    places = x.squeeze(2) if network.dimensions == 1 else x
    return head(places.movedim(1, -1)).movedim(-1, 1)  # type: ignore[no-any-return]


@torch.no_grad()
def initialise(network: nn.Module, seed: int) -> None:
    """Draw the initial weights: uniform within one over the root of the fan-in, as PyTorch's layers do.

    Args:
        network: Normalisations keep scale 1 and shift 0.
        seed: The root; with a tensor's name it gives that tensor's stream.
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
