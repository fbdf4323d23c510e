"""The objective L(θ, α) + λ·R(α) over a benchmark: the only place where λ exists."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks import Benchmark, Question, load
from surrogate_nas.benchmarks.base import Measurement, SeedPolicy, digest_of, lengths_of
from surrogate_nas.core import (
    UserError,
    checked,
    former,
    json_digest,
    renamed,
    split_outside,
    undeclared_direction,
)
from surrogate_nas.objective.expression import (
    DIVERSITY,
    Constraint,
    Expression,
    Term,
    exact,
    parsed,
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
from surrogate_nas.objective.terms import (
    BoundTerm,
    FreeTerms,
    Scores,
    loss_divisor,
    untrained,
)
from surrogate_nas.space import Cell, Trial, listed
from surrogate_nas.tables import Contents, Seed, runs_of
from surrogate_nas.tables.table import epochs_text


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    parts = [given] if isinstance(given, str) else given
    if not isinstance(parts, Sequence) or not all(
        isinstance(part, str) for part in parts
    ):
        raise UserError(
            "search_on_final is a name or list of names of metrics such as 'test_error', not"
            f" {given!r:.80}."
        )
    text = ",".join(parts)
    names = tuple(dict.fromkeys(split_outside(text)))
    if text and not names:
        raise UserError(f"{text!r:.40} contains no name of a metric.")
    return names


_COMPUTED = ("_space_scores", "free", "unreachable")
CONVENTIONS = 2
"""Version of the scoring rules; increase it whenever the same expression gives other scores."""
_LONGEST_SPACE = 100_000
_NOTHING = 1e-100


class Objective:
    """One or several expressions to minimise over a benchmark, with frozen constants.

    A score is L + λR. Errors (in %) and qualities enter L as fractions, a quality q as 1 − q.
    Losses enter L in their own unit. A term of R is divided by its median over the space, or over a
    fixed sample if the space cannot be enumerated. Cells that violate a constraint rank after all
    feasible cells, by the size of the violation. Several objectives define a Pareto front.

    Attributes:
        benchmark: The benchmark that provides the values.
        terms: The terms of all objectives, with their divisors.
        constraints: The limits on metrics.
        n_objectives: The number of objectives.
        epochs: The largest number of training epochs that the objective reads, or None.
        bounds: For each objective, a score that no feasible cell exceeds.
        diversity_weight: The weight of the term ``diversity``, or 0.
        begun_as: The fingerprint that an earlier release wrote into a resumed folder, or empty.

    Example:
        >>> import surrogate_nas as sn
        >>> objective = Objective("digital_error + 0.02*params", "analog-cifar10")
        >>> [term.divisor for term in objective.terms]
        [100.0, 344346.0]
    """

    begun_as: str = ""
    known = former("known", "free")
    parts = former("parts", "n_objectives")
    seed = former("seed", "training_seed")

    @renamed(seed="training_seed")
    @checked
    def __init__(
        self,
        expression: str | Expression | Sequence[Expression],
        benchmark: str | Benchmark,
        *,
        subject_to: str | None = None,
        training_seed: Seed | None = None,
        seed_policy: SeedPolicy | None = None,
        search_on_final: str | Sequence[str] = (),
    ) -> None:
        """Resolve an expression against a benchmark and freeze its constants.

        Args:
            expression: Text, or an expression made with `loss`, `params`, `latency` and so on.
                Several expressions define a Pareto front.
            benchmark: An opened benchmark, or a name that `surrogate_nas.load` accepts.
            subject_to: Additional limits as text.
            training_seed: The training seed whose values are read, or ``"mean"``; None for the
                benchmark's default.
            seed_policy: With ``mean``, a search observes the same values as reports. With ``draw``,
                it observes a single training per cell, sampled by run and cell, while reports and
                regret use the mean over seeds. None for the benchmark's default.
            search_on_final: Final metrics that a search may observe. Every report then contains a
                warning.

        Raises:
            UserError: The expression is malformed, contains no loss, names a metric that the
                benchmark lacks, or uses a final metric that is not in `search_on_final`; or seeds
                cannot be sampled.
        """
        benchmark = load(benchmark) if isinstance(benchmark, str) else benchmark
        if not isinstance(benchmark, Benchmark):
            raise UserError(
                "An objective needs an opened benchmark (surrogate_nas.load), not"
                f" {benchmark!r:.80}."
            )
        objectives = parsed(expression, subject_to)
        self.benchmark = benchmark
        self.training_seed: Seed = (
            benchmark.default_seed if training_seed is None else training_seed
        )
        self.search_on_final = _names(search_on_final)
        self.seed_policy = checked_policy(seed_policy, training_seed, benchmark)
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
                "diversity depends on the values that a run observed, so it needs --seed-policy"
                " mean."
            )
        self.n_objectives = len(objectives)
        self.terms = [
            self._bind(term, number)
            for number, part in enumerate(objectives)
            for term in self._merged(part)
        ]
        if not any(term.is_loss for term in self.terms):
            losses = [
                m.name for m in benchmark.metrics if m.kind == "search" and m.is_loss
            ]
            raise UserError(
                f"An objective needs a loss term. Losses of {benchmark.name}:"
                f" {', '.join(sorted(losses)) or 'none'}."
            )
        limits = (limit for part in objectives for limit in part.constraints)
        self.constraints = list(map(self._constrain, limits))
        self._check_declared()
        if self.draws:
            check_drawable(benchmark, self._questions)
            if self.n_objectives > 1 and not benchmark.has_columns:
                raise UserError(
                    "Several objectives with sampled seeds need a table. With --seed-policy mean,"
                    f" every evaluation on {benchmark.name} trains all seeds."
                )
            pairs = zip(self.terms, self._questions, strict=False)
            self.terms = [
                replace(t, largest=worst_of_seeds(benchmark, q, t.largest))
                for t, q in pairs
            ]
        self.epochs = max(lengths_of(self._questions), default=None)
        self.bounds = [
            float(sum(t.score(t.largest) for t in self.terms if t.part == part))
            + self.diversity_weight
            for part in range(self.n_objectives)
        ]
        if not math.isfinite(self.bound):
            raise UserError(
                "The weights are so large that scores are not finite. Use smaller weights."
            )

    @property
    def bound(self) -> float:
        """A score that no feasible cell exceeds."""
        return sum(self.bounds)

    @property
    def warning(self) -> str:
        """The warning for reports of a study that searches on final metrics; otherwise empty."""
        if not (names := self.search_on_final):
            return ""
        is_one = len(names) == 1
        metrics, them = (
            ("a final metric", "it") if is_one else ("final metrics", "them")
        )
        return (
            f"This study searches on {', '.join(names)}, {metrics} (--search-on-final): the cells"
            f" found were chosen by {them}, so results on {them} are not held out."
        )

    @property
    def draws(self) -> bool:
        """Whether a search observes one sampled training seed per cell."""
        return self.seed_policy == "draw"

    @cached_property
    def trained_seeds(self) -> tuple[int, ...]:
        """The seeds that can be trained on demand, if a search samples one of these seeds per
        cell.
        """
        return trained_seeds(self.benchmark, self._questions) if self.draws else ()

    def seed_of(self, draw: Draw, cell: Cell) -> Seed:
        """Return the training seed to read for a cell: a sampled seed if seeds are trained on
        demand, otherwise the objective's own.
        """
        return (
            draw.number(self.trained_seeds, cell)
            if self.trained_seeds
            else self.training_seed
        )

    def _merged(self, part: Expression) -> list[Term]:
        """Merge terms that have the same values, such as ``params`` and ``params[1]``."""
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
        median, worst = self.benchmark.scale(question, self.training_seed)
        own = median, self._median_of(question)
        divided = loss_divisor(metric) if metric.is_loss else own
        if not divided[0] > 0:
            raise UserError(
                f"The median of {question} over the space is {median:g}, so it cannot be a term of"
                " R."
            )
        return BoundTerm(
            str(question),
            term.weight,
            *divided,
            unit=metric.unit,
            is_loss=metric.is_loss,
            largest=worst,
            part=part,
            larger_is_better=metric.larger_is_better,
        )

    def _median_of(self, question: Question) -> str:
        n = len(self.benchmark.reference_sample(question))
        if not n:
            return "a typical value, as the benchmark's author says"
        if n == self.benchmark.space.size:
            return "median over the space"
        return f"median over a fixed sample of {n:,} cells"

    def _ask(self, name: str, epochs: int | None) -> Question:
        self._check_visible(name)
        question = self.benchmark.question(name, epochs)
        self._questions.append(question)
        return question

    def _check_visible(self, name: str) -> None:
        if (
            self.benchmark.metric(name).kind == "final"
            and name not in self.search_on_final
        ):
            raise UserError(
                f"{name} is a final metric of {self.benchmark.name}: it is reported, but a search"
                " must not use it. Search on a training or validation metric, or declare the"
                f" exception with --search-on-final {name}."
            )

    def _check_declared(self) -> None:
        for name in self.search_on_final:
            if self.benchmark.metric(name).kind != "final":
                raise UserError(
                    f"{name} is not a final metric of {self.benchmark.name}; a search may use it"
                    " without --search-on-final."
                )
        used = {question.metric for question in self._questions}
        if idle := sorted({*self.search_on_final} - used):
            raise UserError(
                f"--search-on-final names {', '.join(idle)}, which the objective does not use;"
                " leave it out."
            )

    def _constrain(self, constraint: Constraint) -> tuple[Constraint, int, float]:
        question = self._ask(constraint.metric, constraint.epochs)
        resolved = replace(constraint, epochs=question.epochs)
        scale = abs(constraint.limit)
        if not scale > _NOTHING or not self.benchmark.is_expensive(question.metric):
            median = abs(self.benchmark.scale(question, self.training_seed)[0])
            scale = next((size for size in (scale, median) if size > _NOTHING), 1.0)
        return resolved, len(self._questions) - 1, scale

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in _COMPUTED} | {
            "_seeds": {}
        }

    def __str__(self) -> str:
        limits = " and ".join(str(constraint) for constraint, *_ in self.constraints)
        return ", ".join(map(self.part_text, range(self.n_objectives))) + (
            f" subject to {limits}" if limits else ""
        )

    def __repr__(self) -> str:
        return f"<Objective {str(self)!r} on {self.benchmark.name}>"

    def part_text(self, part: int) -> str:
        """Return the text of one objective, without limits; `part` is its number from 0."""
        mine = [term for term in self.terms if term.part == part]
        texts = [
            t.name if t.weight == 1.0 else f"{exact(t.weight)}*{t.name}" for t in mine
        ]
        if self.has_history:
            texts.append(f"{exact(self.diversity_weight)}*{DIVERSITY}")
        return " + ".join(texts)

    @property
    def has_history(self) -> bool:
        """Whether scores depend on the history of a run; exact regret is then undefined."""
        return self.diversity_weight > 0

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the objective and of the data behind it.

        The digest covers the columns that the objective reads, the expression, its constants and
        the scoring rules. For a benchmark without columns, the digest covers everything that
        determines the benchmark's values.
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
        return self._fingerprint(
            [self.benchmark.space.definition, self.benchmark.network.settings, columns]
        )

    @property
    def table_fingerprint(self) -> str:
        """A digest over all columns of a table, as stored in folders before version 0.2.0."""
        return self._fingerprint(self.benchmark.fingerprint)

    def _fingerprint(self, data: Any) -> str:
        proxies = {digest_of(self.benchmark.space, q.metric) for q in self._questions}
        is_mean = self.training_seed == "mean"
        where_any = {
            "proxies": sorted(proxies - {""}),
            "seed_policy": self.draws and self.seed_policy,
            "search_on_final": sorted(self.search_on_final),
            "seeds": is_mean and trained_seeds(self.benchmark, self._questions),
        }
        content = {key: value for key, value in where_any.items() if value} | {
            "benchmark": self.benchmark.identity,
            "data": data,
            "expression": str(self),
            "seed": self.training_seed,
            "constants": [term.constants() for term in self.terms],
            "cost": self.benchmark.cost_unit,
            "conventions": CONVENTIONS,
        }
        return json_digest(content)[:16]

    def on(self, benchmark: Benchmark) -> "Objective":
        """Return the same objective on another benchmark, with that benchmark's constants.

        Raises:
            UserError: The benchmark lacks a metric that the objective reads.
        """
        return Objective(
            str(self),
            benchmark,
            training_seed=self.training_seed,
            seed_policy=self.seed_policy,
            search_on_final=self.search_on_final,
        )

    def depends_on(self, question: Question) -> bool:
        """Return whether a question, a metric at a number of epochs, is read, charged, or available
        to strategies.
        """
        if question in self._questions:
            return True
        kind = self.benchmark.metric(question.metric).kind
        epochs = question.epochs
        if kind == "final" or (kind == "search" and epochs is None):
            return False
        return epochs is None or (self.epochs is not None and epochs <= self.epochs)

    def describe(self) -> dict[str, Any]:
        """Return a JSON object with the expression, its constants and its fingerprint."""
        return {
            "benchmark": self.benchmark.name,
            "expression": str(self),
            "objectives": [self.part_text(part) for part in range(self.n_objectives)],
            "terms": [term.constants() for term in self.terms],
            "diversity_weight": self.diversity_weight,
            "constraints": [str(constraint) for constraint, *_ in self.constraints],
            "seed": self.training_seed,
            "seed_policy": self.seed_policy,
            "search_on_final": list(self.search_on_final),
            "cost": self.benchmark.cost_unit,
            "fingerprint": self.begun_as or self.fingerprint,
        }

    def describe_data(self) -> dict[str, Any]:
        """Return a JSON object that describes the data behind the scores.

        Returns:
            A JSON object with the keys ``space`` (the definition of the space), ``known`` (the free
            terms), ``conventions`` (the version of the scoring rules), ``runs`` and ``others``.
            Under ``runs`` are the contents of the table (see `Benchmark.contents`) that results may
            depend on, under ``others`` the rest of the contents.
        """
        space = self.benchmark.space.definition
        contents = self.benchmark.contents
        read: dict[bool, Contents] = {True: {}, False: {}}
        for metric, epochs in runs_of(contents):
            spelled = epochs_text(epochs)
            runs = read[self.depends_on(Question(metric, epochs))].setdefault(
                metric, {}
            )
            runs[spelled] = contents[metric][spelled]
        return {
            "space": space if len(space) <= _LONGEST_SPACE else "",
            "runs": read[True],
            "others": read[False],
            "known": {
                "terms": list(self.free.terms),
                "missing": list(self.free.missing),
            },
            "conventions": CONVENTIONS,
        }

    @cached_property
    def fidelities(self) -> tuple[int, ...]:
        """The numbers of epochs that a strategy may request, in increasing order. A strategy may
        request a number of epochs only if every term of the objective has values for it.
        """
        if self.epochs is None:
            return ()
        lengths = {
            n for q in self._questions for n in self.benchmark.metric(q.metric).epochs
        }
        return tuple(sorted(n for n in lengths if n <= self.epochs and self._holds(n)))

    @cached_property
    def readable(self) -> Mapping[int, tuple[str, ...]]:
        """The additional search metrics that a request may read, by its number of epochs.

        Only metrics with values for every cell are included.
        """
        size = self.benchmark.space.size
        complete = [
            metric
            for metric in self.benchmark.metrics
            if metric.kind == "search" and metric.quantity != "undeclared"
            if metric.n_cells < 0 or metric.n_cells >= size
        ]
        by_epochs: dict[int, tuple[str, ...]] = {}
        for epochs in self.fidelities:
            names: tuple[str, ...] = ()
            for metric in complete:
                more = (*names, metric.name)
                if epochs in metric.epochs and self._holds(epochs, more):
                    names = more
            by_epochs[epochs] = names
        return by_epochs

    @property
    def qualities(self) -> tuple[str, ...]:
        """The metrics that a request may read and for which larger values are better."""
        names = {name for names in self.readable.values() for name in names}
        return tuple(
            sorted(n for n in names if self.benchmark.metric(n).larger_is_better)
        )

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
        """Return the questions (each a metric at a number of epochs) of the terms, the limits and
        additional metrics.

        Args:
            epochs: The largest number of epochs to read; None for the objective's own number.
            read: Additional search metrics to read at these epochs.

        Raises:
            UserError: A requested metric is not available at these epochs, or it is a final metric.
        """
        asked = self._questions
        if epochs is not None and epochs != self.epochs:
            asked = [
                self.benchmark.question(name, own and min(own, epochs))
                for name, own in asked
            ]
        for name in read:
            self._check_visible(name)
        at = self.epochs if epochs is None else epochs
        return [*asked, *(self.benchmark.question(name, at) for name in read)]

    def look_up(
        self, cells: Sequence[Cell], questions: Sequence[Question] | None = None
    ) -> tuple[NDArray[np.float64], Scores, NDArray[np.float64]]:
        """Query the benchmark once and compute the scores.

        Args:
            cells: Cells of the benchmark's space.
            questions: Questions as returned by the method `questions`; None for the objective's own
                questions.

        Returns:
            The values in natural units, shape ``(n, questions)``; the `Scores` of these values,
            without diversity; and the cost of each cell, shape ``(n,)``.
        """
        values, cost = self.measure(cells, questions)
        return values, self.combine(values), cost

    def measure(
        self, cells: Sequence[Cell], questions: Sequence[Question] | None = None
    ) -> Measurement:
        """Query the benchmark once and return values and costs; the arguments are those of
        `look_up`.
        """
        space: Any = self.benchmark.space
        own = cells if cells is space else [space.cell(cell) for cell in cells]
        asked = self._questions if questions is None else questions
        return self.benchmark.measure(own, asked, self.training_seed)

    def seen(
        self,
        draw: Draw,
        cells: Sequence[Cell],
        questions: Sequence[Question] | None = None,
    ) -> Measurement:
        """Query the benchmark as a search does. If seeds are sampled, only one training per cell is
        observed.

        Raises:
            UserError: The benchmark lacks a requested value.
        """
        if not self.draws:
            return self.measure(cells, questions)
        own = [self.benchmark.space.cell(cell) for cell in cells]
        asked = self._questions if questions is None else questions
        if self.trained_seeds:
            measurements = [
                self.benchmark.measure([c], asked, self.seed_of(draw, c)) for c in own
            ]
            return Measurement(*map(np.concatenate, zip(*measurements, strict=True)))
        values, cost = self.benchmark.measure(own, asked, self.training_seed)
        seeds = self.single_seeds(asked)
        if seeds is None:
            names = ", ".join(map(str, asked))
            raise UserError(
                f"{self.benchmark.name} has no single seeds that provide {names} together."
            )
        return Measurement(draw.seen(seeds, own, values), cost)

    def untrained(self, question: Question, cell: Cell) -> float | None:
        """Return a cell's value of a metric without training, or None if the metric needs one."""
        free = untrained(self.benchmark, question, self.training_seed)
        return None if free is None else float(free([cell])[0])

    def single_seeds(
        self, questions: Sequence[Question] | None = None
    ) -> SingleSeeds | None:
        """Return the values of single training seeds, or None if there are none."""
        key = tuple(self._questions if questions is None else questions)
        if key not in self._seeds:
            self._seeds[key] = SingleSeeds.of(self.benchmark, key)
        return self._seeds[key]

    def reported(self, trials: Sequence[Trial]) -> list[Trial]:
        """Return trials with the values that reports show: means over seeds if seeds were sampled.

        With sampled seeds, the cell of a trial counts as feasible if both the observed values and
        the means are feasible. Trials with other epochs than the objective's are returned
        unchanged. If seeds are trained on demand, all trials are returned unchanged (see
        `surrogate_nas.runs.confirm`).
        """
        shown = list(trials)
        if not self.draws or self.trained_seeds:
            return shown
        complete = [
            i for i, t in enumerate(shown) if t.epochs == self.epochs and not t.failure
        ]
        if complete:
            seen = [shown[i] for i in complete]
            values, scores, _ = self.look_up([trial.cell for trial in seen])
            read = as_reported(seen, list(map(str, self._questions)), values, scores)
            for i, trial in zip(complete, read, strict=True):
                shown[i] = trial
        return shown

    def combine(self, values: NDArray[np.float64]) -> Scores:
        """Return the scores of values in natural units, shape ``(n, questions)``."""
        loss, penalty = self._sums(values.T, np.zeros(len(values)))
        score = loss + penalty
        vector = score[:, None]
        if self.n_objectives > 1:
            vector = np.zeros((len(values), self.n_objectives))
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
        """Return a cell's score, L, λR, feasibility and vector of scores, as in `combine`."""
        if self.n_objectives > 1 or self.constraints:
            combined = self.combine(np.array([values]))
            vector = tuple(combined.vector[0].tolist()) if self.n_objectives > 1 else ()
            score, loss, penalty = (
                float(column[0])
                for column in (combined.score, combined.loss, combined.penalty)
            )
            return score, loss, penalty, bool(combined.feasible[0]), vector
        loss, penalty = self._sums(values, 0.0)
        return loss + penalty, loss, penalty, True, ()

    def _sums(self, columns: Iterable[Any], nothing: Any) -> tuple[Any, Any]:
        """Sum L and λR. The rounding of a matrix product would depend on the batch size."""
        sums = {True: nothing, False: nothing}
        for term, column in zip(self.terms, columns, strict=False):
            sums[term.is_loss] = sums[term.is_loss] + term.score(column)
        return sums[True], sums[False]

    @cached_property
    def free(self) -> FreeTerms:
        """The free terms of the objective, which contain no reference to the benchmark."""
        return FreeTerms.of(self)

    @cached_property
    def unreachable(self) -> str:
        """A sentence about limits that no cell satisfies; empty if no such limits are found."""
        space = self.benchmark.space
        if not self.constraints:
            return ""
        cells = space.reference_sample
        if self.benchmark.has_columns:
            table = self.measure(cells).values
            limits = [
                (limit, table[:, column]) for limit, column, _ in self.constraints
            ]
        else:
            limits = [(limit, free(cells)) for limit, free, _ in self.free.limits]
        broken = [(limit, values, limit.excess(values)) for limit, values in limits]
        if (sum((excess for *_, excess in broken), np.zeros(len(cells))) == 0).any():
            return ""
        n = len(cells)
        none = "No cell" if n == space.size else f"None of {n:,} random cells"
        limits_text = (
            f"all limits at once: {' and '.join(str(limit) for limit, *_ in broken)}"
        )
        for limit, values, excess in reversed(broken):
            if excess.all():
                nearest = values[np.where(np.isfinite(excess), excess, np.inf).argmin()]
                limits_text = f"{limit}; the nearest value is {nearest:,.6g}"
        return f"{none} of {space.name} meets {limits_text}."

    def over_space(self) -> Scores | None:
        """Return the scores of all cells; None if the benchmark has no table, or if scores depend
        on the history of a run.
        """
        if self.has_history or not self.benchmark.has_columns:
            return None
        return self._space_scores

    @cached_property
    def _space_scores(self) -> Scores:
        return self.look_up(listed(self.benchmark.space))[1]

    def optimum(self) -> float | None:
        """Return the best score in the space; None if undefined or if no cell is feasible."""
        scores = self.over_space()
        if scores is None or not scores.feasible.any():
            return None
        return float(scores.score.min())


def problem_of(objective: Objective) -> dict[str, Any]:
    """Describe an objective as a JSON object, without information that a search must not use.

    Returns:
        A JSON object with the keys ``expression`` (as written on the command line), ``direction``,
        ``terms``, ``limits``, ``diversity`` (its weight), ``epochs`` (the objective's own number),
        ``cost_unit`` and ``drawn_seeds`` (whether each value comes from a single training seed).
        Each of the ``terms`` has the keys ``name``, ``part`` (``L`` or ``R``), ``objective`` (the
        objective's number from 0), ``weight``, ``divisor``, ``unit`` and ``larger_is_better``. Each
        of the ``limits`` has the keys ``name``, ``relation``, ``limit`` and ``unit``.

    Example:
        >>> import surrogate_nas as sn
        >>> problem = problem_of(sn.Objective("valid_loss + 0.1*params", "fashion"))
        >>> [(term["name"], term["part"], term["weight"]) for term in problem["terms"]]
        [('valid_loss[5]', 'L', 1.0), ('params', 'R', 0.1)]
    """
    benchmark = objective.benchmark
    shown = ("name", "weight", "divisor", "unit", "larger_is_better")
    terms = [
        {
            **{key: getattr(term, key) for key in shown},
            "part": "L" if term.is_loss else "R",
            "objective": term.part,
        }
        for term in objective.terms
    ]
    limits = [
        {
            **{key: getattr(limit, key) for key in ("name", "relation", "limit")},
            "unit": benchmark.metric(limit.metric).unit,
        }
        for limit, *_ in objective.constraints
    ]
    return {
        "expression": str(objective),
        "direction": "minimise",
        "terms": terms,
        "limits": limits,
        "diversity": objective.diversity_weight,
        "epochs": objective.epochs,
        "cost_unit": benchmark.cost_unit,
        "drawn_seeds": objective.draws,
    }
