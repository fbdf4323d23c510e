"""The best cells that a comparison found, each with its graph, its numbers and who found it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from surrogate_nas.core.numbers import NO_CELL, fixed, natural, plural
from surrogate_nas.report.markup import Block, Content, Section, note, section, strategy
from surrogate_nas.report.picture import Picture
from surrogate_nas.report.reading import (
    BEST_SHOWN,
    Comparison,
    FoundCell,
    Study,
    best_cells,
    final_questions,
    values_of,
)
from surrogate_nas.report.style import Style
from surrogate_nas.space.sketch import Sketch
from surrogate_nas.space.trial import Trial

_ALWAYS = ("params", "macs")
_MOST_ISOMORPHIC = 3
_MOST_FINAL = 8
_Pairs = list[tuple[Content, str]]


@dataclass(frozen=True)
class Card:
    """One cell: rank, score, what is special, picture, text, numbers in titled groups, and those
    isomorphic to it.
    """

    rank: int
    title: str
    marks: Sequence[str]
    graph: Picture | None
    cell: str
    parts: Sequence[tuple[str, _Pairs]]
    isomorphic: str


@section(40, "comparison")
def cells(study: Study) -> Section | None:
    """The best cells, one for each function that cells compute."""
    comparison = study.comparison
    if not comparison.strategies:
        return None
    space = comparison.objective.benchmark.space
    cards = []
    for shown in best_cells(comparison, BEST_SHOWN):
        cell = shown.trial.cell
        graph = None
        if (sketch := space.sketch(cell)) is not None:
            caption = f"Graph of the cell {cell}."
            graph = Picture(f"cell-{shown.rank}", caption, partial(_drawn, sketch=sketch))
        cards.append(card(comparison, shown, study.styles, graph))
    text = (
        "The cells of lowest score that any strategy evaluated; of isomorphic cells only the best"
        " is shown."
    )
    if cards and cards[0].graph is not None:
        text += (
            " An edge carries an operation, a node sums its inputs; grey and dashed: without effect"
            " on the output, but built and counted."
        )
    if comparison.objective.has_history:
        text += " A cell's score depends on the history of the run; the lowest is shown."
    return Section("Best cells", [note(text), Block("cards", cards)])


def _drawn(_width: float, sketch: Sketch) -> Sketch:
    return sketch


def card(
    comparison: Comparison,
    best: FoundCell,
    styles: dict[str, Style],
    graph: Picture | None,
) -> Card:
    """One cell and those isomorphic to it."""
    trial = best.trial
    optimum = comparison.optimum if comparison.objective.parts == 1 else None
    scores: _Pairs = [("L", fixed(trial.loss, 5)), ("λR", fixed(trial.penalty, 5))]
    marks = [] if trial.feasible else ["infeasible"]
    if optimum is not None:
        if trial.feasible:
            scores.append(("regret", fixed(trial.score - optimum, 5)))
        if abs(trial.score - optimum) <= comparison.rounding:
            marks = ["the optimum"]
    parts = [("", scores), ("", _metrics(comparison, trial))]
    if final := _final(comparison, trial):
        parts.append(("final, never searched on", final))
    finders: _Pairs = [
        (
            strategy(name, styles[name]),
            f"{n} of {plural(len(comparison.runs_of(name)), 'run')}",
        )
        for name, n in best.found_by.items()
    ]
    parts.append(("", finders))
    score = ", ".join(fixed(part, 5) for part in trial.scores or (trial.score,))
    title = f"score {score}" if trial.feasible else NO_CELL
    return Card(best.rank, title, marks, graph, str(trial.cell), parts, _isomorphic(best))


def _metrics(comparison: Comparison, trial: Trial) -> _Pairs:
    benchmark = comparison.objective.benchmark
    known = {metric.name for metric in benchmark.metrics} - trial.values.keys()
    always = [name for name in _ALWAYS if name in known and not benchmark.is_dear(name)]
    values = dict(trial.values) | {
        name: float(values_of(benchmark, benchmark.question(name), [trial.cell])[0])
        for name in always
    }
    return [
        (name, natural(value, benchmark.metric(name.partition("[")[0]).unit))
        for name, value in values.items()
    ]


def _final(comparison: Comparison, trial: Trial) -> _Pairs:
    benchmark = comparison.objective.benchmark
    questions = final_questions(comparison.objective)
    pairs: _Pairs = [
        (
            str(question),
            natural(
                float(values_of(benchmark, question, [trial.cell])[0]),
                benchmark.metric(question.metric).unit,
            ),
        )
        for question in questions[:_MOST_FINAL]
    ]
    if len(questions) > _MOST_FINAL:
        pairs.append(("further", f"{len(questions) - _MOST_FINAL} (see snas query)"))
    return pairs


def _isomorphic(best: FoundCell) -> str:
    if not best.isomorphic:
        return ""
    shown = [
        f"{t.cell} ({fixed(t.score, 5) if t.feasible else 'infeasible'})"
        for t in best.isomorphic[:_MOST_ISOMORPHIC]
    ]
    more = len(best.isomorphic) - len(shown)
    rest = f" and {more} more" if more else ""
    return f"Same function, built differently: {', '.join(shown)}{rest}."
