"""λR as a sum over edges: what every choice of every edge adds to the score, so that its expectation is exact.

Where edges choose independently, with probabilities p, E[λR] = constant + Σ p · matrix. A metric that follows from the
cell alone must be such a sum for every cell of the space; a measured cost is replaced by the sum that fits it best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.levels import ROUNDING
from surrogate_nas.objective.known import Known
from surrogate_nas.space import Enumerable

_LEAST_R2 = 0.9
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Additive:
    """λR of cells whose edges choose one of several operations each.

    Attributes:
        constant: What every cell has.
        matrix: What each choice adds, shape ``(edges, choices)``, in the unit of the score.
        terms: The terms; one that is modelled says how well.
    """

    constant: float
    matrix: Matrix
    terms: tuple[str, ...] = ()

    @classmethod
    def of(cls, known: Known, space: Enumerable) -> Self:
        """Take the known terms of one objective apart.

        Args:
            known: What is known of λR.
            space: Whose cells have as many choices on every edge.

        Raises:
            UserError: A term is no such sum, or takes a training to know.
        """
        if known.missing:
            raise _refused(known.missing[0], "an evaluation alone tells it")
        constant, matrix, told = 0.0, np.zeros((space.choices.shape[1], int(space.choices.max()) + 1)), []
        for name, (coefficient, metric) in zip(known.terms, known.penalties[0], strict=False):
            base, added, note = _taken_apart(name, np.asarray(metric(space), dtype=np.float64), space.choices)
            constant, matrix = constant + coefficient * base, matrix + coefficient * added
            told.append(f"{name}{note}")
        return cls(constant, matrix, tuple(told))

    def expected(self, probabilities: Matrix) -> float:
        """E[λR].

        Args:
            probabilities: Of each choice on each edge, shape ``(edges, choices)``.
        """
        return float(self.constant + (probabilities * self.matrix).sum())

    def penalty(self, choices: Sequence[Sequence[int]]) -> Matrix:
        """λR of cells, shape ``(n,)``.

        Args:
            choices: Of each cell one for every edge.
        """
        edges = np.arange(len(self.matrix))
        return np.array([self.constant + self.matrix[edges, list(one)].sum() for one in choices])


def _taken_apart(name: str, column: Matrix, choices: NDArray[np.int8]) -> tuple[float, Matrix, str]:
    """The constant, the matrix, and what must be said of them."""
    shape = choices.shape[1], int(choices.max()) + 1
    alone = (choices > 0).sum(axis=1)
    base = column[alone == 0]
    held = np.isfinite(column)
    if held.all() and len(base):
        matrix = np.zeros(shape)
        for row in np.flatnonzero(alone == 1):
            edge = int(choices[row].argmax())
            matrix[edge, choices[row, edge]] = column[row] - base[0]
        sums = base[0] + matrix[np.arange(shape[0]), choices].sum(axis=1)
        if np.abs(sums - column).max() <= ROUNDING * max(1.0, np.abs(column).max()):
            return float(base[0]), matrix, ""
    if "@" not in name:
        raise _refused(name, "it is no sum over the edges of a cell")
    one_hot = (choices[:, :, None] == np.arange(shape[1])).reshape(len(choices), -1)[held]
    columns = np.column_stack([np.ones(len(one_hot)), one_hot])
    weights = np.linalg.lstsq(columns, column[held], rcond=None)[0]
    residual = column[held] - columns @ weights
    r2 = float(1 - residual.var() / column[held].var())
    if r2 < _LEAST_R2:
        raise _refused(name, f"a sum over the edges of a cell tells it with an R² of {r2:.2f} only")
    return float(weights[0]), weights[1:].reshape(shape), f" by the additive model (R² {r2:.3f})"


def _refused(name: str, why: str) -> UserError:
    return UserError(
        f"A one-shot strategy cannot minimise {name}: {why}. Terms of R that it can are params, macs, convolutions, "
        "operations and latencies that add up over edges."
    )
