"""What this project's dependencies bring: the libraries of the base and of each extra, as they are
installed here.
"""

import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())[
    "project"
]
BASE = "base"
OF_USERS = [
    extra for extra in PROJECT["optional-dependencies"] if extra not in ("all", "dev")
]
"""The extras, without those that only gather others and without what developing needs."""


def installed() -> dict[str, Distribution]:
    """Every installed library by its canonical name."""
    return {canonicalize_name(found.name): found for found in distributions()}


def wanted(extra: str) -> list[Requirement]:
    """What an extra, or the base, asks for by itself on this machine."""
    listed = (
        PROJECT["dependencies"]
        if extra == BASE
        else PROJECT["optional-dependencies"][extra]
    )
    return [
        one
        for one in map(Requirement, listed)
        if one.marker is None or one.marker.evaluate()
    ]


def direct(extra: str) -> set[str]:
    """The libraries that an extra, or the base, names; of an extra within it that one's."""
    found: set[str] = set()
    for one in wanted(extra):
        own = canonicalize_name(one.name) == canonicalize_name(PROJECT["name"])
        found |= (
            set().union(*map(direct, one.extras))
            if own
            else {canonicalize_name(one.name)}
        )
    return found


def closure(names: Iterable[str], held: dict[str, Distribution]) -> set[str]:
    """Libraries with all that they need in turn; KeyError where one is not installed."""
    found: set[str] = set()
    waiting = [(name, frozenset[str]()) for name in names]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        found.add(name)
        for one in map(Requirement, held[name].requires or []):
            if one.marker is None or any(
                one.marker.evaluate({"extra": extra}) for extra in ("", *extras)
            ):
                further = (canonicalize_name(one.name), frozenset(one.extras))
                if further not in seen:
                    seen.add(further)
                    waiting.append(further)
    return found
