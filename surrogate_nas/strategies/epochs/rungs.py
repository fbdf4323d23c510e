"""The rungs of halving: which epochs cells are compared at, by what, and how they climb.

Every rung is given about the same number of epochs, so that of two rungs with e and E epochs a
share e / E goes on.

A signal such as the training loss may rank the cells of short runs in place of L; longer runs are
ranked by the objective. Ru, Lyle, Schut, Fil, van der Wilk & Gal, "Speedy Performance Estimation
for Neural Architecture Search", NeurIPS 2021, rank by training losses early in training. Departure:
a signal has another unit than L, which λ would weigh otherwise. So of the cells that are compared,
the k-th best by the signal is taken to have the k-th least L of them; where λ is 0 the signal alone
ranks.
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
        name: The metric.
        epochs: The run.
        sign: 1, or -1 where larger is better.
    """

    name: str
    epochs: int
    sign: int

    @property
    def key(self) -> str:
        """The metric as trials name it."""
        return f"{self.name}[{self.epochs}]"

    def ranked(self, trials: Iterable[Trial]) -> list[Trial]:
        """Trials that hold it, the best first."""
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
    """What ranks cells after a run, by drive and until; None for the objective.

    Raises:
        StrategyError: The metric is none that a search may read after this run.
    """
    name, whole = strategy.drive, strategy.epochs[-1] if strategy.epochs else 0
    if name is None or not epochs or epochs >= whole or epochs > strategy.until * whole:
        return None
    readable = strategy.readable.get(epochs, ())
    if name not in readable:
        raise StrategyError(
            f"drive={name} is no search metric after {plural(epochs, 'epoch')}; there:"
            f" {', '.join(readable) or 'none'}."
        )
    return Signal(name, epochs, -1 if name in strategy.qualities else 1)


class Rung(NamedTuple):
    """Where cells are compared.

    Attributes:
        epochs: The training run that is asked for; None where training plays no part.
        resource: What a run counts as when cells are shared out between rungs: its epochs, less
            where it is repeated.
        signal: What ranks cells here; None for the objective.
    """

    epochs: int | None
    resource: float
    signal: Signal | None = None

    def request(self, cell: Cell) -> Cell | Request:
        """What to ask for to see a cell here."""
        if self.epochs is None:
            return cell
        return Request(cell, self.epochs, (self.signal.name,) if self.signal else ())

    def can_rank(self, trial: Trial) -> bool:
        """Whether a trial holds what ranks cells here."""
        return self.signal is None or self.signal.key in trial.values

    def ranked(self, trials: Iterable[Trial]) -> list[Trial]:
        """The trials of this rung that can be ranked, the best first."""
        seen = [trial for trial in trials if not trial.failure]
        if self.signal is not None:
            return self.signal.ranked(filter(self.can_rank, seen))
        return sorted(seen, key=attrgetter("score"))


def rungs_of(epochs: Sequence[int], eta: float, n: int | None = None) -> list[Rung]:
    """The last of the epochs, and going down the largest that are at most an η-th of the next;
    rising.

    Args:
        epochs: What a request may ask for, rising; none where training plays no part.
        eta: η, above 1.
        n: How many rungs, the highest; where the epochs give fewer, the first is repeated. None for
            all.
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
    """The rung of the fewest epochs, where training plays a part."""
    epochs = strategy.epochs[0]
    return Rung(epochs, 1.0, signal_of(strategy, epochs))


def promoted(n: int, here: Rung, above: Rung) -> int:
    """How many of some cells go on; `n`: how many have been seen here."""
    return int(n * here.resource / above.resource + ROUNDING)


class Climber(RandomSearch):
    """A search whose cells go on from rung to rung; subclasses give `_next`.

    Args:
        eta: η, the least factor between the epochs of two rungs, above 1.
        rungs: How many rungs, the highest; None for as many as the epochs give. Where these
            give fewer, a cell goes on by being trained again for the first of them.
        drive: A search metric, such as ``train_loss``, that ranks cells after runs shorter than
            the objective's; None for the objective.
        until: The longest runs that it ranks, as a share of the objective's epochs.

    Raises:
        UserError: η is not above 1, there is not one rung, or the share is not from 0 to 1.
    """

    chooses_epochs: ClassVar[bool] = True

    eta: float = number(3.0, 1, above=True)
    rungs: int | None = whole(None, 1)
    drive: str | None = text(None)
    until: float = number(1.0, most=1.0)

    @cached_property
    def ladder(self) -> Sequence[Rung]:
        """The rungs, rising."""
        rungs = rungs_of(self.epochs, self.eta, self.rungs)
        return [rung._replace(signal=signal_of(self, rung.epochs)) for rung in rungs]

    @abstractmethod
    def _next(self) -> Cell | Request: ...


class Bracket:
    """Cells that enter at a rung together; when all of a rung are observed, the best of them go on.

    Attributes:
        rung: Where its cells are now; None when the last is observed.
    """

    def __init__(self, rungs: Sequence[Rung], n: int) -> None:
        self._above = list(rungs[1:])
        self.rung: Rung | None = rungs[0]
        self._size = self._to_draw = n
        self._queue: list[Cell] = []
        self._waiting: list[Cell] = []
        self._observed: list[Trial] = []

    def ask(self, draw: Callable[[], Cell]) -> Cell | Request | None:
        """The next cell to be seen; None while others must be observed first."""
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
        """Take a trial in that was asked for here, and give its rung; None where it was not."""
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
