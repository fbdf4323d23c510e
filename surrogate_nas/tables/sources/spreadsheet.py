"""One's own measurements: a CSV or Parquet file of cells and metrics becomes a table.

The column ``cell`` has each cell as its space prints it, such as ``mlp(width=16, depth=2)``.
Instead, a file may have a column for each position of the space with the chosen option.

The name of any other column is a metric's, with epochs, a unit and a direction:
``valid_loss[12] (nats)``, ``val_acc (fraction; max)``, ``latency@mine``. See
`surrogate_nas.core.metrics.metric_named` for what follows from a name. A loss has no unit unless it
is given. An error or an accuracy without a unit is in % if a value exceeds 1; otherwise the file is
refused. A cell may appear once. Empty entries are missing values.
"""

import csv
import math
import os
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from surrogate_nas.core import (
    PERCENT,
    Direction,
    Metric,
    UserError,
    metric_named,
    reason_of,
    undeclared_units,
    unknown,
)
from surrogate_nas.files.whole import printable
from surrogate_nas.space import (
    Cell,
    ChoiceSpace,
    Enumerable,
    Sampled,
    Space,
    choices_of,
    listed,
)
from surrogate_nas.tables import Table, Values

_MOST_COLUMNS = 1_000
_PARQUET = (".parquet", ".pq")
SUFFIXES = (".csv", *_PARQUET)
_CELL = "cell"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.@-]*")
_COLUMN = re.compile(
    r"(?P<metric>[A-Za-z][A-Za-z0-9_.@-]*)(\[(?P<epochs>[1-9][0-9]{0,8})\])?"
    r"( *\((?P<unit>[\w%·/^* .-]{1,40})([;,] *(?P<direction>min|max))?\))?"
)
_NUMBER = re.compile(
    r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?inf(?:inity)?",
    re.ASCII | re.IGNORECASE,
)
_LONGEST_NAME = 100
_SHOWN = 5
_MISSING = ("", "nan", "<na>")
# Wrong entries: the row, from 0, and why.
_Wrong = list[tuple[int, str]]


def _read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Read the header of a file, and its rows as texts without the spaces around them."""
    shown = printable(path)
    if not os.path.isfile(path):
        raise UserError(f"There is no file {shown}.")
    try:
        if path.suffix in _PARQUET:
            import pandas as pd

            frame = pd.read_parquet(path, dtype_backend="pyarrow")
            header = list(map(str, frame.columns))
            records = frame.itertuples(index=False, name=None)
            rows = [
                ["" if value is pd.NA else str(value) for value in row]
                for row in records
            ]
        else:
            with path.open(encoding="utf-8-sig", newline="") as file:
                lines = filter(None, csv.reader(file, strict=True))
                header = next(lines, [])
                rows = list(lines) if len(header) <= _MOST_COLUMNS else []
    except ImportError as error:
        raise UserError(
            f"Reading {shown} needs the package pyarrow: pip install pyarrow; or give a CSV file."
        ) from error
    except Exception as error:
        reason = printable(reason_of(error))
        raise UserError(f"Cannot read {shown}: {reason:.300}.") from error
    n = len(header)
    if n > _MOST_COLUMNS:
        raise UserError(f"{shown} has {n:,} columns; {_MOST_COLUMNS:,} are the most.")
    for number, row in enumerate(rows, 1):
        if len(row) != n:
            raise UserError(
                f"{shown} has {len(row)} entries in row {number} and {n} in its header."
            )
    return [entry.strip() for entry in header], [
        list(map(str.strip, row)) for row in rows
    ]


class Declared(NamedTuple):
    """Declarations of a user in addition to the names of columns.

    Attributes:
        units: By metric, such as ``{"valid_error": "fraction"}``.
        directions: By metric ``min`` or ``max``.
    """

    units: Mapping[str, str] = {}
    directions: Mapping[str, Direction] = {}


NOTHING_DECLARED = Declared()


def _check_name(name: str, taken: Collection[str]) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise UserError(
            f"A benchmark's name is at most {_LONGEST_NAME} letters, digits, '_', '-', '.' or '@', "
            f"not {printable(repr(name)):.120}."
        )
    if name in taken:
        raise UserError(
            f"{name} is another benchmark's name; choose a further one with --name."
        )


def read(
    path: Path,
    name: str,
    taken: Collection[str],
    space: Space,
    *,
    advice: str = "",
    declared: Declared = NOTHING_DECLARED,
) -> Table:
    """Read a file into a table; if cells of the space cannot be listed, on those of the file.

    Args:
        path: The file.
        name: The benchmark's name, none of `taken`.
        taken: Names of other benchmarks.
        space: The space of the cells.
        advice: The end of messages about cells that are not of the space.
        declared: Units and directions that no column names.

    Raises:
        UserError: The file cannot be read, or an entry is wrong.
    """
    _check_name(name, taken)
    shown = printable(path)
    header, rows = _read_rows(path)
    if isinstance(space, Enumerable):
        rows = rows[: len(space) + 1]  # one row more repeats another
    naming = _naming(header, space, shown, advice)
    named = [[entries[index] for index in naming] for entries in rows]
    cells, wrong = _cells(named, space, is_text=header[naming[0]] == _CELL)
    advice = advice if len(cells) < len(rows) else ""
    table_space = _table_space(shown, space, cells, wrong)
    indices = [index for index in range(len(header)) if index not in naming]
    try:
        columns = _columns(
            [header[index] for index in indices], path, table_space, declared
        )
    except UserError:
        if advice:  # the names of metrics are wrong in one space and right in another
            raise _refused(shown, wrong, advice) from None
        raise
    index_by_row = {row: table_space.index(cell) for row, cell in cells.items()}
    losses = [m.name for m, *_ in columns if m.kind == "search" and m.is_loss]
    table = Table(
        name=name,
        space=table_space.definition,
        title=f"{len(rows)} cells of {printable(path.name)}",
        source=shown,
        licence="the user's own",
        objective=next(iter(losses), ""),
        cost="queries",
        banner=table_space.notice if isinstance(table_space, Sampled) else "",
    )
    with_unit = {metric.name for metric, _, has_unit in columns if has_unit}
    unclear: dict[str, bool] = {}
    for column, (metric, epochs, _) in zip(indices, columns, strict=True):
        numbers = _numbers([row[column] for row in rows], metric, wrong)
        values = np.full(len(table_space), np.nan)
        values[list(index_by_row.values())] = numbers[list(index_by_row)]
        table.add(metric, epochs, values)
        finite = values[np.isfinite(values)]
        is_share = metric_named(metric.name).unit == PERCENT
        if is_share and metric.name not in with_unit and len(finite):
            unclear[metric.name] = unclear.get(metric.name, True) and finite.max() <= 1
    if wrong:
        raise _refused(shown, wrong, advice)
    if names := [name for name, is_unclear in unclear.items() if is_unclear]:
        unit = f"--unit {names[0]}"
        ways = (
            f"{unit}=fraction or {unit}=%, or in a column's name, {names[0]} (fraction)"
        )
        raise undeclared_units(names, ways)
    return table


def _naming(header: list[str], space: Space, shown: str, advice: str) -> list[int]:
    """Find the columns that name cells: ``cell``, or one for every position."""
    positions = space.positions if isinstance(space, ChoiceSpace) else ()
    is_text = _CELL in header
    names = (_CELL,) if is_text else tuple(positions)
    if names and len(header) > len(names) and all(header.count(n) == 1 for n in names):
        return [header.index(name) for name in names]
    by_position = f", or one for each of {', '.join(positions)}" if positions else ""
    if isinstance(space, ChoiceSpace):
        example = space.write((0,) * len(positions))
    else:
        example = space.sample(np.random.default_rng(0)).text
    raise UserError(
        f"{shown} needs a column {_CELL!r} of cells such as {example}{by_position}; and at least"
        f" one of a metric, such as valid_error.{'' if is_text or len(header) <= 1 else advice}"
    )


def _cells(
    rows: list[list[str]], space: Any, *, is_text: bool
) -> tuple[dict[int, Cell], _Wrong]:
    """Read the cells by row, and the rows that name none or one of before."""
    first: dict[Cell, int] = {}
    cells: dict[int, Cell] = {}
    wrong: _Wrong = []
    for row, entries in enumerate(rows):
        try:
            if is_text:
                cell = space.cell(entries[0])
            else:
                named = zip(space.positions, space.texts, entries, strict=True)
                cell = space.at([_option(*choice) for choice in named])
        except UserError as error:
            wrong.append((row, printable(str(error).rstrip("."))))
            continue
        cells[row] = cell
        if (earlier := first.setdefault(cell, row)) != row:
            text = f"{printable(cell.text):.120}"
            wrong.append((row, f"the cell of row {earlier + 1} again, {text}"))
    return cells, wrong


def _table_space(
    shown: str, space: Space, cells: dict[int, Cell], wrong: _Wrong
) -> Enumerable:
    """Return the space of the table: the cells of the file, or the space itself if it is a listed
    one of which all cells are there or that says itself that it is listed.
    """
    held = list(dict.fromkeys(cells.values()))
    if not isinstance(space, ChoiceSpace) or (
        space.is_listed and (space.listed or len(held) == len(space))
    ):
        return listed(space)
    if not held:
        why = f": {wrong[0][1]}" if wrong else ""
        raise UserError(f"{shown} names no cell of the space {space.name}{why}.")
    return Sampled(space, choices_of(held))


def _option(position: str, options: Sequence[str], entry: str) -> int:
    """Find the option of an entry, as text or, of numbers, by its value (16.0 is 16)."""
    if entry in options:
        return options.index(entry)
    with suppress(ValueError):
        return [float(option) for option in options].index(float(entry))
    raise UserError(
        f"{position} is {', '.join(options)}, not {printable(repr(entry)):.80}"
    )


def _columns(
    header: list[str], path: Path, space: Enumerable, declared: Declared
) -> list[tuple[Metric, int | None, bool]]:
    """Read the metrics and epochs of a header, and whether their unit is declared."""
    columns: list[tuple[Metric, int | None, bool]] = []
    for entry in header:
        metric, epochs, has_unit = _metric(entry, path, space, declared)
        for other, other_epochs, _ in columns:
            wrong = ""
            if other.name != metric.name:
                continue
            if other_epochs == epochs:
                wrong = f"has the column {entry} twice"
            elif other.unit != metric.unit:
                wrong = f"gives {metric.name} in two units"
            elif other.quantity != metric.quantity:
                wrong = f"gives {metric.name} in two directions"
            if wrong:
                raise UserError(f"{printable(path)} {wrong}.")
        columns.append((metric, epochs, has_unit))
    names = {metric.name for metric, *_ in columns}
    for name in {**declared.units, **declared.directions}.keys() - names:
        raise unknown("metric of the file", name, names)
    return columns


def _metric(
    column: str, path: Path, space: Enumerable, declared: Declared
) -> tuple[Metric, int | None, bool]:
    shown = printable(path)
    match = _COLUMN.fullmatch(column)
    if match is None:
        raise UserError(
            f"{shown} has a column {printable(repr(column)):.100}, which names no metric; right are"
            " valid_error, valid_loss[12], valid_loss[12] (nats), val_acc (%; max) or latency@mine."
        )
    name = match["metric"]
    if name in space.analytic:
        raise UserError(
            f"{shown} has a column {name}, which follows from the cell alone; leave it out or"
            " rename it."
        )
    described = f"column {printable(column)} of {printable(path.name)}"
    own_unit = printable((match["unit"] or "").strip())
    unit = declared.units.get(name, own_unit)
    if own_unit not in ("", unit):
        raise UserError(f"{shown} gives {name} in {own_unit}, and --unit in {unit}.")
    direction = declared.directions.get(
        name, cast(Direction | None, match["direction"])
    )
    if match["direction"] not in (None, direction):
        raise UserError(
            f"{shown} declares {match['direction']} for {name}, and --direction {direction}."
        )
    about = {"unit": unit, "description": described, "source": shown}
    try:
        metric = metric_named(name, direction=direction, **about)
    except UserError as error:
        raise UserError(f"{shown}: {error}") from error
    if metric.quantity == "loss" and not metric.unit:
        metric = replace(
            metric, description=f"{described}, in a unit that is not given"
        )
    return metric, int(match["epochs"]) if match["epochs"] else None, bool(unit)


def _numbers(entries: list[str], metric: Metric, wrong: _Wrong) -> Values:
    """Read the numbers of a column, NaN where there is none, and note wrong entries."""
    numbers = np.full(len(entries), np.nan)
    for row, entry in enumerate(entries):
        if _NUMBER.fullmatch(entry):
            numbers[row] = number = float(entry)
            why = metric.outside(number) if math.isfinite(number) else "not finite"
            if why:
                wrong.append((row, f"{metric.name} is {entry}, {why}"))
        elif entry.lower() not in _MISSING:
            text = f"{printable(repr(entry)):.80}"
            wrong.append((row, f"{metric.name} is {text}, no number"))
    return numbers


def _refused(shown: str, wrong: _Wrong, advice: str) -> UserError:
    ordered = sorted(wrong, key=lambda entry: entry[0])
    first = "; ".join(f"row {row + 1}: {why}" for row, why in islice(ordered, _SHOWN))
    more = f" (and {len(wrong) - _SHOWN} more)" if len(wrong) > _SHOWN else ""
    entries = "1 wrong entry" if len(wrong) == 1 else f"{len(wrong)} wrong entries"
    return UserError(f"{shown} has {entries}: {first}{more}.{advice}")
