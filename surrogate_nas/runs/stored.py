"""What stored files of a study must be like, as types: ``experiment.json`` and the lines of a run.

Importing msgspec takes 23 ms, so this module is imported where a file is read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

from msgspec import Meta, Struct, ValidationError, convert

from surrogate_nas.runs.options import MOST, MOST_RUNS, USUAL, Budget, Finite, Options
from surrogate_nas.runs.running import LONGEST_TEXT, MOST_TOLD, State

T = TypeVar("T")

_LARGEST = sys.float_info.max
_LONGEST = 1000
_LONGEST_PATH = 4096

Positive = Annotated[float, Meta(ge=0, le=_LARGEST)]
Count = Annotated[int, Meta(ge=0)]
Epochs = Annotated[int, Meta(ge=1)]
Texts = dict[str, str]
Shown = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Label = Annotated[str, Meta(min_length=1, max_length=_LONGEST, pattern=r"^[^\\\0]*$")]


def checked_as(kind: type[T], content: Any, parse: Callable[[type, Any], Any] | None = None) -> T:
    """Content of JSON as a value of a type.

    Args:
        kind: The type.
        content: The content.
        parse: Reads what stands for a type of our own, such as a cell.

    Raises:
        ValueError: It has another shape; the message is one clause that names the place.
    """
    try:
        return convert(content, kind, dec_hook=parse)
    except ValidationError as error:
        reason, _, place = str(error).partition(" - at ")
        raise ValueError(f"{place or 'it'}: {reason}".replace("`", "").replace("$.", "")) from error


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


class EndLine(Struct, forbid_unknown_fields=True):
    """The last line of a run that has ended (`surrogate_nas.runs.run.Run`)."""

    end: Count
    real_seconds: Positive
    strategy_seconds: Positive
    failure: str
    epochs: Epochs | None
    budget_cells: int | None
    budget_seconds: Finite | None
    scalarised: bool
    diagnosis: dict[str, dict[str, float]] = {}
    judged: Judged | None = None


class _InFlight(Struct):
    cell: Shown
    epochs: Epochs | None
    state: State
    since: Positive
    again: Shown = ""
    seconds: Positive | None = None
    reports: Annotated[str, Meta(max_length=_LONGEST_PATH)] | None = None


class RunningFile(Struct):
    """What a run trains now (`surrogate_nas.runs.running.Running`)."""

    slots: Annotated[int, Meta(ge=1, le=MOST)]
    ended: Annotated[int, Meta(ge=0, le=MOST)]
    seconds: Positive
    in_flight: Annotated[int, Meta(ge=0, le=MOST)]
    trainings: Annotated[list[_InFlight], Meta(max_length=MOST_TOLD)]


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
