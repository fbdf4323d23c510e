"""The objective L(θ, α) + λ·R(α) over a benchmark: the only place where λ exists.

Errors enter as fractions, losses in their own unit, qualities as their distance to 1. Every
regulariser is divided by its median over the space (over a fixed sample of a space that cannot be
listed), a constant that is frozen before any run and printed. Cells that violate a constraint rank
after all others, by the size of the violation. Several objectives, separated by commas, make a
front.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks import Benchmark, Question, load
from surrogate_nas.benchmarks.base import Measurement, SeedPolicy
from surrogate_nas.benchmarks.proxies import digest_of
from surrogate_nas.core.arguments import checked
from surrogate_nas.core.digests import json_digest
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import undeclared_direction
from surrogate_nas.core.notebook import html_table
from surrogate_nas.core.reference import split_outside
from surrogate_nas.objective.expression import (
    DIVERSITY,
    Constraint,
    Expression,
    Term,
    exact,
    parsed,
)
from surrogate_nas.objective.known import (
    BoundTerm,
    FreeTerms,
    Scores,
    loss_divisor,
    untrained,
)
from surrogate_nas.objective.seeds import (
    Draw,
    SingleSeeds,
    as_reported,
    check_drawable,
    checked_policy,
    trained_seeds,
    worst_of_seeds,
)
from surrogate_nas.objective.tolerance import weighed
from surrogate_nas.space import Cell, listed
from surrogate_nas.space.trial import Trial
from surrogate_nas.tables import Contents, Seed, runs_of
from surrogate_nas.tables.table import epochs_text


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    parts = [given] if isinstance(given, str) else given
    if not isinstance(parts, Sequence) or not all(isinstance(part, str) for part in parts):
        raise UserError(
            f"search_on_final is a list of metrics such as 'test_error', not {given!r:.80}."
        )
    text = ",".join(parts)
    names = tuple(dict.fromkeys(split_outside(text)))
    if text and not names:
        raise UserError(f"There is no name in {text!r:.40}.")
    return names


_COMPUTED = ("_space_scores", "known", "unreachable")
CONVENTIONS = 2
"""Raised whenever the same expression would score otherwise than before."""
_LONGEST_SPACE = 100_000
_NOTHING = 1e-100


class Objective:
    """What is minimised: one or several expressions over a benchmark, with frozen constants.

    A score is L + λR. Errors (%) and qualities enter L as fractions (of a quality what it lacks to
    1), losses in their own unit; a term of R is divided by its median over the space, or over a
    fixed sample where cells cannot be listed.

    Attributes:
        terms, constraints: The terms of all with their divisors, and the limits, which come before
            any score.
        parts, epochs: How many objectives there are, and the longest training run that is read, or
            None.
        bounds, diversity_weight: For each objective a score that no feasible cell exceeds; the
            weight of diversity.
        begun_as: The fingerprint that an earlier release wrote into the folder that goes on, or
            empty.

    Example:
        >>> import surrogate_nas as sn
        >>> objective = Objective("digital_error + 0.02*params", "analog-cifar10")
        >>> [term.divisor for term in objective.terms]
        [100.0, 344346.0]
    """

    begun_as: str = ""

    @checked
    def __init__(
        self,
        expression: str | Expression | Sequence[Expression],
        benchmark: str | Benchmark,
        *,
        subject_to: str | None = None,
        seed: Seed | None = None,
        seed_policy: SeedPolicy | None = None,
        search_on_final: str | Sequence[str] = (),
        tolerance: str | None = None,
    ) -> None:
        """Resolve an expression against a benchmark and freeze its constants.

        Args:
            expression: Text, or an expression made with `loss`, `params`, `latency` and so on;
                several of either make a front.
            benchmark: What answers: a name, as `surrogate_nas.load` takes it, or an opened
                benchmark.
            subject_to: Further limits as text.
            seed: The training seed that answers are read for, or ``"mean"``; None for the
                benchmark's default.
            seed_policy: ``mean`` for a search that sees what is reported, ``draw`` for one that
                sees a single training of each cell, drawn by run and cell, while reports and regret
                use the mean; None for the benchmark's own.
            search_on_final: Final metrics that a search may see all the same, which every report
                then says.
            tolerance: Terms of R by what they are worth, such as ``100% params per 1 valid_error``
                (twice the median parameters for a point of error) or ``5 latency@raspi4 per 0.1
                valid_loss``, joined by ``and``. λ is a change of the measure, in L by the ratio of
                their interquartile ranges over the reference sample, divided by the amount, as a
                share of the median; to three digits. It is said on standard error and becomes a
                number of the expression.

        Raises:
            UserError: The expression is malformed, names what the benchmark lacks, holds no loss,
                or would let a search see a final metric that is not declared; or seeds are to be
                drawn where none are held; or it is not known what a tolerance is in L.
        """
        benchmark = load(benchmark) if isinstance(benchmark, str) else benchmark
        if not isinstance(benchmark, Benchmark):
            raise UserError(
                "An objective is tied to an opened benchmark (surrogate_nas.load), not"
                f" {benchmark!r:.80}."
            )
        objectives = parsed(expression, subject_to)
        self.benchmark = benchmark
        self.seed: Seed = benchmark.default_seed if seed is None else seed
        self.search_on_final = _names(search_on_final)
        self.seed_policy = checked_policy(seed_policy, seed, benchmark)
        objectives, told = weighed(objectives, tolerance, benchmark, self.seed)
        self._questions: list[Question] = []
        self._seeds: dict[tuple[Question, ...], SingleSeeds | None] = {}
        self.diversity_weight = sum(
            t.weight for part in objectives for t in part.terms if t.metric == DIVERSITY
        )
        if self.diversity_weight and len(objectives) > 1:
            raise UserError(
                "diversity depends on a run's history, so it cannot be one of several objectives."
            )
        if self.diversity_weight and self.draws:
            raise UserError(
                "diversity depends on what a run has seen, so it needs --seed-policy mean."
            )
        self.parts = len(objectives)
        self.terms = [
            self._bind(term, number)
            for number, part in enumerate(objectives)
            for term in self._merged(part)
        ]
        if not any(term.is_loss for term in self.terms):
            losses = sorted(
                m.name for m in benchmark.metrics if m.kind == "search" and m.is_loss
            )
            raise UserError(
                f"An objective needs a loss term of {benchmark.name}, one of:"
                f" {', '.join(losses) or 'none is there'}."
            )
        self.constraints = [
            self._constrain(constraint)
            for part in objectives
            for constraint in part.constraints
        ]
        self._check_declared()
        if self.draws:
            check_drawable(benchmark, self._questions)
            if self.parts > 1 and not benchmark.has_columns:
                raise UserError(
                    "Several objectives by drawn seeds take a table; with --seed-policy mean every"
                    f" evaluation trains {benchmark.name} by all of its seeds."
                )
            pairs = zip(self.terms, self._questions, strict=False)
            self.terms = [
                replace(t, largest=worst_of_seeds(benchmark, q, t.largest))
                for t, q in pairs
            ]
        self.epochs = max(
            (q.epochs for q in self._questions if q.epochs is not None), default=None
        )
        self.bounds = [
            float(sum(t.score(t.largest) for t in self.terms if t.part == part))
            + self.diversity_weight
            for part in range(self.parts)
        ]
        if not math.isfinite(self.bound):
            raise UserError(
                "The weights are so large that scores are no finite numbers; make them smaller."
            )
        sys.stderr.write(told)

    @property
    def bound(self) -> float:
        """A score that no feasible cell exceeds."""
        return sum(self.bounds)

    @property
    def warning(self) -> str:
        """The warning in reports of a study that searches on final metrics; else empty."""
        if not (names := self.search_on_final):
            return ""
        metrics, them = (
            ("a final metric", "it") if len(names) == 1 else ("final metrics", "them")
        )
        return (
            f"This study searches on {', '.join(names)}, {metrics} (--search-on-final): what is"
            f" found was chosen by {them}, so nothing that is said of {them} was held out."
        )

    @property
    def draws(self) -> bool:
        """Whether a search sees one drawn seed of each cell, and not what is reported."""
        return self.seed_policy == "draw"

    @cached_property
    def trained_seeds(self) -> tuple[int, ...]:
        """The seeds of a cell that are trained when they are asked for, where a search sees a drawn
        one of them; empty otherwise.
        """
        return trained_seeds(self.benchmark, self._questions) if self.draws else ()

    def seed_of(self, draw: Draw, cell: Cell) -> Seed:
        """The seed that a search sees of a cell: the drawn one where it is trained when it is asked
        for, else what is reported.

        Args:
            draw: Of which run.
            cell: The cell.
        """
        return draw.number(self.trained_seeds, cell) if self.trained_seeds else self.seed

    def _merged(self, part: Expression) -> list[Term]:
        """The terms of an objective without diversity; two that the benchmark answers alike, such
        as ``params`` and ``params[1]``, are one.
        """
        merged: dict[Question, Term] = {}
        for term in (term for term in part.terms if term.metric != DIVERSITY):
            question = self.benchmark.question(term.metric, term.epochs)
            before = merged.get(question, replace(term, weight=0.0))
            merged[question] = replace(before, weight=before.weight + term.weight)
        return list(merged.values())

    def _bind(self, term: Term, part: int) -> BoundTerm:
        question = self._ask(term.metric, term.epochs)
        metric = self.benchmark.metric(term.metric)
        if metric.quantity == "undeclared":
            raise undeclared_direction(metric.name, self.benchmark.name)
        median, worst = self.benchmark.scale(question, self.seed)
        divisor, meaning = (
            loss_divisor(metric) if metric.is_loss else (median, self._median_of(question))
        )
        if not divisor > 0:
            raise UserError(
                f"The median of {question} over the space is {median:g}, so it cannot regularise."
            )
        return BoundTerm(
            str(question),
            term.weight,
            divisor,
            meaning,
            metric.unit,
            metric.is_loss,
            worst,
            part,
            metric.larger_is_better,
        )

    def _median_of(self, question: Question) -> str:
        n = len(self.benchmark.reference_sample(question))
        if not n:
            return "a typical value, as the benchmark's author says"
        is_whole = n == self.benchmark.space.size
        return (
            f"median over {'the space' if is_whole else f'a fixed sample of {n:,} cells'}"
        )

    def _ask(self, name: str, epochs: int | None) -> Question:
        self._check_visible(name)
        question = self.benchmark.question(name, epochs)
        self._questions.append(question)
        return question

    def _check_visible(self, name: str) -> None:
        if self.benchmark.metric(name).kind == "final" and name not in self.search_on_final:
            raise UserError(
                f"{name} is a final metric of {self.benchmark.name}: it is reported, never searched"
                " on. Search on a training or validation metric, or declare a study of it with"
                f" --search-on-final {name}."
            )

    def _check_declared(self) -> None:
        for name in self.search_on_final:
            if self.benchmark.metric(name).kind != "final":
                raise UserError(
                    f"{name} is no final metric of {self.benchmark.name}; a search may see it"
                    " anyway."
                )
        used = {question.metric for question in self._questions}
        if idle := sorted(set(self.search_on_final) - used):
            raise UserError(
                f"--search-on-final names {', '.join(idle)}, which the objective does not use;"
                " leave it out."
            )

    def _constrain(self, constraint: Constraint) -> tuple[Constraint, int, float]:
        question = self._ask(constraint.metric, constraint.epochs)
        resolved = Constraint(
            question.metric, question.epochs, constraint.relation, constraint.limit
        )
        scale = abs(constraint.limit)
        if not scale > _NOTHING or not self.benchmark.is_dear(question.metric):
            median = abs(self.benchmark.scale(question, self.seed)[0])
            scale = next((size for size in (scale, median) if size > _NOTHING), 1.0)
        return resolved, len(self._questions) - 1, scale

    def __getstate__(self) -> dict[str, Any]:
        kept = {k: v for k, v in self.__dict__.items() if k not in _COMPUTED}
        return kept | {"_seeds": {}}

    def __str__(self) -> str:
        limits = " and ".join(str(constraint) for constraint, *_ in self.constraints)
        return ", ".join(map(self.part_text, range(self.parts))) + (
            f" subject to {limits}" if limits else ""
        )

    def __repr__(self) -> str:
        return f"<Objective {str(self)!r} on {self.benchmark.name}>"

    def _repr_html_(self) -> str:
        rows: list[tuple[object, ...]] = [
            *(
                (
                    t.name,
                    "L" if t.is_loss else "R",
                    t.weight,
                    f"{t.divisor:,.6g}",
                    t.unit or None,
                    t.divisor_meaning,
                )
                for t in self.terms
            ),
            *(
                (str(limit), "limit", None, None, None, None)
                for limit, *_ in self.constraints
            ),
        ]
        return html_table(
            f"minimise {self}",
            ("term", "part of", "weight", "divisor", "unit", "divisor is"),
            rows,
            f"on {self.benchmark.name}, fingerprint {self.fingerprint}. {self.warning}".strip(),
        )

    def part_text(self, part: int) -> str:
        """One of several objectives as an expression without limits.

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
        """A digest of the columns that the objective reads, its expression, constants and
        conventions; results of two are never mixed.

        Other columns of a table play no part, so a fetch that adds some changes nothing. Where a
        benchmark has no columns the digest covers all that its answers depend on.
        """
        contents = self.benchmark.contents
        if not contents:
            return self.table_fingerprint
        columns = {
            str(question): contents.get(question.metric, {}).get(
                epochs_text(question.epochs), ""
            )
            for question in self._questions
        }
        space = self.benchmark.space.definition
        return self._fingerprint([space, self.benchmark.network.settings, columns])

    @property
    def table_fingerprint(self) -> str:
        """The fingerprint that covers all columns of a table, as folders before 0.2.0 have it."""
        return self._fingerprint(self.benchmark.fingerprint)

    def _fingerprint(self, data: Any) -> str:
        looked_up = {
            digest_of(self.benchmark.space, question.metric) for question in self._questions
        } - {""}
        where_any = {
            "proxies": sorted(looked_up),
            "seed_policy": self.draws and self.seed_policy,
            "search_on_final": sorted(self.search_on_final),
            "seeds": trained_seeds(self.benchmark, self._questions)
            if self.seed == "mean"
            else (),
        }
        content = {key: value for key, value in where_any.items() if value} | {
            "benchmark": self.benchmark.identity,
            "data": data,
            "expression": str(self),
            "seed": self.seed,
            "constants": [term.constants() for term in self.terms],
            "cost": self.benchmark.cost,
            "conventions": CONVENTIONS,
        }
        return json_digest(content)[:16]

    def on(self, benchmark: Benchmark) -> Objective:
        """The same objective on another benchmark, whose constants it takes.

        Args:
            benchmark: Such as `Benchmark.only` gives of this one's.

        Raises:
            UserError: It does not hold what the objective reads.
        """
        return Objective(
            str(self),
            benchmark,
            seed=self.seed,
            seed_policy=self.seed_policy,
            search_on_final=self.search_on_final,
        )

    def depends_on(self, question: Question) -> bool:
        """Whether results may depend on a run of the table.

        They do where it is read or charged, or where a strategy may ask for it.

        Args:
            question: A metric that the benchmark holds, and the length of a training run.
        """
        if question in self._questions:
            return True
        kind = self.benchmark.metric(question.metric).kind
        epochs = question.epochs
        if kind == "final" or (kind == "search" and epochs is None):
            return False
        return epochs is None or (self.epochs is not None and epochs <= self.epochs)

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
            "seed_policy": self.seed_policy,
            "search_on_final": list(self.search_on_final),
            "cost": self.benchmark.cost,
            "fingerprint": self.begun_as or self.fingerprint,
        }

    def describe_data(self) -> dict[str, Any]:
        """What its numbers mean, as a JSON object.

        Returns:
            ``space``, as a file writes it; ``runs``, what the table holds that results may depend
            on, and ``others``, the rest, each as `Benchmark.contents`; ``known``, what is known for
            free; ``conventions``.
        """
        space = self.benchmark.space.definition
        contents = self.benchmark.contents
        read: dict[bool, Contents] = {True: {}, False: {}}
        for metric, epochs in runs_of(contents):
            of = read[self.depends_on(Question(metric, epochs))]
            spelled = epochs_text(epochs)
            of.setdefault(metric, {})[spelled] = contents[metric][spelled]
        return {
            "space": space if len(space) <= _LONGEST_SPACE else "",
            "runs": read[True],
            "others": read[False],
            "known": {"terms": list(self.known.terms), "missing": list(self.known.missing)},
            "conventions": CONVENTIONS,
        }

    @cached_property
    def fidelities(self) -> tuple[int, ...]:
        """The epochs that a strategy may ask for, rising: with values for every trained term."""
        if self.epochs is None:
            return ()
        held = {n for q in self._questions for n in self.benchmark.metric(q.metric).epochs}
        return tuple(sorted(n for n in held if n <= self.epochs and self._holds(n)))

    @cached_property
    def readable(self) -> Mapping[int, tuple[str, ...]]:
        """The further metrics that a request may read, by its epochs: complete search metrics."""
        by_epochs: dict[int, tuple[str, ...]] = {}
        for epochs in self.fidelities:
            names: tuple[str, ...] = ()
            for metric in self.benchmark.metrics:
                is_whole = metric.n_cells < 0 or metric.n_cells >= self.benchmark.space.size
                if (
                    (metric.kind == "search" and epochs in metric.epochs and is_whole)
                    and metric.quantity != "undeclared"
                    and self._holds(epochs, (*names, metric.name))
                ):
                    names = (*names, metric.name)
            by_epochs[epochs] = names
        return by_epochs

    @property
    def qualities(self) -> tuple[str, ...]:
        """The metrics that a request may read of which larger is better."""
        names = {name for names in self.readable.values() for name in names}
        return tuple(sorted(n for n in names if self.benchmark.metric(n).larger_is_better))

    def _holds(self, epochs: int, read: tuple[str, ...] = ()) -> bool:
        try:
            questions = self.questions(epochs, read)
        except UserError:
            return False
        if not self.draws or self.trained_seeds:
            return True
        return self.single_seeds(questions) is not None

    def questions(
        self, epochs: int | None = None, read: Sequence[str] = ()
    ) -> list[Question]:
        """What a look-up asks for: the terms, the limits, and what else is to be read.

        Args:
            epochs: After so many epochs at most; None for the objective's own.
            read: Further search metrics after that run.

        Raises:
            UserError: The benchmark does not hold one of them for these epochs, or it is a final
                metric.
        """
        asked = self._questions
        if epochs is not None and epochs != self.epochs:
            asked = [
                q
                if q.epochs is None
                else self.benchmark.question(q.metric, min(q.epochs, epochs))
                for q in asked
            ]
        for name in read:
            self._check_visible(name)
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
            Values ``(n, questions)`` in natural units, their `Scores` without diversity, and the
            cost ``(n,)``.
        """
        values, cost = self.measure(cells, questions)
        return values, self.combine(values), cost

    def measure(
        self, cells: Sequence[Cell], questions: Sequence[Question] | None = None
    ) -> Measurement:
        """Ask the benchmark once.

        Args:
            cells: Cells of the benchmark's space, each looked up by its string.
            questions: What `questions` gave; None for the objective's own.
        """
        space: Any = self.benchmark.space
        own = cells if cells is space else [space.cell(cell) for cell in cells]
        asked = self._questions if questions is None else questions
        return self.benchmark.measure(own, asked, self.seed)

    def seen(
        self,
        draw: Draw,
        cells: Sequence[Cell],
        questions: Sequence[Question] | None = None,
    ) -> Measurement:
        """Ask the benchmark as a search does: for one training of each cell if seeds are drawn.

        The charge is that of one training either way.

        Args:
            draw: Of which run.
            cells: Cells of the benchmark's space, each looked up by its string.
            questions: What `questions` gave; None for the objective's own.

        Raises:
            UserError: The benchmark does not hold what is asked for.
        """
        if not self.draws:
            return self.measure(cells, questions)
        own = [self.benchmark.space.cell(cell) for cell in cells]
        asked = self._questions if questions is None else questions
        if self.trained_seeds:
            each = [self.benchmark.measure([c], asked, self.seed_of(draw, c)) for c in own]
            return Measurement(*map(np.concatenate, zip(*each, strict=True)))
        values, cost = self.benchmark.measure(own, asked, self.seed)
        seeds = self.single_seeds(asked)
        if seeds is None:
            names = ", ".join(map(str, asked))
            raise UserError(
                f"{self.benchmark.name} holds no single seeds of {names} together."
            )
        return Measurement(draw.seen(seeds, own, values), cost)

    def untrained(self, question: Question, cell: Cell) -> float | None:
        """What needs no training of a cell: a size, or a cost that was measured before.

        Args:
            question: A resolved question.
            cell: A cell of the benchmark's space.

        Returns:
            The value in its own unit; None where only a training tells it.
        """
        free = untrained(self.benchmark, question, self.seed)
        return None if free is None else float(free([cell])[0])

    def single_seeds(
        self, questions: Sequence[Question] | None = None
    ) -> SingleSeeds | None:
        """What the benchmark holds of single training seeds; None where that is nothing.

        Args:
            questions: What `questions` gave; None for the objective's own.
        """
        key = tuple(self._questions if questions is None else questions)
        if key not in self._seeds:
            self._seeds[key] = SingleSeeds.of(self.benchmark, key)
        return self._seeds[key]

    def reported(self, trials: Sequence[Trial]) -> list[Trial]:
        """Trials as in reports: where seeds were drawn, with values of the mean over seeds.

        A cell is feasible then if it was seen to be and is so by the mean. Trials after other
        epochs than the objective's stay as they were seen, as they cannot be an answer. So do all
        where a seed would have to be trained for it: only what a run found is trained by the others
        (`surrogate_nas.runs.confirm`).
        """
        if not self.draws or self.trained_seeds:
            return list(trials)
        told = dict(enumerate(trials))
        complete = {
            i: t for i, t in told.items() if t.epochs == self.epochs and not t.failure
        }
        if complete:
            values, scores, _ = self.look_up([trial.cell for trial in complete.values()])
            names = [str(question) for question in self._questions]
            read = as_reported([*complete.values()], names, values, scores)
            told.update(zip(complete, read, strict=True))
        return list(told.values())

    def combine(self, values: NDArray[np.float64]) -> Scores:
        """The scores of cells from their metrics.

        Args:
            values: Shape ``(n, questions)``, in natural units and the order of `questions`.
        """
        loss, penalty = self._sums(values.T, np.zeros(len(values)))
        score = loss + penalty
        vector = score[:, None]
        if self.parts > 1:
            vector = np.zeros((len(values), self.parts))
            for term, column in zip(self.terms, values.T, strict=False):
                vector[:, term.part] += term.score(column)
        violation = np.zeros(len(values))
        for constraint, column, scale in self.constraints:
            violation += constraint.excess(values[:, column]) / scale
        feasible = violation == 0.0
        score = np.where(feasible, score, self.bound + violation)
        vector = np.where(
            feasible[:, None], vector, np.array(self.bounds) + violation[:, None]
        )
        return Scores(score, loss, penalty, feasible, vector)

    def combine_one(
        self, values: Sequence[float]
    ) -> tuple[float, float, float, bool, tuple[float, ...]]:
        """`combine` for a single cell: score, L, λR, feasibility, vector.

        Args:
            values: Of each question. The vector is empty where there is one objective.
        """
        if self.parts > 1 or self.constraints:
            scores = self.combine(np.array([values]))
            vector = tuple(scores.vector[0].tolist()) if self.parts > 1 else ()
            row = scores.score[0], scores.loss[0], scores.penalty[0]
            return (*map(float, row), bool(scores.feasible[0]), vector)  # type: ignore[return-value]
        loss, penalty = self._sums(values, 0.0)
        return loss + penalty, loss, penalty, True, ()

    def _sums(self, columns: Iterable[Any], nothing: Any) -> tuple[Any, Any]:
        """L and λR, of arrays or of numbers; a matrix product would round by the batch's size."""
        sums = {True: nothing, False: nothing}
        for term, column in zip(self.terms, columns, strict=False):
            sums[term.is_loss] = sums[term.is_loss] + term.score(column)
        return sums[True], sums[False]

    @cached_property
    def known(self) -> FreeTerms:
        """λR and feasibility of any cell, as far as they need no training; holds no benchmark."""
        return FreeTerms.of(
            self.benchmark,
            self._questions,
            self.terms,
            self.constraints,
            self.parts,
            self.seed,
        )

    @cached_property
    def unreachable(self) -> str:
        """A sentence on a limit that no cell keeps; empty if there is none or that is unknown."""
        space = self.benchmark.space
        if not self.constraints:
            return ""
        cells = space.reference_sample
        if self.benchmark.has_columns:
            table = self.measure(cells).values
            limits = [
                (constraint, table[:, column]) for constraint, column, _ in self.constraints
            ]
        else:
            limits = [
                (constraint, free(cells)) for constraint, free, _ in self.known.limits
            ]
        broken = [
            (constraint, values, constraint.excess(values)) for constraint, values in limits
        ]
        if (sum((excess for *_, excess in broken), np.zeros(len(cells))) == 0).any():
            return ""
        none = (
            "No cell"
            if len(cells) == space.size
            else f"None of {len(cells):,} random cells"
        )
        for constraint, values, excess in broken:
            if not (excess == 0).any():
                nearest = values[np.where(np.isfinite(excess), excess, np.inf).argmin()]
                kept = f"{constraint}; the nearest value is {nearest:,.6g}"
                break
        else:
            kept = f"all limits at once: {' and '.join(str(one[0]) for one in broken)}"
        return f"{none} of {space.name} keeps {kept}."

    def over_space(self) -> Scores | None:
        """Scores of every cell; None if they depend on history or the benchmark is no table."""
        if self.has_history or not self.benchmark.has_columns:
            return None
        return self._space_scores

    @cached_property
    def _space_scores(self) -> Scores:
        return self.look_up(listed(self.benchmark.space))[1]

    def optimum(self) -> float | None:
        """The best score of the space; None where it is undefined, as where no cell is feasible."""
        scores = self.over_space()
        return (
            None
            if scores is None or not scores.feasible.any()
            else float(scores.score.min())
        )


def problem_of(objective: Objective) -> dict[str, Any]:
    """An objective without what a search must not see: no benchmark's name, no value of a cell.

    Args:
        objective: What is minimised.

    Returns:
        As JSON can hold it: ``terms``, each with ``name``, ``part`` (``L`` or ``R``),
        ``objective`` (its number from 0), ``weight``, ``divisor``, ``unit`` and
        ``larger_is_better``; ``limits``, each with ``name``, ``relation``, ``limit`` and ``unit``;
        ``diversity``, its weight; ``epochs``, the objective's own; ``cost_unit``; ``drawn_seeds``,
        whether a value is of one training seed.

    Example:
        >>> import surrogate_nas as sn
        >>> problem = problem_of(
        ...     sn.Objective("valid_loss + 0.1*params", sn.load("fashion"))
        ... )
        >>> [(term["name"], term["part"], term["weight"]) for term in problem["terms"]]
        [('valid_loss[5]', 'L', 1.0), ('params', 'R', 0.1)]
    """
    benchmark = objective.benchmark
    terms = [
        {
            "name": term.name,
            "part": "L" if term.is_loss else "R",
            "objective": term.part,
            "weight": term.weight,
            "divisor": term.divisor,
            "unit": term.unit,
            "larger_is_better": term.larger_is_better,
        }
        for term in objective.terms
    ]
    limits = []
    for constraint, *_ in objective.constraints:
        name, relation, _ = str(constraint).rsplit(" ", 2)
        unit = benchmark.metric(constraint.metric).unit
        limits.append(
            {"name": name, "relation": relation, "limit": constraint.limit, "unit": unit}
        )
    return {
        "terms": terms,
        "limits": limits,
        "diversity": objective.diversity_weight,
        "epochs": objective.epochs,
        "cost_unit": benchmark.cost,
        "drawn_seeds": objective.draws,
    }
