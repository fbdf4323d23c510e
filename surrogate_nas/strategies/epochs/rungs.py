"""The rungs of successive halving: the epochs at which cells are compared, the metric that ranks
them, and promotion.

Every rung trains for about the same number of epochs in total, so between two rungs with e and E
epochs a share e / E of the cells is promoted.

A search metric such as the training loss may rank the cells of short runs in place of L; longer
runs are ranked by the objective. Ru, Lyle, Schut, Fil, van der Wilk & Gal, "Speedy Performance
Estimation for Neural Architecture Search", NeurIPS 2021, rank by training losses early in training.
Departure: the metric has another unit than L, so λ would have another effect. Therefore, among the
cells that are compared, the k-th best by the metric is assigned the k-th least L. If λ is 0, the
metric alone determines the ranking.
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
    """A metric that ranks cells after a run.

    Attributes:
        name: The name of the metric.
        epochs: The epochs of the run.
        sign: 1 if smaller values are better, -1 if larger values are better.
    """

    name: str
    epochs: int
    sign: int

    @property
    def key(self) -> str:
        """The key of the metric in the values of a trial."""
        return f"{self.name}[{self.epochs}]"

    def ranked(self, trials: Iterable[Trial]) -> list[Trial]:
        """Return the trials that contain the metric, best first."""
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
    """Return the metric that ranks cells after a run, from the options ``drive`` and ``until``;
    None for the objective.

    Raises:
        StrategyError: A search cannot read the metric after this run.
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
    """A rung at which cells are compared.

    Attributes:
        epochs: The epochs of a run at this rung; None where nothing is trained.
        resource: The cost of a run for computing the promoted share: its epochs, or less if the
            rung is repeated.
        signal: The metric that ranks cells at this rung; None for the objective.
    """

    epochs: int | None
    resource: float
    signal: Signal | None = None

    def request(self, cell: Cell) -> Cell | Request:
        """Return the request for a run of a cell at this rung."""
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
    """Choose rungs from the available epochs: the last, and below each rung the largest that is at
    most an η-th of it; in increasing order.

    Args:
        epochs: The epochs that a request may ask for, in increasing order; empty where nothing is
            trained.
        eta: η, above 1.
        n: Number of rungs, counted from the highest; if there are fewer, the first is repeated.
            None for all.
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
    """Return the rung of the fewest epochs."""
    epochs = strategy.epochs[0]
    return Rung(epochs, 1.0, signal_of(strategy, epochs))


def promoted(n: int, here: Rung, above: Rung) -> int:
    """Return how many of `n` cells of one rung are promoted to the rung above."""
    return int(n * here.resource / above.resource + ROUNDING)


class Climber(RandomSearch):
    """The base of strategies that promote cells from rung to rung; subclasses implement `_next`.

    Args:
        eta: η, the least factor between the epochs of two rungs, above 1.
        rungs: Number of rungs, counted from the highest; None for all that the epochs allow. If
            these allow fewer, the first rung is repeated: a promoted cell is trained again for the
            same epochs.
        drive: A search metric that ranks cells after runs shorter than the objective's, such as
            ``train_loss``; None for the objective.
        until: The longest runs that this metric ranks, as a share of the objective's epochs.

    Raises:
        UserError: η is not above 1, the number of rungs is below 1, or the share is not from 0 to
            1.
    """

    chooses_epochs: ClassVar[bool] = True

    eta: float = number(3.0, 1, above=True)
    rungs: int | None = whole(None, 1)
    drive: str | None = text(None)
    until: float = number(1.0, most=1.0)

    @cached_property
    def ladder(self) -> Sequence[Rung]:
        """The rungs, in increasing order of epochs."""
        rungs = rungs_of(self.epochs, self.eta, self.rungs)
        return [rung._replace(signal=signal_of(self, rung.epochs)) for rung in rungs]

    @abstractmethod
    def _next(self) -> Cell | Request: ...


class Bracket:
    """Cells that enter at the same rung; when all cells of a rung are observed, the best are
    promoted.

    Attributes:
        rung: The current rung of its cells; None after the last cell is observed.
    """

    def __init__(self, rungs: Sequence[Rung], n: int) -> None:
        self._above = list(rungs[1:])
        self.rung: Rung | None = rungs[0]
        self._size = self._to_draw = n
        self._queue: list[Cell] = []
        self._waiting: list[Cell] = []
        self._observed: list[Trial] = []

    def ask(self, draw: Callable[[], Cell]) -> Cell | Request | None:
        """Return the next cell to train; None while other cells must be observed first."""
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
        """Record a trial and return its rung; None if this bracket did not ask for it."""
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
