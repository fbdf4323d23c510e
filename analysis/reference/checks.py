"""What is wrong with docstrings: there is none, it describes what is not there, or no example shows
the thing.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from analysis.reference.names import Place, members, modules, pages, public
from analysis.reference.references import REFERENCE, Scope, entries, scopes, section

CODE = re.compile(r"^ *(>>>|\.\.\.).*$", re.MULTILINE)


def problems() -> list[str]:
    """Every fault, a line each; none where the reference is whole."""
    found = [
        f"{name} has no docstring"
        for name in pages()
        if not modules()[name].module.__doc__
    ]
    for page in pages().values():
        for place in page.places:
            found += undescribed(place)
    found += [
        f"{place.module}.{place.name} shows no example"
        for place in public()
        if not shows_example(place)
    ]
    for module in modules():
        found += [f"{module}: `{text}` stands for nothing" for text in dangling(module)]
        found += [
            f"{module}: Raises {name}, which it does not know"
            for name in unknown_errors(module)
        ]
    return found


@cache
def _in_examples() -> set[str]:
    """The words of all examples of the package."""
    texts = (Path(module.module.__file__).read_text() for module in modules().values())
    code = (line[0] for text in texts for line in CODE.finditer(text))
    return {word for line in code for word in re.findall(r"\w+", line)}


def shows_example(place: Place) -> bool:
    """Whether an example that the tests run stands in the docstring of a class or function, or
    names it elsewhere.

    Args:
        place: The class or function.
    """
    text = place.code.__doc__ or ""
    has_own = "Example:" in text and bool(CODE.search(text)) and "+SKIP" not in text
    return has_own or place.name in _in_examples()


def undescribed(place: Place) -> Iterator[str]:
    """What a thing's docstring leaves out or makes up.

    Args:
        place: The thing.
    """
    name = f"{place.module}.{place.name}"
    kind = place.code
    if kind is None:
        if (
            place.name not in modules()[place.module].constants
            or not modules()[place.module].constants[place.name]
        ):
            yield f"{name} is a constant without a text below it"
    elif inspect.isfunction(kind):
        yield from _function(name, kind)
    else:
        if not kind.__doc__:
            yield f"{name} has no docstring"
        given = inspect.signature(
            kind if hasattr(kind, "__signature__") else kind.__init__
        ).parameters
        args = entries(kind, "Args")
        yield from (
            f"{name} has no parameter {entry}" for entry in sorted(args - set(given))
        )
        for member, value in members(kind).items():
            yield from _function(f"{name}.{member}", bare(value), kind, member)


def bare(value: Any) -> Any:
    """The function behind a property, a class method or a wrapper.

    Args:
        value: What the class holds.
    """
    for inner in ("fget", "func", "__func__"):
        value = getattr(value, inner, value)
    return inspect.unwrap(value)


def _function(
    name: str,
    function: Any,
    kind: type | None = None,
    member: str = "",
) -> Iterator[str]:
    text = (
        function.__doc__
        or (inspect.getdoc(getattr(kind, member)) if kind else "")
        or ""
    )
    if not text:
        yield f"{name} has no docstring"
        return
    told = {entry.lstrip("*") for entry in entries(function, "Args")}
    given = inspect.signature(function).parameters
    yield from (
        f"{name} has no parameter {entry}" for entry in sorted(told - set(given))
    )


def dangling(module: str) -> Iterator[str]:
    """The references of a module's docstrings that stand for nothing.

    Args:
        module: The module.
    """
    for node, scope in scopes(module):
        text = CODE.sub("", inspect.cleandoc(ast.get_docstring(node) or ""))
        yield from (
            found for found in REFERENCE.findall(text) if scope.find(found) is None
        )


def unknown_errors(module: str) -> Iterator[str]:
    """The exceptions that a module's docstrings say are raised and that it cannot name.

    Args:
        module: The module.
    """
    for node, scope in scopes(module):
        told = section(inspect.cleandoc(ast.get_docstring(node) or ""), "Raises")
        yield from (
            name for name in told if Scope.find(Scope(scope.module), name) is None
        )
