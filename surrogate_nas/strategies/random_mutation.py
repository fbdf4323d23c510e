"""Random mutation without selection: a baseline for optimisers that claim to learn from scores.

Each proposal is a mutation of a cell drawn from all that were told so far, good or bad. It begins
with the same first cells as what it controls and stays among valid cells, but scores play no part.
What is not better than this has not shown that it uses what it is told. Why a method needs such a
baseline in its own space: Li & Talwalkar, "Random Search and Reproducibility for Neural
Architecture Search", UAI 2019.
"""

from collections.abc import Sequence

from surrogate_nas.space import Cell, Trial
from surrogate_nas.strategies.base import OneByOne

_MOST_DRAWS = 100


class RandomMutation(OneByOne):
    """Mutates cells that were told, whatever their scores.

    Example:
        >>> import surrogate_nas as sn
        >>> len(sn.search("fashion", "random_mutation", "valid_loss", budget=20).trials)
        20
    """

    def _begin(self) -> None:
        self._told: list[Cell] = []
        self._asked: set[Cell] = set()

    def _next(self) -> Cell:
        cell = self._mutation()
        tries = 0
        while cell in self._asked and (tries := tries + 1) <= _MOST_DRAWS:
            cell = self._mutation()
        self._asked.add(cell)
        return cell

    def _mutation(self) -> Cell:
        if not self._told:
            return self.space.sample(self.rng)
        parent = self._told[int(self.rng.integers(len(self._told)))]
        return self.space.mutate(parent, self.rng)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Take the cells, not the scores."""
        self._told += [trial.cell for trial in trials]
        self._asked.update(trial.cell for trial in trials)
