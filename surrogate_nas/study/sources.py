"""The source of users' strategies: the file of each, and the files of the user's own that it imports.

It is found by reading, without running any of it: imports are followed through the file's folder and the places of
``sys.path`` that hold no installed packages. What is imported under a name that only running it tells is not seen.
"""

from __future__ import annotations

import ast
import inspect
import os
import shlex
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from types import CodeType

from surrogate_nas.core.plugin import origin
from surrogate_nas.strategies import OURS, StrategyLike, behind, is_builtin
from surrogate_nas.strategies.reference import Reference

Sources = Mapping[str, str]
"""By the name of a file, as seen from the folder of the strategy's own, its text."""

_PACKAGE = Path(__file__).parents[1]
_LARGEST = 10**6
"""Bytes of a file that is taken for source where a command names it."""


def sources_of(strategy: StrategyLike) -> Sources:
    """The source of a strategy; empty for those that come with the project, whose version tells theirs."""
    strategy = behind(strategy) or strategy
    if not isinstance(strategy, str):
        return {} if is_builtin(strategy) else _of_class(strategy)
    reference = Reference.parse(strategy)
    if is_builtin(strategy):
        return _named_in(reference.options.get("command"))
    path, separator, _ = reference.head.rpartition(":")
    file = Path(path) if separator else _of_entry_point(reference.head)
    return {} if file is None else _with_imports(file)


def folder_of(strategy: StrategyLike) -> Path | None:
    """Where the file of a user's strategy lies; of a class that has none, the working directory; None for ours."""
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
    """The modules that the files of a user's strategy import at their top, and what they take from these, by name."""
    found: dict[str, None] = {}
    for text in sources_of(strategy).values():
        with suppress(SyntaxError, ValueError, RecursionError):
            for node in ast.parse(text).body:
                if isinstance(node, ast.Import):
                    found |= dict.fromkeys(alias.name for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found |= dict.fromkeys([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    return tuple(found)


def _named_in(command: object) -> Sources:
    """The files that the command of an external proposer names."""
    with suppress(ValueError):
        words = shlex.split(command)[1:] if isinstance(command, str) else []
        files = [Path(word) for word in words if os.path.isfile(word) and os.path.getsize(word) <= _LARGEST]
        return {file.name: _text(file) for file in files}
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
    return next(iter(_modules(inner, [package.parent])), package) if inner else package


def _of_class(kind: type) -> Sources:
    """The source of a class that is here: its module's file, or what is known of one that was typed in."""
    imported = origin(kind.__module__)
    if imported is not None:
        return _with_imports(imported[0])
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    made = kind.__module__ in sys.stdlib_module_names  # by `type`, which says that it is of the module abc
    if file is not None and os.path.isfile(file) and not made:
        return _with_imports(Path(file), is_script=kind.__module__ == "__main__")
    try:
        return {kind.__qualname__: inspect.getsource(kind)}
    except (OSError, TypeError):
        return {kind.__qualname__: "\n".join(_codes(kind))}


def _codes(kind: type) -> Iterator[str]:
    """What stands for the source of a class whose text is nowhere."""
    for name, value in sorted(vars(kind).items()):
        if inspect.isfunction(value):
            yield f"{name} {_code(value.__code__)}"


def _code(code: CodeType) -> str:
    constants = [_code(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


def _with_imports(file: Path, *, is_script: bool = False) -> Sources:
    """The text of a file, and of the user's own files that it imports, and that these import.

    Args:
        file: Python source.
        is_script: Whether it is what runs, of which only what defines something counts.
    """
    folder = file.absolute().parent
    places = [folder, *_own_places()]
    found: dict[Path, str] = {}
    waiting = [file.absolute()]
    while waiting:
        one = waiting.pop()
        text = _text(one)
        if one in found or not text:
            continue
        with suppress(SyntaxError, ValueError, RecursionError):
            tree = ast.parse(text)
            if is_script and not found:
                tree.body = [node for node in tree.body if not _only_runs(node)]
                text = ast.unparse(tree)
            waiting += _imported(tree, one, places)
        found[one] = text
    return {os.path.relpath(one, folder): text for one, text in sorted(found.items())}


def _only_runs(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) or (isinstance(node, ast.If) and "__name__" in ast.unparse(node.test))


def _imported(tree: ast.Module, file: Path, places: list[Path]) -> Iterator[Path]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _modules(alias.name.split("."), places)
        elif isinstance(node, ast.ImportFrom):
            start = [file.parents[node.level - 1]] if 0 < node.level <= len(file.parents) else places
            names = node.module.split(".") if node.module else []
            for alias in node.names:
                yield from _modules([*names, alias.name], start)


def _modules(names: list[str], places: list[Path]) -> list[Path]:
    """The files of a dotted name in the first place that has its head, innermost first."""
    for place in places:
        files: list[Path] = []
        for name in names:
            place /= name  # noqa: PLW2901 - from a package into the next
            files += [one for one in (place / "__init__.py", place.with_suffix(".py")) if one.is_file()]
        if files:
            return [one for one in files[::-1] if not one.is_relative_to(_PACKAGE)]
    return []


def _own_places() -> list[Path]:
    """Where modules are found that are no installed package's."""
    paths = sysconfig.get_paths()
    installed = [Path(paths[name]).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    here = [Path(place or ".").resolve() for place in sys.path]
    own = [place for place in here if not any(place.is_relative_to(one) for one in installed)]
    return [place for place in own if place.is_dir() and place.name not in ("site-packages", "dist-packages")]


def _text(file: Path) -> str:
    """The text of a file; empty where it cannot be read, which whoever runs it says."""
    try:
        return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    except (OSError, ValueError):
        return ""
