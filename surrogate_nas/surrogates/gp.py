"""A Gaussian process over cells (Rasmussen & Williams, MIT Press 2006), in plain NumPy.

Matérn-5/2 on a weighted sum of squared distances, one weight a block of columns; weights and noise maximise the
marginal likelihood. Leave-one-out predictions, for the calibration, have a closed form (their section 5.4.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.metrics import Quantity
from surrogate_nas.space import Cell
from surrogate_nas.surrogates.base import Arrays, Prediction, Surrogate
from surrogate_nas.surrogates.columns import whole_space
from surrogate_nas.surrogates.target import Floats
from surrogate_nas.surrogates.warp import Warp

_MOST_FOR_LIKELIHOOD = 400
_ITERATIONS = 15
_START_NOISE, _NOISE_PRIOR = -2.0, (-3.0, 2.0)
_BOUNDS, _NOISE_BOUNDS = (-5.0, 4.0), (-7.0, 1.0)
_WEIGHT_PRIOR = 2.0


class GaussianProcess(Surrogate):
    """A Gaussian process on blocks of columns, each scaled so that two random cells are about 1 apart."""

    name: ClassVar[str] = "gp"

    def __init__(
        self,
        quantity: Quantity = "error",
        *,
        seed: int = 0,
        calibrate: bool = True,
        blocks: Sequence[str] = (),
        warp: bool = False,
    ) -> None:
        """Store the knobs.

        Args:
            quantity: Of the metric.
            seed: Chooses the cells whose likelihood is maximised, where there are more than 400.
            calibrate: Whether the standard deviation is calibrated.
            blocks: The encodings behind the kernel; empty for what suits the quantity.
            warp: Whether ranks, as normal scores, are learned instead of the logarithm: better from few cells.
        """
        super().__init__(quantity, seed=seed, calibrate=calibrate)
        self.blocks = tuple(blocks) or _default_blocks(quantity)
        self.warp = warp

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().settings() | {"blocks": list(self.blocks), "warp": self.warp}

    def _points(self, cells: Sequence[Cell]) -> list[Floats]:
        """The position of cells in each block's space, shape ``(n, d)`` each."""
        index = [cell.index for cell in cells]
        return [_scaled(whole_space(self._space, block).astype(np.float64))[index] for block in self.blocks]

    def _learn(self, cells: Sequence[Cell], target: Floats) -> None:
        self._warp = Warp.fit(target) if self.warp else None
        learned = target if self._warp is None else self._warp.forward(target)
        self._cells = np.array([cell.index for cell in cells])
        self._offset = float(learned.mean())
        centred = learned - self._offset
        points = self._points(cells)
        self._weights, self._noise = _most_likely(points, centred, self.seed)
        kernel = _kernel(points, points, self._weights) + self._noise * np.eye(len(cells))
        self._root: Floats = np.asarray(np.linalg.cholesky(kernel))
        self._alpha = _solve(self._root, centred)
        self._variance = max(float(centred @ self._alpha) / len(cells), 1e-12)
        inverse = _solve(self._root, np.eye(len(cells)))
        self._left_out = Prediction(
            learned - self._alpha / np.diag(inverse), np.sqrt(self._variance / np.diag(inverse))
        )

    def _foresee(self, cells: Sequence[Cell]) -> Prediction:
        from scipy.linalg import solve_triangular

        known = self._points([self._space[int(i)] for i in self._cells])
        to_known = _kernel(known, self._points(cells), self._weights)
        mean = self._offset + to_known.T @ self._alpha
        whitened = solve_triangular(self._root, to_known, lower=True)
        left = np.maximum(1 - (whitened**2).sum(axis=0), 1e-9) + self._noise
        return self._unwarped(Prediction(mean, np.sqrt(self._variance * left)))

    def _unwarped(self, found: Prediction) -> Prediction:
        return found if self._warp is None else Prediction(*self._warp.backward(*found))

    def _held_out(self, cells: Sequence[Cell], target: Floats) -> Prediction:  # noqa: ARG002
        return self._unwarped(self._left_out)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        warp = {} if self._warp is None else {"knots": self._warp.knots, "scores": self._warp.scores}
        numbers = np.array([self._offset, self._noise, self._variance])
        return warp | {
            "cells": self._cells, "weights": self._weights, "numbers": numbers, "root": self._root, "alpha": self._alpha
        }  # fmt: skip

    def _restore(self, arrays: Arrays) -> None:
        self._warp = Warp(arrays["knots"], arrays["scores"]) if self.warp else None
        self._cells, self._weights = arrays["cells"], arrays["weights"]
        self._root, self._alpha = arrays["root"], arrays["alpha"]
        self._offset, self._noise, self._variance = (float(number) for number in arrays["numbers"])


def _default_blocks(quantity: Quantity) -> tuple[str, ...]:
    return ("alive", "signal") if quantity in ("error", "loss") else ("path_and_graph", "operation_counts")


def _scaled(block: NDArray[Any]) -> Floats:
    """Columns scaled to their range, and the whole so that two random cells are 1 apart (root mean square)."""
    varying = block[:, np.ptp(block, axis=0) > 0]
    ranged = (varying - varying.mean(axis=0)) / np.ptp(varying, axis=0)
    return np.asarray(ranged / np.sqrt(2 * ranged.var(axis=0).sum() or 1.0))


def _squared(left: Floats, right: Floats) -> Floats:
    sums = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)
    return np.asarray(np.maximum(sums - 2 * left @ right.T, 0))


def _matern(squared: Floats) -> Floats:
    """The Matérn-5/2 kernel of squared distances over the length scale."""
    r = np.sqrt(5 * squared)
    return np.asarray((1 + r + r**2 / 3) * np.exp(-r))


def _kernel(left: Sequence[Floats], right: Sequence[Floats], weights: Floats) -> Floats:
    return _matern(sum(w * _squared(a, b) for a, b, w in zip(left, right, weights, strict=True)))


def _solve(root: Floats, right: Floats) -> Floats:
    from scipy.linalg import cho_solve

    return np.asarray(cho_solve((root, True), right))


def _most_likely(points: Sequence[Floats], target: Floats, seed: int) -> tuple[Floats, float]:
    """The blocks' weights and the relative noise of the largest marginal likelihood, with weak priors."""
    from scipy.linalg import solve_triangular
    from scipy.optimize import minimize

    chosen = np.random.default_rng(seed).permutation(len(target))[:_MOST_FOR_LIKELIHOOD]
    target, n = target[chosen], len(chosen)
    distances = [_squared(block[chosen], block[chosen]) for block in points]

    def cost(logs: Floats) -> float:
        kernel = _matern(sum(np.exp(w) * d for w, d in zip(logs[:-1], distances, strict=True)))
        kernel[np.diag_indices(n)] += np.exp(logs[-1])
        root = np.linalg.cholesky(kernel)
        whitened = solve_triangular(root, target, lower=True)
        likelihood = 0.5 * n * np.log(max(whitened @ whitened / n, 1e-12)) + np.log(np.diag(root)).sum()
        away = ((logs[-1] - _NOISE_PRIOR[0]) / _NOISE_PRIOR[1]) ** 2 + ((logs[:-1] / 2 / _WEIGHT_PRIOR) ** 2).sum()
        return float(likelihood + 0.5 * away)

    start = np.append(np.zeros(len(points)), _START_NOISE)
    bounds = [tuple(2 * b for b in _BOUNDS)] * len(points) + [_NOISE_BOUNDS]
    found = minimize(cost, start, method="L-BFGS-B", bounds=bounds, options={"maxiter": _ITERATIONS}).x
    return np.exp(found[:-1]), float(np.exp(found[-1]))
