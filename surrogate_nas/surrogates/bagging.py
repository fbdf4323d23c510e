"""What boosted and extra trees share: several parts, each blind to one fold, averaged.

Each part predicts the fold that it did not see, so a prediction for every training cell by
something that never saw it comes for free (CV+, Barber et al., "Predictive inference with the
jackknife+", Annals of Statistics 2021).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from surrogate_nas.core.arguments import check_name, check_names, check_whole
from surrogate_nas.core.metrics import LOSSES, Quantity
from surrogate_nas.space import Cell
from surrogate_nas.surrogates.base import Prediction, Surrogate, folds
from surrogate_nas.surrogates.columns import Matrix, columns
from surrogate_nas.surrogates.target import Floats

LEAST_STD = 1e-3
"""Of a prediction on the transformed target; parts that agree are not sure."""


class Bagging(Surrogate):
    """The mean of parts that each leave one fold out; one part alone learns from everything.

    Subclasses give `_learn_part` and `_predict_parts`.

    Args:
        parts: How many are averaged; with one there is nothing held out, and calibrating refits
            on folds.
        encoding: The columns; None for ``functional`` of errors and losses, ``path_and_graph``
            of the rest.
        extra: Free metrics to add as columns.

    Raises:
        UserError: There are no parts, or a knob is of the wrong kind.
    """

    def __init__(
        self,
        quantity: Quantity = "error",
        *,
        seed: int = 0,
        calibrate: bool = True,
        parts: int = 16,
        encoding: str | None = None,
        extra: Sequence[str] = (),
    ) -> None:
        super().__init__(quantity, seed=seed, calibrate=calibrate)
        self.parts = check_whole(f"The number of parts of {self.name}", parts, 1)
        self.encoding = check_name("An encoding", encoding or default_encoding(quantity))
        self.extra = check_names("The extra columns", extra)

    @abstractmethod
    def _learn_part(self, matrix: Matrix, target: Floats, seed: int) -> Any:
        """Learn one part; `matrix` of shape ``(n, d)``, `target` of shape ``(n,)``."""

    @abstractmethod
    def _predict_parts(self, parts: Sequence[Any], matrix: Matrix) -> Floats:
        """What each part predicts, shape ``(len(parts), n)``; `parts`: learned parts, `matrix` of
        shape ``(n, d)``.
        """

    def _matrix(self, cells: Sequence[Cell]) -> Matrix:
        return columns(self._space, cells, self.encoding, self.extra)

    def _learn(self, cells: Sequence[Cell], target: Floats) -> None:
        self._learn_rows(self._matrix(cells), target)

    def _learn_rows(self, matrix: Matrix, target: Floats) -> None:
        everything = np.arange(len(matrix))
        self._blind_to = []
        training_rows = [everything]
        if self.parts > 1 and len(matrix) > 2:
            self._blind_to = folds(len(matrix), self.parts, self.seed)
            training_rows = [np.setdiff1d(everything, fold) for fold in self._blind_to]
        seeds = np.random.SeedSequence(self.seed).generate_state(len(training_rows))
        self._learned = []
        for rows, seed in zip(training_rows, seeds, strict=True):
            part = self._learn_part(matrix[rows], target[rows], int(seed % 2**31))
            self._learned.append(part)
        self._error = self._typical_error(matrix, target)

    def _typical_error(self, matrix: Matrix, target: Floats) -> float:
        if not self._blind_to:
            return 1.0
        predictions = self._by_blind_parts(matrix)
        return max(float(np.sqrt(((predictions - target) ** 2).mean())), LEAST_STD)

    def _by_blind_parts(self, matrix: Matrix) -> Floats:
        predictions = np.empty(len(matrix))
        for part, fold in zip(self._learned, self._blind_to, strict=True):
            predictions[fold] = self._predict_parts([part], matrix[fold])[0]
        return predictions

    def _predict(self, cells: Sequence[Cell]) -> Prediction:
        return self._combined(self._predict_parts(self._learned, self._matrix(cells)))

    def _combined(self, predicted: Floats) -> Prediction:
        """The parts' mean; where they disagree more, more error is to be expected, and some is
        everywhere.
        """
        spread = predicted.std(axis=0)
        return Prediction(predicted.mean(axis=0), np.sqrt(spread**2 + (0.5 * self._error) ** 2))

    def _held_out(self, cells: Sequence[Cell], target: Floats) -> Prediction:
        if not self._blind_to:
            return super()._held_out(cells, target)
        matrix = self._matrix(cells)
        return Prediction(self._by_blind_parts(matrix), self._predict(cells).std)


def default_encoding(quantity: Quantity) -> str:
    """What trees and processes see: dead operations cost, but they neither help nor harm the
    accuracy.
    """
    return "functional" if quantity in LOSSES else "path_and_graph"
