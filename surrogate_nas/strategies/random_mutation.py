"""Random mutation: mutate a randomly chosen observed cell whatever its score, as a baseline for
optimisers that learn from scores.

The baseline begins with the same initial architectures as the optimiser that it is compared with
and proposes valid cells, but ignores scores. An optimiser that is not better than this baseline has
not shown that it uses the reported scores. Li & Talwalkar, "Random Search and Reproducibility for
Neural Architecture Search", UAI 2019, explain why a method needs such a baseline in its own space.
"""

from collections.abc import Sequence

from surrogate_nas.space import Cell, Trial
from surrogate_nas.strategies.base import OneByOne

_MOST_DRAWS = 100


class RandomMutation(OneByOne):
    """Mutate observed cells, whatever their scores.

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
        """Store the observed cells, but not their scores."""
        self._told += [trial.cell for trial in trials]
        self._asked.update(trial.cell for trial in trials)
