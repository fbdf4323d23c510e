"""The one exception that a user's mistake raises: a single line saying what was wrong and what would be right."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(ValueError):
    """Bad input. The command line prints it without a traceback and exits with code 2."""


def unknown(what: str, given: object, known: Iterable[str]) -> UserError:
    """Build the error for a name that is not in a registry.

    Args:
        what: The noun, such as ``"strategy"``.
        given: What the user wrote.
        known: The names that would be right.

    Returns:
        A `UserError` that names the nearest match first and then everything known.
    """
    names = sorted(known)
    near = get_close_matches(str(given), names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return UserError(f"Unknown {what} {str(given)!r}.{hint} Known: {', '.join(names) or 'none'}.")
