"""NSGA-II: evolution of a whole front, which selects by the rank of domination and, within a rank,
by crowding distance.

Deb, Pratap, Agarwal & Meyarivan, "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II",
IEEE Transactions on Evolutionary Computation 2002. A child takes each choice from either parent (in
a space that is not one of choices it copies the first) and is then mutated as every strategy
mutates, once. Constrained domination is the objective's own: each score of an infeasible cell lies
above those of all feasible ones, by how much limits are broken. Departures: a population of 10, as
budgets here are of some hundred cells; a child that was observed or asked for before is mutated on
until it is new, as far as a few tries find one. On one objective the rank is the order of scores.
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
    """Children of binary tournaments; parents and children of a generation compete for the next
    population.

    Args:
        population: How many trials are kept as parents, and how many children make a
            generation; at least 2.
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
        """Let trials compete; a generation ends when it has as many children as the population has
        parents.
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
    """The best trials, in order of rank and, within a rank, of the room around them."""
    import moocore

    vectors = np.array([trial.scores or (trial.score,) for trial in trials])
    ranks = np.asarray(moocore.pareto_rank(vectors))
    room = np.zeros(len(vectors))
    for rank in np.unique(ranks):
        room[ranks == rank] = crowding(vectors[ranks == rank])
    return [trials[i] for i in np.lexsort((-room, ranks))[:n]]


def crowding(vectors: Floats) -> Floats:
    """How far apart the neighbours of each point are, summed over objectives; infinite at the ends,
    shape ``(n,)``.

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
