"""Checks of the arguments of public functions, and options that a class declares in its body.

The error for a wrong value is one line that names the argument, its value and the allowed values.
`checked` checks the arguments of a function against the plain types of its signature, such as `int`
and `str`. `check_struct` checks the types and the ranges of a struct's fields. `check_whole`,
`check_number` and similar functions check one value. NumPy numbers are converted to Python numbers,
so that everything that is stored can be written as JSON.

A subclass of a `Knobbed` class inherits the options of its bases. If a subclass assigns a plain
value to the name of an option, the subclass no longer has this option. A class with its own
constructor declares its options as parameters of this constructor.
"""

import collections.abc
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from difflib import get_close_matches
from functools import cache, partial, wraps
from math import inf
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from types import NoneType, SimpleNamespace, UnionType
from typing import (
    Any,
    Literal,
    NamedTuple,
    ParamSpec,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from msgspec import Meta, Struct, ValidationError, convert

from surrogate_nas.core.errors import UserError, shown, unknown

P = ParamSpec("P")
T = TypeVar("T")

_LARGEST = 2**63 - 1
_LARGEST_FLOAT = sys.float_info.max
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def check_whole(
    what: str,
    value: object,
    least: int = 0,
    most: float = _LARGEST,
) -> int:
    """Check that a value is a whole number in a range, and return it as an `int`.

    Example:
        >>> check_whole("A seed", -1)
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: A seed must be a whole number of at least 0, not -1.
    """
    own = _as_own(value)
    if type(own) is int and least <= own <= most:
        return own
    is_open = most in (inf, _LARGEST)
    between = f"of at least {least}" if is_open else f"from {least} to {most:,}"
    raise UserError(f"{what} must be a whole number {between}, not {shown(value)}.")


def check_size(what: str, text: object) -> int:
    """Convert a file size that a user wrote, such as ``1.5 MB``, to a number of bytes.

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
        raise UserError(f"{what} must be a size such as 10GB, not {shown(text)}.")
    return int(float(matched[1]) * _UNITS[matched[2]])


def check_number(
    what: str,
    value: object,
    least: float = 0.0,
    most: float = inf,
    *,
    above: bool = False,
) -> float:
    """Check that a value is a finite number in a range, and return it as a `float`.

    Args:
        what: Name of the value in the error message.
        value: The value to check.
        least: The smallest allowed value.
        most: The largest allowed value.
        above: Whether the value must exceed `least`.
    """
    own: Any = _as_own(value)
    is_number = type(own) in (int, float) and abs(own) <= _LARGEST_FLOAT
    if is_number and least <= own <= most and not (above and own == least):
        return float(own)
    right = "finite number" if above or least < -_LARGEST else "number"
    if above:
        right += f" above {least:g}"
    elif right == "number":
        right += (
            f" of at least {least:g}"
            if most > _LARGEST
            else f" from {least:g} to {most:g}"
        )
    raise UserError(f"{what} must be a {right}, not {shown(value)}.")


def check_names(what: str, value: object) -> tuple[str, ...]:
    """Check that a value is a list of names.

    A single string is refused instead of being split into letters.
    """
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        names = tuple(value)
        if all(isinstance(name, str) for name in names):
            return names
    raise UserError(f"{what} must be a list of names, not {shown(value)}.")


def check_file_name(what: str, value: object) -> str:
    """Check that a name can be part of a file name on every operating system.

    Example:
        >>> check_file_name("A label", "hot/cold")
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: A label has letters, digits and ._+- only and begins \
with a letter or a digit, not 'hot/cold'.
    """
    if isinstance(value, str) and _FILE_NAME.fullmatch(value):
        return value
    raise UserError(
        f"{what} has letters, digits and ._+- only and begins with a letter or a digit, not"
        f" {shown(value)}."
    )


# by annotation the classes of its values, and a name for messages
_PLAIN_TYPES: dict[object, tuple[tuple[Any, ...], str]] = {
    NoneType: ((NoneType,), "None"),
    bool: ((bool,), "True or False"),
    str: ((str,), "a text"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    Path: ((PathLike, str), "a path"),
    collections.abc.Callable: ((collections.abc.Callable,), "a function"),
}


def parameter_types(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of the parameters of a function, or of a class's constructor, by name.

    The type is `Any` if an annotation cannot be evaluated, for example because it is a name that
    only type checkers import.
    """
    code = vars(function).get("__init__", function)
    namespace = getattr(inspect.unwrap(code), "__globals__", {})
    parameters = inspect.signature(function).parameters
    types: dict[str, Any] = dict.fromkeys(parameters, Any)
    for name, parameter in parameters.items():
        annotated = SimpleNamespace(__annotations__={name: parameter.annotation})
        with suppress(Exception):  # a user's annotation can raise anything
            types |= get_type_hints(annotated, namespace)
    return types


def check_argument(name: str, value: object, kind: Any) -> Any:
    """Check a value against a plain type such as `int` or `str`.

    For any other type, every value is accepted.

    Returns:
        The value. A NumPy number is converted to a Python number.

    Example:
        >>> check_argument("runs", "three", int)
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: runs must be a whole number, not 'three'.
    """
    own = _as_own(value)
    right: list[str] = []
    members = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    for member in members:
        if get_origin(member) is Literal:
            words = get_args(member)
            fits = isinstance(value, str) and value in words
            right += map(repr, words)
        elif plain := _PLAIN_TYPES.get(get_origin(member) or member):
            fits = isinstance(own, plain[0]) and isinstance(own, bool) <= (
                bool in plain[0]
            )
            right.append(plain[1])
        else:
            return value
        if fits:
            return own
    raise UserError(f"{name} must be {' or '.join(right)}, not {shown(value)}.")


def _as_own(value: object) -> object:
    """Convert a NumPy number or flag to a Python one, without importing NumPy."""
    if type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function so that it checks its arguments against the plain types of its signature.

    Example:
        >>> @checked
        ... def budget(cells: int, seconds: float | None = None) -> int:
        ...     return cells
        >>> budget(150)
        150
        >>> budget(150, seconds="60")
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: seconds must be a number or None, not '60'.
    """
    signature = inspect.signature(function)
    # names are known when it is called
    types = cache(partial(parameter_types, function))

    @wraps(function)
    def check(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            called = function.__qualname__.removesuffix(".__init__")
            wrong = [name for name in kwargs if name not in signature.parameters]
            inner = [
                f"{parameter}.{name}"
                for parameter, kind in types().items()
                for part in get_args(kind)
                for name in wrong
                if name in getattr(part, "__struct_fields__", ())
            ]
            near = inner or get_close_matches("".join(wrong), signature.parameters, n=1)
            hint = f". Did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"{called}() {error}{hint}") from None
        for name, value in bound.arguments.items():
            bound.arguments[name] = check_argument(name, value, types()[name])
        return function(*bound.args, **bound.kwargs)

    return check


def check_struct(instance: Struct, what: str = "{}") -> None:
    """Check the fields of a msgspec struct against their declared types and ranges.

    Args:
        instance: The struct.
        what: Template of a field's name in messages. ``{}`` stands for the field's name, and
            ``{flag}`` for its command-line flag.

    Example:
        >>> from typing import Annotated
        >>> from msgspec import Meta, defstruct
        >>> counted = Annotated[int, Meta(ge=1)]
        >>> checks = {"__post_init__": check_struct}
        >>> Plan = defstruct("Plan", [("runs", counted)], namespace=checks, frozen=True)
        >>> Plan(runs=0)
        Traceback (most recent call last):
            ...
        surrogate_nas.core.errors.UserError: runs must be a whole number of at least 1, not 0.
    """
    from msgspec.structs import force_setattr

    for name, (plain, limits) in _field_types(type(instance)).items():
        called = what.format(name, flag=f"--{name.replace('_', '-')}")
        value = check_argument(called, getattr(instance, name), plain)
        if limits and value is not None:
            check: Callable[..., Any] = (
                check_number if "above" in limits else check_whole
            )
            check(called, value, **limits)
        force_setattr(instance, name, value)


@cache
def _field_types(kind: type) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Return each field's type, and its range as arguments of `check_whole` or `check_number`."""
    whole = get_type_hints(kind, include_extras=True)
    return {
        name: (plain, _range(whole[name]))
        for name, plain in get_type_hints(kind).items()
    }


def _range(kind: Any) -> dict[str, Any]:
    for part in (*getattr(kind, "__metadata__", ()), *get_args(kind)):
        if isinstance(part, Meta):
            limits = {
                "least": part.gt if part.ge is None else part.ge,
                "most": part.le or inf,
            }
            is_float = kind.__origin__ is float
            return limits | ({"above": part.gt is not None} if is_float else {})
        if limits := _range(part):
            return limits
    return {}


class Knob(NamedTuple):
    """An option of a class: its default, its type, and a function that checks its values."""

    default: Any
    kind: Any
    check: Callable[[str, Any], Any]


def whole(default: int | None, least: int = 0) -> Any:
    """Declare an option that is a whole number of at least `least`.

    If the default is None, None is allowed, too.
    """
    return Knob(default, int, partial(check_whole, least=least))


def number(
    default: float | None, least: float = 0.0, most: float = inf, *, above: bool = False
) -> Any:
    """Declare an option that is a number in a range.

    The arguments that describe the range are those of `check_number`.
    """
    return Knob(
        default, float, partial(check_number, least=least, most=most, above=above)
    )


def text(default: str | None) -> Any:
    """Declare an option that is a string. If the default is None, None is allowed, too."""
    return Knob(default, str, partial(check_argument, kind=str))


def one_of(default: str, known: Iterable[str], what: str = "") -> Any:
    """Declare an option that is one of the names `known`.

    `what` is the noun for these names in messages. If `what` is omitted, messages contain the name
    of the option.
    """

    def check(name: str, value: Any) -> Any:
        if check_argument(name, value, str) not in known:
            raise unknown(what or name, value, known)
        return value

    return Knob(default, str, check)


def flag(default: bool) -> Any:
    """Declare an option that is True or False."""
    return Knob(default, bool, partial(check_argument, kind=bool))


def other(default: Any, kind: Any, check: Callable[[str, Any], Any]) -> Any:
    """Declare an option of any type `kind`, whose values the function `check` checks."""
    return Knob(default, kind, check)


KNOBS = (whole, number, text, one_of, flag, other)
"""The functions that declare an option. Listings of options look for their calls in the source."""


class Knobbed:
    """A base class for classes with declared options.

    The constructor takes the options as keyword arguments.

    Example:
        >>> class Lamp(Knobbed):
        ...     watts: int = whole(40, 1)
        ...
        ...     def __init__(self, **given: object) -> None:
        ...         self.take(given)
        >>> class Torch(Lamp):
        ...     colour: str = text("white")
        >>> Torch(watts=3).watts, str(inspect.signature(Torch))
        (3, "(*, watts: int = 40, colour: str = 'white')")
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _, *own = inspect.signature(cls.__init__).parameters.values()
        taken = []
        for parameter in own:
            if parameter.kind is not parameter.VAR_KEYWORD or "__init__" in vars(cls):
                taken.append(parameter)
                continue
            for name, (default, kind, _) in knobs_of(cls).items():
                hint = kind | None if default is None else kind
                option = inspect.Parameter(name, parameter.KEYWORD_ONLY)
                taken.append(option.replace(default=default, annotation=hint))
        cls.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]

    def take(self, given: Mapping[str, Any]) -> None:
        """Check options and store each of them as an attribute.

        Omitted options have their defaults.
        """
        knobs = knobs_of(type(self))
        for name in given.keys() - knobs.keys():
            raise TypeError(f"{type(self).__name__} has no option {name}")
        for name, knob in knobs.items():
            value = given.get(name, knob.default)
            if value is not None or knob.default is not None:
                value = knob.check(name, value)
            setattr(self, name, value)


def knobs_of(kind: Any) -> dict[str, Knob]:
    """Return the options of a class by name. Options of its base classes come first."""
    values = {
        n: value for base in reversed(kind.__mro__) for n, value in vars(base).items()
    }
    return {name: value for name, value in values.items() if isinstance(value, Knob)}


def checked_as(
    kind: type[T], content: Any, parse: Callable[[type, Any], Any] | None = None
) -> T:
    """Convert parsed JSON to a value of a given type.

    Args:
        kind: The type.
        content: The parsed JSON.
        parse: Function of a type and the content that converts the content to a type that is not
            built in.

    Raises:
        ValueError: The content does not fit the type. The message is one clause that names the
            invalid part of the content.
    """
    try:
        return convert(content, kind, dec_hook=parse)
    except ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        raise ValueError(
            f"{path or 'it'}: {reason}".replace("`", "").replace("$.", "")
        ) from error
