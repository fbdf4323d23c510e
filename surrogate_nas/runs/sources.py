"""The source of users' strategies: the file of each, and the files of the user's own that it
imports.

How it is found is told in `surrogate_nas.core.source`.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.plugin import origin
from surrogate_nas.core.reference import parse_reference
from surrogate_nas.core.source import Sources, source_of, text_of, with_imports
from surrogate_nas.strategies import OURS, StrategyEntry

__all__ = ["Sources", "folder_of", "sources_of"]

_LARGEST = 10**6
"""Bytes of a file that is taken for source where a command names it."""


def sources_of(entry: StrategyEntry) -> Sources:
    """The source of a strategy; of those that come with the project, whose version tells theirs,
    only that of a user's files which their options name.
    """
    if isinstance(entry.target, type):
        return {} if entry.is_trusted else source_of(entry.target)
    if entry.is_trusted:
        code = OURS.file(str(entry.options.get("code", "")))
        built = {} if code is None or not code.is_file() else with_imports(code)
        named = _named_in(entry.options.get("command"))
        return {**built, **named, **_models_in(entry.options)}
    file = OURS.file(entry.target)
    return {} if file is None else with_imports(file)


def folder_of(entry: StrategyEntry) -> Path | None:
    """The folder of a user's strategy; the working directory for a class without a file.

    None for ours.
    """
    if entry.is_trusted:
        return None
    if not isinstance(entry.target, type):
        file = OURS.file(entry.target)
        return None if file is None else file.absolute().parent
    module = entry.target.__module__
    imported = origin(module)
    if imported is not None:
        return imported[0].parent
    file_name = getattr(sys.modules.get(module), "__file__", None)
    if file_name is None or module in sys.stdlib_module_names:
        return Path.cwd()
    return Path(file_name).absolute().parent


def _named_in(command: object) -> Sources:
    sources: dict[str, str] = {}
    if not isinstance(command, str):
        return sources
    with suppress(ValueError):
        for word in shlex.split(command)[1:]:
            if os.path.isfile(word) and os.path.getsize(word) <= _LARGEST:
                file = Path(word)
                sources[file.name] = text_of(file)
    return sources


def _models_in(options: Mapping[str, Any]) -> Sources:
    """The files of models that options name, as in ``bo(model=file.py:Class)``."""
    sources: dict[str, str] = {}
    for value in options.values():
        if isinstance(value, str):
            with suppress(UserError):
                head, _ = parse_reference(value)
                path = head.removeprefix("sklearn:").rpartition(":")[0]
                if path.endswith(".py"):
                    sources.update(with_imports(Path(path)))
    return sources
