"""ASHA: asynchronous successive halving, which promotes a cell as soon as it is among the best of
its rung.

Li, Jamieson, Rostamizadeh, Gonina, Hardt, Recht & Talwalkar, "A System for Massively Parallel
Hyperparameter Tuning", MLSys 2020. Departures: the rungs are those of `hyperband`, and so is the
share that goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

from surrogate_nas.space import Cell, Space
from surrogate_nas.space.trial import Request, Trial
from surrogate_nas.strategies.epochs.drive import Drive
from surrogate_nas.strategies.epochs.rungs import Rung, check_ladder, driven, promoted, rungs_of
from surrogate_nas.strategies.random import RandomSearch


class Asha(RandomSearch):
    """Trains a cell on where one may go on, at the highest rung first; else looks at a new random
    cell.

    Never waits, so that any number of workers are busy.

    Args:
        eta: η, the least factor between the epochs of two rungs, above 1.
        drive: A search metric, such as ``train_loss``, that ranks cells after runs shorter than
            the objective's; None for the objective.
        until: The longest runs that it ranks, as a share of the objective's epochs.

    Raises:
        UserError: η is not above 1, or the share is not from 0 to 1.

    Example:
        >>> from surrogate_nas.space import nb201
        >>> search = Asha(nb201(), seed=0)
        >>> search.epochs = (1, 3, 9)
        >>> [request.epochs for request in search.ask(4)]  # never waits for what was asked before
        [1, 1, 1, 1]
    """

    chooses_epochs: ClassVar[bool] = True

    def __init__(
        self,
        space: Space,
        *,
        seed: int,
        eta: float = 3.0,
        drive: str | None = None,
        until: float = 1.0,
    ) -> None:
        super().__init__(space, seed=seed)
        check_ladder(eta)
        self.eta = eta
        self._drive = Drive.of(drive, until)
        self._seen: dict[int | None, dict[Cell, Trial]] = {}
        self._asked: set[tuple[Cell, int | None]] = set()

    @cached_property
    def ladder(self) -> Sequence[Rung]:
        """The rungs, rising."""
        return driven(rungs_of(self.epochs, self.eta), self._drive, self)

    def ask(self, n: int) -> Sequence[Cell | Request]:
        """Propose cells that go on, or new ones."""
        return [self._next() for _ in range(n)]

    def _next(self) -> Cell | Request:
        for here, above in reversed(list(pairwise(self.ladder))):
            seen = self._seen.get(here.epochs, {})
            for trial in here.ranked(seen.values())[: promoted(len(seen), here, above)]:
                if (trial.cell, above.epochs) not in self._asked:
                    self._asked.add((trial.cell, above.epochs))
                    return above.request(trial.cell)
        return self.ladder[0].request(self._draw())

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember every trial at its rung."""
        super().tell(trials)
        for trial in trials:
            if not trial.failure:
                self._seen.setdefault(trial.epochs, {})[trial.cell] = trial
            self._asked.add((trial.cell, trial.epochs))
