"""How well a signal of one seed orders cells by the goal of the other seeds, and what it costs.

τ is Kendall's τ_b, averaged over which seed gives the signal. It is a ratio of sums over pairs of
classes, so a resample of classes takes two products with a matrix of signs. The regret of a signal
is the goal of the class that it picks among a random half of the classes, less that of the best of
them; ties share the pick.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaln

from analysis.answer.reading import Key, Table, Values
from analysis.orders import NOISE, ONE_QUANTITY, others, signs

RESAMPLES = 1000
HALVES = 400
_BLOCK = 128
"""Resamples whose regret is computed at a time: in a processor's cache."""
CONTRASTED: dict[str, Key] = {
    "valid_loss": ("valid", "loss", 100),
    "train": ("train", "loss", 100),
    "early": ("train", "loss", 20),
}
MATCHED = "matched"
"""The fourth contrast: signal matched to the goal less the other one, over both goals."""
NAMES = (*CONTRASTED, MATCHED)
ABOUT_MEASURE = ("valid_loss", MATCHED)
"""Contrasts in which tasks whose loss and measure are one quantity take no part."""
PARAMS, RANDOM, CEILING = "−parameters", "random", "another seed"


@lru_cache(maxsize=4)
def draws(n: int) -> Values:
    """How often each class is drawn, the same for all tasks; first row: once each."""
    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    return np.vstack([np.ones(n), drawn]).astype(np.float32)


@lru_cache(maxsize=4)
def halves(n: int) -> NDArray[np.bool_]:
    """Random halves of the classes, the same for all tasks, shape ``(HALVES, n)``."""
    rng = np.random.default_rng(1)
    return np.array([rng.permutation(n).argsort() < n // 2 for _ in range(HALVES)])


class Order(NamedTuple):
    """An order of classes: the signs of all pairs, and by resample how many pairs are untied."""

    signs: NDArray[np.float32]
    untied: Values


class Crossed:
    """The mean over seeds of τ of a seed's signal with the other seeds' goal, by resample.

    Called with a signal and a goal, shape ``(seeds, classes)``; orders are cached, by array.
    """

    def __init__(self, counts: Values) -> None:
        self.counts = counts
        self._orders: dict[int, tuple[Values, list[Order]]] = {}
        self._rest: dict[int, tuple[Values, Values]] = {}

    def _summed(self, pairs: NDArray[np.float32]) -> Values:
        """A sum over pairs of drawn classes, by resample."""
        return np.einsum("ij,ij->i", self.counts @ pairs, self.counts).astype(
            np.float64
        )

    def orders(self, values: Values) -> list[Order]:
        """By seed."""
        if id(values) not in self._orders:
            pairs = map(signs, values)
            made = [Order(own, self._summed(np.abs(own))) for own in pairs]
            self._orders[id(values)] = values, made
        return self._orders[id(values)][1]

    def tau(self, one: Order, two: Order) -> Values:
        """τ_b by resample; 0 where all values of one tie, which tells no order."""
        both = self._summed(one.signs * two.signs)
        untied = one.untied * two.untied
        return np.divide(
            both, np.sqrt(untied), out=np.zeros_like(both), where=untied > 0
        )

    def __call__(self, signal: Values, goal: Values) -> Values:
        if id(goal) not in self._rest:
            self._rest[id(goal)] = goal, others(goal)
        return self.paired(signal, self._rest[id(goal)][1])

    def paired(self, values: Values, wanted: Values) -> Values:
        """The mean τ of two columns of the same seeds."""
        pairs = zip(self.orders(values), self.orders(wanted), strict=True)
        return np.mean([self.tau(one, two) for one, two in pairs], axis=0)

    def alike(self, values: Values) -> float:
        """The mean τ of all pairs of seeds."""
        pairs = itertools.combinations(self.orders(values), 2)
        return float(np.mean([self.tau(one, two)[0] for one, two in pairs]))


def quarter(signal: Values, goal: Values) -> float:
    """τ among the best quarter of classes by the other seeds' goal, the mean over seeds."""
    found = []
    for values, wanted in zip(signal, others(goal), strict=True):
        best = np.argsort(wanted, kind="stable")[: len(wanted) // 4]
        once = Crossed(np.ones((1, len(best)), dtype=np.float32))
        found.append(once.paired(values[None, best], wanted[None, best])[0])
    return float(np.mean(found))


def regret_by(goal: Values, chosen: NDArray[np.bool_]) -> Callable[[Values], float]:
    """What signals lose among random halves, the mean over seeds, in the goal's unit."""
    rest = others(goal)
    least = [_least(wanted, chosen) for wanted in rest]

    def regret(signal: Values) -> float:
        lost = []
        for values, wanted, best in zip(signal, rest, least, strict=True):
            picked = chosen & (values == _least(values, chosen)[:, None])
            lost.append((picked * wanted).sum(axis=1) / picked.sum(axis=1) - best)
        return float(np.mean(lost))

    return regret


def _least(values: Values, chosen: NDArray[np.bool_]) -> Values:
    """The smallest value of each half."""
    order = values.argsort()
    return values[order[chosen[:, order].argmax(axis=1)]]


def regret_resampled(goal: Values, counts: Values) -> Callable[[Values], Values]:
    """The same for resampled classes, over all halves instead of some, by resample."""
    rest = others(goal)
    blocks = [counts[i : i + _BLOCK] for i in range(0, len(counts), _BLOCK)]

    def picked(signal: Values) -> Values:
        pairs = zip(signal, rest, strict=True)
        each = [[_picked(*pair, block) for block in blocks] for pair in pairs]
        return np.mean([np.concatenate(parts) for parts in each], axis=0)

    best = picked(rest)
    return lambda signal: picked(signal) - best


def _picked(values: Values, wanted: Values, counts: Values) -> Values:
    """The expected goal of the class with the smallest value among half of the drawn classes."""
    order = np.argsort(values, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(values[order])), len(order) - 1)
    drawn = counts[:, order].astype(np.float64)
    above = np.cumsum(drawn, axis=1)[:, ends]
    number = np.diff(above, axis=1, prepend=0.0)
    total = np.diff(
        np.cumsum(drawn * wanted[order], axis=1)[:, ends], axis=1, prepend=0.0
    )
    mean = np.divide(total, number, out=np.zeros_like(total), where=number > 0)
    n = above[:, -1].astype(int)
    none_yet = _absent(int(n.max()))[n[:, None], above.astype(int)]
    return (-np.diff(none_yet, axis=1, prepend=1.0) * mean).sum(axis=1)


@lru_cache(maxsize=32)
def _absent(most: int) -> Values:
    """The chance that none of `a` among `n` is in a random half, at ``[n, a]``."""
    n = np.arange(most + 1)[:, None]
    a = np.arange(most + 1)
    half = n // 2
    left = n - a - half
    inside = left >= 0
    left, rest = np.where(inside, left, 0), np.where(inside, n - a, 0)
    log = gammaln(rest + 1) - gammaln(left + 1) - gammaln(n + 1) + gammaln(n - half + 1)
    return np.where(inside, np.exp(log), 0.0)


def spread_of_seeds(goal: Values) -> float:
    """The standard deviation of a goal between the seeds of a class, pooled; 1 where it is 0."""
    return float(np.sqrt(goal.var(axis=0, ddof=1).mean())) or 1.0


@dataclass(frozen=True)
class Judged:
    """What one table says."""

    table: Table
    signals: (
        pd.DataFrame
    )  # A line a signal and goal: τ, in the best quarter, corrected, regret
    taus: dict[str, Values]  # By contrast, the difference of τ and its resamples
    regrets: dict[str, Values]  # The same of regret in standard deviations
    losses: dict[
        str, Values
    ]  # By other loss that trained, the difference of τ and its resamples
    agreement: float  # τ of two seeds of the final validation measure
    same: float  # τ of validation loss and measure of the same training

    @property
    def is_noise(self) -> bool:
        """Whether it takes no part in the means."""
        return self.agreement < NOISE

    @property
    def gap(self) -> float:
        """(validation − training loss) / their sum, at the end of the run."""
        valid, train = (
            self.table("valid", "loss").mean(),
            self.table("train", "loss").mean(),
        )
        return float((valid - train) / (abs(valid) + abs(train)))

    @property
    def worth(self) -> float:
        """What .05 of τ is worth in the goal's unit: the slope of regret on τ over signals."""
        goal = self.signals["goal"].iloc[0]
        own = self.signals[self.signals["split"].isin(["train", "valid"])]
        own = own[own["goal"] == goal]
        if own["tau"].nunique() < 3:
            return float("nan")
        return float(-0.05 * np.polyfit(own["tau"], own["regret_in_unit"], 1)[0])


def judge(table: Table, n: int) -> Judged:
    """Compare every signal of a table with its goals.

    Args:
        table: The table.
        n: How many classes are looked at, of which it may lack some.
    """
    counts = np.ascontiguousarray(draws(n)[:, table.classes])
    once, crossed = Crossed(counts[:1]), Crossed(counts)
    chosen = np.ascontiguousarray(halves(n)[:, table.classes])
    final = table("valid", table.measure)

    by_goal: dict[int, Callable[[Values], Values]] = {}

    def cost(signal: Values, goal: Values) -> Values:
        """Regret over some halves, then its resamples, in standard deviations between seeds."""
        if id(goal) not in by_goal:
            by_goal[id(goal)] = regret_resampled(goal, counts)
        resampled = by_goal[id(goal)](signal)
        resampled[0] = regret_by(goal, chosen)(signal)
        return resampled / spread_of_seeds(goal)

    same = float(once.paired(table("valid", "loss"), final)[0])
    left_out = ABOUT_MEASURE if same >= ONE_QUANTITY else ()
    taus, regrets = (
        {
            name: value
            for name, value in contrasts(table, of).items()
            if name not in left_out
        }
        for of in (crossed, cost)
    )
    trained = [
        loss for loss in table.losses if (loss, "valid", "loss", 100) in table.columns
    ]
    losses = {loss: _trained(table, loss, crossed) for loss in trained}
    signals = _signals(table, once, chosen)
    return Judged(table, signals, taus, regrets, losses, once.alike(final), same)


def contrasts(
    table: Table, value: Callable[[Values, Values], Values]
) -> dict[str, Values]:
    """The four contrasts of something that a signal and a goal have."""
    measure, loss = table("test", table.measure), table("test", "loss")
    by_measure, by_loss = table("valid", table.measure), table("valid", "loss")
    reference = value(by_measure, measure)
    found = {
        name: value(table(*key), measure) - reference
        for name, key in CONTRASTED.items()
    }
    on_loss = value(by_loss, loss) - value(by_measure, loss)
    return found | {MATCHED: (on_loss - found["valid_loss"]) / 2}


def _trained(table: Table, loss: str, crossed: Crossed) -> Values:
    """τ of a loss's own validation value less that of the usual measure, on the same classes."""
    own, usual = table("valid", "loss", loss=loss), table("valid", table.measure)
    goal = table("test", table.measure)
    known = np.isfinite(own).all(axis=0)
    if not known.all():
        own, usual, goal = own[:, known], usual[:, known], goal[:, known]
        crossed = Crossed(np.ascontiguousarray(crossed.counts[:, known]))
    return crossed(own, goal) - crossed(usual, goal)


def _signals(table: Table, once: Crossed, chosen: NDArray[np.bool_]) -> pd.DataFrame:
    """τ, regret and corrected τ of every signal, floor and ceiling with every goal."""
    rng = np.random.default_rng(
        [*table.name.encode()]
    )  # goals of tables are alike: draw anew
    lines = []
    for goal in (table.measure, "loss", "ece", "robust_error"):
        if (table.usual, "test", goal, 100) not in table.columns:
            continue
        wanted = table("test", goal)
        regret = regret_by(wanted, chosen)
        mean = _of_mean(once.alike(wanted), len(wanted) - 1)
        every = {key: table(*key) for key in table.signals()}
        every["floor", PARAMS, 100] = np.tile(-table.params, (len(wanted), 1))
        every["floor", RANDOM, 100] = rng.standard_normal(wanted.shape)
        every["ceiling", CEILING, 100] = wanted
        for (split, quantity, time), values in every.items():
            tau = float(once(values, wanted)[0])
            reliability = once.alike(values) * mean
            is_real = split != "floor" and reliability > 0
            corrected = tau / np.sqrt(reliability) if is_real else np.nan
            lost = regret(values)
            told = (
                tau,
                quarter(values, wanted),
                corrected,
                lost / spread_of_seeds(wanted),
                lost,
            )
            lines.append((split, quantity, time, goal, *told))
    numbers = ["tau", "quarter", "corrected", "regret", "regret_in_unit"]
    return pd.DataFrame(lines, columns=["split", "quantity", "time", "goal", *numbers])


def _of_mean(one: float, seeds: int) -> float:
    """The reliability of a mean of seeds (Spearman 1910, Brown 1910)."""
    return seeds * one / (1 + (seeds - 1) * one)
