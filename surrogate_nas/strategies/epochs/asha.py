"""ASHA: asynchronous successive halving; promote a cell as soon as it is among the best of its
rung.

Li, Jamieson, Rostamizadeh, Gonina, Hardt, Recht & Talwalkar, "A System for Massively Parallel
Hyperparameter Tuning", MLSys 2020. Departure from the paper: the rungs and the promoted share are
those of the strategy `hyperband`.
"""

from collections.abc import Sequence
from itertools import pairwise

from surrogate_nas.space import Cell, Request, Trial
from surrogate_nas.strategies.epochs.rungs import Climber, promoted


class Asha(Climber):
    """Promote a cell from the highest rung at which a cell can be promoted. If no cell can be
    promoted, train a new random cell at the first rung.

    The strategy never waits for pending evaluations, so all workers are always busy.

    Example:
        >>> import surrogate_nas as sn
        >>> search = Asha(sn.nb201(), seed=0)
        >>> search.epochs = (1, 3, 9)
        >>> [
        ...     request.epochs for request in search.ask(4)
        ... ]  # never waits for what was asked before
        [1, 1, 1, 1]
    """

    rungs = None

    def _begin(self) -> None:
        super()._begin()
        self._seen: dict[int | None, dict[Cell, Trial]] = {}
        self._asked: set[tuple[Cell, int | None]] = set()

    def _next(self) -> Cell | Request:
        for here, above in reversed(list(pairwise(self.ladder))):
            seen = self._seen.get(here.epochs, {})
            for trial in here.ranked(seen.values())[: promoted(len(seen), here, above)]:
                if (trial.cell, above.epochs) not in self._asked:
                    self._asked.add((trial.cell, above.epochs))
                    return above.request(trial.cell)
        return self.ladder[0].request(self._draw())

    def tell(self, trials: Sequence[Trial]) -> None:
        """Store every trial at the rung with its number of epochs."""
        super().tell(trials)
        for trial in trials:
            if not trial.failure:
                self._seen.setdefault(trial.epochs, {})[trial.cell] = trial
            self._asked.add((trial.cell, trial.epochs))
