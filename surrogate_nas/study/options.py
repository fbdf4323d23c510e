"""The options of a run, each said once: its type, range, text and flag are one field of `Options`.

From there follow what ``sn.search``, ``sn.compare`` and a path over λ take and check, their flags,
what a folder says of them and may say. Further, the budget, and what ``experiment.json`` must be
like.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any, TypeVar

from surrogate_nas.core.arguments import check_fields, check_number, check_whole
from surrogate_nas.core.errors import UserError

Check = Callable[[Any], bool]
Function = TypeVar("Function", bound=Callable[..., Any])

FIRST_CELLS = 10
CALL_LIMIT_SECONDS = 600.0
USUAL_CELLS = 150
"""The budget of a run where none is given."""
MOST = 10**9
MOST_RUNS = 10**6
"""The largest budget in cells, or any such number, and the most runs of a strategy."""
BEST_SHOWN = 4
"""How many of the best cells of a study a report shows with their final metrics, beside the best of
each strategy.
"""
_LONGEST = 1000
"""Characters of a name that is shown."""


@dataclass(frozen=True)
class Budget:
    """What a run may spend; it ends at whichever comes first.

    Attributes:
        cells: The most evaluations, or None.
        seconds: The most simulated seconds (queries, where the benchmark counts those), or None. A
            trial that would pass it does not count, as it would not have finished.
    """

    cells: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.cells is None and self.seconds is None:
            raise UserError("A run needs a budget: a number of cells, or simulated seconds.")
        if self.cells is not None:
            check_whole("A budget in cells", self.cells, 1, MOST)
        if self.seconds is not None:
            check_number("A budget in simulated seconds", self.seconds, above=True)


def budget_of(cells: int | None, seconds: float | None) -> Budget:
    """What was given, or the usual number of cells where nothing was.

    Example:
        >>> budget_of(None, None).cells, budget_of(None, 3600.0).cells
        (150, None)
    """
    return Budget(USUAL_CELLS if cells is None and seconds is None else cells, seconds)


def _option(
    default: Any,
    text: str,
    *,
    flag: str = "",
    help: str = "",
    what: str = "",
    least: float = -math.inf,
    most: int | None = None,
    above: bool = False,
    is_stored: bool = True,
) -> Any:
    """An option of a run.

    Args:
        default: What holds where nobody says anything, also of folders that are older than the
            option.
        text: What it is, as the documentation of Python functions says it.
        flag: The command line's, or empty.
        help: What that says of it; `text` where it is empty.
        what: The noun by which a number that is too small or too large is refused.
        most: The largest, or None.
        above: Whether the smallest itself will not do.
        is_stored: Whether results depend on it, so that a folder says it and never mixes two.
    """
    told = {
        "text": text,
        "flag": flag,
        "help": help or text,
        "what": what,
        "least": least,
        "most": most,
    }
    return field(default=default, metadata=told | {"above": above, "stored": is_stored})


@dataclass(frozen=True, kw_only=True)
class Options:
    """What every run of a study is given, whoever makes it; each field says all there is to say of
    it.
    """

    seed: int = _option(0, "The root of all randomness.", what="A seed", least=0)
    first_cells: int = _option(
        FIRST_CELLS,
        "How many random cells every strategy of a run is told first.",
        what="The number of first cells",
        least=0,
        most=MOST,
    )
    call_limit_seconds: float = _option(
        CALL_LIMIT_SECONDS,
        "The longest that one `ask` or `tell` may take.",
        flag="--call-limit",
        help="The most seconds that a strategy may take to answer once.",
        what="The limit of one call (--call-limit, call_limit_seconds)",
        least=0,
        above=True,
        is_stored=False,
    )
    simulated_workers: int = _option(
        1,
        "How many cells are evaluated side by side on the simulated clock.",
        flag="--simulated-workers",
        help="Cells evaluated side by side on the simulated clock.",
        what="The number of simulated workers",
        least=1,
        most=MOST,
    )
    hidden: bool = _option(
        False,
        "Whether strategies are denied what is known for free (`Objective.known`).",
        flag="--hidden",
        help="Deny strategies what is known for free.",
    )
    target: float | None = _option(
        None,
        "A run ends when a feasible trial scores this or less, as its search sees it; None for"
        " never.",
        flag="--target",
        help="A run ends when a feasible cell scores this or less.",
        what="A target",
    )

    def __post_init__(self) -> None:
        check_fields(self)
        for option in fields(Options):
            told = option.metadata
            value = getattr(self, option.name)
            if told["what"] and "float" in str(option.type) and value is not None:
                check_number(told["what"], value, told["least"], above=told["above"])
            elif told["what"] and value is not None:
                check_whole(told["what"], value, told["least"], told["most"])

    def stored(self) -> dict[str, Any]:
        """What a folder says of them."""
        return {option.name: getattr(self, option.name) for option in STORED}


STORED: tuple[Field[Any], ...] = tuple(
    option for option in fields(Options) if option.metadata["stored"]
)
"""The options that results depend on."""
FLAGS: tuple[Field[Any], ...] = tuple(
    option for option in fields(Options) if option.metadata["flag"]
)
"""Those that the command line takes."""


def unusual(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some options, by name, that are not the usual ones.

    Raises:
        UserError: One is of a wrong type or size.
        TypeError: There is no such option.
    """
    given = Options(**options)
    return {
        one.name: value
        for one in fields(Options)
        if (value := getattr(given, one.name)) != one.default
    }


def takes_options(*, without: Sequence[str] = ()) -> Callable[[Function], Function]:
    """Let ``**options`` of a function stand for the fields of `Options`: in its signature, and in
    its documentation.
    """

    def told(function: Function) -> Function:
        taken = [option for option in fields(Options) if option.name not in without]
        signature = inspect.signature(function)
        own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        added = [
            inspect.Parameter(
                one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=one.type
            )
            for one in taken
        ]
        function.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
        texts = "\n        ".join(f"{one.name}: {one.metadata['text']}" for one in taken)
        function.__doc__ = (function.__doc__ or "").replace("**options: See ``Options``.", texts)
        return function

    return told


def wrong_in(content: dict[str, Any]) -> list[str]:
    """The names of what ``experiment.json`` lacks, or says in another type or size than it is ever
    written.
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


def _is_data(value: Any) -> bool:
    """Whether this is what `Objective.describe_data` tells."""
    if not isinstance(value, dict) or not isinstance(value.get("known"), dict):
        return False
    known = all(_list_of(_is_text)(value["known"].get(name)) for name in ("terms", "missing"))
    held = all(_are_texts(value.get(name)) for name in ("runs", "others"))
    return known and held and _is_text(value.get("space")) and _is_count(value.get("conventions"))


def _are_texts(value: Any) -> bool:
    """Whether these are texts by two names."""
    groups = list(value.values()) if isinstance(value, dict) else [None]
    return all(isinstance(one, dict) and all(map(_is_text, one.values())) for one in groups)


def _are_counts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_up_to(MOST, 1), value.values()))


def _is_budget(value: Any) -> bool:
    if not isinstance(value, dict) or {*value} != {"cells", "seconds"}:
        return False
    return _or_none(_up_to(MOST))(value["cells"]) and _or_none(_is_number)(value["seconds"])


def _is_objective(value: Any) -> bool:
    if not isinstance(value, dict) or "expression" not in value:
        return False
    return all(
        is_right(value[name]) for name, is_right in _OF_AN_OBJECTIVE.items() if name in value
    )


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

_PLAIN: dict[str, Check] = {
    "bool": lambda value: isinstance(value, bool),
    "int": _up_to(MOST),
    "float": _is_number,
    "str": _is_text,
    "None": lambda value: value is None,
}


def _right(option: Field[Any]) -> Check:
    """What a folder may say of an option; nothing where it is older than the option."""
    kinds = [_PLAIN[kind] for kind in str(option.type).split(" | ")]
    least = option.metadata["least"]

    def is_right(value: Any) -> bool:
        return any(kind(value) for kind in kinds) and (value is None or value >= least)

    return _or_none(is_right)


_RIGHT: dict[str, Check] = {one.name: _right(one) for one in STORED} | {
    "engine": _or_none(_is_text),
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
    "provenance": _is_mapping,
    "sources": _or_none(_are_texts),
    "files": _or_none(_are_texts),
    "versions": _or_none(_are_counts),
    "extensions": _list_of(_is_mapping),
    "data": _or_none(_is_data),
    "reference": _or_none(_is_mapping),
}
