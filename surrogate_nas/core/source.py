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
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType

from surrogate_nas.core.plugin import origin

Sources = Mapping[str, str]
"""By the name of a file, as seen from the folder of the user's own, its text."""

_PACKAGE = Path(__file__).parents[1]


def source_of(kind: type | FunctionType) -> Sources:
    """The source of a class or a function that is here: its module's file, or what is known of one
    that was typed in.

    Example:
        >>> list(source_of(source_of))
        ['source.py']
    """
    imported = origin(kind.__module__)
    if imported is not None:
        return with_imports(imported[0])
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
    if isinstance(kind, FunctionType):
        yield _code(kind.__code__)
        return
    for name, value in sorted(vars(kind).items()):
        if inspect.isfunction(value):
            yield f"{name} {_code(value.__code__)}"


def _code(code: CodeType) -> str:
    constants = [
        _code(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts
    ]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


def with_imports(file: Path, *, is_script: bool = False) -> Sources:
    """The text of a file, and of the user's own files that it imports, and that these import.

    Args:
        file: Python source.
        is_script: Whether it is what runs, of which only what defines something counts.
    """
    folder = file.absolute().parent
    places = [folder, *_own_places()]
    texts: dict[Path, str] = {}
    waiting = [file.absolute()]
    while waiting:
        one = waiting.pop()
        text = text_of(one)
        if one in texts or not text:
            continue
        with suppress(SyntaxError, ValueError, RecursionError):
            tree = ast.parse(text)
            if is_script and not texts:
                tree.body = [
                    node
                    for node in tree.body
                    if not isinstance(node, ast.Expr)
                    and not (
                        isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
                    )
                ]
                text = ast.unparse(tree)
            waiting += _imported(tree, one, places)
        texts[one] = text
    return {os.path.relpath(one, folder): text for one, text in sorted(texts.items())}


def _imported(tree: ast.Module, file: Path, places: list[Path]) -> Iterator[Path]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from modules(alias.name.split("."), places)
        elif isinstance(node, ast.ImportFrom):
            start = (
                [file.parents[node.level - 1]]
                if 0 < node.level <= len(file.parents)
                else places
            )
            names = node.module.split(".") if node.module else []
            for alias in node.names:
                yield from modules([*names, alias.name], start)


def modules(names: list[str], places: list[Path]) -> list[Path]:
    """The files of a dotted name in the first place that has its head, innermost first."""
    for place in places:
        files: list[Path] = []
        for name in names:
            place /= name  # noqa: PLW2901 - from a package into the next
            files += [
                one
                for one in (place / "__init__.py", place.with_suffix(".py"))
                if one.is_file()
            ]
        if files:
            return [one for one in files[::-1] if not one.is_relative_to(_PACKAGE)]
    return []


def _own_places() -> list[Path]:
    here = [Path(place or ".").resolve() for place in sys.path]
    own = [
        place
        for place in here
        if not any(place.is_relative_to(one) for one in _installed())
    ]
    return [
        place
        for place in own
        if place.is_dir() and place.name not in ("site-packages", "dist-packages")
    ]


def _installed() -> list[Path]:
    paths = sysconfig.get_paths()
    return [
        Path(paths[name]).resolve()
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
    ]


def text_of(file: Path) -> str:
    """The text of a file; empty where it cannot be read, which is reported when it is run."""
    try:
        return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    except (OSError, ValueError):
        return ""


@cache
def is_own(file: str | None) -> bool:
    """Whether code is the user's, whose text tells it, and not of a library, whose version does."""
    if file is None:  # typed in
        return True
    path = Path(file).resolve()
    return not any(path.is_relative_to(place) for place in (_PACKAGE, *_installed()))
