"""What rows are: cells twice, records repeated, values missing."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.doctor.case import LEAST_CLUSTER, PAIRED, ROWS, Case, Column
from surrogate_nas.benchmarks.doctor.findings import Finding, Level, percent, short
from surrogate_nas.benchmarks.doctor.pairs import relation_of
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


def repeated(case: Case) -> Iterator[Finding]:
    """Cells with several rows, different cells with equal rows, and copied stretches of a file."""
    if case.repeats and case.columns:
        yield _repeated_cells(case)
    yield from _equal_rows(case)
    if not isinstance(case.space, Sampled):  # the order is the space's; neighbours may be equal
        return
    for column in case.measured:
        if len(column.distinct[0]) <= len(column.finite) / 2:
            continue
        length = _longest_copy(column)
        if length >= _LAGGED:
            text = (
                f"{length} cells in a row have the values of {length} others in their order:"
                " repeated records"
            )
            yield Finding("warning", "repeated", (column.name,), text, {"cells": float(length)})


def _repeated_cells(case: Case) -> Finding:
    """Further rows of cells in a file, and how well two readings agree."""
    main = case.main or case.columns[0]
    further = np.array([repeat.values[main.metric.name, main.epochs] for repeat in case.repeats])
    first = main.values[[repeat.place for repeat in case.repeats]]
    both = np.isfinite(further) & np.isfinite(first)
    n_cells = len({repeat.place for repeat in case.repeats})
    equal = math.nan
    if both.any():
        equal = float((further[both] == first[both]).mean())
    tau = kendall(first, further)
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
    columns = _independent_columns(case)
    if len(columns) < 2:
        return
    complete = np.flatnonzero(np.logical_and.reduce([column.known for column in columns]))
    finest = columns[0].values[complete]
    rest = _row_numbers([column.values[complete] for column in columns[1:]])
    if not _more_than_by_chance(finest, rest):
        return
    rows = _row_numbers([finest, rest])
    equal = np.flatnonzero(np.bincount(rows)[rows] > 1)
    identities = defaultdict(set)
    for place in equal[:ROWS]:
        cell = case.space[int(complete[place])]
        identities[rows[place]].add(case.space.identity(cell))
    isomorphic = sum(len(group) == 1 for group in identities.values()) / len(identities)
    share = len(equal) / len(complete)
    text = (
        f"{len(equal):,} cells ({percent(share)}) have another's row in all {len(columns)} measured"
        " columns"
    )
    if isomorphic:
        text += f"; {percent(isomorphic)} of such rows are of isomorphic cells"
    level: Level = "warning"
    if _are_trained_apart(case, complete[equal], rows[equal]):
        level = "note"
        text += "; what they cost differs, so they were trained apart and answer alike"
    elif isomorphic < 0.5:
        text += "; repeated records?"
    if share <= _MANY_ROWS or isomorphic >= 0.5:
        level = "note"
    numbers = {"cells": float(len(equal)), "share": share, "isomorphic": isomorphic}
    yield Finding(level, "equal rows", (), text, numbers)


def _independent_columns(case: Case) -> list[Column]:
    """Measured columns of which none follows exactly from another, the finest first."""
    columns: list[Column] = []
    for column in case.measured:
        follows = any(relation_of(column, other) for other in columns)
        if not column.is_computed and not follows:
            columns.append(column)
    return sorted(columns, key=lambda column: -len(column.distinct[0]))


def _row_numbers(columns: Sequence[Values | NDArray[np.intp]]) -> NDArray[np.intp]:
    """A number for each cell, the same for equal rows, shape ``(n,)``."""
    _, numbers = np.unique(np.column_stack(columns), axis=0, return_inverse=True)
    return numbers.reshape(-1)


def _more_than_by_chance(finest: Values, rest: NDArray[np.intp]) -> bool:
    """Whether cells with equal finest values agree in the rest more often than near cells do."""
    order = np.lexsort([rest, finest])
    differ = np.diff(finest[order]) != 0
    agree = np.diff(rest[order]) == 0
    if not differ.any():
        return False
    by_chance = agree[differ].mean() * (~differ).sum()
    return bool((agree & ~differ).sum() > _BY_CHANCE * (by_chance + 1))


def _are_trained_apart(case: Case, cells: NDArray[np.intp], rows: NDArray[np.intp]) -> bool:
    """Whether most cells with equal rows differ in some record of the cost of training."""
    n_rows = len(np.unique(rows))
    for column in case.columns:
        if column.is_record and not column.is_constant:
            n_pairs = _row_numbers([rows, column.values[cells]]).max() + 1
            if n_pairs - n_rows > (len(cells) - n_rows) / 2:
                return True
    return False


def _longest_copy(column: Column) -> int:
    """The longest stretch of cells with the values of another stretch at one distance."""
    order = np.argsort(column.values, kind="stable")
    ordered = column.values[order]
    pairs = np.flatnonzero(ordered[1:] == ordered[:-1])
    lags = Counter((order[pairs + 1] - order[pairs]).tolist())
    longest = 0
    for lag, n in lags.most_common(3):
        if n < _LAGGED:
            continue
        same = np.append(column.values[:-lag] == column.values[lag:], False)
        breaks = np.flatnonzero(~same)
        longest = max(longest, int(np.diff(breaks, prepend=-1).max()) - 1)
    return longest


def missing(case: Case) -> Iterator[Finding]:
    """Missing values, and the option or the metric that they depend on."""
    patterns: dict[bytes, list[Column]] = defaultdict(list)
    for column in case.columns:
        if 0 < len(column.finite) < len(case.space):
            patterns[np.packbits(column.known).tobytes()].append(column)
    scattered: list[Column] = []
    for columns in patterns.values():
        known = columns[0].known
        _, where = max(_missing_by_option(case, known), _missing_by_metric(case, known, columns))
        if where:
            n = int((~known).sum())
            share = float(1 - known.mean())
            text = f"{n:,} cells ({percent(share)}) have no value{where}"
            yield _missing_in(columns, text, share)
        else:
            scattered += columns
    if scattered:
        counts = [int((~column.known).sum()) for column in scattered]
        cells = f"{max(counts):,}"
        if min(counts) < max(counts):
            cells = f"{min(counts):,} to {cells}"
        most = max(counts) / len(case.space)
        text = f"{cells} cells (at most {percent(most)}) have no value, without a pattern"
        yield _missing_in(scattered, text, most)


def _missing_in(columns: Sequence[Column], text: str, share: float) -> Finding:
    level: Level = "note"
    if any(column.searched for column in columns):
        level = "warning"
        text += "; a search needs every cell"
    names = tuple(column.name for column in columns)
    return Finding(level, "missing", names, text, {"share": share})


def _missing_by_option(case: Case, known: NDArray[np.bool_]) -> tuple[float, str]:
    """The largest difference between shares of missing values with and without an option.

    Returns:
        The difference, 0 to 1, and the option in words; 0 and empty where none is clear.
    """
    space = case.space
    best = 0.0
    words = ""
    if not isinstance(space, EnumerableChoiceSpace):
        return best, words
    overall = 1 - known.mean()
    for place, (position, options) in enumerate(zip(space.positions, space.options, strict=True)):
        for number, option in enumerate(options):
            has = space.choices[:, place] == number
            if has.all() or not has.any():
                continue
            inside = 1 - known[has].mean()
            outside = 1 - known[~has].mean()
            difference = abs(inside - outside)
            variance = overall * (1 - overall) * (1 / has.sum() + 1 / (~has).sum())
            z = difference / max(math.sqrt(variance), 1e-12)
            if z > _MISSING_Z and difference > max(best, _MISSING_STEP):
                best = difference
                words = (
                    f", {percent(inside)} where {position} is {option} and {percent(outside)}"
                    " elsewhere"
                )
    return float(best), words


def _missing_by_metric(
    case: Case,
    known: NDArray[np.bool_],
    columns: Sequence[Column],
) -> tuple[float, str]:
    """The column that differs most between cells with and without a value.

    Returns:
        The difference, 0 to 1, and the column in words; 0 and empty where none is clear.
    """
    best = _MISSING_SHIFT
    words = ""
    for other in (*case.measured, *case.computed):
        rows = case.order[other.known[case.order]]
        without = rows[~known[rows]][:PAIRED]
        having = rows[known[rows]][:PAIRED]
        if other in columns or min(len(without), len(having)) < LEAST_CLUSTER:
            continue
        signs = np.sign(other.values[without][:, None] - other.values[having])
        shift = 0.5 * float(signs.mean())
        if abs(shift) > best:
            best = abs(shift)
            how = "larger" if shift > 0 else "smaller"
            words = f", of cells whose {other.name} is {how} than others'"
    return (2 * best, words) if words else (0.0, words)
