"""What strategies say of their runs besides trials (`Strategy.diagnosis`), and the cells that take
no search.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from surrogate_nas.core.numbers import NOTHING, decimals_for, fixed, scientific
from surrogate_nas.report.markup import (
    Block,
    Column,
    Content,
    Paragraph,
    Section,
    Span,
    Table,
    note,
    section,
    strategy,
)
from surrogate_nas.report.reading import Comparison, Run, Study, trivial_cells

_MOST_ROWS = 8


@section(85, "comparison", "front")
def diagnostics(study: Study) -> Section | None:
    """Medians over the runs of each strategy that gave a diagnosis."""
    comparison = study.comparison
    runs = {
        name: [run for run in comparison.runs_of(name) if run.diagnosis]
        for name in comparison.strategies
    }
    blocks: list[Block | Table | Paragraph] = []
    for name, diagnosed in runs.items():
        if diagnosed:
            blocks += [Block("heading", strategy(name, study.styles[name])), *_tables(diagnosed)]
    if not blocks:
        return None
    blocks.append(note("Medians over runs; of long tables a few rows are shown."))
    if (trivial := _trivial(comparison)) is not None:
        blocks += [Block("heading", "Cells that need no search"), trivial]
    return Section("Diagnostics of the strategies", blocks, folded=True)


def _tables(runs: Sequence[Run]) -> Iterator[Table]:
    """Groups of the same names are the rows of one table; of many rows a few are shown, the first
    and last included.
    """
    first = runs[0].diagnosis
    for names, groups in groupby(first, key=lambda group: tuple(first[group])):
        rows_shown = list(groups)
        if len(rows_shown) > _MOST_ROWS:
            rows_shown = [
                rows_shown[int(i)]
                for i in np.unique(np.linspace(0, len(rows_shown) - 1, _MOST_ROWS).round())
            ]
        rows: list[list[Content]] = [
            [group, *(scientific(float(np.median(_values(runs, group, name)))) for name in names)]
            for group in rows_shown
        ]
        yield Table([Column(""), *map(Column, names)], rows)


def _values(runs: Sequence[Run], group: str, name: str) -> list[float]:
    return [run.diagnosis[group][name] for run in runs if name in run.diagnosis.get(group, {})]


def _trivial(comparison: Comparison) -> Table | None:
    """The scores of cells that take no search; None where the space has none or there are several
    objectives.

    On a live task these cells are trained now unless they were before, without charge. A user's
    function, which may train, is not called for them.
    """
    objective = comparison.objective
    cells = trivial_cells(objective.benchmark.space)
    is_dear = any(
        objective.benchmark.is_dear(question.metric) for question in objective.questions()
    )
    if not cells or objective.parts > 1 or objective.has_history or is_dear:
        return None
    scores = objective.look_up(list(cells.values()))[1]
    optimum = comparison.optimum
    decimals = decimals_for(scores.score.tolist())
    rows: list[list[Content]] = [
        [
            name,
            Span(cell.text, "code"),
            *(
                fixed(float(values[i]), decimals)
                for values in (scores.score, scores.loss, scores.penalty)
            ),
            NOTHING if optimum is None else fixed(float(scores.score[i]) - optimum, decimals),
        ]
        for i, (name, cell) in enumerate(cells.items())
    ]
    return Table(
        [Column(""), Column("cell"), Column("score"), Column("L"), Column("λR"), Column("regret")],
        rows,
        texts=2,
    )
