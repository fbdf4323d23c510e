"""One epoch: train every random cell for the smallest number of epochs, and only the best cells to
the end.

Egele, Guyon, Sun & Balaprakash, "Is One Epoch All You Need for Multi-Fidelity Hyperparameter
Optimization?", arXiv 2307.15422, 2023. The paper trains all candidates for one epoch, then the top
K to the end. Training all candidates for one epoch is the baseline that successive halving must
beat. Departures from the paper: A strategy of this project does not know the budget. Instead of
waiting for the last candidate, the strategy trains one cell to the end after every few candidates:
the best cell without a full training. The number K of cells that are trained to the end therefore
follows from the budget. "One epoch" stands for the smallest number of epochs available.
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
    """Train new random cells briefly, and train the best remaining cell to the end after every
    `candidates` short trainings.

    The strategy never waits: while short trainings are pending, it begins further trainings. If
    only one number of epochs is available, the strategy is random search.

    Args:
        candidates: Number of short trainings per full training. If `candidates` is None, it is the
            ratio of full to short epochs, so that short and full trainings take about the same
            number of epochs in total, like the rungs of successive halving.
        drive: The search metric that ranks cells after short trainings, such as ``train_loss``;
            None if the objective ranks them.
        until: Longest training after which the metric `drive` ranks cells, as a share of the
            objective's epochs.

    Raises:
        UserError: `candidates` is below 1, or `until` is not from 0 to 1.

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
        """Store the trials of short trainings, and record which cells are trained to the end."""
        super().tell(trials)
        for trial in trials:
            if not self.epochs or trial.epochs == self.epochs[-1]:
                self._trained.add(trial.cell)
            elif trial.epochs == self.epochs[0]:
                self._looks += 1
                if not trial.failure:
                    self._early[trial.cell] = trial
