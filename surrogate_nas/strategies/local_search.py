"""Local search: evaluate all neighbours, move to the best, and restart at a random cell if none is
better.

White, Nolen & Savani, "Exploring the Loss Landscape in Neural Architecture Search", UAI 2021. The
search starts at the best cell observed before the first proposal. Neighbours that are already
observed are not evaluated again; their scores are used. While the last neighbours are pending, idle
workers evaluate random cells, from which the search may continue later.
"""

from collections.abc import Sequence

from surrogate_nas.space import Cell, Trial
from surrogate_nas.strategies.base import Strategy


class LocalSearch(Strategy):
    """Steepest descent over `Space.neighbours` with random restarts.

    A subclass may override when the search moves (`_ahead`, `_better`) and where it continues after
    a local optimum (`_escape`).

    Example:
        >>> import surrogate_nas as sn
        >>> objective = sn.Objective("valid_error", sn.load("fashion"))
        >>> run = sn.search("fashion", "local_search", objective, budget=150)
        >>> asked = {trial.cell for trial in run.trials}
        >>> asked.issuperset(
        ...     objective.benchmark.space.neighbours(run.incumbent.cell)
        ... )  # it ends at a local optimum
        True
    """

    _centre: Cell | None = None
    _near: Sequence[Cell] | None = None

    def _begin(self) -> None:
        self._scores: dict[Cell, float] = {}
        self._asked: set[Cell] = set()

    def ask(self, n: int) -> Sequence[Cell]:
        """Propose unobserved neighbours of the current cell, in random order."""
        while not (wanted := self._wanted()):
            self._centre = self._better() or self._escape()
            self._near = None
        new = [cell for cell in wanted if cell not in self._asked][:n]
        self._asked.update(new)
        return new or [self._restart()]

    def _wanted(self) -> Sequence[Cell]:
        """Return the cells without a score that the next step waits for."""
        if not self._scores and self._centre is None:
            return [self.space.sample(self.rng)]
        self._centre = self._centre or min(self._scores, key=self._scores.__getitem__)
        if self._centre not in self._scores:
            return [self._centre]
        if self._near is None:
            self._near = self._lined_up(self._centre)
        return [cell for cell in self._ahead() if cell not in self._scores]

    def _lined_up(self, centre: Cell) -> Sequence[Cell]:
        unknown = [
            cell for cell in self.space.neighbours(centre) if cell not in self._scores
        ]
        return [unknown[i] for i in self.rng.permutation(len(unknown))]

    def _ahead(self) -> Sequence[Cell]:
        """Return the neighbours that must be observed before the next step."""
        return self._near or ()

    def _better(self) -> Cell | None:
        """Return the cell to move to after all of `_ahead` are observed; None at a local
        optimum.
        """
        assert self._centre is not None
        best = min(self.space.neighbours(self._centre), key=self._scores.__getitem__)
        return best if self._scores[best] < self._scores[self._centre] else None

    def _escape(self) -> Cell:
        return self._restart()

    def _restart(self) -> Cell:
        """Return a random cell, unobserved if there is one; otherwise any cell, which is evaluated
        again.
        """
        cell = self.space.sample(self.rng)
        if len(self._scores) == self.space.size:
            self._scores.pop(cell)
            self._asked.discard(cell)
        while cell in self._scores:
            cell = self.space.sample(self.rng)
        return cell

    def tell(self, trials: Sequence[Trial]) -> None:
        """Store the scores of trials."""
        self._scores.update((trial.cell, trial.score) for trial in trials)
        self._asked.difference_update(trial.cell for trial in trials)
