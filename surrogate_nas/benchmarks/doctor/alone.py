"""What one column is: data at all, of one unit, without marks for something else."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.doctor.case import (
    FEW_VALUES,
    FEWEST,
    LEAST_CLUSTER,
    PAIRED,
    ROWS,
    Case,
    Column,
)
from surrogate_nas.benchmarks.doctor.findings import Finding, Level, percent, short, span
from surrogate_nas.core.numbers import plural
from surrogate_nas.tables import Values

_MOSTLY_ONE = 0.9
"""The share of cells with one and the same value above which a column is hardly a column."""
_WEAK = 0.1
"""The R² below which a column is mostly noise: a good order of its cells is then mostly noise."""
_UNRELATED = 0.05
"""|τ| with another column below which that says nothing either: four standard errors, for the nearest of many."""  # noqa: E501
_AGREES = 0.3
"""|τ| with another column from which on that column can say which of two units is right."""
_MARKED = 10.0
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
_WITNESSES = 3
"""The columns that agree best with the larger cluster: most of them must want the repair."""
_REPAIR_GAIN = 0.15
_REPAIR_LOSS = 0.1
"""How much more of the pairs across two clusters must be in order after the repair than before, and
how much less at most than within the larger cluster. Cells that are cheap indeed (a device drops
dead graphs) are in order before it.
"""


def without_order(case: Case) -> Iterator[Finding]:
    """Columns without values, and those that are one value for all, or nearly."""
    if not case.n_with_values:
        names = tuple(column.name for column in case.columns)
        text = (
            "no cell has a value in any column: the table has no rows"
            if names
            else "the table has no columns"
        )
        yield Finding("alarm", "empty", names, text)
        return
    for column in case.columns:
        if not len(column.finite):
            yield Finding("alarm", "empty", (column.name,), "has no value at all")
            continue
        values, counts = column.distinct
        level: Level = "alarm" if column.searched else "note"
        share = counts.max() / counts.sum()
        if column.is_constant:
            if len(case.space) > 1 and not column.is_record:
                text = f"is {values[0]:g} for every cell: nothing to search on"
                yield Finding(level, "constant", (column.name,), text)
        elif share > _MOSTLY_ONE and not column.is_record:
            text = f"is {values[counts.argmax()]:g} for {percent(share)} of the cells"
            yield Finding(
                "warning" if column.searched else "note",
                "constant",
                (column.name,),
                text,
                {"share": share},
            )


def without_relation(case: Case) -> Iterator[Finding]:
    """Columns that cells say nothing of, and those that they say little of."""
    for column in case.measured:
        forest = case.forest(column)
        if forest is None or (forest.r2 >= _WEAK and not case.is_unrelated(column)):
            continue
        others = [
            (abs(case.tau(column.values, other.values)), other.name)
            for other in case.sound
            if other is not column
        ]
        tau, closest = max((pair for pair in others if pair[0] == pair[0]), default=(math.nan, ""))
        beside = f"; nearest other column: {closest}, |τ| {short(tau)}" if closest else ""
        numbers = {
            "r2": forest.r2,
            "tau": forest.tau,
            "tau_other": tau,
            "cells": float(len(forest.rows)),
        }
        about = f"R² {short(forest.r2)}, τ {short(forest.tau)} of a forest out of fold{beside}"
        if case.is_unrelated(column) and not tau >= _UNRELATED:
            uniform = _uniform(column)
            what = "no data" if uniform is None else "uniform random numbers"
            numbers |= {} if uniform is None else {"ks_p": uniform}
            yield Finding(
                "alarm",
                "unrelated",
                (column.name,),
                f"{what}: cells say nothing of it ({about})",
                numbers,
            )
        else:
            text = f"mostly noise: cells say little of it ({about})"
            yield Finding("warning", "weak", (column.name,), text, numbers)


def _uniform(column: Column) -> float | None:
    """The p-value of Kolmogorov and Smirnov's test where values are spread evenly over their range;
    else None.
    """
    from scipy.stats import kstest

    low = column.finite.min()
    high = column.finite.max()
    p = float(kstest((column.finite - low) / (high - low), "uniform").pvalue)
    return p if p > 0.01 and len(column.distinct[0]) > FEW_VALUES else None


def marks(case: Case) -> Iterator[Finding]:
    """Values that stand for something else than a measurement, such as -1 for a device that
    failed.
    """
    for column in case.measured:
        if column.metric.quantity in ("structure", "proxy"):
            continue
        values, counts = column.distinct
        for at, near in ((0, 1), (-1, -2)):
            mark = values[at]
            next_one = values[near]
            n = int(counts[at])
            if n < max(3, 0.005 * counts.sum()) or n <= counts[near]:
                continue
            apart = mark < 0 <= next_one if at == 0 else next_one > 0 and mark > _MARKED * next_one
            if apart:
                text = (
                    f"{mark:g} stands for {n:,} cells and is far from all other values: a mark, not"
                    " a measurement?"
                )
                yield Finding(
                    "alarm", "mark", (column.name,), text, {"value": float(mark), "cells": float(n)}
                )


def units(case: Case) -> Iterator[Finding]:
    """Columns whose values are of two units, a power of ten apart."""
    for column in case.measured:
        found = _clusters(column)
        if found is None:
            continue
        minor, major = found
        logs = np.full(len(column.values), np.nan)
        rows = np.concatenate([minor, major])
        logs[rows] = np.log10(column.values[rows])
        repair = _repaired(case, column, logs, minor, major)
        if repair is None:
            continue
        power, reference, before, after = repair
        share = len(minor) / len(column.finite)
        how = "above" if power < 0 else "below"
        text = (
            f"two units in one column: {len(minor):,} cells ({percent(share)}) stand about"
            f" 10^{abs(power)} {how} the rest; τ with {reference} {short(before)} as it is,"
            f" {short(after)} once they are {'divided' if power < 0 else 'multiplied'} by"
            f" 10^{abs(power)}"
        )
        numbers = {"power": float(power), "share": share, "tau_before": before, "tau_after": after}
        yield Finding("alarm", "units", (column.name,), text, numbers)


def _clusters(column: Column) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """The cells of the smaller and of the larger side of the widest gap between a column's
    logarithms.
    """
    positive = np.flatnonzero(column.known & (np.nan_to_num(column.values) > 0))
    if len(positive) < max(0.99 * len(column.finite), 4 * LEAST_CLUSTER):
        return None
    ordered = positive[np.argsort(column.values[positive], kind="stable")]
    gaps = np.diff(np.log10(column.values[ordered]))
    least = max(LEAST_CLUSTER, int(_LEAST_SHARE * len(ordered)))
    gaps[: least - 1] = gaps[len(gaps) - least + 1 :] = 0
    at = int(gaps.argmax()) + 1
    if gaps[at - 1] < _GAP:
        return None
    low = ordered[:at]
    high = ordered[at:]
    return (low, high) if len(low) <= len(high) else (high, low)


def _repaired(
    case: Case,
    column: Column,
    logs: Values,
    minor: NDArray[np.intp],
    major: NDArray[np.intp],
) -> tuple[int, str, float, float] | None:
    """The power of ten that brings the smaller cluster into the order of others, a witness, and τ
    before and after.
    """
    witnesses = [(other.name, other.values) for other in (*case.others(column), *case.computed)]
    witnesses += _from_cells(case, column, logs, minor, major)
    inside = np.full(len(logs), np.nan)
    inside[major] = logs[major]
    agreed = [(case.tau(inside, values), name, values) for name, values in witnesses]
    agreed = sorted(
        (one for one in agreed if abs(one[0]) >= _AGREES), key=lambda one: -abs(one[0])
    )[:_WITNESSES]
    sign = 1 if np.median(logs[minor]) < np.median(logs[major]) else -1
    repairs: list[tuple[int, str, float, float]] = []
    for within, name, values in agreed:
        rising = values * np.sign(within)
        raw, *in_order = (
            _in_order(case, logs, rising, minor, major, sign * power)
            for power in range(_POWERS + 1)
        )
        top = max(in_order)
        power = sign * next(k for k, share in enumerate(in_order, 1) if share >= top - 0.01)
        if top - raw < _REPAIR_GAIN or top < (1 + abs(within)) / 2 - _REPAIR_LOSS:
            continue
        mended = logs.copy()
        mended[minor] += power
        repairs.append((power, name, case.tau(logs, values), case.tau(mended, values)))
    return repairs[0] if 2 * len(repairs) > len(agreed) else None


def _from_cells(
    case: Case,
    column: Column,
    logs: Values,
    minor: NDArray[np.intp],
    major: NDArray[np.intp],
) -> list[tuple[str, Values]]:
    """What a forest that learned the larger cluster says of both."""
    rows = case.order[np.isin(case.order, major)][:ROWS]
    if len(rows) < FEWEST or np.ptp(logs[rows]) == 0:
        return []
    model = case.fitted(column.metric, rows, logs[rows])
    if model is None:
        return []
    said = np.full(len(logs), np.nan)
    said[rows] = model.held_out.mean
    others = minor[:ROWS]
    said[others] = model.predict(case.cells(others)).mean
    return [("what a forest says of the cells", said)]


def _in_order(
    case: Case,
    logs: Values,
    rising: Values,
    minor: NDArray[np.intp],
    major: NDArray[np.intp],
    power: int,
) -> float:
    """The share of pairs across two clusters that are in a witness's order once the smaller one is
    shifted.
    """
    known = np.isfinite(rising)
    first, second = (
        case.order[np.isin(case.order, part[known[part]])][:PAIRED] for part in (minor, major)
    )
    own = np.sign(logs[first][:, None] + power - logs[second])
    told = np.sign(rising[first][:, None] - rising[second])
    return float(0.5 + 0.5 * (own * told).mean()) if own.size else 0.0


def too_few(case: Case) -> Iterator[Finding]:
    """Columns with so few values that they may be noise as well as data."""
    few = [column for column in case.measured if len(column.finite) < FEWEST]
    for searched in (True, False):
        columns = [column for column in few if column.searched is searched]
        if columns:
            counts = [len(column.finite) for column in columns]
            cells = plural(max(counts), "cell")
            several = cells if min(counts) == max(counts) else f"{min(counts)} to {cells}"
            text = (
                f"nothing can be told from {several} ({FEWEST} are needed): these may be data or"
                " random numbers"
            )
            numbers = {"cells": float(min(counts))}
            level: Level = "warning" if searched else "note"
            yield Finding(level, "few", tuple(column.name for column in columns), text, numbers)


def forests(case: Case) -> Iterator[Finding]:
    """How well cells tell the columns that nothing was said against."""
    grown = {column.name: forest for column in case.sound if (forest := case.forest(column))}
    good = {name: forest for name, forest in grown.items() if forest.r2 >= _WEAK}
    if not good:
        return
    low = min(good, key=lambda name: good[name].r2)
    r2, tau = ([getattr(forest, key) for forest in good.values()] for key in ("r2", "tau"))
    text = (
        f"cells tell {len(good)} columns with R² {span(r2)}, τ {span(tau)} (forest, out of fold;"
        f" lowest {low})"
    )
    yield Finding("note", "forest", (), text, {"r2": min(r2), "tau": min(tau)})
