"""Average pooling by shifted sums, with the causal windows and odd sizes that PyTorch's lacks.

A 3×3 mean is a sum of three neighbours along each axis divided by how many were inside, so it needs a few passes
of additions over whole rows. On a CPU it pays where memory is not channels-last; there PyTorch's own is as fast
(``analysis/bench_training.py`` measures both).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function


def _neighbours(x: Tensor, dim: int, causal: bool, backward: bool) -> Tensor:
    """Add to every position its neighbours along one axis: both sides, or the two before it where causal.

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
def _share(height: int, width: int, causal: bool, dtype: torch.dtype, device: torch.device) -> Tensor:
    """One over the number of real positions in each window, shape ``(1, 1, height, width)``."""
    with torch.inference_mode(False):
        return 1 / _window_sum(torch.ones(1, 1, height, width, dtype=dtype, device=device), causal)


class _Mean3(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, causal: bool) -> Tensor:
        ctx.causal = causal
        return _window_sum(x, causal).mul_(_share(x.shape[2], x.shape[3], causal, x.dtype, x.device))

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
def _pair_share(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
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
        layout = torch.channels_last if g.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
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
        """Choose the window.

        Args:
            causal: Whether it holds a position and the two before it, for inputs of height 1.
        """
        super().__init__()
        self.causal = causal

    def forward(self, x: Tensor) -> Tensor:
        """Pool.

        Args:
            x: Shape ``(batch, channels, height, width)``; height 1 for signals.
        """
        return _Mean3.apply(x, self.causal)  # type: ignore[no-any-return, no-untyped-call]


class HalvingPool(nn.Module):
    """Average pooling of 2×2 (or 2) with stride 2; an odd last row or column is a window of its own.

    Example:
        >>> HalvingPool()(torch.arange(5.0).view(1, 1, 1, 5)).flatten().tolist()
        [0.5, 2.5, 4.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pool.

        Args:
            x: Shape ``(batch, channels, height, width)``; height 1 for signals.
        """
        return _Mean2.apply(x)  # type: ignore[no-any-return, no-untyped-call]
