"""Functions of a space that are computed once per process, and a record of their calls.

A user's strategy runs in a process that is forked anew for every run. The calls of earlier runs
are computed before the fork, so that later runs find their results, as runs of our strategies do,
which share a process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache, wraps
from importlib import import_module
from typing import Any, Concatenate, ParamSpec, TypeVar

from surrogate_nas.space.base import Space

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=Space)
Question = tuple[str, tuple[Any, ...]]
"""The name of a function as ``module:function``, and what it was called with beside the space."""

_functions: dict[str, Callable[..., Any]] = {}
_ahead: list[Question] = []
_asked: dict[tuple[str, str, tuple[Any, ...]], None] = {}


def memoise(
    most: int, ahead: Sequence[tuple[Any, ...]] = ()
) -> Callable[[Callable[Concatenate[S, P], R]], Callable[Concatenate[S, P], R]]:
    """Let a function of a space answer each of its last questions once a process.

    The function stands at the top of a module; beside the space it takes texts, numbers and tuples
    of these.
    """

    def decorate(function: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
        name = f"{function.__module__}:{function.__name__}"
        remembered: Callable[..., R] = lru_cache(maxsize=most)(function)

        @wraps(function)
        def memoised(space: S, /, *arguments: P.args, **named: P.kwargs) -> R:
            _asked[space.definition, name, arguments] = None
            return remembered(space, *arguments, **named)

        _functions[name] = memoised
        _ahead.extend((name, arguments) for arguments in ahead)
        return memoised

    return decorate


def asked_of(space: Space) -> list[Question]:
    """What this process was asked of a space."""
    return [(name, arguments) for of, name, arguments in list(_asked) if of == space.definition]


def warm_up_list() -> list[Question]:
    """What a space will be asked by the modules that this process has imported."""
    return list(_ahead)


def precompute(space: Space, questions: Sequence[Any]) -> None:
    """Work out what another process was asked of a space; what is no such question is left out."""
    for question in questions:
        with suppress(Exception):
            name, arguments = question
            module = name.partition(":")[0]
            if module.startswith("surrogate_nas."):
                import_module(module)
                _functions[name](space, *_with_tuples(arguments))


def _with_tuples(value: Any) -> Any:
    return tuple(map(_with_tuples, value)) if isinstance(value, list | tuple) else value
