"""What a room offers through a room after it, such as the page of a result: the front door says
where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

_PLACES: dict[str, str] = {}


def offer(places: Mapping[str, str]) -> None:
    """Say where functions are, each as ``module:name``, loaded when it is first asked for; the
    front door does.
    """
    _PLACES.update(places)


def later(name: str) -> Callable[..., Any]:
    """The function that was offered under a name."""
    module, _, function = _PLACES[name].partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
