"""What rows are: cells twice, records repeated, values missing."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.doctor.case import LEAST_CLUSTER, PAIRED, ROWS, Case, Column
from surrogate_nas.benchmarks.doctor.findings import Finding, Level, percent, short
from surrogate_nas.benchmarks.doctor.pairs import relation
from surrogate_nas.space import EnumerableChoiceSpace, Sampled
from surrogate_nas.surrogates.evaluation import kendall
from surrogate_nas.tables import Values

_BY_CHANCE = 5.0
"""How much more often rows must be equal than near cells' are by ties of their columns."""
_MANY_ROWS = 0.01
"""The share of cells with another's row from which on somebody should look."""
_LAGGED = 20
"""Consecutive cells of a file that repeat others in their order before a record is said to be
repeated.
"""
_MISSING_Z = 6.0
_MISSING_STEP = 0.1
"""How sure and how large a difference must be for missing values to depend on an option: of a
thousand options none is that far from the others by chance.
"""
_MISSING_SHIFT = 0.2
"""How far from 1/2 the chance must be that a cell without a value is larger elsewhere than one with
a value.
"""


def again(case: Case) -> Iterator[Finding]:
    """Cells that are there twice, rows that are, and stretches of a file."""
    if case.repeats and case.columns:
        yield _repeated_cells(case)
    yield from _equal_rows(case)
    # elsewhere the order is that of a space, where neighbours may well be equal
    if isinstance(case.space, Sampled):
        for column in case.measured:
            if (
                len(column.distinct[0]) > len(column.finite) / 2
                and (length := _stretch(column)) >= _LAGGED
            ):
                text = (
                    f"{length} cells in a row have the values of {length} others in their order:"
                    " repeated records"
                )
                yield Finding("warning", "repeated", (column.name,), text, {"cells": float(length)})


def _repeated_cells(case: Case) -> Finding:
    """Rows of cells that a file has already, and how well their readings agree."""
    main = case.main or case.columns[0]
    again = np.array([repeat.values[main.metric.name, main.epochs] for repeat in case.repeats])
    first = main.values[[repeat.place for repeat in case.repeats]]
    both = np.isfinite(again) & np.isfinite(first)
    n_cells = len({repeat.place for repeat in case.repeats})
    equal = float((again[both] == first[both]).mean()) if both.any() else math.nan
    tau = kendall(first, again)
    text = f"{n_cells:,} cells have {len(case.repeats):,} further rows, which an import refuses"
    if equal == 1:
        text += f"; all repeat the same {main.name}: repeated records"
    elif math.isfinite(tau):
        text += f"; two readings of {main.name} agree with τ {short(tau)}, a ceiling for any order"
    numbers = {
        "cells": float(n_cells),
        "rows": float(len(case.repeats)),
        "equal": equal,
        "tau": tau,
    }
    return Finding("alarm", "repeated cells", (), text, numbers)


def _equal_rows(case: Case) -> Iterator[Finding]:
    """Different cells with equal rows, where columns do not tie so often by themselves."""
    columns: list[Column] = []
    for column in case.measured:
        if not column.is_computed and not any(relation(column, other) for other in columns):
            columns.append(column)
    if len(columns) < 2:
        return
    columns.sort(key=lambda column: -len(column.distinct[0]))
    whole = np.flatnonzero(np.logical_and.reduce([column.known for column in columns]))
    finest = columns[0].values[whole]
    _, others = np.unique(
        np.column_stack([c.values[whole] for c in columns[1:]]), axis=0, return_inverse=True
    )
    others = others.reshape(-1)
    order = np.lexsort([others, finest])
    apart = np.diff(finest[order]) != 0
    equal = np.diff(others[order]) == 0
    # as often as of near cells
    by_chance = equal[apart].mean() * (~apart).sum() if apart.any() else math.inf
    if (equal & ~apart).sum() <= _BY_CHANCE * (by_chance + 1):
        return
    _, rows, counts = np.unique(
        np.column_stack([finest, others]), axis=0, return_inverse=True, return_counts=True
    )
    rows = rows.reshape(-1)
    equal = np.flatnonzero(counts[rows] > 1)
    kinds = defaultdict(set)
    for place in equal[:ROWS]:
        kinds[rows[place]].add(case.space.identity(case.space[int(whole[place])]))
    alike = sum(len(identities) == 1 for identities in kinds.values()) / len(kinds)
    share = len(equal) / len(whole)
    text = (
        f"{len(equal):,} cells ({percent(share)}) have another's row in all {len(columns)} measured"
        " columns"
    )
    text += f"; {percent(alike)} of such rows are of isomorphic cells" if alike else ""
    records = [
        column.values[whole]
        for column in case.columns
        if column.is_record and not column.is_constant
    ]
    if trained_apart := _differ(records, rows, equal):
        text += "; what they cost differs, so they were trained apart and answer alike"
    elif alike < 0.5:
        text += "; repeated records?"
    level: Level = "note" if share <= _MANY_ROWS or alike >= 0.5 or trained_apart else "warning"
    yield Finding(
        level,
        "equal rows",
        (),
        text,
        {"cells": float(len(equal)), "share": share, "isomorphic": alike},
    )


def _differ(
    records: Sequence[Values],
    rows: NDArray[np.intp],
    equal: NDArray[np.intp],
) -> bool:
    """Whether most cells with equal rows differ in some record of what their trainings cost."""
    for values in records:
        pairs = len(np.unique(np.column_stack([rows[equal], values[equal]]), axis=0))
        if pairs - len(np.unique(rows[equal])) > (len(equal) - len(np.unique(rows[equal]))) / 2:
            return True
    return False


def _stretch(column: Column) -> int:
    """The longest stretch of cells whose values are those of another stretch at one distance."""
    order = np.argsort(column.values, kind="stable")
    ordered = column.values[order]
    pairs = np.flatnonzero(ordered[1:] == ordered[:-1])
    lags = Counter((order[pairs + 1] - order[pairs]).tolist())
    longest = 0
    for lag, n in lags.most_common(3):
        if n >= _LAGGED:
            same = np.append(column.values[:-lag] == column.values[lag:], False)
            ends = np.flatnonzero(~same)
            longest = max(longest, int(np.diff(ends, prepend=-1).max()) - 1)
    return longest


def missing(case: Case) -> Iterator[Finding]:
    """Values that are missing, and what that depends on."""
    patterns: dict[bytes, list[Column]] = defaultdict(list)
    for column in case.columns:
        if 0 < len(column.finite) < len(case.space):
            patterns[np.packbits(column.known).tobytes()].append(column)
    scattered: list[Column] = []
    for columns in patterns.values():
        known = columns[0].known
        share = 1 - known.mean()
        where = max(_missing_option(case, known), _missing_order(case, known, columns))[1]
        if where:
            text = f"{int((~known).sum()):,} cells ({percent(share)}) have no value{where}"
            yield _lacking(columns, text, float(share))
        else:
            scattered += columns
    if scattered:
        counts = [int((~column.known).sum()) for column in scattered]
        several = (
            f"{min(counts):,} to {max(counts):,}" if min(counts) < max(counts) else f"{counts[0]:,}"
        )
        most = max(counts) / len(case.space)
        yield _lacking(
            scattered,
            f"{several} cells (at most {percent(most)}) have no value, without a pattern",
            most,
        )


def _lacking(columns: Sequence[Column], text: str, share: float) -> Finding:
    searched = any(column.searched for column in columns)
    level: Level = "warning" if searched else "note"
    whole = "; a search needs every cell" if searched else ""
    return Finding(
        level, "missing", tuple(column.name for column in columns), text + whole, {"share": share}
    )


def _missing_option(case: Case, known: NDArray[np.bool_]) -> tuple[float, str]:
    """The option with which values are missing most unlike without it, in words, and how unlike
    from 0 to 1.
    """
    space = case.space
    best = _MISSING_STEP
    words = ""
    if not isinstance(space, EnumerableChoiceSpace):
        return 0.0, words
    for place, (position, options) in enumerate(zip(space.positions, space.options, strict=True)):
        for number, option in enumerate(options):
            has = space.choices[:, place] == number
            n = int(has.sum())
            rest = int((~has).sum())
            if not n or not rest:
                continue
            inside, outside, every = (1 - known[part].mean() for part in (has, ~has, slice(None)))
            z = abs(inside - outside) / max(
                math.sqrt(every * (1 - every) * (1 / n + 1 / rest)), 1e-12
            )
            if z > _MISSING_Z and abs(inside - outside) > best:
                best = abs(inside - outside)
                words = (
                    f", {percent(inside)} where {position} is {option} and {percent(outside)}"
                    " elsewhere"
                )
    return best if words else 0.0, words


def _missing_order(
    case: Case,
    known: NDArray[np.bool_],
    columns: Sequence[Column],
) -> tuple[float, str]:
    """The other column whose values differ most between cells with and without a value, as
    `_missing_option`.
    """
    best = _MISSING_SHIFT
    words = ""
    for other in (*case.measured, *case.computed):
        rows = case.order[other.known[case.order]]
        without = rows[~known[rows]][:PAIRED]
        having = rows[known[rows]][:PAIRED]
        if other in columns or len(without) < LEAST_CLUSTER or len(having) < LEAST_CLUSTER:
            continue
        above = 0.5 + 0.5 * np.sign(other.values[without][:, None] - other.values[having]).mean()
        if abs(above - 0.5) > best:
            best = abs(above - 0.5)
            words = f", of cells whose {other.name} is {'larger' if above > 0.5 else 'smaller'} than others'"  # noqa: E501
    return 2 * best if words else 0.0, words
