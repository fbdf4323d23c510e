"""Strategies of ours as a sampler of Optuna's, so that they drive anybody's study over a space of choices.

Akiba, Sano, Yanase, Ohta & Koyama, "Optuna: A Next-generation Hyperparameter Optimization Framework", KDD 2019. Every
position of the space is a categorical parameter of its name. The strategy is told every finished trial whose parameters
make a cell, whoever asked for it, in the order of their numbers; failed and pruned ones are not told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import Cell, ChoiceSpace, Space
from surrogate_nas.space.trial import Trial
from surrogate_nas.strategies import StrategyLike, label, resolve


def distributions_of(space: ChoiceSpace) -> dict[str, BaseDistribution]:
    """A categorical parameter a position, by its name."""
    places = zip(space.positions, space.options, strict=True)
    return {position: CategoricalDistribution(options) for position, options in places}


def parameters_of(space: ChoiceSpace, cell: Cell) -> dict[str, Any]:
    """The options of a cell by the names of their positions."""
    places = zip(space.positions, space.options, cell.choices, strict=True)
    return {position: options[choice] for position, options, choice in places}


def suggested(space: ChoiceSpace, trial: optuna.trial.BaseTrial) -> list[int]:
    """The choices that a trial suggests, one option index per position."""
    places = zip(space.positions, space.options, strict=True)
    return [options.index(trial.suggest_categorical(position, options)) for position, options in places]


class StrategySampler(optuna.samplers.BaseSampler):
    """Any strategy as an Optuna sampler, for one study.

    Parameters that are no positions of the space are drawn at random.

    Example:
        >>> import optuna
        >>> from surrogate_nas.space import nb201
        >>> sampler = StrategySampler("evolution(population=5)", nb201(), seed=0)
        >>> optuna.logging.set_verbosity(optuna.logging.ERROR)
        >>> study = optuna.create_study(sampler=sampler)
        >>> study.optimize(lambda trial: str(sampler.cell(trial)).count("none"), n_trials=20)
        >>> study.best_value
        0.0

    Attributes:
        space: The space that cells come from.
        strategy: What asks for them.
    """

    def __init__(self, strategy: StrategyLike, space: Space, *, seed: int = 0) -> None:
        """Make the strategy.

        Args:
            strategy: A name, with options or without, ``file.py:Class``, or a class.
            space: The space that cells come from.
            seed: The root of all randomness.

        Raises:
            UserError: There is no such strategy, it chooses epochs, or the space is none of choices.
        """
        kind, name = resolve(strategy), label(strategy)
        if not isinstance(space, ChoiceSpace):
            raise UserError(f"An Optuna sampler needs a space of choices (ChoiceSpace); {space.name} is none.")
        if kind.chooses_epochs:
            raise UserError(f"{name} chooses epochs, which an Optuna study has not.")
        self.space, self._name = space, name
        self.strategy = kind(space, seed=seed)
        self._others = optuna.samplers.RandomSampler(seed=seed)
        self._observed: set[int] = set()
        self._distributions = distributions_of(space)

    def cell(self, trial: optuna.trial.BaseTrial) -> Cell:
        """The cell of a trial, for the objective of a study: every position is suggested."""
        return self.space.at(suggested(self.space, trial))

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: ARG002
        """Every position of the space."""
        return self._distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The options of the cell that the strategy asks for, after it was told what has finished.

        Raises:
            UserError: The study has several objectives, and the strategy knows one.
        """
        del trial, search_space
        self._tell(study)
        cell: Cell = self.strategy.ask(1)[0]  # type: ignore[assignment]
        return parameters_of(self.space, cell)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A parameter that is no position of the space, at random."""
        return self._others.sample_independent(study, trial, param_name, param_distribution)

    def _tell(self, study: Study) -> None:
        """Tell the strategy what has finished since."""
        signs = [1 if direction == StudyDirection.MINIMIZE else -1 for direction in study.directions]
        if len(signs) > 1 and not self.strategy.many_objectives:
            raise UserError(f"{self._name} knows one objective, and the study has {len(signs)}.")
        self.strategy.objectives = len(signs)
        finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        new = [trial for trial in finished if trial.number not in self._observed]
        self._observed |= {trial.number for trial in new}
        observed = [found for trial in new if (found := self._read(trial, signs)) is not None]
        if observed:
            self.strategy.tell(observed)

    def _read(self, trial: FrozenTrial, signs: Sequence[int]) -> Trial | None:
        """A finished trial as a strategy is told it; None where its parameters make no cell."""
        try:
            places = zip(self.space.positions, self.space.options, strict=True)
            cell = self.space.at([options.index(trial.params[position]) for position, options in places])
        except (KeyError, ValueError):  # other parameters, or no cell of the space
            return None
        scores = [sign * value for sign, value in zip(signs, trial.values, strict=True)]
        several = tuple(scores) if len(scores) > 1 else ()
        total = sum(scores)
        return Trial(trial.number, cell, total, total, 0.0, True, None, 0.0, scores=several)
