"""Does the rule decide where there is nothing, and find what is there? Repeated on the tables' own.

Permuted labels and goals of noise go through the whole rule, from orders on; variances come from
each class's part of τ (the first-order term of a U-statistic, Hoeffding 1948) instead of the
bootstrap, which it equals up to terms of 1/n. Exchanged signals and simulated effects need the
sources' differences only, and are made from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from analysis.answer.contrasts import (
    FEWEST,
    OF_INTEREST,
    by_source,
    combine,
    decide,
    of_sources,
)
from analysis.answer.orders import CONTRASTED, MATCHED, NAMES, Judged
from analysis.answer.reading import Values
from analysis.orders import others, parts, signs

REPEATS = 400
_PARTS = 8
"""Processes share the studies in so many parts: the same whatever their number."""

Study = dict[str, tuple[Values, Values]]
"""By contrast the sources' differences and their variances."""


def controls(
    judged: Sequence[Judged],
    n: int,
    repeats: int = REPEATS,
    run: Callable[..., Any] = map,
) -> pd.DataFrame:
    """How often a contrast is decided, a line a control: the share by contrast, and of any.

    Args:
        judged: Tables of one length that take part.
        n: How many classes are looked at.
        repeats: How many studies a control has.
        run: ``map``, or a pool's.
    """
    real = {}
    for name in NAMES:
        values = of_sources(judged, name)
        if len(values) >= FEWEST:
            real[name] = values[:, 0], values[:, 1:].var(axis=1, ddof=1)
    if not real:
        return pd.DataFrame()
    seeds = range(min(_PARTS, repeats))
    numbers = [len(range(seed, repeats, _PARTS)) for seed in seeds]
    decided = pd.concat(run(partial(_decided, judged, n, real), numbers, seeds))
    by_control = decided.groupby("control", sort=False)
    shares = by_control.mean()
    shares.insert(0, "studies", by_control.size())
    return shares.reset_index()


def _decided(
    judged: Sequence[Judged], n: int, real: Study, repeats: int, seed: int
) -> pd.DataFrame:
    """Which contrasts are decided, a line a study."""
    fast = [_Fast(one, n) for one in judged]
    rng = np.random.default_rng([5, seed])
    made: dict[str, Callable[[], Study]] = {
        "labels of classes permuted": lambda: _of_tables(fast, rng, "labels"),
        "goals replaced by noise": lambda: _of_tables(fast, rng, "noise"),
        "signals exchanged by a coin in a source": lambda: _exchanged(real, rng),
        "no mean effect, normal": lambda: _simulated(real, rng, "normal", 0.0),
        "no mean effect, exponential": lambda: _simulated(
            real, rng, "exponential", 0.0
        ),
        "an effect of .05, normal": lambda: _simulated(
            real, rng, "normal", OF_INTEREST
        ),
    }
    lines = []
    for control, make in made.items():
        for _ in range(repeats):
            study = make()
            decisions = decide([(combine(*own), own[0]) for own in study.values()])
            line = {
                name: one.decided for name, one in zip(study, decisions, strict=True)
            }
            lines.append({"control": control, **line, "any": any(line.values())})
    return pd.DataFrame(lines)


def _exchanged(real: Study, rng: np.random.Generator) -> Study:
    """The two signals of a contrast change places in each source by a coin."""
    found = {}
    for name, (values, variances) in real.items():
        found[name] = values * rng.choice([-1.0, 1.0], len(values)), variances
    return found


def _simulated(real: Study, rng: np.random.Generator, law: str, mean: float) -> Study:
    """Effects of sources by a law, with the spread and the errors of the real ones."""
    found = {}
    for name, (values, variances) in real.items():
        k = len(values)
        between = np.sqrt(combine(values, variances).between)
        drawn = (
            rng.standard_normal(k) if law == "normal" else rng.exponential(size=k) - 1
        )
        noise = rng.standard_normal(k) * np.sqrt(variances)
        found[name] = mean + between * drawn + noise, variances
    return found


def _of_tables(fast: Sequence[_Fast], rng: np.random.Generator, what: str) -> Study:
    pairs: dict[str, list[tuple[str, Values]]] = {}
    for one in fast:
        for name, values in one.contrasts(rng, what):
            pairs.setdefault(name, []).append((one.table.source, values))
    found = {}
    for name, own in pairs.items():
        values = np.array(list(by_source(own).values()))
        if len(values) >= FEWEST:
            # a resample of classes has weights whose sum is constant
            found[name] = (
                values[:, 0],
                values[:, 1:].var(axis=1) * (values.shape[1] - 1),
            )
    return found


class _Fast:
    """The orders of one table, for goals that change: a difference, and each class's part of it."""

    def __init__(self, judged: Judged, n: int) -> None:
        self.table, self._names, self._n = judged.table, list(judged.taus), n
        table = judged.table
        keys = [("valid", table.measure, 100), *CONTRASTED.values()]
        seeds = range(len(table("test", "loss")))
        self._signals = [
            np.array([signs(table(*key)[seed]) for key in keys]) for seed in seeds
        ]
        self._untied = [np.abs(own).sum(axis=2) for own in self._signals]
        rest = [others(table("test", quantity)) for quantity in (table.measure, "loss")]
        self._goals = [[signs(row) for row in rows] for rows in rest]

    def contrasts(
        self, rng: np.random.Generator, what: str
    ) -> Iterator[tuple[str, Values]]:
        """Of every contrast the difference and, by class, its derivative by the class's weight."""
        by_measure, by_loss = (self._taus(goal) for goal in self._drawn(rng, what))
        on_loss = by_loss[1] - by_loss[0]
        found = {MATCHED: (on_loss - (by_measure[1] - by_measure[0])) / 2}
        for place, name in enumerate(CONTRASTED, 1):
            found[name] = by_measure[place] - by_measure[0]
        for name in self._names:
            yield name, found[name]

    def _drawn(self, rng: np.random.Generator, what: str) -> Iterator[list[Values]]:
        m = len(self.table.classes)
        order = rng.permutation(m)
        for goal in self._goals:
            if what == "labels":
                yield [own[np.ix_(order, order)] for own in goal]
            else:
                yield [
                    signs(row) for row in others(rng.standard_normal((len(goal), m)))
                ]

    def _taus(self, goal: list[Values]) -> Values:
        """By signal τ and its derivatives, the mean over seeds, shape ``(signals, 1 + n)``."""
        total = np.zeros((len(self._signals[0]), 1 + self._n))
        for own, untied, wanted in zip(self._signals, self._untied, goal, strict=True):
            tau, slopes = parts(own, wanted, untied)
            total[:, 0] += tau
            total[:, 1 + self.table.classes] += slopes
        return total / len(goal)
