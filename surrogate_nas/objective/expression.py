"""The language of objectives.

``valid_error + 0.1*params + 0.05*latency@raspi4 subject to latency@raspi4 <= 20``: an expression is
a sum of weighted metrics and, after ``subject to``, limits in natural units. ``[12]`` names the
epochs of a metric, ``@`` a device, ``diversity`` the similarity to the cells of the run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.arguments import check_name, check_number, check_whole
from surrogate_nas.core.errors import UserError

DIVERSITY = "diversity"
"""The name of the term that depends on what a run has found before."""
_Part = TypeVar("_Part")


def exact(number: float) -> str:
    """The shortest text that reads back as the same number."""
    short = f"{number:g}"
    return short if float(short) == number else repr(float(number))


def _check_name(name: object, epochs: object) -> None:
    if not check_name("A metric", name):
        raise UserError("A metric is named by text such as 'valid_error', not an empty one.")
    if epochs is not None:
        check_whole(f"The number of epochs of {name:.80}", epochs, most=None)


@dataclass(frozen=True)
class Term:
    """A weighted metric.

    Attributes:
        metric: The metric's name, or ``diversity``.
        epochs: The length of the training run; None for the metric's longest.
        weight: The factor, λ for a regulariser; at least 0.
    """

    metric: str
    epochs: int | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        _check_name(self.metric, self.epochs)
        check_number("A weight", self.weight)
        if self.metric == DIVERSITY and self.epochs is not None:
            raise UserError("diversity is of a run, not of a training, so it takes no epochs.")

    @property
    def name(self) -> str:
        """The metric as an expression writes it."""
        return self.metric if self.epochs is None else f"{self.metric}[{self.epochs}]"

    def __str__(self) -> str:
        return self.name if self.weight == 1.0 else f"{exact(self.weight)}*{self.name}"


@dataclass(frozen=True)
class Constraint:
    """A limit on a metric in its natural unit.

    Attributes:
        metric: The metric's name.
        epochs: The length of the training run; None for the metric's longest.
        relation: ``<=`` or ``>=``.
        limit: The limit.

    Example:
        >>> limit = Constraint("latency@raspi4", None, "<=", 20.0)
        >>> limit.excess(np.array([18.0, 23.5]))
        array([0. , 3.5])
        >>> str(loss("valid_error").subject_to(limit))
        'valid_error subject to latency@raspi4 <= 20'
    """

    metric: str
    epochs: int | None
    relation: Literal["<=", ">="]
    limit: float

    def excess(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """By how much values, shape ``(n,)``, break the limit, in their unit; 0 if not at all."""
        beyond = values - self.limit if self.relation == "<=" else self.limit - values
        return np.asarray(np.maximum(beyond, 0.0))

    def __str__(self) -> str:
        return f"{Term(self.metric, self.epochs).name} {self.relation} {exact(self.limit)}"


class Tolerance(NamedTuple):
    """How much more of a term of R a change of a measure is worth.

    Attributes:
        term: The term of R.
        amount: How much of it, in its own unit, or in % of its median.
        is_share: Whether it is in %.
        measure: An error, a loss or a quality.
        change: By how much it must be better for that, in its own unit: points of an error in %.
    """

    term: Term
    amount: float
    is_share: bool
    measure: Term
    change: float

    def __str__(self) -> str:
        unit = "%" if self.is_share else ""
        paid = f"{exact(self.amount)}{unit} {self.term.name}"
        return f"{paid} per {exact(self.change)} {self.measure.name}"


@dataclass(frozen=True)
class Expression:
    """A sum of weighted metrics with optional constraints; add and scale it like a number.

    Example:
        >>> str(loss("valid_error") + 0.1 * params() + 0.05 * latency("raspi4"))
        'valid_error + 0.1*params + 0.05*latency@raspi4'

    Attributes:
        terms: The weighted metrics, each metric once.
        constraints: The limits.
    """

    terms: tuple[Term, ...]
    constraints: tuple[Constraint, ...] = ()

    def __add__(self, other: Expression) -> Expression:
        if not isinstance(other, Expression):
            return NotImplemented
        weights: dict[Term, float] = {}
        for term in (*self.terms, *other.terms):
            key = replace(term, weight=1.0)
            weights[key] = weights.get(key, 0.0) + term.weight
        terms = tuple(replace(key, weight=weight) for key, weight in weights.items())
        return Expression(terms, (*self.constraints, *other.constraints))

    def __mul__(self, factor: float) -> Expression:
        if not isinstance(factor, int | float):
            return NotImplemented
        check_number("A weight (every metric is minimised)", factor)
        return replace(self, terms=tuple(replace(t, weight=t.weight * factor) for t in self.terms))

    __rmul__ = __mul__

    def __le__(self, limit: float) -> Constraint:
        return self._limit("<=", limit)

    def __ge__(self, limit: float) -> Constraint:
        return self._limit(">=", limit)

    def _limit(self, relation: Literal["<=", ">="], limit: float) -> Constraint:
        if len(self.terms) != 1 or self.terms[0].weight != 1.0 or self.constraints:
            raise UserError(f"A constraint limits one plain metric, not {self}.")
        if self.terms[0].metric == DIVERSITY:
            raise UserError("diversity depends on the run's history, so it cannot be constrained.")
        number = check_number(f"The limit on {self}", limit, -math.inf)
        return Constraint(self.terms[0].metric, self.terms[0].epochs, relation, number)

    def subject_to(self, *constraints: Constraint) -> Expression:
        """The same sum with further limits.

        Args:
            constraints: Such as ``latency("raspi4") <= 20``.
        """
        if wrong := [limit for limit in constraints if not isinstance(limit, Constraint)]:
            raise UserError(f"A limit is written as latency('raspi4') <= 20, not {wrong[0]!r:.80}.")
        return replace(self, constraints=(*self.constraints, *constraints))

    def __str__(self) -> str:
        total = " + ".join(map(str, self.terms))
        limits = " and ".join(map(str, self.constraints))
        return f"{total} subject to {limits}" if limits else total


def metric(name: str, epochs: int | None = None) -> Expression:
    """Any metric as an expression: part of L if it is a loss, else part of R.

    Args:
        name: Its name.
        epochs: The length of the training run; None for the metric's longest.

    Example:
        >>> str(
        ...     loss("valid_error")
        ...     + 0.02 * metric("memory@cpu")
        ...     + 0.01 * metric("train_loss", epochs=12)
        ... )
        'valid_error + 0.02*memory@cpu + 0.01*train_loss[12]'
    """
    return Expression((Term(name, epochs),))


def loss(name: str, epochs: int | None = None) -> Expression:
    """The term L: how badly the task is done after a training run of so many epochs.

    Args:
        name: An error (%), a loss in its own unit, or a quality, which enters as 1 − its fraction.
        epochs: The length of the training run; None for the metric's longest.

    Example:
        >>> str(loss("valid_error", epochs=12) + 0.1 * params())
        'valid_error[12] + 0.1*params'
    """
    return metric(name, epochs)


def params() -> Expression:
    """The term of R that counts the trainable parameters of the whole network.

    Example:
        >>> import surrogate_nas as sn
        >>> objective = sn.Objective(loss("valid_loss") + 0.1 * params(), sn.load("fashion"))
        >>> objective.terms[1].divisor == float(np.median(sn.load("fashion").column("params")))
        True
    """
    return metric("params")


def macs() -> Expression:
    """The term of R for the multiply-accumulates (millions) of one inference.

    Example:
        >>> str(loss("valid_loss") + 0.1 * macs())
        'valid_loss + 0.1*macs'
    """
    return metric("macs")


def latency(device: str) -> Expression:
    """The term of R that is the latency (ms) of one inference on a device.

    Args:
        device: Such as ``raspi4``; ``cpu`` in tables made here, ``local`` for what `snas measure`
            found.

    Example:
        >>> str(loss("valid_error") + 0.05 * latency("raspi4"))
        'valid_error + 0.05*latency@raspi4'
    """
    return metric(f"latency@{device}")


def energy(device: str) -> Expression:
    """The term of R that is the energy (mJ) of one inference on a device.

    Args:
        device: Such as ``eyeriss``.

    Example:
        >>> str(loss("valid_error") + 0.1 * energy("eyeriss"))
        'valid_error + 0.1*energy@eyeriss'
    """
    return metric(f"energy@{device}")


def diversity() -> Expression:
    """The term of R for the similarity, 0 to 1, to the best cells of the run so far.

    It makes a search look elsewhere. Scores then depend on a run's history, so that regret is
    undefined.

    Example:
        >>> str(loss("valid_error") + 0.1 * diversity())
        'valid_error + 0.1*diversity'
    """
    return metric(DIVERSITY)


_MAX_LENGTH = 2000
_MAX_DEPTH = 20
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*(?:@\w[\w.-]*)?)"
    r"|(?P<symbol><=|>=|[-+*/()\[\],<>=%]))",
    re.ASCII,
)


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


def parse_several(text: str, subject_to: str | None = None) -> tuple[Expression, ...]:
    """Read objectives separated by commas; the first one holds the limits of all."""
    first, *others = _Parser(text).objectives()
    if subject_to:
        parser = _Parser(subject_to)
        first = first.subject_to(*parser.joined(parser.constraint))
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
        raise UserError(
            f"One objective is wanted here, not {1 + len(others)} with commas between them: {text}"
        )
    return expression


def parse_tolerances(text: str) -> list[Tolerance]:
    """Read tolerances, such as ``100% params per 1 valid_error``, joined by ``and``."""
    parser = _Parser(text)
    return parser.joined(parser.tolerance)


def parsed(expression: object, subject_to: str | None) -> tuple[Expression, ...]:
    """The objectives that a user gave, each as an expression; the first holds the limits."""
    if isinstance(expression, str):
        return parse_several(expression, subject_to)
    objectives = (expression,) if isinstance(expression, Expression) else expression
    if (
        not isinstance(objectives, Sequence)
        or not objectives
        or not all(isinstance(part, Expression) for part in objectives)
    ):
        raise UserError(
            "An objective is text or an expression such as loss('valid_error'), not"
            f" {expression!r:.80}."
        )
    first, *others = objectives
    return (parse(str(first), subject_to) if subject_to else first), *others


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise UserError(
                f"An expression is text such as 'valid_error + 0.1*params', not {text!r:.80}."
            )
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
            totals[0] = totals[0].subject_to(*self.joined(self.constraint))
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
        weight = 1.0
        inner = None
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
            raise self.error(
                "diversity is of a run, not of a training, so it takes no epochs", self.token.start
            )
        if self.take("["):
            if self.token.kind != "number" or not self.token.text.isdigit():
                raise self.expected("a whole number of epochs")
            epochs = int(self.token.text)
            self.position += 1
            if not self.take("]"):
                raise self.expected("']'")
        return metric(name, epochs)

    def joined(self, read: Callable[[], _Part]) -> list[_Part]:
        """Parts with "and" or commas between, up to the end."""
        found = [read()]
        while self.take("and", ","):
            found.append(read())
        if self.token.kind != "end":
            raise self.expected("'and' or the end")
        return found

    def tolerance(self) -> Tolerance:
        amount = self.positive()
        is_share = self.take("%") is not None
        (term,) = self.metric("a metric of R").terms
        if self.take("per") is None:
            raise self.expected("'per', as in 100% params per 1 valid_error")
        change = self.positive()
        (measure,) = self.metric("an error, a loss or a quality").terms
        if DIVERSITY in (term.metric, measure.metric):
            raise self.error("diversity is no metric of a cell", self.token.start)
        return Tolerance(term, amount, is_share, measure, change)

    def positive(self) -> float:
        start = self.token.start
        value = self.number()
        if not value > 0:
            raise self.error("a tolerance is above 0", start)
        return value

    def constraint(self) -> Constraint:
        left = self.metric("a metric")
        relation = self.take("<=", ">=", "<", ">")
        if relation is None:
            raise self.expected("'<=' or '>='")
        limit = self.number()
        return left <= limit if relation.startswith("<") else left >= limit
