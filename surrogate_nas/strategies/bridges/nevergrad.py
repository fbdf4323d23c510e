"""Nevergrad: any optimiser of the library by name, such as nevergrad:PortfolioDiscreteOnePlusOne.

Bennet, Doerr, Moreau, Rapin, Teytaud & Teytaud, "Nevergrad: Black-Box Optimization Platform",
SIGEVOlution 2021. Every position of the space becomes an unordered, deterministic choice. With a
stochastic choice, Nevergrad would attribute the score of a cell to a random sample. Trials that
Nevergrad did not propose are not reported to optimisers that cannot learn from such trials. Several
objectives are passed to Nevergrad, most of whose optimisers combine them into one loss by the
hypervolume.
"""

from contextlib import suppress
from difflib import get_close_matches
from functools import cache, cached_property
from typing import Any, ClassVar

import numpy as np

from surrogate_nas.core import unknown, whole
from surrogate_nas.space import Cell, Trial
from surrogate_nas.strategies.bridges.base import (
    Bridge,
    by_name,
    library,
    strategy_class,
)

_BUDGET = 150
# Writes into the current folder, and has a bridge of its own.
_ELSEWHERE = {"SMAC3"}
_SOME = ("DE", "NGOpt", "OnePlusOne", "PortfolioDiscreteOnePlusOne")


class NevergradStrategy(Bridge):
    """A strategy that runs one of Nevergrad's optimisers.

    Some optimisers choose how to search from the options ``num_workers`` and ``budget`` (a number
    of cells). The search continues after the ``budget`` of the optimiser is used.
    """

    optimizer: ClassVar[Any]
    many_objectives: ClassVar[bool] = True

    def _propose(self) -> Cell:
        candidate = self._running.ask()
        return self._waits(list(candidate.value), candidate)

    def _learn(self, trial: Trial) -> None:
        from nevergrad.optimization.base import errors

        candidate = self._question(trial)
        if trial.failure:  # it is as if it was still under way
            return
        if candidate is None:
            parametrization = self._running.parametrization
            candidate = parametrization.spawn_child(new_value=trial.cell.choices)
        losses = self._losses(trial)
        with suppress(errors.TellNotAskedNotSupportedError):
            self._running.tell(candidate, losses if self.objectives > 1 else losses[0])

    @cached_property
    def _running(self) -> Any:
        from nevergrad import p as parametrization

        choices = parametrization.Tuple(
            *(
                parametrization.Choice(range(len(names)), deterministic=True)
                for names in self.space.options
            )
        )
        choices.random_state = np.random.RandomState(self.own_seed)
        return type(self).optimizer(choices, **self.knobs)


@cache
def bridge(name: str) -> type[NevergradStrategy]:
    """Return the strategy class of one of Nevergrad's optimisers.

    Args:
        name: The name of an optimiser in Nevergrad's registry, such as ``OnePlusOne``.

    Raises:
        UserError: Nevergrad is not installed, or has no such optimiser.

    Example:
        >>> import surrogate_nas as sn
        >>> bridge("DiscreteOnePlusOne")(sn.nb201(), seed=0).ask(1)[0] in sn.nb201()
        True
    """
    registry = library("nevergrad", f"nevergrad:{name}").optimizers.registry
    if name not in registry or name in _ELSEWHERE:
        near = get_close_matches(name, registry, n=8)
        raise unknown(
            f"optimiser of Nevergrad's {len(registry)}", name, {*near, *_SOME}
        )
    knobs = {"budget": whole(_BUDGET, 1), "num_workers": whole(1, 1)}
    return strategy_class(
        NevergradStrategy,
        name,
        knobs,
        origin=f"nevergrad:{name}",
        optimizer=registry[name],
    )


__getattr__ = by_name(bridge)
