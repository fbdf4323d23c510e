"""How a strategy is named: ``evolution(population=50)``, ``file.py:Class(knob=1)``,
``optuna:TPESampler``.

What stands in the parentheses are keyword arguments of its constructor, written as Python writes
them; a bare word is a text. They are part of the name that results carry, so that two settings are
two strategies.
"""

from __future__ import annotations

import ast
import inspect
from typing import Any

from surrogate_nas.core.arguments import check_argument, parameter_types
from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.space import Space
from surrogate_nas.strategies.base import Strategy

_LONGEST = 200
"""Characters of a label: it names files."""


def parse_reference(text: str) -> tuple[str, dict[str, Any]]:
    """Split a name into its head (a registered name, a bridge's, ``file.py:Class``) and options.

    The options come sorted by name.
    """
    text = text.strip()
    place = _opening(text)
    if place is None:
        return text, {}
    head = text[:place].strip()
    tail = text[place:]
    try:
        call = ast.parse(f"dict{tail}", mode="eval").body
        if not isinstance(call, ast.Call) or call.args:
            raise ValueError
        options = {}
        for word in sorted(call.keywords, key=lambda word: word.arg or ""):
            if word.arg is None:
                raise ValueError
            options[word.arg] = _value(word.value)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise UserError(
            f"The options of a strategy are written as {head:.80}(key=value, …), not {tail!r:.120}."
        ) from error
    if len(suffix_of(options)) > _LONGEST:
        raise UserError(
            f"The options of {head:.80} take more than {_LONGEST} characters, and they name files."
        )
    return head, options


def suffix_of(options: dict[str, Any]) -> str:
    """Options as they stand in a label; empty where there are none."""
    if not options:
        return ""
    words = [f"{name}={_written(value)}" for name, value in options.items()]
    return f"({','.join(words)})"


def _opening(text: str) -> int | None:
    """Where the parenthesis opens that the last character closes."""
    if not text.endswith(")"):
        return None
    depth = 0
    for place in range(len(text) - 1, -1, -1):
        depth += (text[place] == ")") - (text[place] == "(")
        if depth == 0:
            return place
    return None


def _value(node: ast.expr) -> Any:
    return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)


def _written(value: Any) -> str:
    return value if isinstance(value, str) and value.isidentifier() else repr(value)


def configured(strategy: type[Strategy], options: dict[str, Any], name: str) -> type[Strategy]:
    """A subclass of a strategy with some hyperparameters bound."""
    if not options:
        return strategy
    parameters = inspect.signature(strategy.__init__).parameters.values()
    types = parameter_types(strategy.__init__)
    knobs = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "seed"}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    for option, value in options.items():
        if option in knobs:
            checked = check_argument(f"{option} of {name}", value, types[option])
            options = options | {option: checked}
        elif not takes_any or option in ("space", "seed"):
            raise unknown(f"option of {name}", option, list(knobs))

    class Configured(strategy):  # type: ignore[misc, valid-type]
        def __init__(self, space: Space, *, seed: int) -> None:
            super().__init__(space, seed=seed, **options)

    Configured.__name__ = strategy.__name__
    Configured.__qualname__ = f"{strategy.__qualname__}.configured"
    Configured.__module__ = strategy.__module__
    Configured.__doc__ = strategy.__doc__
    return Configured
