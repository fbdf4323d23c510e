"""CIFAR-10's losses and errors after 200 epochs, and the seconds of a validation pass, from NAS-Landscapes' CSV file.

Its validation errors and training seconds are those of `package`; they are only held against these.
"""

from __future__ import annotations

from typing import Any

from surrogate_nas.core.metrics import Kind, Metric
from surrogate_nas.tables import ColumnKey, Table, Values
from surrogate_nas.tables.sources.nb201 import package
from surrogate_nas.tables.sources.nb201.fetched import DataSet, agree, check_order, files_of, origin, rows_of

REPOSITORY = "gabro8a/NAS-Landscapes"
_EPOCHS, _IMAGES_PER_TEST_PASS = 200, 10_000
_ERROR_TOLERANCE, _SECONDS_TOLERANCE = 1e-6, 1e-4
"""In % and in seconds; the file has nine digits."""
_SPLITS: tuple[tuple[str, Kind, str, str], ...] = (
    ("train", "search", "train", ""),
    ("valid", "search", "x-valid", ""),
    ("test", "final", "ori-test", "_25k"),
)
"""The split as the file spells it, kind, NAS-Bench-201's name of it, and our metrics' suffix."""


def add(table: Table, data: DataSet) -> None:
    """Add the seconds of a validation pass, and to CIFAR-10 losses and errors.

    Args:
        table: The table to add to, which has the validation errors and seconds of `package`.
        data: Its data set.

    Raises:
        UserError: The file lists other architectures, or disagrees with the package.
    """
    path, source = files_of(REPOSITORY)[0], origin(REPOSITORY)
    rows = rows_of(path)
    check_order(rows["arch_str"], path)
    trained = _column(rows, "train-per-time") * data.train_scale * _EPOCHS
    _check(table, "train_seconds", trained, _SECONDS_TOLERANCE)
    if data.is_cifar10:
        _check(table, "valid_error", valid_errors(), _ERROR_TOLERANCE)
        _add_losses(table, rows, source)
    note = "one validation pass, rescaled from one 12-epoch measurement on cifar10-valid by the number of images"
    valid = Metric("valid_seconds", "s", "record", "cost", description=note, source=source)
    table.add(valid, None, _column(rows, "test-per-time") * data.valid_images / _IMAGES_PER_TEST_PASS)


def valid_errors() -> Values:
    """CIFAR-10's validation errors after 200 epochs, mean over seeds, shape ``(len(space),)``."""
    return 100.0 - _column(rows_of(files_of(REPOSITORY)[0]), "valid-accuracy")


def _check(table: Table, metric: str, theirs: Values, tolerance: float) -> None:
    ours = table.columns[ColumnKey(metric, _EPOCHS, "mean")]
    agree(f"{metric}[{_EPOCHS}]", (package.ORIGIN, ours), (origin(REPOSITORY), theirs), tolerance)


def _add_losses(table: Table, rows: Any, source: str) -> None:
    note = "network trained on train (25 k), mean over seeds"
    for split, kind, spelled, suffix in _SPLITS:
        if split != "valid":
            error = Metric(f"{split}_error{suffix}", "%", kind, "error", split=spelled, description=note, source=source)
            table.add(error, _EPOCHS, 100.0 - _column(rows, f"{split}-accuracy"))
        loss = Metric(f"{split}_loss{suffix}", "nats", kind, "loss", split=spelled, description=note, source=source)
        table.add(loss, _EPOCHS, _column(rows, f"{split}-loss"))


def _column(rows: Any, name: str) -> Values:
    values: Values = rows[name].to_numpy(dtype=float)
    return values
