"""What stored files of a study must be like, as types: ``experiment.json``, the lines of a run, and
what confirming the best cells of a search gave.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import numpy as np
from msgspec import Meta, Struct, ValidationError, convert, to_builtins

from surrogate_nas.core.numbers import decimals_for, fixed, plural
from surrogate_nas.runs.options import MOST, MOST_RUNS, USUAL, Budget, Finite, Options
from surrogate_nas.space import Cell
from surrogate_nas.stats.decision import FewDecision, decide_few

T = TypeVar("T")

_LARGEST = sys.float_info.max
_LONGEST = 1000

Positive = Annotated[float, Meta(ge=0, le=_LARGEST)]
Count = Annotated[int, Meta(ge=0)]
Epochs = Annotated[int, Meta(ge=1)]
Texts = dict[str, str]
Label = Annotated[str, Meta(min_length=1, max_length=_LONGEST, pattern=r"^[^\\\0]*$")]


def checked_as(
    kind: type[T], content: Any, parse: Callable[[type, Any], Any] | None = None
) -> T:
    """Content of JSON as a value of a type; `parse` reads what stands for a type of our own.

    Raises:
        ValueError: It has another shape; the message is one clause that names the place.
    """
    try:
        return convert(content, kind, dec_hook=parse)
    except ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        raise ValueError(
            f"{path or 'it'}: {reason}".replace("`", "").replace("$.", "")
        ) from error


class TrialLine(Struct, forbid_unknown_fields=True):
    """A line of a trial (`surrogate_nas.space.trial.Trial`)."""

    index: Count
    cell: str
    score: Finite
    loss: float
    penalty: float
    feasible: bool
    epochs: Epochs | None
    cost_seconds: Positive
    values: dict[str, float]
    started: Positive
    finished: Positive
    scores: tuple[Finite, ...]
    failure: str = ""
    start: tuple[str, Epochs, str] | None = None
    """Where its weights came from, in a run of a release that handed them on."""


class Judged(Struct, frozen=True, forbid_unknown_fields=True):
    """What a run found, by the seeds that its search did not see (`surrogate_nas.runs.confirm`).

    Attributes:
        seeds: The seeds that the mean is over, that of the search among them.
        values: The mean of every metric of the objective, in its own unit.
        trainings: How many trainings were made for it, which the run's budget does not hold.
        cost: What these were charged, in seconds.
        failures: Why some of them failed; the mean is over the others.
    """

    seeds: Annotated[tuple[Count, ...], Meta(min_length=1)]
    values: dict[str, Finite]
    trainings: Count
    cost: Positive
    failures: tuple[str, ...] = ()


class ConfirmedCell(Struct, frozen=True, forbid_unknown_fields=True):
    """A cell with what fresh seeds say of it.

    Attributes:
        seen: The score that the search saw; None where it did not ask for the cell.
        seeds: The fresh seeds that it was trained with, in the order of `scores`.
        scores: L + λR by each of them.
        failure: Why it is not confirmed, such as a training that failed; empty where it is.
    """

    cell: Cell
    seen: float | None
    seeds: tuple[Count, ...] = ()
    scores: tuple[Finite, ...] = ()
    failure: str = ""

    @property
    def mean(self) -> float | None:
        """The mean score over fresh seeds; None where it is not confirmed."""
        return None if self.failure else float(np.mean(self.scores))

    def to_json(self) -> dict[str, Any]:
        """The cell as ``--json`` prints it."""
        return {
            "cell": str(self.cell),
            "seen_score": self.seen,
            "seeds": list(self.seeds),
            "scores": list(self.scores),
            "mean": self.mean,
            "failure": self.failure or None,
        }


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """What was to be confirmed, and the number of trials of the run at that time."""

    cells: Epochs
    seeds: Epochs
    against: str | None
    trials: Count


class Confirmation(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """The best cells of a search by fresh seeds, beside a reference or among themselves.

    Attributes:
        cells: The best cells, in the order in which the search ranks them.
        reference: The user's own cell, or None.
        passed_over: How many cells that the search ranks higher were passed over, since their
            table holds too few fresh seeds.
        cost: What all these trainings cost, which the search was not charged.
        cost_unit: Seconds or queries.
    """

    asked: Asked
    cells: tuple[ConfirmedCell, ...]
    reference: ConfirmedCell | None
    passed_over: Count
    cost: Positive
    cost_unit: str

    @cached_property
    def decision(self) -> FewDecision:
        """What the trainings decide; nothing leads where no cell is confirmed."""
        done = [confirmed for confirmed in self._every if not confirmed.failure]
        scores = {confirmed.cell.text: np.array(confirmed.scores) for confirmed in done}
        own = self.reference.cell.text if self.reference in done else None
        if not {*scores} - {own}:
            return FewDecision("", math.nan, (math.nan, math.nan))
        return decide_few(
            scores, own, paired=len({confirmed.seeds for confirmed in done}) == 1
        )

    def stored(self) -> Any:
        """The confirmation as a folder stores it; the decision is computed again."""
        return to_builtins(self, enc_hook=lambda cell: cell.text)

    @classmethod
    def read(cls, content: Any, cell: Callable[[str], Cell]) -> Confirmation:
        """Read what `stored` gave, with a parser of cells; a ValueError for another shape."""
        return checked_as(cls, content, lambda _, text: cell(text))

    @property
    def winner(self) -> ConfirmedCell | None:
        """The best of `cells` by fresh seeds; None where none is confirmed."""
        return self._named(self.decision.leader)

    @property
    def against(self) -> ConfirmedCell | None:
        """What the winner is compared with: the reference, or the runner-up; None where there is
        neither.
        """
        return self._named(self.decision.rival)

    @property
    def _every(self) -> list[ConfirmedCell]:
        return [*self.cells, *([self.reference] if self.reference else [])]

    def _named(self, text: str | None) -> ConfirmedCell | None:
        return next(
            (confirmed for confirmed in self._every if confirmed.cell.text == text), None
        )

    @property
    def better(self) -> bool:
        """Whether the winner is significantly better than what it is compared with."""
        return self.decision.sign > 0

    @property
    def difference(self) -> float | None:
        """By how much the winner's mean score is lower."""
        return self.decision.difference

    @property
    def ci95(self) -> tuple[float, float] | None:
        """The 95 % interval of `difference`."""
        return self.decision.difference_interval

    @property
    def runs_needed(self) -> int | None:
        """About how many further trainings of the two, in all, would tell them apart; None where
        that is decided, or where the trainings give no estimate.
        """
        needed = self.decision.needed
        about = None if needed is None else needed.about
        return None if about is None else self._further(about)

    def _further(self, runs: int) -> int:
        """Trainings that two cells lack to so many each."""
        assert self.winner is not None
        return 2 * max(runs - len(self.winner.scores), 1)

    @property
    def sentences(self) -> list[str]:
        """The result in words; the first says what is confirmed."""
        sentences = [self._found()]
        if self.passed_over:
            sentences.append(
                "Passed over for want of fresh seeds:"
                f" {plural(self.passed_over, 'cell')} that the search ranks higher."
            )
        return sentences + [
            f"Not confirmed: {confirmed.cell}: {confirmed.failure.rstrip('.')}."
            for confirmed in self._every
            if confirmed.failure
        ]

    def _found(self) -> str:
        decision, winner = self.decision, self.winner
        if winner is None:
            return "Nothing is confirmed."
        seeds = plural(len(winner.scores), "fresh seed")
        decimals = decimals_for([*decision.interval, *(decision.difference_interval or ())])
        mean = _with_interval(decision.mean, decision.interval, decimals)
        line = f"Confirmed with {seeds} each: {winner.cell}, score {mean}"
        if decision.difference is None or decision.difference_interval is None:
            return f"{line}; there is no other to compare it with."
        other = "yours" if self.against is self.reference else "the runner-up"
        size, (low, high) = decision.difference, decision.difference_interval
        words = ("better", "worse")
        if size < 0:
            size, low, high = -size, -high, -low
            words = ("worse", "better")
        by = _with_interval(size, (low, high), decimals)
        if decision.sign:
            return f"{line}; {words[0]} than {other} by {by}."
        more = ""
        if decision.needed is not None and decision.needed.about is None:
            least = self._further(decision.needed.low)
            more = f": at least {least:,} more trainings would be needed"
        elif decision.needed is not None:
            more = f": about {self.runs_needed:,} more trainings would tell"
        return f"{line}; not told apart from {other}, which is {words[1]} by {by}{more}."

    def rows(self) -> list[dict[str, Any]]:
        """A row per cell, the winner first and the reference last, as tables show them."""
        others = [("candidate", cell) for cell in self.cells if cell is not self.winner]
        return [
            {
                "role": role,
                "cell": confirmed.cell.text,
                "seen_score": confirmed.seen,
                "confirmed_score": confirmed.mean,
                "seeds": " ".join(map(str, confirmed.seeds)),
                "scores": " ".join(map(str, confirmed.scores)),
                "failure": confirmed.failure,
            }
            for role, confirmed in [
                ("winner", self.winner),
                *others,
                ("yours", self.reference),
            ]
            if confirmed is not None
        ]

    def to_json(self) -> dict[str, Any]:
        """The confirmation as ``--json`` prints it."""
        winner, decision = self.winner, self.decision
        return {
            "better": self.better,
            "difference": self.difference,
            "ci95": self.ci95 and list(self.ci95),
            "runs_needed": self.runs_needed,
            "cell": winner and str(winner.cell),
            "mean": winner and decision.mean,
            "mean_ci95": winner and list(decision.interval),
            "against": self.against and str(self.against.cell),
            "passed_over": self.passed_over,
            "cells": [cell.to_json() for cell in self.cells],
            "reference": self.reference and self.reference.to_json(),
            "cost_seconds": self.cost,
            "cost_unit": self.cost_unit,
            "sentences": self.sentences,
        }


def _with_interval(value: float, ends: tuple[float, float], decimals: int) -> str:
    low, high = (fixed(end, decimals) for end in ends)
    return f"{fixed(value, decimals)} [{low}, {high}]"


class EndLine(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The last line of a run that has ended (`surrogate_nas.runs.run.Run`)."""

    end: Count
    diagnosis: dict[str, dict[str, float]] = {}
    judged: Judged | None = None
    real_seconds: Positive
    strategy_seconds: Positive
    failure: str
    epochs: Epochs | None
    budget_cells: int | None
    budget_seconds: Finite | None
    scalarised: bool


class _Known(Struct):
    terms: list[str]
    missing: list[str]


class _Data(Struct):
    known: _Known
    runs: dict[str, Texts]
    others: dict[str, Texts]
    space: str
    conventions: Count


class _KnownLine(Struct, forbid_unknown_fields=True):
    cell: str
    epochs: Epochs | None
    values: dict[str, Finite]


class _Beginning(Struct, forbid_unknown_fields=True):
    first: list[str]
    known: list[_KnownLine]


class _Objective(Struct):
    expression: str
    benchmark: str = ""
    objectives: list[str] = []
    terms: list[dict[str, Any]] = []
    diversity_weight: Finite = 0.0
    constraints: list[str] = []
    seed: Count | Literal["mean"] = "mean"
    seed_policy: str = ""
    search_on_final: list[str] = []
    cost: str = ""
    fingerprint: str = ""


_OPTIONS = get_type_hints(Options, include_extras=True)
_FIELDS: dict[str, Any] = {name: _OPTIONS[name] | None for name in USUAL} | {
    "engine": str | None,
    "fingerprint": str,
    "benchmark": str,
    "address": str,
    "with": list[str],
    "objective": _Objective,
    "strategies": Annotated[list[Label], Meta(min_length=1)],
    "runs": Annotated[int, Meta(ge=1, le=MOST_RUNS)],
    "numbers": Annotated[list[Count], Meta(min_length=1)] | None,
    "budget": Budget,
    "seed": Count,
    "first_cells": Annotated[int, Meta(ge=0, le=MOST)],
    "provenance": dict[str, Any],
    "sources": dict[str, Texts] | None,
    "files": dict[str, Texts] | None,
    "read": Texts | None,
    "versions": dict[str, Annotated[int, Meta(ge=1, le=MOST)]] | None,
    "extensions": list[dict[str, Any]],
    "data": _Data | None,
    "reference": dict[str, Any] | None,
    "beginning": _Beginning | None,
}


def wrong_in(content: Mapping[str, Any]) -> list[str]:
    """The names of fields of ``experiment.json`` that are missing or of another type or range."""
    wrong = []
    for name, kind in _FIELDS.items():
        try:
            convert(content.get(name), kind)
        except (ValidationError, UnicodeEncodeError):
            wrong.append(name)
    labels = content.get("strategies", [])
    if "strategies" not in wrong and len(set(labels)) < len(labels):
        wrong.append("strategies")
    numbers = content.get("numbers")
    if numbers is not None and not {"runs", "numbers"} & {*wrong}:
        if sorted({*numbers}) != numbers or len(numbers) != content["runs"]:
            wrong.append("numbers")
    return sorted(wrong)
