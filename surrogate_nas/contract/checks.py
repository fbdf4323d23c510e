"""A check: a function whose docstring is a promise, and its outcome."""

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
        hint: Where it does not hold, what may be the reason, or empty.

    Example:
        >>> Check("asks for one to n cells [nb201]", False, "asked for 3, it gave 5").passed
        False
    """

    name: str
    passed: bool
    detail: str
    hint: str = ""


@dataclass(frozen=True)
class Cause:
    """One reason why promises are broken.

    Attributes:
        detail: What went wrong, the first time.
        hint: What may be the reason, or empty.
        broken: The promises that it breaks, in the order of the checks.

    Example:
        >>> Cause("it asked 'x'", hint="", broken=("no foreign cell",)).detail
        "it asked 'x'"
    """

    detail: str
    hint: str
    broken: tuple[str, ...]


class BrokenContractError(Exception):
    """A promise is not kept; the message says how.

    Attributes:
        hint: What may be the reason, or empty.
    """

    def __init__(self, line: str, hint: str = "") -> None:
        """Keep the line and the hint."""
        super().__init__(line)
        self.hint = hint


def promise(check: CheckFunction) -> str:
    """What a check promises."""
    return " ".join((check.__doc__ or check.__name__).split()).rstrip(".")


def causes(checks: Sequence[Check]) -> list[Cause]:
    """Why promises are broken, each cause once, in the order of the checks; empty where all hold.

    What has the same hint is one cause.

    Args:
        checks: The outcomes.

    Example:
        >>> one, other = (
        ...     Check("same seed", False, "it asked 'x'"),
        ...     Check("no foreign cell", False, "it asked 'x'"),
        ... )
        >>> causes([Check("equal scores", True, "20 cells"), one, other])
        [Cause(detail="it asked 'x'", hint='', broken=('same seed', 'no foreign cell'))]
    """
    broken: dict[str, list[Check]] = {}
    for check in checks:
        if not check.passed:
            broken.setdefault(check.hint or check.detail, []).append(check)
    reasons = []
    for checks_of_cause in broken.values():
        first = checks_of_cause[0]
        names = tuple(check.name for check in checks_of_cause)
        reasons.append(Cause(first.detail, first.hint, names))
    return reasons


def verdict(name: str, checks: Sequence[Check], *, with_causes: bool = True) -> str:
    """One line on broken promises, each cause once; empty where all are kept.

    Args:
        name: What was checked.
        checks: The outcomes.
        with_causes: Whether the line says why.

    Example:
        >>> verdict("Mine", [Check("same seed, same questions", True, "20 equal")])
        ''
        >>> verdict("Mine", [Check("no foreign cell", False, "a text was asked for")])
        'Mine breaks 1 of 1 promises: a text was asked for.'
    """
    violations = causes(checks)
    if not violations:
        return ""
    broken = sum(len(cause.broken) for cause in violations)
    line = f"{name} breaks {broken} of {len(checks)} promises"
    if not with_causes:
        return f"{line}."
    details = "; ".join(cause.detail for cause in violations[:_MOST_CAUSES])
    more = f"; and {len(violations) - _MOST_CAUSES} more" if len(violations) > _MOST_CAUSES else ""
    return f"{line}: {details}{more}."
