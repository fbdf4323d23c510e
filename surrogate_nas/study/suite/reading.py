"""Suites by name or from a TOML file; whatever is wrong is one line that names the file and the key.

A file says what all problems share (``cells``, ``seconds``, ``first_cells``, ``runs``, ``seed``), then the strategies,
each a name or a table of ``name`` and ``runs``, and the problems, each a table of the fields of `Problem`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.files.regular import read_regular
from surrogate_nas.study.suite.problems import Entrant, Problem, Suite

SUITES = ("starter", "standard")
"""Those that come with the project: `suites/NAME.toml`."""
_SUFFIX = ".toml"
_RUNS = 10

_TEXT, _WHOLE, _NUMBER, _LIST = "a text", "a whole number", "a number", "a list"
_IS: dict[str, Callable[[Any], bool]] = {
    _TEXT: lambda value: isinstance(value, str),
    _WHOLE: lambda value: type(value) is int,
    _NUMBER: lambda value: type(value) in (int, float),
    _LIST: lambda value: isinstance(value, list),
}
_SHARED = {"cells": _WHOLE, "seconds": _NUMBER, "first_cells": _WHOLE, "seed_policy": _TEXT}
_KEYS = _SHARED | {"title": _TEXT, "runs": _WHOLE, "seed": _WHOLE, "strategies": _LIST, "problems": _LIST}
_PROBLEM = _SHARED | {field.name: _TEXT for field in fields(Problem) if field.name not in _SHARED}
_STRATEGY = {"name": _TEXT, "runs": _WHOLE}


def read_suite(name: str) -> Suite:
    """Read a suite.

    Args:
        name: One of `SUITES`, or the path of a TOML file.

    Raises:
        UserError: There is none, or its file says something wrong; the line names the key.

    Example:
        >>> [problem.name for problem in read_suite("starter").problems]
        ['fashion', 'cifar10-drawn', 'imagenet16-drawn', 'cifar100-small']
    """
    if name in SUITES:
        return _suite(name, name, files(__package__).joinpath("suites", f"{name}{_SUFFIX}").read_bytes())
    path = Path(name)
    if path.suffix != _SUFFIX:
        raise unknown("suite", name, [*SUITES, f"FILE{_SUFFIX}"])
    try:
        content = read_regular(path)
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error
    return _suite(path.stem, str(path), content)


def _suite(name: str, source: str, content: bytes) -> Suite:
    try:
        told = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{source} is no TOML: {error}.") from error
    return suite_told(name, source, told)


def suite_told(name: str, source: str, told: Any) -> Suite:
    """A suite from what a file says of it.

    Args:
        name: Of the suite.
        source: The file, for messages.
        told: By key, as a TOML file of a suite has it.

    Raises:
        UserError: It says something wrong; the line names the key.
    """
    _check(source, "", told, _KEYS, needed=("strategies", "problems"))
    try:
        entrants = [_entrant(source, f"strategies[{i}]", one, told) for i, one in enumerate(told["strategies"])]
        problems = [_problem(source, f"problems[{i}]", one, told) for i, one in enumerate(told["problems"])]
        return Suite(name, told.get("title", name), problems, entrants, told.get("seed", 0))
    except UserError as error:
        said = str(error)
        raise UserError(said if said.startswith(source) else f"{source}: {said}") from error


def _entrant(source: str, key: str, told: Any, suite: Mapping[str, Any]) -> Entrant:
    told = {"name": told} if isinstance(told, str) else told
    _check(source, key, told, _STRATEGY, needed=("name",))
    return Entrant(told["name"], told.get("runs", suite.get("runs", _RUNS)))


def _problem(source: str, key: str, told: Any, suite: Mapping[str, Any]) -> Problem:
    _check(source, key, told, _PROBLEM, needed=("name", "benchmark"))
    own_budget = {"cells", "seconds"} & told.keys()
    shared = {name: suite[name] for name in _SHARED if name in suite}
    if own_budget:
        shared = {name: value for name, value in shared.items() if name not in ("cells", "seconds")}
    return Problem(**(shared | told))


def _check(source: str, key: str, told: Any, right: Mapping[str, str], *, needed: tuple[str, ...]) -> None:
    """Refuse keys that there are not, values of another type, and a table that lacks a key."""
    if not isinstance(told, dict):
        raise UserError(f"{source}: {key} is a table, not {told!r:.80}.")
    prefix = f"{key}." if key else ""
    for name, value in told.items():
        if name not in right:
            raise UserError(f"{source}: {unknown('key', prefix + name, (prefix + known for known in right))}")
        if not _IS[right[name]](value):
            raise UserError(f"{source}: {prefix}{name} is {right[name]}, not {value!r:.80}.")
    for name in needed:
        if name not in told:
            raise UserError(f"{source}: {prefix}{name} is missing.")
