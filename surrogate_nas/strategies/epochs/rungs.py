"""The rungs of halving: which epochs cells are compared at, and a bracket of cells that climbs
them.

Every rung is given about the same number of epochs, so that of two rungs with e and E epochs a
share e / E goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

from surrogate_nas.core.arguments import check_number, check_whole
from surrogate_nas.core.levels import ROUNDING
from surrogate_nas.space import Cell
from surrogate_nas.space.trial import Request, Trial
from surrogate_nas.strategies.base import Strategy
from surrogate_nas.strategies.epochs.drive import Drive, Signal


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


def check_ladder(eta: float, rungs: int | None = None) -> None:
    """Refuse knobs of which no rungs can be made.

    Args:
        rungs: How many rungs; None for as many as the epochs give.

    Raises:
        UserError: η is not above 1, or there is not one rung.
    """
    check_number("eta", eta, 1, above=True)
    if rungs is not None:
        check_whole("rungs", rungs, 1, None)


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


def driven(rungs: Iterable[Rung], drive: Drive, strategy: Strategy) -> list[Rung]:
    """The rungs of a strategy with the signal that ranks cells there."""
    return [rung._replace(signal=drive.at(rung.epochs, strategy)) for rung in rungs]


def first_rung(drive: Drive, strategy: Strategy) -> Rung:
    """The rung of the fewest epochs, where training plays a part."""
    return driven([Rung(strategy.epochs[0], 1.0)], drive, strategy)[0]


def promoted(n: int, here: Rung, above: Rung) -> int:
    """How many of some cells go on; `n`: how many have been seen here."""
    return int(n * here.resource / above.resource + ROUNDING)


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
        """The next cell to be seen; None while others must be observed first.

        Args:
            draw: Gives a cell that enters.
        """
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
        if here is None or trial.epochs != here.epochs or trial.cell not in self._waiting:
            return None
        self._waiting.remove(trial.cell)
        self._observed.append(trial)
        if len(self._observed) == self._size:
            self._climb(here)
        return here

    def _climb(self, here: Rung) -> None:
        self.rung = self._above.pop(0) if self._above else None
        if self.rung is None:
            return
        best = here.ranked(self._observed)
        if not best:
            self.rung = None
            return
        self._size = min(max(promoted(len(self._observed), here, self.rung), 1), len(best))
        self._queue = [trial.cell for trial in best[: self._size]]
        self._observed = []
