"""Bayesian optimisation: a Gaussian process over all cells, and the cell of the largest expected improvement.

Sources: expected improvement, Jones et al., "Efficient Global Optimization", JOGO 1998; path features, White et
al., "BANANAS", AAAI 2021. Departures: BANANAS trains neural networks and samples from them (Thompson sampling);
here a Gaussian process with a Matérn-5/2 kernel predicts every cell of the space, so that nothing is mutated;
the score is sharpened by a logarithm, because only the order among the best cells matters; and the improvement
is one of the table's value, not of its mean, so a share of the noise counts as a cell's own luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space import Cell, Enumerable, EnumerableChoiceSpace, Space
from surrogate_nas.strategies.base import Strategy
from surrogate_nas.trial import Trial

Floats = NDArray[np.floating[Any]]

_LENGTHS = (0.5, 1.0, 2.0, 4.0)  # two random cells are about 1 apart
_NOISES = (0.01, 0.05, 0.2)  # variances relative to that of the process
_COUNTS_WEIGHT = 0.3  # operation counts, which fix the parameters, against 1 for paths and graph


class BayesianOptimisation(Strategy):
    """Ten random cells, then always the cell whose expected improvement is largest.

    Several cells asked at once are chosen one after another, each believed to score as predicted.

    Example:
        >>> from surrogate_nas.space import nb201
        >>> len(BayesianOptimisation(nb201(), seed=0).ask(3))
        3
    """

    batch_size: ClassVar[int] = 1

    def __init__(
        self,
        space: Space,
        *,
        seed: int,
        first_cells: int = 10,
        sharpness: float = 0.1,
        luck: float = 0.3,
        most_fitted: int = 300,
    ) -> None:
        """Store the knobs.

        Args:
            space: The space that cells come from.
            seed: The root of the strategy's randomness.
            first_cells: How many cells are drawn at random before the model is used, at least 2.
            sharpness: delta of the target as a fraction of (median - best); smaller looks closer at the top.
            luck: The share of the fitted noise variance that is taken for real differences between cells.
            most_fitted: The model sees at most so many cells, the best ones; bounds the time of long runs.
        """
        super().__init__(space, seed=seed)
        self.space: EnumerableChoiceSpace
        self.first_cells = first_cells
        self.sharpness = sharpness
        self.luck = luck
        self.most_fitted = most_fitted
        self._trials: dict[int, Trial] = {}

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember the trials; a cell told again replaces its earlier trial.

        Args:
            trials: The new trials.
        """
        self._trials.update({trial.cell.index: trial for trial in trials})

    def ask(self, n: int) -> Sequence[Cell]:
        """Propose cells that were not evaluated yet, or random ones once every cell was.

        Args:
            n: The most that may be returned, at least 1.

        Returns:
            Different cells; fewer than `n` where the first random cells or the space run out.
        """
        unknown = np.ones(len(self.space), dtype=bool)
        unknown[list(self._trials)] = False
        if not unknown.any():
            return [self.space.sample(self.rng) for _ in range(n)]
        missing = self.first_cells - len(self._trials)
        if missing > 0:
            drawn = self.rng.permutation(np.flatnonzero(unknown))[: min(n, missing)]
            return [self.space[int(index)] for index in drawn]
        points, point_of_cell = _points(self.space)
        cells, target = self._data()
        picked: list[Cell] = []
        for _ in range(min(n, int(unknown.sum()))):
            improvement, mean = _expected_improvement(points, point_of_cell[cells], target, self.luck)
            ties = self.rng.permutation(np.flatnonzero(unknown))
            index = int(ties[np.argmax(improvement[point_of_cell[ties]])])
            picked.append(self.space[index])
            unknown[index] = False
            cells, target = np.append(cells, index), np.append(target, mean[point_of_cell[index]])
        return picked

    def _data(self) -> tuple[NDArray[np.intp], Floats]:
        """The best known cells and log(score - best + delta), standardised; infeasible scores are clipped."""
        scores = np.array([trial.score for trial in self._trials.values()])
        feasible = [trial.score for trial in self._trials.values() if trial.feasible]
        scores = np.minimum(scores, max(feasible, default=np.inf))
        fitted = np.sort(np.argsort(scores, kind="stable")[: self.most_fitted])
        above = scores[fitted] - scores.min()
        delta = self.sharpness * (np.median(above) or above.max() or 1.0)
        target = np.log(above + delta)
        return np.array(list(self._trials), dtype=np.intp)[fitted], (target - target.mean()) / (target.std() or 1.0)


def _features(space: Enumerable) -> list[tuple[float, Floats]]:
    """Blocks of columns for all cells, each with its weight in the squared distance."""
    if "path_and_graph" in space.encodings:
        return [(1.0, space.encode(space, "path_and_graph")), (_COUNTS_WEIGHT, space.encode(space, "operation_counts"))]
    return [(1.0, space.encode(space, "one_hot"))]


@lru_cache(maxsize=4)
def _points(space: Enumerable) -> tuple[Floats, NDArray[np.intp]]:
    """The distinct points of the kernel's space, ``(m, d)``, and the point of each cell, ``(len(space),)``.

    Columns are scaled to their range, and the whole so that two random cells are 1 apart (root mean square).
    """
    blocks, features = [], _features(space)
    for weight, block in features:
        columns = block[:, np.ptp(block, axis=0) > 0].astype(np.float64)
        columns = (columns - columns.mean(axis=0)) / np.ptp(columns, axis=0)
        blocks.append(columns * np.sqrt(weight / (2 * columns.var(axis=0).sum() or 1.0)))
    joined = np.column_stack(blocks) / np.sqrt(sum(weight for weight, _ in features))
    points, point_of_cell = np.unique(joined, axis=0, return_inverse=True)
    return points, point_of_cell.reshape(-1)


def _expected_improvement(
    points: Floats, known: NDArray[np.intp], target: Floats, luck: float
) -> tuple[Floats, Floats]:
    """Expected improvement on the least target and predicted mean at every point, each of shape ``(m,)``."""
    from scipy.linalg import solve_triangular
    from scipy.special import ndtr

    squares = (points**2).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[known, None] + squares - 2 * points[known] @ points.T, 0))
    length, noise, variance = _most_likely(distances[:, known], target)
    to_all = _matern(distances / length)
    root = np.linalg.cholesky(to_all[:, known] + noise * np.eye(len(known)))
    whitened = solve_triangular(root, to_all, lower=True)
    mean = whitened.T @ solve_triangular(root, target, lower=True)
    deviation = np.sqrt(variance * (np.maximum(1 - (whitened**2).sum(axis=0), 1e-9) + luck * noise))
    z = (target.min() - mean) / deviation
    return deviation * (z * ndtr(z) + np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)), mean


def _most_likely(distances: Floats, target: Floats) -> tuple[float, float, float]:
    """The length scale, relative noise and process variance of the largest marginal likelihood."""
    found = []
    for length in _LENGTHS:
        values, vectors = np.linalg.eigh(_matern(distances / length))
        projected = (vectors.T @ target) ** 2
        for noise in _NOISES:
            spectrum = np.maximum(values, 0) + noise
            variance = max(float((projected / spectrum).mean()), 1e-12)  # a constant target has none
            found.append((-len(target) * np.log(variance) - np.log(spectrum).sum(), length, noise, variance))
    return max(found)[1:]


def _matern(scaled: Floats) -> Floats:
    """The Matérn-5/2 kernel of distances over the length scale."""
    r = np.sqrt(5) * scaled
    return np.asarray((1 + r + r**2 / 3) * np.exp(-r))
