"""The confirmed winner of a search: its best cells by seeds that it did not see."""

from __future__ import annotations

from surrogate_nas.core.numbers import decimals_for, fixed
from surrogate_nas.report.markup import Column, Content, Section, Span, Table, note, section
from surrogate_nas.report.reading import Study

_NOTE = (
    "Scores are L + λR, lower is better. The search chose its best cells by the scores that it saw,"
    " which are optimistic; the winner is chosen by the fresh seeds."
)


@section(5, "comparison")
def confirmed(study: Study) -> Section | None:
    """A table per run with a confirmed winner."""
    blocks: list[Table] = []
    for _, confirmation in study.comparison.confirmed_runs:
        cells = confirmation.rows()
        means = [row["confirmed_score"] for row in cells if not row["failure"]]
        decimals = decimals_for(means)
        rows: list[list[Content]] = [
            [
                row["role"],
                Span(row["cell"], "code"),
                fixed(row["seen_score"], decimals),
                row["failure"] or fixed(row["confirmed_score"], decimals),
                str(len(row["seeds"].split())),
            ]
            for row in cells
        ]
        heads = [
            Column(""),
            Column("cell"),
            Column("score", "the search saw"),
            Column("score", "mean over fresh seeds"),
            Column("trainings"),
        ]
        blocks.append(Table(heads, rows, texts=2))
    return Section("Confirmed winner", [*blocks, note(_NOTE)]) if blocks else None
