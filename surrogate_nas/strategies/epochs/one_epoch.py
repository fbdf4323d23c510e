"""One epoch: train every random cell for the fewest epochs, and only the best of them to the end.

Egele, Guyon, Sun & Balaprakash, "Is One Epoch All You Need for Multi-Fidelity Hyperparameter
Optimization?", arXiv 2307.15422, 2023: all candidates for one epoch, then the top K to the end; the
baseline that halving must beat. Departures: a strategy is told no budget, so it does not wait for
the last candidate but trains one cell to the end after every few, the best that is not yet trained;
K follows from what the budget pays. "One epoch" is the first length that can be asked for.
"""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

from surrogate_nas.core import number, text, whole
from surrogate_nas.space import Cell, Request, Trial
from surrogate_nas.strategies.epochs.rungs import Rung, first_rung
from surrogate_nas.strategies.random import RandomSearch


class OneEpoch(RandomSearch):
    """Looks at new random cells; after every `candidates` of them, trains the best to the end that
    is not yet trained.

    Never waits: while early looks are running, it begins others. With one number of epochs or none
    it is random search.

    Args:
        candidates: How many cells are looked at for each that is trained to the end; None for
            as many as cost the epochs of one whole training, R / r, so that looking and
            training are given about the same number of epochs, as rungs of halving are.
        drive: A search metric, such as ``train_loss``, that ranks cells after the first epochs;
            None for the objective.
        until: The longest runs that it ranks, as a share of the objective's epochs.

    Raises:
        UserError: There is not one candidate, or the share is not from 0 to 1.

    Example:
        >>> import surrogate_nas as sn
        >>> run = sn.search("fashion", "one_epoch", "valid_error", budget=70)
        >>> [sum(trial.epochs == n for trial in run.trials[10:]) for n in (1, 5)]
        [50, 10]
    """

    chooses_epochs: ClassVar[bool] = True

    candidates: int | None = whole(None, 1)
    drive: str | None = text(None)
    until: float = number(1.0, most=1.0)
    _looks = 0
    _promoted = 0

    def _begin(self) -> None:
        super()._begin()
        self._early: dict[Cell, Trial] = {}
        self._trained: set[Cell] = set()

    @cached_property
    def _first(self) -> Rung:
        return first_rung(self)

    def _next(self) -> Cell | Request:
        if len(self.epochs) < 2:
            return self._draw()
        each = self.candidates or math.ceil(self.epochs[-1] / self.epochs[0])
        if self._promoted < self._looks // each:
            ranked = [trial.cell for trial in self._first.ranked(self._early.values())]
            best = next((cell for cell in ranked if cell not in self._trained), None)
            if best is not None:
                self._trained.add(best)
                self._promoted += 1
                return Request(best, self.epochs[-1])
        return self._first.request(self._draw())

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember the early trials, and which cells are trained to the end."""
        super().tell(trials)
        for trial in trials:
            if not self.epochs or trial.epochs == self.epochs[-1]:
                self._trained.add(trial.cell)
            elif trial.epochs == self.epochs[0]:
                self._looks += 1
                if not trial.failure:
                    self._early[trial.cell] = trial
