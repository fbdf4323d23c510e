"""A benchmark as the objective of anybody's Optuna study, in three lines.

Akiba, Sano, Yanase, Ohta & Koyama, "Optuna: A Next-generation Hyperparameter Optimization Framework", KDD 2019. Every
position of the space is a categorical parameter of its name, as in `surrogate_nas.strategies.bridges.sampler`. A
combination that is no cell stands for the nearest cell, as in our own bridges to other libraries.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

from surrogate_nas.core.errors import UserError
from surrogate_nas.objective import Objective
from surrogate_nas.report.export.optuna import attributes, natural_scores, violations
from surrogate_nas.space import Cell, ChoiceSpace
from surrogate_nas.space.trial import Trial
from surrogate_nas.strategies.bridges.base import nearest_cell
from surrogate_nas.study.ledger import Ledger

if TYPE_CHECKING:
    import optuna

_CONSTRAINTS = "broken limits"


class OptunaObjective:
    """L + λR as a function of an Optuna trial, to be minimised; several objectives give as many values.

    Every evaluation is charged as in a run of ours, and each trial's user attributes tell the cell, L, λR, the metrics,
    what it cost and what all have cost so far. Limits become constraints: Optuna 5 is told them by the trial, an
    earlier one by ``constraints_func=objective.constraints`` of its sampler.

    Example:
        >>> import optuna, surrogate_nas as sn
        >>> optuna.logging.set_verbosity(optuna.logging.ERROR)
        >>> objective = OptunaObjective(sn.Objective("valid_loss + 0.1*params", sn.load("fashion")))
        >>> study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
        >>> study.optimize(objective, n_trials=20)
        >>> study.best_value == min(trial.score for trial in objective.trials)
        True

    Attributes:
        objective: What is minimised.
        trials: Everything evaluated so far, in the order of finishing.
    """

    def __init__(self, objective: Objective, *, seed: int = 0) -> None:
        """Tie it to an objective; nothing is spent yet.

        Args:
            objective: Over a space of choices.
            seed: The number of the run, which decides what is seen where training seeds are drawn.

        Raises:
            UserError: The space is none of choices.
        """
        if not isinstance(objective, Objective):
            raise UserError(f"This wraps a surrogate_nas.Objective, not {objective!r:.80}.")
        space = objective.benchmark.space
        if not isinstance(space, ChoiceSpace):
            raise UserError(f"Optuna's parameters are choices (ChoiceSpace), which cells of {space.name} are not.")
        self.objective, self.trials = objective, list[Trial]()
        self._space, self._ledger, self._lock = space, Ledger(objective, run=seed), Lock()

    @property
    def directions(self) -> list[str]:
        """What ``optuna.create_study`` wants: all objectives are minimised."""
        return ["minimize"] * self.objective.parts

    @property
    def cost(self) -> float:
        """What all evaluations have been charged, in seconds or queries."""
        return self._ledger.cost

    def cell(self, trial: optuna.trial.BaseTrial) -> Cell:
        """The cell of a trial: every position is suggested.

        Args:
            trial: A trial of a study.
        """
        chosen = [
            options.index(trial.suggest_categorical(position, options))
            for position, options in zip(self._space.positions, self._space.options, strict=True)
        ]
        return nearest_cell(self._space, chosen)

    def __call__(self, trial: optuna.trial.Trial) -> float | tuple[float, ...]:
        """Evaluate the cell that a trial suggests.

        Args:
            trial: A trial of a study.

        Returns:
            L + λR, or one number for each of several objectives; of an infeasible cell too, which its constraints tell.

        Raises:
            UserError: The benchmark does not hold the cell.
        """
        cell = self.cell(trial)
        with self._lock:
            (outcome,) = self._ledger.look_up([cell])
            made = self._ledger.trial(outcome, self._ledger.cost)
            self.trials.append(made)
            spent = self._ledger.cost
        broken = violations(self.objective, made)
        told = attributes(made) | {"cost so far": spent, _CONSTRAINTS: broken}
        for name, value in told.items():
            trial.set_user_attr(name, value)
        if hasattr(trial, "set_constraint"):
            limits = (str(limit) for limit, *_ in self.objective.constraints)
            for limit, excess in zip(limits, broken, strict=True):
                trial.set_constraint(limit, excess)
        scores = natural_scores(self.objective, made)
        return scores[0] if len(scores) == 1 else tuple(scores)

    def constraints(self, trial: optuna.trial.FrozenTrial) -> Sequence[float]:
        """By how much a finished trial breaks each limit, for ``constraints_func`` of a sampler.

        Args:
            trial: A trial of a study with this objective.
        """
        told: list[float] = trial.user_attrs[_CONSTRAINTS]
        return told
