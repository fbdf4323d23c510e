"""Benchmarks that read all values from a table of earlier measurements."""

import hashlib
import json
import os
from collections.abc import Collection, Sequence, Set
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from surrogate_nas.benchmarks.base import (
    Benchmark,
    Measurement,
    Question,
    Values,
    formula,
    lengths_of,
    sizes_of,
    untrained,
)
from surrogate_nas.core import PERCENT, UserError
from surrogate_nas.files import home
from surrogate_nas.space import Cell, Enumerable
from surrogate_nas.tables import (
    UNKNOWN_SEEDS,
    ColumnKey,
    Contents,
    MemoryTable,
    Run,
    Seed,
    TableFile,
    runs_of,
)
from surrogate_nas.tables.table import TEXTS, epochs_text

_CHARGES = {
    "queries": "An evaluation is charged one query; the benchmark has no training times.",
    "seconds": (
        "An evaluation is charged the seconds of the training runs that it reads plus one"
        " validation pass each, as far as the benchmark records them; metrics that need no training"
        " are free."
    ),
}
_NO_PASSES = (
    "An evaluation is charged the seconds of the training runs that it reads, as the benchmark"
    " records them; it records no times of validation passes, so these are free, as are metrics"
    " that need no training."
)
_TRAINING = "train_seconds"
_PASS = "valid_seconds"
CHARGED = (_TRAINING, _PASS)
"""The metrics by which an evaluation is charged."""


_OF_THE_TABLE = {*TEXTS, "network"} - {"space", "cost", "epochs"}


def modified(path: Path) -> int:
    """Return the time of a file's last modification in nanoseconds; 0 if the file does
    not exist.
    """
    return path.stat().st_mtime_ns if os.path.isfile(path) else 0


def open_table(
    path: Path, kind: "type[TableBenchmark] | None" = None
) -> "TableBenchmark":
    """Open a table. If this process has the table open and the file has not changed, return the
    open table.
    """
    return _opened(path, kind or TableBenchmark, modified(path), home())


def open_in_server(described: str) -> None:
    """Open a table in the fork server of workers, and read the columns that the workers need.

    Args:
        described: The path of the table, and the metrics and the training seed of an objective, as
            a JSON list.
    """
    path, questions, seed = json.loads(described)
    benchmark = open_table(Path(path))
    cell = benchmark.space.sample(np.random.default_rng(0))
    benchmark.measure([cell], [Question(*question) for question in questions], seed)


@lru_cache(maxsize=16)
def _opened(
    path: Path, kind: "type[TableBenchmark]", *version: object
) -> "TableBenchmark":
    return kind(path)


def _open_again(
    path: Path, kind: "type[TableBenchmark]", digest: str, contents: Contents
) -> "TableBenchmark":
    """Open a table in another process, with the content that it had in this process."""
    benchmark = open_table(path, kind)
    if benchmark.table.digest != digest:
        benchmark = benchmark.only(runs_of(contents))
    if benchmark.table.digest != digest:
        changes = (
            ", ".join(differing(contents, benchmark.contents)) or "cells or network"
        )
        raise UserError(
            f"While {path} was in use, it was replaced by a table with other numbers ({changes})."
            " Restore the earlier file and repeat the command."
        )
    return benchmark


def differing(first: Contents, second: Contents) -> list[str]:
    """Return the columns of a first table that differ from, or are missing in, a second table."""
    return [
        name if spelled == epochs_text(None) else f"{name}[{spelled}]"
        for name, runs in first.items()
        for spelled, digest in runs.items()
        if second.get(name, {}).get(spelled) != digest
    ]


class TableBenchmark(Benchmark):
    """A benchmark whose values come from an HDF5 table (`surrogate_nas.tables`). Sizes of networks
    are computed from the cell.

    A query costs the seconds of the training that it reads plus one validation pass, as the table
    records them. If the table records no times, a query costs one unit.

    Attributes:
        card: A JSON object that describes how the values were measured, or empty.
        table: The table that contains the columns of values.

    Example:
        >>> from surrogate_nas.files import shipped
        >>> bench = TableBenchmark(shipped("fashion.h5"))
        >>> bench.column("valid_error", epochs=5).shape
        (15625,)
    """

    has_columns = True
    space: Enumerable
    card: str

    def __init__(self, path: Path) -> None:
        """Open a table. Columns are read when they are first needed.

        Raises:
            UserError: The file is missing or damaged, or has another format.
        """
        self.path = path
        self._hold(self._read_table(path))

    def _hold(self, table: TableFile | MemoryTable) -> None:
        self.table = table
        vars(self).update({name: getattr(table, name) for name in _OF_THE_TABLE})
        self.cost_unit = "queries" if table.cost == "queries" else "seconds"
        self.charge = _CHARGES[self.cost_unit]
        self._charged = [_TRAINING, *({_PASS} & table.metrics.keys())]
        if self.cost_unit == "seconds" and _PASS not in self._charged:
            self.charge = _NO_PASSES
        self.one_curve = table.epochs == "curve" and self.cost_unit == "seconds"
        if self.one_curve:
            self.charge += (
                " Continuing a training costs the difference and a validation pass."
            )
        self.space = table.cells
        stored = table.metrics.keys() - self.space.analytic.keys()
        self.metrics = (*table.metrics.values(), *sizes_of(self.space, stored))
        self._costs: dict[tuple[tuple[int | None, ...], Seed], Values] = {}
        self._unsaid = ColumnKey("train_seconds", None, "mean") in table.keys
        self._counts: dict[Question, Any] = {}
        self._seeds: dict[tuple[str, int | None], list[int]] = {}
        for metric, epochs, seed in table.keys:
            if seed != "mean":
                self._seeds.setdefault((metric, epochs), []).append(seed)

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_again, (self.path, type(self), self.table.digest, self.contents)

    def _read_table(self, path: Path) -> TableFile | MemoryTable:
        return TableFile(path)

    @property
    def contents(self) -> Contents:
        """Digests of the table's columns by metric and training length. The mapping is empty if
        `fingerprint` covers the columns.
        """
        return self.table.contents

    def only(self, runs: Collection[Run]) -> "TableBenchmark":
        """Return the benchmark with only some columns of its table, for example as it was before
        other columns were added.
        """
        if not isinstance(self.table, TableFile):
            return self
        part = object.__new__(type(self))
        vars(part).update({**vars(self), "_columns": self._columns})
        vars(part).pop("_by_name", None)
        part._hold(self.table.only(runs))
        part.more = ""
        return part

    @property
    def fingerprint(self) -> str:
        """A digest of the table's columns, as the table's file stores it."""
        return hashlib.sha256(f"table {self.table.digest}".encode()).hexdigest()

    @property
    def columns(self) -> Set[ColumnKey]:
        """The keys of the table's columns. Each key has a metric, epochs and a training seed."""
        return self.table.keys

    def _column(self, question: Question, seed: Seed) -> Values:
        return super()._column(question, "mean" if question.epochs is None else seed)

    def _whole(self, question: Question, seed: Seed) -> Values:
        key = ColumnKey(question.metric, question.epochs, seed)
        if key in self.table.keys:
            return self.table.column(key)
        if key.metric in untrained(self.space) and key.metric not in self.table.metrics:
            return formula(self.space, key.metric, self.network, self.space)
        seeds = ", ".join(sorted(map(str, self.seeds(question))))
        available = (
            f"for the seeds {seeds} and their mean"
            if seeds
            else "only the mean over seeds"
        )
        raise UserError(
            f"{self.name} does not have {question} for seed {seed}, but {available}."
        )

    def measure(
        self,
        cells: Sequence[Cell],
        questions: Sequence[Question],
        training_seed: Seed = "mean",
    ) -> Measurement:
        """Look up the values of several metrics for several cells in the table.

        Raises:
            UserError: A requested training seed or value is not in the table.
        """
        whole = cells is self.space
        index = np.arange(len(cells)) if whole else [cell.index for cell in cells]
        values = np.empty((len(index), len(questions)))
        for j, question in enumerate(questions):
            values[:, j] = self._column(question, training_seed)[index]
        for row, column in zip(*np.isnan(values).nonzero(), strict=True):
            raise self._missing(cells[row], questions[column], training_seed)
        return Measurement(values, self._spent(questions, training_seed)[index])

    def check_value(self, question: Question, value: float) -> None:
        """Check a metric's value that a caller has measured.

        Raises:
            UserError: The metric cannot have this value, or the value is a fraction although the
                metric is in %.
        """
        super().check_value(question, value)
        metric = self.metric(question.metric)
        is_small = metric.is_share and metric.unit == PERCENT and value <= 1
        if is_small and np.nanmin(self._column(question, "mean")) > 1:
            raise UserError(
                f"{question} of {self.name} is in %, and no cell has a value of 1 or less: pass"
                f" {100 * value:g} if {value:g} is a fraction."
            )

    def _spent(self, questions: Sequence[Question], seed: Seed) -> Values:
        """Return the cost of the trainings that questions read, for every cell."""
        runs = lengths_of(questions)
        all_runs = self._unsaid and any(
            q.epochs is None and self._by_name[q.metric].is_loss for q in questions
        )
        return self._cost((*runs, None) if all_runs else tuple(runs), seed)

    def _missing(self, cell: Cell, question: Question, seed: Seed) -> UserError:
        present = int(np.isfinite(self._column(question, seed)).sum())
        which = "mean" if seed == "mean" else f"seed {seed}"
        return UserError(
            f"{self.name} has no {question} for {cell} ({which}); it has values for {present} of"
            f" {len(self.space)} cells."
        )

    def _cost(self, runs: tuple[int | None, ...], seed: Seed) -> Values:
        """Return the cost of trainings for every cell; None is a training of unknown length."""
        if (runs, seed) not in self._costs:
            cost = np.full(len(self.space), float(self.cost_unit == "queries"))
            for epochs in runs if self.cost_unit == "seconds" else ():
                cost = cost + sum(self._seconds(part, epochs) for part in self._charged)
            self._costs[runs, seed] = cost
        return self._costs[runs, seed]

    def continued(
        self,
        cell: Cell,
        since: int,
        epochs: int,
        metrics: Sequence[str] = (),
        *,
        training_seed: Seed | None = None,
    ) -> float:
        """Return the seconds of training from `since` to `epochs`, plus one validation pass.

        Raises:
            UserError: The two numbers of epochs belong to separate trainings, or the table does not
                have them.
        """
        if not self.one_curve:
            return super().continued(cell, since, epochs, metrics)
        index = self.space.index(cell)
        since_then = sum(self._seconds(part, epochs)[index] for part in self._charged)
        return float(since_then - self._seconds(_TRAINING, since)[index])

    def _seconds(self, name: str, epochs: int | None) -> Values:
        return self._column(self.question(name, epochs), "mean")

    def n_seeds(
        self, cell: Cell, question: Question, training_seed: Seed
    ) -> int | None:
        """Return the number of training seeds behind a value; None if the source does not report
        this number.
        """
        if training_seed != "mean" and question.epochs is not None:
            return 1
        if question.metric not in self.table.metrics:
            return None
        if question not in self._counts:
            self._counts[question] = self.table.n_seeds(*question).tolist()
        count: int = self._counts[question][cell.index]
        return None if count == UNKNOWN_SEEDS else count

    def seeds(self, question: Question) -> tuple[int, ...]:
        """Return the training seeds for which the table has single values of a metric, in
        increasing order. Some cells may lack a value for some training seeds.
        """
        return tuple(sorted(self._seeds.get(question, ())))

    def source_of(self, question: Question) -> str:
        """Return the origin of a metric's values at a training length, as a text."""
        return self.table.sources.get(question, self._by_name[question.metric].source)

    def scale(
        self, question: Question, training_seed: Seed = "mean"
    ) -> tuple[float, float]:
        """Return the median and the worst value of a metric over the space.

        Raises:
            UserError: Some cells of the space have no value of the metric.
        """
        values = self._column(question, training_seed)
        present = int(np.isfinite(values).sum())
        if present < len(values):
            raise UserError(
                f"{self.name} has {question} for {present} of {len(values)} cells only; "
                "a search needs it for all cells."
            )
        return float(np.median(values)), self.metric(question.metric).worst(values)
