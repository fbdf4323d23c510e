"""Names with options: ``evolution(population=50)``, ``file.py:Class(knob=1)``,
``guided(model=sklearn:sklearn.svm:SVR(C=2.0))``.

The options are keyword arguments of the constructor, written as Python writes them. A bare word is
a text, and so is a further name of this kind. Results carry the whole name, so two settings are two
strategies.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from surrogate_nas.core.errors import UserError

# characters of a label: it names files
_LONGEST = 200
# A value that is a name with options, or one with a colon
_NAME = re.compile(r"\w+\(\s*\w+\s*=.*\)|[^(),'\"]+:[\w.]+(\(.*\))?", re.DOTALL)
_OPEN, _CLOSE = "([{", ")]}"


def parse_reference(text: str, what: str = "strategy") -> tuple[str, dict[str, Any]]:
    """Split a name into its head (a registered name, a bridge's, ``file.py:Class``) and options.

    The options come sorted by name; `what` is the noun for messages.

    Raises:
        UserError: The options are not written as keyword arguments, or are too long.

    Example:
        >>> parse_reference("guided(pool=mixed, model=gp(warp=True))")
        ('guided', {'model': 'gp(warp=True)', 'pool': 'mixed'})
    """
    text = text.strip()
    start = _opening(text)
    if start is None:
        return text, {}
    head = text[:start].strip()
    tail = text[start:]
    options: dict[str, Any] = {}
    try:
        for part in split_outside(tail[1:-1]):
            name, _, value = part.partition("=")
            if not name.strip().isidentifier() or name.strip() in options:
                raise ValueError
            options[name.strip()] = _value(value.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise UserError(
            f"The options of a {what} are written as {head:.80}(key=value, …), not {tail!r:.120}."
        ) from error
    options = dict(sorted(options.items()))
    if len(suffix_of(options)) > _LONGEST:
        raise UserError(
            f"The options of {head:.80} take more than {_LONGEST} characters, and they name files."
        )
    return head, options


def suffix_of(options: dict[str, Any]) -> str:
    """Options as they stand in a label; empty where there are none."""
    words = [f"{name}={_written(value)}" for name, value in options.items()]
    return f"({','.join(words)})" if words else ""


def split_outside(text: str) -> list[str]:
    """The parts of a text between commas that stand in no parentheses and no quoted text.

    Example:
        >>> split_outside("random, guided(model=gp(warp=True),pool='a,b')")
        ['random', "guided(model=gp(warp=True),pool='a,b')"]
    """
    parts = [""]
    depth = 0
    quote = ""
    for index, character in enumerate(text):
        if quote:
            quote = "" if character == quote and text[index - 1] != "\\" else quote
        # not that of a file's name
        elif character in "'\"" and text[index - 1 : index] in f"= ,{_OPEN}":
            quote = character
        depth = max(0, depth + (not quote) * ((character in _OPEN) - (character in _CLOSE)))
        if character == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _opening(text: str) -> int | None:
    depth = 0
    for index in range(len(text) - 1, -1, -1):
        depth += (text[index] == ")") - (text[index] == "(")
        if depth <= 0:
            return index if depth == 0 and text.endswith(")") else None
    return None


def _value(text: str) -> Any:
    try:
        node = ast.parse(text, mode="eval").body
        return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)
    except (ValueError, SyntaxError):
        if _NAME.fullmatch(text) is None:
            raise
        return text


def _written(value: Any) -> str:
    return value if isinstance(value, str) and value.isidentifier() else repr(value)
