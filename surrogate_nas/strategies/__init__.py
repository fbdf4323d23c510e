"""Strategies by name, from a file, or from an installed package's entry point.

A strategy's module is imported only when the strategy is used, not when strategies are listed.
"""

import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, Union

from surrogate_nas.core import (
    Check,
    Registry,
    UserError,
    check_argument,
    check_file_name,
    described_at,
    parameter_types,
    parse_reference,
    shown,
    subclass_of,
    suffix_of,
    unknown,
)
from surrogate_nas.space import ChoiceSpace, Space
from surrogate_nas.strategies.base import Strategy

__all__ = [
    "BLIND",
    "BRIDGES",
    "CONTROLS",
    "DEFAULTS",
    "ONE_SHOT",
    "STRATEGIES",
    "Strategy",
    "StrategiesLike",
    "StrategyEntry",
    "StrategyLike",
    "controls_of",
    "resolve",
    "strategy_entries",
    "strategy_entry",
    "with_blind",
    "with_controls",
]

StrategyLike = Union[
    str,
    type[Strategy],
    "partial[Any]",
    "StrategyEntry",
    Mapping[str, "str | type[Strategy] | partial[Any] | StrategyEntry"],
]
"""A registered name or ``file.py:Class``, optionally with options as in
``evolution(population=50)``; a class; a `functools.partial` of a class (`Strategy.using`); or one
of these under a label, as in ``{"hot": Anneal.using(temperature=2.0)}``. In text the label precedes
the name: ``hot=mine.py:Anneal(temperature=2.0)``.
"""
StrategiesLike = Sequence[StrategyLike] | Mapping[str, StrategyLike]
"""Several strategies: a list, or a mapping from the labels that results carry to strategies."""

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
    "one_epoch": "surrogate_nas.strategies.epochs.one_epoch:OneEpoch",
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
"""The strategies that are compared by default."""

NEEDING_OPTIONS = {"external": "surrogate_nas.strategies.external:External"}
"""The strategies that need an option: name → ``module:class``."""

CONTROLS = {
    "random_mutation": "surrogate_nas.strategies.random_mutation:RandomMutation"
}
"""Baselines for external optimisers, not meant for use alone: name → ``module:class``."""

ONE_SHOT = {
    "darts": "surrogate_nas.strategies.oneshot.darts:Darts",
    "drnas": "surrogate_nas.strategies.oneshot.drnas:DrNas",
    "gdas": "surrogate_nas.strategies.oneshot.gdas:Gdas",
    "snas": "surrogate_nas.strategies.oneshot.snas:Snas",
    "spos": "surrogate_nas.strategies.oneshot.spos:Spos",
}
"""The strategies that train a supernet: name → ``module:class``. They run on live tasks, and on
tables whose task can be trained here.
"""

_checked: Check[type[Strategy]] = subclass_of(Strategy, "surrogate_nas.Strategy")
OURS: Registry[type[Strategy]] = Registry(
    "strategy",
    _checked,
    STRATEGIES | ONE_SHOT | NEEDING_OPTIONS | CONTROLS,
    group=ENTRY_POINT_GROUP,
)
"""The registry of all strategies that have a name."""

BLIND = "blind:"
"""The prefix of a strategy's name that hides the names of the space and of the metrics from the
strategy (`space.blind`).
"""
# the field of a comparison's description that says what the users' labels mean
LABELS = "labels"

BRIDGES = {
    "nevergrad": "surrogate_nas.strategies.bridges.nevergrad:bridge",
    "optuna": "surrogate_nas.strategies.bridges.optuna:bridge",
    "pymoo": "surrogate_nas.strategies.bridges.pymoo:bridge",
    "smac": "surrogate_nas.strategies.bridges.smac:bridge",
}
"""Bridges to other libraries: the name before the colon → ``module:function``. The function returns
the class for the algorithm named after the colon.

A name without a colon stands for the library's default algorithm, if it has one.
"""
OURS.bridges.update(BRIDGES)


def known() -> list[str]:
    """Return the names of all strategies, including those of installed packages."""
    return OURS.names()


def described() -> list[dict[str, Any]]:
    """Describe every strategy as ``{name, description, paper, options}``, read from its source file
    without importing the module.
    """
    bridges = [
        {"name": f"{library}:…", **described_at(function)}
        for library, function in BRIDGES.items()
    ]
    own = list(OURS.described())
    return [*own[: len(OURS)], *bridges, *own[len(OURS) :]]


Origin = Literal["built-in", "bridge", "file", "package", "class", "unknown"]
"""The origin of a strategy's code, which decides where the code may run."""


@dataclass(frozen=True)
class StrategyEntry:
    """A strategy that a user named, with its name parsed. Only the method `load` imports the
    strategy.

    Attributes:
        name: The strategy's name without options, such as ``evolution`` or ``Mine``.
        label: The strategy's name in results: the user's label, or the name with options.
        origin: The origin of the strategy's code; ``unknown`` if no installed strategy has this
            name.
        target: What to load: a registered name, ``library:algorithm``, ``file.py:Class``, or a
            class.
        options: The strategy's hyperparameters by name, sorted.
        blinded: Whether the names of the space and of the metrics are hidden from the strategy.

    Example:
        >>> entry = strategy_entry("evolution(population=50)")
        >>> entry.name, entry.is_trusted, entry.load().__name__
        ('evolution', True, 'RegularisedEvolution')
    """

    name: str
    label: str
    origin: Origin
    target: str | type[Strategy]
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    blinded: bool = False

    @property
    def written(self) -> str:
        """The strategy's name with its options, which is the default label."""
        prefix = BLIND if self.blinded else ""
        return f"{prefix}{self.name}{suffix_of(self.options)}"

    @property
    def is_trusted(self) -> bool:
        """Whether the strategy's code is part of surrogate_nas and may run in this process."""
        return self.origin in ("built-in", "bridge")

    def load(self) -> type[Strategy]:
        """Import the strategy's class and bind its options.

        Raises:
            UserError: The name, file, class or option does not exist, the file fails to import, or
                the object is not a strategy.
        """
        is_class = isinstance(self.target, type)
        found = self.target if is_class else OURS.find(self.target)  # type: ignore[arg-type]
        return _configured(_checked(found, self.name), self.options, self.name)


_LABELLED = re.compile(rf"((?:{BLIND})?)([^=(:/\\]+)=(.+)", re.DOTALL)
# characters of options in a label, which names files
_LONGEST = 200


def strategy_entries(strategies: StrategiesLike) -> list[StrategyEntry]:
    """Return the entries of several strategies, each resolved by `strategy_entry`.

    Raises:
        UserError: The argument is neither a list nor a mapping, a strategy is invalid, or two
            strategies have the same label.

    Example:
        >>> [
        ...     entry.label
        ...     for entry in strategy_entries({"few": "evolution(population=9)"})
        ... ]
        ['few']
    """
    if isinstance(strategies, Mapping):
        named: Any = strategies.items()
        strategies = [{name: given} for name, given in named]
    if isinstance(strategies, str) or not isinstance(strategies, Sequence):
        raise UserError(
            f"strategies must be a list of names or classes, or a mapping from labels to these, not"
            f" {strategies!r:.80}."
        )
    entries = [strategy_entry(strategy) for strategy in strategies]
    labels = [entry.label for entry in entries]
    if len({*labels}) < len(labels):
        raise UserError(f"Two strategies have the same name: {', '.join(labels)}.")
    return entries


def strategy_entry(strategy: StrategyLike, label: str = "") -> StrategyEntry:
    """Return the entry of a strategy, with its name, label and options parsed.

    Args:
        strategy: A registered name, a ``path/to/file.py:Class``, a bridge such as
            ``optuna:TPESampler``, a class, a `functools.partial` of a class, a mapping from a label
            to any of these, or an entry (returned unchanged). Names may carry options, a label and
            the prefix ``blind:``, as in ``blind:few=evolution(population=9)``.
        label: The strategy's name in results; if empty, the name with options.

    Raises:
        UserError: The strategy has none of the forms listed for `strategy`, the options are not
            Python literals, an option of a class is unknown or invalid, or the label cannot be a
            file name.

    Example:
        >>> entry = strategy_entry("blind:searches/mine.py:Mine(step=2)")
        >>> entry.label, entry.origin, entry.options
        ('blind:Mine(step=2)', 'file', {'step': 2})
    """
    if isinstance(strategy, Mapping) and len(strategy) == 1:
        ((label, strategy),) = strategy.items()
        check_file_name("A label", label)
    if isinstance(strategy, StrategyEntry):
        return replace(strategy, label=label or strategy.label)
    given: Any = partial(strategy) if isinstance(strategy, type) else strategy
    if isinstance(given, str):
        if is_labelled := _LABELLED.fullmatch(given.strip()):
            blind, own, text = is_labelled.groups()
            own = blind + check_file_name("A label", own)
            return strategy_entry(blind + text, label or own)
        text = given.strip().removeprefix(BLIND)
        head, options = parse_reference(text)
        origin = _origin_of(head)
        name = head if origin == "bridge" else head.rpartition(":")[2]
        is_blind = given.strip() != text
        entry = StrategyEntry(name, label, origin, head, options, is_blind)
    elif isinstance(given, partial) and isinstance(given.func, type) and not given.args:
        name, origin = given.func.__name__, _origin_of_class(given.func)
        options = _written_options(given.func, given.keywords, name)
        entry = StrategyEntry(name, label, origin, given.func, options)
    else:
        raise UserError(
            "A strategy must be a name, file.py:Class, a class, or, with options,"
            f" Class.using(option=value), not {shown(strategy)}."
        )
    if not label and len(suffix_of(options)) > _LONGEST:
        raise UserError(
            f"The options of {name:.80} have more than {_LONGEST} characters, too many for a file"
            f" name; give a label, as in short={name:.80}(…)."
        )
    return replace(entry, label=label or entry.written)


def with_blind(strategies: StrategiesLike) -> list[StrategyEntry]:
    """Return the entries of strategies, each followed by its blind version (prefix `BLIND`).

    Example:
        >>> [entry.label for entry in with_blind(["bo", "blind:random"])]
        ['bo', 'blind:bo', 'random', 'blind:random']
    """
    plain = [
        replace(entry, blinded=False, label=entry.label.removeprefix(BLIND))
        for entry in strategy_entries(strategies)
    ]
    return [
        entered
        for entry in dict.fromkeys(plain)
        for entered in (
            entry,
            replace(entry, blinded=True, label=BLIND + entry.label),
        )
    ]


def with_controls(strategies: StrategiesLike, space: Space) -> list[StrategyEntry]:
    """Return the entries of strategies, followed by the baselines of each external optimiser among
    them. The blind baseline is omitted if the space has no names to hide.

    Raises:
        UserError: None of the strategies is an external optimiser.

    Example:
        >>> from surrogate_nas.space import nb201
        >>> entered = with_controls(["external(command='./propose')"], nb201())
        >>> [entry.label.partition("(")[0] for entry in entered]
        ['external', 'blind:external', 'external', 'random_mutation']
    """
    entries = strategy_entries(strategies)
    labels = [entry.label for entry in entries]
    outside = [label for label in labels if len(controls_of(label)) > 1]
    if not outside:
        raise UserError(
            "controls (--controls) adds baselines to external optimisers; name one without a label"
            " in strategies (--strategies), as in external(command='python propose.py')."
        )
    added = dict.fromkeys(name for label in outside for name in controls_of(label))
    has_names = isinstance(space, ChoiceSpace)
    return entries + [
        strategy_entry(control)
        for control in added
        if control not in labels and (has_names or not control.startswith(BLIND))
    ]


def stored_entry(label: str, description: Mapping[str, Any]) -> StrategyEntry:
    """Return the entry of a label in a stored comparison, without importing the strategy."""
    return strategy_entry(description.get(LABELS, {}).get(label, label), label)


def _written_options(kind: Any, given: dict[str, Any], name: str) -> dict[str, Any]:
    """Check the options of a class, and that they can be stored with results."""
    checked = vars(_configured(_checked(kind, name), given, name))
    options = dict(sorted(checked.get("_given", {}).items()))
    with suppress(UserError):
        if parse_reference(name + suffix_of(options)) == (name, options):
            return options
    raise UserError(
        f"The options of {name} are stored with results, so they must be numbers, texts, True,"
        f" False, None, or lists and mappings of these, not {shown(options)}."
    )


def _origin_of(head: str) -> Origin:
    library, colon, _ = head.partition(":")
    if head in OURS or library in BRIDGES:
        return "built-in" if head in OURS else "bridge"
    if colon:
        return "file"
    return "package" if head in OURS.points() else "unknown"


def _origin_of_class(strategy: type[Strategy]) -> Origin:
    module = str(getattr(strategy, "__module__", ""))
    defined = getattr(sys.modules.get(module), strategy.__name__, None)
    is_ours = module.startswith(f"{__name__}.") and defined is strategy
    return "built-in" if is_ours else "class"


def controls_of(label: str) -> dict[str, str]:
    """Return the baselines of a strategy: a mapping from each baseline's label to the information
    that the baseline lacks. Every strategy that is not blind itself has a blind baseline, which
    runs with hidden names. An external optimiser has two further baselines: the optimiser without
    history, and random mutation.

    Example:
        >>> controls_of("bo"), controls_of("blind:bo")
        ({'blind:bo': 'hidden names'}, {})
    """
    if label.startswith(BLIND):
        return {}
    if not label.startswith("external("):
        return {BLIND + label: "hidden names"}
    head, options = parse_reference(label)
    if options.get("history") is False:
        return {}
    controls = {BLIND + label: "hidden names"}
    alone = suffix_of(dict(sorted({**options, "history": False}.items())))
    controls[head + alone] = "no history, the best of as many cells"
    return controls | dict.fromkeys(CONTROLS, "random mutation without selection")


def resolve(strategy: StrategyLike) -> type[Strategy]:
    """Return a strategy's class, with its options bound.

    Args:
        strategy: The strategy, in any form that `strategy_entry` accepts.

    Raises:
        UserError: The strategy cannot be loaded (see `StrategyEntry.load`).

    Example:
        >>> resolve("evolution(population=50)").__name__
        'RegularisedEvolution'
    """
    return strategy_entry(strategy).load()


def _configured(
    strategy: type[Strategy], options: dict[str, Any], name: str
) -> type[Strategy]:
    if not options:
        return strategy
    parameters = inspect.signature(strategy).parameters.values()
    types = parameter_types(strategy)
    knobs = {
        p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "seed"
    }
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    for option, value in options.items():
        if option in knobs:
            checked = check_argument(f"{option} of {name}", value, types[option])
            options = options | {option: checked}
        elif not takes_any or option in ("space", "seed"):
            raise unknown(f"option of {name}", option, list(knobs))

    def __init__(self: Strategy, space: Space, *, seed: int) -> None:
        strategy.__init__(self, space, seed=seed, **options)

    content = {
        "__qualname__": f"{strategy.__qualname__}.configured",
        "__init__": __init__,
        "_given": options,
    }
    content |= {name: getattr(strategy, name) for name in ("__module__", "__doc__")}
    return type(strategy.__name__, (strategy,), content)
