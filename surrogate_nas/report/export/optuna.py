"""A file of Optuna's journal storage that ``optuna-dashboard`` opens: a study a run, so that a trial keeps its number.

Akiba, Sano, Yanase, Ohta & Koyama, "Optuna: A Next-generation Hyperparameter Optimization Framework", KDD 2019. A
study is one search: its best value, its history and its timeline are then those of a run, and the dashboard lays
several studies over one another. What is infeasible has its L + λR and the limits that it breaks as constraints; what
was trained for fewer epochs than the objective asks is a pruned trial with its score as an intermediate value. Times
are those of the simulated clock.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from surrogate_nas.core.extras import need
from surrogate_nas.files import replacing
from surrogate_nas.objective import Objective
from surrogate_nas.report.export.results import Part, Source, clock, results_of
from surrogate_nas.report.export.rows import run_row
from surrogate_nas.space import ChoiceSpace, Space
from surrogate_nas.space.trial import Trial
from surrogate_nas.study.comparison import Comparison
from surrogate_nas.study.store import Run

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

_CONSTRAINTS = "constraints"
"""Where Optuna keeps constraints, and its dashboard looks for them."""
_WRITER = "surrogate_nas"


def write_optuna(source: Source, out: str | Path) -> list[Path]:
    """Write every run as a study; the file is whole or as it was before, and the same results give the same bytes.

    Args:
        source: A results folder, or a comparison.
        out: The file to write.

    Returns:
        The file, which ``optuna-dashboard FILE`` opens.

    Raises:
        UserError: There is nothing to export, Optuna is not installed, or the file cannot be written.

    Example:
        >>> import optuna, surrogate_nas as sn
        >>> from tempfile import TemporaryDirectory
        >>> made = sn.compare("fashion", ["random"], runs=2, budget=12)
        >>> with TemporaryDirectory() as folder:
        ...     (file,) = write_optuna(made, f"{folder}/optuna.log")
        ...     backend = optuna.storages.journal.JournalFileBackend(str(file))
        ...     optuna.get_all_study_names(optuna.storages.JournalStorage(backend))
        ['random / run 0', 'random / run 1']
    """
    results, out = results_of(source), Path(out)
    need("This export", "optuna")
    with _quiet(), replacing(out) as temporary:
        logs = _logs_of([(part, run) for part, run in results.runs()])
        _write(logs, temporary)
    return [out]


def _write(logs: Sequence[dict[str, Any]], path: Path) -> None:
    """The logs in one go, as Optuna writes them one by one."""
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path))).append_logs(list(logs))


def _logs_of(runs: Sequence[tuple[Part, Run]]) -> list[dict[str, Any]]:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import BaseJournalBackend

    class Memory(BaseJournalBackend):
        """Keeps what a storage logs: a file would be locked and synchronised at every trial."""

        def __init__(self) -> None:
            self.logs: list[dict[str, Any]] = []

        def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
            return self.logs[log_number_from:]

        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            self.logs += logs

    memory = Memory()
    storage = JournalStorage(memory)
    for part, run in runs:
        _add_study(storage, part, run)
    return [log | {"worker_id": _WRITER} for log in memory.logs]


def _add_study(storage: Any, part: Part, run: Run) -> None:
    import optuna

    objective = part.comparison.objective
    name = part.named(run.strategy, f"run {run.run}")
    study = optuna.create_study(storage=storage, study_name=name, directions=["minimize"] * objective.parts)
    study.set_metric_names(_distinct([objective.part_text(number) for number in range(objective.parts)]))
    for key, value in _told(part.comparison, run).items():
        study.set_user_attr(key, value)
    distributions = _distributions(objective.benchmark.space)
    study.add_trials(_frozen(objective, run, trial, distributions) for trial in run.trials)


def _distinct(names: Sequence[str]) -> list[str]:
    """Names of objectives, which Optuna wants to be different."""
    return list(names) if len(set(names)) == len(names) else [f"{number}: {name}" for number, name in enumerate(names)]


def _told(made: Comparison, run: Run) -> dict[str, Any]:
    """What is known of a run as a whole."""
    told, objective = made.description, made.objective
    asked = {
        "benchmark": objective.benchmark.name, "objective": str(objective), "budget": told["budget"],
        "seed": told["seed"], "first_cells": told["first_cells"], "fingerprint": objective.fingerprint,
        "unit of times": objective.benchmark.cost, "optimum": made.optimum, "provenance": told["provenance"],
    }  # fmt: skip
    return {key: value for key, value in (asked | run_row(made, run)).items() if value not in (None, "")}


def _distributions(space: Space) -> dict[str, BaseDistribution]:
    """A categorical parameter a position; none where cells are no choices."""
    from optuna.distributions import CategoricalDistribution

    if not isinstance(space, ChoiceSpace):
        return {}
    return {
        position: CategoricalDistribution(options)
        for position, options in zip(space.positions, space.options, strict=True)
    }


def _frozen(objective: Objective, run: Run, trial: Trial, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    from optuna.trial import TrialState, create_trial

    is_answer = trial.epochs == run.epochs
    curve = {} if trial.epochs is None or objective.parts > 1 else {trial.epochs: trial.score}
    space = objective.benchmark.space
    params = (
        {position: options[choice] for position, options, choice
         in zip(space.positions, space.options, trial.cell.choices, strict=True)}
        if isinstance(space, ChoiceSpace) else {}
    )  # fmt: skip
    frozen = create_trial(
        state=TrialState.COMPLETE if is_answer else TrialState.PRUNED,
        values=natural_scores(objective, trial) if is_answer else None,
        params=params,
        distributions=distributions,
        user_attrs=attributes(trial),
        system_attrs={_CONSTRAINTS: broken} if (broken := violations(objective, trial)) else {},
        intermediate_values=curve,
    )
    frozen.datetime_start, frozen.datetime_complete = clock(trial.started), clock(trial.finished)
    return frozen


def natural_scores(objective: Objective, trial: Trial) -> list[float]:
    """Each objective's score as if there were no limits: an infeasible cell is not put behind the feasible ones.

    Args:
        objective: One or several.
        trial: Of it, after its own epochs.
    """
    if objective.parts == 1:
        return [trial.loss + trial.penalty]
    if trial.feasible:
        return list(trial.scores)
    of_part = [0.0] * objective.parts
    for term in objective.terms:
        of_part[term.part] += term.score(trial.values[term.name])
    return of_part


def violations(objective: Objective, trial: Trial) -> list[float]:
    """By how much a trial breaks each limit, in shares of the limit; 0 where it keeps it.

    Args:
        objective: With limits, or without.
        trial: Of it; a limit on what its epochs do not tell is left out.
    """
    read = [(limit, trial.values.get(str(limit).partition(" ")[0]), scale) for limit, _, scale in objective.constraints]
    return [float(limit.excess(np.array([value]))[0]) / scale for limit, value, scale in read if value is not None]


def attributes(trial: Trial) -> dict[str, Any]:
    """What is known of a trial besides its values, with all metrics that it read.

    Args:
        trial: Any.
    """
    values = {name: value for name, value in trial.values.items() if math.isfinite(value)}
    told = {"cell": trial.cell.text, "L": trial.loss, "λR": trial.penalty, "score": trial.score}
    return told | {"feasible": trial.feasible, "epochs": trial.epochs, "cost": trial.cost_seconds} | values


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna says something of every study that it makes."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
