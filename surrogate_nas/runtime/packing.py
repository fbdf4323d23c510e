"""Packing of objects for the process of a user's code: by name, by file, or by value."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from surrogate_nas.core.errors import one_line
from surrogate_nas.core.plugin import import_file, module_name, origin
from surrogate_nas.runtime.failure import StrategyError


class Packed(NamedTuple):
    """Objects on their way.

    Attributes:
        files: Users' files that must be imported first, each with its noun.
        content: The pickled objects.
    """

    files: tuple[tuple[Path, str], ...]
    content: bytes


def pack(*objects: object) -> Packed:
    """Pack objects for another process.

    Classes that it can import go by name, those of a user's file with that file, and all others (of
    a notebook, of a script that runs, of a function's body) by value.

    Raises:
        StrategyError: One of them cannot be sent.
    """
    modules = {kind.__module__ for item in objects for kind in _kinds(item)}
    files = tuple(file for file in map(origin, sorted(modules)) if file)
    importable = all(origin(name) or _can_be_imported(name) for name in modules)
    try:
        if importable:
            try:
                return Packed(files, pickle.dumps(objects))
            except (pickle.PicklingError, AttributeError, TypeError):
                pass
        return Packed(files, _by_value(objects, modules))
    except Exception as error:
        named = ", ".join(
            getattr(item, "__name__", type(item).__name__) for item in objects
        )
        raise StrategyError(
            f"{named} cannot be sent to a process of its own"
            f" ({one_line(f'{type(error).__name__}: {error}')}): define it at the top of a file and"
            " name it as file.py:Class."
        ) from error


def unpack(packed: Packed) -> tuple[Any, ...]:
    """Take out what `pack` packed; in the process that was started for it."""
    for file, what in packed.files:
        if origin(module_name(file, what)) != (file, what):
            import_file(file, what)
    content: tuple[Any, ...] = pickle.loads(packed.content)
    return content


def _kinds(item: object) -> Iterable[type]:
    return (item if isinstance(item, type) else type(item)).__mro__


def _can_be_imported(module: str) -> bool:
    """Whether a fresh process with the same path finds a module by its name."""
    top = module.partition(".")[0]
    return top != "__main__" and any(
        finder.find_spec(top, None) is not None for finder in sys.meta_path
    )


def _by_value(objects: tuple[object, ...], modules: set[str]) -> bytes:
    import cloudpickle  # slow to import, and rarely needed

    unknown: list[ModuleType] = [
        sys.modules[name]
        for name in modules
        if name in sys.modules
        and not origin(name)
        and not _can_be_imported(name)
        and name != "__main__"
    ]
    for module in unknown:
        cloudpickle.register_pickle_by_value(module)
    try:
        content: bytes = cloudpickle.dumps(objects)
    finally:
        for module in unknown:
            cloudpickle.unregister_pickle_by_value(module)
    return content
