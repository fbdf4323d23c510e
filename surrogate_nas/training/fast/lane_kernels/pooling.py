"""Average pooling, at stride 1 and halving, and its gradients."""

from __future__ import annotations

import numpy as np

from surrogate_nas.training.fast.lane_kernels.compiled import Array, compiled


@compiled
def average(
    x: Array, out: Array, scratch: Array, share: Array, batch: int, causal: bool, backward: bool, add: bool
) -> None:
    """Average over windows of 3×3 (or 3), padding not counted, or the gradient of that.

    Args:
        x: Shape ``(channels, height, width·batch)``: the input, or the gradient of the output.
        out: Of `x`'s shape.
        scratch: Shape ``(height, width·batch)``.
        share: One over the number of real pixels in each window, shape ``(height, width)``.
        batch: Examples.
        causal: Whether a window holds a position and the two before it.
        backward: Whether this is the gradient.
        add: Whether to add to `out`.
    """
    channels, height, n = x.shape
    width = n // batch
    first, last = (-1, 1)
    if causal:
        first, last = (0, 2) if backward else (-2, 0)
    for c in range(channels):
        scratch[:] = 0
        for y in range(height):
            for pixel in range(width):
                line = scratch[y][pixel * batch :]
                for other in range(max(pixel + first, 0), min(pixel + last + 1, width)):
                    factor, row = share[y, other] if backward else np.float32(1), x[c, y][other * batch :]
                    for i in range(batch):
                        line[i] += factor * row[i]
        for y in range(height):
            if not add:
                out[c, y, :] = 0
            for other in range(max(y - 1, 0), min(y + 2, height)):
                for pixel in range(width):
                    o, line = out[c, y][pixel * batch :], scratch[other][pixel * batch :]
                    factor = np.float32(1) if backward else share[y, pixel]
                    for i in range(batch):
                        o[i] += factor * line[i]


@compiled
def halve(x: Array, out: Array, batch: int, backward: bool) -> None:
    """Average over windows of 2×2 (or 2) at stride 2, an odd last row or column alone, or the gradient of that.

    Args:
        x: The input, shape ``(channels, height, width·batch)``; where backward its gradient, added to.
        out: The output, height and width halved and rounded up; where backward its gradient.
        batch: Examples.
        backward: Whether this is the gradient.
    """
    channels, height, n = x.shape
    width = n // batch
    if not backward:
        out[:] = 0
    for c in range(channels):
        for y in range(height):
            rows = min(2, height - y // 2 * 2)
            for pixel in range(width):
                factor = np.float32(1) / np.float32(rows * min(2, width - pixel // 2 * 2))
                line, o = x[c, y][pixel * batch :], out[c, y // 2][pixel // 2 * batch :]
                if backward:
                    for i in range(batch):
                        line[i] += factor * o[i]
                else:
                    for i in range(batch):
                        o[i] += factor * line[i]
