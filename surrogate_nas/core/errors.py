"""Errors that report a mistake of the user in one line: what was wrong and what would be right."""

import re
from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

_MANY = 30
_LONGEST_LINE = 400


class UserError(ValueError):
    """Invalid input.

    The command line prints the message without a traceback and exits with code 2.
    """


class AbsentError(UserError):
    """The data of an existing benchmark is not on this machine.

    The error message says how to get the data.
    """


Cause = Literal["broken", "resources", "lost"]
"""Why a training ended without a result.

``broken``: Its code raised an error or returned an invalid result. ``resources``: It needed more
memory or time than allowed, or stopped responding. ``lost``: Its process or machine disappeared.
"""


class EvaluationError(UserError):
    """The training of one cell ended without a result. The search continues.

    Attributes:
        reason: Why the training failed, in one line without a full stop.
        cause: The type of failure, which decides whether the training is retried.
        cost: Seconds that the failed training took, which are charged to the budget.
    """

    def __init__(self, reason: str, cause: Cause = "broken", cost: float = 0.0) -> None:
        """Store the reason, one line without a full stop."""
        super().__init__(reason, cause, cost)
        self.reason = reason
        self.cause = cause
        self.cost = cost

    def __str__(self) -> str:
        return self.reason


def in_a_line(error: BaseException | None) -> str:
    """Return the type of an error and its message, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split()):.300}"


def reason_of(error: BaseException) -> str:
    """Return the message of an error in one line, or its type if the message is empty."""
    return " ".join(str(error).split()) or type(error).__name__


def shown(value: object) -> str:
    """Return a user's value as a text to quote in a message, at most 80 characters long."""
    try:
        text = one_line(repr(value))
    except BaseException as error:  # noqa: BLE001 - a user's repr can raise anything
        text = (
            f"<a {type(value).__name__} that cannot be printed: {type(error).__name__}>"
        )
    return text if len(text) < 80 else f"{text[:77]}..."


def one_line(text: str) -> str:
    """Return a text without line breaks, at most 400 characters long."""
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
        A `UserError` that names the closest match and all known names. If many names are known, it
        names only the three closest. If `given` is a Python file without a name, the error proposes
        a name that the file defines.

    Example:
        >>> print(unknown("strategy", "evolutoin", ["evolution", "random"]))
        Unknown strategy 'evolutoin'. Did you mean 'evolution'? Known: evolution, random.
    """
    names = sorted(known)
    name = str(given)
    if name.endswith(".py"):
        inside = _name_in(Path(name))
        return UserError(
            f"{name} is a file; name the {what} in it, as in {name}:{inside}."
        )
    near = get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    right = f"Known: {', '.join(names) or 'none'}."
    if lister or len(names) > _MANY:
        nearest = ", ".join(get_close_matches(name, names, n=3, cutoff=0.0))
        right = f"Nearest: {nearest}{lister and f'; {lister} lists all'}."
    return UserError(f"Unknown {what} {name!r}.{hint} {right}")


def _name_in(file: Path) -> str:
    text = ""
    with suppress(OSError, ValueError):
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
    defined = re.search(r"^class ([a-zA-Z]\w*)", text, re.M)
    defined = defined or re.search(r"^([a-zA-Z]\w*) *=", text, re.M)
    return defined[1] if defined else "NAME"
