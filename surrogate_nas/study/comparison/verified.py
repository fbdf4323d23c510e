"""Stored runs held against the objective and the table that they are of: what a folder says is not believed alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from surrogate_nas.core.errors import UserError
from surrogate_nas.objective import Objective
from surrogate_nas.space.trial import Request, Trial
from surrogate_nas.study.ledger import Asked, Ledger, Outcome
from surrogate_nas.study.runs import Run

_MEASURED, _PREDICTED = 1e-9, 1e-5
"""How far numbers may differ, as a share of the larger or of 1; predictions differ a little between machines."""


def check_run(run: Run, objective: Objective, path: Path) -> None:
    """Refuse a run that ended well and is not of its comparison's objective.

    Args:
        run: As it was read.
        objective: The comparison's.
        path: Its file, for the message.

    Raises:
        UserError: Its epochs, or the metrics and scores of its answers, are others.
    """
    names, parts = {str(question) for question in objective.questions()}, objective.parts
    scores = 0 if parts == 1 else parts
    if run.failure or not run.trials:
        return
    right = all(names <= trial.values.keys() and len(trial.scores) == scores for trial in run.answers)
    if run.epochs != objective.epochs or not run.answers or not right:
        raise UserError(f"{path} is damaged: it is of another objective than its comparison. Delete it and run again.")


def verify(run: Run, objective: Objective, root: int, path: Path, *, whole: bool) -> None:
    """Look a run's best trial, or all of them, up in the table again; without one nothing is looked up.

    Args:
        run: A run that ended well.
        objective: Its objective.
        root: The root seed of its comparison.
        path: Its file, for the message.
        whole: Whether all its trials are looked up.

    Raises:
        UserError: The table says something else.
    """
    if not objective.benchmark.has_columns or run.failure or not run.trials:
        return
    trials: Sequence[Trial] = run.trials if whole else [run.incumbent]
    ledger, epochs = Ledger(objective, root=root, run=run.run), objective.epochs
    asked: list[Asked] = [
        trial.cell if trial.epochs == epochs or trial.epochs is None else Request(trial.cell, trial.epochs)
        for trial in trials
    ]
    within = _PREDICTED if objective.benchmark.banner else _MEASURED
    for trial, outcome in zip(trials, ledger.look_up(asked), strict=True):
        found = ledger.trial(outcome, trial.started) if whole or not objective.has_history else None
        if wrong := _contradicted(trial, outcome, found, within):
            name, told, true = wrong
            raise UserError(
                f"{path}, trial {trial.index}: {name} of {trial.cell} is {told:.10g}, and {true:.10g} in "
                f"{objective.benchmark.name}. It was altered: delete it and run again."
            )


def _contradicted(
    trial: Trial, outcome: Outcome, found: Trial | None, within: float
) -> tuple[str, float, float] | None:
    """The first number that is another than the table's, with both; with diversity, only in the order of the run."""
    pairs = [("L", trial.loss, outcome.loss), ("feasibility", trial.feasible, outcome.feasible)]
    pairs += [(name, trial.values[name], value) for name, value in zip(outcome.names, outcome.values, strict=True)]
    if found is not None:
        pairs += [("λR", trial.penalty, found.penalty), ("the score", trial.score, found.score)]
        pairs += [("a score", told, true) for told, true in zip(trial.scores, found.scores, strict=True)]
    for name, told, true in pairs:
        if not (math.isclose(told, true, rel_tol=within, abs_tol=within) or (math.isnan(told) and math.isnan(true))):
            return name, told, true
    return None
