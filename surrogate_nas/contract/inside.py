"""The inside of the process of a check: it loads the thing, finds its kind and runs the checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from traceback import walk_tb
from types import FrameType
from typing import Any

from surrogate_nas.contract.checks import BrokenContractError
from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.core.plugin import import_file
from surrogate_nas.runtime.failure import as_strategy_error, shown
from surrogate_nas.runtime.packing import Packed, pack, unpack
from surrogate_nas.runtime.sandbox import Commands, file_of, serve
from surrogate_nas.space import Space, space_named
from surrogate_nas.space.registry import known as known_spaces
from surrogate_nas.strategies import Strategy, strategy_entry
from surrogate_nas.strategies import known as known_strategies
from surrogate_nas.surrogates import MODELS, Surrogate, model_class

_SPACE = "space:"
_OURS = Path(__file__).parent
_DOING = {"__init__": "was made", "ask": "was asked", "tell": "was told"}
"""What a strategy does in a method, for messages."""
_NO_EPOCHS = (
    "self.epochs is empty where training plays no part, as in this check: return plain cells then."
    " A strategy that chooses epochs declares chooses_epochs = True."
)


def main(connection: int, log: int, _: object) -> None:
    """Check one thing until the parent process closes the connection."""
    thing = _Thing()
    commands: Commands = {"load": (thing.load, "was loaded"), "check": (thing.check, "was checked")}
    serve(connection, log, commands, lambda: thing.file)


def named(spec: str) -> object:
    """What a name, or ``file.py:NAME``, stands for."""
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


def kind_of(thing: object) -> str:
    """Which contract a thing is under: a key of `surrogate_nas.contract.inspection.KINDS`."""
    if isinstance(thing, Space) or (isinstance(thing, type) and issubclass(thing, Space)):
        return "space"
    for kind, base in (("strategy", Strategy), ("surrogate", Surrogate)):
        if isinstance(thing, type) and issubclass(thing, base):
            return kind
    raise UserError(
        f"{shown(thing)} is not a subclass of surrogate_nas.Strategy, nor a Space or a Surrogate."
    )


class _Thing:
    """What is checked."""

    def __init__(self) -> None:
        self.file = ""

    def load(
        self,
        kinds: Mapping[str, str],
        what: str | Packed,
        where: Packed | None,
    ) -> dict[str, Any]:
        """Load the thing; returns its kind, its file, and the subjects of the checks."""
        thing = named(what) if isinstance(what, str) else unpack(what)[0]
        kind = kind_of(thing)
        if kind == "space" and isinstance(thing, type):
            thing = thing()
        self.file = file_of(thing if isinstance(thing, type) else type(thing))
        self._module = import_module(kinds[kind])
        if isinstance(what, Packed):
            packed = what
        else:
            packed = pack(what if kind == "strategy" else thing)
        space = None if where is None else unpack(where)[0]
        self._subjects = self._module.subjects(thing, packed, space)
        return {
            "kind": kind,
            "file": self.file,
            "subjects": [subject.space.name for subject in self._subjects],
        }

    def check(self, subject: int, number: int) -> dict[str, Any]:
        """Make one check."""
        try:
            return {"passed": True, "detail": self._module.CHECKS[number](self._subjects[subject])}
        except BrokenContractError as error:
            return {"passed": False, "detail": str(error), "hint": error.hint}
        except Exception as error:  # noqa: BLE001 - a user's code can raise anything
            calls = _calls_of_theirs(error, self.file)
            failure = as_strategy_error(error, _doing(calls), self.file)
            return {"passed": False, "detail": str(failure).rstrip("."), "hint": _hint(calls)}


def _calls_of_theirs(error: BaseException, file: str) -> list[FrameType]:
    """The calls on the way to an error, from the first in a file, or else from the last check."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    files = [frame.f_code.co_filename for frame in frames]
    if file in files:
        return frames[files.index(file) :]
    checks = [place for place, name in enumerate(files) if Path(name).parent == _OURS]
    return frames[checks[-1] + 1 :]


def _doing(calls: Sequence[FrameType]) -> str:
    """What it did when it failed, as messages say it."""
    name = calls[0].f_code.co_name if calls else ""
    if name in _DOING:
        return _DOING[name]
    return f"ran `{name}`" if name.isidentifier() else "was checked"


def _hint(calls: Sequence[FrameType]) -> str:
    """What may be the reason of an error."""
    for frame in calls:
        strategy = frame.f_locals.get("self")
        if (
            isinstance(strategy, Strategy)
            and "epochs" in frame.f_code.co_names
            and not strategy.epochs
        ):
            return _NO_EPOCHS
    return ""
