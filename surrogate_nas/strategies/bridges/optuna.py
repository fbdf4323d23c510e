"""Optuna: any sampler of the library by name, such as optuna:TPESampler(n_startup_trials=5).

Akiba, Sano, Yanase, Ohta & Koyama, "Optuna: A Next-generation Hyperparameter Optimization
Framework", KDD 2019. Every position of the space is a categorical parameter. For CMA-ES and
quasi-Monte Carlo, which do not support categorical parameters, a position is an integer parameter,
the index of the option. Pending cells are running trials of Optuna's study. Trials that Optuna did
not propose are added to the study, but Optuna's genetic samplers select parents only among their
own trials.
"""

from functools import cache, cached_property
from typing import Any, ClassVar

from surrogate_nas.core import unknown
from surrogate_nas.space import Cell, Trial
from surrogate_nas.strategies.bridges.base import (
    Bridge,
    by_name,
    library,
    plain_knobs,
    strategy_class,
)

_ORDERED = {"CmaEsSampler", "QMCSampler"}
_ONE_OBJECTIVE = {"CmaEsSampler"}
# Not samplers by themselves, or such as end when a grid is exhausted, which a run of ours does not.
_OTHERS = {
    "BaseSampler",
    "BaseGASampler",
    "GridSampler",
    "PartialFixedSampler",
    "BruteForceSampler",
}
# Without scrambling, its points heed no seed.
_DEFAULTS = {"QMCSampler": {"scramble": True}}
_QUIET = ("warn_independent_sampling", "warn_asynchronous_seeding")


class OptunaStrategy(Bridge):
    """A strategy that runs one of Optuna's samplers.

    Attributes:
        ordered: Whether options are encoded as integers, for a sampler without categorical
            parameters.
    """

    sampler: ClassVar[Any]
    ordered: ClassVar[bool]

    def _propose(self) -> Cell:
        trial = self._study.ask(self._distributions)
        return self._waits(
            [trial.params[position] for position in self.space.positions], trial
        )

    def _learn(self, trial: Trial) -> None:
        import optuna

        question = self._question(trial)
        if question is not None:
            failed = optuna.trial.TrialState.FAIL if trial.failure else None
            self._study.tell(
                question, None if failed else self._losses(trial), state=failed
            )
        elif not trial.failure:
            params = dict(zip(self.space.positions, trial.cell.choices, strict=True))
            self._study.add_trial(
                optuna.trial.create_trial(
                    params=params,
                    distributions=self._distributions,
                    values=self._losses(trial),
                )
            )

    @cached_property
    def _distributions(self) -> dict[str, Any]:
        from optuna.distributions import CategoricalDistribution, IntDistribution

        counts = map(len, self.space.options)
        return {
            position: IntDistribution(0, n - 1)
            if self.ordered
            else CategoricalDistribution(tuple(range(n)))
            for position, n in zip(self.space.positions, counts, strict=True)
        }

    @cached_property
    def _study(self) -> Any:
        import optuna

        sampler = type(self).sampler(seed=self.own_seed, **self.knobs)
        return optuna.create_study(
            sampler=sampler, directions=["minimize"] * self.objectives
        )


@cache
def bridge(name: str) -> type[OptunaStrategy]:
    """Return the strategy class of one of Optuna's samplers.

    Args:
        name: The name of a sampler, such as ``TPESampler``.

    Raises:
        UserError: Optuna, or a library that the sampler needs, is not installed, or Optuna has no
            such sampler.

    Example:
        >>> import surrogate_nas as sn
        >>> bridge("TPESampler")(sn.nb201(), seed=0).ask(1)[0] in sn.nb201()
        True
    """
    samplers = library("optuna", f"optuna:{name}").samplers
    known = [
        each
        for each in samplers.__all__
        if each.endswith("Sampler") and each not in _OTHERS
    ]
    if name not in known:
        raise unknown("sampler of Optuna", name, known)
    if name == "CmaEsSampler":
        library("cmaes", f"optuna:{name}")
    sampler = getattr(samplers, name)
    knobs = plain_knobs(sampler, ("seed", *_QUIET), _DEFAULTS.get(name, {}))
    attributes = {
        "origin": f"optuna:{name}",
        "sampler": sampler,
        "ordered": name in _ORDERED,
    }
    return strategy_class(
        OptunaStrategy,
        name,
        knobs,
        many_objectives=name not in _ONE_OBJECTIVE,
        **attributes,
    )


__getattr__ = by_name(bridge)
