"""Bayesian optimisation over epochs: cells are looked at early, by what tells most of L, before they are trained to the end.

Two processes, as in Kennedy & O'Hagan, "Predicting the Output from a Complex Computer Code When Fast Approximations Are
Available", Biometrika 2000: one of what is read early, and one of what L is beyond a multiple of that. What is read is
chosen by the data: of all that a request may read after the first number of epochs, what ranks the told cells most as
their L does (Kendall's τ). The first told cells are read early for that. Everything else is as in `bo`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ClassVar, NamedTuple

import os
import numpy as np
from numpy.typing import NDArray

from surrogate_nas.gaussian import Floats
from surrogate_nas.space import Cell, Space, listed
from surrogate_nas.strategies.bo.expert import Expert, Places, Seen
from surrogate_nas.strategies.bo.points import Points
from surrogate_nas.strategies.bo.strategy import BayesianOptimisation, Told, Where
from surrogate_nas.trial import Request, Trial

_LOSS = ""
"""The early L itself, among the names of what is read."""


class _Link(NamedTuple):
    """How what is read early tells of L.

    Attributes:
        name: Of what is read.
        sign: 1, or -1 where more is better.
        tau: Kendall's τ over the cells that are known both ways, without its sign.
    """

    name: str
    sign: int
    tau: float


class EpochBayesianOptimisation(BayesianOptimisation):
    """Asks for the cell of largest expected improvement: early, where that tells enough of L for its price, else whole.

    An early look is worth its price where the share of the variance that it takes away is larger than the share of the
    seconds that it takes. With one number of epochs, or where nothing read early ranks cells as L does, it is `bo`.

    Example:
        >>> from surrogate_nas.space import nb201
        >>> search = EpochBayesianOptimisation(nb201(), seed=0)
        >>> search.epochs = (1, 9)
        >>> [request.epochs for request in search.ask(3)]
        [1, 1, 1]
    """

    chooses_epochs: ClassVar[bool] = True

    def __init__(
        self,
        space: Space,
        *,
        seed: int,
        first_cells: int = 10,
        sharpness: float = 0.15,
        least_tau: float = 0.3,
    ) -> None:
        """Store the knobs.

        Args:
            space: The space that cells come from.
            seed: The root of the strategy's randomness.
            first_cells: How many cells are drawn at random, and seen early and to the end, before anything is learned.
            sharpness: How far below the least value told the logarithm of L, and of what is read, has its pole, as a
                share of the distance from there to the median.
            least_tau: The least τ for which cells are looked at early.
        """
        super().__init__(space, seed=seed, first_cells=first_cells, sharpness=sharpness)
        self.least_tau = least_tau
        self._early: dict[Cell, Trial] = {}
        self._early_experts: Sequence[Expert] = []
        self._early_places: Places = np.empty(0, dtype=np.intp)
        self._link: _Link | None = None
        self._nested: list[Cell] = []

    @property
    def _looks(self) -> bool:
        return len(self.epochs) > 1

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember early and whole trials apart.

        Args:
            trials: The new trials.
        """
        for trial in trials:
            if not self._looks or trial.epochs == self.epochs[-1]:
                super().tell([trial])
            elif trial.epochs == self.epochs[int(os.environ.get("EARLY", "0"))]:
                self._early[trial.cell] = trial
                self._pending.pop(trial.cell, None)
            if trial.cell in self._early and trial.cell in self._trials and trial.cell not in self._nested:
                self._nested.append(trial.cell)

    def ask(self, n: int) -> Sequence[Cell | Request]:
        """Propose cells to be looked at early, or to be trained to the end.

        Args:
            n: The most that may be returned, at least 1.

        Returns:
            Different cells; fewer than `n` where the space runs out.
        """
        if not self._looks:
            return super().ask(n)
        asked: list[Cell | Request] = []
        for _ in range(n):
            request = self._request()
            if request is None:
                break
            asked.append(request)
            self._pending[request.cell] = None
        return asked or [self.space.sample(self.rng)]

    def _request(self) -> Request | None:
        unread = [cell for cell in self._trials if cell not in self._early and cell not in self._pending]
        looking = sum(cell in self._trials for cell in self._pending)
        if unread and len(self._nested) + looking < self.first_cells:
            return self._look(unread[0])
        if len(self._trials) + len(self._pending) < self.first_cells or len(self._trials) < 2:
            seen = next((cell for cell in self._early if cell not in self._trials and cell not in self._pending), None)
            if seen is not None:
                return Request(seen, self.epochs[-1])
            drawn = self._drawn()
            return None if drawn is None else self._look(drawn)
        self._choose()
        cell = self._next()
        if cell is None:
            return None
        return self._look(cell) if self._link and cell not in self._early else Request(cell, self.epochs[-1])

    def _look(self, cell: Cell) -> Request:
        return Request(
            cell,
            self.epochs[int(os.environ.get("EARLY", "0"))],
            tuple(self.readable.get(self.epochs[int(os.environ.get("EARLY", "0"))], ())),
        )

    def _choose(self) -> None:
        """Choose what is read early, from the cells that are known both ways."""
        from scipy.stats import weightedtau

        loss = -np.array([self._trials[cell].loss for cell in self._nested])
        found = []
        for name in self._early[self._nested[0]].values if self._nested else ():
            values = -np.array([self._early[cell].values.get(name, np.nan) for cell in self._nested])
            tau = weightedtau(values, loss).statistic
            if np.isfinite(tau):
                found.append(_Link(name, 1 if tau > 0 else -1, abs(float(tau))))
        link = max(found, key=lambda link: link.tau, default=None)
        link = link if link is not None and link.tau >= self.least_tau else None
        if (link and link[:2]) != (self._link and self._link[:2]):
            self._experts = self._early_experts = []
        self._link = link

    def _pool(self) -> list[Cell]:
        return list(dict.fromkeys([*super()._pool(), *self._early]))

    def _looked_up(self, pool: Sequence[Cell], told: list[Cell]) -> tuple[Points, Places, Places]:
        points, places, pending = super()._looked_up(pool, told)
        seed = self._seed % 2**32
        if self._listed:
            self._early_experts = self._early_experts or [Expert(view, seed) for view in points.views]
            where = listed(self.space).index
        else:
            before: Sequence[Expert | None] = self._early_experts or [None] * len(points.views)
            self._early_experts = [Expert(view, seed, like) for view, like in zip(points.views, before, strict=True)]
            where = {cell: place for place, cell in enumerate(pool)}.__getitem__
        self._where = where
        self._early_places = self._places(self._early)
        return points, places, pending

    def _places(self, cells: Iterable[Cell]) -> Places:
        return np.array([self._where(cell) for cell in cells], dtype=np.intp)

    def _cheapest(self, points: Points, penalty: Floats, free: NDArray[np.bool_]) -> Places:
        cheapest = super()._cheapest(points, penalty, free)
        if self._link is None:
            return cheapest
        early = self._early_places
        return np.union1d(cheapest, early[free[early]])

    def _foreseen(self, points: Points, where: Where, target: Floats) -> Iterator[Seen]:
        if self._link is None:
            yield from super()._foreseen(points, where, target)
            return
        read = self._sharpened()
        of_cell = points.of_cell
        row = {place: i for i, place in enumerate(self._early_places.tolist())}
        seen = np.array([row.get(place, -1) for place in where.candidates.tolist()])
        order = {place: i for i, place in enumerate(where.told.tolist())}
        both = self._places(self._nested)
        x = read[[row[place] for place in both.tolist()]]
        y = target[[order[place] for place in both.tolist()]]
        slope = self._slope(x, y)
        at = of_cell[where.candidates]
        for early, late in zip(self._early_experts, self._experts, strict=True):
            first = early.see(of_cell[self._early_places], read, of_cell[where.pending])
            second = late.see(of_cell[both], y - slope * x, of_cell[where.pending])
            mean = np.where(seen >= 0, read[seen], first.mean[at])
            spread = np.where(seen >= 0, 0.0, first.variance[at])
            yield Seen(slope * mean + second.mean[at], slope**2 * spread + second.variance[at])

    def _slope(self, x, y):
        good = y <= np.median(y)
        if os.environ.get("SLOPE") == "ols":
            good = y <= np.inf
        spread = x[good].var() + 0.1 * x.var()
        cov = float(((x[good] - x[good].mean()) * (y[good] - y[good].mean())).mean())
        return max(cov / max(spread, 1e-12), 0.0)

    def _sharpened(self) -> Floats:
        """The logarithm of what is read, smaller being better, of every cell seen early."""
        assert self._link is not None
        name, sign, _ = self._link
        values = sign * np.array([trial.values[name] for trial in self._early.values()])
        least, median = values.min(), np.median(values)
        return np.asarray(np.log(values - (least - self.sharpness * ((median - least) or 1.0))))
