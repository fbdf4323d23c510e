"""What public functions are given: a wrong kind is one line that names the argument, what came and
what would be right.

`checked` and `check_fields` check plain types as the signature itself writes them: texts, numbers,
paths, yes or no; `check_whole`, `check_number` and the like check one value and its range. A number
of NumPy's becomes Python's own, so that whatever is stored can be written as JSON.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from functools import cache, lru_cache, partial, wraps
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from types import NoneType, SimpleNamespace, UnionType
from typing import (
    Any,
    Literal,
    ParamSpec,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from surrogate_nas.core.errors import UserError

P = ParamSpec("P")
T = TypeVar("T")


Accept = Callable[[object], object]
"""Gives a value, a number as one of Python's own; raises `TypeError` for another type."""


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError
    return int(value)


def _number(value: object) -> float | int:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError
    return int(value) if isinstance(value, Integral) else float(value)


def _instance_of(*kinds: type) -> Accept:
    def accept(value: object) -> object:
        if not isinstance(value, kinds):
            raise TypeError
        return value

    return accept


def _one_of(words: tuple[object, ...]) -> Accept:
    def accept(value: object) -> object:
        if not isinstance(value, str) or value not in words:
            raise TypeError
        return value

    return accept


def _function(value: object) -> object:
    if not callable(value):
        raise TypeError
    return value


_LARGEST = 2**63 - 1
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def _shown(value: object) -> str:
    """A value as a message quotes it; Python refuses to print whole numbers of thousands of
    digits.
    """
    try:
        return f"{value!r:.80}"
    except ValueError:
        return "a number of thousands of digits"


def check_whole(
    what: str,
    value: object,
    least: int = 0,
    most: int | None = _LARGEST,
) -> int:
    """A whole number in a range, as one of Python's own.

    Example:
        >>> check_whole("A seed", 3)
        3
        >>> check_whole("A seed", -1)
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: A seed must be a whole number of at least 0, not -1.
    """
    if isinstance(value, Integral) and not isinstance(value, bool) and least <= int(value):
        if most is None or int(value) <= most:
            return int(value)
    between = f"of at least {least}" if most in (None, _LARGEST) else f"from {least} to {most:,}"
    raise UserError(f"{what} must be a whole number {between}, not {_shown(value)}.")


def check_size(what: str, text: object) -> int:
    """A size as a user writes it, in bytes.

    Example:
        >>> check_size("A file", "10GB"), check_size("A file", "1.5 MB")
        (10000000000, 1500000)
        >>> check_size("A file", 10)
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: A file must be a size such as 10GB, not 10.
    """
    matched = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?B)\s*", str(text).upper())
    if not matched:
        raise UserError(f"{what} must be a size such as 10GB, not {_shown(text)}.")
    return int(float(matched[1]) * _UNITS[matched[2]])


def check_number(
    what: str,
    value: object,
    least: float = 0.0,
    most: float = math.inf,
    *,
    above: bool = False,
) -> float:
    """A finite number in a range, as one of Python's own.

    Args:
        what: The noun for the message.
        value: What was given.
        least: The smallest that will do.
        most: The largest.
        above: Whether the smallest itself will not do.

    Example:
        >>> check_number("The limit", 0, above=True)
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: The limit must be a finite number above 0, not 0.
    """
    number = _as_float(value)
    if number is not None and math.isfinite(number):
        if least <= number <= most and not (above and number == least):
            return number
    if above:
        right = f"finite number above {least:g}"
    elif math.isinf(least):
        right = "finite number"
    elif math.isinf(most):
        right = f"number from {least:g} on"
    else:
        right = f"number from {least:g} to {most:g}"
    raise UserError(f"{what} must be a {right}, not {_shown(value)}.")


def _as_float(value: object) -> float | None:
    """A number as Python's own; None for what is none, or too large for one."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def check_flag(what: str, value: object) -> bool:
    """True or False."""
    # Python's own, and NumPy's, which is not imported for this
    if type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    raise UserError(f"{what} must be True or False, not {value!r:.80}.")


def check_name(what: str, value: object) -> str:
    """A text."""
    if isinstance(value, str):
        return value
    raise UserError(f"{what} must be a name, not {value!r:.80}.")


def check_names(what: str, value: object) -> tuple[str, ...]:
    """Several texts; one alone is not meant letter by letter."""
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        names = tuple(value)
        if all(isinstance(name, str) for name in names):
            return names
    raise UserError(f"{what} must be a list of names, not {value!r:.80}.")


_PLAIN_TYPES: dict[object, tuple[Accept, str]] = {
    NoneType: (_instance_of(NoneType), "None"),
    bool: (_instance_of(bool), "True or False"),
    str: (_instance_of(str), "a text"),
    int: (_whole, "a whole number"),
    float: (_number, "a number"),
    Path: (_instance_of(PathLike, str), "a path"),
}


def alternatives(kind: Any) -> tuple[Any, ...]:
    """The members of a union; any other type alone.

    Example:
        >>> alternatives(int | None), alternatives(int)
        ((<class 'int'>, <class 'NoneType'>), (<class 'int'>,))
    """
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


@lru_cache(maxsize=256)
def _rules(kind: Any) -> tuple[tuple[Accept, str], ...]:
    """How the alternatives of a type are checked; empty where one of them is no plain type."""
    rules: list[tuple[Accept, str]] = []
    for member in alternatives(kind):
        if get_origin(member) is Callable:
            rules.append((_function, "a function"))
        elif get_origin(member) is Literal:
            words = get_args(member)
            rules.append((_one_of(words), " or ".join(repr(word) for word in words)))
        elif member in _PLAIN_TYPES:
            rules.append(_PLAIN_TYPES[member])
        else:
            return ()
    return tuple(rules)


def parameter_types(function: Callable[..., Any]) -> dict[str, Any]:
    """The types of a function's parameters by name.

    `Any` stands for an annotation that cannot be evaluated, such as a name that only type checkers
    import.
    """
    namespace = getattr(inspect.unwrap(function), "__globals__", {})
    types: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        annotated = SimpleNamespace(__annotations__={name: parameter.annotation})
        try:
            types |= get_type_hints(annotated, namespace)
        except Exception:  # noqa: BLE001 - a user's annotation can raise anything
            types[name] = Any
    return types


def check_argument(name: str, value: object, kind: Any) -> object:
    """Check a value against a type; types that are not plain accept anything.

    Returns:
        The value, as a number of Python's own where it was one of NumPy's.

    Example:
        >>> import numpy as np
        >>> check_argument("runs", np.int64(3), int)
        3
        >>> check_argument("runs", "three", int)
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: runs is a whole number, not 'three'.
    """
    rules = _rules(kind)
    for accept, _ in rules:
        try:
            return accept(value)
        except TypeError:
            continue
    if not rules:
        return value
    right = " or ".join(text for _, text in rules)
    raise UserError(f"{name} is {right}, not {value!r:.80}.")


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """Have a function check its arguments against the plain types of its signature.

    Example:
        >>> @checked
        ... def budget(cells: int, seconds: float | None = None) -> int:
        ...     return cells
        >>> budget(150)
        150
        >>> budget(150, seconds="60")
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: seconds is a number or None, not '60'.
    """
    signature = inspect.signature(function)
    types = cache(partial(parameter_types, function))  # names are known when it is called

    @wraps(function)
    def check(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise _misnamed(function, kwargs, signature) or TypeError(
                f"{_called(function)} {error}"
            ) from None
        for name, value in bound.arguments.items():
            bound.arguments[name] = check_argument(name, value, types()[name])
        return function(*bound.args, **bound.kwargs)

    return check


def _called(function: Callable[..., Any]) -> str:
    """A function as a message names it: a class's constructor by the class."""
    return f"{function.__qualname__.removesuffix('.__init__')}()"


def _misnamed(
    function: Callable[..., Any],
    given: Mapping[str, object],
    signature: inspect.Signature,
) -> TypeError | None:
    """What to raise where a keyword argument is none of a function's; None where all are."""
    known = [
        name
        for name, one in signature.parameters.items()
        if name != "self" and one.kind is not one.VAR_KEYWORD
    ]
    takes_any = any(one.kind is one.VAR_KEYWORD for one in signature.parameters.values())
    wrong = [] if takes_any else [name for name in given if name not in known]
    if not wrong:
        return None
    near = get_close_matches(wrong[0], known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return TypeError(
        f"{_called(function)} has no argument {wrong[0]!r}.{hint} It takes {', '.join(known)}."
    )


def check_fields(instance: Any) -> None:
    """Check the fields of a dataclass against their plain types.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Plan:
        ...     runs: int
        ...
        ...     def __post_init__(self) -> None:
        ...         check_fields(self)
        >>> Plan(runs=2.5)
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: runs is a whole number, not 2.5.
    """
    types = _field_types(instance.__class__)
    for field in fields(instance):
        value = check_argument(field.name, getattr(instance, field.name), types[field.name])
        object.__setattr__(instance, field.name, value)


@lru_cache(maxsize=32)
def _field_types(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
