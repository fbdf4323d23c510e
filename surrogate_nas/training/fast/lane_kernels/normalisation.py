"""Batch normalisation and its gradients."""

from __future__ import annotations

import numpy as np

from surrogate_nas.training.fast.lane_kernels.compiled import Array, compiled

EPSILON, MOMENTUM = 1e-5, 0.1
"""PyTorch's defaults."""


@compiled
def normalise(
    x: Array,
    scale: Array,
    shift: Array,
    mean: Array,
    deviation: Array,
    running: Array,
    out: Array,
    training: bool,
    add: bool,
) -> None:
    """Batch normalisation.

    Args:
        x: Shape ``(channels, height, width·batch)``.
        scale: Shape ``(channels,)``.
        shift: Shape ``(channels,)``.
        mean: Shape ``(channels,)``; written where training, for the backward pass.
        deviation: Shape ``(channels,)``; one over it is written where training.
        running: Shape ``(2, channels)``: means and variances, updated where training, used otherwise.
        out: Of `x`'s shape.
        training: Whether the batch's own statistics are used.
        add: Whether to add to `out`.
    """
    channels, height, n = x.shape
    count = height * n
    for c in range(channels):
        if training:
            total = np.float32(0)
            for y in range(height):
                row = x[c, y]
                for i in range(n):
                    total += row[i]
            centre = np.float32(total / count)
            squares = np.float32(0)
            for y in range(height):
                row = x[c, y]
                for i in range(n):
                    squares += (row[i] - centre) * (row[i] - centre)
            variance = squares / count
            mean[c] = centre
            deviation[c] = 1 / np.sqrt(variance + EPSILON)
            running[0, c] += MOMENTUM * (centre - running[0, c])
            running[1, c] += MOMENTUM * (squares / max(count - 1, 1) - running[1, c])
            factor = scale[c] * deviation[c]
        else:
            centre = running[0, c]
            factor = np.float32(scale[c] / np.sqrt(running[1, c] + EPSILON))
        constant = np.float32(shift[c] - factor * centre)
        for y in range(height):
            row, o = x[c, y], out[c, y]
            if add:
                for i in range(n):
                    o[i] += factor * row[i] + constant
            else:
                for i in range(n):
                    o[i] = factor * row[i] + constant


@compiled
def normalise_gradient(
    gradient: Array,
    x: Array,
    scale: Array,
    mean: Array,
    deviation: Array,
    scale_gradient: Array,
    shift_gradient: Array,
    padded: Array,
    batch: int,
    top: int,
    left: int,
) -> None:
    """The gradients of batch normalisation while training.

    Args:
        gradient: Of its output, shape ``(channels, height, width·batch)``.
        x: Its input.
        scale: Shape ``(channels,)``.
        mean: As `normalise` left it.
        deviation: As `normalise` left it: one over the standard deviation.
        scale_gradient: Shape ``(channels,)``; overwritten.
        shift_gradient: Shape ``(channels,)``; overwritten.
        padded: The gradient of `x` is written to its inside.
        batch: Examples.
        top: Rows of border above.
        left: Pixels of border on the left.
    """
    channels, height, n = x.shape
    count = np.float32(height * n)
    for c in range(channels):
        total, product = np.float32(0), np.float32(0)
        centre = mean[c]
        for y in range(height):
            g, row = gradient[c, y], x[c, y]
            for i in range(n):
                total += g[i]
                product += g[i] * (row[i] - centre)
        product *= deviation[c]
        scale_gradient[c], shift_gradient[c] = product, total
        factor = scale[c] * deviation[c]
        slope = np.float32(factor * deviation[c] * product / count)
        constant = np.float32(factor * total / count - slope * centre)
        for y in range(height):
            g, row, o = gradient[c, y], x[c, y], padded[c, y + top][left * batch :]
            for i in range(n):
                o[i] = factor * g[i] - slope * row[i] - constant


@compiled
def fixed_gradient(
    gradient: Array,
    x: Array,
    scale: Array,
    mean: Array,
    deviation: Array,
    scale_gradient: Array,
    shift_gradient: Array,
    padded: Array,
    batch: int,
    top: int,
    left: int,
) -> None:
    """The gradients of batch normalisation by running statistics, which do not depend on the batch.

    It is no branch of `normalise_gradient`, whose sums would be compiled to another order.

    Args:
        gradient: Of its output, shape ``(channels, height, width·batch)``.
        x: Its input.
        scale: Shape ``(channels,)``.
        mean: Shape ``(channels,)``.
        deviation: Shape ``(channels,)``: one over the standard deviation.
        scale_gradient: Shape ``(channels,)``; overwritten.
        shift_gradient: Shape ``(channels,)``; overwritten.
        padded: The gradient of `x` is written to its inside.
        batch: Examples.
        top: Rows of border above.
        left: Pixels of border on the left.
    """
    channels, height, n = x.shape
    for c in range(channels):
        total, product = np.float32(0), np.float32(0)
        centre, factor = mean[c], scale[c] * deviation[c]
        for y in range(height):
            g, row, o = gradient[c, y], x[c, y], padded[c, y + top][left * batch :]
            for i in range(n):
                total += g[i]
                product += g[i] * (row[i] - centre)
                o[i] = factor * g[i]
        scale_gradient[c], shift_gradient[c] = product * deviation[c], total
