"""Bayesian optimisation of L alone: what R and the limits are is known for free, so only L has to be learned.

Expected improvement: Jones et al., "Efficient Global Optimization", JOGO 1998; the logarithm of the target: a score is
sharpened towards its best end, because only the order among the best cells matters. Departures from BANANAS (White et
al., AAAI 2021), which trains neural networks and draws from them: Gaussian processes over all cells of a space that can
be listed; elsewhere over random cells and mutations of the best. λR and feasibility of a cell come from
`Strategy.known` where they need no training; what does not is learned with L. Cells of one function share what is
learned of them, so that after one of them is told only what they differ by is left to gain. Several objectives are
learned each by itself, and the expected gain is that of hypervolume (`surrogate_nas.strategies.bo.front`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.gaussian import Floats
from surrogate_nas.space import Cell, Enumerable, Space, listed
from surrogate_nas.strategies.base import Strategy
from surrogate_nas.strategies.bo.expert import Expert, Places, Seen
from surrogate_nas.strategies.bo.front import Believed, expected_gain, learned_of, reference_of
from surrogate_nas.strategies.bo.points import Points, some, whole
from surrogate_nas.strategies.nsga2 import survivors
from surrogate_nas.trial import Request, Trial

_LARGEST_LISTED = 20_000
_PARENTS, _CHILDREN, _DRAWN = 10, 30, 700
"""The pool of a space that is not listed: mutations of the best told, and random cells."""
_ROUND = ("improvement", "probability", "improvement", "near")


class _Told(NamedTuple):
    """What is told, in the order of telling.

    Attributes:
        cells: Different cells, the latest trial of each counts.
        values: What is learned: L, and of λR what is not known.
        best: The least score of a feasible one; infinite where none is.
    """

    cells: list[Cell]
    values: Floats
    best: float


class BayesianOptimisation(Strategy):
    """Ten random cells, then the cell whose expected improvement of L + λR is largest.

    Two Gaussian processes, each with a view of its own, are averaged. Of every four questions, in random order, two
    maximise the expected improvement, one its probability, and one the expected improvement among the neighbours of the
    best cell. Cells that are asked for and not told yet are believed to score as predicted. On several objectives every
    question maximises the expected improvement of hypervolume.

    Example:
        >>> from surrogate_nas.space import nb201
        >>> len(BayesianOptimisation(nb201(), seed=0).ask(3))
        3
    """

    batch_size: ClassVar[int] = 1
    uses_known: ClassVar[bool] = True
    many_objectives: ClassVar[bool] = True

    def __init__(
        self,
        space: Space,
        *,
        seed: int,
        first_cells: int = 10,
        sharpness: float = 0.15,
        front_sharpness: float = 1.0,
    ) -> None:
        """Store the knobs.

        Args:
            space: The space that cells come from.
            seed: The root of the strategy's randomness.
            first_cells: How many cells are drawn at random before anything is learned, at least 2.
            sharpness: How far below the least L told the target's logarithm has its pole, as a share of the distance
                from there to the median; smaller looks closer at the best cells.
            front_sharpness: The same where there are several objectives, since a front is more than its end.
        """
        super().__init__(space, seed=seed)
        self.first_cells = max(first_cells, 2)
        self.sharpness = sharpness
        self.front_sharpness = front_sharpness
        self._seed = seed
        self._trials: dict[Cell, Trial] = {}
        self._pending: dict[Cell, None] = {}
        self._listed = isinstance(space, Enumerable) and space.size <= _LARGEST_LISTED
        self._experts: dict[int, Sequence[Expert]] = {}
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

    def ask(self, n: int) -> Sequence[Cell | Request]:
        """Propose cells that were neither told nor asked for, or random ones once there is no other.

        Args:
            n: The most that may be returned, at least 1.

        Returns:
            Different cells; fewer than `n` where the first random cells or the space run out.
        """
        asked: list[Cell | Request] = []
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
        place = self._best_place(pool, self._told()) if self.objectives == 1 else self._front_place(pool)
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

    def _told(self) -> _Told:
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
        return _Told(cells, scores - known, best)

    def _pool(self) -> list[Cell]:
        """Where cells are not listed: the told and pending ones, then random ones, and mutations of the best told."""
        trials = list(self._trials.values())
        several = self.objectives > 1
        best = survivors(trials, _PARENTS) if several else sorted(trials, key=lambda trial: trial.score)[:_PARENTS]
        near = [self.space.mutate(trial.cell, self.rng) for trial in best for _ in range(_CHILDREN)]
        drawn = [self.space.sample(self.rng) for _ in range(_DRAWN)]
        return list(dict.fromkeys([*self._trials, *self._pending, *near, *drawn]))

    def _best_place(self, pool: Sequence[Cell], told: _Told) -> int | None:
        points, places, pending = self._looked_up(pool, told.cells)
        vectors, allowed = self._known_of(pool)
        penalty, free = vectors.sum(axis=1), _free(allowed, [*places, *pending])
        if not free.any():
            return None
        if not self._rules:
            self._rules = [_ROUND[i] for i in self.rng.permutation(len(_ROUND))]
        rule = self._rules.pop()
        if rule == "near":
            free = self._near(pool, free)
        pole, target = sharpened(told.values, self.sharpness)
        best = told.best if np.isfinite(told.best) else float((told.values + penalty[places]).min())
        candidates = self._cheapest(points, penalty, free)
        of_candidate = points.of_cell[candidates]
        left = best - pole - penalty[candidates]
        gain = np.zeros(len(candidates))
        for seen in self._seen(0, points, places, pending, target):
            gain += _gain(seen, of_candidate, left, rule == "probability")
        return self._largest(candidates, gain)

    def _front_place(self, pool: Sequence[Cell]) -> int | None:
        """Several objectives: the free cell whose expected improvement of hypervolume is largest."""
        trials = list(self._trials.values())
        points, places, pending = self._looked_up(pool, [trial.cell for trial in trials])
        known, allowed = self._known_of(pool)
        free = _free(allowed, [*places, *pending])
        if not free.any():
            return None
        whole = self.known.whole if self.known is not None else (False,) * self.objectives
        scores, learned = learned_of(trials, known[places], whole, self._all_known)
        one_price = np.count_nonzero(known.any(axis=0)) < 2
        candidates = self._cheapest(points, known.sum(axis=1), free) if one_price else np.flatnonzero(free)
        looked = np.concatenate([candidates, pending])
        of_looked = points.of_cell[looked]
        believed = []
        for part, is_whole in enumerate(whole):
            if is_whole:
                believed.append(Believed(known[looked, part]))
                continue
            pole, target = sharpened(learned[:, part], self.front_sharpness)
            everywhere = self._seen(part, points, places, pending, target)
            seen = [Seen(each.mean[of_looked], each.variance[of_looked]) for each in everywhere]
            believed.append(Believed(known[looked, part], pole, seen))
        waiting = np.column_stack([each.expected for each in believed])[len(candidates) :]
        gain = expected_gain(believed, np.vstack([scores, waiting]), reference_of(scores, whole))
        return self._largest(candidates, gain[: len(candidates)])

    def _largest(self, candidates: Places, gain: Floats) -> int:
        """A candidate of the largest gain, any of them where there are several."""
        ties = np.flatnonzero(gain == gain.max())
        return int(candidates[ties[self.rng.integers(len(ties))]])

    def _seen(self, part: int, points: Points, places: Places, pending: Places, target: Floats) -> list[Seen]:
        """What the experts of an objective, one for each view of the points, say of all points."""
        before = self._experts.get(part, ())
        if not (self._listed and before):
            likes: Sequence[Expert | None] = before or [None] * len(points.views)
            seed = self._seed % 2**32
            before = [Expert(view, seed, like) for view, like in zip(points.views, likes, strict=True)]
            self._experts[part] = before
        return [expert.see(points.of_cell[places], target, points.of_cell[pending]) for expert in before]

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
        """The pool's points, and where told and pending cells lie in the pool."""
        if self._listed:
            index = listed(self.space).index
            places = np.array([index(cell) for cell in told], dtype=np.intp)
            waiting = np.array([index(cell) for cell in self._pending], dtype=np.intp)
            return whole(listed(self.space), not self._all_known), places, waiting
        n = len(told)
        return some(self.space, pool, not self._all_known), np.arange(n), np.arange(n, n + len(self._pending))

    def _known_of(self, pool: Sequence[Cell]) -> tuple[Floats, NDArray[np.bool_]]:
        """λR of the pool's cells, as far as it is known, by objective, and which are not known to break a limit."""
        if self.known is None:
            return np.zeros((len(pool), self.objectives)), np.ones(len(pool), dtype=bool)
        if not self._listed:
            return self.known.vector(pool), self.known.feasible(pool)
        if self._costs is None:
            self._costs = self.known.vector(pool), self.known.feasible(pool)
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


def _free(allowed: NDArray[np.bool_], taken: Sequence[int]) -> NDArray[np.bool_]:
    """The cells that are not taken: of these the allowed ones, or all where none is allowed."""
    free = np.ones(len(allowed), dtype=bool)
    free[taken] = False
    return free & allowed if (free & allowed).any() else free


def sharpened(values: Floats, sharpness: float) -> tuple[float, Floats]:
    """The pole below the least of some values, and the logarithms of how far they lie above it.

    Args:
        values: Shape ``(n,)``, smaller being better.
        sharpness: How far below the least the pole lies, as a share of the distance from there to the median.
    """
    least, median = values.min(), np.median(values)
    pole = float(least - sharpness * ((median - least) or 1.0))
    return pole, np.log(values - pole)


def _gain(seen: Seen, of_candidate: Places, left: Floats, probability: bool) -> Floats:
    """Expected improvement of candidates, or its probability; 0 where R alone is too much, shape ``(k,)``.

    Args:
        seen: Mean and variance of log(L - pole) at all points.
        of_candidate: The candidates' points.
        left: How much L - pole may be for an improvement.
        probability: Whether to give the probability.
    """
    from scipy.special import log_ndtr, ndtr

    possible = left > 0
    found = np.zeros(len(left))
    mean, variance = seen.mean[of_candidate[possible]], seen.variance[of_candidate[possible]]
    deviation, room = np.sqrt(variance), left[possible]
    q = (np.log(room) - mean) / deviation
    if probability:
        found[possible] = ndtr(q)
    else:
        found[possible] = room * ndtr(q) - np.exp(mean + variance / 2 + log_ndtr(q - deviation))
    return np.maximum(found, 0.0)
