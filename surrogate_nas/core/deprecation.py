"""Support for former names of arguments and attributes.

A former name works for two minor releases and causes a warning.
"""

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

REMOVAL = "0.4.0"
"""The release that removes the former names of 0.1.0."""


def renamed(**names: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a function so that it accepts keywords by their former names, with a warning.

    Args:
        names: The present name for each former name. The present name ``resources.workers`` means
            the entry ``workers`` of a mapping that is passed as ``resources``.

    Example:
        >>> @renamed(cells="budget")
        ... def spend(budget: int = 150) -> int:
        ...     return budget
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     spend(cells=3)
        3
        >>> str(caught[0].message)
        'spend(cells=) is now spend(budget=); 0.4.0 removes the former name.'
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def call(*args: Any, **given: Any) -> T:
            for former in [name for name in names if name in given]:
                name, _, entry = names[former].partition(".")
                within = given.get(name) or {}
                if name in given and not (entry and isinstance(within, dict)):
                    raise TypeError(
                        f"{former} is the former name of {name}; give only one."
                    )
                called = function.__qualname__.removesuffix(".__init__")
                inner = f"{name.title()}({entry}=)" if entry else ""
                warn_renamed(f"{called}({former}=)", f"{called}({name}={inner})", 3)
                value = given.pop(former)
                given[name] = {**within, entry: value} if entry else value
            return function(*args, **given)

        return call

    return decorate


def former(old: str, new: str) -> Any:
    """Return a property that reads an attribute by its former name."""

    def read(self: Any) -> Any:
        warn_renamed(f"{type(self).__name__}.{old}", new, 3)
        return getattr(self, new)

    return property(read, doc=f"The former name of `{new}`.")


def warn_renamed(old: str, new: str, level: int) -> None:
    """Warn the caller, `level` frames above, that a name has changed."""
    text = f"{old} is now {new}; {REMOVAL} removes the former name."
    warnings.warn(text, DeprecationWarning, stacklevel=level)
