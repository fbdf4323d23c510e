"""Judging what a run has found by the seeds that its search did not see.

A search on what is trained here sees one drawn seed of each cell (`surrogate_nas.objective.seeds`),
so the cell that it finds was chosen for its luck too. It is trained by the other seeds once the
search has ended, in the same slots, and reported by the mean over all of them, as a table's seeds
are. That is no part of the search's budget; it is told before it begins, and stored with the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import numpy as np

from surrogate_nas.core.errors import EvaluationError
from surrogate_nas.core.numbers import plural
from surrogate_nas.objective import Draw, Objective
from surrogate_nas.objective.seeds import as_reported
from surrogate_nas.runtime.shared import SharedSlots
from surrogate_nas.space.trial import Trial
from surrogate_nas.study.options import Options
from surrogate_nas.study.run import Judged, Run
from surrogate_nas.study.running import Now
from surrogate_nas.study.trainings import Answer, Job, Trainings


def judged(
    objective: Objective,
    draw: Draw,
    found: Trial,
    options: Options,
    engine: str,
    now: Now,
    shared: SharedSlots | None,
) -> Judged:
    """Train what a run has found by the seeds that its search did not see.

    Args:
        objective: That of the run, whose seeds are trained.
        draw: The seeds that the run saw.
        found: The run's best trial.
        options: Say how many trainings at once.
        engine: Where they are made.
        now: Who is told what trains now.
        shared: The slots of all runs that are made side by side, or None.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    cell = objective.benchmark.space.cell(found.cell)
    seen = draw.number(objective.trained_seeds, cell)
    others = [seed for seed in objective.trained_seeds if seed != seen]
    with closing(Trainings(objective, draw, options, engine, now, shared)) as slots:
        for number, seed in enumerate(others):
            slots.begin(number, Job(cell, objective.questions(), seed))
        answers = [slots.answer(number) for number in range(len(others))]
        if slots.is_interrupted:
            raise KeyboardInterrupt
    return _judged(objective, found, seen, others, answers)


def _judged(
    objective: Objective,
    found: Trial,
    seen: int,
    others: Sequence[int],
    answers: Sequence[Answer],
) -> Judged:
    names = [str(question) for question in objective.questions()]
    rows = {seen: [found.values[name] for name in names]}
    failures = []
    cost = 0.0
    for seed, answer in zip(others, answers, strict=True):
        cost += answer.cost
        if isinstance(answer, EvaluationError):
            failures.append(f"seed {seed}: {answer}")
        else:
            cost += answer.cost_before
            rows[seed] = answer.values
    means = np.mean(list(rows.values()), axis=0).tolist()
    return Judged(
        seeds=tuple(sorted(rows)),
        values=dict(zip(names, means, strict=True)),
        trainings=len(others),
        cost=cost,
        failures=tuple(failures),
    )


def found_by(objective: Objective, run: Run) -> Trial:
    """What a run has found, as it is reported: by the mean over seeds, where seeds were drawn.

    Args:
        objective: That of the run.
        run: A run with an answer.
    """
    found = run.incumbent
    if run.judged is None:
        (reported,) = objective.reported([found])
        return reported
    names = list(run.judged.values)
    values = np.array([list(run.judged.values.values())])
    (reported,) = as_reported([found], names, values, objective.combine(values))
    return reported


def announcement(objective: Objective, runs: int) -> str:
    """What is trained beside the budget, in a sentence; empty where that is nothing.

    Args:
        objective: What is minimised.
        runs: How many runs are made.
    """
    others = len(objective.trained_seeds) - 1
    if others < 1:
        return ""
    whole = f" in each run, {others * runs:,} in all" if runs > 1 else ""
    return (
        f"What is found is then trained by the other seeds: {plural(others, 'training')}{whole},"
        " not charged to the budget."
    )
