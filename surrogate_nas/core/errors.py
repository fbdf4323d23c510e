"""The one exception that a user's mistake raises: a single line saying what was wrong and what
would be right.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

_MANY = 30
_LONGEST_LINE = 400


class UserError(ValueError):
    """Bad input. The command line prints it without a traceback and exits with code 2.

    Example:
        >>> from surrogate_nas.space import drawn_cells, space_named
        >>> try:
        ...     drawn_cells(space_named("macro"), 40)
        ... except UserError as error:
        ...     print(error)
        There can be 1 to 36 cells, not 40.
    """


class AbsentError(UserError):
    """What was asked for is known, yet its data is not here; the line says how to get it.

    Example:
        >>> import surrogate_nas as sn
        >>> def first_of(*names):
        ...     for name in names:
        ...         try:
        ...             return sn.load(name)
        ...         except AbsentError:
        ...             continue
        >>> len(first_of("transnas-micro-jigsaw", "analog-cifar10").space) > 0
        True
    """


Cause = Literal["broken", "resources", "lost"]
"""Why a training ended without a result: its code raised or answered nonsense; it took more memory
or time than there is, or gave no sign of life; or its process or machine went away.
"""


class EvaluationError(UserError):
    """The training of one cell ended without a result; the search goes on.

    Attributes:
        cause: Whose fault it is, which decides whether it is tried again.
        cost: What the attempt took, in seconds; it is charged.
    """

    def __init__(self, reason: str, cause: Cause = "broken", cost: float = 0.0) -> None:
        """Keep the reason, one line without a full stop."""
        super().__init__(reason, cause, cost)
        self.reason = reason
        self.cause = cause
        self.cost = cost

    def __str__(self) -> str:
        return self.reason


def in_a_line(error: BaseException | None) -> str:
    """The kind of an error and what it says, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split()):.300}"


def reason_of(error: BaseException) -> str:
    """What an error says, in one line; its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def shown(value: object) -> str:
    """A user's value as a message can quote it, cut to length."""
    try:
        text = one_line(repr(value))
    except BaseException as error:  # noqa: BLE001 - a user's repr can raise anything
        text = f"<a {type(value).__name__} that cannot be printed: {type(error).__name__}>"
    return text if len(text) < 80 else f"{text[:77]}..."


def one_line(text: str) -> str:
    """A text without line breaks, cut to length."""
    line = " ".join(text[: 10 * _LONGEST_LINE].split())
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 3]}..."


def unknown(
    what: str,
    given: object,
    known: Iterable[str],
    *,
    lister: str = "",
) -> UserError:
    """Build the error for a name that is not in a registry.

    Returns:
        A `UserError` that names the nearest match first and then everything known, or the nearest
        three and `lister`; or what a Python file without a name in it defines.

    Example:
        >>> print(unknown("strategy", "evolutoin", ["evolution", "random"]))
        Unknown strategy 'evolutoin'. Did you mean 'evolution'? Known: evolution, random.
    """
    names = sorted(known)
    if str(given).endswith(".py"):
        inside = _defined_in(Path(str(given))) or ["NAME"]
        return UserError(
            f"{given} is a file; name the {what} in it, as in {given}:{inside[0]}."
        )
    near = get_close_matches(str(given), names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    right = f"Known: {', '.join(_folded(names)) or 'none'}."
    if lister:
        right = (
            f"Nearest: {', '.join(get_close_matches(str(given), names, n=3, cutoff=0.0))}; {lister}"
            " lists all."
        )
    return UserError(f"Unknown {what} {str(given)!r}.{hint} {right}")


def _defined_in(file: Path) -> list[str]:
    try:
        body = ast.parse(file.read_text(encoding="utf-8")).body if file.is_file() else []
    except (OSError, ValueError, SyntaxError, RecursionError):
        return []
    classes = [node.name for node in body if isinstance(node, ast.ClassDef)]
    assigned = [
        target for node in body if isinstance(node, ast.Assign) for target in node.targets
    ]
    named = [target.id for target in assigned if isinstance(target, ast.Name)]
    return [name for name in (*classes, *named) if not name.startswith("_")]


def _folded(names: list[str]) -> list[str]:
    """Names as a message lists them; of many, those that differ only after an @ are one."""
    if len(names) <= _MANY:
        return names
    counts = Counter(name.partition("@")[0] for name in names if "@" in name)
    shown = (
        f"{stem}@… ({counts[stem]})" if at else stem
        for stem, at, _ in (name.partition("@") for name in names)
    )
    return list(dict.fromkeys(shown))
