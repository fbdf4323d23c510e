"""What a comparison found beyond its scores: the best cells, and their final metrics, read for the report alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surrogate_nas.benchmarks import Benchmark, Question
from surrogate_nas.comparison import Comparison
from surrogate_nas.comparison.statistics import Values
from surrogate_nas.space import Cell
from surrogate_nas.trial import Trial


@dataclass(frozen=True)
class FoundCell:
    """One of the best cells.

    Attributes:
        rank: From 1.
        trial: The evaluation with its lowest score.
        found_by: By strategy, in how many of its runs the cell was evaluated; those with none are left out.
        twin_of: The rank of a better cell that computes the same function, or None.
    """

    rank: int
    trial: Trial
    found_by: dict[str, int]
    twin_of: int | None


def best_cells(comparison: Comparison, n: int) -> list[FoundCell]:
    """The distinct cells of lowest score that any strategy evaluated, best first.

    Args:
        comparison: The comparison.
        n: The most that are returned.
    """
    best: dict[Cell, Trial] = {}
    found_by: dict[Cell, dict[str, int]] = {}
    for name in comparison.strategies:
        for run in comparison.runs_of(name):
            for trial in run.trials:
                if trial.cell not in best or trial.score < best[trial.cell].score:
                    best[trial.cell] = trial
            for cell in {trial.cell for trial in run.trials}:
                by_name = found_by.setdefault(cell, {})
                by_name[name] = by_name.get(name, 0) + 1
    top = sorted(best.values(), key=lambda trial: (trial.score, trial.cell.index))[:n]
    first_of: dict[str, int] = {}
    cells = []
    for rank, trial in enumerate(top, 1):
        function = comparison.objective.benchmark.space.identity(trial.cell)
        same = first_of.setdefault(function, rank)
        cells.append(FoundCell(rank, trial, found_by[trial.cell], same if same < rank else None))
    return cells


def final_questions(benchmark: Benchmark) -> list[Question]:
    """Every final metric after its longest run, the main one first: `test_error`, else the first error.

    Args:
        benchmark: The benchmark.
    """
    final = [metric for metric in benchmark.metrics if metric.kind == "final"]
    final.sort(key=lambda metric: (metric.name != "test_error", metric.quantity != "error"))
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
