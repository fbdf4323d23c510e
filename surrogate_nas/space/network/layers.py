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
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

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
    return F.conv2d(x, weight, stride=steps, padding=(rows // 2, columns // 2), groups=groups)


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
        normed: Tensor = self.norm(convolve(x, self.weight, stride=self.stride, causal=self.causal))
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


# Average pooling by shifted sums, with the causal windows and odd sizes that PyTorch's lacks.
#
# A 3×3 mean is a sum of three neighbours along each axis divided by how many were inside, so it
# needs a few passes of additions over whole rows. On a CPU it pays where memory is not
# channels-last; there PyTorch's own is as fast (``analysis/bench_training.py`` measures both).


def _neighbours(x: Tensor, dim: int, causal: bool, backward: bool) -> Tensor:
    """Add to every position its neighbours along one axis: both sides, or the two before it where
    causal.

    The transpose, which a gradient takes, swaps before and after.
    """
    n = x.shape[dim]
    y = x.clone()
    shifts = ((1, 2) if not backward else (-1, -2)) if causal else (1, -1)
    for shift in shifts:
        if n > abs(shift):
            to, come = (shift, 0) if shift > 0 else (0, -shift)
            y.narrow(dim, to, n - abs(shift)).add_(x.narrow(dim, come, n - abs(shift)))
    return y


def _window_sum(x: Tensor, causal: bool, backward: bool = False) -> Tensor:
    if x.shape[2] > 1:
        x = _neighbours(x, 2, causal, backward)
    return _neighbours(x, 3, causal, backward)


@lru_cache(maxsize=64)
def _share(
    height: int,
    width: int,
    causal: bool,
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    """One over the number of real positions in each window, shape ``(1, 1, height, width)``."""
    with torch.inference_mode(False):
        return 1 / _window_sum(torch.ones(1, 1, height, width, dtype=dtype, device=device), causal)


class _Mean3(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, causal: bool) -> Tensor:
        ctx.causal = causal
        return _window_sum(x, causal).mul_(
            _share(x.shape[2], x.shape[3], causal, x.dtype, x.device)
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (g,) = gradients
        share = _share(g.shape[2], g.shape[3], ctx.causal, g.dtype, g.device)
        return _window_sum(g * share, ctx.causal, backward=True), None


def _halve(x: Tensor, dim: int) -> Tensor:
    """Sum pairs along one axis; the last of an odd number stands alone."""
    n = x.shape[dim]
    y = _every_second(x, dim, 0).clone()
    y.narrow(dim, 0, n // 2).add_(_every_second(x, dim, 1))
    return y


def _every_second(x: Tensor, dim: int, start: int) -> Tensor:
    return x[:, :, start::2] if dim == 2 else x[:, :, :, start::2]


def _pair_sum(x: Tensor) -> Tensor:
    if x.shape[2] > 1:
        x = _halve(x, 2)
    return _halve(x, 3)


@lru_cache(maxsize=64)
def _pair_share(
    height: int,
    width: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    with torch.inference_mode(False):
        return 1 / _pair_sum(torch.ones(1, 1, height, width, dtype=dtype, device=device))


class _Mean2(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.shape = x.shape
        return _pair_sum(x).mul_(_pair_share(x.shape[2], x.shape[3], x.dtype, x.device))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        _, _, height, width = ctx.shape
        g = gradients[0] * _pair_share(height, width, gradients[0].dtype, gradients[0].device)
        layout = (
            torch.channels_last
            if g.is_contiguous(memory_format=torch.channels_last)
            else torch.contiguous_format
        )
        x = torch.empty(ctx.shape, dtype=g.dtype, device=g.device, memory_format=layout)
        for top in range(min(2, height)):
            for left in range(2):
                part = x[:, :, top::2, left::2]
                part.copy_(g[:, :, : part.shape[2], : part.shape[3]])
        return x


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
        return _Mean3.apply(x, self.causal)  # type: ignore[no-any-return, no-untyped-call]


class HalvingPool(nn.Module):
    """Average pooling of 2×2 (or 2) with stride 2; an odd last row or column is a window of its
    own.

    Example:
        >>> HalvingPool()(torch.arange(5.0).view(1, 1, 1, 5)).flatten().tolist()
        [0.5, 2.5, 4.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pool."""
        return _Mean2.apply(x)  # type: ignore[no-any-return, no-untyped-call]
