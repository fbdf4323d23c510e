"""Packing of objects for the process of a user's code."""

from __future__ import annotations

import pickle
import sys
from contextlib import ExitStack
from typing import Any

import cloudpickle

from surrogate_nas.core.errors import in_a_line
from surrogate_nas.runtime.failure import StrategyError


def pack(*objects: object) -> bytes:
    """Pickle objects for another process.

    Classes that it can import go by name, and all others (of a user's file, of a notebook, of a
    script that runs, of a function's body) by value.

    Raises:
        StrategyError: One of them cannot be sent.
    """
    kinds = [item if isinstance(item, type) else type(item) for item in objects]
    names = {base.__module__ for kind in kinds for base in kind.__mro__}
    with ExitStack() as stack:
        for name in (names - {"__main__"}) & {*sys.modules}:
            if not _can_be_imported(name):
                cloudpickle.register_pickle_by_value(sys.modules[name])
                stack.callback(cloudpickle.unregister_pickle_by_value, sys.modules[name])
        try:
            return cloudpickle.dumps(objects)  # type: ignore[no-any-return]
        except Exception as error:
            named = ", ".join(
                getattr(item, "__name__", type(item).__name__) for item in objects
            )
            raise StrategyError(
                f"{named} cannot be sent to a process of its own ({in_a_line(error)}): define it at"
                " the top of a file and name it as file.py:Class."
            ) from error


def _can_be_imported(module: str) -> bool:
    top = module.partition(".")[0]
    return any(finder.find_spec(top, None) is not None for finder in sys.meta_path)


def unpack(packed: bytes) -> tuple[Any, ...]:
    """Take out what `pack` packed; in the process that was started for it."""
    objects: tuple[Any, ...] = pickle.loads(packed)
    return objects
