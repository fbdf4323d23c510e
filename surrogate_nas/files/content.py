"""The content of a file, checked for missing, unknown and ill-typed fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")
_hints: Callable[[type], dict[str, Any]] = cache(get_type_hints)


def build(kind: type[T], content: Mapping[str, Any], **further: Any) -> T:
    """Make a dataclass whose fields are texts, numbers, flags or one of some words.

    Raises:
        ValueError: A field is missing, unknown or of another type.
    """
    hints = {name: hint for name, hint in _hints(kind).items() if name not in further}
    is_whole = isinstance(content, Mapping) and content.keys() == hints.keys()
    if not is_whole or not all(_fits(content[name], hint) for name, hint in hints.items()):
        raise ValueError(
            f"a {kind.__name__.lower()} needs {', '.join(hints)}, of their types"
        )
    return kind(**content, **further)


def _fits(value: object, hint: Any) -> bool:
    return value in get_args(hint) if get_origin(hint) is Literal else type(value) is hint
