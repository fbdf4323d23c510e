"""Regularised evolution: mutate the winner of a tournament and remove the oldest member of the
population.

Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019, with the
population of 10 and tournament of 3 of Dong & Yang (ICLR 2020). The tournament draws with
replacement, as their code does; a tie goes to the younger. Departure: the mutated edge is uniform
(theirs draws the node first, so edges are not).
"""

from collections import deque
from collections.abc import Sequence

from surrogate_nas.core import whole
from surrogate_nas.space import Cell, Trial
from surrogate_nas.strategies.base import OneByOne


class RegularisedEvolution(OneByOne):
    """Mutates the best of a random tournament; every child enters the population and the oldest
    leaves.

    Args:
        population: How many of the youngest trials may become parents.
        tournament: How many are drawn, with replacement, to choose a parent from.

    Raises:
        UserError: One of them is below 1.

    Example:
        >>> import surrogate_nas as sn
        >>> strategy = "evolution(population=20,tournament=5)"
        >>> scores = sn.search("fashion", strategy, "valid_error", budget=150).scores
        >>> bool(scores[-50:].mean() < scores[:50].mean())  # the population gets better
        True
    """

    population: int = whole(10, 1)
    tournament: int = whole(3, 1)

    def _begin(self) -> None:
        self._alive: deque[Trial] = deque(maxlen=self.population)

    def _next(self) -> Cell:
        size = len(self._alive)
        if size < self.population:
            return self.space.sample(self.rng)
        drawn = self.rng.integers(size, size=self.tournament).tolist()
        parent = min(
            (self._alive[i] for i in sorted(drawn, reverse=True)),
            key=lambda trial: trial.score,
        )
        return self.space.mutate(parent.cell, self.rng)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Let every trial enter the population; the oldest leave."""
        self._alive.extend(trials)
