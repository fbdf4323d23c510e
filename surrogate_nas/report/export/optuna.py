"""A file of Optuna's journal storage that ``optuna-dashboard`` opens: a study a run, so that a
trial keeps its number.

Akiba, Sano, Yanase, Ohta & Koyama, "Optuna: A Next-generation Hyperparameter Optimization
Framework", KDD 2019. A study is one search: its best value, its history and its timeline are then
those of a run, and the dashboard lays several studies over one another. What is infeasible has its
L + λR and the limits that it breaks as constraints; what was trained for fewer epochs than the
objective asks is a pruned trial with its score as an intermediate value. Times are those of the
simulated clock.

`OptunaObjective` is the other way about: a benchmark as the objective of anybody's study, in three
lines. Every position of the space is a categorical parameter of its name, as in
`surrogate_nas.strategies.bridges.sampler`; a combination that is no cell stands for the nearest
cell, as in our own bridges to other libraries.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import replacing
from surrogate_nas.objective import Objective
from surrogate_nas.report.export import Format
from surrogate_nas.report.exporting import clock, run_row
from surrogate_nas.report.reading import (
    Comparison,
    Ledger,
    Run,
    Source,
    StudyResult,
    results_of,
)
from surrogate_nas.space import Cell, ChoiceSpace
from surrogate_nas.space.trial import Trial
from surrogate_nas.strategies.bridges.base import nearest_cell

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

_CONSTRAINTS = (
    "constraints"  # the system attribute of constraints, which Optuna's dashboard reads
)
_WRITER = "surrogate_nas"
_BROKEN = "broken limits"


def write_optuna(source: Source, out: str | Path) -> list[Path]:
    """Write every run as a study; the file is whole or as it was before, and the same results give
    the same bytes.

    Returns:
        The file, which ``optuna-dashboard FILE`` opens.

    Raises:
        UserError: There is nothing to export, Optuna is not installed, or the file cannot be
            written.

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
            JournalFileBackend(str(temporary), lock_obj=lock).append_logs(_logs_of(result))
    finally:
        optuna.logging.set_verbosity(verbosity)
    return [out]


def _logs_of(result: StudyResult) -> list[dict[str, Any]]:
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
    for comparison in result.comparisons.values():
        for run in comparison.ended_runs:
            _add_study(storage, comparison, run)
    return [log | {"worker_id": _WRITER} for log in memory.logs]


def _add_study(storage: Any, comparison: Comparison, run: Run) -> None:
    import optuna

    from surrogate_nas.strategies.bridges.sampler import distributions_of

    objective = comparison.objective
    name = f"{run.strategy} / run {run.run}"
    if comparison.problem:
        name = f"{comparison.problem} / {name}"
    study = optuna.create_study(
        storage=storage, study_name=name, directions=["minimize"] * objective.parts
    )
    names = [objective.part_text(number) for number in range(objective.parts)]
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
        "unit of times": objective.benchmark.cost,
        "optimum": comparison.optimum,
        "provenance": description["provenance"],
        **run_row(comparison, run),
    }
    for key, value in attributes.items():
        if value not in (None, ""):
            study.set_user_attr(key, value)
    space = objective.benchmark.space
    distributions = distributions_of(space) if isinstance(space, ChoiceSpace) else {}
    study.add_trials(_frozen(objective, run, trial, distributions) for trial in run.trials)


def _frozen(
    objective: Objective, run: Run, trial: Trial, distributions: dict[str, BaseDistribution]
) -> FrozenTrial:
    from optuna.trial import TrialState, create_trial

    from surrogate_nas.strategies.bridges.sampler import parameters_of

    state = TrialState.COMPLETE
    values = None
    if trial.failure:
        state = TrialState.FAIL
    elif trial.epochs != run.epochs:
        state = TrialState.PRUNED
    else:
        values = _natural_scores(objective, trial)
    curve = {}
    if trial.epochs is not None and objective.parts == 1 and not trial.failure:
        curve[trial.epochs] = trial.score
    space = objective.benchmark.space
    violations = _violations(objective, trial)
    frozen = create_trial(
        state=state,
        values=values,
        params=parameters_of(space, trial.cell) if isinstance(space, ChoiceSpace) else {},
        distributions=distributions,
        user_attrs=_attributes(trial),
        system_attrs={_CONSTRAINTS: violations} if violations else {},
        intermediate_values=curve,
    )
    frozen.datetime_start = clock(trial.started)
    frozen.datetime_complete = clock(trial.finished)
    return frozen


def _natural_scores(objective: Objective, trial: Trial) -> list[float]:
    """Each objective's score as if there were no limits: an infeasible cell is not put behind the
    feasible ones.
    """
    if objective.parts == 1:
        return [trial.loss + trial.penalty]
    if trial.feasible:
        return list(trial.scores)
    scores = [0.0] * objective.parts
    for term in objective.terms:
        scores[term.part] += term.score(trial.values[term.name])
    return scores


def _violations(objective: Objective, trial: Trial) -> list[float]:
    """By how much a trial breaks each limit, in shares of the limit; 0 where it keeps it."""
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
        "cost": trial.cost_seconds,
    }
    for name, value in trial.values.items():
        if math.isfinite(value):
            attributes[name] = value
    return attributes


class OptunaObjective:
    """L + λR as a function of an Optuna trial, to be minimised; several objectives give as many
    values.

    Unstable since 0.2: it may change in a minor release.

    Every evaluation is charged as in one of our runs. The user attributes of a trial are the cell,
    L, λR, the metrics, its cost and the cost of all trials so far. Limits become constraints:
    Optuna 5 reads them from the trial, earlier versions from the sampler's
    ``constraints_func=objective.constraints``.

    Example:
        >>> import optuna, surrogate_nas as sn
        >>> optuna.logging.set_verbosity(optuna.logging.ERROR)
        >>> objective = OptunaObjective(
        ...     sn.Objective("valid_loss + 0.1*params", sn.load("fashion"))
        ... )
        >>> study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
        >>> study.optimize(objective, n_trials=20)
        >>> study.best_value == min(trial.score for trial in objective.trials)
        True

    Attributes:
        trials: Everything evaluated so far, in the order of finishing.
    """

    def __init__(self, objective: Objective, *, seed: int = 0) -> None:
        """Tie it to an objective; nothing is spent yet.

        Args:
            objective: Over a space of choices.
            seed: The number of the run; it decides which training seeds are drawn.

        Raises:
            UserError: The space is not a `ChoiceSpace`.
        """
        if not isinstance(objective, Objective):
            raise UserError(f"This wraps a surrogate_nas.Objective, not {objective!r:.80}.")
        space = objective.benchmark.space
        if not isinstance(space, ChoiceSpace):
            raise UserError(
                f"Optuna's parameters are choices (ChoiceSpace), which cells of {space.name} are"
                " not."
            )
        self.objective = objective
        self.trials = list[Trial]()
        self._space = space
        self._ledger = Ledger(objective, run=seed)
        self._lock = Lock()

    @property
    def directions(self) -> list[str]:
        """What ``optuna.create_study`` wants: all objectives are minimised."""
        return ["minimize"] * self.objective.parts

    @property
    def cost(self) -> float:
        """What all evaluations have been charged, in seconds or queries."""
        return self._ledger.cost

    def cell(self, trial: optuna.trial.BaseTrial) -> Cell:
        """The cell of a trial: every position is suggested."""
        from surrogate_nas.strategies.bridges.sampler import suggested

        return nearest_cell(self._space, suggested(self._space, trial))

    def __call__(self, trial: optuna.trial.Trial) -> float | tuple[float, ...]:
        """Evaluate the cell that a trial suggests.

        Returns:
            L + λR, or one number for each of several objectives; of an infeasible cell too, which
            its constraints tell.

        Raises:
            UserError: The benchmark does not hold the cell.
        """
        cell = self.cell(trial)
        with self._lock:
            (outcome,) = self._ledger.look_up([cell])
            evaluated = self._ledger.trial(outcome, self._ledger.cost)
            self.trials.append(evaluated)
            cost = self._ledger.cost
        violations = _violations(self.objective, evaluated)
        attributes = _attributes(evaluated) | {"cost so far": cost, _BROKEN: violations}
        for name, value in attributes.items():
            trial.set_user_attr(name, value)
        if hasattr(trial, "set_constraint"):
            limits = (str(limit) for limit, *_ in self.objective.constraints)
            for limit, excess in zip(limits, violations, strict=True):
                trial.set_constraint(limit, excess)
        scores = _natural_scores(self.objective, evaluated)
        return scores[0] if len(scores) == 1 else tuple(scores)

    def constraints(self, trial: optuna.trial.FrozenTrial) -> Sequence[float]:
        """By how much a finished trial breaks each limit, for ``constraints_func`` of a sampler."""
        violations: list[float] = trial.user_attrs[_BROKEN]
        return violations


EXPORT = Format(
    write_optuna,
    "optuna.log",
    "Open it: optuna-dashboard {out}",
    "a journal that `optuna-dashboard` opens, with a study for each run",
    needs=("optuna",),
)
