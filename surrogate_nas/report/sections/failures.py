"""The trainings of a comparison that failed, each with its reason."""

from __future__ import annotations

from surrogate_nas.core.numbers import plural
from surrogate_nas.report.markup import (
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
from surrogate_nas.report.reading import Study

_MOST_ROWS = 100
_LONGEST = 400
"""Rows, and characters of a reason, that are shown."""


@section(97, "comparison", "front")
def failed_trainings(study: Study) -> Section | None:
    """Which trainings failed, and why."""
    rows: list[list[Content]] = []
    n_failed = 0
    n_trials = 0
    for run in study.comparison.runs:
        n_trials += len(run.trials)
        for trial in run.trials:
            if not trial.failure:
                continue
            n_failed += 1
            if len(rows) < _MOST_ROWS:
                name = strategy(run.strategy, study.styles[run.strategy])
                cell = Span(trial.cell.text, "code")
                epochs = "–" if trial.epochs is None else f"{trial.epochs:,}"
                reason = trial.failure
                if len(reason) > _LONGEST:
                    reason = f"{reason[: _LONGEST - 1]}…"
                rows.append([name, cell, reason, str(run.run), epochs])
    if not n_failed:
        return None
    heads = [Column("strategy"), Column("cell"), Column("reason"), Column("run"), Column("epochs")]
    words = (
        f"{n_failed:,} of {plural(n_trials, 'training')} failed. Each counts as an evaluation"
        " without a feasible cell, and is charged what it took."
    )
    blocks: list[Table | Paragraph] = [note(words), Table(heads, rows, texts=3)]
    if n_failed > len(rows):
        blocks.append(note(f"and {n_failed - len(rows):,} more"))
    return Section("Failed trainings", blocks, folded=True)
