"""The one exception that a user's mistake raises: a single line saying what was wrong and what would be right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches

_MANY = 30


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


def unknown(what: str, given: object, known: Iterable[str]) -> UserError:
    """Build the error for a name that is not in a registry.

    Args:
        what: The noun, such as ``"strategy"``.
        given: What the user wrote.
        known: The names that would be right.

    Returns:
        A `UserError` that names the nearest match first and then everything known.

    Example:
        >>> print(unknown("strategy", "evolutoin", ["evolution", "random"]))
        Unknown strategy 'evolutoin'. Did you mean 'evolution'? Known: evolution, random.
    """
    names = sorted(known)
    near = get_close_matches(str(given), names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return UserError(f"Unknown {what} {str(given)!r}.{hint} Known: {', '.join(_folded(names)) or 'none'}.")


def _folded(names: list[str]) -> list[str]:
    """Names as a message lists them: of many, those that differ only behind an @ stand as one."""
    if len(names) <= _MANY:
        return names
    counts = Counter(name.partition("@")[0] for name in names if "@" in name)
    shown = (f"{stem}@… ({counts[stem]})" if at else stem for stem, at, _ in (name.partition("@") for name in names))
    return list(dict.fromkeys(shown))
