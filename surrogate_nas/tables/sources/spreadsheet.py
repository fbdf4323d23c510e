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
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

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
from surrogate_nas.space import (
    Cell,
    ChoiceSpace,
    Enumerable,
    Sampled,
    Space,
    choices_of,
    listed,
)
from surrogate_nas.tables import Table

if TYPE_CHECKING:
    import pandas as pd

MOST_COLUMNS = 1_000
_PARQUET = (".parquet", ".pq")
SUFFIXES = (".csv", *_PARQUET)
CELL_COLUMN = "cell"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.@-]*")
_COLUMN = re.compile(
    r"(?P<metric>[A-Za-z][A-Za-z0-9_.@-]*)(\[(?P<epochs>[1-9][0-9]{0,8})\])?"
    r"( *\((?P<unit>[\w%·/^* .-]{1,40})([;,] *(?P<direction>min|max))?\))?"
)
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?inf(?:inity)?"
_LONGEST_NAME = 100
_SHOWN = 5
_MISSING = ("", "nan", "<na>")
_Wrong = list[tuple[int, str]]
"""What is wrong with a file: the row, counted from 1, and why."""


def read_frame(path: Path) -> tuple[list[str], pd.DataFrame]:
    """The header of a file, and its rows as texts without the spaces around them."""
    import pandas as pd

    if not os.path.isfile(path):
        raise UserError(f"There is no file {printable(path)}.")
    try:
        if path.suffix in _PARQUET:
            frame = pd.read_parquet(path, dtype_backend="pyarrow")
            header = list(map(str, frame.columns))
            each = frame.itertuples(index=False, name=None)
            rows = [["" if value is pd.NA else str(value) for value in row] for row in each]
        else:
            with path.open(encoding="utf-8-sig", newline="") as file:
                lines = filter(None, csv.reader(file, strict=True))
                header = next(lines, [])
                rows = list(lines) if len(header) <= MOST_COLUMNS else []
    except ImportError as error:
        raise UserError(
            f"Reading {printable(path)} needs the package pyarrow: pip install pyarrow; or give a"
            " CSV file."
        ) from error
    except Exception as error:
        reason = printable(reason_of(error))
        raise UserError(f"Cannot read {printable(path)}: {reason:.300}.") from error
    if len(header) > MOST_COLUMNS:
        raise UserError(
            f"{printable(path)} has {len(header):,} columns; {MOST_COLUMNS:,} are the most."
        )
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise UserError(
                f"{printable(path)} has {len(row)} entries in row {number} and {len(header)} in"
                " its header."
            )
    texts = pd.DataFrame(rows, columns=range(len(header)), dtype=str)
    return [entry.strip() for entry in header], texts.apply(
        lambda column: column.str.strip()
    )


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
        raise UserError(
            f"{name} is another benchmark's name; choose a further one with --name."
        )


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
    header, frame = read_frame(path)
    if isinstance(space, Enumerable):
        frame = frame.head(len(space) + 1)  # one row more repeats another
    naming = _naming(header, space, path, advice)
    entries = zip(*(frame[place] for place in naming), strict=True)
    found, wrong = _cells(entries, space, is_text=header[naming[0]] == CELL_COLUMN)
    advice = advice if wrong else ""
    held = _held(path, space, found, wrong)
    others = [place for place in range(len(header)) if place not in naming]
    try:
        columns, with_unit = _columns(
            [header[place] for place in others], path, held, declared
        )
    except UserError:
        if advice:  # the names of metrics are wrong in one space and right in another
            raise _refused(path, wrong, advice) from None
        raise
    rows = np.array(list(found), dtype=np.intp)
    places = np.array([held.index(cell) for cell in found.values()], dtype=np.intp)
    first: dict[int, int] = {}
    for row, place in zip(rows.tolist(), places.tolist(), strict=True):
        if (earlier := first.setdefault(place, row)) != row:
            again = (
                f"the cell of row {earlier + 1} again, {printable(found[row].text):.120}"
            )
            wrong.append((row, again))
    by_metric: dict[str, list[NDArray[np.float64]]] = {}
    table = _table(path, name, held, [metric for metric, _ in columns], len(frame))
    for place, (metric, epochs) in zip(others, columns, strict=True):
        numbers = _numbers(frame[place], metric, wrong)
        values = np.full(len(held), np.nan)
        values[places] = numbers[rows]
        table.add(metric, epochs, values)
        if metric.name not in with_unit:
            by_metric.setdefault(metric.name, []).append(values)
    if wrong:
        raise _refused(path, wrong, advice)
    declared.check_shown(by_metric)
    return table


def _naming(
    header: Sequence[str], space: Space, path: Path, advice: str
) -> tuple[int, ...]:
    """The places of the columns that name cells: of ``cell``, or of one for every position."""
    positions = space.positions if isinstance(space, ChoiceSpace) else ()
    is_text = CELL_COLUMN in header
    names = (CELL_COLUMN,) if is_text else tuple(positions)
    if (
        not names
        or any(header.count(name) != 1 for name in names)
        or len(header) <= len(names)
    ):
        by_position = f", or one for each of {', '.join(positions)}" if positions else ""
        example = (
            space.write((0,) * len(space.positions))
            if isinstance(space, ChoiceSpace)
            else space.sample(np.random.default_rng(0)).text
        )
        raise UserError(
            f"{printable(path)} needs a column {CELL_COLUMN!r} of cells such as"
            f" {example}{by_position}; and at least one of a metric, such as"
            f" valid_error.{'' if is_text or len(header) <= 1 else advice}"
        )
    return tuple(header.index(name) for name in names)


def _cells(
    rows: Iterator[tuple[str, ...]], space: Space, *, is_text: bool
) -> tuple[dict[int, Cell], _Wrong]:
    """The cells by row, from 0, and the rows that name none."""
    found: dict[int, Cell] = {}
    wrong: _Wrong = []
    for row, entries in enumerate(rows):
        try:
            if is_text:
                found[row] = space.cell(entries[0])
            else:
                assert isinstance(space, ChoiceSpace)
                named = zip(space.positions, space.options, entries, strict=True)
                found[row] = space.at([_option(*each) for each in named])
        except UserError as error:
            wrong.append((row, printable(str(error).rstrip("."))))
    return found, wrong


def _option(position: str, options: Sequence[str], entry: str) -> int:
    """Which option of a position an entry names, as text or, of numbers, by its value (16.0 is
    16).
    """
    if entry in options:
        return options.index(entry)
    with suppress(ValueError):
        return [float(option) for option in options].index(float(entry))
    raise UserError(f"{position} is {', '.join(options)}, not {printable(repr(entry)):.80}")


def _held(path: Path, space: Space, found: Mapping[int, Cell], wrong: _Wrong) -> Enumerable:
    """The space of the table: the space itself, or the cells that a file has of it."""
    if not isinstance(space, ChoiceSpace) or isinstance(space, Enumerable):
        return listed(space)
    if not found:
        why = f": {wrong[0][1]}" if wrong else ""
        raise UserError(f"{printable(path)} names no cell of the space {space.name}{why}.")
    return Sampled(space, choices_of(list(dict.fromkeys(found.values()))))


def _table(
    path: Path, name: str, space: Enumerable, metrics: list[Metric], n_rows: int
) -> Table:
    losses = [
        metric.name for metric in metrics if metric.kind == "search" and metric.is_loss
    ]
    return Table(
        name=name,
        space=space.definition,
        title=f"{n_rows} cells of {printable(path.name)}",
        source=printable(path),
        licence="the user's own",
        objective=losses[0] if losses else "",
        cost="queries",
        banner=space.notice if isinstance(space, Sampled) else "",
    )


def _columns(
    header: list[str], path: Path, space: Enumerable, declared: Declared
) -> tuple[list[tuple[Metric, int | None]], set[str]]:
    """The metrics and epochs that a header names, and the metrics that declare a unit."""
    columns: list[tuple[Metric, int | None]] = []
    with_unit = set()
    for entry in header:
        metric, epochs, has_unit = _metric(entry, path, space, declared)
        for other, other_epochs in columns:
            if (other.name, other_epochs) == (metric.name, epochs):
                raise UserError(f"{printable(path)} has the column {entry} twice.")
            if other.name == metric.name and other.unit != metric.unit:
                raise UserError(f"{printable(path)} gives {metric.name} in two units.")
            if other.name == metric.name and other.quantity != metric.quantity:
                raise UserError(f"{printable(path)} gives {metric.name} in two directions.")
        columns.append((metric, epochs))
        if has_unit:
            with_unit.add(metric.name)
    declared.check({metric.name for metric, _ in columns})
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
            raise UserError(
                f"{printable(path)} gives {name} in {given}, and --unit in {unit}."
            )
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


def _numbers(entries: pd.Series[str], metric: Metric, wrong: _Wrong) -> NDArray[np.float64]:
    """The numbers of a column, NaN where there is none; what is wrong is noted."""
    is_number = entries.str.fullmatch(_NUMBER, case=False, flags=re.ASCII)
    numbers = np.asarray(entries.where(is_number, "nan"), dtype=np.float64)
    is_missing = entries.str.lower().isin(_MISSING)
    for row in np.flatnonzero(~is_number & ~is_missing).tolist():
        shown = f"{printable(repr(entries[row])):.80}"
        wrong.append((row, f"{metric.name} is {shown}, no number"))
    for row in np.flatnonzero(is_number).tolist():
        outside = (
            metric.outside(numbers[row]) if np.isfinite(numbers[row]) else "not finite"
        )
        if outside:
            wrong.append((row, f"{metric.name} is {entries[row]}, {outside}"))
    return numbers


def _refused(path: Path, wrong: _Wrong, advice: str) -> UserError:
    ordered = sorted(wrong, key=lambda one: one[0])
    shown = "; ".join(f"row {row + 1}: {why}" for row, why in islice(ordered, _SHOWN))
    more = f" (and {len(wrong) - _SHOWN} more)" if len(wrong) > _SHOWN else ""
    entries = "1 wrong entry" if len(wrong) == 1 else f"{len(wrong)} wrong entries"
    return UserError(f"{printable(path)} has {entries}: {shown}{more}.{advice}")
