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
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from surrogate_nas.core.plugin import origin

Sources = Mapping[str, str]
"""By the name of a file, as seen from the folder of the user's own, its text."""

_PACKAGE = Path(__file__).parents[1]
_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_DEEPEST = 6
"""Functions that functions call, and tuples in tuples, that are followed."""


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
    constants = [_code(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
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
                tree.body = [node for node in tree.body if not _only_runs(node)]
                text = ast.unparse(tree)
            waiting += _imported(tree, one, places)
        texts[one] = text
    return {os.path.relpath(one, folder): text for one, text in sorted(texts.items())}


def _only_runs(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) or (
        isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
    )


def _imported(tree: ast.Module, file: Path, places: list[Path]) -> Iterator[Path]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from modules(alias.name.split("."), places)
        elif isinstance(node, ast.ImportFrom):
            start = (
                [file.parents[node.level - 1]] if 0 < node.level <= len(file.parents) else places
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
                one for one in (place / "__init__.py", place.with_suffix(".py")) if one.is_file()
            ]
        if files:
            return [one for one in files[::-1] if not one.is_relative_to(_PACKAGE)]
    return []


def _own_places() -> list[Path]:
    """Where modules are found that are no installed package's."""
    here = [Path(place or ".").resolve() for place in sys.path]
    own = [place for place in here if not any(place.is_relative_to(one) for one in _installed())]
    return [
        place
        for place in own
        if place.is_dir() and place.name not in ("site-packages", "dist-packages")
    ]


def _installed() -> list[Path]:
    """Where packages are installed."""
    paths = sysconfig.get_paths()
    return [Path(paths[name]).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")]


def text_of(file: Path) -> str:
    """The text of a file; empty where it cannot be read, which is reported when it is run."""
    try:
        return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    except (OSError, ValueError):
        return ""


def digest_of_function(function: Callable[..., Any]) -> str:
    """What tells a user's function from another one: its source, and the plain values that it takes
    from around it.

    These are its defaults, what it closes over and the globals that it names: numbers, texts,
    tuples of them, arrays and functions. What lists, dictionaries and files hold is not seen, since
    functions fill them as they go.

    Example:
        >>> def times(factor):
        ...     return lambda value: factor * value
        >>> twice, again, thrice = map(digest_of_function, map(times, (2, 2, 3)))
        >>> twice == again, twice == thrice
        (True, False)
    """
    total = sha256()
    for part in _States().of(function, _DEEPEST):
        total.update(part.encode(errors="surrogatepass") + b"\0")
    return total.hexdigest()


class _States:
    """Texts that tell values from others, as far as these are plain; each function and file
    once.
    """

    def __init__(self) -> None:
        self._seen: dict[int, object] = {}

    def of(self, value: Any, depth: int) -> Iterator[str]:
        """Of one value, followed so deep."""
        kind = type(value)
        if isinstance(value, _PLAIN):
            yield f"{kind.__name__} {value!r}"
        elif kind.__module__ == "numpy" and hasattr(value, "tobytes") and not value.dtype.hasobject:
            yield f"array {value.dtype} {value.shape} {sha256(value.tobytes()).hexdigest()}"
        elif depth == 0 or id(value) in self._seen:
            yield kind.__qualname__
        elif isinstance(value, tuple | frozenset):
            parts = [" ".join(self.of(one, depth - 1)) for one in value]
            yield f"{kind.__name__} {parts if isinstance(value, tuple) else sorted(parts)}"
        else:
            yield from self._of_code(value, depth)

    def _of_code(self, value: Any, depth: int) -> Iterator[str]:
        """What is called, and what is no plain value."""
        if isinstance(value, FunctionType):
            yield from self._of_function(value, depth)
        elif isinstance(value, MethodType):
            yield from self.of(value.__func__, depth)
            yield from self._of_instance(value.__self__, depth)
        elif isinstance(value, partial):
            for part in (value.func, value.args, *sorted(value.keywords.items())):
                yield from self.of(part, depth - 1)
        elif isinstance(value, ModuleType):
            self._seen[id(value)] = value
            yield value.__name__
            yield from _texts(_of_module(value))
        elif callable(value) and not isinstance(value, type) and hasattr(value, "__dict__"):
            yield from self._of_instance(value, depth)
        else:
            yield f"{type(value).__qualname__} {getattr(value, '__qualname__', '')}"

    def _of_function(self, function: FunctionType, depth: int) -> Iterator[str]:
        self._seen[id(function)] = function
        yield f"{function.__qualname__} {_place(function.__code__)}"
        is_own = _is_own(getattr(sys.modules.get(function.__module__), "__file__", None))
        if is_own:
            yield from _texts(source_of(function))
        cells = [_content(cell) for cell in function.__closure__ or ()]
        names = dict.fromkeys(_names(function.__code__)) if is_own else {}
        around = [function.__globals__[name] for name in names if name in function.__globals__]
        for value in (
            function.__defaults__,
            *sorted((function.__kwdefaults__ or {}).items()),
            *cells,
            *around,
        ):
            yield from self.of(value, depth - 1)

    def _of_instance(self, value: Any, depth: int) -> Iterator[str]:
        """An object that is called, or whose method is: its class, and what is plain of its
        attributes.
        """
        self._seen[id(value)] = value
        yield type(value).__qualname__
        yield from _texts(source_of(type(value)))
        for name, attribute in sorted(getattr(value, "__dict__", {}).items()):
            yield name
            yield from self.of(attribute, depth - 1)


def _texts(sources: Sources) -> Iterator[str]:
    for name, text in sorted(sources.items()):
        yield name
        yield text


def _of_module(module: ModuleType) -> Sources:
    """The source of a module of the user's own; empty for one that is installed."""
    file = getattr(module, "__file__", None)
    return with_imports(Path(file)) if file and _is_own(file) else {}


def _is_own(file: str | None) -> bool:
    """Whether code is the user's, whose text tells it, and not of a library, whose version does."""
    if file is None:  # typed in
        return True
    path = Path(file).resolve()
    return not any(path.is_relative_to(place) for place in (_PACKAGE, *_installed()))


def _place(code: CodeType) -> str:
    """Where in its file a function stands, as two of one name stand in two places."""
    columns = [column for _, _, column, _ in code.co_positions() if column]
    return f"{code.co_firstlineno}:{min(columns, default=0)}"


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a function that names itself before it is there
        return None


def _names(code: CodeType) -> Iterator[str]:
    """The names that a function looks up outside itself, and those that functions in it do."""
    yield from sorted(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
