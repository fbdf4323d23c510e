"""Bayesian optimisation: a Gaussian process over all cells, and the cell of the largest expected improvement.

Sources: expected improvement, Jones et al., "Efficient Global Optimization", JOGO 1998; path features, White et
al., "BANANAS", AAAI 2021. Departures: BANANAS trains neural networks and samples from them (Thompson sampling);
here a Gaussian process with a Matérn-5/2 kernel predicts every cell of a space that can be listed, and only elsewhere
a pool of random cells and mutations; the score is sharpened by a logarithm, because only the order among the best cells
matters; and the improvement is one of the table's value, not of its mean, so a share of the noise counts as a cell's
own luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.gaussian import Floats, Process, Scaling, matern, most_likely_on_grid, squared_distances
from surrogate_nas.space import Cell, Enumerable, Space, choices_of
from surrogate_nas.space.base import Encoding
from surrogate_nas.space.cell import Choices
from surrogate_nas.strategies.base import Strategy
from surrogate_nas.trial import Trial

_LENGTHS = (0.5, 1.0, 2.0, 4.0)  # two random cells are about 1 apart
_NOISES = (0.01, 0.05, 0.2)  # variances relative to that of the process
_BLOCKS = {"path_and_graph": 1.0, "operation_counts": 0.3}
"""Weights in the squared distance: operation counts fix the parameters, paths and graph the accuracy."""
_PARENTS, _CHILDREN, _DRAWN = 10, 30, 500
"""The pool of a space that cannot be listed: mutations of the best told, and random cells."""


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
        self.first_cells = first_cells
        self.sharpness = sharpness
        self.luck = luck
        self.most_fitted = most_fitted
        self._trials: dict[Cell, Trial] = {}

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember the trials; a cell told again replaces its earlier trial.

        Args:
            trials: The new trials.
        """
        self._trials.update({trial.cell: trial for trial in trials})

    def ask(self, n: int) -> Sequence[Cell]:
        """Propose cells that were not evaluated yet, or random ones once every cell was.

        Args:
            n: The most that may be returned, at least 1.

        Returns:
            Different cells; fewer than `n` where the first random cells or the space run out.
        """
        if len(self._trials) >= self.space.size:
            return [self.space.sample(self.rng) for _ in range(n)]
        missing = self.first_cells - len(self._trials)
        if isinstance(self.space, Enumerable):
            unknown = np.ones(len(self.space), dtype=bool)
            unknown[[self.space.index(cell) for cell in self._trials]] = False
            if missing > 0:
                drawn = self.rng.permutation(np.flatnonzero(unknown))[: min(n, missing)]
                return [self.space[int(index)] for index in drawn]
            pool: Sequence[Cell] = self.space
            view = _whole(self.space)
        else:
            if missing > 0:
                return [self.space.sample(self.rng) for _ in range(min(n, missing))]
            pool = self._drawn_pool()
            view = _distinct(_View.of(self.space)(choices_of(pool)))
            unknown = np.array([cell not in self._trials for cell in pool])
        return self._best_of(pool, view, unknown, n)

    def _drawn_pool(self) -> list[Cell]:
        """Where cells cannot be listed: the told ones, random ones, and the neighbours of the best told."""
        best = sorted(self._trials.values(), key=lambda trial: trial.score)[:_PARENTS]
        near = [self.space.mutate(trial.cell, self.rng) for trial in best for _ in range(_CHILDREN)]
        drawn = [self.space.sample(self.rng) for _ in range(_DRAWN)]
        return list(dict.fromkeys([*self._trials, *near, *drawn]))

    def _best_of(self, pool: Sequence[Cell], view: _Points, unknown: NDArray[np.bool_], n: int) -> list[Cell]:
        """Up to `n` unknown cells of the pool, one after another, each believed to score as predicted."""
        place = {cell: i for i, cell in enumerate(pool)} if not isinstance(pool, Enumerable) else None
        told, target = self._data()
        cells = np.array([place[cell] if place else self.space.index(cell) for cell in told], dtype=np.intp)  # type: ignore[attr-defined]
        picked: list[Cell] = []
        for _ in range(min(n, int(unknown.sum()))):
            improvement, mean = _expected_improvement(view.points, view.of_cell[cells], target, self.luck)
            ties = self.rng.permutation(np.flatnonzero(unknown))
            index = int(ties[np.argmax(improvement[view.of_cell[ties]])])
            picked.append(pool[index])
            unknown[index] = False
            cells, target = np.append(cells, index), np.append(target, mean[view.of_cell[index]])
        return picked

    def _data(self) -> tuple[list[Cell], Floats]:
        """The best known cells and log(score - best + delta), standardised; infeasible scores are clipped."""
        scores = np.array([trial.score for trial in self._trials.values()])
        feasible = [trial.score for trial in self._trials.values() if trial.feasible]
        scores = np.minimum(scores, max(feasible, default=np.inf))
        fitted = np.sort(np.argsort(scores, kind="stable")[: self.most_fitted])
        above = scores[fitted] - scores.min()
        delta = self.sharpness * (np.median(above) or above.max() or 1.0)
        target = np.log(above + delta)
        told = list(self._trials)
        return [told[i] for i in fitted], (target - target.mean()) / (target.std() or 1.0)


class _View(NamedTuple):
    """How the kernel sees cells: blocks of columns, scaled so that two random cells are 1 apart (root mean square).

    Attributes:
        blocks: Each one's encoding, how its columns are scaled, and what they are then multiplied by.
    """

    blocks: tuple[tuple[Encoding, Scaling, float], ...]

    @classmethod
    @lru_cache(maxsize=4)
    def of(cls, space: Space) -> _View:
        """Take the constants from the survey of a space."""
        weights = _BLOCKS if set(_BLOCKS) <= set(space.encodings) else {"one_hot": 1.0}
        blocks = []
        for name, weight in weights.items():
            scaling = Scaling.of(space.encodings[name](space.surveyed_choices))
            share = np.sqrt(weight / (scaling.distance * sum(weights.values())))
            blocks.append((space.encodings[name], scaling, float(share)))
        return cls(tuple(blocks))

    def __call__(self, choices: Choices) -> Floats:
        """The points of cells, shape ``(n, d)``."""
        return np.column_stack([scaling.ranged(encode(choices)) * share for encode, scaling, share in self.blocks])


class _Points(NamedTuple):
    """The distinct points of a pool, ``(m, d)``, and the point of each of its cells, ``(n,)``."""

    points: Floats
    of_cell: NDArray[np.intp]


def _distinct(points: Floats) -> _Points:
    distinct, of_cell = np.unique(points, axis=0, return_inverse=True)
    return _Points(distinct, of_cell.reshape(-1))


@lru_cache(maxsize=4)
def _whole(space: Enumerable) -> _Points:
    return _distinct(_View.of(space)(space.choices))


def _expected_improvement(
    points: Floats, known: NDArray[np.intp], target: Floats, luck: float
) -> tuple[Floats, Floats]:
    """Expected improvement on the least target and predicted mean at every point, each of shape ``(m,)``."""
    from scipy.special import ndtr

    distances = np.sqrt(squared_distances(points[known], points))
    length, noise, _ = most_likely_on_grid(distances[:, known], target, _LENGTHS, _NOISES)
    to_all = matern(distances / length)
    mean, deviation = Process.seeing(to_all[:, known], target, noise).foresee(to_all, luck)
    z = (target.min() - mean) / deviation
    return deviation * (z * ndtr(z) + np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)), mean
