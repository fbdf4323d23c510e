"""SMAC3: Bayesian optimisation with a random forest (smac), or another facade of the library, such
as smac:BlackBox.

Lindauer et al., "SMAC3: A Versatile Bayesian Optimization Package for Hyperparameter Optimization",
JMLR 2022. Every position of the space is a categorical parameter. SMAC's initial design uses at
most a quarter of the trials that its option ``budget`` allows. SMAC writes its files to a temporary
folder. If SMAC has no further configuration, a random cell is proposed.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from surrogate_nas.core import unknown, whole
from surrogate_nas.space import Cell, Trial
from surrogate_nas.strategies.bridges.base import (
    Bridge,
    by_name,
    library,
    strategy_class,
)

_FACADES = {
    "BlackBox": "BlackBoxFacade",
    "HyperparameterOptimization": "HyperparameterOptimizationFacade",
    "Random": "RandomFacade",
}
_USUAL = "HyperparameterOptimization"
_BUDGET = 150


@contextmanager
def _same_in_every_process() -> Iterator[None]:
    """Give SMAC's sets of configurations a fixed order, and its forest one thread.

    The default hash of a configuration is that of a text, which differs between processes. By
    default the forest also starts a pool of threads for every prediction, which takes longer than
    the prediction.
    """
    from ConfigSpace import Configuration
    from joblib import parallel_config

    usual = Configuration.__hash__
    Configuration.__hash__ = (  # type: ignore[method-assign]
        lambda self: hash(tuple(self.get_array().tolist()))
    )
    try:
        with parallel_config(backend="sequential"):
            yield
    finally:
        Configuration.__hash__ = usual  # type: ignore[method-assign]


class SmacStrategy(Bridge):
    """A strategy that runs one of SMAC3's facades."""

    facade: ClassVar[str]

    @_same_in_every_process()
    def _propose(self) -> Cell:
        from smac.main.exceptions import ConfigurationSpaceExhaustedException

        try:
            info = self._running.ask()
        except (StopIteration, ConfigurationSpaceExhaustedException):
            return self.space.sample(self.rng)
        return self._waits([int(info.config[name]) for name in self._names], info)

    @_same_in_every_process()
    def _learn(self, trial: Trial) -> None:
        from ConfigSpace import Configuration
        from smac.runhistory import StatusType, TrialInfo, TrialValue

        facade = self._running
        info = self._question(trial)
        if info is None:
            values = dict(zip(self._names, trial.cell.choices, strict=True))
            info = TrialInfo(Configuration(self._space, values=values), seed=0)
        value = TrialValue(cost=trial.score)
        if trial.failure:
            value = TrialValue(math.inf, status=StatusType.CRASHED)
        facade.tell(info, value, save=False)

    @cached_property
    def _running(self) -> Any:
        import smac
        from ConfigSpace import Categorical, ConfigurationSpace

        self._names = [f"p{place}" for place in range(len(self.space.positions))]
        self._space = ConfigurationSpace(seed=self.own_seed)
        counts = map(len, self.space.options)
        self._space.add(
            [
                Categorical(name, range(n))
                for name, n in zip(self._names, counts, strict=True)
            ]
        )
        self._folder = TemporaryDirectory(prefix="surrogate_nas-smac-")
        scenario = smac.Scenario(
            self._space,
            deterministic=True,
            n_trials=self.knobs["budget"],
            seed=self.own_seed,
            output_directory=Path(self._folder.name),
        )
        facade = getattr(smac, self.facade)
        return facade(scenario, _nothing, overwrite=True, logging_level=False)


def _nothing(config: Any, seed: int = 0) -> float:
    raise NotImplementedError


@cache
def bridge(name: str = "") -> type[SmacStrategy]:
    """Return the strategy class of one of SMAC3's facades.

    Args:
        name: The name of a facade, such as ``BlackBox``; empty for the default facade.

    Raises:
        UserError: SMAC3 is not installed, or has no such facade for choices.

    Example:
        >>> import surrogate_nas as sn
        >>> bridge("Random")(sn.nb201(), seed=0).ask(1)[0] in sn.nb201()
        True
    """
    library("smac", f"smac:{name}" if name else "smac")
    if (name or _USUAL) not in _FACADES:
        raise unknown("facade of SMAC3", name, _FACADES)
    if not name:
        return bridge(_USUAL)
    return strategy_class(
        SmacStrategy,
        name,
        {"budget": whole(_BUDGET, 1)},
        origin=f"smac:{name}",
        facade=_FACADES[name],
    )


__getattr__ = by_name(bridge)
