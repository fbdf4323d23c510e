"""The checks of the doctor: each looks for one fault of a table's columns."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.doctor.findings import Finding, Level, percent, short
from surrogate_nas.core.metrics import PERCENT, Metric
from surrogate_nas.space import Enumerable
from surrogate_nas.surrogates.evaluation import kendall
from surrogate_nas.tables import ColumnKey, MemoryTable, PartOfTable, TableFile, Values

_RANKED_CELLS = 3_000
"""Cells that two columns are compared on by rank."""
_FEW_VALUES = 20
"""Number of different values below which a column makes no order worth searching."""
_MOSTLY_ONE = 0.9
"""Share of cells with the same value above which a column is hardly a column."""
_FAR = 10.0
"""Factor between a value and all others that makes it a mark rather than a measurement."""
_SAME = 1e-3
"""Deviation of a ratio from constant; a printed number of four digits is no closer."""
_OF_SPREAD = 0.01
"""The same in units of a column's relative spread: nearly constant columns have constant ratios."""
_LINE = 1e-9
"""Deviation of a squared correlation from 1 for an exact line."""
_NEARLY_EQUAL = 0.99
"""τ above which two columns order cells alike: two seeds of a training never agree so well."""
_SEEDS_DISAGREE = 0.5
"""τ of two seeds below which a fourth of all comparisons would come out differently."""
_LEVELS: dict[str, Level] = {"leak": "alarm", "record": "note"}
"""Levels of exact relations; others are warnings."""


@dataclass(frozen=True, eq=False)
class Column:
    """A column in the order of the space."""

    name: str
    metric: Metric
    epochs: int | None
    values: Values

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Whether each cell has a value, shape ``(cells,)``."""
        return np.isfinite(self.values)

    @cached_property
    def finite(self) -> Values:
        """The values of the cells that have one."""
        return self.values[self.known]

    @cached_property
    def distinct(self) -> tuple[Values, NDArray[np.int64]]:
        """The different values in ascending order, and the number of cells with each."""
        values, counts = np.unique(self.finite, return_counts=True)
        return values, counts

    @property
    def is_constant(self) -> bool:
        """Whether all cells have one value."""
        return len(self.distinct[0]) < 2

    @property
    def description(self) -> dict[str, Any]:
        """The entry of the column in an examination."""
        return {
            "name": self.name,
            "kind": self.metric.kind,
            "unit": self.metric.unit,
            "known": float(self.known.mean()),
            "distinct": len(self.distinct[0]),
        }


class Case:
    """A table under examination."""

    def __init__(self, table: TableFile | PartOfTable | MemoryTable) -> None:
        self.table = table
        self.space: Enumerable = table.cells
        self._order = np.random.default_rng(0).permutation(len(self.space))
        longest: dict[str, int | None] = {}
        for metric, epochs, seed in table.keys:
            described = table.metrics[metric]
            is_label = described.kind == "record" and not described.unit  # such as a cell's class
            if seed == "mean" and not is_label:
                longest[metric] = max(longest.get(metric) or 0, epochs or 0) or None
        self.columns = [self._column(metric, epochs) for metric, epochs in sorted(longest.items())]

    def _column(self, metric: str, epochs: int | None) -> Column:
        described = self.table.metrics[metric]
        name = f"{metric}[{epochs}]" if len(described.epochs) > 1 else metric
        values = self.table.column(ColumnKey(metric, epochs, "mean"))
        return Column(name, described, epochs, values)

    @cached_property
    def n_with_values(self) -> int:
        """Number of cells with a value in some column."""
        known = [column.known for column in self.columns]
        return int(np.logical_or.reduce(known).sum()) if known else 0

    @cached_property
    def measured(self) -> list[Column]:
        """Columns that are neither constant nor records of costs."""
        return [
            column
            for column in self.columns
            if column.metric.kind != "record" and not column.is_constant
        ]

    @cached_property
    def main(self) -> Column | None:
        """The loss of the search: the first that the objective names, else the first of all."""
        losses = [
            column
            for column in self.measured
            if column.metric.kind == "search" and column.metric.is_loss
        ]
        by_name = {column.metric.name: column for column in losses}
        for word in re.findall(r"[\w.@-]+", self.table.objective):
            if word in by_name:
                return by_name[word]
        return losses[0] if losses else None

    def seeds(self, column: Column) -> dict[int, Values]:
        """The columns of single seeds behind a column of means."""
        run = column.metric.name, column.epochs
        keys = [key for key in self.table.keys if key[:2] == run and key.seed != "mean"]
        return {int(key.seed): self.table.column(key) for key in keys}

    def tau(self, first: Values, second: Values) -> float:
        """τ of two columns over at most `_RANKED_CELLS` cells that have both."""
        both = np.isfinite(first) & np.isfinite(second)
        rows = self._order[both[self._order]][:_RANKED_CELLS]
        return kendall(first[rows], second[rows])


def empty_or_constant(case: Case) -> Iterator[Finding]:
    """Columns without values, and those with one value for all cells or nearly all."""
    if not case.n_with_values:
        names = tuple(column.name for column in case.columns)
        text = "no cell has a value in any column: the table has no rows"
        yield Finding("alarm", "empty", names, text)
    else:
        for column in case.columns:
            if not len(column.finite):
                yield Finding("alarm", "empty", (column.name,), "has no value at all")
            elif column.metric.kind != "record" and len(case.space) > 1:
                yield from _constant(column)


def _constant(column: Column) -> Iterator[Finding]:
    values, counts = column.distinct
    share = float(counts.max() / counts.sum())
    common = f"is {values[counts.argmax()]:g}"
    if column.is_constant:
        level: Level = "alarm" if column.metric.kind == "search" else "note"
        text = f"{common} for every cell: nothing to search on"
        yield Finding(level, "constant", (column.name,), text)
    elif share > _MOSTLY_ONE:
        level = "warning" if column.metric.kind == "search" else "note"
        text = f"{common} for {percent(share)} of the cells"
        yield Finding(level, "constant", (column.name,), text, {"share": share})


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
            if is_far and n > counts[neighbour] and n >= max(3, 0.005 * counts.sum()):
                text = (
                    f"{value:g} stands for {n:,} cells and is far from all other values: a mark,"
                    " not a measurement?"
                )
                numbers = {"value": value, "cells": float(n)}
                yield Finding("alarm", "mark", (column.name,), text, numbers)


def undeclared(case: Case) -> Iterator[Finding]:
    """Columns in % that may be fractions, and columns without a direction."""
    for column in case.measured:
        metric = column.metric
        if metric.is_share and metric.unit == PERCENT and column.finite.max() <= 1:
            text = (
                "is in %, and no value exceeds 1: if these are fractions, import it again with"
                f" --unit {metric.name}=fraction"
            )
            yield Finding("warning", "unit", (column.name,), text)
        if metric.quantity == "undeclared":
            text = (
                "has no declared direction, so no objective takes it: import it again with"
                f" --direction {metric.name}=min or max"
            )
            yield Finding("warning", "direction", (column.name,), text)


def related(case: Case) -> Iterator[Finding]:
    """Columns that follow from another: leaks, and devices counted twice."""
    candidates = [column for column in case.columns if not column.is_constant]
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for first, second in combinations(candidates, 2):
        is_split = {first.metric.kind, second.metric.kind} == {"search", "final"}
        relation = _relation(first, second)
        if relation is None:
            if is_split and first.metric.is_loss and second.metric.is_loss:
                yield from _nearly_equal(case, first, second)
            continue
        kind, text = relation
        if kind == "same" and is_split:
            kind = "leak"
            text += "; the search metric equals the final metric: a leak"
        groups[kind, text] += [first.name, second.name]
    for (kind, text), names in groups.items():
        more = f" ({len(names) // 2} such pairs)" if len(names) > 2 else ""
        yield Finding(_LEVELS.get(kind, "warning"), kind, tuple(names), text + more)


def _relation(first: Column, second: Column) -> tuple[str, str] | None:
    """The kind of an exact relation between two columns, and its description; None without one."""
    rows = np.flatnonzero(first.known & second.known)
    a = first.values[rows]
    b = second.values[rows]
    step = max(1, len(rows) // 50)  # most pairs are ruled out by fifty cells
    if len(rows) < 10 or _squared_correlation(a[::step], b[::step]) < 1 - 20 * _SAME:
        return None
    if not np.ptp(a) or not np.ptp(b):
        return None
    kind = "record" if "record" in (first.metric.kind, second.metric.kind) else "same"
    if np.array_equal(a, b):
        return kind, "equal for every cell"
    if factor := _ratio(a, b):
        multiple, single = first.name, second.name
        if abs(factor) < 1:
            multiple, single, factor = single, multiple, 1 / factor
        return kind, f"{multiple} = {factor:.5g} × {single}: one measurement counted twice"
    if _squared_correlation(a, b) > 1 - _LINE:
        return kind, "on one line with each other, as an error and an accuracy are"
    return None


def _squared_correlation(a: Values, b: Values) -> float:
    """The squared correlation of two columns; 1 if one of them is constant."""
    return float(np.corrcoef(a, b)[0, 1] ** 2) if np.ptp(a) and np.ptp(b) else 1.0


def _ratio(a: Values, b: Values) -> float:
    """The constant ratio of two columns; 0 where it is not constant."""
    if not np.all(a != 0) or not np.all(b != 0):
        return 0.0
    ratios = a / b
    factor = float(np.median(ratios))
    spread = float(np.std(a) / abs(np.mean(a)))
    deviation = np.quantile(np.abs(ratios / factor - 1), 0.99)
    return factor if deviation < min(_SAME, _OF_SPREAD * spread) else 0.0


def _nearly_equal(case: Case, first: Column, second: Column) -> Iterator[Finding]:
    """A search metric and a final metric with nearly the same order of cells."""
    tau = case.tau(first.metric.minimised(first.values), second.metric.minimised(second.values))
    if abs(tau) > _NEARLY_EQUAL:
        text = f"τ {tau:.3f} between a search metric and a final metric: is it another split?"
        yield Finding("warning", "alike", (first.name, second.name), text, {"tau": tau})


def seed_agreement(case: Case) -> Iterator[Finding]:
    """The ceiling that training noise sets for any order of the cells."""
    taus: dict[str, float] = {}
    for column in case.measured:
        if not column.metric.is_loss:
            continue
        pairs = list(combinations(case.seeds(column).items(), 2))
        for (one, first), (two, second) in pairs:
            both = np.isfinite(first) & np.isfinite(second)
            if both.sum() >= _FEW_VALUES and np.array_equal(first[both], second[both]):
                text = (
                    f"seeds {one} and {two} are equal for all {int(both.sum()):,} cells: not two"
                    " trainings"
                )
                yield Finding("alarm", "seeds", (column.name,), text)
        agreements = [case.tau(first, second) for (_, first), (_, second) in pairs]
        if finite := [tau for tau in agreements if math.isfinite(tau)]:
            taus[column.name] = float(np.mean(finite))
    for is_low in (True, False):
        agreed = {name: tau for name, tau in taus.items() if (tau < _SEEDS_DISAGREE) is is_low}
        if agreed:
            ends = (short(min(agreed.values())), short(max(agreed.values())))
            shown = " to ".join(dict.fromkeys(ends))
            text = f"two seeds agree with τ {shown}: the ceiling for any order of the cells"
            numbers = {"tau": min(agreed.values())}
            yield Finding("warning" if is_low else "note", "noise", tuple(agreed), text, numbers)


def missing(case: Case) -> Iterator[Finding]:
    """Missing values; columns that lack the same cells are one finding."""
    patterns: dict[bytes, list[Column]] = defaultdict(list)
    for column in case.columns:
        if 0 < len(column.finite) < len(case.space):
            patterns[column.known.tobytes()].append(column)
    for columns in patterns.values():
        n = int((~columns[0].known).sum())
        share = n / len(case.space)
        text = f"{n:,} cells ({percent(share)}) have no value"
        level: Level = "note"
        if any(column.metric.kind == "search" for column in columns):
            level = "warning"
            text += "; a search needs every cell"
        names = tuple(column.name for column in columns)
        yield Finding(level, "missing", names, text, {"share": share})


def ties(case: Case) -> Iterator[Finding]:
    """Cells of equal loss."""
    column = case.main
    if column is None:
        return
    values, counts = column.distinct
    share = float(counts[counts > 1].sum() / counts.sum())
    best = int(counts[-1] if column.metric.larger_is_better else counts[0])
    text = f"{len(values):,} different values; {percent(share)} of the cells tie"
    if best > 1:
        text += f", {best:,} of them for the best"
    few = len(values) < _FEW_VALUES <= len(column.finite) / 2
    numbers = {"distinct": float(len(values)), "ties": share, "best": float(best)}
    yield Finding("warning" if few else "note", "ties", (column.name,), text, numbers)


CHECKS: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    empty_or_constant,
    sentinels,
    undeclared,
    related,
    seed_agreement,
    missing,
    ties,
)
"""In the order of what matters most."""
