"""One's own measurements: a CSV or Parquet file with a column of cells and columns of metrics becomes a table.

A column's name is the metric's: ``valid_error``, ``valid_loss[12]`` (after a run of 12 epochs), ``latency@mine``. What
it is follows from the name: errors are in %, losses in nats, ``latency@…`` in ms, ``energy@…`` in mJ; ``test_…`` is
only reported and never searched; every other number counts as a cost without unit. A cell may appear once; a metric's
empty entries are cells without a value.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.errors import UserError
from surrogate_nas.metrics import Kind, Metric, Quantity
from surrogate_nas.network import Network
from surrogate_nas.space import Space, nb201
from surrogate_nas.space.nb201.sizes import ANALYTIC
from surrogate_nas.table import Table

CELL_COLUMN = "cell"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.@-]*")
_COLUMN = re.compile(r"(?P<metric>[A-Za-z][A-Za-z0-9_.@-]*)(\[(?P<epochs>[1-9][0-9]*)\])?")
_COST_UNITS = {"latency": "ms", "energy": "mJ", "memory": "MB"}
_SHOWN = 5


def read(path: Path, name: str, taken: frozenset[str] = frozenset()) -> Table:
    """Read a file into a table.

    Args:
        path: The file; ``.parquet`` or ``.pq`` is Parquet, everything else CSV.
        name: The benchmark's name.
        taken: Names that are other benchmarks'.

    Raises:
        UserError: The name is taken or malformed, or the file is missing or wrong; the first wrong rows are listed.
    """
    if not _NAME.fullmatch(name):
        raise UserError(f"A benchmark's name is letters, digits, '_', '-', '.' or '@', not {name!r}.")
    if name in taken:
        raise UserError(f"{name} is another benchmark's name; choose a further one with --name.")
    frame = _frame(path)
    space = nb201()
    columns = [_metric(str(column), path) for column in frame.columns if column != CELL_COLUMN]
    if CELL_COLUMN not in frame.columns or not columns:
        raise UserError(f"{path} needs a column {CELL_COLUMN!r} and at least one of a metric, such as valid_error.")
    index, wrong = _cells(frame[CELL_COLUMN], space)
    table = Table(
        name=name,
        space=space.name,
        title=f"{len(frame)} cells of {path.name}",
        source=str(path),
        licence="the user's own",
        citation="",
        objective="",
        network=Network(),
        cost="queries",
    )
    for (metric, epochs), (_, values) in zip(columns, frame.drop(columns=CELL_COLUMN).items(), strict=True):
        numbers, bad = _numbers(values, str(metric.name))
        wrong += bad
        if not bad and len(index) == len(numbers):
            column = np.full(len(space), np.nan)
            column[index] = numbers
            table.add(metric, epochs, column)
    if wrong:
        more = f" (and {len(wrong) - _SHOWN} more)" if len(wrong) > _SHOWN else ""
        raise UserError(f"{path} has {len(wrong)} wrong entries: {'; '.join(wrong[:_SHOWN])}{more}.")
    losses = [metric.name for metric, _ in columns if metric.kind == "search" and metric.quantity in ("error", "loss")]
    table.objective = losses[0] if losses else ""
    return table


def _frame(path: Path) -> Any:
    """The file as a data frame, every entry of a CSV as text."""
    import pandas as pd

    if not path.is_file():
        raise UserError(f"There is no file {path}.")
    try:
        if path.suffix in (".parquet", ".pq"):
            return pd.read_parquet(path)
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except ImportError as error:
        raise UserError(
            f"Reading {path} needs the package pyarrow: pip install pyarrow; or give a CSV file."
        ) from error
    except Exception as error:  # noqa: BLE001 - pandas and pyarrow raise their own
        raise UserError(f"Cannot read {path}: {' '.join(str(error).split()) or type(error).__name__}.") from error


def _metric(column: str, path: Path) -> tuple[Metric, int | None]:
    """The metric that a column's name means, and its epochs."""
    found = _COLUMN.fullmatch(column.strip())
    if found is None:
        raise UserError(
            f"{path} has a column {column!r}, which names no metric; right are valid_error, valid_loss[12] or "
            "latency@mine."
        )
    name = found["metric"]
    if name in ANALYTIC:
        raise UserError(f"{path} has a column {name}, which follows from the cell alone; leave it out or rename it.")
    kind: Kind = "final" if name.startswith("test_") else "search"
    quantity: Quantity = "cost"
    unit = _COST_UNITS.get(name.partition("@")[0], "")
    for suffix, measured, measured_unit in (("_error", "error", "%"), ("_loss", "loss", "nats")):
        if name.endswith(suffix):
            quantity, unit = measured, measured_unit  # type: ignore[assignment]
    epochs = int(found["epochs"]) if found["epochs"] else None
    return Metric(name, unit, kind, quantity, description=f"column {column} of {path.name}", source=str(path)), epochs


def _cells(texts: Any, space: Space) -> tuple[list[int], list[str]]:
    """The index of every row's cell, and what is wrong; the first row of data is row 1."""
    index: list[int] = []
    wrong: list[str] = []
    first_row: dict[int, int] = {}
    for row, text in enumerate(texts, 1):
        try:
            cell = space.parse(str(text).strip())
        except UserError as error:
            wrong.append(f"row {row}: {str(error).rstrip('.')}")
            continue
        if cell.index in first_row:
            wrong.append(f"row {row}: the cell of row {first_row[cell.index]} again")
        first_row.setdefault(cell.index, row)
        index.append(cell.index)
    return index, wrong


def _numbers(entries: Any, metric: str) -> tuple[NDArray[np.float64], list[str]]:
    """A column's numbers, NaN for empty entries, and what is wrong."""
    numbers = np.full(len(entries), np.nan)
    wrong: list[str] = []
    for i, entry in enumerate(entries):
        text = "" if entry is None else str(entry).strip()
        if text.lower() in ("", "nan", "<na>"):
            continue
        try:
            numbers[i] = float(text)
        except ValueError:
            wrong.append(f"row {i + 1}: {metric} is {text!r}, no number")
            continue
        if not np.isfinite(numbers[i]):
            wrong.append(f"row {i + 1}: {metric} is {text}, not finite")
    return numbers, wrong
