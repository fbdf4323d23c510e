"""The process of a check: it loads the thing, finds its contract and makes the checks."""

from __future__ import annotations

import faulthandler
import json
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from traceback import extract_tb

from surrogate_nas.contract.checks import Contract
from surrogate_nas.contract.spaces import SpaceContract
from surrogate_nas.contract.strategies import StrategyContract
from surrogate_nas.contract.surrogates import SurrogateContract
from surrogate_nas.core.errors import UserError, one_line, shown, unknown
from surrogate_nas.core.plugin import import_file
from surrogate_nas.runtime.packing import unpack
from surrogate_nas.space import Space, space_named
from surrogate_nas.space.registry import known as known_spaces
from surrogate_nas.strategies import Strategy, strategy_entry
from surrogate_nas.strategies import known as known_strategies
from surrogate_nas.surrogates import MODELS, Surrogate, model_class

_SPACE = "space:"
_OURS = str(Path(__file__).parent)


def named(spec: str) -> object:
    """The object of a name, or of ``file.py:NAME``."""
    space = spec.removeprefix(_SPACE)
    if space != spec and space in known_spaces():
        return space_named(space)
    if spec.partition(":")[0] in MODELS.bridges:
        return model_class(spec)
    entry = strategy_entry(spec)
    if entry.origin not in ("file", "unknown"):
        return entry.load()
    if spec in known_spaces():
        return space_named(spec)
    if spec in MODELS:
        return model_class(spec)
    path, _, name = str(entry.target).rpartition(":")
    if entry.origin == "unknown":
        raise unknown(
            "strategy, space or surrogate", spec, [*known_strategies(), *known_spaces(), *MODELS]
        )
    module = import_file(Path(path), "strategy")
    if not hasattr(module, name):
        raise UserError(f"{path} defines no {name}.")
    thing = getattr(module, name)
    return entry.load() if isinstance(thing, type) and issubclass(thing, Strategy) else thing


def contract_of(spec: object, space: Space | None) -> Contract:
    """The contract of a thing, with the thing in it."""
    thing = named(spec) if isinstance(spec, str) else spec
    if isinstance(thing, type) and issubclass(thing, Space):
        thing = thing()
    if isinstance(thing, Space):
        contract: Contract = SpaceContract()
        contract.space = thing
        return contract
    for kind, base in ((StrategyContract, Strategy), (SurrogateContract, Surrogate)):
        if isinstance(thing, type) and issubclass(thing, base):
            contract = kind()
            vars(contract).update({base.__name__.lower(): thing, "space": space, "spec": spec})
            return contract
    raise UserError(
        f"{shown(thing)} is not a subclass of surrogate_nas.Strategy, nor a Space or a Surrogate."
    )


def replies() -> Iterator[object]:
    """The lines of JSON that answer the objects on standard input."""
    sys.path[:] = os.environ["PYTHONPATH"].split(os.pathsep)
    spec, space, limit = unpack(pickle.load(sys.stdin.buffer))
    try:
        checks = dict(contract_of(spec, space).checks())
    except UserError as error:
        yield {"error": str(error)}
        return
    yield {"names": list(checks)}
    for make in checks.values():
        faulthandler.dump_traceback_later(limit, exit=True)
        yield outcome(make)
        faulthandler.cancel_dump_traceback_later()


def outcome(make: Callable[[], object]) -> tuple[bool, str]:
    """Whether a check passes, and what went wrong."""
    try:
        make()
    except BaseException as error:  # noqa: BLE001 - a user's code raises anything
        return False, _blamed(error)
    return True, ""


def _blamed(error: BaseException) -> str:
    calls = extract_tb(error.__traceback__)
    try:
        message = one_line(str(error))
    except BaseException as other:  # noqa: BLE001 - an exception of a user's may fail to print
        message = f"it cannot be printed ({type(other).__name__})"
    if isinstance(error, AssertionError) and calls[-1].filename.startswith(_OURS):
        return message
    first = max(place for place, call in enumerate(calls) if call.filename.startswith(_OURS))
    theirs = calls[first + 1 :] or calls
    where = f"{theirs[0].name} ({Path(theirs[-1].filename).name}:{theirs[-1].lineno})"
    return f"{type(error).__name__} in {where}: {message}"


if __name__ == "__main__":
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    faulthandler.enable()
    for reply in replies():
        print(json.dumps(reply), file=lines, flush=True)
