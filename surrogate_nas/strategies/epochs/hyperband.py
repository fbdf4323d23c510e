"""Hyperband: repeat brackets of successive halving, from many cells trained briefly to few cells
trained to the end.

Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar, "Hyperband: A Novel Bandit-Based Approach to
Hyperparameter Optimization", JMLR 2018. Departures from the paper: The rungs are chosen from the
available numbers of epochs, at least a factor η apart. If two rungs are further apart, the promoted
share is less than 1/η, so that each rung trains for about the same number of epochs in total. While
a bracket waits for pending evaluations, the next bracket begins. No random cell is sampled twice.
With only one rung, Hyperband is random search.
"""

import math
from collections.abc import Sequence

from surrogate_nas.space import Cell, Request, Trial
from surrogate_nas.strategies.epochs.rungs import Bracket, Climber, Rung


class Hyperband(Climber):
    """Cycle through brackets whose cells enter at the first rung, the second, and so on to the
    last.

    With k + 1 rungs up to R epochs, the bracket that enters at r epochs, with s rungs above, has
    ⌈(k + 1) / (s + 1) · R / r⌉ cells.

    Example:
        >>> import surrogate_nas as sn
        >>> search = Hyperband(sn.nb201(), seed=0)
        >>> search.epochs = (1, 3, 9)
        >>> [request.epochs for request in search.ask(9)]
        [1, 1, 1, 1, 1, 1, 1, 1, 1]
    """

    _brackets: Sequence[Bracket] = ()
    _begun = 0

    def _next(self) -> Cell | Request:
        for bracket in self._brackets:
            asked = bracket.ask(self._draw)
            if asked is not None:
                return asked
        rungs = self.ladder[self._enters(self._begun) :]
        share = len(self.ladder) / len(rungs)
        n = math.ceil(share * rungs[-1].resource / rungs[0].resource)
        self._brackets = [*self._brackets, Bracket(rungs, n)]
        self._begun += 1
        return self._next()

    def _enters(self, number: int) -> int:
        return number % len(self.ladder)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Pass every trial to the bracket that requested its evaluation."""
        super().tell(trials)
        for trial in trials:
            brackets = (
                rung
                for bracket in self._brackets
                if (rung := bracket.tell(trial)) is not None
            )
            self._learn(trial, next(brackets, None))
        self._brackets = [
            bracket for bracket in self._brackets if bracket.rung is not None
        ]

    def _learn(self, trial: Trial, rung: Rung | None) -> None:
        """Learn from a trial, in a subclass; `rung` is None if no bracket asked for the trial."""
