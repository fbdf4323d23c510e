"""A mark for public names that may still change."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

_Named = TypeVar("_Named", bound=Callable[..., Any])


def unstable(since: str) -> Callable[[_Named], _Named]:
    """Mark a function or class whose signature may change in a minor release.

    The mark is written into the docstring, so `help` and the reference show it. It changes nothing
    at run time. Take it off when the name has not changed for one release.

    Args:
        since: The release that brought the name, such as ``0.3``.

    Example:
        >>> @unstable("0.3")
        ... def share(x):
        ...     '''A share of x.'''
        >>> print(share.__doc__)
        A share of x.
        <BLANKLINE>
        Unstable since 0.3: it may change in a minor release.
    """

    def mark(named: _Named) -> _Named:
        text = inspect.cleandoc(named.__doc__ or "")
        note = f"Unstable since {since}: it may change in a minor release."
        named.__doc__ = f"{text}\n\n{note}"
        return named

    return mark
