"""Diagnostics of a comparison: numbers that strategies report about their runs, failed trainings,
and confirmed winners.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from surrogate_nas.core import decimals_for, fixed, plural, scientific
from surrogate_nas.report.markup import (
    Block,
    Content,
    Paragraph,
    Section,
    Span,
    Table,
    folded,
    note,
    section,
    strategy,
)
from surrogate_nas.report.reading import Run, Study

_MOST_ROWS = 8


@section(85, "comparison", "front")
def diagnostics(study: Study) -> Section | None:
    """Build the section with the numbers that strategies report about their runs, as medians over
    runs.
    """
    comparison = study.comparison
    runs = {
        name: [run for run in comparison.runs_of(name) if run.diagnosis]
        for name in comparison.strategies
    }
    blocks: list[Block | Table | Paragraph] = []
    for name, diagnosed in runs.items():
        if diagnosed:
            blocks += [
                Block("heading", strategy(name, study.styles[name])),
                *_tables(diagnosed),
            ]
    if not blocks:
        return None
    blocks.append(note("Medians over runs. Of long tables only some rows are shown."))
    return folded("Diagnostics of the strategies", *blocks)


def _tables(runs: Sequence[Run]) -> Iterator[Table]:
    """Yield tables. Groups with the same names are the rows of one table. Of many rows only some
    are shown, including the first and last.
    """
    first = runs[0].diagnosis
    for names, groups in groupby(first, key=lambda group: tuple(first[group])):
        shown = list(groups)
        at = np.linspace(0, len(shown) - 1, min(_MOST_ROWS, len(shown))).round()
        rows: list[list[Content]] = []
        for group in (shown[int(i)] for i in at):
            diagnoses = [run.diagnosis.get(group, {}) for run in runs]
            values = (
                [diagnosis[name] for diagnosis in diagnoses if name in diagnosis]
                for name in names
            )
            rows.append(
                [group, *(scientific(float(np.median(column))) for column in values)]
            )
        yield Table(["", *names], rows)


_MOST_FAILED = 100
_LONGEST = 400  # rows, and characters of a reason, that are shown


@section(97, "comparison", "front")
def failed_trainings(study: Study) -> Section | None:
    """Build the section on failed trainings and their reasons."""
    runs = study.comparison.runs
    failed = [(run, trial) for run in runs for trial in run.trials if trial.failure]
    if not failed:
        return None
    rows: list[list[Content]] = []
    for run, trial in failed[:_MOST_FAILED]:
        failure = trial.failure
        if len(failure) > _LONGEST:
            failure = f"{failure[: _LONGEST - 1]}…"
        epochs = "–" if trial.epochs is None else f"{trial.epochs:,}"
        name = strategy(run.strategy, study.styles[run.strategy])
        rows.append(
            [name, Span(trial.cell.text, "code"), failure, str(run.run), epochs]
        )
    n_trials = sum(len(run.trials) for run in runs)
    words = (
        f"{len(failed):,} of {plural(n_trials, 'training')} failed. Each counts as an evaluation"
        " without a feasible cell, and its cost is charged."
    )
    heads = ("strategy", "cell", "reason", "run", "epochs")
    blocks: list[Table | Paragraph] = [note(words), Table(heads, rows, texts=3)]
    if len(failed) > len(rows):
        blocks.append(note(f"and {len(failed) - len(rows):,} more"))
    return folded("Failed trainings", *blocks)


_NOTE = (
    "Scores are L + λR, lower is better. The search chose its best cells by its own scores, which"
    " are optimistic. The winner is chosen by the fresh seeds."
)


@section(5, "comparison")
def confirmed(study: Study) -> Section | None:
    """Build the section with one table for each run whose winner was confirmed with new training
    seeds.
    """
    saw, fresh = ("score", "in the search"), ("score", "mean over fresh seeds")
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
        blocks.append(Table(["", "cell", saw, fresh, "trainings"], rows, texts=2))
    return Section("Confirmed winner", [*blocks, note(_NOTE)]) if blocks else None
