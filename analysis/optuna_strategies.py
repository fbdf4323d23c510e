"""Optuna's samplers as strategies: an adapter in the ask/tell interface, to compare against.

Akiba et al., "Optuna: A Next-generation Hyperparameter Optimization Framework", KDD 2019. Every position of a space is
a categorical parameter. A cell that the sampler repeats is asked again and charged again, as for every strategy.

    snas compare nb201-cifar10 --strategies bo,analysis/optuna_strategies.py:OptunaTPE --runs 5 --budget 100
"""

from collections.abc import Sequence
from typing import ClassVar

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution

import surrogate_nas as sn
from surrogate_nas.space import Cell, Space

optuna.logging.set_verbosity(optuna.logging.ERROR)


class _OptunaStrategy(sn.Strategy):
    sampler: ClassVar[type[optuna.samplers.BaseSampler]]

    def __init__(self, space: Space, *, seed: int) -> None:
        super().__init__(space, seed=seed)
        self._distributions: dict[str, BaseDistribution] = {
            position: CategoricalDistribution(options)
            for position, options in zip(space.positions, space.options, strict=True)
        }
        self._study = optuna.create_study(sampler=type(self).sampler(seed=seed % 2**32))
        self._pending: dict[Cell, list[optuna.Trial]] = {}

    def ask(self, n: int) -> Sequence[Cell]:
        return [self._ask_one() for _ in range(n)]

    def _ask_one(self) -> Cell:
        trial = self._study.ask(self._distributions)
        choices = [
            options.index(trial.params[position])
            for position, options in zip(self.space.positions, self.space.options, strict=True)
        ]
        cell = self.space.cell(choices)
        self._pending.setdefault(cell, []).append(trial)
        return cell

    def tell(self, trials: Sequence[sn.Trial]) -> None:
        for trial in trials:
            if self._pending.get(trial.cell):
                self._study.tell(self._pending[trial.cell].pop(0), trial.score)
            else:
                self._study.add_trial(self._finished(trial))

    def _finished(self, trial: sn.Trial) -> optuna.trial.FrozenTrial:
        places = zip(self.space.positions, self.space.options, trial.cell.choices, strict=True)
        params = {position: options[choice] for position, options, choice in places}
        return optuna.trial.create_trial(params=params, distributions=self._distributions, value=trial.score)


class OptunaTPE(_OptunaStrategy):
    """The tree-structured Parzen estimator, Optuna's default."""

    sampler = optuna.samplers.TPESampler


class OptunaGP(_OptunaStrategy):
    """Optuna's Gaussian process."""

    sampler = optuna.samplers.GPSampler
