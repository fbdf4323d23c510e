"""Bayesian optimisation over epochs: cells are looked at early, by what tells most of L, before they are trained on.

Kennedy & O'Hagan, "Predicting the Output from a Complex Computer Code When Fast Approximations Are Available",
Biometrika 2000: one process of what is read early, and one of what L is beyond a multiple of that. The data choose
what is read: of all that a request may read after the first number of epochs, what ranks the told cells most as their
L does, by Kendall's τ. The first told cells are looked at for that. Everything else is as in `bo`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from surrogate_nas.gaussian import Floats
from surrogate_nas.space import Cell, Space, listed
from surrogate_nas.strategies.bo.expert import Places, Seen
from surrogate_nas.strategies.bo.points import Points
from surrogate_nas.strategies.bo.strategy import BayesianOptimisation, sharpened
from surrogate_nas.trial import Request, Trial

_LATE, _EARLY = 0, 1
"""The experts of L, and of what is read early."""
_LEAST = 2
_RIDGE = 0.1
"""Of the variance of what is read, against slopes of cells that hardly differ."""


class _Link(NamedTuple):
    """What of an early look tells of L.

    Attributes:
        name: The metric, as trials name it.
        sign: 1, or -1 where larger is better.
    """

    name: str
    sign: int


class EpochBayesianOptimisation(BayesianOptimisation):
    """Asks for the cell of largest expected improvement: early, if it was never seen, and else to the end.

    With one number of epochs, or where nothing read early ranks cells as L does, it is `bo`.

    Example:
        >>> from surrogate_nas.space import nb201
        >>> search = EpochBayesianOptimisation(nb201(), seed=0)
        >>> search.epochs = (1, 9)
        >>> [request.epochs for request in search.ask(3)]
        [1, 1, 1]
    """

    chooses_epochs: ClassVar[bool] = True
    many_objectives: ClassVar[bool] = False

    def __init__(
        self, space: Space, *, seed: int, first_cells: int = 10, sharpness: float = 0.15, least_tau: float = 0.3
    ) -> None:
        """Store the knobs.

        Args:
            space: The space that cells come from.
            seed: The root of the strategy's randomness.
            first_cells: How many cells are looked at before anything is learned: told ones, or random ones, of which
                the better half is then trained to the end.
            sharpness: How far below the least value told the logarithm of L, and of what is read, has its pole, as a
                share of the distance from there to the median.
            least_tau: The least τ for which cells are looked at early.
        """
        super().__init__(space, seed=seed, first_cells=first_cells, sharpness=sharpness)
        self.least_tau = least_tau
        self._early: dict[Cell, Trial] = {}
        self._both: dict[Cell, None] = {}
        self._link: _Link | None = None
        self._plain = self._early_places = self._both_places = np.empty(0, dtype=np.intp)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember trials after the first and after the last number of epochs apart, and no others.

        Args:
            trials: The new trials.
        """
        for trial in trials:
            if len(self.epochs) < _LEAST or trial.epochs == self.epochs[-1]:
                super().tell([trial])
            elif trial.epochs == self.epochs[0]:
                self._early[trial.cell] = trial
                self._pending.pop(trial.cell, None)
            if trial.cell in self._early and trial.cell in self._trials:
                self._both[trial.cell] = None

    def ask(self, n: int) -> Sequence[Cell | Request]:
        """Propose cells to look at early, or to train to the end.

        Args:
            n: The most that may be returned, at least 1.

        Returns:
            Different cells; fewer than `n` where the space runs out.
        """
        if len(self.epochs) < _LEAST:
            return super().ask(n)
        asked: list[Cell | Request] = []
        while len(asked) < n and (request := self._request()) is not None:
            asked.append(request)
            self._pending[request.cell] = None
        return asked or [self.space.sample(self.rng)]

    def _request(self) -> Request | None:
        return self._first() or self._learned()

    def _first(self) -> Request | None:
        """Before anything is learned: looks at told or random cells; the best of these are trained to the end."""
        looking = sum(cell in self._trials for cell in self._pending)
        if len(self._both) + looking < self.first_cells:
            for cell in self._trials:
                if cell not in self._early and cell not in self._pending:
                    return self._look(cell)
        whole = len(self._trials) + sum(cell in self._early for cell in self._pending)
        wanted = max(self.first_cells // 2, _LEAST)
        seen = len(self._early) + sum(cell not in self._early for cell in self._pending)
        if whole >= wanted and len(self._trials) >= _LEAST:
            return None
        ready = [cell for cell in self._early if cell not in self._trials and cell not in self._pending]
        if ready and seen >= self.first_cells and whole < wanted:
            return Request(min(ready, key=lambda cell: self._early[cell].score), self.epochs[-1])
        drawn = self._drawn()
        return None if drawn is None else self._look(drawn)

    def _learned(self) -> Request | None:
        """The cell of largest expected improvement."""
        if len(self._trials) < _LEAST or len(self._trials) + len(self._pending) >= self.space.size:
            return None
        self._choose()
        pool = listed(self.space) if self._listed else self._pool()
        place = self._best_place(pool, self._told())
        if place is None:
            return None
        cell = pool[place]
        return self._look(cell) if self._link and cell not in self._early else Request(cell, self.epochs[-1])

    def _look(self, cell: Cell) -> Request:
        return Request(cell, self.epochs[0], tuple(self.readable.get(self.epochs[0], ())))

    def _choose(self) -> None:
        """Choose what of an early look tells of L, from the cells that are known both ways."""
        from scipy.stats import kendalltau

        late = [self._trials[cell].loss for cell in self._both]
        found: list[tuple[float, _Link]] = []
        for name in self._early[next(iter(self._both))].values if self._both else ():
            early = [self._early[cell].values.get(name, np.nan) for cell in self._both]
            tau = float(kendalltau(early, late).statistic)
            if np.isfinite(tau):
                found.append((abs(tau), _Link(name, 1 if tau > 0 else -1)))
        tau, link = max(found, key=lambda one: one[0], default=(0.0, None))
        chosen = link if tau >= self.least_tau else None
        if chosen != self._link:
            self._experts.clear()
        self._link = chosen

    def _pool(self) -> list[Cell]:
        return list(dict.fromkeys([*super()._pool(), *self._early]))

    def _looked_up(self, pool: Sequence[Cell], told: list[Cell]) -> tuple[Points, Places, Places]:
        """As in `bo`; but every cell that was looked at is a point of its own, after all others."""
        points, places, pending = super()._looked_up(pool, told)
        if self._link is None:
            return points, places, pending
        where = listed(self.space).index if self._listed else {cell: i for i, cell in enumerate(pool)}.__getitem__
        self._early_places = np.array([where(cell) for cell in self._early], dtype=np.intp)
        self._both_places = np.array([where(cell) for cell in self._both], dtype=np.intp)
        self._plain, of_cell = points.of_cell, points.of_cell.copy()
        of_cell[self._early_places] = len(points.views[0]) + np.arange(len(self._early))
        return points._replace(of_cell=of_cell), places, pending

    def _seen(self, part: int, points: Points, places: Places, pending: Places, target: Floats) -> list[Seen]:
        if self._link is None:
            return super()._seen(part, points, places, pending, target)
        name, sign = self._link
        _, read = sharpened(sign * np.array([trial.values[name] for trial in self._early.values()]), self.sharpness)
        own = points.of_cell[self._both_places] - len(points.views[0])
        order = {place: i for i, place in enumerate(places.tolist())}
        early, late = read[own], target[[order[place] for place in self._both_places.tolist()]]
        slope = _slope(early, late)
        plain = points._replace(of_cell=self._plain)
        first = super()._seen(_EARLY, plain, self._early_places, pending, read)
        second = super()._seen(_LATE, plain, self._both_places, pending, late - slope * early)
        of_read = self._plain[self._early_places]
        return [
            Seen(
                np.append(slope * one.mean + two.mean, slope * read + two.mean[of_read]),
                np.append(slope**2 * one.variance + two.variance, two.variance[of_read]),
            )
            for one, two in zip(first, second, strict=True)
        ]


def _slope(early: Floats, late: Floats) -> float:
    """Of a line through the better half of some cells, as only the best matter; 0 where it would fall.

    Args:
        early: What was read of them early, shape ``(n,)``.
        late: What was learned of L, smaller being better, shape ``(n,)``.
    """
    good = late <= np.median(late)
    x, y = early[good] - early[good].mean(), late[good] - late[good].mean()
    spread = float((x**2).mean() + _RIDGE * early.var())
    return max(float((x * y).mean()) / spread, 0.0) if spread > 0 else 0.0
