"""NSGA-II: evolution of a whole front; select by rank of domination and, within a rank, by crowding
distance.

Deb, Pratap, Agarwal & Meyarivan, "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II",
IEEE Transactions on Evolutionary Computation 2002. A child takes each choice from either parent, or
copies the first parent if the space is not a `ChoiceSpace`. Every child is then mutated once by the
mutation of the space. Constrained domination is part of the objective: each score of an infeasible
cell is above the scores of all feasible cells, by the amount of the violation. Departures from the
paper: The population has 10 members, because budgets in this project are a few hundred cells. A
child that was observed or proposed before is mutated further, up to a few times, until it is new.
With one objective, cells are ranked by their scores.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar

import numpy as np

from surrogate_nas.core import UserError, number, whole
from surrogate_nas.space import Cell, ChoiceSpace, Trial
from surrogate_nas.strategies.base import OneByOne
from surrogate_nas.surrogates.base import Floats

_MOST_TRIES = 20


class NSGA2(OneByOne):
    """Generate children by binary tournaments; parents and children of a generation compete for
    the next population.

    Args:
        population: Number of parents, and number of children per generation, at least 2.
        crossover: The probability that a child has two parents.

    Example:
        >>> import surrogate_nas as sn
        >>> names, terms = ["random", "nsga2"], "valid_loss, latency@cpu"
        >>> result = sn.compare("fashion", names, terms, runs=3, budget=150)
        >>> random, own = (result.scores(name).mean() for name in names)
        >>> bool(own < random)  # of the front's hypervolume, less is missed
        True
    """

    many_objectives: ClassVar[bool] = True

    population: int = whole(10, 2)
    crossover: float = number(0.9, most=1.0)

    def _begin(self) -> None:
        self._parents: list[Trial] = []
        self._children: list[Trial] = []
        self._seen: set[Cell] = set()

    def tell(self, trials: Sequence[Trial]) -> None:
        """Add trials to the current generation, which ends when it has as many children as the
        population has parents.
        """
        for trial in trials:
            self._seen.add(trial.cell)
            self._children.append(trial)
            if len(self._children) >= self.population:
                self._parents = survivors(
                    self._parents + self._children, self.population
                )
                self._children = []

    def _next(self) -> Cell:
        cell = self._child() if self._parents else self.space.sample(self.rng)
        tries = 0
        while cell in self._seen and (tries := tries + 1) <= _MOST_TRIES:
            cell = (
                self.space.mutate(cell, self.rng)
                if self._parents
                else self.space.sample(self.rng)
            )
        self._seen.add(cell)
        return cell

    def _child(self) -> Cell:
        cell, other = self._winner().cell, self._winner().cell
        if isinstance(self.space, ChoiceSpace) and self.rng.random() < self.crossover:
            taken = self.rng.random(len(cell.choices)) < 0.5
            with suppress(UserError):  # the mixture is no cell
                cell = self.space.at(
                    np.where(taken, cell.choices, other.choices).tolist()
                )
        return self.space.mutate(cell, self.rng)

    def _winner(self) -> Trial:
        return self._parents[int(self.rng.integers(len(self._parents), size=2).min())]


def survivors(trials: Sequence[Trial], n: int) -> list[Trial]:
    """Return the best `n` trials, ordered by rank and, within a rank, by crowding distance."""
    import moocore

    vectors = np.array([trial.scores or (trial.score,) for trial in trials])
    ranks = np.asarray(moocore.pareto_rank(vectors))
    room = np.zeros(len(vectors))
    for rank in np.unique(ranks):
        room[ranks == rank] = crowding(vectors[ranks == rank])
    return [trials[i] for i in np.lexsort((-room, ranks))[:n]]


def crowding(vectors: Floats) -> Floats:
    """Return the crowding distance of each point, shape ``(n,)``: the distance between its two
    neighbours in each objective, summed over objectives. The distance is infinite for the best and
    the worst point of an objective.

    Args:
        vectors: Points that do not dominate one another, shape ``(n, objectives)``.
    """
    room = np.zeros(len(vectors))
    for column in vectors.T:
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        span = (ordered[-1] - ordered[0]) or 1.0
        room[order[[0, -1]]] = np.inf
        room[order[1:-1]] += (ordered[2:] - ordered[:-2]) / span
    return room
