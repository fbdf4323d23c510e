"""The best cells that a comparison found, each with its graph, its numbers and who found it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from surrogate_nas.report.findings import FoundCell, final_questions, values_of
from surrogate_nas.report.look import Look
from surrogate_nas.report.markup import Content, strategy
from surrogate_nas.report.numbers import NO_CELL, fixed, natural, plural
from surrogate_nas.report.picture import Picture
from surrogate_nas.space.trial import Trial
from surrogate_nas.study.comparison import Comparison

_ALWAYS = ("params", "macs")
_MOST_TWINS = 3
_MOST_FINAL = 8


@dataclass(frozen=True)
class Part:
    """Some numbers of a card, ruled off from those above.

    Attributes:
        entries: Names and values.
        title: What they have in common, or empty.
    """

    entries: Sequence[tuple[Content, str]]
    title: str = ""


@dataclass(frozen=True)
class Card:
    """One cell.

    Attributes:
        rank: From 1.
        title: Its score.
        marks: What is special about it.
        graph: Its picture; None where the space draws none.
        cell: As the field prints it.
        parts: Its numbers.
        twins: Which other cells of its functional class were found, in a sentence, or empty.
    """

    rank: int
    title: str
    marks: Sequence[str]
    graph: Picture | None
    cell: str
    parts: Sequence[Part]
    twins: str


def card(comparison: Comparison, found: FoundCell, looks: dict[str, Look], graph: Picture | None) -> Card:
    """One cell and its twins.

    Args:
        comparison: The comparison.
        found: The cell.
        looks: How each strategy is drawn.
        graph: Its picture; None where the space draws none.
    """
    trial = found.trial
    parts = [Part(_scores(comparison, trial)), Part(_metrics(comparison, trial))]
    if final := _final(comparison, trial):
        parts.append(Part(final, "final, never searched on"))
    parts.append(Part(_finders(comparison, found, looks)))
    score = ", ".join(fixed(part, 5) for part in trial.scores or (trial.score,))
    title = f"score {score}" if trial.feasible else NO_CELL
    return Card(found.rank, title, _marks(comparison, trial), graph, str(trial.cell), parts, _twins(found))


def _marks(comparison: Comparison, trial: Trial) -> list[str]:
    optimum = _optimum(comparison)
    if optimum is not None and abs(trial.score - optimum) <= comparison.rounding:
        return ["the optimum"]
    return [] if trial.feasible else ["infeasible"]


def _scores(comparison: Comparison, trial: Trial) -> list[tuple[Content, str]]:
    pairs: list[tuple[Content, str]] = [("L", fixed(trial.loss, 5)), ("λR", fixed(trial.penalty, 5))]
    optimum = _optimum(comparison)
    if optimum is not None and trial.feasible:
        pairs.append(("regret", fixed(trial.score - optimum, 5)))
    return pairs


def _optimum(comparison: Comparison) -> float | None:
    """What a cell's score is held against; of several objectives there is no such thing."""
    return comparison.optimum if comparison.objective.parts == 1 else None


def _metrics(comparison: Comparison, trial: Trial) -> list[tuple[Content, str]]:
    """What the objective looked up, and the cell's size."""
    benchmark = comparison.objective.benchmark
    pairs: list[tuple[Content, str]] = []
    for name, value in trial.values.items():
        pairs.append((name, natural(value, benchmark.metric(name.partition("[")[0]).unit)))
    held = {metric.name for metric in benchmark.metrics}
    for name in _ALWAYS:
        if name in held and name not in trial.values:
            value = values_of(benchmark, benchmark.question(name), [trial.cell])[0]
            pairs.append((name, natural(float(value), benchmark.metric(name).unit)))
    return pairs


def _final(comparison: Comparison, trial: Trial) -> list[tuple[Content, str]]:
    benchmark = comparison.objective.benchmark
    pairs: list[tuple[Content, str]] = []
    questions = final_questions(comparison.objective)
    for question in questions[:_MOST_FINAL]:
        value = float(values_of(benchmark, question, [trial.cell])[0])
        pairs.append((str(question), natural(value, benchmark.metric(question.metric).unit)))
    if len(questions) > _MOST_FINAL:
        pairs.append(("further", f"{len(questions) - _MOST_FINAL} that snas query tells"))
    return pairs


def _finders(comparison: Comparison, found: FoundCell, looks: dict[str, Look]) -> list[tuple[Content, str]]:
    return [
        (strategy(name, looks[name]), f"{n} of {plural(len(comparison.runs_of(name)), 'run')}")
        for name, n in found.found_by.items()
    ]


def _twins(found: FoundCell) -> str:
    """The twins in a sentence: how many, and the best of them."""
    if not found.twins:
        return ""
    shown = [f"{t.cell} ({fixed(t.score, 5) if t.feasible else 'infeasible'})" for t in found.twins[:_MOST_TWINS]]
    more = len(found.twins) - len(shown)
    rest = f" and {more} more" if more else ""
    return f"Same function, built differently: {', '.join(shown)}{rest}."
