"""Export to a file in Optuna's journal format for ``optuna-dashboard``. Each run becomes one Optuna
study, so trials keep their numbers.

Akiba, Sano, Yanase, Ohta & Koyama, "Optuna: A Next-generation Hyperparameter Optimization
Framework", KDD 2019. In Optuna, a study is one search. The best value, history and timeline of an
Optuna study are therefore those of a run, and the dashboard can overlay several studies. The value
of an infeasible trial is its L + λR, and its violated constraints are exported as constraints. A
trial with fewer epochs than the objective is exported as a pruned trial, with its score as an
intermediate value. Times are taken from the simulated clock of the run.
"""

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from surrogate_nas.files import replacing
from surrogate_nas.objective import Objective
from surrogate_nas.report.export import Format
from surrogate_nas.report.reading import (
    Comparison,
    Run,
    Source,
    StudyResult,
    clock,
    results_of,
    run_row,
)
from surrogate_nas.space import ChoiceSpace, Trial

if TYPE_CHECKING:
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import FrozenTrial

_CONSTRAINTS = (
    "constraints"  # the system attribute of constraints, which Optuna's dashboard reads
)
_WRITER = "surrogate_nas"


def write_optuna(source: Source, out: str | Path) -> list[Path]:
    """Write every run as an Optuna study, atomically. The same results give the same bytes.

    Returns:
        The file. Open the file with ``optuna-dashboard FILE``.

    Raises:
        UserError: There is nothing to export, Optuna is not installed, or the file is not writable.

    Example:
        >>> import optuna, surrogate_nas as sn
        >>> from tempfile import TemporaryDirectory
        >>> comparison = sn.compare("fashion", ["random"], runs=2, budget=12)
        >>> with TemporaryDirectory() as folder:
        ...     (file,) = write_optuna(comparison, f"{folder}/optuna.log")
        ...     backend = optuna.storages.journal.JournalFileBackend(str(file))
        ...     optuna.get_all_study_names(optuna.storages.JournalStorage(backend))
        ['random / run 0', 'random / run 1']
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    result = results_of(source)
    out = Path(out)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(
        optuna.logging.ERROR
    )  # it logs every study that it creates
    try:
        with warnings.catch_warnings(), replacing(out) as temporary:
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            lock = JournalFileOpenLock(str(temporary))
            JournalFileBackend(str(temporary), lock_obj=lock).append_logs(
                _logs_of(result)
            )
    finally:
        optuna.logging.set_verbosity(verbosity)
    return [out]


def _logs_of(result: StudyResult) -> list[dict[str, Any]]:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import BaseJournalBackend

    class Memory(BaseJournalBackend):
        """Stores a storage's log in memory, since a file would be locked and synchronised at every
        trial.
        """

        def __init__(self) -> None:
            self.logs: list[dict[str, Any]] = []

        def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
            return self.logs[log_number_from:]

        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            self.logs += logs

    memory = Memory()
    storage = JournalStorage(memory)
    for comparison in result.comparisons.values():
        for run in comparison.ended_runs:
            _add_study(storage, comparison, run)
    return [log | {"worker_id": _WRITER} for log in memory.logs]


def _add_study(storage: Any, comparison: Comparison, run: Run) -> None:
    import optuna
    from optuna.distributions import CategoricalDistribution

    objective = comparison.objective
    name = f"{run.strategy} / run {run.run}"
    if comparison.problem:
        name = f"{comparison.problem} / {name}"
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        directions=["minimize"] * objective.n_objectives,
    )
    names = [objective.part_text(number) for number in range(objective.n_objectives)]
    if len(set(names)) < len(names):  # Optuna wants them to be different
        names = [f"{number}: {name}" for number, name in enumerate(names)]
    study.set_metric_names(names)
    description = comparison.description
    attributes = {
        "benchmark": objective.benchmark.name,
        "objective": str(objective),
        "budget": description["budget"],
        "seed": description["seed"],
        "first_cells": description["first_cells"],
        "fingerprint": objective.fingerprint,
        "unit of times": objective.benchmark.cost_unit,
        "optimum": comparison.optimum,
        "provenance": description["provenance"],
        **run_row(comparison, run),
    }
    for key, value in attributes.items():
        if value not in (None, ""):
            study.set_user_attr(key, value)
    space = objective.benchmark.space
    distributions: dict[str, CategoricalDistribution] = {}
    if isinstance(space, ChoiceSpace):
        positions = zip(space.positions, space.texts, strict=True)
        distributions = {
            name: CategoricalDistribution(options) for name, options in positions
        }
    study.add_trials(
        _frozen(objective, run, trial, distributions) for trial in run.trials
    )


def _frozen(
    objective: Objective,
    run: Run,
    trial: Trial,
    distributions: "Mapping[str, CategoricalDistribution]",
) -> "FrozenTrial":
    from optuna.trial import TrialState, create_trial

    state = TrialState.COMPLETE
    values = None
    if trial.failure:
        state = TrialState.FAIL
    elif trial.epochs != run.epochs:
        state = TrialState.PRUNED
    else:
        values = _natural_scores(objective, trial)
    curve = {}
    if trial.epochs is not None and objective.n_objectives == 1 and not trial.failure:
        curve[trial.epochs] = trial.score
    options = (
        zip(distributions.items(), trial.cell.choices, strict=True)
        if distributions
        else ()
    )
    violations = _violations(objective, trial)
    frozen = create_trial(
        state=state,
        values=values,
        params={name: known.choices[choice] for (name, known), choice in options},
        distributions=dict(distributions),
        user_attrs=_attributes(trial),
        system_attrs={_CONSTRAINTS: violations} if violations else {},
        intermediate_values=curve,
    )
    frozen.datetime_start = clock(trial.started)
    frozen.datetime_complete = clock(trial.finished)
    return frozen


def _natural_scores(objective: Objective, trial: Trial) -> list[float]:
    """Return each objective's score as if there were no constraints: infeasible cells do not rank
    after feasible ones.
    """
    if objective.n_objectives == 1:
        return [trial.loss + trial.penalty]
    if trial.feasible:
        return list(trial.scores)
    scores = [0.0] * objective.n_objectives
    for term in objective.terms:
        scores[term.part] += term.score(trial.values[term.name])
    return scores


def _violations(objective: Objective, trial: Trial) -> list[float]:
    """Return by how much a trial violates each constraint, relative to the limit; 0 if it does
    not.
    """
    violations = []
    for limit, _, scale in objective.constraints:
        value = trial.values.get(str(limit).partition(" ")[0])
        if value is not None:
            violations.append(float(limit.excess(np.array([value]))[0]) / scale)
    return violations


def _attributes(trial: Trial) -> dict[str, Any]:
    attributes: dict[str, Any] = {"cell": trial.cell.text}
    if trial.failure:
        attributes["failure"] = trial.failure
    else:
        attributes |= {"L": trial.loss, "λR": trial.penalty, "score": trial.score}
    attributes |= {
        "feasible": trial.feasible,
        "epochs": trial.epochs,
        "cost": trial.cost,
    }
    for name, value in trial.values.items():
        if math.isfinite(value):
            attributes[name] = value
    return attributes


EXPORT = Format(
    write_optuna,
    "optuna.log",
    "Open it: optuna-dashboard {out}",
    "a journal that `optuna-dashboard` opens, with a study for each run",
    needs=("optuna",),
)
