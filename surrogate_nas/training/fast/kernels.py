"""Layers of small networks on a CPU, compiled by Numba: the examples of a batch lie side by side in the vector lanes.

Images of a few channels leave most of a vector register empty when channels are innermost, and PyTorch spends more on
starting such a small operation than on its arithmetic. Here a tensor has the shape ``(channels, height, width·batch)``:
a row of an image is contiguous over the whole batch, a neighbouring pixel is `batch` numbers further on, and every
inner loop runs over a whole row. (Loops index slices from their start: a shifted index could be negative for all that
the compiler knows, and then it does not vectorise.) All arrays are float32 and C-contiguous; ``batch`` is the number
of examples.

Padded arrays have a border of zeros that nobody writes to. Sums may be reordered (``fastmath``), always alike on one
machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float32]
EPSILON, MOMENTUM = 1e-5, 0.1
"""Of batch normalisation: PyTorch's defaults."""


def _compiled(function: Callable[..., None]) -> Callable[..., None]:
    compiled: Any = njit(fastmath=True, cache=True, nogil=True, error_model="numpy")(function)
    return cast(Callable[..., None], compiled)


def _inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    compiled: Any = njit(fastmath=True, nogil=True, error_model="numpy", inline="always")(function)
    return cast(Callable[..., Any], compiled)


@_compiled
def pad(x: Array, padded: Array, batch: int, top: int, left: int, relu: bool) -> None:
    """Copy into the inside of a padded array.

    Args:
        x: Shape ``(channels, height, width·batch)``.
        padded: Shape ``(channels, height + …, (width + …)·batch)``; its border is left alone.
        batch: Examples.
        top: Rows of border above.
        left: Pixels of border on the left.
        relu: Whether negative numbers become 0.
    """
    channels, height, n = x.shape
    for c in range(channels):
        for y in range(height):
            source, target = x[c, y], padded[c, y + top][left * batch :]
            if relu:
                for i in range(n):
                    target[i] = max(source[i], np.float32(0))
            else:
                for i in range(n):
                    target[i] = source[i]


@_compiled
def convolve(padded: Array, weight: Array, out: Array, batch: int) -> None:
    """Convolve at stride 1; kernels are 1 or 3 wide and any number of rows high.

    Args:
        padded: Shape ``(inputs, height + rows - 1, (width + columns - 1)·batch)``.
        weight: Shape ``(outputs, inputs, rows, columns)``.
        out: Shape ``(outputs, height, width·batch)``.
        batch: Examples.
    """
    outputs, inputs, rows, columns = weight.shape
    height, n = out.shape[1:]
    for y in range(height):
        done = 0
        while done + 4 <= outputs:
            o, p, q, s = out[done, y], out[done + 1, y], out[done + 2, y], out[done + 3, y]
            o[:], p[:], q[:], s[:] = 0, 0, 0, 0
            for k in range(inputs):
                for r in range(rows):
                    x = padded[k, y + r]
                    a, b = weight[done, k, r], weight[done + 1, k, r]
                    c, d = weight[done + 2, k, r], weight[done + 3, k, r]
                    a0, b0, c0, d0 = a[0], b[0], c[0], d[0]
                    if columns == 1:
                        for i in range(n):
                            v = x[i]
                            o[i] += a0 * v
                            p[i] += b0 * v
                            q[i] += c0 * v
                            s[i] += d0 * v
                    else:
                        a1, b1, c1, d1 = a[1], b[1], c[1], d[1]
                        a2, b2, c2, d2 = a[2], b[2], c[2], d[2]
                        x1, x2 = x[batch:], x[2 * batch :]
                        for i in range(n):
                            u, v, w = x[i], x1[i], x2[i]
                            o[i] += a0 * u + a1 * v + a2 * w
                            p[i] += b0 * u + b1 * v + b2 * w
                            q[i] += c0 * u + c1 * v + c2 * w
                            s[i] += d0 * u + d1 * v + d2 * w
            done += 4
        while done + 2 <= outputs:
            o, p = out[done, y], out[done + 1, y]
            o[:], p[:] = 0, 0
            for k in range(inputs):
                for r in range(rows):
                    x = padded[k, y + r]
                    a, b = weight[done, k, r], weight[done + 1, k, r]
                    a0, b0 = a[0], b[0]
                    if columns == 1:
                        for i in range(n):
                            v = x[i]
                            o[i] += a0 * v
                            p[i] += b0 * v
                    else:
                        a1, b1, a2, b2 = a[1], b[1], a[2], b[2]
                        x1, x2 = x[batch:], x[2 * batch :]
                        for i in range(n):
                            u, v, w = x[i], x1[i], x2[i]
                            o[i] += a0 * u + a1 * v + a2 * w
                            p[i] += b0 * u + b1 * v + b2 * w
            done += 2
        if done < outputs:
            o = out[done, y]
            o[:] = 0
            for k in range(inputs):
                for r in range(rows):
                    for t in range(columns):
                        factor, x = weight[done, k, r, t], padded[k, y + r][t * batch :]
                        for i in range(n):
                            o[i] += factor * x[i]


@_compiled
def convolve_halving(padded: Array, weight: Array, out: Array, batch: int) -> None:
    """Convolve at stride 2 along the width, and along the height where there is one.

    Args:
        padded: Shape ``(inputs, …, …·batch)``, with a border of one pixel on every side that is longer than 1.
        weight: Shape ``(outputs, inputs, rows, columns)``.
        out: Shape ``(outputs, height, width·batch)``.
        batch: Examples.
    """
    outputs, inputs, rows, columns = weight.shape
    height, n = out.shape[1:]
    for k in range(outputs):
        for y in range(height):
            out[k, y, :] = 0
            for j in range(inputs):
                for r in range(rows):
                    for t in range(columns):
                        factor = weight[k, j, r, t]
                        for pixel in range(n // batch):
                            o, x = out[k, y][pixel * batch :], padded[j, 2 * y + r][(2 * pixel + t) * batch :]
                            for i in range(batch):
                                o[i] += factor * x[i]


@_inlined
def _products(g: Array, h: Array, x: Array, n: int, batch: int) -> tuple[Any, ...]:
    """The inner products of two rows with a row and its two neighbours to the right."""
    a = b = c = d = e = f = np.float32(0)
    x1, x2 = x[batch:], x[2 * batch :]
    for i in range(n):
        u, v, w = x[i], x1[i], x2[i]
        a += g[i] * u
        b += g[i] * v
        c += g[i] * w
        d += h[i] * u
        e += h[i] * v
        f += h[i] * w
    return a, b, c, d, e, f


@_inlined
def _more_products(g: Array, h: Array, p: Array, q: Array, x: Array, n: int, batch: int) -> tuple[Any, ...]:
    """As `_products`, of four rows: the more products for each number that is read, the better."""
    a0 = a1 = a2 = b0 = b1 = b2 = c0 = c1 = c2 = d0 = d1 = d2 = np.float32(0)
    x1, x2 = x[batch:], x[2 * batch :]
    for i in range(n):
        u, v, w = x[i], x1[i], x2[i]
        a0 += g[i] * u
        a1 += g[i] * v
        a2 += g[i] * w
        b0 += h[i] * u
        b1 += h[i] * v
        b2 += h[i] * w
        c0 += p[i] * u
        c1 += p[i] * v
        c2 += p[i] * w
        d0 += q[i] * u
        d1 += q[i] * v
        d2 += q[i] * w
    return a0, a1, a2, b0, b1, b2, c0, c1, c2, d0, d1, d2


@_inlined
def _product(g: Array, x: Array, n: int) -> Any:
    """The inner product of two rows."""
    total = np.float32(0)
    for i in range(n):
        total += g[i] * x[i]
    return total


@_compiled
def weight_gradient(padded: Array, gradient: Array, out: Array, batch: int, top: int, left: int) -> None:
    """The gradient of the weights of `convolve`.

    Args:
        padded: The convolution's padded input.
        gradient: Of its output, padded by `top` and `left`.
        out: Shape ``(outputs, inputs, rows, columns)``; overwritten.
        batch: Examples.
        top: Rows of border above `gradient`.
        left: Pixels of border on its left.
    """
    outputs, inputs, rows, columns = out.shape
    height, n = padded.shape[1] - rows + 1, padded.shape[2] - (columns - 1) * batch
    shift = left * batch
    out[:] = 0
    done = 0
    while done + 4 <= outputs and columns == 3:
        for y in range(height):
            g, h = gradient[done, y + top][shift:], gradient[done + 1, y + top][shift:]
            p, q = gradient[done + 2, y + top][shift:], gradient[done + 3, y + top][shift:]
            for j in range(inputs):
                for r in range(rows):
                    products = _more_products(g, h, p, q, padded[j, y + r], n, batch)
                    for t in range(3):
                        out[done, j, r, t] += products[t]
                        out[done + 1, j, r, t] += products[3 + t]
                        out[done + 2, j, r, t] += products[6 + t]
                        out[done + 3, j, r, t] += products[9 + t]
        done += 4
    while done + 2 <= outputs and columns == 3:
        for y in range(height):
            g, h = gradient[done, y + top][shift:], gradient[done + 1, y + top][shift:]
            for j in range(inputs):
                for r in range(rows):
                    pair = _products(g, h, padded[j, y + r], n, batch)
                    for t in range(3):
                        out[done, j, r, t] += pair[t]
                        out[done + 1, j, r, t] += pair[3 + t]
        done += 2
    for k in range(done, outputs):
        for y in range(height):
            g = gradient[k, y + top][shift:]
            for j in range(inputs):
                for r in range(rows):
                    for t in range(columns):
                        out[k, j, r, t] += _product(g, padded[j, y + r][t * batch :], n)


@_compiled
def weight_gradient_halving(padded: Array, gradient: Array, out: Array, batch: int, top: int, left: int) -> None:
    """The gradient of the weights of `convolve_halving`.

    Args:
        padded: The convolution's padded input.
        gradient: Of its output, padded by `top` and `left` on both sides.
        out: Shape ``(outputs, inputs, rows, columns)``; overwritten.
        batch: Examples.
        top: Rows of border above and below `gradient`.
        left: Pixels of border on its left and right.
    """
    outputs, inputs, rows, columns = out.shape
    height, pixels = gradient.shape[1] - 2 * top, gradient.shape[2] // batch - 2 * left
    out[:] = 0
    for k in range(outputs):
        for j in range(inputs):
            for r in range(rows):
                for y in range(height):
                    x, g = padded[j, 2 * y + r], gradient[k, y + top]
                    for pixel in range(pixels):
                        row = g[(pixel + left) * batch :]
                        for t in range(columns):
                            out[k, j, r, t] += _product(row, x[(2 * pixel + t) * batch :], batch)


@_compiled
def spread(gradient: Array, weight: Array, padded: Array, batch: int, top: int, left: int) -> None:
    """The gradient of the padded input of `convolve_halving`.

    Args:
        gradient: Of its output, padded by `top` and `left` on both sides.
        weight: Shape ``(outputs, inputs, rows, columns)``.
        padded: Shape of the padded input; overwritten.
        batch: Examples.
        top: Rows of border above and below `gradient`.
        left: Pixels of border on its left and right.
    """
    outputs, inputs, rows, columns = weight.shape
    height, pixels = gradient.shape[1] - 2 * top, gradient.shape[2] // batch - 2 * left
    padded[:] = 0
    for j in range(inputs):
        for y in range(height):
            for r in range(rows):
                for k in range(outputs):
                    for t in range(columns):
                        factor = weight[k, j, r, t]
                        for pixel in range(pixels):
                            x = padded[j, 2 * y + r][(2 * pixel + t) * batch :]
                            g = gradient[k, y + top][(pixel + left) * batch :]
                            for i in range(batch):
                                x[i] += factor * g[i]


@_compiled
def add_gradient(
    come: Array, padded: Array, total: Array, batch: int, cut: bool, relu: bool, top: int, left: int
) -> None:
    """Add the gradient of a padded, rectified input to that of the input.

    Args:
        come: The gradient; of the padded input's shape where `cut`, of the input's otherwise.
        padded: The padded input, which says where the ReLU was open.
        total: The gradient of the input, added to.
        batch: Examples.
        cut: Whether `come` has a border too.
        relu: Whether there was a ReLU.
        top: Rows of border above.
        left: Pixels of border on the left.
    """
    channels, height, n = total.shape
    shift = left * batch
    for c in range(channels):
        for y in range(height):
            g = come[c, y + top][shift:] if cut else come[c, y]
            x, t = padded[c, y + top][shift:], total[c, y]
            if relu:
                for i in range(n):
                    t[i] += g[i] if x[i] > 0 else np.float32(0)
            else:
                for i in range(n):
                    t[i] += g[i]


@_compiled
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


@_compiled
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


@_compiled
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


@_compiled
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
