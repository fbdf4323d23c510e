"""The best cells that a comparison found, each with its graph, its metrics and the strategies that
found it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from surrogate_nas.benchmarks import Question
from surrogate_nas.core import NO_CELL, fixed, natural, plural
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
from surrogate_nas.space.trial import Trial

_ALWAYS = ("params", "macs")
_MOST_ISOMORPHIC = 3
_MOST_FINAL = 8
_Pairs = list[tuple[Content, str]]


@dataclass(frozen=True)
class Card:
    """The content of one cell's card: rank, score, special marks, graph, string, metrics in titled
    groups, and isomorphic cells.
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
    """Build the section on the best cells, one per isomorphism class."""
    comparison = study.comparison
    if not comparison.strategies:
        return None
    cards = [card(study, shown) for shown in best_cells(comparison, BEST_SHOWN)]
    text = (
        "The evaluated cells of lowest score. Of isomorphic cells only the best one is"
        " shown."
    )
    if cards and cards[0].graph is not None:
        text += (
            " An edge is an operation, and a node sums its inputs. Grey and dashed parts have no"
            " effect on the output, but are built and counted."
        )
    if comparison.objective.has_history:
        text += " A cell's score depends on the history of the run. The lowest score is shown."
    return Section("Best cells", [note(text), Block("cards", cards)])


def card(study: Study, best: FoundCell) -> Card:
    """Build the card of a cell and its isomorphic cells."""
    comparison = study.comparison
    trial = best.trial
    graph = None
    if sketch := comparison.objective.benchmark.space.sketch(trial.cell):
        caption = f"Graph of the cell {trial.cell}."
        graph = Picture(f"cell-{best.rank}", caption, lambda _width: sketch)
    optimum = comparison.optimum if comparison.objective.n_objectives == 1 else None
    scores: _Pairs = [("L", fixed(trial.loss, 5)), ("λR", fixed(trial.penalty, 5))]
    marks = [] if trial.feasible else ["infeasible"]
    if optimum is not None:
        if trial.feasible:
            scores.append(("regret", fixed(trial.score - optimum, 5)))
        if abs(trial.score - optimum) <= comparison.rounding:
            marks = ["the optimum"]
    parts = [("", scores), ("", _metrics(comparison, trial))]
    if final := _final(comparison, trial):
        parts.append(("final, not used in searches", final))
    finders: _Pairs = []
    for name, n in best.found_by.items():
        runs = plural(len(comparison.runs_of(name)), "run")
        finders.append((strategy(name, study.styles[name]), f"{n} of {runs}"))
    parts.append(("", finders))
    score = ", ".join(fixed(part, 5) for part in trial.scores or (trial.score,))
    title = f"score {score}" if trial.feasible else NO_CELL
    return Card(
        best.rank, title, marks, graph, str(trial.cell), parts, _isomorphic(best)
    )


def _value(comparison: Comparison, question: Question, trial: Trial) -> float:
    return float(values_of(comparison.objective.benchmark, question, [trial.cell])[0])


def _metrics(comparison: Comparison, trial: Trial) -> _Pairs:
    benchmark = comparison.objective.benchmark
    values = dict(trial.values)
    known = {metric.name for metric in benchmark.metrics} - values.keys()
    for name in _ALWAYS:
        if name in known and not benchmark.is_expensive(name):
            values[name] = _value(comparison, benchmark.question(name), trial)
    units = {name: benchmark.metric(name.partition("[")[0]).unit for name in values}
    return [(name, natural(value, units[name])) for name, value in values.items()]


def _final(comparison: Comparison, trial: Trial) -> _Pairs:
    benchmark = comparison.objective.benchmark
    questions = final_questions(comparison.objective)
    pairs: _Pairs = []
    for question in questions[:_MOST_FINAL]:
        unit = benchmark.metric(question.metric).unit
        value = natural(_value(comparison, question, trial), unit)
        pairs.append((str(question), value))
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
