"""A table under examination: its columns, forests that learn them, ranks of two."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.space import Cell, Enumerable
from surrogate_nas.surrogates import Surrogate, make_model
from surrogate_nas.surrogates.bagging import default_encoding
from surrogate_nas.surrogates.evaluation import kendall
from surrogate_nas.tables import ColumnKey, MemoryTable, PartOfTable, TableFile, Values
from surrogate_nas.tables.sources.spreadsheet import Repeat

ROWS = 1_500
"""What forests learn from: the standard error of τ is .017 then, and a forest takes a tenth of a
second.
"""
_FOREST: dict[str, Any] = {"parts": 3, "trees": 10, "column_sample": 0.25}
"""Three forests of ten trees, each blind to a third of the cells."""
_MOST_FORESTS = 60
"""Columns that get forests of `ROWS` cells each; of more columns each gets fewer cells, so that the
time is bounded.
"""
FEWEST = 200
"""Cells below which a forest says nothing: τ has a standard error of .05 there, and a sound column
of a hard task, learned from so few cells, may look like noise.
"""
PAIR_ROWS = 3_000
"""Cells that two columns are compared on by rank."""
_SIGNIFICANT = 3.0
"""Standard errors: of a dozen tables of sixty columns of noise, one has a column that passes for
data.
"""
LEAST_CLUSTER = 5
"""Cells of a cluster: fewer are outliers."""
PAIRED = 400
"""Cells of each cluster whose pairs are counted."""
FEW_VALUES = 20
"""Different values below which a column makes no order worth searching."""
BINS = 10
"""Parts of about equal R within which L is looked at."""


@dataclass(frozen=True, eq=False)
class Column:
    """A column in the order of the space; `is_computed` if it follows from the cell alone."""

    name: str
    metric: Metric
    epochs: int | None
    values: Values
    is_computed: bool = False

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Whether each cell has a value, shape ``(cells,)``."""
        return np.isfinite(self.values)

    @cached_property
    def finite(self) -> Values:
        """The values that there are."""
        return self.values[self.known]

    @cached_property
    def distinct(self) -> tuple[Values, NDArray[np.int64]]:
        """The different values, rising, and how many cells have each."""
        values, counts = np.unique(self.finite, return_counts=True)
        return values, counts

    @property
    def is_constant(self) -> bool:
        """Whether all cells have one value."""
        return len(self.distinct[0]) < 2

    @property
    def searched(self) -> bool:
        """Whether a search may see the metric."""
        return self.metric.kind == "search"

    @property
    def is_record(self) -> bool:
        """Whether the metric is a record of the training, such as its seconds."""
        return self.metric.kind == "record"


def down(column: Column) -> Values:
    """A column's values such that smaller is better."""
    return column.metric.minimised(column.values)


@dataclass(frozen=True)
class Forest:
    """A forest's predictions out of fold, on ranks of both sides, so that no outlier decides."""

    rows: NDArray[np.intp]
    predicted: Values
    r2: float
    tau: float


class Case:
    """A table under examination."""

    def __init__(
        self,
        name: str,
        table: TableFile | PartOfTable | MemoryTable,
        repeats: Sequence[Repeat],
    ) -> None:
        self.name = name
        self.table = table
        self.repeats = repeats
        self.space: Enumerable = table.cells
        self.order = np.random.default_rng(0).permutation(len(self.space))
        longest: dict[str, int | None] = {}
        for metric, epochs, seed in table.keys:
            described = table.metrics[metric]
            is_label = described.kind == "record" and not described.unit  # such as a cell's class
            if seed == "mean" and not is_label:
                longest[metric] = max(longest.get(metric) or 0, epochs or 0) or None
        self.columns = [self.column(metric, epochs) for metric, epochs in sorted(longest.items())]
        self._forests: dict[str, Forest | None] = {}

    def column(self, metric: str, epochs: int | None) -> Column:
        """A column of means."""
        described = self.table.metrics[metric]
        name = f"{metric}[{epochs}]" if len(described.epochs) > 1 else metric
        values = self.table.column(ColumnKey(metric, epochs, "mean"))
        return Column(name, described, epochs, values, described.source == "computed")

    @cached_property
    def n_with_values(self) -> int:
        """How many cells have a value in some column."""
        known = np.zeros(len(self.space), dtype=np.bool_)
        for column in self.columns:
            known |= column.known
        return int(known.sum())

    @cached_property
    def measured(self) -> list[Column]:
        """Columns that are neither constant nor records of costs."""
        return [
            column for column in self.columns if not column.is_record and not column.is_constant
        ]

    @cached_property
    def computed(self) -> list[Column]:
        """What follows from the cell alone, where the table has nothing measured by that name."""
        measured = {column.metric.name for column in self.columns}
        columns = []
        for name, (metric, function) in self.space.analytic.items():
            if name not in measured:
                sizes = function(self.space.choices, self.table.network)
                values = np.asarray(sizes, dtype=np.float64)
                columns.append(Column(name, metric, None, values, is_computed=True))
        return [column for column in columns if not column.is_constant]

    @cached_property
    def sound(self) -> list[Column]:
        """Of `measured` what has some relation with the cells, or is too short to know."""
        return [column for column in self.measured if not self.is_unrelated(column)]

    @cached_property
    def main(self) -> Column | None:
        """The loss of the search: the first that the objective names, else the first of all."""
        losses = [column for column in self.sound if column.searched and column.metric.is_loss]
        by_name = {column.metric.name: column for column in losses}
        for word in re.findall(r"[\w.@-]+", self.table.objective):
            if word in by_name:
                return by_name[word]
        return losses[0] if losses else None

    def tau(self, first: Values, second: Values) -> float:
        """τ of two columns over at most `PAIR_ROWS` cells that have both."""
        both = np.isfinite(first) & np.isfinite(second)
        rows = self.order[both[self.order]][:PAIR_ROWS]
        return kendall(first[rows], second[rows])

    def forest(self, column: Column) -> Forest | None:
        """A forest on the encoding of cells; None with too few cells, or without its library."""
        if column.name not in self._forests:
            self._forests[column.name] = self._grown(column)
        return self._forests[column.name]

    def _grown(self, column: Column) -> Forest | None:
        if len(column.finite) < FEWEST or column.is_constant:
            return None
        share = min(1.0, _MOST_FORESTS / len(self.measured)) if self.measured else 1.0
        rows = self.order[column.known[self.order]][: max(int(ROWS * share), FEWEST)]
        if np.ptp(column.values[rows]) == 0:
            return None
        ranks = _ranks(column.values[rows])
        model = self.fitted(column.metric, rows, ranks)
        if model is None:
            return None
        predicted = model.held_out.mean
        r2 = 1 - float(((predicted - ranks) ** 2).mean() / ranks.var())
        return Forest(rows, predicted, r2, kendall(predicted, ranks))

    def fitted(
        self,
        metric: Metric,
        rows: NDArray[np.intp],
        values: Values,
    ) -> Surrogate | None:
        """A forest that learned some rows; None without the library behind it."""
        wanted = (default_encoding(metric.quantity), "numbers", "one_hot")
        encoding = next((name for name in wanted if name in self.space.encodings), "one_hot")
        try:
            model = make_model("extra_trees", "structure", encoding=encoding, **_FOREST)
        except UserError:  # it is not installed
            return None
        return model.fit(self.cells(rows), values, self.space)

    def cells(self, rows: NDArray[np.intp]) -> list[Cell]:
        """Cells by their places."""
        return [self.space[int(row)] for row in rows]

    def is_unrelated(self, column: Column) -> bool:
        """Whether cells say nothing of a column: R² not above 0 and τ within its error of 0."""
        forest = self.forest(column)
        return (
            forest is not None
            and forest.r2 <= 0
            and forest.tau < _SIGNIFICANT * _error_of_tau(len(forest.rows))
        )

    def others(self, column: Column) -> list[Column]:
        """All measured columns but one."""
        return [other for other in self.measured if other is not column]

    def described(self, column: Column) -> dict[str, Any]:
        """What is said of a column where all are listed."""
        forest = self._forests.get(column.name)
        return {
            "name": column.name,
            "kind": column.metric.kind,
            "unit": column.metric.unit,
            "known": len(column.finite) / len(self.space),
            "distinct": len(column.distinct[0]),
            "r2": forest.r2 if forest else None,
            "tau": forest.tau if forest else None,
        }


def _ranks(values: Values) -> Values:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values) / len(values), dtype=np.float64)


def _error_of_tau(n: int) -> float:
    """The standard error of τ between two unrelated columns without ties (Kendall, 1938)."""
    return math.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1)))
