"""What a comparison found beyond its scores: the best cells, and their final metrics, read for the report alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from surrogate_nas.benchmarks import Benchmark, Question
from surrogate_nas.objective import Objective
from surrogate_nas.space import Cell
from surrogate_nas.space.trial import Trial
from surrogate_nas.study.comparison.statistics import Values

if TYPE_CHECKING:
    from surrogate_nas.study.comparison import Comparison

_MOST_CONSIDERED = 1000
"""So many of the best cells are sorted into functional classes; a twin that is worse than all of them is not told."""


@dataclass(frozen=True)
class FoundCell:
    """One of the best cells, which stands for its functional class.

    Attributes:
        rank: From 1.
        trial: The evaluation with the lowest score of its class.
        found_by: By strategy, in how many of its runs the cell was evaluated; those with none are left out.
        twins: The other evaluated cells that compute the same function, best first.
    """

    rank: int
    trial: Trial
    found_by: dict[str, int]
    twins: Sequence[Trial] = ()


def best_cells(comparison: Comparison, n: int) -> list[FoundCell]:
    """The best cell of each of the best functional classes that any strategy evaluated, best first.

    Args:
        comparison: The comparison.
        n: The most that are returned.
    """
    identity = comparison.objective.benchmark.space.identity
    classes: dict[str, list[Trial]] = {}
    for trial in _best_trials(comparison)[:_MOST_CONSIDERED]:
        classes.setdefault(identity(trial.cell), []).append(trial)
    top = list(classes.values())[:n]
    return [
        FoundCell(rank, best, _found_by(comparison, best.cell), twins) for rank, (best, *twins) in enumerate(top, 1)
    ]


def _best_trials(comparison: Comparison) -> list[Trial]:
    """The evaluation of lowest score of every cell, best first."""
    best: dict[Cell, Trial] = {}
    for name in comparison.strategies:
        for run in comparison.runs_of(name):
            for trial in comparison.reported(run):
                if trial.epochs != run.epochs:
                    continue
                if trial.cell not in best or trial.score < best[trial.cell].score:
                    best[trial.cell] = trial
    return sorted(best.values(), key=lambda trial: (trial.score, trial.cell.index, trial.cell.text))


def _found_by(comparison: Comparison, cell: Cell) -> dict[str, int]:
    counts = {
        name: sum(any(trial.cell == cell for trial in run.trials) for run in comparison.runs_of(name))
        for name in comparison.strategies
    }
    return {name: n for name, n in counts.items() if n}


def final_questions(objective: Objective) -> list[Question]:
    """Every final metric after its longest run, the main one first: ``test_error``, else an error, else a quality.

    Those under conditions of their own, such as an attack, stand last: their names have an ``@``. Before all others
    stand those of the trainings that the objective reads, where it reads such as ``valid_error@focal``.

    Args:
        objective: The objective; a final metric that its study searches on is left out.
    """
    benchmark, seen = objective.benchmark, objective.search_on_final
    final = [metric for metric in benchmark.metrics if metric.kind == "final" and metric.name not in seen]
    read = {question.metric.partition("@")[2] for question in objective.questions() if question.epochs is not None}
    final.sort(
        key=lambda metric: (
            metric.name.partition("@")[2] not in read,
            metric.name != "test_error",
            "@" in metric.name,
            metric.quantity != "error",
            not metric.larger_is_better,
        )
    )
    return [benchmark.question(metric.name) for metric in final]


def values_of(benchmark: Benchmark, question: Question, cells: Sequence[Cell]) -> Values:
    """One metric of some cells, shape ``(n,)``; NaN where a table holds none.

    Args:
        benchmark: The benchmark.
        question: A resolved question.
        cells: Cells of its space.
    """
    if benchmark.has_columns:
        return benchmark.column(question.metric, question.epochs)[[cell.index for cell in cells]]
    distinct = list(dict.fromkeys(cells))
    answers = dict(
        zip(distinct, benchmark.measure(distinct, (question,), benchmark.default_seed).values[:, 0], strict=True)
    )
    return np.array([answers[cell] for cell in cells])


def shared_cells(comparison: Comparison) -> int:
    """How many of a run's first cells are the same for all strategies.

    Args:
        comparison: The comparison.
    """
    shortest = min((len(run.trials) for name in comparison.strategies for run in comparison.runs_of(name)), default=0)
    return min(int(comparison.description["first_cells"]), shortest)
