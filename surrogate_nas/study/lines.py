"""How a dataclass becomes a line of a run's file, and what a line must be like to become one again.

Everything follows from the fields' types: a number is finite, a count is no truth value, nothing is missing or unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from surrogate_nas.space import Cell

Reader = Callable[[Any], Any]


class Lines:
    """Writes and reads the fields of one dataclass.

    Example:
        >>> from surrogate_nas.space.trial import Trial
        >>> sorted(Lines(Trial).names)[:3]
        ['cell', 'cost_seconds', 'epochs']
    """

    def __init__(self, kind: type, *, without: Sequence[str] = (), at_least: Mapping[str, float] | None = None) -> None:
        """Look at the fields.

        Args:
            kind: The dataclass.
            without: Fields that are not written.
            at_least: The smallest value of some fields.
        """
        hints = get_type_hints(kind)
        self.names = tuple(field.name for field in fields(kind) if field.name not in without)
        self._get = attrgetter(*self.names)
        self._cells = [name for name in self.names if hints[name] is Cell]
        self._mappings = [name for name in self.names if _is(hints[name], Mapping)]
        self._readers = {name: _reader(hints[name]) for name in self.names}
        self._at_least = {name: bound for name, bound in (at_least or {}).items() if name in self.names}

    def write(self, item: Any) -> dict[str, Any]:
        """The fields as JSON can hold them.

        Args:
            item: An object of the dataclass.
        """
        entry = dict(zip(self.names, self._get(item), strict=True))
        for name in self._cells:
            entry[name] = entry[name].text
        for name in self._mappings:
            entry[name] = dict(entry[name])
        return entry

    def read(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """The fields' values; a cell stays text.

        Args:
            entry: What `write` gave, after a journey through JSON.

        Raises:
            ValueError: It is something else.
        """
        if differing := sorted({*entry} ^ {*self.names}):
            raise ValueError(f"missing or unknown: {', '.join(map(str, differing))[:80]}")
        values = {}
        for name, reader in self._readers.items():
            try:
                values[name] = reader(entry[name])
            except ValueError as error:
                raise ValueError(f"{name} {error}") from error
        for name, bound in self._at_least.items():
            if values[name] is not None and values[name] < bound:
                raise ValueError(f"{name} is below {bound:g}")
        return values


def _is(hint: Any, kind: type) -> bool:
    origin = get_origin(hint)
    return isinstance(origin, type) and issubclass(origin, kind)


def _reader(hint: Any) -> Reader:
    """What turns JSON into a value of a type, or raises `ValueError`."""
    arguments = get_args(hint)
    if hint is float:
        return _finite
    if hint is Cell:
        return _of(str)
    if hint in (int, bool, str, NoneType):
        return _of(hint)
    if get_origin(hint) in (Union, UnionType):
        return _any_of([_reader(argument) for argument in sorted(arguments, key=lambda kind: kind is not NoneType)])
    if _is(hint, Mapping):
        return _mapping(_number if arguments[1] is float else _reader(arguments[1]))
    if _is(hint, Sequence):
        return _items(_reader(arguments[0]), tuple if get_origin(hint) is tuple else list)
    raise TypeError(f"A line cannot hold a field of type {hint}.")


def _of(kind: type) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"is a {type(value).__name__}, not a {kind.__name__}")
        return value

    return read


def _number(value: Any) -> float:
    """Any number, as a metric that a table lacks may be none."""
    try:
        if type(value) in (int, float):
            return float(value)
    except OverflowError:
        pass
    raise ValueError("is no number")


def _finite(value: Any) -> float:
    if not math.isfinite(number := _number(value)):
        raise ValueError("is no finite number")
    return number


def _any_of(readers: Sequence[Reader]) -> Reader:
    def read(value: Any) -> Any:
        for reader in readers[:-1]:
            try:
                return reader(value)
            except ValueError:
                continue
        return readers[-1](value)

    return read


def _mapping(reader: Reader) -> Reader:
    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError("holds no names")
        return {name: reader(item) for name, item in value.items()}

    return read


def _items(reader: Reader, kind: Callable[[list[Any]], Any]) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise ValueError("is no list")
        return kind([reader(item) for item in value])

    return read
