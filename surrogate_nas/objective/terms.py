"""The terms of an objective on a benchmark, and its free terms, which need no training."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks import Benchmark, Question
from surrogate_nas.benchmarks.base import Free, Values
from surrogate_nas.core import FRACTION, ROUNDING, Metric, unknown
from surrogate_nas.objective.expression import (
    Constraint,
)
from surrogate_nas.space import Cell
from surrogate_nas.tables import Seed

_Numbers = TypeVar("_Numbers", float, NDArray[np.float64])


@dataclass(frozen=True)
class BoundTerm:
    """A term of an objective, bound to a benchmark.

    Attributes:
        name: The metric's name with its epochs, as written in an expression.
        weight: The weight of the term; λ for a regulariser.
        divisor: The number by which a value is divided: 100 for percentages in L, 1 for other
            terms of L, and the median over the space for terms of R.
        divisor_meaning: A description of the divisor in words.
        unit: The metric's unit.
        is_loss: Whether the term belongs to L.
        largest: The worst value over the space, which is the largest one, or the smallest one for a
            quality.
        part: The number, from 0, of the objective to which the term belongs.
        larger_is_better: Whether the metric is a quality, which enters the score as 1 − value /
            divisor.
    """

    name: str
    weight: float
    divisor: float
    divisor_meaning: str
    unit: str
    is_loss: bool
    largest: float
    part: int = 0
    larger_is_better: bool = False

    @property
    def coefficient(self) -> float:
        """The change of the score per unit of the metric, which is negative for a quality."""
        return (-self.weight if self.larger_is_better else self.weight) / self.divisor

    def score(self, values: _Numbers) -> _Numbers:
        """Return the contribution of values to the score.

        The contribution is ``weight * value / divisor``, or ``weight * (1 - value / divisor)`` for
        a quality.

        Args:
            values: Values in the metric's unit, of any shape.
        """
        added = self.coefficient * values
        return self.weight + added if self.larger_is_better else added

    def constants(self) -> dict[str, Any]:
        """Return the term as a JSON object; `larger_is_better` is omitted if False."""
        constants = asdict(self)
        if not self.larger_is_better:
            del constants["larger_is_better"]
        return constants


def loss_divisor(metric: Metric) -> tuple[float, str]:
    """Return the divisor of a metric of L, and the meaning of the divisor in words."""
    if metric.larger_is_better:
        is_percent = metric.unit == "%"
        return (100.0, "1 − fraction, from %") if is_percent else (1.0, "1 − fraction")
    if metric.quantity == "error":
        is_fraction = metric.unit == FRACTION
        return (1.0, "a fraction") if is_fraction else (100.0, "% to a fraction")
    return 1.0, f"in {metric.unit}" if metric.unit else "as it is"


@dataclass(frozen=True)
class Scores:
    """The scores of ``n`` cells; each array has shape ``(n,)`` unless stated otherwise.

    Attributes:
        score: The score to minimise; with several objectives, their sum.
        loss: The term L.
        penalty: The term λ·R, without diversity.
        feasible: Whether all constraints are satisfied.
        vector: The score of each objective, shape ``(n, objectives)``.

    Example:
        >>> import surrogate_nas as sn
        >>> objective = sn.Objective("valid_loss + 0.1*params", sn.load("fashion"))
        >>> scores = objective.over_space()
        >>> (
        ...     scores.score.shape,
        ...     bool(np.allclose(scores.score, scores.loss + scores.penalty)),
        ... )
        ((15625,), True)
    """

    score: NDArray[np.float64]
    loss: NDArray[np.float64]
    penalty: NDArray[np.float64]
    feasible: NDArray[np.bool_]
    vector: NDArray[np.float64] = field(repr=False)

    @property
    def rounding(self) -> float:
        """The largest difference at which scores count as equal, relative to the feasible range."""
        feasible = self.score[self.feasible]
        return ROUNDING * float(np.ptp(feasible)) if len(feasible) else 0.0


class Observed(NamedTuple):
    """A metric of R or of a limit that is available only after an evaluation.

    Attributes:
        name: The metric's name in `Trial.values`.
        coefficients: For each objective, the change of λR per unit of the metric; 0 for an
            objective without L.
        limits: The limits on the metric.
    """

    name: str
    coefficients: tuple[float, ...]
    limits: tuple[Constraint, ...]


@dataclass(frozen=True, eq=False)
class FreeTerms:
    """The free terms of an objective: the parts of λR and the limits that need no training.

    Attributes:
        terms: The free terms of R and the free limits, as written in an expression.
        missing: The terms of R and the limits that are available only after an evaluation.
        observed: The metrics of the terms and limits in `missing`.
        penalties: For each objective, its free terms, each as a coefficient and the metric that the
            coefficient multiplies.
        limits: The free limits, each with its metric and the divisor of its violation.
        whole: For each objective, whether all of its terms are free.
        metrics: Functions that compute sizes and zero-cost proxies of any cell, by name. The
            functions in `metrics` are available whether or not the objective uses the metrics.
        proxies: The names of the zero-cost proxies in `metrics`. Larger values of a proxy predict
            better cells.

    Example:
        >>> import surrogate_nas as sn
        >>> objective = sn.Objective(
        ...     "valid_loss + 0.1*params",
        ...     sn.load("fashion"),
        ...     subject_to="params <= 20000",
        ... )
        >>> free, cells = objective.free, objective.benchmark.space[:4]
        >>> free.terms, free.penalty(cells).round(3)
        (('params', 'params <= 20000'), array([0.027, 0.255, 0.173, 0.008]))
        >>> free.feasible(cells)
        array([ True, False, False,  True])
    """

    terms: tuple[str, ...]
    missing: tuple[str, ...]
    observed: tuple[Observed, ...]
    penalties: tuple[tuple[tuple[float, Free], ...], ...]
    limits: tuple[tuple[Constraint, Free, float], ...]
    whole: tuple[bool, ...]
    metrics: Mapping[str, Free] = field(default_factory=dict)
    proxies: tuple[str, ...] = ()

    @classmethod
    def of(cls, objective: Any) -> Self:
        """Collect the free terms of a `surrogate_nas.Objective`."""
        benchmark, terms = objective.benchmark, objective.terms
        # those of the terms come first
        free = [
            untrained(benchmark, q, objective.training_seed)
            for q in objective.questions()
        ]
        penalties: list[list[tuple[float, Free]]] = [
            [] for _ in range(objective.n_objectives)
        ]
        whole = [True] * objective.n_objectives
        for term, function in zip(terms, free, strict=False):
            if function is None or term.is_loss:
                whole[term.part] = False
            else:
                penalties[term.part].append((term.coefficient, function))
        limits = [
            (limit, free[place], scale) for limit, place, scale in objective.constraints
        ]
        named = [
            *((t.name, f) for t, f in zip(terms, free, strict=False) if not t.is_loss),
            *((str(limit), function) for limit, function, _ in limits),
        ]
        metrics, proxies = _readable(benchmark, objective.training_seed)
        return cls(
            terms=tuple(name for name, function in named if function is not None),
            missing=tuple(name for name, function in named if function is None),
            observed=_observed(objective, free),
            penalties=tuple(map(tuple, penalties)),
            limits=tuple(
                (limit, f, scale) for limit, f, scale in limits if f is not None
            ),
            whole=tuple(whole),
            metrics=metrics,
            proxies=proxies,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the free metrics, which `metric` accepts."""
        return tuple(self.metrics)

    def metric(self, name: str, cells: Sequence[Cell]) -> Values:
        """Return the values of a free metric in its own unit, shape ``(n,)``.

        Raises:
            UserError: There is no free metric with this name.
        """
        if name not in self.metrics:
            raise unknown("free metric", name, self.metrics)
        return np.asarray(self.metrics[name](cells))

    def penalty(self, cells: Sequence[Cell]) -> Values:
        """Return the free part of the cells' λR, summed over objectives, shape ``(n,)``."""
        return np.asarray(self.vector(cells).sum(axis=1))

    def vector(self, cells: Sequence[Cell]) -> Values:
        """Return the free part of the cells' λR per objective, shape ``(n, objectives)``."""
        values = np.zeros((len(cells), len(self.penalties)))
        for part, terms in enumerate(self.penalties):
            for coefficient, metric in terms:
                values[:, part] += coefficient * metric(cells)
        return values

    def violation(self, cells: Sequence[Cell]) -> Values:
        """Return the sum of the violations of free limits, each divided by its scale, ``(n,)``."""
        total = np.zeros(len(cells))
        for limit, metric, scale in self.limits:
            total += limit.excess(metric(cells)) / scale
        return total

    def feasible(self, cells: Sequence[Cell]) -> NDArray[np.bool_]:
        """Return whether cells satisfy all free limits, shape ``(n,)``."""
        return np.asarray(self.violation(cells) == 0.0)

    def __repr__(self) -> str:
        return f"<Free terms: {', '.join(self.terms) or 'nothing'}>"


def _observed(objective: Any, free: Sequence[Free | None]) -> tuple[Observed, ...]:
    names = list(map(str, objective.questions()))
    with_loss = {term.part for term in objective.terms if term.is_loss}
    terms = [
        term
        for term, function in zip(objective.terms, free, strict=False)
        if function is None and not term.is_loss and term.part in with_loss
    ]
    limits = [
        (names[place], limit)
        for limit, place, _ in objective.constraints
        if free[place] is None
    ]
    parts = range(objective.n_objectives)
    return tuple(
        Observed(
            name,
            tuple(
                float(
                    sum(t.coefficient for t in terms if (t.name, t.part) == (name, p))
                )
                for p in parts
            ),
            tuple(limit for metric, limit in limits if metric == name),
        )
        for name in dict.fromkeys([t.name for t in terms] + [n for n, _ in limits])
    )


def untrained(benchmark: Benchmark, question: Question, seed: Seed) -> Free | None:
    """Return a function that computes a metric without training, or None if it needs one."""
    if question.epochs is not None or benchmark.metric(question.metric).is_loss:
        return None
    return benchmark.free(question, seed)


def _readable(
    benchmark: Benchmark, seed: Seed
) -> tuple[dict[str, Free], tuple[str, ...]]:
    """Return the analytic metrics and proxies of a benchmark, and the names of the proxies."""
    analytic = benchmark.space.analytic
    readable = {
        metric.name: free
        for metric in benchmark.metrics
        if metric.kind == "search"
        and not metric.epochs
        and (metric.quantity == "proxy" or metric.name in analytic)
        and (free := benchmark.free(Question(metric.name, None), seed))
    }
    return readable, tuple(
        n for n in readable if benchmark.metric(n).quantity == "proxy"
    )
