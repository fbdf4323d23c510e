"""What is public: the names of the front door and of every room, the plug-ins of a registry, and
what they give.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import surrogate_nas
from tests.rooms import MODULES, ROOMS

PACKAGE = surrogate_nas.__name__
Node = ast.ClassDef | ast.FunctionDef


class Place(NamedTuple):
    """Where a thing is given: the module that defines it, and its name there."""

    module: str
    name: str

    @property
    def thing(self) -> Any:
        """The thing itself."""
        return getattr(modules()[self.module].module, self.name)

    @property
    def code(self) -> Any:
        """The class or function without its wrappers; None for a constant."""
        bare = inspect.unwrap(self.thing) if callable(self.thing) else None
        return bare if inspect.isclass(bare) or inspect.isfunction(bare) else None


@dataclass(frozen=True)
class Module:
    """A module as written: what it defines, what it imports, and how constants are described.

    Attributes:
        name: The dotted name.
    """

    name: str

    @cached_property
    def module(self) -> ModuleType:
        """The imported module, names that it imports lazily included."""
        module = importlib.import_module(self.name)
        for name in getattr(module, "__all__", ()):
            vars(module).setdefault(name, getattr(module, name))
        return module

    @cached_property
    def tree(self) -> ast.Module:
        """Its source."""
        return ast.parse(inspect.getsource(self.module))

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """Its classes, functions and methods as written, by qualified name."""
        found: dict[str, Node] = {}

        def walk(body: list[ast.stmt], before: str) -> None:
            for node in body:
                if isinstance(node, Node):
                    found[f"{before}{node.name}"] = node
                    walk(
                        node.body if isinstance(node, ast.ClassDef) else [],
                        f"{before}{node.name}.",
                    )

        walk(self.tree.body, "")
        return found

    @cached_property
    def imports(self) -> dict[str, str]:
        """The full name of everything that it imports, for type checkers only included."""
        found = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                found |= {
                    alias.asname or alias.name: f"{node.module}.{alias.name}"
                    for alias in node.names
                }
            elif isinstance(node, ast.Import):
                found |= {
                    alias.asname or alias.name.split(".")[0]: alias.name
                    for alias in node.names
                }
        return found

    @cached_property
    def constants(self) -> dict[str, str]:
        """The constants and aliases that are given at its top, with the text below each, if any."""
        found = {}
        for node, after in zip(
            self.tree.body, [*self.tree.body[1:], None], strict=True
        ):
            if isinstance(node, ast.Assign | ast.AnnAssign):
                text = after.value.value if _is_text(after) else ""
                found |= {
                    name.id: inspect.cleandoc(text)
                    for target in getattr(
                        node, "targets", [getattr(node, "target", None)]
                    )
                    for name in getattr(target, "elts", [target])
                    if isinstance(name, ast.Name)
                }
        return found

    @cached_property
    def defined(self) -> list[str]:
        """The public names that are given here, in the order of the source."""
        here = [n.name for n in self.tree.body if isinstance(n, Node)]
        order = [n for n in vars(self.module) if n in here or n in self.constants]
        is_variable = {
            n
            for n in order
            if isinstance(getattr(self.module, n), typing.TypeVar | typing.ParamSpec)
        }
        return [n for n in order if not n.startswith("_") and n not in is_variable]

    @property
    def offered(self) -> list[str]:
        """Its public names: those of ``__all__``, or those that it gives itself."""
        return list(getattr(self.module, "__all__", self.defined))


def _is_text(node: ast.AST | None) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


@cache
def modules() -> Mapping[str, Module]:
    """Every module of the package by name, the door first."""
    found = (
        one.name for one in pkgutil.walk_packages(surrogate_nas.__path__, f"{PACKAGE}.")
    )
    below = [name for name in found if not name.rpartition(".")[2].startswith("_")]
    return {name: Module(name) for name in [PACKAGE, *below]}


def rooms() -> list[str]:
    """The modules of the rooms, in the order that data flows."""
    return [f"{PACKAGE}.{room}" for room in ROOMS if room not in MODULES]


def experiments() -> list[Place]:
    """What the experiments of `analysis` import of the package."""
    return [
        source(str(node.module), name.name)
        for path in sorted(Path(__file__).parents[1].rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module in modules()
        for name in node.names
        if f"{node.module}.{name.name}" not in modules()
    ]


@cache
def source(module: str, name: str) -> Place:
    """Where a name of a module is given.

    Args:
        module: The module that uses the name.
        name: The name.
    """
    held = modules()[module]
    value = vars(held.module).get(name)
    if name in held.defined:
        return Place(module, name)
    if (
        callable(value)
        and getattr(value, "__module__", "") in modules()
        and hasattr(value, "__name__")
    ):
        return Place(value.__module__, value.__name__)
    target, _, called = held.imports.get(name, "").rpartition(".")
    return (
        source(target, called)
        if target in modules() and target != module
        else Place(module, name)
    )


@dataclass(frozen=True)
class Registry:
    """Plug-ins by name.

    Attributes:
        room: The room whose page lists them.
        title: What they are.
        constant: The dictionary, as ``module:NAME``.
        entries: For each name its class or function as ``module:Name``, or, where it is an object,
            a line about it.
    """

    room: str
    title: str
    constant: str
    entries: Mapping[str, str]

    @property
    def anchor(self) -> str:
        """Its place on the page of the room."""
        return self.constant.rpartition(":")[2]

    @cached_property
    def places(self) -> dict[str, Place]:
        """For each name its class or function; empty where they are objects."""
        parted = {name: entry.split(":") for name, entry in self.entries.items()}
        return {
            name: Place(*entry)
            for name, entry in parted.items()
            if entry[0] in modules()
        }


@cache
def registries() -> list[Registry]:
    """Every registry, in the order of the rooms."""
    from surrogate_nas import space, strategies, surrogates
    from surrogate_nas.training import TASKS, proxies
    from surrogate_nas.training.losses import LOSSES
    from surrogate_nas.training.metrics import METRICS

    held: list[tuple[str, str, str, Mapping[str, str]]] = [
        (
            "space",
            "Spaces",
            "space:SPACES",
            {n: _made(p) for n, p in space.SPACES.places.items()},
        ),
        ("surrogates", "Models", "surrogates:MODELS", surrogates.MODELS.places),
        (
            "training",
            "Tasks",
            "training:TASKS",
            {n: task.title for n, task in TASKS.items()},
        ),
        (
            "training",
            "Losses",
            "training.losses:LOSSES",
            {n: loss.title for n, loss in LOSSES.items()},
        ),
        (
            "training",
            "Metrics",
            "training.metrics:METRICS",
            {n: kept.title for n, kept in METRICS.items()},
        ),
        ("training", "Proxies", "training.proxies:PROXIES", proxies.PROXIES),
        (
            "strategies",
            "Strategies",
            "strategies:STRATEGIES",
            strategies.STRATEGIES | strategies.NEEDING_OPTIONS | strategies.CONTROLS,
        ),
        (
            "strategies",
            "One-shot strategies",
            "strategies:ONE_SHOT",
            strategies.ONE_SHOT,
        ),
        (
            "strategies",
            "Bridges to other libraries",
            "strategies:BRIDGES",
            strategies.BRIDGES,
        ),
    ]
    return [Registry(f"{PACKAGE}.{room}", *rest) for room, *rest in held]


def _made(place: str) -> str:
    """The class of a space that a function of no arguments gives."""
    module, _, name = place.partition(":")
    kind = type(getattr(importlib.import_module(module), name)())
    return f"{kind.__module__}:{kind.__name__}"


@dataclass
class Page:
    """One page of the reference.

    Attributes:
        module: The module's name.
        places: What is documented there.
    """

    module: str
    places: list[Place]

    @property
    def file(self) -> str:
        """The file's name; all pages lie in one folder."""
        return (
            "index.html"
            if self.module == PACKAGE
            else f"{self.module.removeprefix(f'{PACKAGE}.')}.html"
        )


@cache
def pages() -> Mapping[str, Page]:
    """Every page by module: the door, the rooms, the plug-ins, what the experiments use, and the
    classes that the doors' names take and give.
    """
    found = {name: Page(name, []) for name in [PACKAGE, *rooms()]}
    waiting = [
        (source(room, name), room)
        for room in rooms()
        for name in modules()[room].offered
    ]
    waiting += [
        (place, place.module)
        for place in (source(PACKAGE, name) for name in modules()[PACKAGE].offered)
    ]
    plugged = [
        (place, place.module)
        for places in (*(kept.places.values() for kept in registries()), experiments())
        for place in places
    ]
    seen: set[Place] = set()

    def put(place: Place, module: str) -> bool:
        is_new = place not in seen and place.module in modules()
        if is_new:
            seen.add(place)
            found.setdefault(module, Page(module, [])).places.append(place)
        return is_new

    while waiting:
        place, module = waiting.pop(0)
        if put(place, module):
            waiting += [
                (other, other.module)
                for other in spoken_of(place)
                if inspect.isclass(other.code)
            ]
    for place, module in plugged:
        put(place, module)
    return found


def spoken_of(place: Place) -> Iterator[Place]:
    """The things of the package that the annotations of a public thing name.

    Args:
        place: The public thing.
    """
    for value in [
        place.thing,
        *(members(place.code).values() if inspect.isclass(place.code) else ()),
    ]:
        for word in _words(value):
            other = source(place.module, word)
            if other.name in modules()[other.module].defined:
                yield other


def _words(value: Any) -> list[str]:
    function = (
        getattr(value, "fget", None)
        or getattr(value, "func", None)
        or getattr(value, "__func__", None)
        or value
    )
    texts = [
        str(getattr(text, "__forward_arg__", text))
        for text in getattr(function, "__annotations__", {}).values()
    ]
    if inspect.isclass(value):
        texts += [base.__name__ for base in value.__bases__]
    return [word for text in texts for word in re.findall(r"\w+", text)]


def members(kind: type) -> dict[str, Any]:
    """The public methods and properties that a class gives itself, and its constructor where that
    is documented.

    Args:
        kind: The class.
    """
    fields = kind.__dict__.get("__annotations__", {})
    given = {
        n: v for n, v in vars(kind).items() if not n.startswith("_") and n not in fields
    }
    own = {n: v for n, v in given.items() if not inspect.isclass(v) and _is_code(v)}
    made = vars(kind).get("__init__")
    return (
        {"__init__": made} if inspect.isfunction(made) and made.__doc__ else {}
    ) | own


def _is_code(value: object) -> bool:
    return (
        inspect.isfunction(value)
        or isinstance(value, property | classmethod | staticmethod | cached_property)
        or hasattr(value, "__wrapped__")
    )


@cache
def homes() -> Mapping[Place, str]:
    """The page of everything documented."""
    return {place: page.module for page in pages().values() for place in page.places}


def public() -> list[Place]:
    """The classes and functions that an example must show: the door's, the rooms', every strategy
    and every model; errors are told where they are raised.
    """
    found = [
        source(module, name)
        for module in [PACKAGE, *rooms()]
        for name in modules()[module].offered
    ]
    shown = [
        kept
        for kept in registries()
        if kept.room.endswith((".strategies", ".surrogates"))
    ]
    found += [place for kept in shown for place in kept.places.values()]
    return [
        place
        for place in dict.fromkeys(found)
        if place.module in modules() and place.code
        if not (inspect.isclass(place.code) and issubclass(place.code, Exception))
    ]
