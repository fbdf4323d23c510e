"""Registries of objects by name: the project's own objects, objects of installed packages, and a
user's ``FILE.py:NAME``.

The module of an object is imported when its name is first used, so listing names imports nothing.
Data files contain only names of objects, never code. A name in a data file can load installed code,
but code from a user's file only if the user named that file.

A name can have options, as in ``evolution(population=50)``, ``file.py:Class(knob=1)`` and
``guided(model=sklearn:sklearn.svm:SVR(C=2.0))``. The options of a name are keyword arguments of the
constructor in Python syntax. In an option, a word without quotes is a string, and so is a nested
name with options. Results store the name with its options, so two settings of a strategy count as
two strategies.
"""

import ast
import hashlib
import importlib
import importlib.util
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.machinery import PathFinder, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from surrogate_nas.core.arguments import KNOBS
from surrogate_nas.core.digests import modules
from surrogate_nas.core.errors import UserError, in_a_line, unknown
from surrogate_nas.core.extras import need, opened

_names: set[str] = set()


def import_file(path: Path, what: str) -> ModuleType:
    """Import a user's file as a module with the name ``_WHAT_STEM``, such as ``_space_mine``.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "mine.py"
        ...     _ = path.write_text("WIDTHS = (16, 64)")
        ...     import_file(path, "space").WIDTHS
        (16, 64)
    """
    check_file(path, what)
    name = f"_{what}_{path.stem}"
    spec = spec_from_file_location(name, path, loader=_FromSource(name, str(path)))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    _names.add(name)
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        del sys.modules[name]
        raise UserError(f"{path} cannot be imported: {in_a_line(error)}.") from error
    return module


def absolute(name: str) -> str:
    """Make the path in ``file.py:NAME`` absolute. Any other name is returned unchanged."""
    path, separator, attribute = name.rpartition(":")
    return f"{Path(path).absolute()}:{attribute}" if separator else name


class _FromSource(SourceFileLoader):
    """Compiles the file without a cache, which would miss an edit within the same second."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def is_users_file(module: str) -> bool:
    """Return whether a module was imported by `import_file`."""
    return module in _names


def check_file(path: Path, what: str) -> None:
    """Raise a `UserError` unless a path is an existing Python file."""
    if not os.path.isfile(path):  # also for a name that is too long
        raise UserError(f"There is no {what} file {str(path):.200}.")
    if path.suffix != ".py":
        raise UserError(f"{path} is not a Python file.")


# A value that is a name with options, or one with a colon
_NAME = re.compile(r"\w+\(\s*\w+\s*=.*\)|[^(),'\"]+:[\w.]+(\(.*\))?", re.DOTALL)
_OPEN, _CLOSE = "([{", ")]}"


def parse_reference(text: str, what: str = "strategy") -> tuple[str, dict[str, Any]]:
    """Split a name with options, such as ``evolution(population=50)``, into its head and its
    options.

    The head of a name is a registered name, a name with the prefix of a bridge to a library, or
    ``file.py:Class``. The options are sorted by name. `what` is the noun in error messages, such as
    ``strategy``.

    Raises:
        UserError: The options are not written as keyword arguments.

    Example:
        >>> parse_reference("guided(pool=mixed, model=gp(warp=True))")
        ('guided', {'model': 'gp(warp=True)', 'pool': 'mixed'})
    """
    text = text.strip()
    start = _opening(text)
    if start is None:
        return text, {}
    head = text[:start].strip()
    tail = text[start:]
    options: dict[str, Any] = {}
    try:
        for part in split_outside(tail[1:-1]):
            name, _, value = part.partition("=")
            if not name.strip().isidentifier() or name.strip() in options:
                raise ValueError
            options[name.strip()] = _value(value.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise UserError(
            f"Write the options of a {what} as {head:.80}(key=value, …), not {tail!r:.120}."
        ) from error
    return head, dict(sorted(options.items()))


def suffix_of(options: dict[str, Any]) -> str:
    """Format options as the suffix of a label, such as ``(population=50)``.

    Return an empty string if there are no options.
    """
    words = [f"{name}={_written(value)}" for name, value in options.items()]
    return f"({','.join(words)})" if words else ""


def split_outside(text: str) -> list[str]:
    """Split a text at the commas that are outside parentheses and quoted texts.

    Example:
        >>> split_outside("random, guided(model=gp(warp=True),pool='a,b')")
        ['random', "guided(model=gp(warp=True),pool='a,b')"]
    """
    parts = [""]
    depth = 0
    quote = ""
    for index, character in enumerate(text):
        if quote:
            quote = "" if character == quote and text[index - 1] != "\\" else quote
        # not that of a file's name
        elif character in "'\"" and text[index - 1 : index] in f"= ,{_OPEN}":
            quote = character
        depth = max(
            0, depth + (not quote) * ((character in _OPEN) - (character in _CLOSE))
        )
        if character == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _opening(text: str) -> int | None:
    depth = 0
    for index in range(len(text) - 1, -1, -1):
        depth += (text[index] == ")") - (text[index] == "(")
        if depth <= 0:
            return index if depth == 0 and text.endswith(")") else None
    return None


def _value(text: str) -> Any:
    try:
        node = ast.parse(text, mode="eval").body
        return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)
    except (ValueError, SyntaxError):
        if _NAME.fullmatch(text) is None:
            raise
        return text


def _written(value: Any) -> str:
    return value if isinstance(value, str) and value.isidentifier() else repr(value)


if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")
Check = Callable[[object, str], T]
"""A function of an object and its name that returns the object or raises a `UserError`."""

_SENTENCE = re.compile(r".*?\.(?=\s[A-Z]|$)")
_PAPER = re.compile(r'[A-Z](?:[^".:;]|al\.)*,\s+"[^"]+",\s+[^.;"]*?\d{4}')
_KNOB = re.compile(rf"(arguments\.)?({'|'.join(knob.__name__ for knob in KNOBS)})")


@dataclass(eq=False)
class Registry(Mapping[str, T], Generic[T]):
    """A registry of objects of one kind by name, such as strategies.

    As a mapping, a registry contains only the project's own entries.

    Attributes:
        what: The noun for messages, such as ``"strategy"``.
        kind: The class of the entries, or a function that checks an entry.
        places: Address ``module:attribute`` of each of the project's own entries, by name.
        folder: A package whose modules define further entries. The first use of the registry
            imports all modules of this package.
        attribute: The attribute of each module in `folder` that contains an entry, or a tuple of
            entries. Every entry has a ``name``.
        first: Names of modules in `folder` whose entries come first in lists.
        group: The group of entry points under which installed packages register further entries.
        bridges: Address ``module:function`` of each bridge to a library, by prefix. The function
            creates an entry from the text after the prefix and a colon.

    Example:
        >>> shapes = Registry(
        ...     "shape", type, {"path": "pathlib:Path", "number": "fractions:Fraction"}
        ... )
        >>> list(shapes), shapes["number"].__name__
        (['path', 'number'], 'Fraction')
        >>> shapes.find("numbr")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: Unknown shape 'numbr'. Did you mean 'number'? ...
    """

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
            reason = f"{path} contains no {self.what} {attribute}"
            wrong = reason if separator else f"{name} is not a {self.what}"
            raise UserError(f"{wrong}.")
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
            return self._check(
                opened(self.places[name], f"The {self.what} {name}"), name
            )
        return self._inside[name]

    def __contains__(self, name: object) -> bool:
        return name in self.places or name in self._inside

    def __iter__(self) -> Iterator[str]:
        yield from self.places
        yield from self._inside

    def __len__(self) -> int:
        return len(self.places) + len(self._inside)

    def points(self) -> "dict[str, EntryPoint]":
        """Return the entry points of installed packages by name, except names that the project
        itself uses.
        """
        installed = _points(self.group, tuple(sys.path)) if self.group else ()
        return {point.name: point for point in installed if point.name not in self}

    def names(self) -> list[str]:
        """Return the sorted names of all entries except those in users' files."""
        return sorted({*self, *self.points()})

    def expect(self, name: str) -> None:
        """Check that a name refers to an entry, without importing a user's code."""
        path, separator, _ = name.rpartition(":")
        if name in self:
            self[name]
        elif separator:
            check_file(Path(path), self.what)
        elif name not in self.points():
            raise unknown(self.what, name, self.names())

    def find(self, name: str) -> T:
        """Return the entry with a given name. If the entry is in a user's file, import the file.

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
                f"The name of a {self.what} must be a text, not {name!r:.80}. Known:"
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
        """Return the file that defines the entry with a name, or None for the project's own names.

        Import nothing.
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
        return (modules(inner, [package.parent]) or [package])[0]

    def code(self, name: str) -> str:
        """Return the SHA-256 of the file that defines the entry with a name.

        Return an empty string if there is no such file.
        """
        file = self.file(name)
        is_there = file is not None and file.is_file()
        return (
            hashlib.sha256(file.read_bytes()).hexdigest() if file and is_there else ""
        )

    def described(self) -> list[dict[str, Any]]:
        """Describe every entry from the text of its module, without importing the module
        (`described_at`).
        """
        points = {name: point.value for name, point in self.points().items()}
        return [
            {"name": name, **described_at(address)}
            for name, address in {**self.places, **points}.items()
        ]


@lru_cache(maxsize=32)
def _points(group: str, path: tuple[str, ...]) -> "tuple[EntryPoint, ...]":
    """Return the entry points of all installed packages. Reading them takes at least 10 ms."""
    from importlib.metadata import entry_points

    return tuple(entry_points(group=group))


def subclass_of(kind: Any, noun: str) -> Check[Any]:
    """Return a function that checks that an object is a subclass of a class."""

    def check(thing: object, name: str) -> Any:
        if not (isinstance(thing, type) and issubclass(thing, kind)):
            raise UserError(f"{name} is not a subclass of {noun}.")
        return thing

    return check


def places_in(package: str, attribute: str) -> dict[str, str]:
    """Return the address ``module:attribute`` for each module of a package, by module name."""
    return {
        name: f"{package}.{name}:{attribute}"
        for name, is_package in _names_in(package).items()
        if not is_package
    }


def _names_in(package: str) -> dict[str, bool]:
    """Return the modules in a package, sorted, and whether each is a package, without imports."""
    spec = importlib.util.find_spec(package)
    inside = pkgutil.iter_modules(spec.submodule_search_locations if spec else None)
    return dict(
        sorted((name, is_package) for _, name, is_package in inside if name[0] != "_")
    )


def _loaded(point: "EntryPoint") -> object:
    try:
        return point.load()
    except Exception as error:
        raise UserError(
            f"{point.value} cannot be imported: {in_a_line(error)}."
        ) from error


def described_at(address: str) -> dict[str, Any]:
    """Describe a class from the text of its module, without importing the module.

    The description is the first sentence of the module's docstring, as in ``Name: what it does.``
    The docstring cites the paper as ``Authors, "Title", Venue year``.

    Returns:
        ``{description, paper, options}``. ``options`` contains the options of the constructor with
        their defaults. All values are empty if the module cannot be read.
    """
    module, _, name = address.partition(":")
    tree = _tree(module)
    text = ast.get_docstring(tree) or ""
    paper = _PAPER.search(" ".join(text.split("\n")))
    paragraph = " ".join(text.partition("\n\n")[0].split())
    sentence = _SENTENCE.match(paragraph)
    return {
        "description": sentence.group() if sentence else paragraph,
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
    """Return a class's options with their defaults as written in the source.

    The options are the keyword arguments of its constructor, or its own and its bases' knobs
    (`surrogate_nas.core.arguments`).
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
                    option: default
                    for option, default in taken.items()
                    if option != "seed"
                }
        for base in map(ast.unparse, kind.bases):
            options |= _options(_tree(homes[base]), base) if base in homes else {}
        for part in kind.body:
            if isinstance(part, ast.Assign | ast.AnnAssign):
                target = (
                    part.target if isinstance(part, ast.AnnAssign) else part.targets[0]
                )
                options.pop(ast.unparse(target), None)
                value = part.value
                if isinstance(value, ast.Call) and _KNOB.fullmatch(
                    ast.unparse(value.func)
                ):
                    options[ast.unparse(target)] = ast.unparse(value.args[0])
    return options
