"""Check a strategy, space or surrogate in a process of its own.

The code under check may end that process, hang or print.
"""

from __future__ import annotations

import pickle
import signal
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from traceback import extract_tb
from typing import Any

from surrogate_nas.contract.checks import Check, Contract
from surrogate_nas.contract.spaces import SpaceContract
from surrogate_nas.contract.strategies import StrategyContract
from surrogate_nas.contract.surrogates import SurrogateContract
from surrogate_nas.core.errors import UserError, one_line, shown, unknown
from surrogate_nas.core.plugin import import_file
from surrogate_nas.runtime import worker
from surrogate_nas.runtime.aside import lost_in
from surrogate_nas.runtime.failure import (
    StrategyError,
    as_strategy_error,
)
from surrogate_nas.runtime.packing import Packed, pack, unpack
from surrogate_nas.space import Space, space_named
from surrogate_nas.space.registry import known as known_spaces
from surrogate_nas.strategies import Strategy, strategy_entry
from surrogate_nas.strategies import known as known_strategies
from surrogate_nas.surrogates import MODELS, Surrogate, model_class

LIMIT_SECONDS = 120.0
"""The longest that one check may take."""
_OURS = str(Path(__file__).parent)


def check(
    spec: object,
    space: Space | None = None,
    *,
    limit: float = LIMIT_SECONDS,
    progress: Callable[[int, int], object] | None = None,
) -> list[Check]:
    """Check a strategy, a space or a surrogate against its contract.

    Args:
        spec: A registered name, ``file.py:NAME``, a class, or a space.
        space: The only space to check a strategy or a surrogate on; None for those of the contract.
        limit: The longest that one check may take, in seconds.
        progress: Called after each check with the number of checks made and the number of all.

    Returns:
        One `Check` for every promise and space.

    Raises:
        UserError: There is no such thing, or it is none of the three.

    Example:
        >>> import surrogate_nas as sn
        >>> mine = sn.EnumerableChoiceSpace("mlp", {"width": (16, 64), "depth": (1, 2, 3)})
        >>> outcomes = check(mine)
        >>> len(outcomes) > 10, [outcome.name for outcome in outcomes if not outcome.passed]
        (True, [])
    """
    packed = pack(spec, space)
    file = str(Path(str(spec).rpartition(":")[0]).absolute())
    names: list[str] = []
    outcomes: list[Check] = []
    process = worker.Worker(worker.Task.of(_answer))

    def answer(name: str) -> Any:
        reply = process.do(pickle.dumps((packed, name, limit, file)))
        if isinstance(reply, worker.Lost):
            raise lost_in(reply, limit, file)
        return worker.outcome(name, reply).result

    try:
        names = answer("")
        for name in names:
            outcomes.append(Check(name, *answer(name)))
            if progress:
                progress(len(outcomes), len(names))
    except StrategyError as error:
        if not names:
            raise
        name, *missing = names[len(outcomes) :]
        why = str(error).rstrip(".")
        unmade = [
            Check(other, False, f"not checked after that: {why}") for other in missing
        ]
        return [*outcomes, Check(name, False, why), *unmade]
    finally:
        process.end()
    return outcomes


def _answer(job: tuple[Packed, str, float, str]) -> object:
    packed, name, limit, file = job
    checks = _checks(packed)
    if not name:
        return list(checks)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        return outcome(checks[name], file)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@lru_cache(maxsize=1)
def _checks(packed: Packed) -> dict[str, Callable[[], object]]:
    worker.dump_when_alarmed()
    return dict(contract_of(*unpack(packed)).checks())


def outcome(make: Callable[[], object], file: str = "") -> tuple[bool, str]:
    """Whether a check passes, and what went wrong; `file`: where the code under check is."""
    try:
        make()
    except BaseException as error:  # noqa: BLE001 - a user's code raises anything
        raised = extract_tb(error.__traceback__)[-1].filename
        if isinstance(error, AssertionError) and raised.startswith(_OURS):
            return False, one_line(str(error))
        return False, str(as_strategy_error(error, "was checked", file))
    return True, ""


def contract_of(spec: object, space: Space | None) -> Contract:
    """The contract of a thing, with the thing in it."""
    thing = _named(spec) if isinstance(spec, str) else spec
    if isinstance(thing, type) and issubclass(thing, Space):
        thing = thing()
    contract: Contract = SpaceContract()
    if isinstance(thing, Space):
        contract.space = thing
        return contract
    for kind, base in ((StrategyContract, Strategy), (SurrogateContract, Surrogate)):
        if isinstance(thing, type) and issubclass(thing, base):
            contract = kind()
            vars(contract).update(
                {base.__name__.lower(): thing, "space": space, "spec": spec}
            )
            return contract
    raise UserError(
        f"{shown(thing)} is not a subclass of surrogate_nas.Strategy, nor a Space or a Surrogate."
    )


def _named(spec: str) -> object:
    """The object of a name, or of ``file.py:NAME``."""
    kind, _, name = spec.partition(":")
    if kind == "space" and name in known_spaces():
        return space_named(name)
    if kind in MODELS.bridges:
        return model_class(spec)
    entry = strategy_entry(spec)
    if entry.origin == "file":
        path, _, name = str(entry.target).rpartition(":")
        thing = getattr(import_file(Path(path), "strategy"), name, None)
        if thing is not None and not (
            isinstance(thing, type) and issubclass(thing, Strategy)
        ):
            return thing
    if entry.origin == "unknown":
        if spec in known_spaces():
            return space_named(spec)
        if spec in MODELS:
            return model_class(spec)
        names = [*known_strategies(), *known_spaces(), *MODELS]
        raise unknown("strategy, space or surrogate", spec, names)
    return entry.load()
