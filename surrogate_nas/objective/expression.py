"""The expression language of objectives.

An expression is a sum of weighted metrics, followed by optional limits in natural units, such as
``valid_error + 0.1*params + 0.05*latency@raspi4 subject to latency@raspi4 <= 20``. After a metric,
``[12]`` stands for its value after 12 epochs, and ``@`` precedes the name of a device. The metric
``diversity`` is the similarity of a cell to the best cells of the run.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import UserError, check_argument, check_number, check_whole

DIVERSITY = "diversity"


def exact(number: float) -> str:
    """Return the shortest text that converts back to the same number."""
    short = f"{number:g}"
    return short if float(short) == number else repr(float(number))


@dataclass(frozen=True)
class Term:
    """A weighted metric.

    Attributes:
        metric: The metric's name, or ``diversity``.
        epochs: Number of training epochs; None for the largest number for which the metric exists.
        weight: The weight of the metric in the sum, at least 0; λ for a regulariser.
    """

    metric: str
    epochs: int | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not check_argument("A metric", self.metric, str):
            raise UserError(
                "The name of a metric must be a non-empty text such as 'valid_error'."
            )
        if self.epochs is not None:
            check_whole(f"The number of epochs of {self.metric:.80}", self.epochs)
        check_number("A weight", self.weight)
        if self.metric == DIVERSITY and self.epochs is not None:
            raise UserError(
                "diversity describes a run, not a training, so it takes no epochs."
            )

    @property
    def name(self) -> str:
        """The metric's name with its epochs, as written in an expression."""
        return self.metric if self.epochs is None else f"{self.metric}[{self.epochs}]"

    def __str__(self) -> str:
        return self.name if self.weight == 1.0 else f"{exact(self.weight)}*{self.name}"


@dataclass(frozen=True)
class Constraint:
    """A limit on a metric, in the metric's natural unit.

    Attributes:
        metric: The metric's name.
        epochs: Number of training epochs; None for the largest number for which the metric exists.
        relation: ``<=`` or ``>=``.
        limit: The largest (``<=``) or smallest (``>=``) permitted value.

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

    @property
    def name(self) -> str:
        """The metric's name with its epochs, as written in an expression."""
        return Term(self.metric, self.epochs).name

    def excess(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return by how much values violate the limit, in the metric's unit; 0 without violation.

        Args:
            values: Values of the metric, shape ``(n,)``.
        """
        beyond = values - self.limit if self.relation == "<=" else self.limit - values
        return np.asarray(np.maximum(beyond, 0.0))

    def __str__(self) -> str:
        return f"{self.name} {self.relation} {exact(self.limit)}"


@dataclass(frozen=True)
class Expression:
    """A sum of weighted metrics with optional constraints.

    Expressions can be added to each other and multiplied by numbers.

    Example:
        >>> str(loss("valid_error") + 0.1 * params() + 0.05 * latency("raspi4"))
        'valid_error + 0.1*params + 0.05*latency@raspi4'

    Attributes:
        terms: The weighted metrics; each metric occurs once.
        constraints: The limits.
    """

    terms: tuple[Term, ...]
    constraints: tuple[Constraint, ...] = ()

    def __add__(self, other: "Expression") -> "Expression":
        if not isinstance(other, Expression):
            return NotImplemented
        weights: dict[Term, float] = {}
        for term in (*self.terms, *other.terms):
            key = replace(term, weight=1.0)
            weights[key] = weights.get(key, 0.0) + term.weight
        terms = tuple(replace(key, weight=weight) for key, weight in weights.items())
        return Expression(terms, (*self.constraints, *other.constraints))

    def __mul__(self, factor: float) -> "Expression":
        if not isinstance(factor, int | float):
            return NotImplemented
        check_number("A weight (every metric is minimised)", factor)
        return replace(
            self, terms=tuple(replace(t, weight=t.weight * factor) for t in self.terms)
        )

    __rmul__ = __mul__

    def __le__(self, limit: float) -> Constraint:
        return self._limit("<=", limit)

    def __ge__(self, limit: float) -> Constraint:
        return self._limit(">=", limit)

    def _limit(self, relation: Literal["<=", ">="], limit: float) -> Constraint:
        if len(self.terms) != 1 or self.terms[0].weight != 1.0 or self.constraints:
            raise UserError(f"A constraint limits one plain metric, not {self}.")
        if self.terms[0].metric == DIVERSITY:
            raise UserError(
                "diversity depends on the run's history, so it cannot be constrained."
            )
        number = check_number(f"The limit on {self}", limit, -math.inf)
        return Constraint(self.terms[0].metric, self.terms[0].epochs, relation, number)

    def subject_to(self, *constraints: Constraint) -> "Expression":
        """Return the same expression with additional limits.

        Args:
            constraints: Limits such as ``latency("raspi4") <= 20``.
        """
        if wrong := [
            limit for limit in constraints if not isinstance(limit, Constraint)
        ]:
            raise UserError(
                f"A limit is written as latency('raspi4') <= 20, not {wrong[0]!r:.80}."
            )
        return replace(self, constraints=(*self.constraints, *constraints))

    def __str__(self) -> str:
        total = " + ".join(map(str, self.terms))
        limits = " and ".join(map(str, self.constraints))
        return f"{total} subject to {limits}" if limits else total


def metric(name: str, epochs: int | None = None) -> Expression:
    """Return an expression for any metric: a term of L if it is a loss, otherwise a term of R.

    Args:
        name: The metric's name.
        epochs: Number of training epochs; None for the largest number for which the metric exists.

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
    """Return the term L: an error (%), a loss in its own unit, or a quality.

    A quality, such as an accuracy, enters the score as 1 minus its fraction.

    Args:
        name: The metric's name.
        epochs: Number of training epochs; None for the largest number for which the metric exists.

    Example:
        >>> str(loss("valid_error", epochs=12) + 0.1 * params())
        'valid_error[12] + 0.1*params'
    """
    return metric(name, epochs)


def params() -> Expression:
    """Return the term of R for the number of trainable parameters of the whole network."""
    return metric("params")


def macs() -> Expression:
    """Return the term of R for the multiply-accumulates (in millions) of one inference."""
    return metric("macs")


def latency(device: str) -> Expression:
    """Return the term of R for the latency (ms) of one inference on a device.

    Args:
        device: The name of a device, such as ``raspi4``. Tables made by this package use ``cpu``,
            and `snas measure` uses ``local``.

    Example:
        >>> cost = 0.1 * macs() + 0.1 * energy("eyeriss") + 0.05 * latency("raspi4")
        >>> str(loss("valid_error") + cost)
        'valid_error + 0.1*macs + 0.1*energy@eyeriss + 0.05*latency@raspi4'
    """
    return metric(f"latency@{device}")


def energy(device: str) -> Expression:
    """Return the term of R for the energy (mJ) of one inference on a device such as ``eyeriss``."""
    return metric(f"energy@{device}")


def diversity() -> Expression:
    """Return the term of R for a cell's similarity (0 to 1) to the best cells of the run so far.

    Scores then depend on the history of the run, so regret is undefined.

    Example:
        >>> str(metric("valid_loss") + 0.1 * diversity())
        'valid_loss + 0.1*diversity'
    """
    return metric(DIVERSITY)


_MAX_LENGTH = 2000
_MOST_PARENTHESES = 50
_NUMBER = r"(-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
_METRIC = r"([A-Za-z_]\w*(?:@\w[\w.-]*)?)\s*(?:\[\s*(\d+)\s*\])?"
_LIMIT = re.compile(rf"{_METRIC}\s*([<>])=?\s*{_NUMBER}", re.ASCII)
_ODD = re.compile(r"[^\w\s@.+*/()\[\],<>=%-]", re.ASCII)


def parse_several(text: str, subject_to: str | None = None) -> tuple[Expression, ...]:
    """Parse objectives that are separated by commas. All limits are attached to the first
    objective.
    """
    sums, *limits = re.split(r"\bsubject\s+to\b", _checked(text), maxsplit=1)
    first, *others = _Reader(sums).objectives()
    limits += [subject_to] if subject_to else []
    for limit in limits:
        for part in re.split(r",|\band\b", _checked(limit)):
            if (match := _LIMIT.fullmatch(part.strip())) is None:
                raise UserError(
                    "Malformed expression: expected latency@raspi4 <= 20, found"
                    f" {part.strip()!r}."
                )
            name, epochs, relation, number = match.groups()
            term = metric(name, _epochs(epochs))
            within = term <= float(number) if relation == "<" else term >= float(number)
            first = first.subject_to(within)
    return first, *others


def parse(text: str, subject_to: str | None = None) -> Expression:
    """Parse one objective from text.

    Args:
        text: An expression such as ``valid_error[12] + 0.1*params``, optionally followed by
            ``subject to LIMITS``.
        subject_to: Additional limits, such as ``latency@raspi4 <= 20 and params <= 500000``.

    Raises:
        UserError: The text is malformed; the message shows the position.

    Example:
        >>> expression = parse("valid_error[12] + 0.1*params", "latency@raspi4 <= 20")
        >>> [str(term) for term in expression.terms], expression.constraints[0].limit
        (['valid_error[12]', '0.1*params'], 20.0)
    """
    several = parse_several(text, subject_to)
    if len(several) > 1:
        raise UserError(
            f"Exactly one objective is required here, not {len(several)} separated by commas:"
            f" {text}"
        )
    return several[0]


def _epochs(text: str | None) -> int | None:
    return int(text) if text else None


def parsed(expression: object, subject_to: str | None) -> tuple[Expression, ...]:
    """Return the objectives that a user gave as text or expressions. All limits are attached to the
    first objective.
    """
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


def _checked(text: object) -> str:
    if not isinstance(text, str):
        raise UserError(
            f"An expression is text such as 'valid_error + 0.1*params', not {text!r:.80}."
        )
    if len(text) > _MAX_LENGTH:
        raise UserError(
            f"An expression has at most {_MAX_LENGTH} characters, not {len(text)}."
        )
    if text.count("(") > _MOST_PARENTHESES:
        raise UserError(f"An expression has at most {_MOST_PARENTHESES} parentheses.")
    if odd := _ODD.search(text):
        raise _malformed(f"unexpected character {odd[0]!r}", text, odd.start())
    return re.sub(r"\s", " ", text)


def _malformed(message: str, text: str, position: int) -> UserError:
    shown = " ".join(f"{text[:position]}⟨here⟩{text[position:]}".split())
    return UserError(
        f"Malformed expression: {message} at column {position + 1}: {shown}"
    )


class _Reader:
    """A recursive-descent parser of objectives.

    Objectives are ``SUM, SUM``. A SUM is ``PRODUCT + PRODUCT``. A PRODUCT consists of numbers and
    one metric or ``(SUM)``, separated by ``*``.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = len(text) - len(text.lstrip())

    def objectives(self) -> list[Expression]:
        sums = [self._sum()]
        while self._take(","):
            sums.append(self._sum())
        if self._position < len(self._text):
            raise _malformed(
                "expected '+', '*', ',' or the end", self._text, self._position
            )
        return sums

    def _sum(self) -> Expression:
        total = self._product()
        while self._take(r"\+"):
            total = total + self._product()
        return total

    def _product(self) -> Expression:
        weight = 1.0
        inner: Expression | None = None
        is_more = True
        while is_more:
            if number := self._take(_NUMBER):
                weight *= float(number[1])
            elif inner is None:
                inner = self._factor()
            else:
                raise _malformed(
                    "a product contains one metric", self._text, self._position
                )
            is_more = self._take(r"\*") is not None
        if inner is None:
            missing = "a number must multiply a metric, as in 0.1*params"
            raise _malformed(missing, self._text, self._position)
        return inner * weight

    def _factor(self) -> Expression:
        if match := self._take(_METRIC):
            return metric(match[1], _epochs(match[2]))
        if not self._take(r"\("):
            raise _malformed(
                "expected a number, a metric or '('", self._text, self._position
            )
        total = self._sum()
        if not self._take(r"\)"):
            raise _malformed("expected '+', '*' or ')'", self._text, self._position)
        return total

    def _take(self, pattern: str) -> re.Match[str] | None:
        """Match a pattern at the current position, with the white space after it."""
        match = re.compile(rf"{pattern}\s*", re.ASCII).match(self._text, self._position)
        self._position = match.end() if match else self._position
        return match
