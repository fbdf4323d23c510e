"""The content of a file, checked for missing, unknown and ill-typed fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")
_hints: Callable[[type], dict[str, Any]] = cache(get_type_hints)


def made(kind: type[T], content: Mapping[str, Any], **further: Any) -> T:
    """Make a dataclass whose fields are texts, numbers, flags or one of some words.

    Raises:
        ValueError: A field is missing, unknown or of another type.
    """
    hints = _hints(kind)
    wanted = {field.name for field in fields(kind)} - set(further)  # type: ignore[arg-type]
    if not isinstance(content, Mapping) or set(content) != wanted:
        raise ValueError(f"a {kind.__name__.lower()} needs {', '.join(sorted(wanted))}")
    for name, value in content.items():
        hint = hints[name]
        fits = (
            value in get_args(hint) if get_origin(hint) is Literal else type(value) is hint
        )
        if not fits:
            raise ValueError(
                f"the {name} of a {kind.__name__.lower()} cannot be {value!r:.60}"
            )
    return kind(**content, **further)
