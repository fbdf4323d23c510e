"""What a folder of results records of its table, so that it is read and reported without that
table.

Beside every trial's values, scores and charge a folder holds the objective's constants, the space,
and what follows from all cells: the optimum, what random sampling is expected to find, the noise of
training, or a front's frame. A page without the table lacks pictures of all cells, final metrics of
found cells, and, where searches saw drawn seeds, the means over seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

import numpy as np

from surrogate_nas.benchmarks import Benchmark, Question, TableBenchmark
from surrogate_nas.benchmarks.base import Measurement
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric, metric_named
from surrogate_nas.objective import Objective
from surrogate_nas.objective.expression import DIVERSITY, parse_several
from surrogate_nas.objective.known import FreeTerms
from surrogate_nas.objective.terms import BoundTerm, finite
from surrogate_nas.space import Cell, Space, space_named
from surrogate_nas.space.network import Network
from surrogate_nas.space.trial import Trial
from surrogate_nas.study.options import Budget, ObjectiveOptions
from surrogate_nas.study.scale import frame_of, noise_of, reference_of
from surrogate_nas.tables import Seed

_MOST_POINTS = 20_000
"""Checkpoints of a budget, or points of a front, that a folder records."""


def recordable(objective: Objective, budget: Budget) -> dict[str, Any] | None:
    """What follows from all cells of a table; None where there is no table, or it would be too
    much.
    """
    benchmark = objective.benchmark
    scores = (
        objective.over_space()
        if benchmark.contents or isinstance(benchmark, TableBenchmark)
        else None
    )
    if scores is None or not scores.feasible.any() or (budget.cells or 0) > _MOST_POINTS:
        return None
    if objective.parts > 1:
        frame = frame_of(objective)
        if frame is None or len(frame.front) > _MOST_POINTS:
            return None
        return {
            name: np.asarray(value).tolist()
            for name, value in vars(frame).items()
            if name != "exact"
        }
    reference = reference_of(objective, budget, [])
    noise = noise_of(objective)
    return {
        **{name: value for name, value in asdict(reference).items() if name != "exact"},
        "random": reference.random.tolist(),
        "score_rounding": scores.rounding,
        "noise": None if noise is None else asdict(noise),
    }


class RecordedBenchmark(Benchmark):
    """A table that is not here: what a folder says of it. It answers nothing.

    Attributes:
        banner: Why, and what is left out.
    """

    has_columns = False

    def __init__(self, description: Mapping[str, Any], space: Space, why: str) -> None:
        """Take over what a folder says.

        Args:
            description: Of its comparison.
            space: The space of its cells.
            why: What keeps the table from being read, in a sentence.
        """
        stored = description["objective"]
        self.name = description["benchmark"]
        self.space = space
        self.network = Network()
        self.cost: Literal["seconds", "queries"] = (
            "queries" if stored.get("cost") == "queries" else "seconds"
        )
        self.charge = "An evaluation was charged what the folder records of it."
        self.title = "as recorded with the results"
        self.source = "the folder of the results"
        self.objective = stored["expression"]
        self.licence = ""
        self.citation = ""
        self.address = description["address"]
        drawn = (
            " Scores are what each search saw of its drawn seed."
            if ObjectiveOptions.read(stored).seed_policy == "draw"
            else ""
        )
        self.banner = (
            f"Read without its table. {why} Scores, optimum and constants are those recorded with"
            f" the results; final metrics and what shows all cells are left out.{drawn}"
        )
        terms = {term["name"]: term for term in stored.get("terms", ())}
        self.metrics = [
            _metric(question, terms.get(str(question)))
            for question in questions_of(stored["expression"])
        ]

    @property
    def fingerprint(self) -> str:
        """None: it has no numbers."""
        return ""

    def measure(
        self,
        cells: Sequence[Cell],
        questions: Sequence[Question],
        seed: Seed = "mean",
    ) -> Measurement:
        """Refuse.

        Raises:
            UserError: Always.
        """
        raise UserError(
            f"{self.name} cannot be asked for {questions[0]} of {len(cells)} cells (seed {seed})."
        )


def questions_of(expression: str) -> list[Question]:
    """What a stored expression reads, with all numbers of epochs: terms, then limits."""
    parts = parse_several(expression)
    terms = [term for part in parts for term in part.terms if term.metric != DIVERSITY]
    limits = [limit for part in parts for limit in part.constraints]
    asked = [(term.metric, term.epochs) for term in terms] + [
        (limit.metric, limit.epochs) for limit in limits
    ]
    return [Question(*one) for one in asked]


def _metric(question: Question, term: Mapping[str, Any] | None) -> Metric:
    """A metric as the term of a folder tells it, or else as its name does."""
    usual = metric_named(question.metric)
    quantity = usual.quantity
    unit = usual.unit
    if term is not None:
        unit = term.get("unit", unit)
        if term.get("larger_is_better"):
            quantity = "quality"
        elif term.get("is_loss") and not usual.is_loss:
            quantity = "loss"
        elif quantity == "undeclared":  # a folder of before directions were declared
            quantity = "cost"
    epochs = () if question.epochs is None else (question.epochs,)
    return Metric(question.metric, unit, "search", quantity, epochs)


class RecordedObjective(Objective):
    """An objective whose table is not here, with the constants and the scale that a folder
    records.
    """

    def __init__(self, description: Mapping[str, Any], benchmark: RecordedBenchmark) -> None:
        """Take over what a folder says.

        Args:
            description: Of its comparison.
            benchmark: What stands for its table.
        """
        stored = description["objective"]
        parts = parse_several(stored["expression"])
        self.benchmark = benchmark
        self.seed = stored.get("seed", "mean")
        self.search_on_final = tuple(ObjectiveOptions.read(stored).search_on_final)
        self.seed_policy = "mean"  # nothing can be read again by the mean over seeds
        self._questions = questions_of(stored["expression"])
        self._seeds = {}
        self.diversity_weight = float(stored.get("diversity_weight", 0.0))
        self.parts = len(parts)
        self.terms = [BoundTerm(**term) for term in stored["terms"]]
        limits = [limit for part in parts for limit in part.constraints]
        self.constraints = [
            (limit, len(self.terms) + place, 1.0) for place, limit in enumerate(limits)
        ]
        self.epochs = max((q.epochs for q in self._questions if q.epochs is not None), default=None)
        self.bounds = finite([self._bound(number) for number in range(self.parts)])
        self.fingerprint = description["fingerprint"]
        known = (description.get("data") or {}).get("known", {})
        self.known = FreeTerms(
            tuple(known.get("terms", ())), tuple(known.get("missing", ())), (), (), ()
        )
        self.recorded = description.get("reference") or {}

    def optimum(self) -> float | None:
        """The best score of the space, if the folder records it."""
        best = (self.recorded or {}).get("optimum")
        return None if best is None else float(best)

    def reported(self, trials: Sequence[Trial]) -> list[Trial]:
        """Trials as they were seen."""
        return list(trials)


def recorded_objective(
    description: Mapping[str, Any],
    opened: Benchmark | None,
    why: UserError,
) -> Objective:
    """A folder's objective without its table.

    Args:
        description: What the folder says of its comparison.
        opened: A benchmark of the same space, if one is here.
        why: What keeps the table from being read; raised where the folder does not say enough
            without it.

    Raises:
        UserError: `why`.
    """
    data = description.get("data") or {}
    try:
        if data.get("space"):
            space = space_named(data["space"])
        elif opened is not None:
            space = opened.space
        else:
            raise why
        reason = f"{str(why).rstrip('.')}."
        return RecordedObjective(description, RecordedBenchmark(description, space, reason))
    except (KeyError, TypeError, ValueError, UserError) as error:
        raise why from error
