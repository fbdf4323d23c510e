"""The content of a file, checked for missing, unknown and ill-typed fields; TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from surrogate_nas.core.errors import UserError, unknown

T = TypeVar("T")


def made(kind: type[T], content: Mapping[str, Any], **further: Any) -> T:
    """Make a dataclass whose fields are texts, numbers, flags or one of some words.

    Raises:
        ValueError: A field is missing, unknown or of another type.
    """
    hints = get_type_hints(kind)
    wanted = {field.name for field in fields(kind)} - set(further)  # type: ignore[arg-type]
    if not isinstance(content, Mapping) or set(content) != wanted:
        raise ValueError(f"a {kind.__name__.lower()} needs {', '.join(sorted(wanted))}")
    for name, value in content.items():
        hint = hints[name]
        fits = value in get_args(hint) if get_origin(hint) is Literal else type(value) is hint
        if not fits:
            raise ValueError(f"the {name} of a {kind.__name__.lower()} cannot be {value!r:.60}")
    return kind(**content, **further)


TEXT = "a text"
WHOLE = "a whole number"
NUMBER = "a number"
LIST = "a list"
ANYTHING = "anything"
_IS: dict[str, Callable[[Any], bool]] = {
    TEXT: lambda value: isinstance(value, str),
    WHOLE: lambda value: type(value) is int,
    NUMBER: lambda value: type(value) in (int, float),
    LIST: lambda value: isinstance(value, list),
    ANYTHING: lambda _: True,
}


def read_toml(source: str, content: bytes) -> dict[str, Any]:
    """What a TOML file says; `source` is its name in messages.

    Raises:
        UserError: It is no TOML.
    """
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{source} is no TOML: {' '.join(str(error).split())}.") from error


def check_table(
    source: str,
    key: str,
    table: Any,
    right: Mapping[str, str],
    needed: Sequence[str] = (),
) -> None:
    """Refuse keys that there are not, values of another type, and a table that lacks a key.

    Args:
        source: The file's name in messages.
        key: Where in it the table stands; empty for the whole file.
        table: What the file has there.
        right: By key the type of its value, such as `TEXT`.
        needed: The keys that it must have.

    Raises:
        UserError: The line names the file and the key.
    """
    if not isinstance(table, dict):
        raise UserError(f"{source}: {key} is a table, not {table!r:.80}.")
    prefix = f"{key}." if key else ""
    for name, value in table.items():
        if name not in right:
            raise UserError(
                f"{source}: {unknown('key', prefix + name, (prefix + known for known in right))}"
            )
        if not _IS[right[name]](value):
            raise UserError(f"{source}: {prefix}{name} is {right[name]}, not {value!r:.80}.")
    for name in needed:
        if name not in table:
            raise UserError(f"{source}: {prefix}{name} is missing.")
