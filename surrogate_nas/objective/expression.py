"""The language of objectives: ``valid_error + 0.1*params + 0.05*latency@raspi4 subject to latency@raspi4 <= 20``.

An expression is a sum of weighted metrics and, after ``subject to``, limits in natural units. ``[12]`` names the
epochs of a metric, ``@`` a device, ``diversity`` the similarity to what a run has found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError

DIVERSITY = "diversity"
"""The name of the term that depends on what a run has found before."""


def exact(number: float) -> str:
    """The shortest text that reads back as the same number.

    Args:
        number: A finite number.
    """
    short = f"{number:g}"
    return short if float(short) == number else repr(float(number))


def _check_name(name: object, epochs: object) -> None:
    if not isinstance(name, str) or not name:
        raise UserError(f"A metric is named by text such as 'valid_error', not {name!r:.80}.")
    if epochs is not None and (not isinstance(epochs, int) or isinstance(epochs, bool)):
        raise UserError(f"The epochs of {name:.80} are a whole number, not {epochs!r:.80}.")


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
        if not isinstance(self.weight, int | float) or not (math.isfinite(self.weight) and self.weight >= 0):
            raise UserError(f"A weight must be a finite number of at least 0, not {self.weight}.")
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
        """By how much values break the limit, in their own unit, 0 where they keep it.

        Args:
            values: Shape ``(n,)``.
        """
        beyond = values - self.limit if self.relation == "<=" else self.limit - values
        return np.asarray(np.maximum(beyond, 0.0))

    def __str__(self) -> str:
        return f"{Term(self.metric, self.epochs).name} {self.relation} {exact(self.limit)}"


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
        if not (math.isfinite(factor) and factor >= 0):
            raise UserError(f"A weight must be a finite number of at least 0, not {factor}: every metric is minimised.")
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
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not math.isfinite(limit):
            raise UserError(f"The limit on {self} is a finite number, not {limit!r:.80}.")
        return Constraint(self.terms[0].metric, self.terms[0].epochs, relation, float(limit))

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
    """Any metric of the benchmark as an expression, to weigh and add: as L where it tells the loss, else as R.

    Args:
        name: Its name.
        epochs: The length of the training run; None for the metric's longest.

    Example:
        >>> str(loss("valid_error") + 0.02 * metric("memory@cpu") + 0.01 * metric("train_loss", epochs=12))
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
    """The term of R that counts the multiply-accumulates (millions) of one inference of the whole network.

    Example:
        >>> str(loss("valid_loss") + 0.1 * macs())
        'valid_loss + 0.1*macs'
    """
    return metric("macs")


def latency(device: str) -> Expression:
    """The term of R that is the latency (ms) of one inference on a device.

    Args:
        device: Such as ``raspi4``; ``cpu`` in tables made here, ``local`` for what `snas measure` found.

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
    """The term of R that is the similarity, from 0 to 1, to the best cells that the run has found so far.

    It makes a search look elsewhere. Scores then depend on a run's history, so that regret is undefined.

    Example:
        >>> str(loss("valid_error") + 0.1 * diversity())
        'valid_error + 0.1*diversity'
    """
    return metric(DIVERSITY)
