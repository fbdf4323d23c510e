"""What two columns say of each other: leaks, a measurement twice, the best of a run's epochs, R
that nearly is L.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from surrogate_nas.benchmarks.doctor.case import (
    BINS,
    FEWEST,
    LEAST_CLUSTER,
    PAIR_ROWS,
    Case,
    Column,
    down,
)
from surrogate_nas.benchmarks.doctor.findings import Finding, Level, percent, short
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
_ALIKE = 0.99
"""τ above which two columns order the cells alike: two seeds of one training never agree so
well.
"""
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


def twice(case: Case) -> Iterator[Finding]:
    """Columns that say what another says: leaks, devices counted twice, formulas."""
    candidates = [column for column in (*case.columns, *case.computed) if not column.is_constant]
    groups: dict[tuple[str, str], list[tuple[Column, Column]]] = defaultdict(list)
    for first, second in combinations(candidates, 2):
        if found := relation(first, second):
            kind, text = found
            if kind == "same" and {first.metric.kind, second.metric.kind} == {"search", "final"}:
                kind = "leak"
                text = f"{text}; what is searched on is what is reported at the end: a leak"
            groups[kind, text].append((first, second))
    for (kind, text), pairs in groups.items():
        level: Level = {"leak": "alarm", "record": "note"}.get(kind, "warning")  # type: ignore[assignment]
        more = f" ({len(pairs)} such pairs)" if len(pairs) > 1 else ""
        yield Finding(
            level, kind, tuple(column.name for pair in pairs for column in pair), text + more
        )


def relation(first: Column, second: Column) -> tuple[str, str] | None:
    """How one column follows from another exactly, if it does: the kind of it, and in words."""
    computed = [column.is_computed for column in (first, second)]
    rows = np.flatnonzero(first.known & second.known)
    if all(computed) or len(rows) < 10:
        return None
    a = first.values[rows]
    b = second.values[rows]
    if not np.ptp(a) or not np.ptp(b):
        return None
    part = rows[:: max(1, len(rows) // 50)]  # a glance that spares most pairs the whole look
    if (
        np.ptp(first.values[part])
        and np.ptp(second.values[part])
        and abs(np.corrcoef(first.values[part], second.values[part])[0, 1]) < 1 - 10 * _SAME
    ):
        return None
    kind = (
        "record" if first.is_record or second.is_record else "formula" if any(computed) else "same"
    )
    if np.array_equal(a, b):
        return kind, "equal for every cell"
    if np.all(a != 0) and np.all(b != 0):
        ratios = a / b
        factor = float(np.median(ratios))
        spread = float(np.std(a) / abs(np.mean(a)))
        if np.quantile(np.abs(ratios / factor - 1), 0.99) < min(_SAME, _OF_SPREAD * spread):
            factor, one, other = (
                (factor, first, second) if abs(factor) >= 1 else (1 / factor, second, first)
            )
            what = (
                "a formula, no measurement"
                if kind == "formula"
                else "one measurement counted twice"
            )
            return kind, f"{one.name} = {factor:.5g} × {other.name}: {what}"
    if 1 - np.corrcoef(a, b)[0, 1] ** 2 < _LINE:
        what = "a formula, no measurement" if kind == "formula" else "one measurement counted twice"
        return kind, f"on one line with each other, as an error and an accuracy are: {what}"
    return None


def alike(case: Case) -> Iterator[Finding]:
    """Columns that order the cells alike without being equal."""
    pairs = []
    for first, second in combinations(case.sound, 2):
        if first.metric.is_loss != second.metric.is_loss or relation(first, second):
            continue
        tau = case.tau(down(first), down(second))
        if abs(tau) > _ALIKE:
            pairs.append((tau, first, second))
    for tau, first, second in pairs:
        if {first.metric.kind, second.metric.kind} == {"search", "final"}:
            text = (
                f"τ {tau:.3f} between what is searched on and what is reported: is it another"
                " split?"
            )
            yield Finding("warning", "alike", (first.name, second.name), text, {"tau": tau})
    within = [pair for pair in pairs if pair[1].metric.kind == pair[2].metric.kind]
    if within:
        names = tuple(dict.fromkeys(column.name for _, *both in within for column in both))
        text = (
            f"{len(within)} pairs of these order the cells alike (|τ| above {short(_ALIKE)}): one"
            " of a pair is enough"
        )
        yield Finding(
            "note", "alike", names, text.replace("1 pairs", "1 pair"), {"pairs": float(len(within))}
        )


def peaked(case: Case) -> Iterator[Finding]:
    """Columns that are the best epoch of another: test values among them were chosen by the test
    set.
    """
    losses = [column for column in case.measured if column.metric.is_loss]
    suffixes = set()
    for first, second in combinations(losses, 2):
        if (first.metric.unit, first.metric.quantity) != (
            second.metric.unit,
            second.metric.quantity,
        ):
            continue
        for best, last in ((first, second), (second, first)):
            share = _ends_at_best(best, last)
            if share is not None:
                text = (
                    f"never worse than {last.name}, and equal for {percent(share)}: the best of a"
                    " run's epochs"
                )
                yield Finding("note", "peaked", (best.name,), text, {"equal": share})
                suffixes.add("".join(best.metric.name.partition("@")[1:]) or best.metric.name)
    finals = [column.name for column in losses if column.metric.kind == "final"]
    if peaked := tuple(
        name for name in finals if any(name.endswith(suffix) for suffix in suffixes)
    ):
        text = (
            "the best of a run's epochs by the test values themselves (peeked): better than any"
            " test can be"
        )
        yield Finding("warning", "peaked", peaked, text)


def _ends_at_best(best: Column, last: Column) -> float | None:
    """The share of runs that end at their best, if one column may be the best epoch of another;
    values that many cells share (those of networks that answer always the same) count for nothing.
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


def explained(case: Case) -> Iterator[Finding]:
    """What of L is explained by R."""
    loss = case.main
    if loss is None or len(loss.finite) < LEAST_CLUSTER:
        return
    costs = [c for c in case.sound if c.searched and c.metric.quantity in ("cost", "structure")]
    taus = {c.name: case.tau(down(loss), c.values) for c in (*costs, *case.computed)}
    taus = {name: tau for name, tau in taus.items() if math.isfinite(tau)}
    if not taus:
        return
    name = max(taus, key=lambda one: abs(taus[one]))
    cost = next(c for c in (*costs, *case.computed) if c.name == name)
    tau = taus[name]
    within = _within(loss, cost)
    nearly = abs(tau) >= _FOLLOWS
    text = f"τ {short(tau)} with {name}, the closest of R"
    text += (
        f"; {short(within)} within tenths of about equal {name}" if math.isfinite(within) else ""
    )
    forest = case.forest(loss) if math.isfinite(within) else None
    if forest is not None:
        known = np.isfinite(cost.values[forest.rows])
        rows = forest.rows[known]
        said = forest.predicted[known]
        inside = _within(
            Column("", loss.metric, None, loss.values[rows]),
            Column("", cost.metric, None, said),
            cost.values[rows],
        )
        text += (
            ", where a forest on the cells reaches"
            f" {short(-inside if loss.metric.larger_is_better else inside)}"
        )
    if nearly:
        text += (
            ": R nearly is L, so a search on L alone finds what is largest"
            if tau < 0
            else ": R nearly is L"
        )
    yield Finding(
        "warning" if nearly else "note", "size", (loss.name,), text, {"tau": tau, "within": within}
    )


def _within(loss: Column, other: Column, by: Values | None = None) -> float:
    """The mean τ of two columns within parts of about equal R; NaN where R is one value in most of
    them.
    """
    values = other.values if by is None else by
    rows = np.flatnonzero(loss.known & other.known & np.isfinite(values))
    parts = np.array_split(rows[np.argsort(values[rows], kind="stable")], BINS)
    taus = [kendall(down(loss)[part][:PAIR_ROWS], other.values[part][:PAIR_ROWS]) for part in parts]
    finite = [tau for tau in taus if math.isfinite(tau)]
    # else R itself has but few values
    return float(np.mean(finite)) if 2 * len(finite) > BINS else math.nan
