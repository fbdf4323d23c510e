"""The source of users' strategies: the file of each, and the files of the user's own that it
imports.

How it is found is told in `surrogate_nas.core.source`.
"""

from __future__ import annotations

import ast
import os
import shlex
import sys
from contextlib import suppress
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path

from surrogate_nas.core.plugin import origin
from surrogate_nas.core.source import Sources, modules, source_of, text_of, with_imports
from surrogate_nas.strategies import OURS, StrategyLike, behind, is_builtin
from surrogate_nas.strategies.reference import Reference

__all__ = ["Sources", "folder_of", "imported_by", "sources_of"]

_LARGEST = 10**6
"""Bytes of a file that is taken for source where a command names it."""


def sources_of(strategy: StrategyLike) -> Sources:
    """The source of a strategy; empty for those that come with the project, whose version tells
    theirs.
    """
    strategy = behind(strategy) or strategy
    if not isinstance(strategy, str):
        return {} if is_builtin(strategy) else source_of(strategy)
    reference = Reference.parse(strategy)
    if is_builtin(strategy):
        return _named_in(reference.options.get("command"))
    path, separator, _ = reference.head.rpartition(":")
    file = Path(path) if separator else _of_entry_point(reference.head)
    return {} if file is None else with_imports(file)


def folder_of(strategy: StrategyLike) -> Path | None:
    """Where the file of a user's strategy lies; of a class that has none, the working directory;
    None for ours.
    """
    strategy = behind(strategy) or strategy
    if is_builtin(strategy):
        return None
    if isinstance(strategy, str):
        head = Reference.parse(strategy).head
        path, separator, _ = head.rpartition(":")
        file = Path(path) if separator else _of_entry_point(head)
        return None if file is None else file.absolute().parent
    imported = origin(strategy.__module__)
    if imported is not None:
        return imported[0].parent
    place = getattr(sys.modules.get(strategy.__module__), "__file__", None)
    is_made = strategy.__module__ in sys.stdlib_module_names
    return Path(place).absolute().parent if place is not None and not is_made else Path.cwd()


@lru_cache(maxsize=64)
def imported_by(strategy: StrategyLike) -> tuple[str, ...]:
    """The modules that the files of a user's strategy import at their top, and what they take from
    these, by name.
    """
    found: dict[str, None] = {}
    for text in sources_of(strategy).values():
        with suppress(SyntaxError, ValueError, RecursionError):
            for node in ast.parse(text).body:
                if isinstance(node, ast.Import):
                    found |= dict.fromkeys(alias.name for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found |= dict.fromkeys(
                        [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                    )
    return tuple(found)


def _named_in(command: object) -> Sources:
    """The files that the command of an external proposer names."""
    with suppress(ValueError):
        words = shlex.split(command)[1:] if isinstance(command, str) else []
        files = [
            Path(word)
            for word in words
            if os.path.isfile(word) and os.path.getsize(word) <= _LARGEST
        ]
        return {file.name: text_of(file) for file in files}
    return {}


def _of_entry_point(name: str) -> Path | None:
    point = OURS.points().get(name)
    if point is None:
        return None
    top, *inner = point.module.split(".")
    spec = PathFinder.find_spec(top)
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin)
    return next(iter(modules(inner, [package.parent])), package) if inner else package
