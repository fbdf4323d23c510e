"""SMAC3: Bayesian optimisation with a random forest, as ``smac``, or another of its facades, as in
``smac:BlackBox``.

Lindauer et al., "SMAC3: A Versatile Bayesian Optimization Package for Hyperparameter Optimization",
JMLR 2022. Every position is a categorical parameter. SMAC's initial design takes at most a quarter
of its ``budget`` of trials. What it writes goes into a temporary folder. Where it has no further
configuration, a cell is drawn at random.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from inspect import Parameter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from surrogate_nas.core.errors import unknown
from surrogate_nas.space import Cell
from surrogate_nas.space.trial import Trial
from surrogate_nas.strategies.bridges.base import Bridge, library, named, strategy_class

_FACADES = {
    "BlackBox": "BlackBoxFacade",
    "HyperparameterOptimization": "HyperparameterOptimizationFacade",
    "Random": "RandomFacade",
}
_USUAL = "HyperparameterOptimization"
_BUDGET = 150


class SmacStrategy(Bridge):
    """One of SMAC3's facades.

    Attributes:
        facade: The name of SMAC3's facade.

    Example:
        >>> from surrogate_nas.space import nb201
        >>> len(bridge()(nb201(), seed=0, budget=40).ask(2))
        2
    """

    facade: ClassVar[str]
    _facade: Any = None

    def _propose(self) -> Cell:
        with _same_in_every_process():
            return self._proposed()

    def _learn(self, trial: Trial) -> None:
        with _same_in_every_process():
            self._learned(trial)

    def _proposed(self) -> Cell:
        from smac.main.exceptions import ConfigurationSpaceExhaustedException

        try:
            info = self._the_facade().ask()
        except (StopIteration, ConfigurationSpaceExhaustedException):
            return self.space.sample(self.rng)
        return self._waits([int(info.config[name]) for name in self._names], info)

    def _learned(self, trial: Trial) -> None:
        from ConfigSpace import Configuration
        from smac.runhistory import StatusType, TrialInfo, TrialValue

        facade = self._the_facade()
        info = self._question(trial)
        if info is None:
            values = dict(zip(self._names, trial.cell.choices, strict=True))
            info = TrialInfo(Configuration(self._space, values=values), seed=0)
        value = (
            TrialValue(math.inf, status=StatusType.CRASHED)
            if trial.failure
            else TrialValue(cost=trial.score)
        )
        facade.tell(info, value, save=False)

    def _the_facade(self) -> Any:
        if self._facade is None:
            import smac
            from ConfigSpace import Categorical, ConfigurationSpace

            self._names = [f"p{place}" for place in range(len(self.space.positions))]
            self._space = ConfigurationSpace(seed=self.own_seed)
            counts = [len(options) for options in self.space.options]
            self._space.add(
                [Categorical(name, range(n)) for name, n in zip(self._names, counts, strict=True)]
            )
            self._folder = TemporaryDirectory(prefix="surrogate_nas-smac-")
            scenario = smac.Scenario(
                self._space,
                deterministic=True,
                n_trials=self.knobs["budget"],
                seed=self.own_seed,
                output_directory=Path(self._folder.name),
            )
            self._facade = getattr(smac, self.facade)(
                scenario,
                _nothing,
                overwrite=True,
                logging_level=False,
            )
        return self._facade


@contextmanager
def _same_in_every_process() -> Iterator[None]:
    """Let SMAC's sets of configurations have one order, and its forest one thread.

    The usual hash of a configuration is that of a text, which processes draw. And the forest would
    make a pool of threads for every prediction, which takes longer than the prediction.
    """
    from ConfigSpace import Configuration
    from joblib import parallel_config

    usual = Configuration.__hash__
    Configuration.__hash__ = lambda self: hash(tuple(self.get_array().tolist()))  # type: ignore[method-assign]
    try:
        with parallel_config(backend="sequential"):
            yield
    finally:
        Configuration.__hash__ = usual  # type: ignore[method-assign]


def _nothing(config: Any, seed: int = 0) -> float:
    raise NotImplementedError


@cache
def bridge(name: str = "") -> type[SmacStrategy]:
    """A strategy of one of SMAC3's facades.

    Args:
        name: Such as ``BlackBox``; empty for the usual one.

    Raises:
        UserError: SMAC3 is not installed, or has no such facade for choices.

    Example:
        >>> from surrogate_nas.space import nb201
        >>> bridge("Random")(nb201(), seed=0).ask(1)[0] in nb201()
        True
    """
    library("smac", f"smac:{name}" if name else "smac")
    if (name or _USUAL) not in _FACADES:
        raise unknown("facade of SMAC3", name, _FACADES)
    if not name:
        return bridge(_USUAL)
    knobs = {
        "budget": Parameter(
            "budget",
            Parameter.KEYWORD_ONLY,
            default=_BUDGET,
            annotation="int",
        )
    }
    return strategy_class(
        SmacStrategy,
        name,
        knobs,
        origin=f"smac:{name}",
        facade=_FACADES[name],
    )


def __getattr__(name: str) -> type[SmacStrategy]:
    """A bridge's class by its name, so that it can be pickled."""
    return named(bridge, name)
