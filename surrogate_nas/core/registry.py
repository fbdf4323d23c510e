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
from contextlib import suppress
from dataclasses import dataclass, field
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
"""Given what was found and its name, returns it or raises a `UserError`."""

_SENTENCE = re.compile(r".*?\.(?=\s[A-Z]|$)")
_PAPER = re.compile(r'[A-Z](?:[^".:;]|al\.)*,\s+"[^"]+",\s+[^.;"]*?\d{4}')
_KNOB = re.compile(r"(knobs\.)?(whole|number|text|flag|other)")


@dataclass(eq=False)
class Registry(Mapping[str, T], Generic[T]):
    """Things of one kind by name; as a mapping it holds the project's own.

    Attributes:
        what: The noun for messages, such as ``"strategy"``.
        kind: The class that the things are of, or a function that checks them.
        places: Of the project's own, by name, ``module:attribute``.
        folder: A package whose modules hold further ones; the first use imports all of them.
        attribute: What these call theirs: a thing, or a tuple of them, each with a ``name``.
        first: The modules of the folder that lists begin with.
        group: The entry points under which installed packages name further ones.
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

    what: str
    kind: type[T] | Check[T]
    places: dict[str, str] = field(default_factory=dict)
    folder: str = ""
    attribute: str = ""
    first: Sequence[str] = ()
    group: str = ""
    bridges: dict[str, str] = field(default_factory=dict)

    def _check(self, thing: Any, name: str) -> T:
        kind: Any = self.kind
        if isinstance(kind, type) and not isinstance(thing, kind):
            path, separator, attribute = name.rpartition(":")
            reason = f"{path} holds no {self.what} {attribute}"
            raise UserError(f"{reason if separator else f'{name} is no {self.what}'}.")
        checked: T = thing if isinstance(kind, type) else kind(thing, name)
        return checked

    @cached_property
    def _inside(self) -> dict[str, T]:
        things: dict[str, Any] = {}
        names = [*self.first, *_names_in(self.folder)] if self.folder else []
        for name in dict.fromkeys(names):
            module = importlib.import_module(f"{self.folder}.{name}")
            defined = getattr(module, self.attribute, ())
            for thing in defined if isinstance(defined, tuple) else (defined,):
                if things.setdefault(thing.name, thing) is not thing:
                    raise RuntimeError(f"Two of {self.folder} are named {thing.name}.")
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
        """The entry points of installed packages by name, without the project's own names."""
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
        what = f"The {self.what} {name}"
        library, _, behind = name.partition(":")
        if library in self.bridges:
            return self._check(opened(self.bridges[library], what)(behind), name)
        self.expect(name)
        path, separator, attribute = name.rpartition(":")
        if separator:
            thing = self.inside(Path(path), attribute)
        else:
            thing = _loaded(self.points()[name])
        needs = getattr(thing, "needs", ())
        need(what, *(needs if isinstance(needs, tuple) else ()))
        return self._check(thing, name)

    def inside(self, file: Path, attribute: str) -> object:
        """Import a user's file and return the object with the given name."""
        module = import_file(file, self.what)
        if not hasattr(module, attribute):
            raise UserError(f"{file} defines no {attribute}.")
        return getattr(module, attribute)

    def file(self, name: str) -> Path | None:
        """The file that defines a name, which is not imported; None for the project's own names."""
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
        return (modules(inner, [package.parent]) or [package])[0]

    def code(self, name: str) -> str:
        """A digest of the file that defines a name; empty where `file` gives none."""
        file = self.file(name)
        is_there = file is not None and file.is_file()
        return hashlib.sha256(file.read_bytes()).hexdigest() if file and is_there else ""

    def described(self) -> list[dict[str, Any]]:
        """Every name with what its file says, none of which is imported (`described_at`)."""
        points = {name: point.value for name, point in self.points().items()}
        return [
            {"name": name, **described_at(address)}
            for name, address in {**self.places, **points}.items()
        ]


@lru_cache(maxsize=32)
def _points(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """The entry points of all installed packages; reading them takes 10 ms and more."""
    return tuple(entry_points(group=group))


def subclass_of(kind: Any, noun: str) -> Check[Any]:
    """A check that a thing is a class of a kind."""

    def check(thing: object, name: str) -> Any:
        if not (isinstance(thing, type) and issubclass(thing, kind)):
            raise UserError(f"{name} is not a subclass of {noun}.")
        return thing

    return check


def places_in(package: str, attribute: str) -> dict[str, str]:
    """By name ``module:attribute`` of the things that have a file each in a package."""
    return {
        name: f"{package}.{name}:{attribute}"
        for name, is_package in _names_in(package).items()
        if not is_package
    }


def _names_in(package: str) -> dict[str, bool]:
    """The modules in a package, sorted, and whether each is a package; none is imported."""
    spec = importlib.util.find_spec(package)
    inside = pkgutil.iter_modules(spec.submodule_search_locations if spec else None)
    return dict(
        sorted((name, is_package) for _, name, is_package in inside if name[0] != "_")
    )


def _loaded(point: EntryPoint) -> object:
    try:
        return point.load()
    except Exception as error:
        raise UserError(f"{point.value} cannot be imported: {in_a_line(error)}.") from error


def described_at(address: str) -> dict[str, Any]:
    """What a thing's file says of it, which is read and not imported.

    Its docstring's first sentence says what it does, as in ``Name: what it does``. The docstring
    names the paper as ``Authors, "Title", Venue year``.

    Returns:
        ``{description, paper, options}``, the constructor's options with their defaults; empty
        where it cannot be read.
    """
    module, _, name = address.partition(":")
    tree = _tree(module)
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


@lru_cache(maxsize=128)
def _tree(module: str) -> ast.Module:
    # a user's package that cannot be read is listed all the same
    with suppress(ImportError, OSError, ValueError, SyntaxError):
        spec = importlib.util.find_spec(module)
        if spec and spec.origin:
            return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    return ast.parse("")


def _options(tree: ast.Module, name: str) -> dict[str, str]:
    """A class's options with their defaults as they are written: its constructor's keyword
    arguments, or its own and its bases' knobs (`surrogate_nas.core.knobs`).
    """
    options: dict[str, str] = {}
    lines = [line for line in tree.body if isinstance(line, ast.ImportFrom)]
    homes = {alias.name: str(line.module) for line in lines for alias in line.names}
    kinds = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for kind in [kind for kind in kinds if kind.name == name]:
        for part in kind.body:
            if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                own = zip(part.args.kwonlyargs, part.args.kw_defaults, strict=True)
                taken = {o.arg: ast.unparse(d) for o, d in own if d is not None}
                return {
                    option: default for option, default in taken.items() if option != "seed"
                }
        for base in map(ast.unparse, kind.bases):
            options |= _options(_tree(homes[base]), base) if base in homes else {}
        for part in kind.body:
            if isinstance(part, ast.Assign | ast.AnnAssign):
                target = part.target if isinstance(part, ast.AnnAssign) else part.targets[0]
                options.pop(ast.unparse(target), None)
                value = part.value
                if isinstance(value, ast.Call) and _KNOB.fullmatch(ast.unparse(value.func)):
                    options[ast.unparse(target)] = ast.unparse(value.args[0])
    return options
