"""Strategies by name, from a file, or from an installed package's entry point.

Names are resolved when used, so that listing them imports none.
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from surrogate_nas.errors import UserError, unknown
from surrogate_nas.plugin import import_file
from surrogate_nas.strategies.base import Strategy

__all__ = ["STRATEGIES", "Strategy", "StrategyLike", "is_builtin", "label", "resolve"]

StrategyLike = str | type[Strategy]
"""A registered name, ``file.py:Class``, or a class."""

ENTRY_POINT_GROUP = "surrogate_nas.strategies"

STRATEGIES = {
    "random": "surrogate_nas.strategies.random:RandomSearch",
    "random_sampling": "surrogate_nas.strategies.random_sampling:RandomSampling",
    "local_search": "surrogate_nas.strategies.local_search:LocalSearch",
    "first_improvement": "surrogate_nas.strategies.first_improvement:FirstImprovement",
    "iterated_local_search": "surrogate_nas.strategies.iterated_local_search:IteratedLocalSearch",
    "evolution": "surrogate_nas.strategies.evolution:RegularisedEvolution",
    "npenas": "surrogate_nas.strategies.npenas:Npenas",
    "reinforce": "surrogate_nas.strategies.reinforce:Reinforce",
    "bo": "surrogate_nas.strategies.bo:BayesianOptimisation",
    "guided": "surrogate_nas.strategies.guided:Guided",
    "bananas": "surrogate_nas.strategies.bananas:Bananas",
    "gnn_guided": "surrogate_nas.strategies.gnn_guided:GnnGuided",
    "forest": "surrogate_nas.strategies.forest:ForestSearch",
}
"""The strategies that come with the project: name → ``module:class``."""


def known() -> list[str]:
    """The names of all strategies, those of installed packages included."""
    return sorted({*STRATEGIES, *(point.name for point in entry_points(group=ENTRY_POINT_GROUP))})


def label(strategy: str | type[Strategy]) -> str:
    """The name that results carry.

    Args:
        strategy: A name, ``file.py:Class``, or a class.
    """
    if isinstance(strategy, str):
        return strategy.rpartition(":")[2]
    if not isinstance(strategy, type):
        raise UserError(f"A strategy is a name, file.py:Class, or a class, not {strategy!r:.80}.")
    return strategy.__name__


def is_builtin(strategy: str | type[Strategy]) -> bool:
    """Whether a strategy comes with the project, so that its code is trusted.

    Args:
        strategy: A name, ``file.py:Class``, or a class.
    """
    if isinstance(strategy, str):
        return strategy in STRATEGIES
    module = getattr(strategy, "__module__", "")
    held = getattr(sys.modules.get(module), getattr(strategy, "__name__", ""), None)
    return str(module).startswith(f"{__name__}.") and held is strategy


def resolve(strategy: str | type[Strategy]) -> type[Strategy]:
    """Find a strategy's class.

    Args:
        strategy: A registered name, ``path/to/file.py:Class``, or the class itself.

    Raises:
        UserError: There is no such name, file or class, the file fails to import, or it is no strategy.
    """
    if isinstance(strategy, type):
        return _checked(strategy, strategy.__name__)
    if not isinstance(strategy, str):
        raise UserError(f"A strategy is a name, file.py:Class, or a class, not {strategy!r:.80}.")
    if strategy in STRATEGIES:
        module, _, name = STRATEGIES[strategy].partition(":")
        return _checked(getattr(importlib.import_module(module), name), strategy)
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name == strategy:
            return _checked(_loaded(point), strategy)
    if ":" not in strategy:
        raise unknown("strategy", strategy, known())
    path, _, name = strategy.rpartition(":")
    module_of_file = import_file(Path(path), "strategy")
    if not hasattr(module_of_file, name):
        raise UserError(f"{path} defines no {name}.")
    return _checked(getattr(module_of_file, name), strategy)


def _loaded(point: EntryPoint) -> object:
    try:
        return point.load()
    except Exception as error:  # noqa: BLE001 - a stranger's package can raise anything
        said = " ".join(str(error).split())
        raise UserError(f"{point.value} cannot be imported: {type(error).__name__}: {said:.300}.") from error


def _checked(found: object, name: str) -> type[Strategy]:
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise UserError(f"{name} is not a subclass of surrogate_nas.Strategy.")
    return found
