"""The objective L(θ, α) + λ·R(α) over a benchmark: the only place where λ exists.

Errors enter as fractions, losses in their own unit, qualities as what they lack to 1; every regulariser is divided by
its median over the space (over a fixed sample where that cannot be listed), a constant that is frozen before any run
and printed. Cells that violate a constraint rank after all others, by how much. Several objectives, with commas
between them, make a front.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.arguments import checked
from surrogate_nas.benchmarks import Benchmark, Question
from surrogate_nas.benchmarks.base import Measurement
from surrogate_nas.benchmarks.free import Free
from surrogate_nas.errors import UserError
from surrogate_nas.notebook import html_table
from surrogate_nas.objective.expression import DIVERSITY, Constraint, Expression, Term, exact
from surrogate_nas.objective.known import Known
from surrogate_nas.objective.parser import parse, parse_several
from surrogate_nas.objective.terms import BoundTerm, Scores, loss_divisor
from surrogate_nas.space import Cell, listed
from surrogate_nas.table import Seed

_CONVENTIONS = 2
"""Raised whenever the same expression would score otherwise than before."""


class Objective:
    """One expression or several, tied to a benchmark, with frozen constants and a fingerprint.

    Example:
        >>> import surrogate_nas as sn
        >>> objective = Objective("digital_error + 0.02*params", sn.load("analog-cifar10"))
        >>> [term.divisor for term in objective.terms]
        [100.0, 344346.0]
    """

    @checked
    def __init__(
        self,
        expression: str | Expression | Sequence[Expression],
        benchmark: Benchmark,
        *,
        subject_to: str | None = None,
        seed: Seed | None = None,
    ) -> None:
        """Resolve an expression against a benchmark and freeze its constants.

        Args:
            expression: Text, or an expression made with `loss`, `params`, `latency` and so on; several of either make a
                front.
            benchmark: What answers.
            subject_to: Further limits as text.
            seed: The training seed that answers are read for, or ``"mean"``; None for the benchmark's default.

        Raises:
            UserError: The expression is malformed, names what the benchmark lacks, holds no loss, or would let a
                search see a final metric.
        """
        if not isinstance(benchmark, Benchmark):
            raise UserError(f"An objective is tied to an opened benchmark (surrogate_nas.load), not {benchmark!r:.80}.")
        parts = _parsed(expression, subject_to)
        self.benchmark = benchmark
        self.seed: Seed = benchmark.default_seed if seed is None else seed
        self._questions: list[Question] = []
        self.diversity_weight = sum(t.weight for part in parts for t in part.terms if t.metric == DIVERSITY)
        if self.diversity_weight and len(parts) > 1:
            raise UserError("diversity depends on a run's history, so it cannot be one of several objectives.")
        self.parts = len(parts)
        self.terms = [
            self._bind(term, number)
            for number, part in enumerate(parts)
            for term in part.terms
            if term.metric != DIVERSITY
        ]
        if not any(term.is_loss for term in self.terms):
            losses = sorted(m.name for m in benchmark.metrics if m.kind == "search" and m.is_loss)
            raise UserError(
                f"An objective needs a loss term of {benchmark.name}, one of: {', '.join(losses) or 'none is there'}."
            )
        self.constraints = [self._constrain(constraint) for part in parts for constraint in part.constraints]
        self.epochs = max((q.epochs for q in self._questions if q.epochs is not None), default=None)
        self.bounds = [self._bound(number) for number in range(self.parts)]

    @property
    def bound(self) -> float:
        """A score that no feasible cell exceeds."""
        return sum(self.bounds)

    def _bound(self, part: int) -> float:
        return float(sum(t.score(t.largest) for t in self.terms if t.part == part)) + self.diversity_weight

    def _bind(self, term: Term, part: int) -> BoundTerm:
        question = self._ask(term.metric, term.epochs)
        metric = self.benchmark.metric(term.metric)
        median, worst = self.benchmark.scale(question, self.seed)
        divisor, meaning = loss_divisor(metric) if metric.is_loss else (median, self._median_of)
        if not divisor > 0:
            raise UserError(f"The median of {question} over the space is {median:g}, so it cannot regularise.")
        return BoundTerm(
            str(question), term.weight, divisor, meaning, metric.unit, metric.is_loss, worst, part,
            metric.larger_is_better,
        )  # fmt: skip

    @property
    def _median_of(self) -> str:
        space = self.benchmark.space
        whole = len(space.survey) == space.size
        return "median over the space" if whole else f"median over a fixed sample of {len(space.survey):,} cells"

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
        return {key: value for key, value in self.__dict__.items() if key not in ("_space_scores", "known")}

    def __str__(self) -> str:
        limits = " and ".join(str(constraint) for constraint, *_ in self.constraints)
        return ", ".join(map(self.part_text, range(self.parts))) + (f" subject to {limits}" if limits else "")

    def __repr__(self) -> str:
        return f"<Objective {str(self)!r} on {self.benchmark.name}>"

    def _repr_html_(self) -> str:
        """The objective in a notebook: its terms with their constants."""
        rows = [
            (t.name, "L" if t.is_loss else "R", t.weight, f"{t.divisor:,.6g}", t.divisor_meaning) for t in self.terms
        ]
        heads = ("term", "part of", "weight", "divisor", "divisor is")
        return html_table(f"minimise {self}", heads, rows, f"on {self.benchmark.name}, fingerprint {self.fingerprint}")

    def part_text(self, part: int) -> str:
        """One of several objectives as an expression, without limits.

        Args:
            part: Its number, from 0.
        """
        mine = [term for term in self.terms if term.part == part]
        texts = [t.name if t.weight == 1.0 else f"{exact(t.weight)}*{t.name}" for t in mine]
        if self.has_history:
            texts.append(f"{exact(self.diversity_weight)}*{DIVERSITY}")
        return " + ".join(texts)

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
            "constants": [term.constants() for term in self.terms],
            "seed": self.seed,
            "cost": self.benchmark.cost,
            "conventions": _CONVENTIONS,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def describe(self) -> dict[str, Any]:
        """The expression, its constants and its fingerprint as a JSON object."""
        return {
            "benchmark": self.benchmark.name,
            "expression": str(self),
            "objectives": [self.part_text(part) for part in range(self.parts)],
            "terms": [term.constants() for term in self.terms],
            "diversity_weight": self.diversity_weight,
            "constraints": [str(constraint) for constraint, *_ in self.constraints],
            "seed": self.seed,
            "cost": self.benchmark.cost,
            "fingerprint": self.fingerprint,
        }

    @cached_property
    def fidelities(self) -> tuple[int, ...]:
        """The epochs that a strategy may ask for: all up to `epochs` that every trained term is held for."""
        if self.epochs is None:
            return ()
        held = {e for q in self._questions for e in self.benchmark.metric(q.metric).epochs if e <= self.epochs}
        return tuple(sorted(e for e in held if self._holds(e)))

    def _holds(self, epochs: int) -> bool:
        try:
            self.questions(epochs)
        except UserError:
            return False
        return True

    def questions(self, epochs: int | None = None, read: Sequence[str] = ()) -> list[Question]:
        """What a look-up asks for: the terms, the limits, and what else is to be read.

        Args:
            epochs: After so many epochs at most; None for the objective's own.
            read: Further search metrics after that run.

        Raises:
            UserError: The benchmark does not hold one of them for these epochs, or it is a final metric.
        """
        asked = self._questions
        if epochs is not None and epochs != self.epochs:
            asked = [q if q.epochs is None else self.benchmark.question(q.metric, min(q.epochs, epochs)) for q in asked]
        for name in read:
            if self.benchmark.metric(name).kind == "final":
                raise UserError(
                    f"{name} is a final metric of {self.benchmark.name}: it is reported, never searched on."
                )
        at = self.epochs if epochs is None else epochs
        return [*asked, *(self.benchmark.question(name, at) for name in read)]

    def look_up(
        self, cells: Sequence[Cell], questions: Sequence[Question] | None = None
    ) -> tuple[NDArray[np.float64], Scores, NDArray[np.float64]]:
        """Ask the benchmark once and combine; charging is the ledger's.

        Args:
            cells: Cells of the benchmark's space, each looked up by its string.
            questions: What `questions` gave; None for the objective's own.

        Returns:
            Values ``(n, questions)`` in natural units, their `Scores` without diversity, and the cost ``(n,)``.
        """
        values, cost = self.measure(cells, questions)
        return values, self.combine(values), cost

    def measure(self, cells: Sequence[Cell], questions: Sequence[Question] | None = None) -> Measurement:
        """Ask the benchmark once.

        Args:
            cells: Cells of the benchmark's space, each looked up by its string.
            questions: What `questions` gave; None for the objective's own.
        """
        own = [self.benchmark.space.cell(cell) for cell in cells]
        return self.benchmark.measure(own, self._questions if questions is None else questions, self.seed)

    def combine(self, values: NDArray[np.float64]) -> Scores:
        """The scores of cells from their metrics.

        Args:
            values: Shape ``(n, questions)``, in natural units and the order of `questions`.
        """
        loss, penalty = np.zeros(len(values)), np.zeros(len(values))
        for term, column in zip(self.terms, values.T, strict=False):  # a matrix product would round by the batch's size
            total = loss if term.is_loss else penalty
            total += term.score(column)
        score = loss + penalty
        vector = score[:, None] if self.parts == 1 else self._vector(values)
        feasible = np.ones(len(values), dtype=bool)
        if self.constraints:
            violation = np.zeros(len(values))
            for constraint, column, scale in self.constraints:
                violation += constraint.excess(values[:, column]) / scale
            feasible = violation == 0.0
            score = np.where(feasible, score, self.bound + violation)
            vector = np.where(feasible[:, None], vector, np.array(self.bounds) + violation[:, None])
        return Scores(score, loss, penalty, feasible, vector)

    def _vector(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Each objective's sum, shape ``(n, objectives)``."""
        vector = np.zeros((len(values), self.parts))
        for term, column in zip(self.terms, values.T, strict=False):
            vector[:, term.part] += term.score(column)
        return vector

    @cached_property
    def known(self) -> Known:
        """λR and feasibility of any cell, for the terms and limits that need no training; it holds no benchmark."""
        free = [self._free(question) for question in self._questions]
        terms = [(t, f) for t, f in zip(self.terms, free, strict=False) if not t.is_loss]
        limits = [(constraint, free[place], scale) for constraint, place, scale in self.constraints]
        known_limits = tuple((constraint, f, scale) for constraint, f, scale in limits if f is not None)
        penalties = tuple(
            tuple((t.coefficient, f) for t, f in terms if f is not None and t.part == part)
            for part in range(self.parts)
        )
        named = [(t.name, f) for t, f in terms] + [(str(c), f) for c, f, _ in limits]
        told, missing = (tuple(name for name, f in named if (f is None) == absent) for absent in (False, True))
        return Known(told, missing, penalties, known_limits)

    def _free(self, question: Question) -> Free | None:
        is_loss = self.benchmark.metric(question.metric).is_loss
        return None if is_loss or question.epochs is not None else self.benchmark.free(question, self.seed)

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


def _parsed(expression: object, subject_to: str | None) -> tuple[Expression, ...]:
    """The objectives that a user gave, each as an expression; the first holds the limits."""
    if isinstance(expression, str):
        return parse_several(expression, subject_to)
    parts = (expression,) if isinstance(expression, Expression) else expression
    if not isinstance(parts, Sequence) or not parts or not all(isinstance(part, Expression) for part in parts):
        raise UserError(f"An objective is text or an expression such as loss('valid_error'), not {expression!r:.80}.")
    first, *others = parts
    return (parse(str(first), subject_to) if subject_to else first), *others
