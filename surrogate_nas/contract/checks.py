"""A check: a function whose docstring is a promise, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

CheckFunction = Callable[[Any], str]
"""Takes a subject; returns what was seen, or raises `BrokenContractError`."""
LIMIT_SECONDS = 120.0
"""The longest that one check may take."""
_MOST_CAUSES = 3


@dataclass(frozen=True)
class Check:
    """The outcome of one check on one subject.

    Attributes:
        name: What is promised, and the space it was checked on.
        passed: Whether it holds.
        detail: What was seen; where it does not hold, what went wrong.

    Example:
        >>> Check("asks for one to n cells [nb201]", False, "asked for 3, it gave 5").passed
        False
    """

    name: str
    passed: bool
    detail: str


class BrokenContractError(Exception):
    """A promise is not kept; the message says how."""


def promise(check: CheckFunction) -> str:
    """What a check promises."""
    return " ".join((check.__doc__ or check.__name__).split()).rstrip(".")


def rows(checks: Sequence[Check]) -> list[tuple[str, str, str]]:
    """The outcomes as a table shows them: state, promise, and what was found, one cause once.

    Args:
        checks: The outcomes.

    Example:
        >>> kept, broken = Check("same seed", True, "20 equal"), Check("no foreign cell", False, "it asked 'x'")
        >>> rows([kept, broken])[1]
        ('BROKEN', 'no foreign cell', "it asked 'x'")
    """
    shown: set[str] = set()
    table = []
    for check in checks:
        table.append(
            (
                "ok" if check.passed else "BROKEN",
                check.name,
                "as above" if not check.passed and check.detail in shown else check.detail,
            )
        )
        if not check.passed:
            shown.add(check.detail)
    return table


def verdict(name: str, checks: Sequence[Check]) -> str:
    """One line on broken promises, each cause once; empty where all are kept.

    Args:
        name: What was checked.
        checks: The outcomes.

    Example:
        >>> verdict("Mine", [Check("same seed, same questions", True, "20 equal")])
        ''
        >>> verdict("Mine", [Check("no foreign cell", False, "a text was asked for")])
        'Mine breaks 1 of 1 promises: a text was asked for.'
    """
    broken = [check for check in checks if not check.passed]
    if not broken:
        return ""
    causes = list(dict.fromkeys(check.detail for check in broken))
    told = "; ".join(causes[:_MOST_CAUSES])
    more = f"; and {len(causes) - _MOST_CAUSES} more" if len(causes) > _MOST_CAUSES else ""
    return f"{name} breaks {len(broken)} of {len(checks)} promises: {told}{more}."
