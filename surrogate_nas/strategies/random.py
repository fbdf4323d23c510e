"""Random search: sample cells uniformly, counting isomorphic cells separately, and never evaluate
an observed cell again.

Li & Talwalkar, "Random Search and Reproducibility for Neural Architecture Search", UAI 2019.
Departure from the paper, which samples with replacement: an observed cell is not proposed again.
Whether observed cells are proposed again matters only for large budgets.
"""

from collections.abc import Sequence

from surrogate_nas.space import Cell, Request, Trial
from surrogate_nas.strategies.base import OneByOne


class RandomSearch(OneByOne):
    """Sample unobserved cells uniformly; after all cells are observed, sample from all cells.

    Example:
        >>> import surrogate_nas as sn
        >>> run = sn.search("fashion", "random", "valid_error", budget=100)
        >>> len({trial.cell for trial in run.trials})  # no cell twice
        100
    """

    def _begin(self) -> None:
        self._known: set[Cell] = set()

    def _next(self) -> Cell | Request:
        return self._draw()

    def _draw(self) -> Cell:
        cell = self.space.sample(self.rng)
        while cell in self._known and len(self._known) < self.space.size:
            cell = self.space.sample(self.rng)
        self._known.add(cell)
        return cell

    def tell(self, trials: Sequence[Trial]) -> None:
        """Store which cells are observed."""
        self._known.update(trial.cell for trial in trials)
