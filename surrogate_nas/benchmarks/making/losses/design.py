"""The design of an experiment on losses: steps in the order of their priority, read from a TOML file.

A step is a table ``[[steps]]`` of:

- ``tasks``: a list of names, or ``"all"`` that are here;
- ``losses``: ``"all"`` that fit, ``"usual"``, or a list of names, `USUAL` among them; of a list every loss must fit one
  of the tasks, and trains those that it fits;
- ``length``: of a run, in usual runs of the task (1 if left out);
- ``classes``: how many are trained, the first of one random order, or ``"all"`` (300 if left out);
- ``seeds``: with which every one of them is trained (4 if left out).

A pair of task and loss may stand in several steps, and is trained once with every class and seed. Whatever is wrong is
one line that names the file and the key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from surrogate_nas.benchmarks.making.losses.pairs import CLASSES, SEEDS, USUAL, Note, Pair, pairs_of
from surrogate_nas.benchmarks.making.plan import MOST_SEEDS
from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.training.losses import fitting, loss_named

DESIGNS = ("protocol",)
"""Those that come with the project: `NAME.toml`."""
ALL = "all"
_SUFFIX = ".toml"
_MOST_LENGTH, _MOST_CLASSES = 1000, 1_000_000
_KEYS = ("tasks", "losses", "length", "classes", "seeds")


def read_design(name: str, *, note: Note = lambda _: None) -> list[Pair]:
    """The pairs of a design in the order of their priority.

    Args:
        name: One of `DESIGNS`, or the path of a TOML file.
        note: Told of every task that is left out, and why.

    Raises:
        UserError: There is none, or its file says something wrong; the line names the key.

    Example:
        >>> pairs = read_design("protocol")
        >>> pairs[0].plan.task, pairs[0].length, pairs[0].plan.classes, pairs[0].plan.seeds
        ('digits?loss=cross_entropy', 1, 300, 4)
    """
    if name in DESIGNS:
        return _pairs(name, files(__package__).joinpath(f"{name}{_SUFFIX}").read_bytes(), note)
    path = Path(name)
    if path.suffix != _SUFFIX:
        raise unknown("design", name, [*DESIGNS, f"FILE{_SUFFIX}"])
    try:
        return _pairs(name, path.read_bytes(), note)
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error


def _pairs(source: str, content: bytes, note: Note) -> list[Pair]:
    try:
        told = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{source} is no TOML: {' '.join(str(error).split())}.") from error
    for key in told:
        if key not in ("title", "steps"):
            raise UserError(f"{source}: {unknown('key', key, ('title', 'steps'))}")
    steps = told.get("steps")
    if not isinstance(told.get("title", ""), str):
        raise UserError(f"{source}: title is a text, not {told['title']!r:.80}.")
    if not isinstance(steps, list) or not steps:
        raise UserError(f"{source}: steps is a list of at least one table, [[steps]].")
    said: dict[str, None] = {}
    found = [pair for i, step in enumerate(steps) for pair in _step(source, f"steps[{i}]", step, said)]
    for line in said:
        note(line)
    return found


def _step(source: str, key: str, told: Any, said: dict[str, None]) -> Iterator[Pair]:
    """The pairs of a step."""
    if not isinstance(told, dict):
        raise UserError(f"{source}: {key} is a table, not {told!r:.80}.")
    for name in told:
        if name not in _KEYS:
            raise UserError(f"{source}: {unknown('key', f'{key}.{name}', (f'{key}.{known}' for known in _KEYS))}")
    tasks = _names(source, key, "tasks", told, (ALL,))
    losses = _names(source, key, "losses", told, (ALL, USUAL))
    length = _whole(source, key, "length", told, 1, _MOST_LENGTH)
    seeds = _whole(source, key, "seeds", told, SEEDS, MOST_SEEDS)
    every = told.get("classes") == ALL
    classes = None if every else _whole(source, key, "classes", told, CLASSES, _MOST_CLASSES)
    try:
        pairs = pairs_of(tasks, losses, length=length, note=lambda line: said.setdefault(line))
        _check_fit(losses, {pair.task.kind for pair in pairs})
    except UserError as error:
        raise UserError(f"{source}: {key}: {error}") from error
    yield from (pair.with_seeds(classes, seeds) for pair in pairs)


def _check_fit(losses: list[str], kinds: set[str]) -> None:
    """Refuse a loss that trains none of a step's tasks."""
    for loss in losses:
        if loss != USUAL and not kinds & set(loss_named(loss).fits):
            right = ", ".join(dict.fromkeys(name for kind in sorted(kinds) for name in fitting(kind)))
            raise UserError(f"the loss {loss} fits none of the tasks; these do: {right}.")


def _names(source: str, key: str, name: str, told: Mapping[str, Any], words: tuple[str, ...]) -> list[str]:
    """A list of names; empty for all."""
    value, right = told.get(name), " or ".join(f'"{word}"' for word in words)
    if value is None:
        raise UserError(f"{source}: {key}.{name} is missing.")
    if value in words:
        return [] if value == ALL else [value]
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value):
        raise UserError(f"{source}: {key}.{name} is a list of names, or {right}, not {value!r:.80}.")
    return value


def _whole(source: str, key: str, name: str, told: Mapping[str, Any], default: int, most: int) -> int:
    value = told.get(name, default)
    if type(value) is not int or not 1 <= value <= most:
        also = ' or "all"' if name == "classes" else ""
        raise UserError(f"{source}: {key}.{name} is a whole number of 1 to {most:,}{also}, not {value!r:.80}.")
    return value
