"""Pairs of columns: leaks, duplicates, the best of a run's epochs, and R that nearly is L."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain, combinations

import numpy as np

from surrogate_nas.benchmarks.doctor.case import (
    BINS,
    FEWEST,
    LEAST_CLUSTER,
    PAIR_ROWS,
    Case,
    Column,
    Forest,
    down,
)
from surrogate_nas.benchmarks.doctor.findings import Finding, Level, percent, short
from surrogate_nas.core.numbers import plural
from surrogate_nas.surrogates.evaluation import kendall
from surrogate_nas.tables import Values

_SAME = 1e-3
"""How far the ratio of two columns may be from constant; a printed number of four digits is no
closer.
"""
_OF_SPREAD = 0.01
"""How far it may be at most in units of a column's relative spread: columns of nearly one value are
all in a ratio.
"""
_LINE = 1e-9
"""How far the square of a correlation may be from 1 for an exact line."""
_NEAR_DUPLICATE = 0.99
"""τ above which two columns order the cells alike: two seeds of one training never agree so
well.
"""
_LEVELS: dict[str, Level] = {"leak": "alarm", "record": "note"}
"""Of exact relations; others are warnings."""
_PEAKED = 0.01
"""The share of runs whose last epoch is their best, at least, where one column is the best of
another's epochs.
"""
_COMMON = 0.005
"""The share of cells from which on a value is common."""
_NEAR_BEST = 1.0
"""Standard deviations of a column that the best epoch is better than the last, at most, in the
median of cells.
"""
_FOLLOWS = 0.8
"""|τ| from which on R nearly is L: as much as two seeds of good benchmarks agree."""


def duplicates(case: Case) -> Iterator[Finding]:
    """Columns that follow exactly from another: leaks, devices counted twice, formulas."""
    candidates = [column for column in (*case.columns, *case.computed) if not column.is_constant]
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for first, second in combinations(candidates, 2):
        relation = relation_of(first, second)
        if relation is None:
            continue
        kind, text = relation
        if kind == "same" and _is_split(first, second):
            kind = "leak"
            text += "; what is searched on is what is reported at the end: a leak"
        groups[kind, text] += [first.name, second.name]
    for (kind, text), names in groups.items():
        more = f" ({len(names) // 2} such pairs)" if len(names) > 2 else ""
        level: Level = _LEVELS.get(kind, "warning")
        yield Finding(level, kind, tuple(names), text + more)


def _is_split(first: Column, second: Column) -> bool:
    """Whether one column is searched on and the other is reported at the end."""
    return {first.metric.kind, second.metric.kind} == {"search", "final"}


def relation_of(first: Column, second: Column) -> tuple[str, str] | None:
    """The kind of an exact relation between two columns, and it in words; None without one."""
    computed = [column.is_computed for column in (first, second)]
    rows = np.flatnonzero(first.known & second.known)
    few = rows[:: max(1, len(rows) // 50)]  # most pairs are ruled out by fifty cells
    if all(computed) or len(rows) < 10 or _are_independent(first.values[few], second.values[few]):
        return None
    a = first.values[rows]
    b = second.values[rows]
    if not np.ptp(a) or not np.ptp(b):
        return None
    kind = "same"
    remark = "one measurement counted twice"
    if any(computed):
        kind = "formula"
        remark = "a formula, no measurement"
    if first.is_record or second.is_record:
        kind = "record"
        remark = "one measurement counted twice"
    if np.array_equal(a, b):
        return kind, "equal for every cell"
    factor = _ratio(a, b)
    if factor:
        if abs(factor) < 1:
            return kind, f"{second.name} = {1 / factor:.5g} × {first.name}: {remark}"
        return kind, f"{first.name} = {factor:.5g} × {second.name}: {remark}"
    if 1 - np.corrcoef(a, b)[0, 1] ** 2 < _LINE:
        return kind, f"on one line with each other, as an error and an accuracy are: {remark}"
    return None


def _are_independent(a: Values, b: Values) -> bool:
    """Whether some cells rule out an exact relation."""
    if not np.ptp(a) or not np.ptp(b):
        return False
    return bool(abs(np.corrcoef(a, b)[0, 1]) < 1 - 10 * _SAME)


def _ratio(a: Values, b: Values) -> float:
    """The constant ratio of two columns; 0 where it is not constant."""
    if not np.all(a != 0) or not np.all(b != 0):
        return 0.0
    ratios = a / b
    factor = float(np.median(ratios))
    spread = float(np.std(a) / abs(np.mean(a)))
    deviation = np.quantile(np.abs(ratios / factor - 1), 0.99)
    return factor if deviation < min(_SAME, _OF_SPREAD * spread) else 0.0


def near_duplicates(case: Case) -> Iterator[Finding]:
    """Columns with nearly the same order of cells, though not equal."""
    pairs = []
    for first, second in combinations(case.sound, 2):
        if first.metric.is_loss != second.metric.is_loss or relation_of(first, second):
            continue
        tau = case.tau(down(first), down(second))
        if not abs(tau) > _NEAR_DUPLICATE:  # it may be NaN
            continue
        if _is_split(first, second):
            text = (
                f"τ {tau:.3f} between what is searched on and what is reported: is it another"
                " split?"
            )
            yield Finding("warning", "alike", (first.name, second.name), text, {"tau": tau})
        if first.metric.kind == second.metric.kind:
            pairs.append((first.name, second.name))
    if pairs:
        names = tuple(dict.fromkeys(name for pair in pairs for name in pair))
        text = (
            f"{plural(len(pairs), 'pair')} of these order the cells alike"
            f" (|τ| above {short(_NEAR_DUPLICATE)}): one of a pair is enough"
        )
        yield Finding("note", "alike", names, text, {"pairs": float(len(pairs))})


def peaked(case: Case) -> Iterator[Finding]:
    """Columns that are the best epoch of another, and test columns chosen in this way."""
    losses = [column for column in case.measured if column.metric.is_loss]
    suffixes = set()
    pairs = combinations(losses, 2)
    for best, last in chain.from_iterable((pair, pair[::-1]) for pair in pairs):
        same_unit = best.metric.unit == last.metric.unit
        if not same_unit or best.metric.quantity != last.metric.quantity:
            continue
        share = _ends_at_best(best, last)
        if share is None:
            continue
        text = (
            f"never worse than {last.name}, and equal for {percent(share)}: the best of a run's"
            " epochs"
        )
        yield Finding("note", "peaked", (best.name,), text, {"equal": share})
        _, mark, suffix = best.metric.name.partition("@")
        suffixes.add(mark + suffix or best.metric.name)
    chosen = []
    for column in losses:
        if column.metric.kind == "final" and column.name.endswith(tuple(suffixes)):
            chosen.append(column.name)
    if chosen:
        text = (
            "the best of a run's epochs by the test values themselves (peeked): better than any"
            " test can be"
        )
        yield Finding("warning", "peaked", tuple(chosen), text)


def _ends_at_best(best: Column, last: Column) -> float | None:
    """The share of runs that end at their best, if one column may be the best epoch of another.

    Values that many cells share, as of networks with a constant output, do not count.
    """
    rows = np.flatnonzero(best.known & last.known)
    if len(rows) < FEWEST:
        return None
    better = down(best)[rows]
    worse = down(last)[rows]
    if (better > worse).any():
        return None
    values, counts = np.unique(worse, return_counts=True)
    single = counts[np.searchsorted(values, worse)] <= max(2, _COMMON * len(rows))
    equal = float((better == worse)[single].mean()) if single.any() else 0.0
    near = np.median(worse - better) < _NEAR_BEST * np.std(worse)
    return equal if near and _PEAKED <= equal < 1 else None


def explained_by_cost(case: Case) -> Iterator[Finding]:
    """How much of the order by L is that by one term of R."""
    loss = case.main
    if loss is None or len(loss.finite) < LEAST_CLUSTER:
        return
    costs = [c for c in case.sound if c.searched and c.metric.quantity in ("cost", "structure")]
    taus = []
    for cost in (*costs, *case.computed):
        tau = case.tau(down(loss), cost.values)
        if math.isfinite(tau):
            taus.append((tau, cost))
    if not taus:
        return
    tau, cost = max(taus, key=lambda pair: abs(pair[0]))
    within = _within(loss, cost)
    text = f"τ {short(tau)} with {cost.name}, the closest of R"
    if math.isfinite(within):
        text += f"; {short(within)} within tenths of about equal {cost.name}"
        forest = case.forest(loss)
        if forest is not None:
            reached = _within_by_forest(loss, cost, forest)
            text += f", where a forest on the cells reaches {short(reached)}"
    level: Level = "note"
    if abs(tau) >= _FOLLOWS:
        level = "warning"
        text += ": R nearly is L"
        if tau < 0:
            text += ", so a search on L alone finds what is largest"
    yield Finding(level, "size", (loss.name,), text, {"tau": tau, "within": within})


def _within_by_forest(loss: Column, cost: Column, forest: Forest) -> float:
    """`_within` of the loss and a forest's predictions."""
    known = np.isfinite(cost.values[forest.rows])
    rows = forest.rows[known]
    tau = _within(
        Column("", loss.metric, None, loss.values[rows]),
        Column("", cost.metric, None, forest.predicted[known]),
        cost.values[rows],
    )
    return -tau if loss.metric.larger_is_better else tau


def _within(loss: Column, other: Column, by: Values | None = None) -> float:
    """The mean τ of two columns within groups of about equal R.

    NaN where R is one value in most groups.
    """
    values = other.values if by is None else by
    rows = np.flatnonzero(loss.known & other.known & np.isfinite(values))
    ordered = rows[np.argsort(values[rows], kind="stable")]
    minimised = down(loss)
    taus = []
    for group in np.array_split(ordered, BINS):
        tau = kendall(minimised[group][:PAIR_ROWS], other.values[group][:PAIR_ROWS])
        if math.isfinite(tau):
            taus.append(tau)
    return float(np.mean(taus)) if 2 * len(taus) > BINS else math.nan
