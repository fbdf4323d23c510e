"""What strategies told of their runs besides trials (`Strategy.diagnosis`), and the cells that take no search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from surrogate_nas.report.look import Look
from surrogate_nas.report.markup import Content, Head, Shown, Table, strategy
from surrogate_nas.report.numbers import NOTHING, decimals_for, fixed, scientific
from surrogate_nas.study.comparison import Comparison
from surrogate_nas.study.comparison.trivial import trivial_cells
from surrogate_nas.study.store import Run

_MOST_ROWS = 8


class Told(NamedTuple):
    """What one strategy told.

    Attributes:
        strategy: Its name with its look.
        tables: Medians over its runs.
    """

    strategy: Shown
    tables: Sequence[Table]


def told(comparison: Comparison, looks: Mapping[str, Look]) -> list[Told]:
    """The diagnoses of all strategies that gave one.

    Args:
        comparison: The comparison.
        looks: How each strategy is drawn.
    """
    runs = {name: [run for run in comparison.runs_of(name) if run.diagnosis] for name in comparison.strategies}
    return [Told(strategy(name, looks[name]), list(_tables(held))) for name, held in runs.items() if held]


def _tables(runs: Sequence[Run]) -> Iterator[Table]:
    """Groups of the same names are the rows of one table; of many rows a few are shown, the first and last included."""
    first = runs[0].diagnosis
    for names, groups in groupby(first, key=lambda group: tuple(first[group])):
        held = list(groups)
        if len(held) > _MOST_ROWS:
            held = [held[int(i)] for i in np.unique(np.linspace(0, len(held) - 1, _MOST_ROWS).round())]
        rows: list[list[Content]] = [
            [group, *(scientific(float(np.median(_values(runs, group, name)))) for name in names)] for group in held
        ]
        yield Table([Head(""), *map(Head, names)], rows)


def _values(runs: Sequence[Run], group: str, name: str) -> list[float]:
    return [run.diagnosis[group][name] for run in runs if name in run.diagnosis.get(group, {})]


def trivial_table(comparison: Comparison) -> Table | None:
    """The scores of cells that take no search; None where the space has none or there are several objectives.

    On a live task these cells are trained now, unless they were before; nobody is charged.

    Args:
        comparison: The comparison.
    """
    objective = comparison.objective
    cells = trivial_cells(objective.benchmark.space)
    if not cells or objective.parts > 1 or objective.has_history:
        return None
    scores, optimum = objective.look_up(list(cells.values()))[1], comparison.optimum
    decimals = decimals_for(scores.score.tolist())
    rows: list[list[Content]] = [
        [
            name,
            Shown(cell.text, "code"),
            *(fixed(float(values[i]), decimals) for values in (scores.score, scores.loss, scores.penalty)),
            NOTHING if optimum is None else fixed(float(scores.score[i]) - optimum, decimals),
        ]
        for i, (name, cell) in enumerate(cells.items())
    ]
    return Table([Head(""), Head("cell"), Head("score"), Head("L"), Head("λR"), Head("regret")], rows, texts=2)
