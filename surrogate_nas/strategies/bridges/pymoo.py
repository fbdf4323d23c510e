"""Pymoo: genetic algorithms of the library by name, such as pymoo:NSGA2(pop_size=20).

Blank & Deb, "pymoo: Multi-Objective Optimization in Python", IEEE Access 2020. Selection, survival
and uniform crossover are those of pymoo; sampling and mutation are those of the space, as in every
strategy. A generation with n children ends after n observed trials, whichever cells were evaluated,
so it never waits for pending evaluations. The initial architectures of a run are part of the first
population. Departure from pymoo: the default population size is 20 instead of 100, because budgets
in this project are a few hundred cells.
"""

import math
from collections.abc import Iterator
from copy import deepcopy
from functools import cache, cached_property
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import unknown, whole
from surrogate_nas.space import Cell, Trial
from surrogate_nas.strategies.bridges.base import (
    Bridge,
    by_name,
    library,
    nearest_cell,
    strategy_class,
)

_ONE = {"GA": "soo.nonconvex.ga", "NicheGA": "soo.nonconvex.ga_niching"}
# By name where pymoo has them: those for one objective, and those that also take several. AGEMOEA2
# is left out: it divides by zero where a front is a single point.
_MANY = {
    "AGEMOEA": "moo.age",
    "NSGA2": "moo.nsga2",
    "NSGA3": "moo.nsga3",
    "SMSEMOA": "moo.sms",
    "SPEA2": "moo.spea2",
    "UNSGA3": "moo.unsga3",
}
_DIRECTED = {"NSGA3", "UNSGA3"}
# Those that cannot do with one objective; they see it twice.
_TWICE = {"SMSEMOA"}
_POPULATION = 20


class PymooStrategy(Bridge):
    """A strategy that runs one of pymoo's genetic algorithms.

    Attributes:
        directed: Whether the algorithm needs reference directions.
        twice: Whether a single objective is passed twice, because the algorithm needs several.
    """

    algorithm: ClassVar[Any]
    directed: ClassVar[bool]
    twice: ClassVar[bool]

    def _begin(self) -> None:
        self._observed: list[Any] = []
        self._children: list[list[int]] = []

    def _propose(self) -> Cell:
        algorithm = self._running
        if not algorithm.is_initialized:
            return self.space.sample(self.rng)
        if not self._children:
            algorithm.termination.force_termination = False
            infills = algorithm.infill()
            self._children = [] if infills is None else infills.get("X").tolist()
        return (
            nearest_cell(self.space, self._children.pop(0))
            if self._children
            else self.space.sample(self.rng)
        )

    def _learn(self, trial: Trial) -> None:
        from pymoo.core.individual import Individual
        from pymoo.core.population import Population

        losses = np.array(self._losses(trial) * self._copies)
        self._observed.append(Individual(X=np.array(trial.cell.choices), F=losses))
        algorithm = self._running
        if len(self._observed) == (
            algorithm.n_offsprings if algorithm.is_initialized else algorithm.pop_size
        ):
            algorithm.advance(infills=Population.create(*self._observed))
            self._observed = []
            self._children = []

    @cached_property
    def _running(self) -> Any:
        from pymoo.core.problem import Problem
        from pymoo.core.termination import NoTermination
        from pymoo.operators.crossover.ux import UX

        mutation, repair = _operators(self)
        directions = (
            {"ref_dirs": _directions(self.objectives, self.knobs["pop_size"])}
            if self.directed
            else {}
        )
        instance = type(self).algorithm(
            crossover=UX(), mutation=mutation, repair=repair, **directions, **self.knobs
        )
        last = np.array([len(options) - 1 for options in self.space.options])
        n_objectives = self.objectives * self._copies
        problem = Problem(
            n_var=len(last), n_obj=n_objectives, xl=0 * last, xu=last, vtype=int
        )
        # defaults of constructors are objects that all algorithms of a kind would share
        return deepcopy(instance).setup(
            problem, seed=self.own_seed, termination=NoTermination()
        )

    @property
    def _copies(self) -> int:
        return 2 if self.twice and self.objectives == 1 else 1


def _operators(strategy: PymooStrategy) -> tuple[Any, Any]:
    from pymoo.core.mutation import Mutation
    from pymoo.core.repair import Repair

    def cells(rows: NDArray[Any]) -> Iterator[Cell]:
        return (nearest_cell(strategy.space, row.tolist()) for row in rows)

    class Mutated(Mutation):  # type: ignore[misc]
        def _do(self, _: Any, rows: NDArray[Any], **__: Any) -> NDArray[Any]:
            mutate, rng = strategy.space.mutate, strategy.rng
            return np.array([mutate(cell, rng).choices for cell in cells(rows)])

    class Repaired(Repair):  # type: ignore[misc]
        def _do(self, _: Any, rows: NDArray[Any], **__: Any) -> NDArray[Any]:
            return np.array([cell.choices for cell in cells(rows)])

    return Mutated(), Repaired()


def _directions(objectives: int, most: int) -> NDArray[np.float64]:
    """Return as many evenly spread directions (Das and Dennis) as a population can follow."""
    from pymoo.util.ref_dirs import get_reference_directions

    parts = 1
    while objectives > 1 and math.comb(parts + objectives, objectives - 1) <= most:
        parts += 1
    return np.asarray(
        get_reference_directions("das-dennis", objectives, n_partitions=parts)
    )


@cache
def bridge(name: str) -> type[PymooStrategy]:
    """Return the strategy class of one of pymoo's genetic algorithms.

    Args:
        name: The name of an algorithm, such as ``NSGA2``.

    Raises:
        UserError: pymoo is not installed, or has no such algorithm for choices.

    Example:
        >>> import surrogate_nas as sn
        >>> bridge("GA")(sn.nb201(), seed=0).ask(1)[0] in sn.nb201()
        True
    """
    library("pymoo", f"pymoo:{name}")
    if name not in _ONE | _MANY:
        raise unknown("genetic algorithm of pymoo", name, _ONE | _MANY)
    algorithm = getattr(import_module(f"pymoo.algorithms.{(_ONE | _MANY)[name]}"), name)
    knobs = {"pop_size": whole(_POPULATION, 1), "n_offsprings": whole(None, 1)}
    flags = {
        "directed": name in _DIRECTED,
        "twice": name in _TWICE,
        "many_objectives": name in _MANY,
    }
    return strategy_class(
        PymooStrategy, name, knobs, origin=f"pymoo:{name}", algorithm=algorithm, **flags
    )


__getattr__ = by_name(bridge)
