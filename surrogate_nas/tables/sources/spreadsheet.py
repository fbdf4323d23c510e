"""One's own measurements: a CSV or Parquet file with a column of cells and columns of metrics
becomes a table.

The column ``cell`` has each cell as its space prints it, such as
``mlp(width=16, depth=2, act=relu)``. In its place a file may have a column for each position of the
space, named after it, with the chosen option.

A column's name is the metric's: ``valid_error``, ``valid_loss[12]`` (after a run of 12 epochs),
``latency@mine``, with a unit behind it, and a direction behind a semicolon: ``valid_loss[12]
(nats)``, ``val_acc (fraction; max)``. What it is follows from the name: ``…_error`` and
``…_accuracy`` (larger is better) are in % or a fraction, ``latency@…`` in ms, ``energy@…`` in mJ,
``memory@…`` in MB; a loss has no unit unless it is given, as nobody else knows whether it is a
cross-entropy or a squared error; ``test_…`` is only reported and never searched; names such as
``params`` and ``size`` are costs. No objective takes a column of another name whose direction is
not declared. An error or an accuracy without a unit is in % where a value exceeds 1; otherwise the
file is refused. A cell may appear once; a metric's empty entries are cells without a value.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self, cast

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError, reason_of, unknown
from surrogate_nas.core.metrics import (
    PERCENT,
    Direction,
    Metric,
    metric_named,
    undeclared_units,
)
from surrogate_nas.files.paths import printable
from surrogate_nas.space import Cell, ChoiceSpace, Enumerable, Sampled, Space, choices_of, listed
from surrogate_nas.space.network import Network
from surrogate_nas.space.sampled import MOST_CELLS
from surrogate_nas.tables import Table

MOST_COLUMNS = 1_000
_LONGEST_LINE = 1_000_000
_BATCH = 1_000
_PARQUET = (".parquet", ".pq")
SUFFIXES = (".csv", *_PARQUET)
"""Of the files that are read here."""
_LARGEST_GROUP = 400_000_000
"""Bytes of a Parquet file's part once unpacked, as the file itself says."""


def read_rows(path: Path) -> Iterator[list[str]]:
    """The header, and then every row, each with as many entries as the header; empty lines are left
    out.
    """
    if not os.path.isfile(path):
        raise UserError(f"There is no file {printable(path)}.")
    try:
        rows = _parquet(path) if path.suffix in _PARQUET else _csv(path)
        header = next(rows, [])
        if len(header) > MOST_COLUMNS:
            raise UserError(
                f"{printable(path)} has {len(header):,} columns; {MOST_COLUMNS:,} are the most."
            )
        yield header
        for number, row in enumerate(rows, 1):
            if len(row) != len(header):
                raise UserError(
                    f"{printable(path)} has {len(row)} entries in row {number} and {len(header)} in"
                    " its header."
                )
            yield row
    except UserError:
        raise
    except ImportError as error:
        raise UserError(
            f"Reading {printable(path)} needs the package pyarrow: pip install pyarrow; or give a"
            " CSV file."
        ) from error
    except Exception as error:
        reason = printable(reason_of(error))
        raise UserError(f"Cannot read {printable(path)}: {reason:.300}.") from error


def _csv(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from filter(None, csv.reader(_lines(file), strict=True))


def _lines(file: Any) -> Iterator[str]:
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise ValueError(f"a line has {_LONGEST_LINE:,} characters or more")
        yield line


def _parquet(path: Path) -> Iterator[list[str]]:
    from pyarrow import parquet

    schema = parquet.read_schema(path)
    texts = [field.name for field in schema if str(field.type) in ("string", "large_string")]
    with parquet.ParquetFile(path, read_dictionary=texts) as file:
        sizes = [
            file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups)
        ]
        if max(sizes, default=0) > _LARGEST_GROUP:
            raise ValueError(f"a part of it unpacks to {max(sizes):,} bytes")
        yield list(schema.names)
        for batch in file.iter_batches(batch_size=_BATCH):
            columns = [
                ["" if value is None else str(value) for value in column.to_pylist()]
                for column in batch
            ]
            yield from map(list, zip(*columns, strict=True))


CELL_COLUMN = "cell"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.@-]*")
_COLUMN = re.compile(
    r"(?P<metric>[A-Za-z][A-Za-z0-9_.@-]*)(\[(?P<epochs>[1-9][0-9]{0,8})\])?"
    r"( *\((?P<unit>[\w%·/^* .-]{1,40})([;,] *(?P<direction>min|max))?\))?"
)
_LONGEST_NAME = 100
_MOST_VALUES = 50_000_000
"""Of all columns; 400 MB."""
_SHOWN = 5
_MISSING = ("", "nan", "<na>")


class _Column(NamedTuple):
    """A column's metric, the length of its training run, and its numbers by cell."""

    metric: Metric
    epochs: int | None
    values: NDArray[np.float64]


class Declared(NamedTuple):
    """What a user declares of columns beside their names.

    Attributes:
        units: By metric, such as ``{"valid_error": "fraction"}``.
        directions: By metric ``min`` or ``max``.
    """

    units: Mapping[str, str] = {}
    directions: Mapping[str, Direction] = {}

    def check(self, names: Collection[str]) -> None:
        """Refuse declarations of metrics that are not there.

        Args:
            names: Those that are.

        Raises:
            UserError: A declared metric is none of them.
        """
        for name in (*self.units, *self.directions):
            if name not in names:
                raise unknown("metric of the file", name, names)

    def check_shown(self, columns: Mapping[str, Sequence[NDArray[np.float64]]]) -> None:
        """Refuse errors and accuracies without a unit none of whose values exceeds 1.

        Args:
            columns: The values of each metric whose unit is not declared.

        Raises:
            UserError: They may be fractions or in %.
        """
        unclear = []
        for name, values in columns.items():
            known = np.concatenate([one[np.isfinite(one)] for one in values])
            is_share = metric_named(name).unit == PERCENT and name not in self.units
            if is_share and len(known) and known.max() <= 1:
                unclear.append(name)
        if unclear:
            first = unclear[0]
            raise undeclared_units(
                unclear,
                f"--unit {first}=fraction or --unit {first}=%, or in a column's name,"
                f" {first} (fraction)",
            )


NOTHING_DECLARED = Declared()


def check_name(name: str, taken: frozenset[str], *, what: str = "A benchmark") -> None:
    """Refuse a name of a user's that is no word, or another benchmark's."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise UserError(
            f"{what}'s name is at most {_LONGEST_NAME} letters, digits, '_', '-', '.' or '@', "
            f"not {printable(repr(name)):.120}."
        )
    if name in taken:
        raise UserError(f"{name} is another benchmark's name; choose a further one with --name.")


def read(
    path: Path,
    name: str,
    taken: frozenset[str],
    space: Space,
    *,
    advice: str = "",
    declared: Declared = NOTHING_DECLARED,
) -> Table:
    """Read a file into a table; of a space whose cells cannot be listed, into one on the cells that
    the file has.

    `advice` is what a message about a cell that is not of the space ends with, where the space is
    a default. A cell may appear once. `declared` are units and directions that no column names.
    """
    check_name(name, taken)
    rows = read_rows(path)
    header = [entry.strip() for entry in next(rows)]
    naming = _Naming.of(header, space, path, advice)
    cells = (
        _sampled(path, naming, space)
        if isinstance(space, ChoiceSpace) and not isinstance(space, Enumerable)
        else listed(space)
    )
    try:
        columns, with_unit = _columns(naming.others(header), path, cells, declared)
    except UserError:
        if advice:  # the names of metrics are wrong in one space and right in another
            naming.check_first(path, space, advice)
        raise
    n_rows = 0
    rows_read = _Rows(cells)
    for n_rows, row in enumerate(rows, 1):
        if n_rows > len(cells) and cells is space:
            rows_read.check(path, advice)  # at least one row repeats another
        rows_read.add(n_rows, partial(naming.cell, space, row), naming.others(row), columns)
    rows_read.check(path, advice)
    by_metric: dict[str, list[NDArray[np.float64]]] = {}
    for column in columns:
        if column.metric.name not in with_unit:
            by_metric.setdefault(column.metric.name, []).append(column.values)
    declared.check_shown(by_metric)
    return _table(path, name, cells, columns, n_rows)


@dataclass(frozen=True)
class _Naming:
    """How the rows of a file name their cells.

    Attributes:
        places: Of the column ``cell``, or of one column for every position of the space, in its
            order.
        is_text: Whether it is the column ``cell``.
    """

    places: tuple[int, ...]
    is_text: bool

    @classmethod
    def of(
        cls,
        header: Sequence[str],
        space: Space,
        path: Path,
        advice: str,
    ) -> Self:
        """Find the columns in a header."""
        positions = space.positions if isinstance(space, ChoiceSpace) else ()
        is_text = CELL_COLUMN in header
        names = (CELL_COLUMN,) if is_text else tuple(positions)
        if not names or any(header.count(name) != 1 for name in names) or len(header) <= len(names):
            by_position = f", or one for each of {', '.join(positions)}" if positions else ""
            raise UserError(
                f"{printable(path)} needs a column {CELL_COLUMN!r} of cells such as"
                f" {_example(space)}{by_position}; and at least one of a metric, such as"
                f" valid_error.{'' if is_text or len(header) <= 1 else advice}"
            )
        return cls(tuple(header.index(name) for name in names), is_text)

    def others(self, row: Sequence[str]) -> list[str]:
        """The entries of a row that name no cell."""
        return [entry for place, entry in enumerate(row) if place not in self.places]

    def cell(self, space: Space, row: Sequence[str]) -> Cell:
        """The cell of a row.

        Raises:
            UserError: It is none of the space.
        """
        entries = [row[place].strip() for place in self.places]
        if self.is_text:
            return space.cell(entries[0])
        assert isinstance(space, ChoiceSpace)
        named = zip(space.positions, space.options, entries, strict=True)
        return space.at([_option(*each) for each in named])

    def check_first(self, path: Path, space: Space, advice: str) -> None:
        """Say where the first cell of a file is of another space than the one that it is read for
        unasked.
        """
        rows = read_rows(path)
        next(rows)
        for row in rows:
            try:
                self.cell(space, row)
            except UserError as error:
                why = printable(str(error).rstrip("."))
                raise UserError(
                    f"{printable(path)} has 1 wrong entry or more: row 1: {why}.{advice}"
                ) from error
            return


def _option(position: str, options: Sequence[str], entry: str) -> int:
    """Which option of a position an entry names, as text or, of numbers, by its value (16.0 is
    16).
    """
    if entry in options:
        return options.index(entry)
    with suppress(ValueError):
        return [float(option) for option in options].index(float(entry))
    raise UserError(f"{position} is {', '.join(options)}, not {printable(repr(entry)):.80}")


def _example(space: Space) -> str:
    """A cell of a space as it is written in a file."""
    if isinstance(space, ChoiceSpace):
        return space.write((0,) * len(space.positions))
    return space.sample(np.random.default_rng(0)).text


def _sampled(path: Path, naming: _Naming, space: ChoiceSpace) -> Sampled:
    """The cells that a file has of a space; rows that name none are told of when they are read
    again.
    """
    rows = read_rows(path)
    next(rows)
    cells: dict[Cell, None] = {}
    wrong = ""
    for row in rows:
        try:
            cells[naming.cell(space, row)] = None
        except UserError as error:
            wrong = wrong or f": {printable(str(error).rstrip('.'))}"
        if len(cells) > MOST_CELLS:
            raise UserError(
                f"{printable(path)} has more than {MOST_CELLS:,} cells of the space {space.name}."
            )
    if not cells:
        raise UserError(f"{printable(path)} names no cell of the space {space.name}{wrong}.")
    return Sampled(space, choices_of(list(cells)))


def _table(
    path: Path,
    name: str,
    space: Enumerable,
    columns: list[_Column],
    n_rows: int,
) -> Table:
    losses = [c.metric.name for c in columns if c.metric.kind == "search" and c.metric.is_loss]
    table = Table(
        name=name,
        space=space.definition,
        title=f"{n_rows} cells of {printable(path.name)}",
        source=printable(path),
        licence="the user's own",
        citation="",
        objective=losses[0] if losses else "",
        network=Network(),
        cost="queries",
        banner=space.notice if isinstance(space, Sampled) else "",
    )
    for column in columns:
        table.add(*column)
    return table


def _columns(
    header: list[str],
    path: Path,
    space: Enumerable,
    declared: Declared,
) -> tuple[list[_Column], set[str]]:
    """The columns that a header names, without values, and the metrics that declare a unit."""
    if len(header) * len(space) > _MOST_VALUES:
        raise UserError(
            f"{printable(path)} has {len(header):,} columns, too many for {len(space):,} cells."
        )
    columns: list[_Column] = []
    with_unit = set()
    for entry in header:
        metric, epochs, has_unit = _metric(entry, path, space, declared)
        for other in columns:
            if (other.metric.name, other.epochs) == (metric.name, epochs):
                raise UserError(f"{printable(path)} has the column {entry} twice.")
            if other.metric.name == metric.name and other.metric.unit != metric.unit:
                raise UserError(f"{printable(path)} gives {metric.name} in two units.")
            if other.metric.name == metric.name and other.metric.quantity != metric.quantity:
                raise UserError(f"{printable(path)} gives {metric.name} in two directions.")
        columns.append(_Column(metric, epochs, np.full(len(space), np.nan)))
        if has_unit:
            with_unit.add(metric.name)
    declared.check({column.metric.name for column in columns})
    return columns, with_unit


def _metric(
    column: str,
    path: Path,
    space: Enumerable,
    declared: Declared,
) -> tuple[Metric, int | None, bool]:
    """The metric that a column's name means, its epochs, and whether its unit is declared."""
    match = _COLUMN.fullmatch(column)
    if match is None:
        raise UserError(
            f"{printable(path)} has a column {printable(repr(column)):.100}, which names no metric;"
            " right are valid_error, valid_loss[12], valid_loss[12] (nats), val_acc (%; max) or"
            " latency@mine."
        )
    name = match["metric"]
    if name in space.analytic:
        raise UserError(
            f"{printable(path)} has a column {name}, which follows from the cell alone; leave it"
            " out or rename it."
        )
    described = f"column {printable(column)} of {printable(path.name)}"
    unit = declared.units.get(name, "")
    direction = declared.directions.get(name)
    if match["unit"]:
        given = printable(match["unit"].strip())
        if unit not in ("", given):
            raise UserError(f"{printable(path)} gives {name} in {given}, and --unit in {unit}.")
        unit = given
    if match["direction"]:
        if direction not in (None, match["direction"]):
            raise UserError(
                f"{printable(path)} declares {match['direction']} for {name}, and --direction"
                f" {direction}."
            )
        direction = cast(Direction, match["direction"])
    try:
        metric = metric_named(
            name,
            unit=unit,
            direction=direction,
            description=described,
            source=printable(path),
        )
    except UserError as error:
        raise UserError(f"{printable(path)}: {error}") from error
    if metric.quantity == "loss" and not metric.unit:
        metric = replace(metric, description=f"{described}, in a unit that is not given")
    return metric, int(match["epochs"]) if match["epochs"] else None, bool(unit)


class _Rows:
    """What the rows hold, and what is wrong with them; the first row of data is row 1."""

    def __init__(self, space: Enumerable) -> None:
        self._space = space
        self._first_row: dict[int, int] = {}
        self._wrong: list[str] = []
        self._foreign = False
        self._n_wrong = 0

    def add(
        self,
        row: int,
        named: Callable[[], Cell],
        entries: list[str],
        columns: list[_Column],
    ) -> None:
        """Put a row's numbers where they belong."""
        index = self._index(row, named)
        numbers = [
            self._number(row, c.metric, entry.strip())
            for c, entry in zip(columns, entries, strict=True)
        ]
        if index is not None:
            for column, number in zip(columns, numbers, strict=True):
                column.values[index] = number

    def _index(self, row: int, named: Callable[[], Cell]) -> int | None:
        try:
            cell = self._space.cell(named())
        except UserError as error:
            self._foreign = True
            self._note(f"row {row}: {printable(str(error).rstrip('.'))}")
            return None
        first = self._first_row.setdefault(cell.index, row)
        if first != row:
            self._note(f"row {row}: the cell of row {first} again, {printable(cell.text):.120}")
        return cell.index

    def _number(self, row: int, metric: Metric, entry: str) -> float:
        if entry.lower() in _MISSING:
            return np.nan
        try:
            number = float(entry if entry.isascii() and "_" not in entry else "")
        except ValueError:
            self._note(f"row {row}: {metric.name} is {printable(repr(entry)):.80}, no number")
            return np.nan
        if not np.isfinite(number):
            self._note(f"row {row}: {metric.name} is {entry}, not finite")
        elif outside := metric.outside(number):
            self._note(f"row {row}: {metric.name} is {entry}, {outside}")
        return number

    def _note(self, wrong: str) -> None:
        self._n_wrong += 1
        if len(self._wrong) < _SHOWN:
            self._wrong.append(wrong)

    def check(self, path: Path, advice: str) -> None:
        """Say what is wrong, the first few in full."""
        if self._n_wrong:
            more = f" (and {self._n_wrong - _SHOWN} more)" if self._n_wrong > _SHOWN else ""
            entries = "1 wrong entry" if self._n_wrong == 1 else f"{self._n_wrong} wrong entries"
            raise UserError(
                f"{printable(path)} has {entries}:"
                f" {'; '.join(self._wrong)}{more}.{advice if self._foreign else ''}"
            )
