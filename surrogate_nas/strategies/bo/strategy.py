"""Bayesian optimisation of L alone: what R and the limits are is known for free, so only L has to be learned.

Expected improvement: Jones et al., "Efficient Global Optimization", JOGO 1998; the logarithm of the target: a score is
sharpened towards its best end, because only the order among the best cells matters. Departures from BANANAS (White et
al., AAAI 2021), which trains neural networks and draws from them: Gaussian processes over all cells of a space that can
be listed; elsewhere over random cells and mutations of the best. λR and feasibility of a cell come from
`Strategy.known` where they need no training; what does not is learned with L. Cells of one function share what is
learned of them, so that after one of them is told only what they differ by is left to gain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.gaussian import Floats
from surrogate_nas.space import Cell, Enumerable, Space, listed
from surrogate_nas.strategies.base import Strategy
from surrogate_nas.strategies.bo.expert import Expert, Places, Seen
from surrogate_nas.strategies.bo.points import Points, some, whole
from surrogate_nas.trial import Trial

_LARGEST_LISTED = 20_000
_PARENTS, _CHILDREN, _DRAWN = 10, 30, 700
"""The pool of a space that is not listed: mutations of the best told, and random cells."""
_ROUND = ("improvement", "probability", "improvement", "near")


class Told(NamedTuple):
    """What is told, in the order of telling.

    Attributes:
        cells: Different cells, the latest trial of each counts.
        values: What is learned: L, and of λR what is not known.
        best: The least score of a feasible one; infinite where none is.
    """

    cells: list[Cell]
    values: Floats
    best: float


class Where(NamedTuple):
    """Places in the pool.

    Attributes:
        told: Of the told cells, in the order of telling.
        pending: Of cells that are asked for and not told.
        candidates: Of those to choose from.
    """

    told: Places
    pending: Places
    candidates: Places


class BayesianOptimisation(Strategy):
    """Ten random cells, then the cell whose expected improvement of L + λR is largest.

    Two Gaussian processes, each with a view of its own, are averaged. Of every four questions, in random order, two
    maximise the expected improvement, one its probability, and one the expected improvement among the neighbours of the
    best cell. Cells that are asked for and not told yet are believed to score as predicted.

    Example:
        >>> from surrogate_nas.space import nb201
        >>> len(BayesianOptimisation(nb201(), seed=0).ask(3))
        3
    """

    batch_size: ClassVar[int] = 1
    uses_known: ClassVar[bool] = True

    def __init__(self, space: Space, *, seed: int, first_cells: int = 10, sharpness: float = 0.15) -> None:
        """Store the knobs.

        Args:
            space: The space that cells come from.
            seed: The root of the strategy's randomness.
            first_cells: How many cells are drawn at random before anything is learned, at least 2.
            sharpness: How far below the least L told the target's logarithm has its pole, as a share of the distance
                from there to the median; smaller looks closer at the best cells.
        """
        super().__init__(space, seed=seed)
        self.first_cells = max(first_cells, 2)
        self.sharpness = sharpness
        self._seed = seed
        self._trials: dict[Cell, Trial] = {}
        self._pending: dict[Cell, None] = {}
        self._listed = isinstance(space, Enumerable) and space.size <= _LARGEST_LISTED
        self._experts: Sequence[Expert] = []
        self._rules: list[str] = []
        self._order: Places | None = None
        self._costs: tuple[Floats, NDArray[np.bool_]] | None = None

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember the trials; a cell told again replaces its earlier trial.

        Args:
            trials: The new trials.
        """
        for trial in trials:
            self._trials[trial.cell] = trial
            self._pending.pop(trial.cell, None)

    def ask(self, n: int) -> Sequence[Cell]:
        """Propose cells that were neither told nor asked for, or random ones once there is no other.

        Args:
            n: The most that may be returned, at least 1.

        Returns:
            Different cells; fewer than `n` where the first random cells or the space run out.
        """
        asked: list[Cell] = []
        for _ in range(n):
            cell = self._next()
            if cell is None:
                break
            asked.append(cell)
            self._pending[cell] = None
        return asked or [self.space.sample(self.rng)]

    def _next(self) -> Cell | None:
        taken = len(self._trials) + len(self._pending)
        if taken >= self.space.size:
            return None
        if taken < self.first_cells or len(self._trials) < 2:
            return self._drawn()
        pool = listed(self.space) if self._listed else self._pool()
        place = self._best_place(pool, self._told())
        return None if place is None else pool[place]

    def _drawn(self) -> Cell | None:
        """A random cell that is new, if a patient search finds one."""
        for _ in range(1000):
            cell = self.space.sample(self.rng)
            if cell not in self._trials and cell not in self._pending:
                return cell
        return None

    @property
    def _all_known(self) -> bool:
        return self.known is not None and not self.known.missing

    def _told(self) -> Told:
        trials = list(self._trials.values())
        cells = [trial.cell for trial in trials]
        scores = np.array([trial.score for trial in trials])
        feasible = np.array([trial.feasible for trial in trials])
        best = float(scores[feasible].min()) if feasible.any() else np.inf
        worst = float(scores[feasible].max()) if feasible.any() else np.inf
        if self._all_known:  # an infeasible cell tells of L as much as any
            scores = np.where(feasible, scores, [trial.loss + trial.penalty for trial in trials])
        else:
            scores = np.minimum(scores, worst)
        known = np.zeros(len(trials)) if self.known is None else self.known.penalty(cells)
        return Told(cells, scores - known, best)

    def _pool(self) -> list[Cell]:
        """Where cells are not listed: the told and pending ones, then random ones, and mutations of the best told."""
        best = sorted(self._trials.values(), key=lambda trial: trial.score)[:_PARENTS]
        near = [self.space.mutate(trial.cell, self.rng) for trial in best for _ in range(_CHILDREN)]
        drawn = [self.space.sample(self.rng) for _ in range(_DRAWN)]
        return list(dict.fromkeys([*self._trials, *self._pending, *near, *drawn]))

    def _best_place(self, pool: Sequence[Cell], told: Told) -> int | None:
        points, places, pending = self._looked_up(pool, told.cells)
        penalty, allowed = self._known_of(pool)
        taken = np.concatenate([places, pending])
        free = allowed.copy()
        free[taken] = False
        if not free.any():
            free = np.ones(len(pool), dtype=bool)
            free[taken] = False
            if not free.any():
                return None
        if not self._rules:
            self._rules = [_ROUND[i] for i in self.rng.permutation(len(_ROUND))]
        rule = self._rules.pop()
        if rule == "near":
            free = self._near(pool, free)
        least, median = told.values.min(), np.median(told.values)
        pole = least - self.sharpness * ((median - least) or 1.0)
        target = np.log(told.values - pole)
        best = told.best if np.isfinite(told.best) else float((told.values + penalty[places]).min())
        candidates = self._cheapest(points, penalty, free)
        left = best - pole - penalty[candidates]
        gain = np.zeros(len(candidates))
        for seen in self._foreseen(points, Where(places, pending, candidates), target):
            gain += _gain(seen, left, rule == "probability")
        ties = np.flatnonzero(gain == gain.max())
        return int(candidates[ties[self.rng.integers(len(ties))]])

    def _foreseen(self, points: Points, where: Where, target: Floats) -> Iterator[Seen]:
        """What every expert says of the candidates, in the unit of the target."""
        for expert in self._experts:
            seen = expert.see(points.of_cell[where.told], target, points.of_cell[where.pending])
            of_candidate = points.of_cell[where.candidates]
            yield Seen(seen.mean[of_candidate], seen.variance[of_candidate])

    def _cheapest(self, points: Points, penalty: Floats, free: NDArray[np.bool_]) -> Places:
        """Of every point the free cell of least λR, since all of them have the same L; shape ``(k,)``."""
        if not self._listed:
            return np.flatnonzero(free)
        if self._order is None:
            self._order = np.lexsort((self.rng.random(len(penalty)), penalty, points.of_cell))
        left = self._order[free[self._order]]
        of_left = points.of_cell[left]
        return np.asarray(left[np.concatenate([[True], of_left[1:] != of_left[:-1]])])

    def _looked_up(self, pool: Sequence[Cell], told: list[Cell]) -> tuple[Points, Places, Places]:
        """The pool's points, with an expert for each view of them, and where told and pending cells lie in it."""
        if self._listed:
            points = whole(listed(self.space), not self._all_known)
            self._experts = self._experts or [Expert(view, self._seed % 2**32) for view in points.views]
            index = listed(self.space).index
            places = np.array([index(cell) for cell in told], dtype=np.intp)
            return points, places, np.array([index(cell) for cell in self._pending], dtype=np.intp)
        points = some(self.space, pool, not self._all_known)
        before: Sequence[Expert | None] = self._experts or [None] * len(points.views)
        seed = self._seed % 2**32
        self._experts = [Expert(view, seed, like) for view, like in zip(points.views, before, strict=True)]
        n = len(told)
        return points, np.arange(n), np.arange(n, n + len(self._pending))

    def _known_of(self, pool: Sequence[Cell]) -> tuple[Floats, NDArray[np.bool_]]:
        """λR of the pool's cells, as far as it is known, and which are not known to break a limit."""
        if self.known is None:
            return np.zeros(len(pool)), np.ones(len(pool), dtype=bool)
        if not self._listed:
            return self.known.penalty(pool), self.known.feasible(pool)
        if self._costs is None:
            self._costs = self.known.penalty(pool), self.known.feasible(pool)
        return self._costs

    def _near(self, pool: Sequence[Cell], free: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Only the free neighbours of the best told cell; all free cells where there are none."""
        best = min(self._trials.values(), key=lambda trial: trial.score).cell
        if self._listed:
            around = np.zeros(len(pool), dtype=bool)
            around[[listed(self.space).index(cell) for cell in self.space.neighbours(best)]] = True
        else:
            near = set(self.space.neighbours(best))
            around = np.array([cell in near for cell in pool])
        return free & around if (free & around).any() else free


def _gain(seen: Seen, left: Floats, probability: bool) -> Floats:
    """Expected improvement of candidates, or its probability; 0 where R alone is too much, shape ``(k,)``.

    Args:
        seen: Mean and variance of log(L - pole) of the candidates.
        left: How much L - pole may be for an improvement.
        probability: Whether to give the probability.
    """
    from scipy.special import ndtr

    possible = left > 0
    found = np.zeros(len(left))
    mean, variance = seen.mean[possible], seen.variance[possible]
    deviation, room = np.sqrt(variance), left[possible]
    q = (np.log(room) - mean) / deviation
    below = ndtr(q)
    found[possible] = below if probability else room * below - np.exp(mean + variance / 2) * ndtr(q - deviation)
    return found
