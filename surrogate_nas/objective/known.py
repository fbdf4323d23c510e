"""What is known of any cell for free: λR and feasibility, as far as no training is needed to tell;
sizes and proxies.

A strategy that models L alone can take the rest from here. Every strategy gets the same, and it
holds no benchmark: only formulas over the cell, and whole columns that were measured before
(`surrogate_nas.benchmarks.base`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks import Benchmark, Question
from surrogate_nas.benchmarks.base import Free, Values
from surrogate_nas.core.errors import unknown
from surrogate_nas.objective.expression import Constraint
from surrogate_nas.objective.terms import BoundTerm
from surrogate_nas.space import Cell
from surrogate_nas.tables import Seed


@dataclass(frozen=True, eq=False)
class Known:
    """λR and feasibility of any cells, for the terms that need no training; and metrics by name.

    Attributes:
        terms: The known terms of R and the known limits, as an expression writes them.
        missing: Those of R and the limits that only an evaluation tells.
        penalties: For each objective its known terms: a coefficient, and the metric it multiplies.
        limits: The known limits, each with its metric and what a violation is divided by.
        whole: For each objective, whether what is known is all of it.
        metrics: By name what any cell's sizes and zero-cost proxies are, whether the objective uses
            them or not.
        proxies: The proxies among them: scores without training, of which larger promises more.
            Empty where none are.

    Example:
        >>> import surrogate_nas as sn
        >>> objective = sn.Objective(
        ...     "valid_loss + 0.1*params", sn.load("fashion"), subject_to="params <= 20000"
        ... )
        >>> known, cells = objective.known, objective.benchmark.space[:4]
        >>> known.terms, known.penalty(cells).round(3), known.feasible(cells)
        (('params', 'params <= 20000'), array([0.027, 0.255, 0.173, 0.008]), array([ True, False, False,  True]))
    """  # noqa: E501

    terms: tuple[str, ...]
    missing: tuple[str, ...]
    penalties: tuple[tuple[tuple[float, Free], ...], ...]
    limits: tuple[tuple[Constraint, Free, float], ...]
    whole: tuple[bool, ...]
    metrics: Mapping[str, Free] = field(default_factory=dict)
    proxies: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        benchmark: Benchmark,
        questions: Sequence[Question],
        terms: Sequence[BoundTerm],
        constraints: Sequence[tuple[Constraint, int, float]],
        parts: int,
        seed: Seed,
    ) -> Self:
        """What is known of an objective.

        Args:
            benchmark: What answers.
            questions: What is looked up, first that of each term.
            terms: Of the objective.
            constraints: Each with its question's place and what a violation is divided by.
            parts: How many objectives there are.
            seed: The training seed that answers are read for, or ``"mean"``.
        """
        free = [
            (
                None
                if benchmark.metric(q.metric).is_loss or q.epochs is not None
                else benchmark.free(q, seed)
            )
            for q in questions
        ]
        regularisers = [(t, f) for t, f in zip(terms, free, strict=False) if not t.is_loss]
        limits = [(constraint, free[place], scale) for constraint, place, scale in constraints]
        known_limits = tuple(
            (constraint, f, scale) for constraint, f, scale in limits if f is not None
        )
        penalties = tuple(
            tuple((t.coefficient, f) for t, f in regularisers if f is not None and t.part == part)
            for part in range(parts)
        )
        named = [(t.name, f) for t, f in regularisers] + [(str(c), f) for c, f, _ in limits]
        whole = tuple(
            all(
                not t.is_loss and f is not None
                for t, f in zip(terms, free, strict=False)
                if t.part == part
            )
            for part in range(parts)
        )
        told, missing = (
            tuple(name for name, f in named if (f is None) == absent) for absent in (False, True)
        )
        metrics, proxies = _readable(benchmark, seed)
        return cls(told, missing, penalties, known_limits, whole, metrics, proxies)

    @property
    def names(self) -> tuple[str, ...]:
        """What `metric` can be asked for."""
        return tuple(self.metrics)

    def metric(self, name: str, cells: Sequence[Cell]) -> Values:
        """A free metric of cells in its own unit, shape ``(n,)``; of a proxy larger promises more.

        Args:
            name: One of `names`.
            cells: Cells of the objective's space.

        Raises:
            UserError: It is none of them.
        """
        if name not in self.metrics:
            raise unknown("free metric", name, self.metrics)
        return np.asarray(self.metrics[name](cells))

    def penalty(self, cells: Sequence[Cell]) -> Values:
        """The known λR of cells, summed over objectives, shape ``(n,)``."""
        return np.asarray(self.vector(cells).sum(axis=1))

    def vector(self, cells: Sequence[Cell]) -> Values:
        """The known λR of cells under each objective, shape ``(n, objectives)``."""
        found = np.zeros((len(cells), len(self.penalties)))
        for part, terms in enumerate(self.penalties):
            for coefficient, metric in terms:
                found[:, part] += coefficient * metric(cells)
        return found

    def violation(self, cells: Sequence[Cell]) -> Values:
        """By how much cells break the known limits, in shares of the limit, shape ``(n,)``; 0 where
        they keep them.
        """
        total = np.zeros(len(cells))
        for limit, metric, scale in self.limits:
            total += limit.excess(metric(cells)) / scale
        return total

    def feasible(self, cells: Sequence[Cell]) -> NDArray[np.bool_]:
        """Whether cells keep all known limits, shape ``(n,)``."""
        return np.asarray(self.violation(cells) == 0.0)

    def __repr__(self) -> str:
        return f"<Known {', '.join(self.terms) or 'nothing'}>"


def _readable(benchmark: Benchmark, seed: Seed) -> tuple[dict[str, Free], tuple[str, ...]]:
    """The metrics that any strategy may read: what follows from the cell alone, and proxies; the
    latter's names.
    """
    found = {}
    proxies = []
    for metric in benchmark.metrics:
        is_proxy = metric.quantity == "proxy"
        if (
            metric.kind != "search"
            or metric.epochs
            or not (is_proxy or metric.name in benchmark.space.analytic)
        ):
            continue
        free = benchmark.free(Question(metric.name, None), seed)
        if free is not None:
            found[metric.name] = free
            proxies += [metric.name] if is_proxy else []
    return found, tuple(proxies)
