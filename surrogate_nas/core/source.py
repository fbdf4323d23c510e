"""The source of a user's code: the file of a class or a function, and the files of the user's own
that it imports.

It is found by reading, without running any of it: imports are followed through the file's folder
and the places of ``sys.path`` that hold no installed packages. What is imported under a name that
only running it tells is not seen.
"""

from __future__ import annotations

import ast
import inspect
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType

Sources = Mapping[str, str]
"""By the name of a file, as seen from the folder of the user's own, its text."""

_PACKAGE = Path(__file__).parents[1]


def source_of(kind: type | FunctionType) -> Sources:
    """The source of a class or a function: its module's file, or what is known of typed code.

    Example:
        >>> list(source_of(source_of))
        ['source.py']
    """
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    # by `type`, which says that it is of the module abc
    is_standard = kind.__module__ in sys.stdlib_module_names
    if file is not None and os.path.isfile(file) and not is_standard:
        return with_imports(Path(file), is_script=kind.__module__ == "__main__")
    try:
        return {kind.__qualname__: inspect.getsource(kind)}
    except (OSError, TypeError):
        return {kind.__qualname__: "\n".join(_codes(kind))}


def _codes(kind: type | FunctionType) -> Iterator[str]:
    """What stands for the source of a class or a function whose text is nowhere."""
    functions = {"": kind} if isinstance(kind, FunctionType) else vars(kind)
    for name, value in sorted(functions.items()):
        if inspect.isfunction(value):
            yield f"{name} {_code(value.__code__)}".strip()


def _code(code: CodeType) -> str:
    constants = [
        _code(constant) if isinstance(constant, CodeType) else repr(constant)
        for constant in code.co_consts
    ]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


def with_imports(file: Path, *, is_script: bool = False) -> Sources:
    """The text of a file, and of the user's own files that it imports, and that these import.

    Args:
        file: Python source.
        is_script: Whether it is what runs, of which only what defines something counts.
    """
    folder = file.absolute().parent
    searched = [Path(entry or ".").resolve() for entry in sys.path]
    folders = [folder, *filter(_is_own_folder, searched)]
    texts: dict[Path, str] = {}
    waiting = [file.absolute()]
    while waiting:
        path = waiting.pop()
        text = text_of(path)
        if path in texts or not text:
            continue
        with suppress(SyntaxError, ValueError, RecursionError):
            tree = ast.parse(text)
            if is_script and not texts:
                tree.body = list(filter(_defines, tree.body))
                text = ast.unparse(tree)
            waiting += _imported(tree, path, folders)
        texts[path] = text
    return {os.path.relpath(path, folder): text for path, text in sorted(texts.items())}


def _defines(node: ast.stmt) -> bool:
    is_main = isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
    return not (is_main or isinstance(node, ast.Expr))


def _imported(tree: ast.Module, file: Path, folders: list[Path]) -> Iterator[Path]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from modules(alias.name.split("."), folders)
        elif isinstance(node, ast.ImportFrom):
            is_relative = 0 < node.level <= len(file.parents)
            start = [file.parents[node.level - 1]] if is_relative else folders
            names = node.module.split(".") if node.module else []
            for alias in node.names:
                yield from modules([*names, alias.name], start)


def modules(names: list[str], folders: list[Path]) -> list[Path]:
    """The files of a dotted name in the first place that has its head, innermost first."""
    for path in folders:
        files: list[Path] = []
        for name in names:
            path /= name  # noqa: PLW2901 - from a package into the next
            files += filter(Path.is_file, (path / "__init__.py", path.with_suffix(".py")))
        if files:
            return [file for file in files[::-1] if not file.is_relative_to(_PACKAGE)]
    return []


def _is_own_folder(folder: Path) -> bool:
    is_installed = folder.name in ("site-packages", "dist-packages")
    return folder.is_dir() and not is_installed and not _is_within(folder, _installed())


def _is_within(path: Path, folders: Iterable[Path]) -> bool:
    return any(map(path.is_relative_to, folders))


@cache
def _installed() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    names = "stdlib", "platstdlib", "purelib", "platlib"
    return tuple(Path(paths[name]).resolve() for name in names)


def text_of(file: Path) -> str:
    """The text of a file; empty where it cannot be read, which is reported when it is run."""
    with suppress(OSError, ValueError):
        return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    return ""


@cache
def is_own(file: str | None) -> bool:
    """Whether code is the user's and not of a library, whose version identifies it."""
    # None is code that was typed in
    return file is None or not _is_within(Path(file).resolve(), (_PACKAGE, *_installed()))
