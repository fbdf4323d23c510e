"""Names of one kind of thing: the project's own, those of installed packages, and a user's
``FILE.py:NAME``.

A name leads to a place that is imported when the name is first used, so that listing names loads
nothing. What is read from a file is a name: it opens what is installed, and code of a file only
where the user named that file.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from importlib.machinery import PathFinder
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar

from surrogate_nas.core.errors import UserError, in_a_line, unknown
from surrogate_nas.core.extras import need, opened
from surrogate_nas.core.plugin import check_file, import_file
from surrogate_nas.core.source import modules

T = TypeVar("T")
Check = Callable[[object, str], T]
"""Gives a thing that was found, or raises a `UserError` for what is none; the second argument is
its name.
"""

_SENTENCE = re.compile(r".*?\.(?=\s[A-Z]|$)")
_PAPER = re.compile(r'[A-Z](?:[^".:;]|al\.)*,\s+"[^"]+",\s+[^.;"]*?\d{4}')
_OF_ALL = {"seed"}


class Registry(Mapping[str, T], Generic[T]):
    """Things of one kind by name; as a mapping it holds the project's own.

    Attributes:
        what: The noun for messages, such as ``"strategy"``.
        places: Of the project's own, by name, ``module:attribute``.
        group: The entry points under which installed packages name further ones; empty for none.
        bridges: By what stands before a colon, ``module:function`` that makes a thing of what
            stands behind it.

    Example:
        >>> shapes = Registry(
        ...     "shape", type, {"path": "pathlib:Path", "number": "fractions:Fraction"}
        ... )
        >>> list(shapes), shapes["number"].__name__
        (['path', 'number'], 'Fraction')
        >>> shapes.find("numbr")
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: Unknown shape 'numbr'. Did you mean 'number'? Known: number, path.
    """  # noqa: E501

    def __init__(
        self,
        what: str,
        kind: type[T] | Check[T],
        places: Mapping[str, str] | None = None,
        *,
        folder: str = "",
        attribute: str = "",
        first: Sequence[str] = (),
        group: str = "",
    ) -> None:
        """Name a kind of thing; nothing is imported.

        Args:
            what: The noun for messages.
            kind: The class that the things are of, or what checks them.
            places: By name, ``module:attribute``.
            folder: A package whose modules hold further ones; all of them are imported when one is
                asked for.
            attribute: What these call theirs: a thing, or a tuple of them, each with a ``name``.
            first: The modules of the folder that lists begin with; the others follow by their
                names.
            group: The entry points of installed packages; empty for none.
        """
        self.what = what
        self.places = dict(places or {})
        self.group = group
        self.bridges: dict[str, str] = {}
        self._folder = folder
        self._attribute = attribute
        self._first = tuple(first)
        self._check: Check[T] = _of_class(kind, what) if isinstance(kind, type) else kind

    @cached_property
    def _inside(self) -> dict[str, T]:
        things: dict[str, Any] = {}
        first = [f"{self._folder}.{name}" for name in self._first]
        for module in (
            dict.fromkeys([*first, *modules_of(self._folder)]) if self._folder else ()
        ):
            defined = getattr(importlib.import_module(module), self._attribute, ())
            for thing in defined if isinstance(defined, tuple) else (defined,):
                if things.setdefault(thing.name, thing) is not thing:
                    raise RuntimeError(f"Two of {self._folder} are named {thing.name}.")
        return things

    def __getitem__(self, name: str) -> T:
        if name in self.places:
            return self._check(opened(self.places[name], f"The {self.what} {name}"), name)
        return self._inside[name]

    def __contains__(self, name: object) -> bool:
        return name in self.places or name in self._inside

    def __iter__(self) -> Iterator[str]:
        yield from self.places
        yield from self._inside

    def __len__(self) -> int:
        return len(self.places) + len(self._inside)

    def points(self) -> dict[str, EntryPoint]:
        """The entry points of installed packages by name, but for names that are the project's
        own.
        """
        installed = _points(self.group, tuple(sys.path)) if self.group else ()
        return {point.name: point for point in installed if point.name not in self}

    def names(self) -> list[str]:
        """All names that need no file, sorted."""
        return sorted({*self, *self.points()})

    def expect(self, name: str) -> None:
        """Refuse a name that leads nowhere; a user's code is not imported."""
        path, separator, _ = name.rpartition(":")
        if name in self:
            self[name]
        elif separator:
            check_file(Path(path), self.what)
        elif name not in self.points():
            raise unknown(self.what, name, self.names())

    def find(self, name: str) -> T:
        """Find a thing by its name, or in a user's file, which is imported.

        Example:
            >>> from tempfile import TemporaryDirectory
            >>> shapes = Registry("shape", type)
            >>> with TemporaryDirectory() as folder:
            ...     _ = (Path(folder) / "mine.py").write_text("class Round: pass")
            ...     shapes.find(f"{folder}/mine.py:Round").__name__
            'Round'
        """
        if not isinstance(name, str):
            raise UserError(
                f"A {self.what} is named by a text, not {name!r:.80}. Known:"
                f" {', '.join(self.names())}."
            )
        if name in self:
            return self[name]
        library, _, behind = name.partition(":")
        if library in self.bridges:
            make = opened(self.bridges[library], f"The {self.what} {name}")
            return self._check(make(behind), name)
        self.expect(name)
        path, separator, attribute = name.rpartition(":")
        thing = (
            self.inside(Path(path), attribute)
            if separator
            else _loaded(self.points()[name])
        )
        needs = getattr(thing, "needs", ())
        need(f"The {self.what} {name}", *(needs if isinstance(needs, tuple) else ()))
        return self._check(thing, name)

    def inside(self, file: Path, attribute: str) -> object:
        """What a user's file calls by a name, of whatever kind; the file is imported."""
        module = import_file(file, self.what)
        if not hasattr(module, attribute):
            raise UserError(f"{file} defines no {attribute}.")
        return getattr(module, attribute)

    def file(self, name: str) -> Path | None:
        """The file that defines a name, which is not imported; None for the project's own names and
        for no name.
        """
        path, separator, _ = name.rpartition(":")
        if separator:
            return Path(path)
        point = self.points().get(name)
        if point is None:
            return None
        top, *inner = point.module.split(".")
        spec = PathFinder.find_spec(top)
        if spec is None or spec.origin is None:
            return None
        package = Path(spec.origin)
        files = modules(inner, [package.parent]) if inner else []
        return files[0] if files else package

    def code(self, name: str) -> str:
        """A digest of the file that defines a name; empty where `file` gives none."""
        file = self.file(name)
        is_there = file is not None and file.is_file()
        return hashlib.sha256(file.read_bytes()).hexdigest() if file and is_there else ""

    def described(self) -> Iterator[dict[str, Any]]:
        """What there is, read from the files without importing one:
        ``{name, description, paper, options}`` each.
        """
        for name, place in {
            **self.places,
            **{name: point.value for name, point in self.points().items()},
        }.items():
            yield {"name": name, **described_at(place)}


@lru_cache(maxsize=32)
def _points(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """The entry points of all installed packages; reading them takes 10 ms and more."""
    return tuple(entry_points(group=group))


def _of_class(kind: type[T], what: str) -> Check[T]:
    def check(thing: object, name: str) -> T:
        if not isinstance(thing, kind):
            path, separator, attribute = name.rpartition(":")
            if separator:
                raise UserError(f"{path} holds no {what} {attribute}.")
            raise UserError(f"{name} is no {what}.")
        return thing

    return check


def subclass_of(kind: Any, noun: str) -> Check[Any]:
    """A check that a thing is a class of a kind."""

    def check(thing: object, name: str) -> Any:
        if not (isinstance(thing, type) and issubclass(thing, kind)):
            raise UserError(f"{name} is not a subclass of {noun}.")
        return thing

    return check


def places_in(package: str, attribute: str = "") -> dict[str, str]:
    """The places of things that have a file each, ``NAME.py``: ``module:NAME``, or
    ``module:attribute``.
    """
    files = (module.name for module in _inside(package) if not module.ispkg)
    return {name: f"{package}.{name}:{attribute or name}" for name in files}


def modules_of(package: str) -> list[str]:
    """The modules and packages in a package by their full names, sorted; none of them is
    imported.
    """
    return [f"{package}.{module.name}" for module in _inside(package)]


def _inside(package: str) -> list[pkgutil.ModuleInfo]:
    spec = importlib.util.find_spec(package)
    inside = pkgutil.iter_modules(spec.submodule_search_locations if spec else None)
    return sorted(
        (module for module in inside if not module.name.startswith("_")),
        key=lambda module: module.name,
    )


def _loaded(point: EntryPoint) -> object:
    try:
        return point.load()
    except Exception as error:
        raise UserError(f"{point.value} cannot be imported: {in_a_line(error)}.") from error


def described_at(place: str) -> dict[str, Any]:
    """What a thing's file says of it, which is read and not imported.

    Its docstring's first sentence says what it does, as in ``Name: what it does``. The docstring
    names the paper as ``Authors, "Title", Venue year``.

    Returns:
        ``{description, paper, options}``, the constructor's options with their defaults; empty
        where it cannot be read.
    """
    module, _, name = place.partition(":")
    try:
        spec = importlib.util.find_spec(module)
        tree = (
            ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
            if spec and spec.origin
            else ast.Module([], [])
        )
    # a user's package: it is listed all the same
    except (ImportError, OSError, ValueError, SyntaxError):
        tree = ast.Module([], [])
    text = ast.get_docstring(tree) or ""
    paper = _PAPER.search(" ".join(text.split("\n")))
    paragraph = " ".join(text.partition("\n\n")[0].split())
    sentence = _SENTENCE.match(paragraph)
    first = sentence.group() if sentence else paragraph
    return {
        "description": (first.partition(": ")[2] or first).rstrip("."),
        "paper": paper.group() if paper else "",
        "options": _options(tree, name),
    }


def _options(tree: ast.Module, name: str) -> dict[str, str]:
    """The keyword arguments of a class's constructor with their defaults as they are written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == name:
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                    options = zip(part.args.kwonlyargs, part.args.kw_defaults, strict=True)
                    return {
                        o.arg: ast.unparse(d)
                        for o, d in options
                        if d is not None and o.arg not in _OF_ALL
                    }
    return {}
