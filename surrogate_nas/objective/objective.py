"""The objective L(θ, α) + λ·R(α) over a benchmark: the only place where λ exists and where look-ups are charged.

Errors enter as fractions and losses in nats; every regulariser is divided by its median over the space, a constant
that is frozen before any run and printed. Cells that violate a constraint rank after all others, by how much.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks import Benchmark, Question
from surrogate_nas.errors import UserError
from surrogate_nas.objective.expression import DIVERSITY, Constraint, Expression, Term, exact, parse
from surrogate_nas.space import Cell, listed
from surrogate_nas.table import Seed

_PERCENT = 100.0


@dataclass(frozen=True)
class BoundTerm:
    """A term tied to a benchmark.

    Attributes:
        name: The metric as an expression writes it, epochs resolved.
        weight: The factor, λ for a regulariser.
        divisor: What a value is divided by: 100 for an error in %, 1 for a loss, else the median over the space.
        divisor_meaning: The divisor in words.
        unit: The metric's unit.
        is_loss: Whether the term belongs to L.
        largest: The largest value over the space.
    """

    name: str
    weight: float
    divisor: float
    divisor_meaning: str
    unit: str
    is_loss: bool
    largest: float

    @property
    def coefficient(self) -> float:
        """What a value in its natural unit is multiplied by."""
        return self.weight / self.divisor


@dataclass(frozen=True)
class Scores:
    """Scores of many cells, each array of shape ``(n,)``.

    Attributes:
        score: What is minimised.
        loss: L.
        penalty: λ·R, without diversity.
        feasible: Whether all constraints hold.
    """

    score: NDArray[np.float64]
    loss: NDArray[np.float64]
    penalty: NDArray[np.float64]
    feasible: NDArray[np.bool_]


class Objective:
    """An expression tied to a benchmark, with frozen constants and a fingerprint.

    Example:
        >>> import surrogate_nas as sn
        >>> objective = Objective("digital_error + 0.02*params", sn.load("analog-cifar10"))
        >>> [term.divisor for term in objective.terms]
        [100.0, 344346.0]
    """

    def __init__(
        self,
        expression: str | Expression,
        benchmark: Benchmark,
        *,
        subject_to: str | None = None,
        seed: Seed | None = None,
    ) -> None:
        """Resolve an expression against a benchmark and freeze its constants.

        Args:
            expression: Text, or an expression made with `loss`, `params`, `latency` and so on.
            benchmark: What answers.
            subject_to: Further limits as text.
            seed: The training seed that answers are read for, or ``"mean"``; None for the benchmark's default.

        Raises:
            UserError: The expression is malformed, names what the benchmark lacks, holds no loss, or would let a
                search see a final metric.
        """
        parsed = expression if isinstance(expression, Expression) else parse(expression)
        if subject_to:
            parsed = parse(str(parsed), subject_to)
        self.benchmark = benchmark
        self.seed: Seed = benchmark.default_seed if seed is None else seed
        self._questions: list[Question] = []
        self.diversity_weight = sum(t.weight for t in parsed.terms if t.metric == DIVERSITY)
        self.terms = [self._bind(term) for term in parsed.terms if term.metric != DIVERSITY]
        if not any(term.is_loss for term in self.terms):
            losses = sorted(m.name for m in benchmark.metrics if m.kind == "search" and m.quantity in ("error", "loss"))
            raise UserError(f"An objective needs a loss term of {benchmark.name}, one of: {', '.join(losses)}.")
        self.constraints = [self._constrain(constraint) for constraint in parsed.constraints]
        self.epochs = max((q.epochs for q in self._questions if q.epochs is not None), default=None)
        self.bound = sum(t.coefficient * t.largest for t in self.terms) + self.diversity_weight

    def _bind(self, term: Term) -> BoundTerm:
        question = self._ask(term.metric, term.epochs)
        metric = self.benchmark.metric(term.metric)
        median, largest = self.benchmark.scale(question, self.seed)
        if metric.quantity == "error":
            divisor, meaning = _PERCENT, "% to a fraction"
        elif metric.quantity == "loss":
            divisor, meaning = 1.0, "in nats"
        else:
            divisor, meaning = median, "median over the space"
        if not divisor > 0:
            raise UserError(f"The median of {question} over the space is {median:g}, so it cannot regularise.")
        is_loss = metric.quantity in ("error", "loss")
        return BoundTerm(str(question), term.weight, divisor, meaning, metric.unit, is_loss, largest)

    def _ask(self, name: str, epochs: int | None) -> Question:
        """Resolve a metric that a search may see, and note that it is looked up."""
        metric = self.benchmark.metric(name)
        if metric.kind == "final":
            raise UserError(
                f"{name} is a final metric of {self.benchmark.name}: it is reported, never searched on. "
                "Search on a training or validation metric."
            )
        question = self.benchmark.question(name, epochs)
        self._questions.append(question)
        return question

    def _constrain(self, constraint: Constraint) -> tuple[Constraint, int, float]:
        """The constraint with its question's place and what a violation is divided by."""
        question = self._ask(constraint.metric, constraint.epochs)
        median, _ = self.benchmark.scale(question, self.seed)
        resolved = Constraint(question.metric, question.epochs, constraint.relation, constraint.limit)
        return resolved, len(self._questions) - 1, abs(constraint.limit) or abs(median) or 1.0

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_space_scores"}

    def __str__(self) -> str:
        parts = [t.name if t.weight == 1.0 else f"{exact(t.weight)}*{t.name}" for t in self.terms]
        if self.has_history:
            parts.append(f"{exact(self.diversity_weight)}*{DIVERSITY}")
        limits = " and ".join(str(constraint) for constraint, *_ in self.constraints)
        return " + ".join(parts) + (f" subject to {limits}" if limits else "")

    @property
    def has_history(self) -> bool:
        """Whether scores depend on what a run found before; exact regret is then undefined."""
        return self.diversity_weight > 0

    @cached_property
    def fingerprint(self) -> str:
        """A digest of benchmark, expression, constants and conventions; results of two are never mixed."""
        content = {
            "benchmark": self.benchmark.name,
            "data": self.benchmark.fingerprint,
            "expression": str(self),
            "constants": [asdict(term) for term in self.terms],
            "seed": self.seed,
            "cost": self.benchmark.cost,
            "conventions": 1,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def describe(self) -> dict[str, Any]:
        """The expression, its constants and its fingerprint as a JSON object."""
        return {
            "benchmark": self.benchmark.name,
            "expression": str(self),
            "terms": [asdict(term) for term in self.terms],
            "diversity_weight": self.diversity_weight,
            "constraints": [str(constraint) for constraint, *_ in self.constraints],
            "seed": self.seed,
            "cost": self.benchmark.cost,
            "fingerprint": self.fingerprint,
        }

    def look_up(self, cells: Sequence[Cell]) -> tuple[NDArray[np.float64], Scores, NDArray[np.float64]]:
        """Ask the benchmark once and combine; charging is the `Evaluator`'s.

        Args:
            cells: Cells of the benchmark's space.

        Returns:
            Values ``(n, questions)`` in natural units, their `Scores` without diversity, and the cost ``(n,)``.
        """
        values, cost = self.benchmark.measure(cells, self._questions, self.seed)
        return values, self._combine(values), cost

    def _combine(self, values: NDArray[np.float64]) -> Scores:
        loss, penalty = np.zeros(len(values)), np.zeros(len(values))
        for term, column in zip(self.terms, values.T, strict=False):  # a matrix product would round by the batch's size
            total = loss if term.is_loss else penalty
            total += term.coefficient * column
        score = loss + penalty
        feasible = np.ones(len(values), dtype=bool)
        if self.constraints:
            violation = np.zeros(len(values))
            for constraint, column, scale in self.constraints:
                excess = values[:, column] - constraint.limit
                violation += np.maximum(excess if constraint.relation == "<=" else -excess, 0.0) / scale
            feasible = violation == 0.0
            score = np.where(feasible, score, self.bound + violation)
        return Scores(score, loss, penalty, feasible)

    def question_names(self) -> list[str]:
        """The metrics that a look-up asks for, in the order of its values."""
        return [str(question) for question in self._questions]

    def over_space(self) -> Scores | None:
        """Scores of every cell, for analysis; None where they depend on history or the benchmark is no table."""
        if self.has_history or not self.benchmark.has_columns:
            return None
        return self._space_scores

    @cached_property
    def _space_scores(self) -> Scores:
        return self.look_up(listed(self.benchmark.space))[1]

    def optimum(self) -> float | None:
        """The best score of the space; None where it is undefined, as where no cell is feasible."""
        scores = self.over_space()
        return None if scores is None or not scores.feasible.any() else float(scores.score.min())
