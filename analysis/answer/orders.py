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

from analysis.answer.tables import Table, Values
from surrogate_nas.study.orders import NOISE, ONE_QUANTITY, others, signs

RESAMPLES = 1000
HALVES = 400
CONTRASTED = {
    "valid_loss": ("valid", "loss", 100),
    "train": ("train", "loss", 100),
    "early": ("train", "loss", 20),
}
KIND = "kind"
"""The fourth contrast: matched less unmatched kind, over both goals."""
ABOUT_MEASURE = ("valid_loss", KIND)
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
    chosen = np.zeros((HALVES, n), dtype=bool)
    for row in chosen:
        row[rng.permutation(n)[: n // 2]] = True
    return chosen


def summed(pairs: NDArray[np.float32], counts: Values) -> Values:
    """A sum over pairs of drawn classes, by resample."""
    return np.einsum("ij,ij->i", counts @ pairs, counts).astype(np.float64)


class Order(NamedTuple):
    """An order of classes: the signs of all pairs, and by resample how many pairs are untied."""

    signs: NDArray[np.float32]
    untied: Values


def order_of(values: Values, counts: Values) -> Order:
    """The order that some values give, shape ``(classes,)``."""
    pairs = signs(values)
    return Order(pairs, summed(np.abs(pairs), counts))


def tau(one: Order, two: Order, counts: Values) -> Values:
    """τ_b by resample; 0 where all values of one tie, which tells no order."""
    both = summed(one.signs * two.signs, counts)
    untied = one.untied * two.untied
    return np.divide(both, np.sqrt(untied), out=np.zeros_like(both), where=untied > 0)


class Crossed:
    """The mean over seeds of τ of a seed's signal with the other seeds' goal, by resample.

    Called with a signal and a goal, shape ``(seeds, classes)``; orders are kept, by array.
    """

    def __init__(self, counts: Values) -> None:
        self.counts = counts
        self._orders: dict[int, tuple[Values, list[Order]]] = {}
        self._rest: dict[int, tuple[Values, Values]] = {}

    def orders(self, values: Values) -> list[Order]:
        """By seed."""
        if id(values) not in self._orders:
            self._orders[id(values)] = values, [order_of(row, self.counts) for row in values]
        return self._orders[id(values)][1]

    def __call__(self, signal: Values, goal: Values) -> Values:
        if id(goal) not in self._rest:
            self._rest[id(goal)] = goal, others(goal)
        pairs = zip(self.orders(signal), self.orders(self._rest[id(goal)][1]), strict=True)
        return np.mean([tau(one, two, self.counts) for one, two in pairs], axis=0)

    def alike(self, values: Values) -> float:
        """The mean τ of all pairs of seeds."""
        pairs = itertools.combinations(self.orders(values), 2)
        return float(np.mean([tau(one, two, self.counts)[0] for one, two in pairs]))


def quarter(signal: Values, goal: Values) -> float:
    """τ among the best quarter of classes by the other seeds' goal, the mean over seeds."""
    found = []
    for values, wanted in zip(signal, others(goal), strict=True):
        best = np.argsort(wanted, kind="stable")[: len(wanted) // 4]
        once = np.ones((1, len(best)), dtype=np.float32)
        orders = (order_of(one[best], once) for one in (values, wanted))
        found.append(tau(*orders, once)[0])
    return float(np.mean(found))


def regret(signal: Values, goal: Values, chosen: NDArray[np.bool_]) -> float:
    """What a signal loses among random halves, the mean over seeds, in the goal's unit."""
    lost = []
    for values, wanted in zip(signal, others(goal), strict=True):
        seen = np.where(chosen, values, np.inf)
        picked = seen == seen.min(axis=1, keepdims=True)
        got = (picked * wanted).sum(axis=1) / picked.sum(axis=1)
        lost.append(got - np.where(chosen, wanted, np.inf).min(axis=1))
    return float(np.mean(lost))


def regret_resampled(signal: Values, goal: Values, counts: Values) -> Values:
    """The same for resampled classes, over all halves instead of some, by resample."""
    lost = []
    for values, wanted in zip(signal, others(goal), strict=True):
        lost.append(_picked(values, wanted, counts) - _picked(wanted, wanted, counts))
    return np.mean(lost, axis=0)


def _picked(values: Values, wanted: Values, counts: Values) -> Values:
    """The expected goal of the class with the smallest value among half of the drawn classes."""
    order = np.argsort(values, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(values[order])), len(order) - 1)
    drawn = counts[:, order].astype(np.float64)
    above = np.cumsum(drawn, axis=1)[:, ends]
    number = np.diff(above, axis=1, prepend=0.0)
    total = np.diff(np.cumsum(drawn * wanted[order], axis=1)[:, ends], axis=1, prepend=0.0)
    mean = np.divide(total, number, out=np.zeros_like(total), where=number > 0)
    n = above[:, -1].astype(int)
    none_yet = _absent(int(n.max()))[n[:, None], above.astype(int)]
    return (-np.diff(none_yet, axis=1, prepend=1.0) * mean).sum(axis=1)


@lru_cache(maxsize=4)
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
    """The standard deviation of a goal between the seeds of a class, pooled."""
    return float(np.sqrt(goal.var(axis=0, ddof=1).mean()))


@dataclass(frozen=True)
class Judged:
    """What one table says.

    Attributes:
        table: The table.
        signals: A line a signal and goal: τ, also in the best quarter and corrected for noise, and
            regret.
        taus: By contrast, the difference of τ and its resamples.
        regrets: By contrast, the difference of regret in standard deviations, and its resamples.
        losses: By other loss that trained, the difference of τ and its resamples.
        agreement: τ of two seeds of the final validation measure.
        same: τ of validation loss and measure of the same training.
        gaps: (validation − training loss) / their sum, at 20 and 100 % of the run.
        worth: What .05 of τ is worth: in the goal's unit, and in standard deviations of seeds.
    """

    table: Table
    signals: pd.DataFrame
    taus: dict[str, Values]
    regrets: dict[str, Values]
    losses: dict[str, Values]
    agreement: float
    same: float
    gaps: dict[int, float]
    worth: tuple[float, float]

    @property
    def is_noise(self) -> bool:
        """Whether it takes no part in the means."""
        return self.agreement < NOISE


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
    pairs = zip(once.orders(table("valid", "loss")), once.orders(final), strict=True)
    same = float(np.mean([tau(one, two, once.counts)[0] for one, two in pairs]))
    differences = contrasts(table, crossed)
    if same >= ONE_QUANTITY:
        for name in ABOUT_MEASURE:
            del differences[name]
    costs = contrasts(table, lambda signal, goal: _costs(signal, goal, counts, chosen))
    losses = {}
    for loss in table.losses:
        if (loss, "valid", "loss", 100) in table.columns:
            losses[loss] = _trained(table, loss, crossed)
    signals = _signals(table, once, chosen)
    return Judged(
        table=table,
        signals=signals,
        taus=differences,
        regrets={name: costs[name] for name in differences},
        losses=losses,
        agreement=once.alike(final),
        same=same,
        gaps={time: _gap(table, time) for time in (20, 100)},
        worth=_worth(signals, spread_of_seeds(table("test", table.measure))),
    )


def contrasts(table: Table, value: Callable[[Values, Values], Values]) -> dict[str, Values]:
    """The four contrasts of something that a signal and a goal have."""
    measure, loss = table("test", table.measure), table("test", "loss")
    by_measure, by_loss = table("valid", table.measure), table("valid", "loss")
    reference = value(by_measure, measure)
    found = {}
    for name, (split, quantity, time) in CONTRASTED.items():
        found[name] = value(table(split, quantity, time), measure) - reference
    on_loss = value(by_loss, loss) - value(by_measure, loss)
    found[KIND] = (on_loss - found["valid_loss"]) / 2
    return found


def _costs(signal: Values, goal: Values, counts: Values, chosen: NDArray[np.bool_]) -> Values:
    """Regret over some halves, then its resamples, in standard deviations between seeds."""
    resampled = regret_resampled(signal, goal, counts)
    resampled[0] = regret(signal, goal, chosen)
    return resampled / (spread_of_seeds(goal) or 1.0)


def _trained(table: Table, loss: str, crossed: Crossed) -> Values:
    """τ of a loss's own validation value less that of the usual measure, on the same classes."""
    own, usual = table("valid", "loss", loss=loss), table("valid", table.measure)
    goal = table("test", table.measure)
    known = np.isfinite(own).all(axis=0)
    if not known.all():
        own, usual, goal = own[:, known], usual[:, known], goal[:, known]
        crossed = Crossed(np.ascontiguousarray(crossed.counts[:, known]))
    return crossed(own, goal) - crossed(usual, goal)


def goals(table: Table) -> list[str]:
    """The quantities that judge: the measure, the loss, calibration, error under attack."""
    names = (table.measure, "loss", "ece", "robust_error")
    return [name for name in names if (table.usual, "test", name, 100) in table.columns]


def _signals(table: Table, once: Crossed, chosen: NDArray[np.bool_]) -> pd.DataFrame:
    """τ, regret and corrected τ of every signal, floor and ceiling with every goal."""
    rng = np.random.default_rng([*table.name.encode()])  # goals of tables are alike: draw anew
    lines = []
    for goal in goals(table):
        wanted = table("test", goal)
        mean = _of_mean(once.alike(wanted), len(wanted) - 1)
        spread = spread_of_seeds(wanted) or 1.0
        every: dict[tuple[str, str, int | str], Values] = {}
        for split, quantity, time in table.signals():
            every[split, quantity, time] = table(split, quantity, time)
        every["floor", PARAMS, 100] = np.tile(-table.params, (len(wanted), 1))
        every["floor", RANDOM, 100] = rng.standard_normal(wanted.shape)
        every["ceiling", CEILING, 100] = wanted
        for (split, quantity, time), values in every.items():
            found = float(once(values, wanted)[0])
            reliability = once.alike(values) * mean
            is_real = split != "floor" and reliability > 0
            corrected = found / np.sqrt(reliability) if is_real else np.nan
            lost = regret(values, wanted, chosen)
            named = {"split": split, "quantity": quantity, "time": time, "goal": goal}
            told = {"tau": found, "quarter": quarter(values, wanted), "corrected": corrected}
            lines.append(named | told | {"regret": lost / spread, "regret_in_unit": lost})
    return pd.DataFrame(lines)


def _of_mean(one: float, seeds: int) -> float:
    """The reliability of a mean of seeds (Spearman 1910, Brown 1910)."""
    return seeds * one / (1 + (seeds - 1) * one)


def _gap(table: Table, time: int) -> float:
    valid, train = table("valid", "loss", time).mean(), table("train", "loss", time).mean()
    return float((valid - train) / (abs(valid) + abs(train)))


def _worth(signals: pd.DataFrame, spread: float) -> tuple[float, float]:
    """Less the slope of regret on τ over a task's signals, times .05."""
    goal = signals["goal"].iloc[0]
    own = signals[(signals["goal"] == goal) & signals["split"].isin(["train", "valid"])]
    if own["tau"].nunique() < 3:
        return float("nan"), float("nan")
    slope = np.polyfit(own["tau"], own["regret_in_unit"], 1)[0]
    return float(-0.05 * slope), float(-0.05 * slope / (spread or 1.0))
