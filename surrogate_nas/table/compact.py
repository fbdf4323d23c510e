"""Compact tables: rounded columns of a few thousand cells, hundreds of them in a few kilobytes each.

Where a table's file (`surrogate_nas.table.file`) holds every column on its own, a compact one has a single dataset: of
every column and seed whole numbers, int32, which times a power of ten of their metric are its values. So a number keeps
the digits that it is worth, and gzip little more than its entropy. The mean of a cell is what seed 0 gave, so that all
cells are alike whether or not further seeds trained them.

Layout: ``/values`` is int32 of shape ``(columns * cells,)``, column by column, `MISSING` where a cell has no value;
``/index`` is JSON, all of `surrogate_nas.table.index.TEXTS`, the network, and for every metric its details, its
``decimals``, and its columns as ``[epochs, seed]``. The attribute ``digest`` is a sha256 of both.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from surrogate_nas.errors import UserError
from surrogate_nas.files import hdf5, replacing
from surrogate_nas.files.content import made
from surrogate_nas.files.formats import FORMATS, RELEASE, check_version, this_release
from surrogate_nas.files.paths import printable
from surrogate_nas.metrics import Metric
from surrogate_nas.network import Network
from surrogate_nas.space import listed, space_named
from surrogate_nas.table.held import HeldTable
from surrogate_nas.table.index import TEXTS, ColumnKey, details
from surrogate_nas.table.table import Table, Values

FORMAT, VERSION = "surrogate_nas compact table", FORMATS["compact"].version
MISSING = np.iinfo(np.int32).min
_DIGITS = {"cost": 3}
"""How many of its middle value a metric keeps, by quantity."""
_DIGITS_ELSE = 4
_LARGEST = np.iinfo(np.int32).max
_MOST = 1 << 28
"""The bytes of an index or of all values that a file may unpack to."""
_CHUNK = 1 << 16


def write_compact(table: Table, path: Path) -> None:
    """Write a table whose columns are all of trainings of some epochs; see `read_compact` for what is kept.

    Args:
        table: What to write; of its means only those that single seeds say are kept.
        path: The file; its folder is made if need be.

    Raises:
        UserError: The folder cannot be written, or the disk is full.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from surrogate_nas.files import shipped
        >>> with TemporaryDirectory() as folder:
        ...     held = read_compact(next(iter(sorted(shipped("losses").glob("*.h5")))))
        ...     write_compact(held.table, Path(folder) / "copy.h5")
        ...     read_compact(Path(folder) / "copy.h5").digest == held.digest
        True
    """
    keys: dict[str, list[ColumnKey]] = {name: [] for name in table.metrics}
    for key in sorted(key for key in table.columns if key.seed != "mean"):
        keys[key.metric].append(key)
    decimals = {name: _decimals(table.metrics[name], [table.columns[key] for key in own]) for name, own in keys.items()}
    whole = [_whole(table.columns[key], decimals[name]) for name, own in keys.items() for key in own]
    metrics = {
        name: {"details": details(metric), "decimals": decimals[name], "columns": [key[1:] for key in keys[name]]}
        for name, metric in table.metrics.items()
    }
    texts = {key: printable(getattr(table, key)) for key in TEXTS}
    content = {"texts": texts, "network": table.network.settings, "metrics": metrics}
    index, values = json.dumps(content).encode(), np.concatenate(whole)
    image = io.BytesIO()
    with h5py.File(image, "w", libver=hdf5.LIBVER) as file:
        file.attrs["version"] = VERSION
        hdf5.set_texts(file, {"format": FORMAT, RELEASE: this_release(), "digest": _digest(index, values)})
        for name, array in (("index", np.frombuffer(index, dtype=np.uint8)), ("values", values)):
            chunks = (min(len(array), _CHUNK),)
            file.create_dataset(name, data=array, chunks=chunks, compression="gzip", compression_opts=9, shuffle=True)
    with replacing(path) as temporary:
        temporary.write_bytes(image.getvalue())


def _decimals(metric: Metric, columns: list[Values]) -> int:
    """How many decimals a metric's numbers keep; fewer than none where they are large."""
    numbers = np.abs(np.concatenate(columns))
    numbers = numbers[np.isfinite(numbers) & (numbers > 0)]
    if not len(numbers):
        return 0
    digits = _DIGITS.get(metric.quantity, _DIGITS_ELSE)
    fitting = math.floor(math.log10(_LARGEST / numbers.max()))
    return min(digits - 1 - math.floor(math.log10(np.median(numbers))), fitting)


def _whole(column: Values, decimals: int) -> NDArray[np.int32]:
    known = np.isfinite(column)
    return np.where(known, np.rint(np.where(known, column, 0) * 10.0**decimals), MISSING).astype(np.int32)


def _digest(index: bytes, values: NDArray[np.int32]) -> str:
    total = hashlib.sha256(index)
    total.update(np.ascontiguousarray(values).data)
    return total.hexdigest()


def read_compact(path: Path) -> HeldTable:
    """Read a compact table, all of it.

    Args:
        path: A file that `write_compact` wrote.

    Raises:
        UserError: The file is missing, damaged or of another format.

    Example:
        >>> from surrogate_nas.files import shipped
        >>> path = next(iter(sorted(shipped("losses").glob("*.h5"))))
        >>> table = read_compact(path)
        >>> table.cells.name.startswith("nb201"), table.cost
        (True, 'seconds')
    """
    if not os.path.isfile(path):
        raise UserError(f"There is no table at {printable(path)}.")
    try:
        with hdf5.opened(path) as file:
            if not hdf5.says(file, "format", FORMAT):
                raise UserError(f"{printable(path)} is no {FORMAT}.")
            check_version(path, "compact", hdf5.number(file, "version"), hdf5.release(file))
            index, values = _bounded(file, "index", np.uint8).tobytes(), _bounded(file, "values", np.int32)
            if _digest(index, values) != hdf5.text(file, "digest"):
                raise ValueError("its content was altered")
            return HeldTable(_table(json.loads(index), values), hdf5.text(file, "digest"))
    except UserError:
        raise
    except hdf5.ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"The table {printable(path)} is damaged ({reason}). Make or fetch it again.") from error


def _bounded(file: h5py.File, name: str, dtype: type[np.generic]) -> NDArray[Any]:
    dataset = hdf5.child(file, name)
    if getattr(dataset, "ndim", 0) != 1 or dataset.nbytes > _MOST:
        raise ValueError(f"{name} is no list of numbers, or too long")
    return hdf5.array(dataset, dataset.shape, dtype)


def _table(content: dict[str, Any], values: NDArray[np.int32]) -> Table:
    texts = {key: str(content["texts"][key]) for key in TEXTS}
    table = Table(**texts, network=Network.of(content["network"]))  # type: ignore[arg-type]
    rows = iter(values.reshape(-1, len(listed(space_named(table.space)))))
    for name, held in content["metrics"].items():
        metric = made(Metric, held["details"], name=name, epochs=())
        runs: dict[int, dict[int, Values]] = {}
        for epochs, seed in held["columns"]:
            row = next(rows)
            runs.setdefault(epochs, {})[seed] = np.where(row == MISSING, np.nan, row / 10.0 ** held["decimals"])
        for epochs, columns in runs.items():
            table.add(metric, epochs, columns[0], 1, columns)
    return table
