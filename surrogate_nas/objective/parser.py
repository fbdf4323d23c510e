"""Objectives as text: a small parser of its own; nothing is ever evaluated as code."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from surrogate_nas.core.errors import UserError
from surrogate_nas.objective.expression import DIVERSITY, Constraint, Expression, metric

_MAX_LENGTH = 2000
_MAX_DEPTH = 20
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*(?:@\w[\w.-]*)?)"
    r"|(?P<symbol><=|>=|[-+*/()\[\],<>=]))",
    re.ASCII,
)


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


def parse_several(text: str, subject_to: str | None = None) -> tuple[Expression, ...]:
    """Read objectives with commas between them; limits belong to all of them and are held by the first.

    Args:
        text: Such as ``valid_error, latency@raspi4``, optionally with ``subject to LIMITS``.
        subject_to: Further limits, such as ``latency@raspi4 <= 20 and params <= 500000``.

    Raises:
        UserError: The text is malformed; the message points at the place.
    """
    first, *others = _Parser(text).objectives()
    if subject_to:
        first = first.subject_to(*_Parser(subject_to).constraints())
    return first, *others


def parse(text: str, subject_to: str | None = None) -> Expression:
    """Read one objective from text.

    Args:
        text: Such as ``valid_error[12] + 0.1*params``, optionally with ``subject to LIMITS``.
        subject_to: Further limits, such as ``latency@raspi4 <= 20 and params <= 500000``.

    Raises:
        UserError: The text is malformed; the message points at the place.

    Example:
        >>> expression = parse("valid_error[12] + 0.1*params", subject_to="latency@raspi4 <= 20")
        >>> [str(term) for term in expression.terms], expression.constraints[0].limit
        (['valid_error[12]', '0.1*params'], 20.0)
        >>> try:
        ...     parse("valid_error + params*")
        ... except UserError as error:
        ...     print(error)
        Malformed expression: a product holds one metric at column 22: valid_error + params*⟨here⟩
    """
    expression, *others = parse_several(text, subject_to)
    if others:
        raise UserError(f"One objective is wanted here, not {1 + len(others)} with commas between them: {text}")
    return expression


def parsed(expression: object, subject_to: str | None) -> tuple[Expression, ...]:
    """The objectives that a user gave, each as an expression; the first holds the limits.

    Args:
        expression: Text, an expression, or a sequence of these.
        subject_to: Further limits as text.

    Raises:
        UserError: The text is malformed, or it is something else.
    """
    if isinstance(expression, str):
        return parse_several(expression, subject_to)
    parts = (expression,) if isinstance(expression, Expression) else expression
    if not isinstance(parts, Sequence) or not parts or not all(isinstance(part, Expression) for part in parts):
        raise UserError(f"An objective is text or an expression such as loss('valid_error'), not {expression!r:.80}.")
    first, *others = parts
    return (parse(str(first), subject_to) if subject_to else first), *others


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise UserError(f"An expression is text such as 'valid_error + 0.1*params', not {text!r:.80}.")
        if len(text) > _MAX_LENGTH:
            raise UserError(f"An expression has at most {_MAX_LENGTH} characters, not {len(text)}.")
        self.text = text
        self.tokens = list(self._tokenise())
        self.position = 0
        self.depth = 0

    def _tokenise(self) -> Iterable[_Token]:
        position = 0
        while position < len(self.text.rstrip()):
            match = _TOKEN.match(self.text, position)
            if match is None:
                start = position + len(self.text[position:]) - len(self.text[position:].lstrip())
                raise self.error(f"unexpected character {self.text[start]!r}", start)
            kind = str(match.lastgroup)
            yield _Token(kind, match[kind], match.start(kind))
            position = match.end()
        yield _Token("end", "the end", len(self.text.rstrip()))

    def error(self, message: str, start: int) -> UserError:
        """A one-line message with the place marked."""
        shown = f"{self.text[:start]}⟨here⟩{self.text[start:]}".replace("\n", " ")
        return UserError(f"Malformed expression: {message} at column {start + 1}: {shown}")

    @property
    def token(self) -> _Token:
        return self.tokens[self.position]

    def expected(self, what: str) -> UserError:
        return self.error(f"expected {what}, found {self.token.text!r}", self.token.start)

    def take(self, *texts: str) -> str | None:
        """Consume the next token if it is one of `texts`."""
        if self.token.kind != "number" and self.token.text in texts and self.token.kind != "end":
            self.position += 1
            return self.tokens[self.position - 1].text
        return None

    def objectives(self) -> list[Expression]:
        totals = [self.sum()]
        while self.take(","):
            totals.append(self.sum())
        if self.take("subject"):
            if not self.take("to"):
                raise self.expected("'to' after 'subject'")
            totals[0] = totals[0].subject_to(*self.constraints())
        if self.token.kind != "end":
            raise self.expected("'+', ',' or 'subject to'")
        return totals

    def sum(self) -> Expression:
        total = self.product()
        while self.take("+"):
            total = total + self.product()
        return total

    def product(self) -> Expression:
        """Numbers times exactly one metric or parenthesis."""
        start = self.token.start
        weight, inner = 1.0, None
        while True:
            if self.token.kind == "number":
                weight *= self.number()
            elif inner is not None:
                raise self.error("a product holds one metric", self.token.start)
            elif self.take("("):
                inner = self.parenthesis()
            else:
                inner = self.metric("a number, a metric or '('")
            if not self.take("*"):
                break
        if inner is None:
            raise self.error("a number needs a metric to weigh, as in 0.1*params", start)
        return inner * weight

    def parenthesis(self) -> Expression:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self.error(f"more than {_MAX_DEPTH} parentheses", self.token.start)
        inner = self.sum()
        if not self.take(")"):
            raise self.expected("')'")
        self.depth -= 1
        return inner

    def number(self) -> float:
        token = self.token
        sign = -1.0 if self.take("-") else 1.0
        if self.token.kind != "number":
            raise self.expected("a number")
        value = sign * float(self.token.text)
        if not math.isfinite(value):
            raise self.error("a number must be finite", token.start)
        self.position += 1
        return value

    def metric(self, wanted: str) -> Expression:
        if self.token.kind != "name" or self.token.text in ("subject", "to", "and"):
            raise self.expected(wanted)
        name = self.token.text
        self.position += 1
        epochs = None
        if name == DIVERSITY and self.token.text == "[":
            raise self.error("diversity is of a run, not of a training, so it takes no epochs", self.token.start)
        if self.take("["):
            if self.token.kind != "number" or not self.token.text.isdigit():
                raise self.expected("a whole number of epochs")
            epochs = int(self.token.text)
            self.position += 1
            if not self.take("]"):
                raise self.expected("']'")
        return metric(name, epochs)

    def constraints(self) -> list[Constraint]:
        found = [self.constraint()]
        while self.take("and", ","):
            found.append(self.constraint())
        if self.token.kind != "end":
            raise self.expected("'and' or the end")
        return found

    def constraint(self) -> Constraint:
        left = self.metric("a metric")
        relation = self.take("<=", ">=", "<", ">")
        if relation is None:
            raise self.expected("'<=' or '>='")
        limit = self.number()
        return left <= limit if relation.startswith("<") else left >= limit
