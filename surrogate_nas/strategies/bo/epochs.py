"""Bayesian optimisation over epochs: train cells briefly, and predict from an early metric which
cells to train to the end.

Kennedy & O'Hagan, "Predicting the Output from a Complex Computer Code When Fast Approximations Are
Available", Biometrika 2000. One Gaussian process models an early metric, and another models the
difference between the loss L and a multiple of that metric. The early metric is chosen from the
data: among all metrics available after the smallest number of epochs, it is the one with the
largest absolute Kendall's τ with L on the observed cells. For this choice, the first observed cells
also receive a short training. In all other respects, the strategy equals `bo`.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import cycle
from typing import ClassVar

import numpy as np

from surrogate_nas.core import number, text
from surrogate_nas.space import Cell, Request, Trial
from surrogate_nas.strategies.bo.pool import Pool
from surrogate_nas.strategies.bo.strategy import (
    BayesianOptimisation,
    sharpened,
)
from surrogate_nas.strategies.epochs.rungs import Rung, first_rung
from surrogate_nas.surrogates.gaussian import Floats, Mask, Places, Posterior

_LATE = 1
# The experts of L beyond what is read early, and of that; those of L alone come first.
_EARLY = 2
_LEAST = 2
# Of the variance of what is read, against slopes of cells that hardly differ.
_RIDGE = 0.1


class EpochBayesianOptimisation(BayesianOptimisation):
    """Propose the cell with the largest expected improvement, first for a short training. A cell
    that already had a short training is proposed for a full one.

    The strategy equals `bo` if only one number of epochs is available, or if no early metric ranks
    cells similarly to L.

    Args:
        first_cells: Number of cells with a short training before a model is fitted. The cells with
            a short training are observed cells, or random cells of which the better half is then
            fully trained.
        sharpness: Distance of the pole p in log(L − p) below the smallest observed L, as a share of
            the distance from the smallest to the median L. The early metric is transformed in the
            same way as L.
        least_tau: Smallest absolute Kendall's τ between an early metric and L at which short
            trainings are used.
        drive: Name of the early metric to use, such as ``train_loss``, whatever its τ. If `drive`
            is None, the metric with the largest absolute τ is used.
        until: Longest short training for which ``drive`` applies, as a share of the objective's
            epochs.

    Raises:
        UserError: An option is out of range.

    Example:
        >>> import surrogate_nas as sn
        >>> run = sn.search("fashion", "bo_epochs", "valid_error", budget=30)
        >>> sorted({trial.epochs for trial in run.trials})
        [1, 5]
    """

    chooses_epochs: ClassVar[bool] = True
    many_objectives: ClassVar[bool] = False

    mildness = 0.5
    front_sharpness = 1.0
    least_tau: float = number(0.3, -1.0, 1.0)
    drive: str | None = text(None)
    until: float = number(1.0, most=1.0)
    # What of an early look tells of L, and -1 where larger values are better, else 1.
    _link: tuple[str, int] | None = None

    def _begin(self) -> None:
        super()._begin()
        self._early: dict[Cell, Trial] = {}
        self._both: dict[Cell, None] = {}

    @cached_property
    def _look(self) -> Rung:
        return first_rung(self)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Store trials with the smallest and with the largest number of epochs separately, and
        ignore trials with any other number of epochs.
        """
        for trial in trials:
            if trial.failure:
                super().tell([trial])
            elif len(self.epochs) < _LEAST or trial.epochs == self.epochs[-1]:
                super().tell([trial])
            elif trial.epochs == self.epochs[0] and self._look.can_rank(trial):
                self._early[trial.cell] = trial
                self._pending.pop(trial.cell, None)
            if trial.cell in self._early and trial.cell in self._trials:
                self._both[trial.cell] = None

    def ask(self, n: int) -> Sequence[Cell | Request]:
        """Propose cells for a short or for a full training.

        Returns:
            Requests for distinct cells; fewer than `n` if the space is exhausted.
        """
        if len(self.epochs) < _LEAST:
            return super().ask(n)
        asked: list[Cell | Request] = []
        while (
            len(asked) < n and (request := self._first() or self._learned()) is not None
        ):
            asked.append(request)
            self._pending[request.cell] = None
        return asked or [self.space.sample(self.rng)]

    def _first(self) -> Request | None:
        """Before a model is fitted, read observed or random cells early, and train the best of
        these to the end.
        """
        looking = sum(cell in self._trials for cell in self._pending)
        if len(self._both) + looking < self.first_cells:
            for cell in self._trials:
                if cell not in self._early and cell not in self._pending:
                    return self._first_request(cell)
        whole = len(self._trials) + sum(cell in self._early for cell in self._pending)
        wanted = max(self.first_cells // 2, _LEAST)
        seen = len(self._early) + sum(cell not in self._early for cell in self._pending)
        if whole >= wanted and len(self._trials) >= _LEAST:
            return None
        taken = {*self._trials, *self._pending}
        ready = [cell for cell in self._early if cell not in taken]
        if ready and seen >= self.first_cells and whole < wanted:
            best = self._look.ranked(self._early[cell] for cell in ready)[0]
            return Request(best.cell, self.epochs[-1])
        drawn = self._drawn()
        return None if drawn is None else self._first_request(drawn)

    def _learned(self) -> Request | None:
        if (
            len(self._trials) < _LEAST
            or len(self._trials) + len(self._pending) >= self.space.size
        ):
            return None
        self._choose()
        cell = self._best(self._grown())
        if cell is None:
            return None
        if self._link and cell not in self._early:
            return self._first_request(cell)
        return Request(cell, self.epochs[-1])

    def _first_request(self, cell: Cell) -> Request:
        first = self.epochs[0]
        signal = self._look.signal
        read = (signal.name,) if signal else tuple(self.readable.get(first, ()))
        return Request(cell, first, read)

    def _choose(self) -> None:
        """Choose the early metric that predicts L best, from the cells with both an early and a
        full run.
        """
        from scipy.stats import kendalltau

        if (signal := self._look.signal) is not None:
            self._link = (
                (signal.key, signal.sign) if len(self._both) >= _LEAST else None
            )
            return
        late = [self._trials[cell].loss for cell in self._both]
        best, self._link = -1.0, None
        for name in self._early[next(iter(self._both))].values if self._both else ():
            early = [self._early[cell].values.get(name, np.nan) for cell in self._both]
            tau = float(kendalltau(early, late).statistic)
            if abs(tau) > best and abs(tau) >= self.least_tau:
                best, self._link = abs(tau), (name, 1 if tau > 0 else -1)

    def _candidates(self, pool: Pool, free: Mask) -> Places:
        early = pool.kept("early", self._early)
        return np.union1d(super()._candidates(pool, free), early[free[early]])

    def _seen(
        self, pool: Pool, part: int, looked: Places, targets: Sequence[Floats]
    ) -> list[Posterior]:
        """Predict the early metric times a slope, and the rest of L; an observed early metric has
        no variance.
        """
        if self._link is None:
            return super()._seen(pool, part, looked, targets)
        name, sign = self._link
        values = sign * np.array([trial.values[name] for trial in self._early.values()])
        _, read = sharpened(values, self.sharpness, values.min())
        begun, both = pool.kept("early", self._early), pool.kept("both", self._both)
        read_at = np.full(len(pool.of_cell), np.nan)
        read_at[begun] = read
        early = read_at[both]
        late_at = np.empty(len(pool.of_cell), dtype=np.intp)
        late_at[pool.observed] = np.arange(len(pool.observed))
        late = [target[late_at[both]] for target in targets]
        slopes = [_regression(early, y) for y in late]
        rests = [y - rate * early for y, rate in zip(late, slopes, strict=True)]
        reading = read_at[looked]
        of_candidate = pool.of_cell[looked]
        was_read = ~np.isnan(reading)
        scores = []
        firsts = pool.seen(_EARLY, begun, [read])
        seconds = pool.seen(_LATE, both, rests)
        for predicted, remaining, rate in zip(
            cycle(firsts), seconds, cycle(slopes), strict=False
        ):
            first = predicted.at(of_candidate)
            second = remaining.at(of_candidate)
            mean = rate * np.where(was_read, reading, first.mean) + second.mean
            scores.append(
                Posterior(
                    mean,
                    np.where(was_read, 0.0, rate**2 * first.variance) + second.variance,
                )
            )
        return scores


def _regression(early: Floats, late: Floats) -> float:
    """Return the slope of a line through the better half of some cells, as only the best matter; 0
    instead of a negative slope.
    """
    good = late <= np.median(late)
    x = early[good] - early[good].mean()
    y = late[good] - late[good].mean()
    spread = float((x**2).mean() + _RIDGE * early.var())
    return max(float((x * y).mean()) / spread, 0.0) if spread > 0 else 0.0
