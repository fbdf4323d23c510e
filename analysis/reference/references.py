"""What a name in single backticks stands for, as its reader would look for it: from the inside
outwards.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from analysis.reference.commands import PROGRAM, commands
from analysis.reference.names import (
    PACKAGE,
    Node,
    Place,
    homes,
    modules,
    pages,
    registries,
    source,
)

REFERENCE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
"""In single backticks: a name. In double backticks stands what is written as it is."""
_NAME = re.compile(r"[A-Za-z_][\w.]*(\(.*\))?")
ELSEWHERE = ("Strategy", "Space", "Surrogate", "Benchmark")
"""Bases whose methods are so well known that their names alone are understood."""


@dataclass(frozen=True)
class Found:
    """What a reference stands for.

    Attributes:
        link: The page and place to link to, or empty where the thing is no part of the reference.
    """

    link: str = ""


@dataclass(frozen=True)
class Scope:
    """Where a docstring stands.

    Attributes:
        module: The module.
        kind: The class that it is within, or that it is of, or None.
        parameters: The parameters of the function that it is of.
    """

    module: str
    kind: type | None = None
    parameters: tuple[str, ...] = ()

    def find(self, text: str) -> Found | None:
        """What a reference stands for; None where it stands for nothing.

        Args:
            text: What is in the backticks.
        """
        written = " ".join(text.split())
        if written.startswith("snas"):
            return _command(written)
        if not _NAME.fullmatch(written):
            return None
        head, *rest = written.partition("(")[0].split(".")
        ways: tuple[Callable[[str, list[str]], Found | None], ...] = (
            self._parameter,
            self._member,
            self._here,
            self._beside,
            _absolute,
            _registered,
            _public,
            _method,
            _python,
        )
        return next(filter(None, (way(head, rest) for way in ways)), None)

    def _parameter(self, head: str, _: list[str]) -> Found | None:
        return Found() if head in self.parameters else None

    def _member(self, head: str, rest: list[str]) -> Found | None:
        if self.kind is None or not has(self.kind, head):
            return None
        found = _linked(Place(self.kind.__module__, self.kind.__name__), [head, *rest])
        return found if found and found.link.endswith(f".{head}") else Found()

    def _here(self, head: str, rest: list[str]) -> Found | None:
        held = modules()[self.module]
        if head not in vars(held.module) and head not in held.imports:
            return None
        place = source(self.module, head)
        if place.module in modules() and hasattr(
            modules()[place.module].module, place.name
        ):
            return (
                (_linked(place, rest) or Found())
                if _reaches(place.thing, rest)
                else None
            )
        return Found()

    def _beside(self, head: str, rest: list[str]) -> Found | None:
        """A module of the same folder."""
        is_folder = hasattr(modules()[self.module].module, "__path__")
        folder = self.module if is_folder else self.module.rpartition(".")[0]
        return (
            _absolute(PACKAGE, [*folder.split(".")[1:], head, *rest])
            if f"{folder}.{head}" in modules()
            else None
        )


def has(kind: type, name: str) -> bool:
    """Whether a class has a member, be it only annotated or told among its attributes.

    Args:
        kind: The class.
        name: The member.
    """
    if hasattr(kind, name):
        return True
    told = (
        base.__dict__.get("__annotations__", {}).keys() | attributes(base)
        for base in kind.__mro__
    )
    return any(name in names for names in told)


@cache
def attributes(kind: type) -> frozenset[str]:
    """The attributes that a class's docstring tells of, or that its methods set on ``self``.

    Args:
        kind: The class.
    """
    return frozenset({*entries(kind, "Attributes"), *stored(kind)})


def stored(kind: type, method: str = "") -> dict[str, None]:
    """What the methods of a class set, in the order of the source.

    Args:
        kind: The class.
        method: One of them alone; all if empty.
    """
    held = modules().get(kind.__module__)
    node = (
        held.nodes.get(f"{kind.__qualname__}.{method}" if method else kind.__qualname__)
        if held
        else None
    )
    parts = (
        part
        for part in (ast.walk(node) if node else ())
        if isinstance(part, ast.Attribute)
    )
    return {
        part.attr: None
        for part in parts
        if isinstance(part.ctx, ast.Store)
        and isinstance(part.value, ast.Name)
        and part.value.id == "self"
    }


def entries(thing: Any, title: str) -> set[str]:
    """The names that a section of a docstring tells of; several may share one entry, with commas
    between.

    Args:
        thing: What has the docstring.
        title: Such as ``Attributes``.
    """
    told = section(inspect.cleandoc(getattr(thing, "__doc__", None) or ""), title)
    return {name for entry in told for name in entry.split(", ")}


def section(text: str, title: str) -> dict[str, str]:
    """The entries of a docstring's section, such as its arguments.

    Args:
        text: The docstring, cleaned.
        title: Such as ``Args``.
    """
    found = re.search(rf"^{title}:\n((?:[ \t]+.*\n?|\n)+)", text, re.MULTILINE)
    return (
        dict(re.findall(r"^ {4}(\S[^:\n]*): *(\S.*)$", found[1], re.MULTILINE))
        if found
        else {}
    )


def _linked(place: Place, rest: list[str]) -> Found | None:
    """A link to a thing or its member, where it has a page."""
    page = homes().get(place)
    if page is None:
        return None
    kind = place.thing
    anchor = place.name
    if rest and inspect.isclass(kind):
        owner = next((base for base in kind.__mro__ if rest[0] in vars(base)), kind)
        told = Place(owner.__module__, owner.__name__)
        if told in homes() and anchored(owner, rest[0]):
            page = homes()[told]
            anchor = f"{told.name}.{rest[0]}"
    return Found(f"{pages()[page].file}#{anchor}")


def anchored(kind: type, name: str) -> bool:
    """Whether a member has a place of its own on the page of its class.

    Args:
        kind: The class.
        name: The member.
    """
    from analysis.reference.names import members

    return name in members(kind)


def _reaches(thing: Any, rest: list[str]) -> bool:
    for name in rest:
        if inspect.isclass(thing) and has(thing, name):
            thing = getattr(thing, name, object)
        elif hasattr(thing, name):
            thing = getattr(thing, name)
        else:
            return (
                inspect.isclass(thing) is False
                and not inspect.ismodule(thing)
                and not hasattr(thing, "__dict__")
            )
    return True


def _command(written: str) -> Found | None:
    """A command, with arguments or without."""
    meant = max(
        (name for name in commands() if f"{written} ".startswith(f"{name} ")),
        key=len,
        default=PROGRAM,
    )
    return (
        Found(f"commands.html#{commands()[meant].anchor}")
        if meant != PROGRAM or written == PROGRAM
        else None
    )


def _absolute(head: str, rest: list[str]) -> Found | None:
    """A name from the package downwards, or from a room."""
    if f"{PACKAGE}.{head}" in modules():
        return _absolute(PACKAGE, [head, *rest])
    if head != PACKAGE:
        return None
    parts = [head, *rest]
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        if module in modules():
            break
    left = parts[length:]
    if not left:
        above, _, last = module.rpartition(".")
        named = (
            source(above, last)
            if above in modules() and module not in pages()
            else None
        )
        return (
            Found(pages()[module].file)
            if module in pages()
            else (named and _linked(named, [])) or Found()
        )
    if left[0] not in vars(modules()[module].module):
        return None
    place = source(module, left[0])
    return (
        (_linked(place, left[1:]) or Found())
        if _reaches(place.thing, left[1:])
        else None
    )


def _registered(head: str, rest: list[str]) -> Found | None:
    """The name of a plug-in."""
    for kept in registries():
        if head in (*kept.entries, kept.anchor) and not rest:
            place = kept.places.get(head)
            return (
                _linked(place, [])
                if place
                else Found(f"{pages()[kept.room].file}#{kept.anchor}")
            )
    return None


@cache
def _by_name() -> dict[str, list[Place]]:
    found: dict[str, list[Place]] = {}
    for place in homes():
        found.setdefault(place.name, []).append(place)
    return found


def _public(head: str, rest: list[str]) -> Found | None:
    """The name of something documented, in whatever room."""
    for place in _by_name().get(head, []):
        if _reaches(place.thing, rest):
            return _linked(place, rest)
    return None


def _method(head: str, rest: list[str]) -> Found | None:
    for name in ELSEWHERE:
        if not rest and has(_by_name()[name][0].thing, head):
            return _linked(_by_name()[name][0], [head])
    return None


def _python(head: str, rest: list[str]) -> Found | None:
    """A name of Python's own."""
    if hasattr(builtins, head):
        return Found()
    if head in sys.stdlib_module_names:
        return Found() if _reaches(importlib.import_module(head), rest) else None
    return None


def scopes(module: str) -> list[tuple[Node | ast.Module, Scope]]:
    """Every part of a module that has a docstring, private ones included, with its scope.

    Args:
        module: The module.
    """
    held = modules()[module]
    found: list[tuple[Node | ast.Module, Scope]] = [(held.tree, Scope(module))]
    for name, node in held.nodes.items():
        owner, _, last = name.rpartition(".")
        if isinstance(node, ast.ClassDef):
            found.append((node, Scope(module, _class(module, name))))
        else:
            given = node.args
            names = [
                *given.posonlyargs,
                *given.args,
                *given.kwonlyargs,
                given.vararg,
                given.kwarg,
            ]
            kind = _class(module, owner) if owner else None
            found.append(
                (node, Scope(module, kind, tuple(arg.arg for arg in names if arg)))
            )
    return [(node, scope) for node, scope in found if ast.get_docstring(node)]


def _class(module: str, name: str) -> type | None:
    thing: Any = modules()[module].module
    for part in name.split("."):
        thing = getattr(thing, part, None)
    return thing if inspect.isclass(thing) else None
