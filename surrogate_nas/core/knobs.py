"""Options of a class, declared once in its body: the name, the type, the default and the range.

A subclass inherits the options of its bases. One that it gives a plain value is no option of its.
A class with a constructor of its own declares its options there, as any class does.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from typing import Any, NamedTuple

from surrogate_nas.core.arguments import check_argument, check_number, check_whole


class Knob(NamedTuple):
    """An option: its default, its type, and what checks a value, given its name and the value."""

    default: Any
    kind: Any
    check: Callable[[str, Any], Any]


def whole(default: int | None, least: int = 0) -> Any:
    """A whole number of at least so much; None too where it is the default."""
    return Knob(default, int, partial(check_whole, least=least))


def number(
    default: float | None, least: float = 0.0, most: float = inf, *, above: bool = False
) -> Any:
    """A number in a range, as for `check_number`."""
    return Knob(default, float, partial(check_number, least=least, most=most, above=above))


def text(default: str | None) -> Any:
    """A text; None too where it is the default."""
    return Knob(default, str, partial(check_argument, kind=str))


def flag(default: bool) -> Any:
    """True or False."""
    return Knob(default, bool, partial(check_argument, kind=bool))


def other(default: Any, kind: Any, check: Callable[[str, Any], Any]) -> Any:
    """An option of another type."""
    return Knob(default, kind, check)


class Knobbed:
    """The base of classes with such options, whose constructor takes them by name.

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
        if "__init__" in vars(cls):
            return
        parameters = inspect.signature(cls.__init__).parameters.values()
        knobs, before = knobs_of(cls), knobs_of(cls.__base__)
        is_open = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        if not is_open and knobs == before:
            return
        root: Any = cls.__init__

        def __init__(self: Any, *positional: Any, **given: Any) -> None:
            root(self, *positional, **given)

        taken = [
            parameter
            for parameter in parameters
            if parameter.kind is not parameter.VAR_KEYWORD and parameter.name not in before
        ]
        for name, (default, kind, _) in knobs.items():
            hint = kind | None if default is None else kind
            keyword = inspect.Parameter.KEYWORD_ONLY
            taken.append(inspect.Parameter(name, keyword, default=default, annotation=hint))
        __init__.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]
        cls.__init__ = __init__  # type: ignore[method-assign]

    def take(self, given: Mapping[str, Any]) -> None:
        """Check options and store each as an attribute; those not given have their defaults."""
        knobs = knobs_of(type(self))
        for name in given.keys() - knobs.keys():
            raise TypeError(f"{type(self).__name__} has no option {name}")
        for name, knob in knobs.items():
            value = given.get(name, knob.default)
            if value is not None or knob.default is not None:
                value = knob.check(name, value)
            setattr(self, name, value)


def knobs_of(kind: Any) -> dict[str, Knob]:
    """The options of a class by name, those of its bases first."""
    names = {name: None for base in reversed(kind.__mro__) for name in vars(base)}
    values = {name: inspect.getattr_static(kind, name) for name in names}
    return {name: value for name, value in values.items() if isinstance(value, Knob)}
