"""What strategies there are, read from their files without importing one: some need libraries that are slow to open.

A strategy's file begins with a docstring whose first line says what it does, as in ``Name: what it does``, and which
names the paper as ``Authors, "Title", Venue year``.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from surrogate_nas.strategies import BRIDGES, ENTRY_POINT_GROUP, OURS

_PAPER = re.compile(r'[A-Z](?:[^".:;]|al\.)*,\s+"[^"]+",\s+[^.;"]*?\d{4}')
_KNOBS_OF_ALL = {"seed"}


def described() -> list[dict[str, Any]]:
    """Every strategy by name: ``{name, description, paper, options}``, its options with their defaults."""
    bridges = {f"{library}:…": function for library, function in BRIDGES.items()}
    values = OURS | bridges | {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
    return [{"name": name, **_describe(value)} for name, value in values.items()]


def _describe(value: str) -> dict[str, Any]:
    module, _, name = value.partition(":")
    try:
        spec = importlib.util.find_spec(module)
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8")) if spec and spec.origin else ast.Module([], [])
    except (ImportError, OSError, ValueError, SyntaxError):  # a stranger's package: it is listed all the same
        tree = ast.Module([], [])
    text = " ".join((ast.get_docstring(tree) or "").split("\n"))
    paper = _PAPER.search(text)
    first = (ast.get_docstring(tree) or "").partition("\n")[0]
    description = first.partition(": ")[2] or first
    return {
        "description": description.rstrip("."),
        "paper": paper.group() if paper else "",
        "options": _options(tree, name),
    }


def _options(tree: ast.Module, name: str) -> dict[str, str]:
    """The keyword arguments of a class's constructor with their defaults as they are written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == name:
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                    knobs = zip(part.args.kwonlyargs, part.args.kw_defaults, strict=True)
                    return {k.arg: ast.unparse(d) for k, d in knobs if d is not None and k.arg not in _KNOBS_OF_ALL}
    return {}
