"""What one column is: data at all, of one unit, without marks for something else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.doctor.case import (
    FEW_VALUES,
    FEWEST,
    LEAST_CLUSTER,
    Case,
    Column,
)
from surrogate_nas.benchmarks.doctor.findings import Finding, Level, percent, short, span
from surrogate_nas.core.metrics import PERCENT
from surrogate_nas.core.numbers import plural
from surrogate_nas.tables import Values

_MOSTLY_ONE = 0.9
"""The share of cells with one and the same value above which a column is hardly a column."""
_WEAK = 0.1
"""The R² below which a column is mostly noise: a good order of its cells is then mostly noise."""
_UNRELATED = 0.05
"""|τ| with another column below which that says nothing either: four standard errors, for the nearest of many."""  # noqa: E501
_UNIFORM = 0.01
"""The p-value above which values count as spread evenly over their range."""
_AGREES = 0.3
"""|τ| with another column from which on that column can say which of two units is right."""
_FAR = 10.0
"""The factor that sets a value apart from all others as a mark for something else than a
measurement.
"""
_LEAST_SHARE = 0.002
"""Of a column's cells, for a cluster that a second unit makes: fewer are outliers."""
_GAP = 0.5
"""Decades without a value between two clusters of one column: a factor of three in a continuous
quantity.
"""
_POWERS = 9
"""Units apart by up to so many powers of ten are looked for (ns and s)."""
_REPAIR_GAIN = 0.5
"""How much τ must rise by a repair, times the share of the smaller cluster."""
_REPAIR_LOSS = 0.1
"""How far τ may stay below that within the larger cluster after a repair."""
_SAME_TAU = 0.01
"""Of repairs whose τ differs by less, the smallest power is right."""


def empty_or_constant(case: Case) -> Iterator[Finding]:
    """Columns without values, and those with one value for all cells or nearly all."""
    if not case.columns:
        yield Finding("alarm", "empty", (), "the table has no columns")
        return
    if not case.n_with_values:
        names = tuple(column.name for column in case.columns)
        text = "no cell has a value in any column: the table has no rows"
        yield Finding("alarm", "empty", names, text)
        return
    for column in case.columns:
        if not len(column.finite):
            yield Finding("alarm", "empty", (column.name,), "has no value at all")
        elif not column.is_record and len(case.space) > 1:
            yield from _constant(column)


def _constant(column: Column) -> Iterator[Finding]:
    values, counts = column.distinct
    share = float(counts.max() / counts.sum())
    common = f"is {values[counts.argmax()]:g}"
    if column.is_constant:
        level: Level = "alarm" if column.searched else "note"
        text = f"{common} for every cell: nothing to search on"
        yield Finding(level, "constant", (column.name,), text)
    elif share > _MOSTLY_ONE:
        level = "warning" if column.searched else "note"
        text = f"{common} for {percent(share)} of the cells"
        yield Finding(level, "constant", (column.name,), text, {"share": share})


def unrelated(case: Case) -> Iterator[Finding]:
    """Columns that a forest cannot predict from cells, or hardly."""
    for column in case.measured:
        forest = case.forest(column)
        if forest is None or (forest.r2 >= _WEAK and not case.is_unrelated(column)):
            continue
        tau, closest = _closest(case, column)
        numbers = {
            "r2": forest.r2,
            "tau": forest.tau,
            "tau_other": tau,
            "cells": float(len(forest.rows)),
        }
        about = f"R² {short(forest.r2)}, τ {short(forest.tau)} of a forest out of fold"
        if closest:
            about += f"; nearest other column: {closest}, |τ| {short(tau)}"
        if not case.is_unrelated(column) or tau >= _UNRELATED:
            text = f"mostly noise: cells say little of it ({about})"
            yield Finding("warning", "weak", (column.name,), text, numbers)
            continue
        p = _p_uniform(column)
        kind = "no data"
        if p > _UNIFORM and len(column.distinct[0]) > FEW_VALUES:
            kind = "uniform random numbers"
            numbers["ks_p"] = p
        text = f"{kind}: cells say nothing of it ({about})"
        yield Finding("alarm", "unrelated", (column.name,), text, numbers)


def _closest(case: Case, column: Column) -> tuple[float, str]:
    """The largest |τ| with another column, and its name; NaN and empty where there is none."""
    taus = {}
    for other in case.sound:
        if other is not column:
            taus[other.name] = abs(case.tau(column.values, other.values))
    finite = {name: tau for name, tau in taus.items() if math.isfinite(tau)}
    if not finite:
        return math.nan, ""
    name = max(finite, key=lambda name: (finite[name], name))
    return finite[name], name


def _p_uniform(column: Column) -> float:
    """The p-value of Kolmogorov and Smirnov's test for an even spread over the range."""
    from scipy.stats import kstest

    low = column.finite.min()
    high = column.finite.max()
    return float(kstest((column.finite - low) / (high - low), "uniform").pvalue)


def sentinels(case: Case) -> Iterator[Finding]:
    """Values that stand for something else, such as -1 for a device that failed."""
    for column in case.measured:
        if column.metric.quantity in ("structure", "proxy"):
            continue
        values, counts = column.distinct
        is_below = values[0] < 0 <= values[1]
        is_above = values[-2] > 0 and values[-1] > _FAR * values[-2]
        for is_far, end, neighbour in ((is_below, 0, 1), (is_above, -1, -2)):
            value = float(values[end])
            n = int(counts[end])
            is_common = n >= max(3, 0.005 * counts.sum()) and n > counts[neighbour]
            if is_far and is_common:
                text = (
                    f"{value:g} stands for {n:,} cells and is far from all other values: a mark,"
                    " not a measurement?"
                )
                numbers = {"value": value, "cells": float(n)}
                yield Finding("alarm", "mark", (column.name,), text, numbers)


def mixed_units(case: Case) -> Iterator[Finding]:
    """Columns with values in two units, a power of ten apart."""
    for column in case.measured:
        clusters = _clusters(column)
        if clusters is None:
            continue
        minor, major = clusters
        logs = np.full(len(column.values), np.nan)
        rows = np.concatenate(clusters)
        logs[rows] = np.log10(column.values[rows])
        repair = _best_repair(case, column, logs, minor, major)
        if repair is None:
            continue
        share = len(minor) / len(column.finite)
        how, mended = ("above", "divided") if repair.power < 0 else ("below", "multiplied")
        size = f"10^{abs(repair.power)}"
        text = (
            f"two units in one column: {len(minor):,} cells ({percent(share)}) stand about"
            f" {size} {how} the rest; τ with {repair.witness} {short(repair.tau_before)} as it is,"
            f" {short(repair.tau_after)} once they are {mended} by {size}"
        )
        numbers = {
            "power": float(repair.power),
            "share": share,
            "tau_before": repair.tau_before,
            "tau_after": repair.tau_after,
        }
        yield Finding("alarm", "units", (column.name,), text, numbers)


class _Repair(NamedTuple):
    """A power of ten for the smaller cluster, and τ with another column before and after."""

    power: int
    witness: str
    tau_before: float
    tau_after: float


def _clusters(column: Column) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """The cells on both sides of the widest gap between logarithms, the smaller side first."""
    positive = np.flatnonzero(column.known & (np.nan_to_num(column.values) > 0))
    if len(positive) < max(0.99 * len(column.finite), 4 * LEAST_CLUSTER):
        return None
    ordered = positive[np.argsort(column.values[positive], kind="stable")]
    gaps = np.diff(np.log10(column.values[ordered]))
    least = max(LEAST_CLUSTER, int(_LEAST_SHARE * len(ordered)))
    gaps[: least - 1] = 0
    gaps[len(gaps) - least + 1 :] = 0
    split = int(gaps.argmax()) + 1
    if gaps[split - 1] < _GAP:
        return None
    low, high = ordered[:split], ordered[split:]
    return (low, high) if len(low) <= len(high) else (high, low)


def _best_repair(
    case: Case,
    column: Column,
    logs: Values,
    minor: NDArray[np.intp],
    major: NDArray[np.intp],
) -> _Repair | None:
    """The smallest power of ten after which the column agrees clearly better with another one.

    The other column has one unit and agrees best with the larger cluster. Cells that are cheap
    indeed, as dead graphs are on some devices, are in its order before any repair.
    """
    within = np.full(len(logs), np.nan)
    within[major] = logs[major]
    others = [c for c in (*case.others(column), *case.computed) if _clusters(c) is None]
    taus = [abs(case.tau(within, other.values)) for other in others]
    agreeing = [place for place, tau in enumerate(taus) if tau >= _AGREES]
    if not agreeing:
        return None
    closest = max(agreeing, key=lambda place: taus[place])
    witness = others[closest]
    sign = 1 if np.median(logs[minor]) < np.median(logs[major]) else -1
    before = case.tau(logs, witness.values)
    repairs = []
    for power in range(sign, sign * (_POWERS + 1), sign):
        mended = logs.copy()
        mended[minor] += power
        after = case.tau(mended, witness.values)
        repairs.append(_Repair(power, witness.name, before, after))
    best = max(abs(repair.tau_after) for repair in repairs)
    least_gain = _REPAIR_GAIN * len(minor) / len(column.finite)
    if best < max(abs(before) + least_gain, taus[closest] - _REPAIR_LOSS):
        return None
    return next(repair for repair in repairs if abs(repair.tau_after) >= best - _SAME_TAU)


def undeclared(case: Case) -> Iterator[Finding]:
    """Columns in % that may be fractions, and columns without a direction."""
    fractions = [c for c in case.measured if c.metric.is_share and c.metric.unit == PERCENT]
    for column in fractions:
        if column.finite.max() <= 1:
            text = (
                "is in %, and no value exceeds 1: if these are fractions, import it again with"
                f" --unit {column.metric.name}=fraction"
            )
            yield Finding("warning", "unit", (column.name,), text)
    for column in case.measured:
        if column.metric.quantity == "undeclared":
            text = (
                "has no declared direction, so no objective takes it: import it again with"
                f" --direction {column.metric.name}=min or max"
            )
            yield Finding("warning", "direction", (column.name,), text)


def too_few(case: Case) -> Iterator[Finding]:
    """Columns with so few values that they may be noise as well as data."""
    levels: tuple[tuple[Level, bool], ...] = (("warning", True), ("note", False))
    for level, searched in levels:
        columns = [c for c in case.measured if len(c.finite) < FEWEST and c.searched is searched]
        if not columns:
            continue
        counts = [len(column.finite) for column in columns]
        cells = plural(max(counts), "cell")
        if min(counts) < max(counts):
            cells = f"{min(counts)} to {cells}"
        text = (
            f"nothing can be told from {cells} ({FEWEST} are needed): these may be data or random"
            " numbers"
        )
        names = tuple(column.name for column in columns)
        yield Finding(level, "few", names, text, {"cells": float(min(counts))})


def predictability(case: Case) -> Iterator[Finding]:
    """How well a forest predicts the columns without any other finding."""
    forests = {}
    for column in case.sound:
        forest = case.forest(column)
        if forest is not None and forest.r2 >= _WEAK:
            forests[column.name] = forest
    if not forests:
        return
    lowest = min(forests, key=lambda name: forests[name].r2)
    r2 = [forest.r2 for forest in forests.values()]
    tau = [forest.tau for forest in forests.values()]
    text = (
        f"cells tell {len(forests)} columns with R² {span(r2)}, τ {span(tau)} (forest, out of fold;"
        f" lowest {lowest})"
    )
    yield Finding("note", "forest", (), text, {"r2": min(r2), "tau": min(tau)})
