"""What ``experiment.json`` must be like, so that nothing that reads it need look twice."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Check = Callable[[Any], bool]

MOST, MOST_RUNS = 10**9, 10**6
"""The largest budget in cells, or any such number, and the most runs of a strategy."""
_LONGEST = 1000
"""Characters of a name that is shown."""


def wrong_in(content: dict[str, Any]) -> list[str]:
    """The names of what is missing, or of another type or size than it is ever written.

    Args:
        content: A description, as JSON holds it.
    """
    return sorted(name for name, is_right in _RIGHT.items() if not is_right(content.get(name)))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_number(value: Any) -> bool:
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:
        return False


def _up_to(most: int, least: int = 0) -> Check:
    return lambda value: type(value) is int and least <= value <= most


def _or_none(is_right: Check) -> Check:
    return lambda value: value is None or is_right(value)


def _list_of(is_right: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(is_right, value))


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _are_labels(value: Any) -> bool:
    """Whether these are different names that can stand in a file's name, and there is one."""
    if not _list_of(_is_text)(value) or not value or len(set(value)) < len(value):
        return False
    return all(name and len(name) <= _LONGEST and not set(name) & {"\\", "\0"} for name in value)


def _are_sources(value: Any) -> bool:
    files = list(value.values()) if isinstance(value, dict) else [None]
    return all(isinstance(one, dict) and all(map(_is_text, one.values())) for one in files)


def _is_budget(value: Any) -> bool:
    if not isinstance(value, dict) or {*value} != {"cells", "seconds"}:
        return False
    return _or_none(_up_to(MOST))(value["cells"]) and _or_none(_is_number)(value["seconds"])


def _is_objective(value: Any) -> bool:
    if not isinstance(value, dict) or "expression" not in value:
        return False
    return all(is_right(value[name]) for name, is_right in _OF_AN_OBJECTIVE.items() if name in value)


_OF_AN_OBJECTIVE: dict[str, Check] = {
    "expression": _is_text,
    "benchmark": _is_text,
    "objectives": _list_of(_is_text),
    "terms": _list_of(_is_mapping),
    "diversity_weight": _is_number,
    "constraints": _list_of(_is_text),
    "seed": lambda value: _is_count(value) or value == "mean",
    "seed_policy": _is_text,
    "search_on_final": _list_of(_is_text),
    "cost": _is_text,
    "fingerprint": _is_text,
}

_RIGHT: dict[str, Check] = {
    "fingerprint": _is_text,
    "benchmark": _is_text,
    "address": _is_text,
    "with": _list_of(_is_text),
    "objective": _is_objective,
    "strategies": _are_labels,
    "runs": _up_to(MOST_RUNS, 1),
    "budget": _is_budget,
    "seed": _is_count,
    "first_cells": _up_to(MOST),
    "simulated_workers": _or_none(_up_to(MOST, 1)),
    "hidden": _or_none(lambda value: isinstance(value, bool)),
    "target": _or_none(_is_number),
    "provenance": _is_mapping,
    "sources": _or_none(_are_sources),
    "extensions": _list_of(_is_mapping),
}
