"""Convolutions at stride 1 and 2, and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from surrogate_nas.training.fast.lane_kernels.compiled import Array, compiled, inlined


@compiled
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


@compiled
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


@compiled
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


@inlined
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


@inlined
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


@inlined
def _product(g: Array, x: Array, n: int) -> Any:
    """The inner product of two rows."""
    total = np.float32(0)
    for i in range(n):
        total += g[i] * x[i]
    return total


@compiled
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


@compiled
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


@compiled
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


@compiled
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
