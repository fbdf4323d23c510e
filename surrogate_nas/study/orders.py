"""How well signals of a training order cells by the goal of other trainings.

τ is Kendall's τ_b between a signal under one seed and the mean goal of the other seeds, averaged
over which seed gives the signal. What each cell adds to it, the first-order term of a U-statistic
(Hoeffding, "A Class of Statistics with Asymptotically Normal Distribution", 1948), gives the
variance of a difference of two signals on the same cells, which agrees with that of the bootstrap
up to terms of 1/n.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.study.signals import VALID_LOSS, VALID_MEASURE

Values = NDArray[np.float64]
"""One number a cell, or a row of them for each seed."""

NOISE = 0.3
"""A table tells no order where two seeds of its final validation measure agree with less τ."""
ONE_QUANTITY = 0.98
"""Loss and measure are one quantity where they order the cells of a training with τ as large."""
_DIGITS = 12
"""Means of equal numbers are equal, whatever their order: ties stay ties."""


class Signal(NamedTuple):
    """What a search may see of a training.

    Attributes:
        what: One of `surrogate_nas.study.signals.SIGNALS`.
        at: The share of the run after which it is known.
        late: Whether it is the mean over the last fifth of the run.
    """

    what: str
    at: float = 1.0
    late: bool = False

    @property
    def end(self) -> Signal:
        """The same at the end of the run."""
        return Signal(self.what)


def filled(row: Values, made: NDArray[np.bool_]) -> Values:
    """A column of a seed, shape ``(n,)``; its worst value where a training gave no number.

    Args:
        row: Smaller is better.
        made: Where there was a training, shape ``(n,)``.
    """
    known = np.isfinite(row)
    worst = row[known].max() if known.any() else np.nan
    return np.where(made & ~known, worst, row)


def others(goal: Values) -> Values:
    """By seed the mean of the other seeds' goal.

    Args:
        goal: Shape ``(seeds, n)``.
    """
    rest = [np.delete(goal, seed, axis=0).mean(axis=0) for seed in range(len(goal))]
    return np.round(np.array(rest), _DIGITS)


def signs(values: Values) -> NDArray[np.float32]:
    """The sign of the difference of every pair, shape ``(n, n)``.

    Args:
        values: Shape ``(n,)``.
    """
    return np.sign(values[:, None] - values).astype(np.float32)


def parts(
    own: NDArray[np.float32], wanted: NDArray[np.float32], untied: Values | None = None
) -> tuple[Values, Values]:
    """τ_b of signals with a goal, and its derivative by the weight of each cell.

    Args:
        own: The signals' signs of pairs, shape ``(…, n, n)``.
        wanted: The goal's, shape ``(n, n)``.
        untied: How many pairs of each cell a signal does not tie, shape ``(…, n)``, if known.

    Returns:
        Both, of shape ``(…,)`` and ``(…, n)``; τ is 0 where all values of one tie. The sum of the
        squares of the derivatives is the variance of τ.
    """
    untied = np.abs(own).sum(axis=-1) if untied is None else untied
    of_goal = np.abs(wanted).sum(axis=1)
    alike = np.einsum("...ij,ij->...i", own, wanted)
    both = untied.sum(axis=-1) * of_goal.sum()
    scale = np.sqrt(np.where(both > 0, both, np.inf))
    tau = alike.sum(axis=-1) / scale
    tied = untied / np.maximum(untied.sum(axis=-1), 1)[..., None]
    tied = tied + of_goal / max(of_goal.sum(), 1)
    slopes = 2 * alike / scale[..., None] - tau[..., None] * tied
    return tau.astype(np.float64), slopes.astype(np.float64)


@dataclass(frozen=True)
class SignalTable:
    """What some cells' trainings under several seeds told, smaller values being better.

    Attributes:
        name: Of the table.
        source: Of the data: the unit that other data is another one of.
        signals: Each of shape ``(seeds, n)``.
        goal: What the trained networks are worth in the end, shape ``(seeds, n)``.
        reference: The matched validation signal at the end, one of `signals`.
        measure: What the validation measure is, such as ``error``; ``loss`` where there is none.
        is_tested: Whether the goal is of test data.
        cells: What matches the cells of tables of one source, shape ``(n,)``.
    """

    name: str
    source: str
    signals: Mapping[Signal, Values]
    goal: Values
    reference: Signal
    measure: str
    is_tested: bool
    cells: NDArray[Any]

    @property
    def seeds(self) -> int:
        """How many trainings a cell has."""
        return len(self.goal)

    def part(self, cells: slice = slice(None), seeds: int | None = None) -> SignalTable:
        """Some of the cells, and the first few seeds.

        Args:
            cells: Which, by their place.
            seeds: How many, at least two; all if left out.
        """
        signals = {signal: values[:seeds, cells] for signal, values in self.signals.items()}
        goal = self.goal[:seeds, cells]
        return replace(self, signals=signals, goal=goal, cells=self.cells[cells])

    @cached_property
    def _orders(self) -> dict[Signal, tuple[float, Values]]:
        """By signal τ and its derivatives, the mean over seeds."""
        rest = [signs(row) for row in others(self.goal)]
        found = {}
        for signal, values in self.signals.items():
            each = [parts(signs(row), wanted) for row, wanted in zip(values, rest, strict=True)]
            tau = float(np.mean([one for one, _ in each]))
            found[signal] = tau, np.mean([slopes for _, slopes in each], axis=0)
        return found

    def tau(self, signal: Signal) -> float:
        """How well a signal orders the cells.

        Args:
            signal: One of `signals`.
        """
        return self._orders[signal][0]

    def less(self, signal: Signal, against: Signal) -> tuple[float, Values]:
        """τ of a signal less that of another, and what each cell adds to it, shape ``(n,)``.

        Args:
            signal: One of `signals`.
            against: Another one.
        """
        own, other = self._orders[signal], self._orders[against]
        return own[0] - other[0], own[1] - other[1]

    @cached_property
    def agreement(self) -> float:
        """The mean τ of two seeds of the reference."""
        orders = [signs(row) for row in self.signals[self.reference]]
        pairs = itertools.combinations(orders, 2)
        return float(np.mean([parts(one, two)[0] for one, two in pairs]))

    @cached_property
    def is_one_quantity(self) -> bool:
        """Whether validation loss and measure at the end order the cells of a training alike."""
        loss, measure = (self.signals.get(Signal(what)) for what in (VALID_LOSS, VALID_MEASURE))
        if loss is None or measure is None:
            return False
        rows = zip(loss, measure, strict=True)
        alike = [parts(signs(one), signs(other))[0] for one, other in rows]
        return float(np.mean(alike)) >= ONE_QUANTITY

    def has(self, signal: Signal, against: Signal) -> bool:
        """Whether it tells two signals apart: it has both, and they are two quantities.

        Args:
            signal: The one.
            against: The other.
        """
        if not {signal, against} <= self.signals.keys():
            return False
        kinds = {signal.what, against.what}
        is_same_time = signal[1:] == against[1:]
        return not (self.is_one_quantity and is_same_time and kinds == _KINDS)


_KINDS = {VALID_LOSS, VALID_MEASURE}


def difference(
    tables: Sequence[SignalTable], signal: Signal, against: Signal
) -> tuple[float, float] | None:
    """The difference of τ of two signals in one source: the mean over its tables, and its variance.

    Args:
        tables: Of one source.
        signal: The one.
        against: The other, whose τ is taken off.

    Returns:
        Both, or None where no table tells the two apart.
    """
    told = [(one, *one.less(signal, against)) for one in tables if one.has(signal, against)]
    # one quantity under two names, as the last fifth of four epochs
    told = [each for each in told if each[2].any()]
    if not told:
        return None
    # a cell that several tables have was drawn once
    every = np.unique(np.concatenate([one.cells for one, _, _ in told]))
    added = np.zeros(len(every))
    for one, _, slopes in told:
        added[np.searchsorted(every, one.cells)] += slopes / len(told)
    return float(np.mean([value for _, value, _ in told])), float((added**2).sum())


def by_source(tables: Iterable[SignalTable]) -> dict[str, list[SignalTable]]:
    """The tables that tell an order, by their source.

    Args:
        tables: Of any sources; those that are noise are left out.
    """
    found: dict[str, list[SignalTable]] = {}
    for one in tables:
        if one.agreement >= NOISE:
            found.setdefault(one.source, []).append(one)
    return found
