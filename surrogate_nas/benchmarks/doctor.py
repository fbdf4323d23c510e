"""Check the quality of a table's columns before a search.

Each check looks for one type of fault and yields a `Finding`. A finding of the level ``alarm``
means that a search by the column is meaningless. A finding of the level ``warning`` means that the
column should be examined before a search. A finding of the level ``note`` is information for
readers of results. The thresholds were chosen so that the columns of NAS-Bench-201 raise no alarm.
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks.base import Benchmark
from surrogate_nas.benchmarks.losses import FilledBenchmark, LossesBenchmark
from surrogate_nas.benchmarks.table import TableBenchmark, open_table
from surrogate_nas.core import PERCENT, Metric, UserError, fixed, plural
from surrogate_nas.core import share as in_percent
from surrogate_nas.space import Enumerable, Space
from surrogate_nas.surrogates.evaluation import kendall
from surrogate_nas.tables import (
    ColumnKey,
    MemoryTable,
    Table,
    TableFile,
    Values,
)
from surrogate_nas.tables.sources import spreadsheet

__all__ = ["LEVELS", "Examination", "Finding", "examine", "examine_file", "is_file"]

Level = Literal["alarm", "warning", "note"]
LEVELS: tuple[Level, ...] = ("alarm", "warning", "note")
"""The levels of findings, the most important first."""

# columns that a line names
_NAMED = 4


@dataclass(frozen=True)
class Finding:
    """A possible fault in one or several columns of a table.

    Attributes:
        level: The severity of the finding: ``alarm``, ``warning`` or ``note``.
        kind: The type of fault in one word, such as ``constant``, ``leak`` or ``missing``.
        columns: Names of the affected columns, such as ``valid_error[12]``; empty if the fault
            concerns the whole table.
        text: A description of the fault.
        numbers: The numbers on which the finding is based, by their names.

    Example:
        >>> print(
        ...     Finding("alarm", "constant", ("latency@mine",), "is 3 for every cell")
        ... )
        latency@mine: is 3 for every cell
    """

    level: Level
    kind: str
    columns: tuple[str, ...]
    text: str
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        more = len(self.columns) - _NAMED
        named = ", ".join(self.columns[:_NAMED]) + (
            f" and {more} more" if more > 0 else ""
        )
        return f"{named}: {self.text}" if named else self.text


@dataclass(frozen=True)
class Examination:
    """The result of examining a table: a summary of its columns, and all findings.

    Attributes:
        name: Name of the examined table.
        n_cells: Number of cells in the table's space.
        n_with_values: Number of cells that have a value in at least one column.
        columns: A summary of each column: its name, kind and unit, the share of cells with a value,
            and the number of distinct values.
        findings: All findings, the most important first.
    """

    name: str
    n_cells: int
    n_with_values: int
    columns: Sequence[Mapping[str, Any]]
    findings: Sequence[Finding]

    def of(self, level: Level) -> list[Finding]:
        """Return all findings of a given level: ``alarm``, ``warning`` or ``note``."""
        return [finding for finding in self.findings if finding.level == level]

    @property
    def headline(self) -> str:
        """The number of cells, columns and findings in one line."""
        counts = [(len(self.of(level)), level) for level in LEVELS]
        counted = ", ".join(
            f"{n or 'no'} {level}{'s' * (n != 1)}" for n, level in counts
        )
        cells = f"{self.n_cells:,} cells"
        if self.n_with_values < self.n_cells:
            cells = f"{self.n_with_values:,} of {cells} with values"
        return (
            f"{self.name}: {cells}, {plural(len(self.columns), 'column')}: {counted}."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the examination as the JSON object that ``snas data doctor --json`` prints."""
        return {
            "name": self.name,
            "cells": self.n_cells,
            "cells_with_values": self.n_with_values,
            "columns": [dict(column) for column in self.columns],
            "findings": [asdict(finding) for finding in self.findings],
        }


# cells that two columns are compared on by rank
_RANKED_CELLS = 3_000
# number of different values below which a column makes no order worth searching
_FEW_VALUES = 20
# deviation of a ratio from constant; a printed number of four digits is no closer
_SAME = 1e-3
# levels of exact relations; others are warnings
_LEVELS: dict[str, Level] = {"leak": "alarm", "record": "note"}


@dataclass(frozen=True, eq=False)
class _Column:
    """A column in the order of the space."""

    name: str
    metric: Metric
    epochs: int | None
    values: Values

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        return np.isfinite(self.values)

    @cached_property
    def finite(self) -> Values:
        return self.values[self.known]

    @cached_property
    def distinct(self) -> tuple[Values, NDArray[np.int64]]:
        values, counts = np.unique(self.finite, return_counts=True)
        return values, counts

    @property
    def is_constant(self) -> bool:
        return len(self.distinct[0]) < 2

    @property
    def description(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.metric.kind,
            "unit": self.metric.unit,
            "known": float(self.known.mean()),
            "distinct": len(self.distinct[0]),
        }


class _Case:
    """A table under examination."""

    def __init__(self, table: TableFile | MemoryTable) -> None:
        self.table = table
        self.space: Enumerable = table.cells
        self._order = np.random.default_rng(0).permutation(len(self.space))
        longest: dict[str, int | None] = {}
        for name, epochs, seed in table.keys:
            metric = table.metrics[name]
            # such as a cell's class
            is_label = metric.kind == "record" and not metric.unit
            if seed == "mean" and not is_label:
                longest[name] = max(longest.get(name) or 0, epochs or 0) or None
        self.columns = [self._column(*run) for run in sorted(longest.items())]

    def _column(self, metric: str, epochs: int | None) -> _Column:
        described = self.table.metrics[metric]
        name = f"{metric}[{epochs}]" if len(described.epochs) > 1 else metric
        values = self.table.column(ColumnKey(metric, epochs, "mean"))
        return _Column(name, described, epochs, values)

    @cached_property
    def n_with_values(self) -> int:
        known = [column.known for column in self.columns]
        return int(np.logical_or.reduce(known).sum()) if known else 0

    @cached_property
    def measured(self) -> list[_Column]:
        return [
            c for c in self.columns if c.metric.kind != "record" and not c.is_constant
        ]

    @cached_property
    def main(self) -> _Column | None:
        losses = [
            c for c in self.measured if c.metric.kind == "search" and c.metric.is_loss
        ]
        words = re.findall(r"[\w.@-]+", self.table.objective)
        named = [c for word in words for c in losses if c.metric.name == word]
        return next(iter([*named, *losses]), None)

    def seeds(self, column: _Column) -> dict[int, Values]:
        run = column.metric.name, column.epochs
        keys = [key for key in self.table.keys if key[:2] == run and key.seed != "mean"]
        return {int(key.seed): self.table.column(key) for key in keys}

    def tau(self, first: Values, second: Values) -> float:
        both = np.isfinite(first) & np.isfinite(second)
        rows = self._order[both[self._order]][:_RANKED_CELLS]
        return kendall(first[rows], second[rows])


def empty_or_constant(case: _Case) -> Iterator[Finding]:
    """Find columns without values, and columns with the same value for (nearly) all cells."""
    if not case.n_with_values:
        names = tuple(column.name for column in case.columns)
        text = "no cell has a value in any column"
        yield Finding("alarm", "empty", names, text)
        return
    for column in case.columns:
        names = (column.name,)
        if not len(column.finite):
            yield Finding("alarm", "empty", names, "has no values")
            continue
        values, counts = column.distinct
        share = float(counts.max() / counts.sum())
        is_searched = column.metric.kind == "search"
        # share of cells with the same value above which a column is hardly a column
        if column.metric.kind == "record" or len(case.space) == 1 or share <= 0.9:
            continue
        text = f"is {values[counts.argmax()]:g} for"
        if column.is_constant:
            level: Level = "alarm" if is_searched else "note"
            yield Finding(
                level, "constant", names, f"{text} every cell: a search is meaningless"
            )
        else:
            level = "warning" if is_searched else "note"
            text += f" {in_percent(share)} of the cells"
            yield Finding(level, "constant", names, text, {"share": share})


def sentinels(case: _Case) -> Iterator[Finding]:
    """Find special codes among measured values, such as -1 for a device that failed."""
    for column in case.measured:
        if column.metric.quantity in ("structure", "proxy"):
            continue
        values, counts = column.distinct
        is_below = values[0] < 0 <= values[1]
        is_above = values[-1] > 10.0 * values[-2] > 0
        for is_far, end, neighbour in ((is_below, 0, 1), (is_above, -1, -2)):
            value, n = float(values[end]), int(counts[end])
            if is_far and n > counts[neighbour] and n >= max(3, 0.005 * counts.sum()):
                text = (
                    f"{n:,} cells have the value {value:g}, which is far from all other values: is"
                    " it a code rather than a measurement?"
                )
                numbers = {"value": value, "cells": float(n)}
                yield Finding("alarm", "mark", (column.name,), text, numbers)


def undeclared(case: _Case) -> Iterator[Finding]:
    """Find columns in % whose values may be fractions, and columns without a declared direction."""
    for column in case.measured:
        metric = column.metric
        if metric.is_share and metric.unit == PERCENT and column.finite.max() <= 1:
            text = (
                "is in %, but no value exceeds 1: if the values are fractions, import the file"
                f" again with --unit {metric.name}=fraction"
            )
            yield Finding("warning", "unit", (column.name,), text)
        if metric.quantity == "undeclared":
            text = (
                "has no declared direction, so it cannot be a term of an objective: import the file"
                f" again with --direction {metric.name}=min or max"
            )
            yield Finding("warning", "direction", (column.name,), text)


def related(case: _Case) -> Iterator[Finding]:
    """Find columns that are exact functions of another column: leaks of final metrics, and
    measurements that are counted twice.
    """
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


def _relation(first: _Column, second: _Column) -> tuple[str, str] | None:
    """Return kind and description of an exact relation between two columns, or None."""
    rows = np.flatnonzero(first.known & second.known)
    a = first.values[rows]
    b = second.values[rows]
    step = max(1, len(rows) // 50)  # most pairs are ruled out by fifty cells
    if len(rows) < 10 or _squared_correlation(a[::step], b[::step]) < 1 - 20 * _SAME:
        return None
    if not (np.ptp(a) and np.ptp(b)):
        return None
    kind = "record" if "record" in (first.metric.kind, second.metric.kind) else "same"
    if np.array_equal(a, b):
        return kind, "equal for every cell"
    if factor := _ratio(a, b):
        multiple, single = first.name, second.name
        if abs(factor) < 1:
            multiple, single, factor = single, multiple, 1 / factor
        return (
            kind,
            f"{multiple} = {factor:.5g} × {single}: one measurement counted twice",
        )
    # deviation of a squared correlation from 1 for an exact line
    if _squared_correlation(a, b) > 1 - 1e-9:
        return kind, "linear functions of each other, like an error and an accuracy"
    return None


def _squared_correlation(a: Values, b: Values) -> float:
    """Return the squared correlation of two columns; 1 if a column is constant."""
    return float(np.corrcoef(a, b)[0, 1] ** 2) if np.ptp(a) and np.ptp(b) else 1.0


def _ratio(a: Values, b: Values) -> float:
    """Return the constant ratio of two columns; 0 if the ratio is not constant."""
    if not (a.all() and b.all()):
        return 0.0
    ratios = a / b
    factor = float(np.median(ratios))
    spread = float(np.std(a) / abs(np.mean(a)))
    deviation = np.quantile(np.abs(ratios / factor - 1), 0.99)
    # the same in units of a column's relative spread: nearly constant columns have constant
    # ratios
    return factor if deviation < min(_SAME, 0.01 * spread) else 0.0


def _nearly_equal(case: _Case, first: _Column, second: _Column) -> Iterator[Finding]:
    """Find a search metric and a final metric with nearly the same order of cells."""
    tau = case.tau(
        *(column.metric.minimised(column.values) for column in (first, second))
    )
    # τ above which two columns order cells alike: two seeds of a training never agree so well
    if abs(tau) > 0.99:
        text = (
            f"τ {tau:.3f} between a search metric and a final metric: are they really from"
            " different splits?"
        )
        yield Finding("warning", "alike", (first.name, second.name), text, {"tau": tau})


def seed_agreement(case: _Case) -> Iterator[Finding]:
    """Report the rank correlation between training seeds. Seed noise limits how well any ranking of
    cells can agree with another.
    """
    taus: dict[str, float] = {}
    for column in case.measured:
        agreements = []
        seeds = case.seeds(column).items() if column.metric.is_loss else ()
        for (one, first), (two, second) in combinations(seeds, 2):
            both = np.isfinite(first) & np.isfinite(second)
            if both.sum() >= _FEW_VALUES and np.array_equal(first[both], second[both]):
                text = (
                    f"seeds {one} and {two} are equal for all {int(both.sum()):,} cells, so they"
                    " are not two trainings"
                )
                yield Finding("alarm", "seeds", (column.name,), text)
            agreements.append(case.tau(first, second))
        if finite := [tau for tau in agreements if math.isfinite(tau)]:
            taus[column.name] = float(np.mean(finite))
    levels: tuple[tuple[Level, bool], ...] = (("warning", True), ("note", False))
    for level, is_low in levels:
        # τ of two seeds below which a fourth of all comparisons would come out differently
        if agreed := {name: tau for name, tau in taus.items() if (tau < 0.5) is is_low}:
            ends = min(agreed.values()), max(agreed.values())
            shown = " to ".join(dict.fromkeys(fixed(end, 2) for end in ends))
            text = f"two seeds agree with τ {shown}: the upper limit for any ranking of cells"
            yield Finding(level, "noise", tuple(agreed), text, {"tau": ends[0]})


def missing(case: _Case) -> Iterator[Finding]:
    """Find missing values. Several columns that lack the values of the same cells yield one
    finding.
    """
    patterns: dict[bytes, list[_Column]] = defaultdict(list)
    for column in case.columns:
        if 0 < len(column.finite) < len(case.space):
            patterns[column.known.tobytes()].append(column)
    for columns in patterns.values():
        n = int((~columns[0].known).sum())
        share = n / len(case.space)
        text = f"{n:,} cells ({in_percent(share)}) have no value"
        is_searched = any(column.metric.kind == "search" for column in columns)
        text += "; a search needs the values of all cells" if is_searched else ""
        names = tuple(column.name for column in columns)
        level: Level = "warning" if is_searched else "note"
        yield Finding(level, "missing", names, text, {"share": share})


def ties(case: _Case) -> Iterator[Finding]:
    """Report ties, that is, cells with exactly the same loss."""
    column = case.main
    if column is None:
        return
    values, counts = column.distinct
    share = float(counts[counts > 1].sum() / counts.sum())
    best = int(counts[-1] if column.metric.larger_is_better else counts[0])
    text = f"{len(values):,} different values; {in_percent(share)} of the cells tie"
    if best > 1:
        text += f", {best:,} of them for the best"
    few = len(values) < _FEW_VALUES <= len(column.finite) / 2
    numbers = {"distinct": float(len(values)), "ties": share, "best": float(best)}
    yield Finding("warning" if few else "note", "ties", (column.name,), text, numbers)


CHECKS: tuple[Callable[[_Case], Iterator[Finding]], ...] = (
    empty_or_constant,
    sentinels,
    undeclared,
    related,
    seed_agreement,
    missing,
    ties,
)
"""The checks, the most important first."""


def examine(table: Benchmark | Table) -> Examination:
    """Examine every column of a table and return the findings.

    The examined column of a metric has the values after the metric's longest training, averaged
    over seeds. In a table of losses, cells with predicted values are omitted.

    Raises:
        UserError: The benchmark is not a table, or one of its columns is damaged.

    Example:
        >>> import surrogate_nas as sn
        >>> examine(sn.load("losses-gridworld")).of("alarm")
        []
    """
    if isinstance(table, FilledBenchmark):
        table = open_table(table.path, LossesBenchmark)
    if isinstance(table, Benchmark):
        if not isinstance(table, TableBenchmark):
            raise UserError(
                f"{table.name} is not a table, so it has no columns to examine."
            )
        case = _Case(table.table)
    else:
        case = _Case(MemoryTable(table, ""))
    # of values near the limits of a float, what is not finite says nothing
    with np.errstate(all="ignore"):
        findings = [finding for check in CHECKS for finding in check(case)]
    findings.sort(key=lambda finding: LEVELS.index(finding.level))
    columns = [column.description for column in case.columns]
    return Examination(
        table.name, len(case.space), case.n_with_values, columns, findings
    )


def examine_file(
    path: Path,
    space: Space,
    declared: spreadsheet.Declared = spreadsheet.NOTHING_DECLARED,
) -> Examination:
    """Examine a CSV or Parquet file before it is imported as a table.

    Args:
        path: Path of the file. `surrogate_nas.tables.sources.spreadsheet` describes the format.
        space: The space to which the cells of the file belong.
        declared: Units and directions of metrics that the file's columns do not declare themselves.

    Raises:
        UserError: The file is invalid, so that it could not be imported.
    """
    table = spreadsheet.read(path, "file", frozenset(), space, declared=declared)
    table.name = path.name
    return examine(table)


def is_file(name: str) -> bool:
    """Return whether a name that a user gave has the suffix of a file that `examine_file`
    can read.
    """
    return Path(name).suffix in spreadsheet.SUFFIXES
