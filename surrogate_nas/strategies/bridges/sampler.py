"""Strategies of ours as a sampler of Optuna's, so that they drive anybody's study over a space of
choices.

Akiba, Sano, Yanase, Ohta & Koyama, "Optuna: A Next-generation Hyperparameter Optimization
Framework", KDD 2019. Every position of the space is a categorical parameter of its name. The
strategy is told every finished trial whose parameters make a cell, whoever asked for it, in the
order of their numbers; failed and pruned ones are not told.

A strategy knows the positions of its space and nothing else. A parameter that is none of them, a
number that is drawn from a range, and a trial that leaves a position out would be searched at
random, so each is refused in a line. Whole numbers are positions where the space lists them:
``suggest_int("depth", 1, 3)`` is right for the options 1, 2 and 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import Cell, ChoiceSpace, Space, Trial
from surrogate_nas.strategies import StrategyLike, strategy_entry


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
    return [
        options.index(trial.suggest_categorical(position, options))
        for position, options in places
    ]


def _agree(distribution: BaseDistribution, options: Sequence[str]) -> bool:
    values: Sequence[Any] = ()
    if isinstance(distribution, CategoricalDistribution):
        values = distribution.choices
    elif isinstance(distribution, IntDistribution):
        values = range(distribution.low, distribution.high + 1, distribution.step)
    return len(values) == len(options) and sorted(map(str, values)) == sorted(options)


class StrategySampler(optuna.samplers.RandomSampler):
    """Any strategy as an Optuna sampler, for one study.

    Unstable since 0.2: it may change in a minor release.

    Every position of the space is suggested in every trial, as `cell` does, and nothing else.

    Args:
        strategy: A name, with options or without, ``file.py:Class``, or a class.
        space: The space that cells come from.
        seed: The root of all randomness.

    Raises:
        UserError: There is no such strategy, it chooses epochs, or the space is none of
            choices.

    Attributes:
        space: The space that cells come from.
        strategy: What asks for them.
    """

    def __init__(self, strategy: StrategyLike, space: Space, *, seed: int = 0) -> None:
        super().__init__(seed)
        entry = strategy_entry(strategy)
        kind = entry.load()
        if not isinstance(space, ChoiceSpace):
            raise UserError(
                f"An Optuna sampler needs a space of choices (ChoiceSpace); {space.name} is none."
            )
        if kind.chooses_epochs:
            raise UserError(f"{entry.label} chooses epochs, which an Optuna study has not.")
        self.space = space
        self._name = entry.label
        self.strategy = kind(space, seed=seed)
        self._observed: set[int] = set()
        self._asked: dict[int, dict[str, Any]] = {}

    def cell(self, trial: optuna.trial.BaseTrial) -> Cell:
        """The cell of a trial, for the objective of a study: every position is suggested."""
        return self.space.at(suggested(self.space, trial))

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The option of the proposed cell; at a trial's first parameter, the strategy first
        observes finished trials.
        """
        self._check(param_name, param_distribution)
        if trial.number not in self._asked:
            self._tell(study)
            cell: Cell = self.strategy.ask(1)[0]  # type: ignore[assignment]
            self._asked[trial.number] = parameters_of(self.space, cell)
        option = self._asked[trial.number][param_name]
        if isinstance(param_distribution, CategoricalDistribution):
            return next(each for each in param_distribution.choices if str(each) == option)
        return int(option)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Refuse a finished trial without all positions, which the strategy could not observe."""
        del study, values
        asked = self._asked.pop(trial.number, None)
        left_out = [
            position for position in self.space.positions if position not in trial.params
        ]
        if state == TrialState.COMPLETE and asked is not None and left_out:
            raise UserError(
                f"Trial {trial.number} did not suggest {', '.join(left_out)}, so it makes no cell"
                f" of {self.space.name} and the strategy cannot learn from it: suggest every"
                " position, as sampler.cell(trial) does."
            )

    def _check(self, parameter: str, distribution: BaseDistribution) -> None:
        kind = type(distribution).__name__.removesuffix("Distribution").lower()
        suggested = f"suggest_{kind}({parameter!r}, …)"
        if parameter not in self.space.positions:
            raise UserError(
                f"{self._name} chooses cells of {self.space.name}, and {suggested} is none of its"
                f" positions ({', '.join(self.space.positions)}): make it a position of the space,"
                " with the options to choose from, and suggest it by"
                f" suggest_categorical({parameter!r}, options); or leave it out."
            )
        options = self.space.options[self.space.positions.index(parameter)]
        if not _agree(distribution, options):
            raise UserError(
                f"{suggested} has other values than the position {parameter} of {self.space.name}:"
                f" right is suggest_categorical({parameter!r}, {list(options)})."
            )

    def _tell(self, study: Study) -> None:
        signs = [
            1 if direction == StudyDirection.MINIMIZE else -1
            for direction in study.directions
        ]
        if len(signs) > 1 and not self.strategy.many_objectives:
            raise UserError(
                f"{self._name} knows one objective, and the study has {len(signs)}."
            )
        self.strategy.objectives = len(signs)
        finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        new = [trial for trial in finished if trial.number not in self._observed]
        self._observed |= {trial.number for trial in new}
        if trials := [made for trial in new if (made := self._read(trial, signs))]:
            self.strategy.tell(trials)

    def _read(self, trial: FrozenTrial, signs: Sequence[int]) -> Trial | None:
        """A finished trial as the strategy observes it; None where its parameters make no cell."""
        try:
            places = zip(self.space.positions, self.space.options, strict=True)
            cell = self.space.at(
                [options.index(str(trial.params[position])) for position, options in places]
            )
        except (KeyError, ValueError):  # other parameters, or no cell of the space
            return None
        scores = tuple(
            sign * value for sign, value in zip(signs, trial.values, strict=True)
        )
        total = sum(scores)
        several = scores if len(scores) > 1 else ()
        return Trial(trial.number, cell, total, total, 0.0, True, None, 0.0, scores=several)
