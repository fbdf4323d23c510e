"""The rungs of successive halving: the epochs at which cells are compared, the metric that ranks
them, and promotion.

All rungs train for about the same number of epochs in total. Therefore, a share e / E of the cells
is promoted from a rung with e epochs to the next rung with E epochs.

After short trainings, a search metric such as the training loss may rank cells in place of L. After
longer trainings, the objective ranks the cells. Ru, Lyle, Schut, Fil, van der Wilk & Gal, "Speedy
Performance Estimation for Neural Architecture Search", NeurIPS 2021, rank cells by training losses
early in training. Departure from that paper: The search metric has another unit than L, so a given
λ would have another effect. Therefore, among the compared cells, the k-th best by the search metric
is assigned the k-th smallest L. If λ is 0, the search metric alone determines the ranking.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple

from surrogate_nas.core import ROUNDING, number, plural, text, whole
from surrogate_nas.runtime.user_code import StrategyError
from surrogate_nas.space import Cell, Request, Trial
from surrogate_nas.strategies.base import Strategy
from surrogate_nas.strategies.random import RandomSearch


class Signal(NamedTuple):
    """A search metric that ranks cells after a number of epochs.

    Attributes:
        name: The name of the metric.
        epochs: The number of training epochs after which the metric is read.
        sign: 1 if smaller values of the metric are better, -1 if larger values are better.
    """

    name: str
    epochs: int
    sign: int

    @property
    def key(self) -> str:
        """The key of the metric in `Trial.values`."""
        return f"{self.name}[{self.epochs}]"

    def ranked(self, trials: Iterable[Trial]) -> list[Trial]:
        """Return trials ranked by the metric and λR, best first."""
        read = sorted(trials, key=lambda t: (self.sign * t.values[self.key], t.score))
        losses = sorted(trial.loss for trial in read)
        scores = [
            trial.score - trial.loss + loss if trial.feasible else trial.score
            for trial, loss in zip(read, losses, strict=True)
        ]
        return [
            read[place] for place in sorted(range(len(read)), key=scores.__getitem__)
        ]


def signal_of(strategy: Any, epochs: int | None) -> Signal | None:
    """Return the search metric that ranks a strategy's cells after `epochs` epochs, according to
    its options ``drive`` and ``until``; None if the objective ranks them.

    Raises:
        StrategyError: A search cannot read the metric ``drive`` after this number of epochs.
    """
    name, whole = strategy.drive, strategy.epochs[-1] if strategy.epochs else 0
    if name is None or not epochs or epochs >= whole or epochs > strategy.until * whole:
        return None
    readable = strategy.readable.get(epochs, ())
    if name not in readable:
        raise StrategyError(
            f"drive={name} is not a search metric after {plural(epochs, 'epoch')}; available:"
            f" {', '.join(readable) or 'none'}."
        )
    return Signal(name, epochs, -1 if name in strategy.qualities else 1)


class Rung(NamedTuple):
    """A rung of successive halving, at which cells with equally long trainings are compared.

    Attributes:
        epochs: Number of training epochs at this rung; None if the objective does not depend on
            epochs.
        resource: Cost of a training at this rung, which determines the promoted share: its number
            of epochs, or less if the rung is repeated.
        signal: The search metric that ranks cells at this rung; None if the objective ranks them.
    """

    epochs: int | None
    resource: float
    signal: Signal | None = None

    def request(self, cell: Cell) -> Cell | Request:
        """Return the request to train a cell at this rung."""
        if self.epochs is None:
            return cell
        return Request(cell, self.epochs, (self.signal.name,) if self.signal else ())

    def can_rank(self, trial: Trial) -> bool:
        """Return whether a trial contains the metric that ranks cells at this rung."""
        return self.signal is None or self.signal.key in trial.values

    def ranked(self, trials: Iterable[Trial]) -> list[Trial]:
        """Return the trials of this rung that can be ranked, best first."""
        seen = [trial for trial in trials if not trial.failure]
        if self.signal is not None:
            return self.signal.ranked(filter(self.can_rank, seen))
        return sorted(seen, key=attrgetter("score"))


def rungs_of(epochs: Sequence[int], eta: float, n: int | None = None) -> list[Rung]:
    """Choose rungs from the available numbers of epochs, in increasing order. The highest rung has
    the largest number of epochs. Every lower rung has the largest number of epochs that is at most
    1/η of the rung above.

    Args:
        epochs: The numbers of epochs that a request may ask for, in increasing order; empty if the
            objective does not depend on epochs.
        eta: The least factor η between the epochs of two rungs, above 1.
        n: Number of rungs, counted from the highest one. If the epochs allow fewer rungs, the first
            rung is repeated. If `n` is None, all rungs that the epochs allow are returned.
    """
    if not epochs:
        return [Rung(None, 1.0)]
    rungs = [Rung(epochs[-1], float(epochs[-1]))]
    for e in reversed(epochs):
        if e * eta <= rungs[0].resource:
            rungs.insert(0, Rung(e, float(e)))
    while n is not None and len(rungs) < n:
        rungs.insert(0, Rung(rungs[0].epochs, rungs[0].resource / eta))
    return rungs[-n:] if n else rungs


def first_rung(strategy: Strategy) -> Rung:
    """Return the rung with the smallest number of epochs."""
    epochs = strategy.epochs[0]
    return Rung(epochs, 1.0, signal_of(strategy, epochs))


def promoted(n: int, here: Rung, above: Rung) -> int:
    """Return how many of `n` cells of one rung are promoted to the rung above."""
    return int(n * here.resource / above.resource + ROUNDING)


class Climber(RandomSearch):
    """The base of strategies that promote cells from rung to rung; subclasses implement `_next`.

    Args:
        eta: The least factor η between the epochs of two rungs, above 1.
        rungs: Number of rungs, counted from the highest one; None selects all rungs that the epochs
            allow. If the epochs allow fewer rungs, the first rung is repeated: a promoted cell is
            then trained again for the same number of epochs.
        drive: The search metric that ranks cells after trainings shorter than the objective's, such
            as ``train_loss``; None if the objective ranks them.
        until: Longest training after which the metric `drive` ranks cells, as a share of the
            objective's epochs.

    Raises:
        UserError: `eta` is not above 1, `rungs` is below 1, or `until` is not from 0 to 1.
    """

    chooses_epochs: ClassVar[bool] = True

    eta: float = number(3.0, 1, above=True)
    rungs: int | None = whole(None, 1)
    drive: str | None = text(None)
    until: float = number(1.0, most=1.0)

    @cached_property
    def ladder(self) -> Sequence[Rung]:
        """The rungs of the strategy, in increasing order of epochs."""
        rungs = rungs_of(self.epochs, self.eta, self.rungs)
        return [rung._replace(signal=signal_of(self, rung.epochs)) for rung in rungs]

    @abstractmethod
    def _next(self) -> Cell | Request: ...


class Bracket:
    """A group of cells that enter at the same rung. When all cells of a rung are observed, the best
    cells are promoted.

    Attributes:
        rung: The current rung of the bracket's cells; None after the last cell is observed.
    """

    def __init__(self, rungs: Sequence[Rung], n: int) -> None:
        self._above = list(rungs[1:])
        self.rung: Rung | None = rungs[0]
        self._size = self._to_draw = n
        self._queue: list[Cell] = []
        self._waiting: list[Cell] = []
        self._observed: list[Trial] = []

    def ask(self, draw: Callable[[], Cell]) -> Cell | Request | None:
        """Return the bracket's next cell to train; None if other cells must be observed first."""
        if self._to_draw:
            self._to_draw -= 1
            cell = draw()
        elif self._queue:
            cell = self._queue.pop(0)
        else:
            return None
        assert self.rung is not None
        self._waiting.append(cell)
        return self.rung.request(cell)

    def tell(self, trial: Trial) -> Rung | None:
        """Record a trial and return its rung; None if the trial does not belong to this bracket."""
        here = self.rung
        if (
            here is None
            or trial.epochs != here.epochs
            or trial.cell not in self._waiting
        ):
            return None
        self._waiting.remove(trial.cell)
        self._observed.append(trial)
        if len(self._observed) == self._size:
            self._climb(here)
        return here

    def _climb(self, here: Rung) -> None:
        best = here.ranked(self._observed)
        self.rung = self._above.pop(0) if self._above and best else None
        if self.rung is None:
            return
        self._size = min(
            max(promoted(len(self._observed), here, self.rung), 1), len(best)
        )
        self._queue = [trial.cell for trial in best[: self._size]]
        self._observed = []
