"""Import of a user's measurements: a CSV or Parquet file of cells and metrics becomes a table.

The column ``cell`` contains each cell as its space prints it, such as ``mlp(width=16, depth=2)``.
Instead of the column ``cell``, a file can have a column for each position of the space, with the
chosen option.

Every other column of the file is a metric. The name of a metric's column can include epochs, a unit
and a direction: ``valid_loss[12] (nats)``, ``val_acc (fraction; max)``, ``latency@mine``. The
meaning of metric names is described in `surrogate_nas.core.metrics.metric_named`. A loss without a
declared unit has no unit. An error or an accuracy without a declared unit is taken as % if a value
exceeds 1; otherwise, the file is refused. Each cell can appear in only one row. Empty entries are
missing values.
"""

import csv
import math
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

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
from surrogate_nas.space import ChoiceSpace, Enumerable, Sampled, Space, listed
from surrogate_nas.space.product import MOST_CELLS, keys_of
from surrogate_nas.tables import Table, Values

_MOST_COLUMNS = 1_000
# Rows are read so many at a time.
_PART = 1 << 12
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


def _parts(path: Path) -> Iterator[Sequence[Any]]:
    """Yield the header of a file, then its rows as texts, a few thousand at a time."""
    shown = printable(path)
    if not os.path.isfile(path):
        raise UserError(f"There is no file {shown}.")
    try:
        if path.suffix in _PARQUET:
            import pandas as pd

            frame = pd.read_parquet(path, dtype_backend="pyarrow")
            records = frame.itertuples(index=False, name=None)
            yield list(map(str, frame.columns))
            while part := list(islice(records, _PART)):
                yield [["" if v is pd.NA else str(v) for v in row] for row in part]
        else:
            with path.open(encoding="utf-8-sig", newline="") as file:
                lines = filter(None, csv.reader(file, strict=True))
                yield next(lines, [])
                while part := list(islice(lines, _PART)):
                    yield part
    except ImportError as error:
        raise UserError(
            f"Reading {shown} needs the package pyarrow: pip install pyarrow; or give a CSV file."
        ) from error
    except Exception as error:
        reason = printable(reason_of(error))
        raise UserError(f"Cannot read {shown}: {reason:.300}.") from error


class Declared(NamedTuple):
    """A user's declarations of units and directions, in addition to the names of columns.

    Attributes:
        units: Units by metric, such as ``{"valid_error": "fraction"}``.
        directions: Directions by metric, ``min`` or ``max``.
    """

    units: Mapping[str, str] = {}
    directions: Mapping[str, Direction] = {}


NOTHING_DECLARED = Declared()


def _check_name(name: str, taken: Collection[str]) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise UserError(
            f"A benchmark's name must start with a letter and have at most {_LONGEST_NAME} letters,"
            f" digits, '_', '-', '.' or '@', not {printable(repr(name)):.120}."
        )
    if name in taken:
        raise UserError(
            f"{name} is the name of another benchmark; choose a different name with --name."
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
    """Convert a file of measurements to a table. If the space cannot be enumerated, the space of
    the table is the sample of cells in the file.

    Args:
        path: The file.
        name: The benchmark's name, which must not be in `taken`.
        taken: Names of other benchmarks.
        space: The space of the cells.
        advice: A text to append to messages about cells that are not in the space.
        declared: Units and directions that the columns do not declare.

    Raises:
        UserError: The file cannot be read, or an entry of the file is invalid.
    """
    _check_name(name, taken)
    shown = printable(path)
    parts = _parts(path)
    header = [entry.strip() for entry in next(parts)]
    naming = _naming(header, space, shown, advice)
    indices = [index for index in range(len(header)) if index not in naming]
    columns: list[tuple[Metric, int | None, bool]] = []
    refusal = None
    try:
        columns = _columns([header[index] for index in indices], path, space, declared)
    except UserError as error:  # what is wrong with the cells comes first
        refusal = error
    measured = [(i, metric) for i, (metric, *_) in zip(indices, columns, strict=False)]
    n, found, numbers, wrong = _rows(parts, shown, header, space, naming, measured)
    named = np.flatnonzero(found[:, 0] >= 0)
    advice = advice if len(named) < n else ""
    held, again = _distinct(found[named], named, space)
    wrong[:0] = again
    table_space, places = _table_space(shown, space, held, wrong)
    if refusal and not advice:
        raise refusal
    if wrong:  # the names of metrics may be wrong in one space and right in another
        raise _refused(shown, wrong, advice)
    losses = [m.name for m, *_ in columns if m.kind == "search" and m.is_loss]
    table = Table(
        name=name,
        space=table_space.definition,
        title=f"{n} cells of {printable(path.name)}",
        source=shown,
        licence="the user's own",
        objective=next(iter(losses), ""),
        cost="queries",
        banner=table_space.notice if isinstance(table_space, Sampled) else "",
    )
    with_unit = {metric.name for metric, _, has_unit in columns if has_unit}
    unclear: dict[str, bool] = {}
    for column, (metric, epochs, _) in zip(numbers, columns, strict=True):
        values = np.full(len(table_space), np.nan)
        values[places] = column
        table.add(metric, epochs, values)
        finite = values[np.isfinite(values)]
        is_share = metric_named(metric.name).unit == PERCENT
        if is_share and metric.name not in with_unit and len(finite):
            unclear[metric.name] = unclear.get(metric.name, True) and finite.max() <= 1
    if names := [name for name, is_unclear in unclear.items() if is_unclear]:
        unit = f"--unit {names[0]}"
        ways = (
            f"{unit}=fraction or {unit}=%, or in a column's name, {names[0]} (fraction)"
        )
        raise undeclared_units(names, ways)
    return table


def _naming(header: list[str], space: Space, shown: str, advice: str) -> list[int]:
    """Find the columns that name cells: ``cell``, or one for every position."""
    if len(header) > _MOST_COLUMNS:
        raise UserError(
            f"{shown} has {len(header):,} columns; the maximum is {_MOST_COLUMNS:,}."
        )
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
        f" one metric, such as valid_error.{'' if is_text or len(header) <= 1 else advice}"
    )


def _rows(
    parts: Iterator[Any],
    shown: str,
    header: list[str],
    space: Any,
    naming: list[int],
    measured: list[tuple[int, Metric]],
) -> tuple[int, NDArray[Any], list[Values], _Wrong]:
    """Read the number of rows, their cells (see `_cells`), their numbers, and wrong entries."""
    is_text = header[naming[0]] == _CELL
    is_sampled = isinstance(space, ChoiceSpace) and not space.is_listed
    most = MOST_CELLS if is_sampled else len(listed(space))
    forms = _forms(space, is_text=is_text)
    wrong: _Wrong = []
    n = 0
    found = [_cells([()] * len(naming), 0, space, forms, wrong, is_text=is_text)]
    numbers: list[list[Values]] = [[np.empty(0)] for _ in measured]
    for part in parts:
        for number, row in enumerate(part, n + 1):
            if len(row) != len(header):
                raise UserError(
                    f"{shown} has {len(row)} entries in row {number} and {len(header)} in its"
                    " header."
                )
        columns = list(zip(*part[: most + 1 - n], strict=True))
        named = [columns[index] for index in naming]
        found.append(_cells(named, n, space, forms, wrong, is_text=is_text))
        for own, (index, metric) in zip(numbers, measured, strict=True):
            own.append(_numbers(columns[index], n, metric, wrong))
        n += len(named[0])
        if n > most:  # a listed space has no more cells, so that one is there twice
            break
    if n > most and is_sampled:
        raise UserError(
            f"{shown} has more than {most:,} rows, the maximum for the space {space.name}."
        )
    return n, np.concatenate(found), list(map(np.concatenate, numbers)), wrong


def _forms(space: Any, *, is_text: bool) -> Sequence[Sequence[str]]:
    """Return the text of each option in a row, by position; empty if texts have no such parts."""
    kind = type(space)
    if not is_text:
        return tuple(space.texts)
    if not isinstance(space, ChoiceSpace) or (kind.parse, kind.write) != (
        ChoiceSpace.parse,
        ChoiceSpace.write,
    ):
        return ()
    first = (0,) * len(space.positions)
    return [
        [
            space.write((*first[:place], i, *first[place + 1 :])).split(", ")[place]
            for i in range(len(texts))
        ]
        for place, texts in enumerate(space.texts)
    ]


def _cells(
    columns: Sequence[Sequence[str]],
    start: int,
    space: Any,
    forms: Sequence[Sequence[str]],
    wrong: _Wrong,
    *,
    is_text: bool,
) -> NDArray[Any]:
    """Read the choices of cells, or their indices if positions have no names.

    Rows that do not name a cell are -1 and are added to `wrong`.
    """
    n, is_choice = len(columns[0]), isinstance(space, ChoiceSpace)
    width = len(space.positions) if is_choice else 1
    found = np.full((n, width), -1, dtype=np.int8 if is_choice else np.intp)
    named = columns
    if is_text and forms:
        split = (text.split(",") for text in columns[0])
        fitting = (own if len(own) == width else [""] * width for own in split)
        named = list(zip(*fitting, strict=True))
    for place, (column, options) in enumerate(zip(named, forms, strict=False)):
        known = {entry: _option(options, entry.strip()) for entry in {*column}}
        found[:, place] = [known[entry] for entry in column]
    is_cell = (found >= 0).all(axis=1)
    is_allowed = False
    with suppress(UserError):  # it comes again for its row
        is_allowed = not forms or space.allows_all(found[is_cell])
    for row in np.flatnonzero(~(is_cell & is_allowed)).tolist():
        own, found[row] = found[row].tolist(), -1
        try:
            if is_text:
                cell = space.cell(columns[0][row].strip())
            elif -1 in own:
                place = own.index(-1)
                entry = printable(repr(columns[place][row].strip()))
                raise UserError(
                    f"{space.positions[place]} is {', '.join(forms[place])}, not {entry:.80}"
                )
            else:
                cell = space.at(own)
            found[row] = cell.choices if is_choice else cell.index
        except UserError as error:
            wrong.append((start + row, printable(str(error).rstrip("."))))
    return found


def _option(options: Sequence[str], entry: str) -> int:
    """Return the index of an option by its text or its numerical value (16.0 is 16), or -1."""
    if entry in options:
        return options.index(entry)
    with suppress(ValueError):
        return [float(option) for option in options].index(float(entry))
    return -1


def _distinct(
    cells: NDArray[Any], rows: NDArray[np.intp], space: Any
) -> tuple[NDArray[Any], _Wrong]:
    """Return the different cells of rows, and the rows that repeat a cell."""
    keys = keys_of(cells.view(np.int8))
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    earlier = first[group]
    again: _Wrong = []
    for place in np.flatnonzero(earlier != np.arange(len(cells))).tolist():
        own = tuple(cells[place].tolist())
        text = (
            space.write(own) if isinstance(space, ChoiceSpace) else str(space[own[0]])
        )
        told = (
            f"the cell of row {rows[earlier[place]] + 1} again, {printable(text):.120}"
        )
        again.append((int(rows[place]), told))
    return cells[np.sort(first)], again


def _table_space(
    shown: str, space: Space, held: NDArray[Any], wrong: _Wrong
) -> tuple[Enumerable, Any]:
    """Return the space of the table, and the index of each cell in it.

    It is the space itself if this is declared as listed, or if the file has all its cells.
    Otherwise it is the sampled space of the file's cells.
    """
    if not isinstance(space, ChoiceSpace):
        return listed(space), held.ravel()
    if space.is_listed and (space.listed or len(held) == len(space)):
        return listed(space), space.places_of(held)
    if not len(held):
        why = f": {wrong[0][1]}" if wrong else ""
        raise UserError(f"{shown} contains no cell of the space {space.name}{why}.")
    return Sampled(space, held), slice(None)


def _columns(
    header: list[str], path: Path, space: Space, declared: Declared
) -> list[tuple[Metric, int | None, bool]]:
    """Return the metrics and epochs of a header, and whether their units are declared."""
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
    column: str, path: Path, space: Space, declared: Declared
) -> tuple[Metric, int | None, bool]:
    shown = printable(path)
    match = _COLUMN.fullmatch(column)
    if match is None:
        raise UserError(
            f"{shown} has a column {printable(repr(column)):.100}, which does not name a metric;"
            " valid names are valid_error, valid_loss[12], valid_loss[12] (nats), val_acc (%; max)"
            " or latency@mine."
        )
    name = match["metric"]
    if name in space.analytic:
        raise UserError(
            f"{shown} has a column {name}, which is computed from the cell; omit or rename it."
        )
    described = f"column {printable(column)} of {printable(path.name)}"
    own_unit = printable((match["unit"] or "").strip())
    unit = declared.units.get(name, own_unit)
    if own_unit not in ("", unit):
        raise UserError(f"{shown} declares {name} in {own_unit}, but --unit in {unit}.")
    direction = declared.directions.get(
        name, cast(Direction | None, match["direction"])
    )
    if match["direction"] not in (None, direction):
        raise UserError(
            f"{shown} declares {match['direction']} for {name}, but --direction {direction}."
        )
    about = {"unit": unit, "description": described, "source": shown}
    try:
        metric = metric_named(name, direction=direction, **about)
    except UserError as error:
        raise UserError(f"{shown}: {error}") from error
    if metric.quantity == "loss" and not metric.unit:
        metric = replace(metric, description=f"{described}, in an unspecified unit")
    return metric, int(match["epochs"]) if match["epochs"] else None, bool(unit)


def _numbers(
    entries: Sequence[str], start: int, metric: Metric, wrong: _Wrong
) -> Values:
    """Read the numbers of rows, NaN if missing, and add wrong entries to `wrong`."""
    text = "".join(entries)
    with suppress(ValueError):
        numbers = np.fromiter(map(float, entries), np.float64, len(entries))
        ends = numbers.min(), numbers.max()
        if (
            text.isascii()
            and "_" not in text
            and np.isfinite(ends).all()
            and not any(map(metric.outside, ends))
        ):
            return numbers
    numbers = np.full(len(entries), np.nan)
    for row, entry in enumerate(map(str.strip, entries)):
        if _NUMBER.fullmatch(entry):
            numbers[row] = number = float(entry)
            why = metric.outside(number) if math.isfinite(number) else "not finite"
            if why:
                wrong.append((start + row, f"{metric.name} is {entry}, {why}"))
        elif entry.lower() not in _MISSING:
            text = f"{printable(repr(entry)):.80}"
            wrong.append((start + row, f"{metric.name} is {text}, not a number"))
    return numbers


def _refused(shown: str, wrong: _Wrong, advice: str) -> UserError:
    ordered = sorted(wrong, key=lambda entry: entry[0])
    first = "; ".join(f"row {row + 1}: {why}" for row, why in islice(ordered, _SHOWN))
    more = f" (and {len(wrong) - _SHOWN} more)" if len(wrong) > _SHOWN else ""
    entries = "1 wrong entry" if len(wrong) == 1 else f"{len(wrong)} wrong entries"
    return UserError(f"{shown} has {entries}: {first}{more}.{advice}")
