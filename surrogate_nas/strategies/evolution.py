"""Regularised evolution: mutate the winner of a tournament; remove the oldest member of the
population.

Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019, with the
population size of 10 and the tournament size of 3 that Dong & Yang (ICLR 2020) use. A tournament
samples cells with replacement, as in the code of Dong & Yang; of equally good cells, the younger
one wins. Departure: the edge to mutate is sampled uniformly. The code of Dong & Yang samples the
node first, so edges are not equally likely.
"""

from collections import deque
from collections.abc import Sequence

from surrogate_nas.core import whole
from surrogate_nas.space import Cell, Trial
from surrogate_nas.strategies.base import OneByOne


class RegularisedEvolution(OneByOne):
    """Mutate the best cell of a random tournament; every child enters the population and the
    oldest member leaves.

    Args:
        population: Number of most recent trials that may become parents.
        tournament: Number of trials that are sampled, with replacement, to choose a parent from.

    Raises:
        UserError: The population or the tournament size is below 1.

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
        """Add every trial to the population, and remove the oldest members of the population."""
        self._alive.extend(trials)
