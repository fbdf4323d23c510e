"""Strategies by name, from a file, or from an installed package's entry point.

Names are resolved when used, so that listing them imports none.
"""

from __future__ import annotations

import sys
from typing import Any

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.extras import opened
from surrogate_nas.core.registry import Check, Registry, described_at, subclass_of
from surrogate_nas.strategies.base import Strategy
from surrogate_nas.strategies.reference import Reference, configured

__all__ = [
    "BLIND",
    "BRIDGES",
    "DEFAULTS",
    "ONE_SHOT",
    "STRATEGIES",
    "Strategy",
    "StrategyLike",
    "behind",
    "is_builtin",
    "label",
    "resolve",
]

StrategyLike = str | type[Strategy]
"""A registered name, ``file.py:Class``, either with options as in ``evolution(population=50)``, or
a class.
"""

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
    "successive_halving": "surrogate_nas.strategies.epochs.successive_halving:SuccessiveHalving",
    "hyperband": "surrogate_nas.strategies.epochs.hyperband:Hyperband",
    "bohb": "surrogate_nas.strategies.epochs.bohb:Bohb",
    "asha": "surrogate_nas.strategies.epochs.asha:Asha",
    "zero_cost": "surrogate_nas.strategies.zero_cost:ZeroCost",
    "bo": "surrogate_nas.strategies.bo.strategy:BayesianOptimisation",
    "guided": "surrogate_nas.strategies.guided:Guided",
    "bananas": "surrogate_nas.strategies.bananas:Bananas",
    "gnn_guided": "surrogate_nas.strategies.gnn_guided:GnnGuided",
    "forest": "surrogate_nas.strategies.forest:ForestSearch",
    "bo_epochs": "surrogate_nas.strategies.bo.epochs:EpochBayesianOptimisation",
    "nsga2": "surrogate_nas.strategies.nsga2:NSGA2",
}
"""The strategies that come with the project: name → ``module:class``."""

DEFAULTS = ("random", "local_search", "evolution", "reinforce", "bo")
"""Those that are compared where none is named."""

NEEDING_OPTIONS = {"external": "surrogate_nas.strategies.external:External"}
"""Those that cannot be made without an option: name → ``module:class``."""

ONE_SHOT = {
    "darts": "surrogate_nas.strategies.oneshot.darts:Darts",
    "drnas": "surrogate_nas.strategies.oneshot.drnas:DrNas",
    "gdas": "surrogate_nas.strategies.oneshot.gdas:Gdas",
    "snas": "surrogate_nas.strategies.oneshot.snas:Snas",
    "spos": "surrogate_nas.strategies.oneshot.spos:Spos",
}
"""Those that train a supernet, on live tasks and on tables whose task trains here: name →
``module:class``.
"""

_checked: Check[type[Strategy]] = subclass_of(Strategy, "surrogate_nas.Strategy")
OURS: Registry[type[Strategy]] = Registry(
    "strategy", _checked, STRATEGIES | ONE_SHOT | NEEDING_OPTIONS, group=ENTRY_POINT_GROUP
)
"""All that have a name of their own."""

BLIND = "blind:"
"""Before a name: the strategy is given the space and the metrics under names that say nothing
(`space.blind`).
"""

BRIDGES = {
    "nevergrad": "surrogate_nas.strategies.bridges.nevergrad:bridge",
    "optuna": "surrogate_nas.strategies.bridges.optuna:bridge",
    "pymoo": "surrogate_nas.strategies.bridges.pymoo:bridge",
    "smac": "surrogate_nas.strategies.bridges.smac:bridge",
}
"""Other libraries: the name before the colon → ``module:function``, which makes a class of what
stands behind it.

A name without a colon stands for whatever the library itself takes for granted, if anything.
"""


def behind(strategy: StrategyLike) -> StrategyLike | None:
    """What runs behind a disguise; None where there is none.

    Args:
        strategy: A name, ``file.py:Class``, or a class.

    Example:
        >>> behind("blind:bo"), behind("bo")
        ('bo', None)
    """
    if not isinstance(strategy, str) or not strategy.strip().startswith(BLIND):
        return None
    return strategy.strip().removeprefix(BLIND)


def known() -> list[str]:
    """The names of all strategies, those of installed packages included."""
    return OURS.names()


def described() -> list[dict[str, Any]]:
    """Every strategy by name, read from its file: ``{name, description, paper, options}``."""
    bridges = [
        {"name": f"{library}:…", **described_at(function)} for library, function in BRIDGES.items()
    ]
    own = list(OURS.described())
    return [*own[: len(OURS)], *bridges, *own[len(OURS) :]]


def label(strategy: str | type[Strategy]) -> str:
    """The name that results carry.

    Args:
        strategy: A name, ``file.py:Class``, or a class.

    Raises:
        UserError: It is none of these.

    Example:
        >>> label("evolution(population=50)"), label("searches/mine.py:Mine")
        ('evolution(population=50)', 'Mine')
    """
    if (plain := behind(strategy)) is not None:
        return f"{BLIND}{label(plain)}"
    if isinstance(strategy, str):
        reference = Reference.parse(strategy)
        name = reference.head if _bridge(reference.head) else reference.head.rpartition(":")[2]
        return name + reference.suffix
    if not isinstance(strategy, type):
        raise UserError(f"A strategy is a name, file.py:Class, or a class, not {strategy!r:.80}.")
    return strategy.__name__


def is_builtin(strategy: str | type[Strategy]) -> bool:
    """Whether a strategy comes with the project, so that its code is trusted.

    Example:
        >>> is_builtin("evolution"), is_builtin("mine.py:Mine")
        (True, False)
    """
    strategy = behind(strategy) or strategy
    if isinstance(strategy, str):
        head = Reference.parse(strategy).head
        return head in OURS or _bridge(head) is not None
    module = getattr(strategy, "__module__", "")
    held = getattr(sys.modules.get(module), getattr(strategy, "__name__", ""), None)
    return str(module).startswith(f"{__name__}.") and held is strategy


def is_named(strategy: str) -> bool:
    """Whether a text names a strategy that needs no file."""
    head = Reference.parse(strategy).head
    return head in known() or _bridge(head) is not None


def resolve(strategy: str | type[Strategy]) -> type[Strategy]:
    """Find a strategy's class.

    Args:
        strategy: A registered name, ``path/to/file.py:Class``, a bridge as in
            ``optuna:TPESampler``, each with options or without, or the class itself.

    Raises:
        UserError: There is no such name, file, class or option, the file fails to import, or it is
            no strategy.

    Example:
        >>> resolve("evolution(population=50)").__name__
        'RegularisedEvolution'
        >>> try:
        ...     resolve("evolution(populaton=50)")
        ... except UserError as error:
        ...     print(error)
        Unknown option of evolution 'populaton'. Did you mean 'population'? Known: population, tournament.
    """  # noqa: E501
    if isinstance(strategy, type):
        return _checked(strategy, strategy.__name__)
    if not isinstance(strategy, str):
        raise UserError(f"A strategy is a name, file.py:Class, or a class, not {strategy!r:.80}.")
    if (plain := behind(strategy)) is not None:
        return resolve(plain)
    reference = Reference.parse(strategy)
    return configured(_found(reference.head), reference.options, label(reference.head))


def _found(head: str) -> type[Strategy]:
    if bridge := _bridge(head):
        return _checked(opened(BRIDGES[bridge], head)(head.partition(":")[2]), head)
    return OURS.find(head)


def _bridge(head: str) -> str | None:
    """The bridge that a name crosses, or None."""
    library = head.partition(":")[0]
    return library if library in BRIDGES else None
