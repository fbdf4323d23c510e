"""Compact tables: a file format for a few thousand cells, with rounded values and a few kilobytes
per column.

A compact table stores all values in one dataset of whole numbers. Each whole number encodes the
significant digits of a value and a power of ten. Reading a compact table and writing it again does
not change it. When a compact table is read, the mean of a cell is the value of its lowest seed,
even if the cell has further seeds.

Layout: the dataset ``/values`` is int32 of shape ``(columns * cells,)``, column by column. An entry
of ``/values`` is `MISSING` if the cell has no value. The dataset ``/index`` is JSON with the texts
named in `surrogate_nas.tables.table.TEXTS`, the network, and an entry for every metric. The entry
of a metric contains its details, its number of significant ``digits``, and its columns as pairs
``[epochs, seed]``. The attribute ``digest`` is the SHA-256 of ``/index`` and ``/values``. Older
files have ``decimals`` instead of ``digits``: their whole numbers are the values times 10 to the
power ``decimals``.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core import Metric, UserError
from surrogate_nas.files import hdf5, printable
from surrogate_nas.files.formats import build
from surrogate_nas.space import Network, listed, space_named
from surrogate_nas.tables.table import (
    TEXTS,
    MemoryTable,
    Table,
    Values,
    details,
    printables,
)

MISSING = np.iinfo(np.int32).min
# How many a metric's numbers keep, by quantity.
_DIGITS = {"cost": 3}
_DIGITS_ELSE = 4
_LEAST = 1e-290
_SHIFT = 1 << 16
_MIDDLE = 1 << 15
# A whole number is (power of ten + `_POWERS`)·`_SHIFT` + digits + `_MIDDLE`.
_POWERS = 1 << 10
# The bytes of an index or of all values that a file may unpack to.
_MOST = 1 << 28
_CHUNK = 1 << 16


def write_compact(table: Table, path: Path) -> None:
    """Write a compact table. All of the table's columns must be results of trainings; means over
    seeds are not stored.

    Args:
        table: The table.
        path: The file to write; its folder is created if necessary.

    Raises:
        UserError: The folder cannot be written, or the disk is full.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from surrogate_nas.files import shipped
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "mine.h5"
        ...     write_compact(read_compact(shipped("losses/digits.h5")).table, path)
        ...     read_compact(path).cost
        'seconds'
    """
    whole = []
    metrics = {}
    for name, metric in table.metrics.items():
        keys = sorted(k for k in table.columns if k.metric == name and k.seed != "mean")
        digits = digits_of(metric)
        whole += [_whole(table.columns[key], digits) for key in keys]
        columns = [key[1:] for key in keys]
        metrics[name] = {
            "details": details(metric),
            "digits": digits,
            "columns": columns,
        }
    texts = printables(table, TEXTS)
    content = {"texts": texts, "network": table.network.settings, "metrics": metrics}
    index = json.dumps(content).encode()
    values = np.concatenate(whole)
    packing: Any = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
    with hdf5.writing(path, "compact", digest=_digest(index, values)) as file:
        for name, array in (
            ("index", np.frombuffer(index, np.uint8)),
            ("values", values),
        ):
            chunks = (min(len(array), _CHUNK),)
            file.create_dataset(name, data=array, chunks=chunks, **packing)


def digits_of(metric: Metric) -> int:
    """Return the number of significant digits that are stored for a metric."""
    return _DIGITS.get(metric.quantity, _DIGITS_ELSE)


def rounded(values: Values, digits: int | NDArray[np.int64]) -> Values:
    """Return numbers rounded to the precision of a compact table. Rounding twice is the same as
    rounding once.

    Example:
        >>> rounded(np.array([123.456, -0.000123456, 99999.0, 0.0]), 4).tolist()
        [123.5, -0.0001235, 100000.0, 0.0]
    """
    whole, powers = _parted(values, digits)
    result = _scaled(whole, powers)
    # otherwise a second rounding would take it for 0
    result = np.where(np.abs(result) < _LEAST, 0.0, result)
    return np.where(np.isfinite(values), result, values)


def _parted(
    values: Values, digits: int | NDArray[np.int64]
) -> tuple[Values, NDArray[np.int64]]:
    """Split numbers into whole numbers of significant digits, and powers of ten."""
    known = np.isfinite(values) & (np.abs(values) >= _LEAST)
    values = np.where(known, values, 1.0)
    powers = np.floor(np.log10(np.abs(values))).astype(np.int64) + 1 - digits
    whole = np.rint(_scaled(values, -powers))
    # rounded up, or a logarithm was an ulp too small
    powers = powers + (np.abs(whole) >= 10.0**digits)
    whole = np.rint(_scaled(values, -powers))
    return np.where(known, whole, 0.0), np.where(known, powers, 0)


def _scaled(values: Values, powers: NDArray[np.int64]) -> Values:
    """Multiply by powers of ten. Division by positive powers rounds only once."""
    factor = 10.0 ** np.abs(powers)
    return np.where(powers < 0, values / factor, values * factor)


def _whole(column: Values, digits: int) -> NDArray[np.int32]:
    whole, powers = _parted(column, digits)
    codes = (powers + _POWERS) * _SHIFT + whole + _MIDDLE
    return np.where(np.isfinite(column), codes, MISSING).astype(np.int32)


def _read(row: NDArray[np.int32], entry: dict[str, Any]) -> Values:
    """Return the numbers of a column."""
    lacking = row == MISSING
    if "digits" in entry:
        codes = np.where(lacking, _POWERS * _SHIFT + _MIDDLE, row.astype(np.int64))
        powers = codes // _SHIFT - _POWERS
        numbers = _scaled((codes % _SHIFT - _MIDDLE).astype(np.float64), powers)
    else:
        numbers = row / 10.0 ** entry["decimals"]
    return np.where(lacking, np.nan, numbers)


def _digest(index: bytes, values: NDArray[np.int32]) -> str:
    return hashlib.sha256(index + values.tobytes()).hexdigest()


def read_compact(path: Path) -> MemoryTable:
    """Read a compact table from a file that `write_compact` wrote.

    Raises:
        UserError: The file is missing or damaged, or has another format.

    Example:
        >>> from surrogate_nas.files import shipped
        >>> table = read_compact(shipped("losses/digits.h5"))
        >>> isinstance(table, MemoryTable), table.cost
        (True, 'seconds')
    """
    if not os.path.isfile(path):
        raise UserError(f"There is no table at {printable(path)}.")
    with hdf5.OpenFile(path, "compact").reading() as file:
        index = _bounded(file, "index", np.uint8).tobytes()
        values = _bounded(file, "values", np.int32)
        if _digest(index, values) != hdf5.text(file, "digest"):
            raise ValueError("its content was altered")
        return MemoryTable(_table(json.loads(index), values), hdf5.text(file, "digest"))


def _bounded(file: h5py.File, name: str, dtype: type[np.generic]) -> NDArray[Any]:
    dataset = hdf5.child(file, name)
    if getattr(dataset, "ndim", 0) != 1 or dataset.nbytes > _MOST:
        raise ValueError(f"{name} is not a list of numbers, or is too long")
    return hdf5.array(dataset, dataset.shape, dtype)


def _table(content: dict[str, Any], values: NDArray[np.int32]) -> Table:
    texts = {key: str(content["texts"][key]) for key in TEXTS}
    table = Table(**texts, network=Network.of(content["network"]))  # type: ignore[arg-type]
    rows = iter(values.reshape(-1, len(listed(space_named(table.space)))))
    for name, entry in content["metrics"].items():
        metric = build(Metric, entry["details"], name=name, epochs=())
        runs: dict[int, dict[int, Values]] = {}
        for epochs, seed in entry["columns"]:
            runs.setdefault(epochs, {})[seed] = _read(next(rows), entry)
        for epochs, columns in runs.items():
            table.add(metric, epochs, columns[min(columns)], 1, columns)
    return table
