"""Ridge regression on operation counts for costs, and on paths and graph features for other
metrics.

The latency of a cell is nearly the sum of the latencies of its operations, including operations
that do not affect the output. Therefore, operation counts suffice as inputs, without a transform of
the target, from ten training cells on. The ridge penalty is chosen to minimise the leave-one-out
error, which has a closed form.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from surrogate_nas.core import text
from surrogate_nas.space import Cell
from surrogate_nas.surrogates.base import (
    Floats,
    Model,
    Prediction,
    Target,
    columns,
    fit_target,
    spread_of,
)

_PENALTIES = np.logspace(-4, 4, 33)


class Ridge(Model):
    """A linear model of a metric in the columns of an encoding.

    Args:
        quantity: The quantity of the metric. Costs are learned without a transform, and other
            quantities with the default transform.
        seed: Has no effect, because the model is deterministic.
        encoding: The encoding of cells. The default is ``operation_counts`` for costs, and
            ``path_and_graph`` for other quantities.

    Example:
        >>> Ridge("cost").encoding
        'operation_counts'
    """

    name: ClassVar[str] = "ridge"
    learned: ClassVar[tuple[str, ...]] = (
        "weights",
        "centre",
        "spread",
        "root",
        "offset_and_noise",
    )

    encoding: str = text(None)

    def _begin(self) -> None:
        fitting = "operation_counts" if self.quantity == "cost" else "path_and_graph"
        self.encoding = self.encoding or fitting

    def _scale_of(self, values: Floats) -> Target:
        return fit_target(
            values, "structure" if self.quantity == "cost" else self.quantity
        )

    def _matrix(self, cells: Sequence[Cell]) -> Floats:
        return columns(self._space, cells, self.encoding).astype(np.float64)

    def _learn(self, cells: Sequence[Cell], target: Floats) -> None:
        matrix = self._matrix(cells)
        self._centre = matrix.mean(axis=0)
        self._spread = spread_of(matrix, 1e-9)
        left, values, right = np.linalg.svd(
            (matrix - self._centre) / self._spread, full_matrices=False
        )
        # Centred columns have a singular value of zero whose vector is arbitrary: it would decide
        # the deviations, and each linear algebra library draws another.
        spanned = values > values[0] * max(matrix.shape) * np.finfo(np.float64).eps
        left, values, right = left[:, spanned], values[spanned], right[spanned]
        offset = float(target.mean())
        projected = left.T @ (target - offset)
        candidates = []
        for penalty in _PENALTIES:
            shrink = values**2 / (values**2 + penalty)
            leverage = (left**2) @ shrink + 1 / len(target)
            errors = target - offset - left @ (shrink * projected)
            errors = errors / np.maximum(1 - leverage, 1e-6)
            candidates.append((float((errors**2).mean()), float(penalty), errors))
        mean_square, penalty, self._errors = min(candidates, key=lambda entry: entry[0])
        self._weights = right.T @ (values / (values**2 + penalty) * projected)
        self._root = right.T / np.sqrt(values**2 + penalty)
        self._offset_and_noise = np.array([offset, np.sqrt(mean_square)])

    def _predict(self, cells: Sequence[Cell]) -> Prediction:
        scaled = (self._matrix(cells) - self._centre) / self._spread
        stretch = 1 + ((scaled @ self._root) ** 2).sum(axis=1)
        offset, noise = self._offset_and_noise
        return Prediction(scaled @ self._weights + offset, noise * np.sqrt(stretch))

    def _held_out(self, cells: Sequence[Cell], target: Floats) -> Prediction:
        return Prediction(target - self._errors, self._predict(cells).std)
