"""The test error of seed 888 alone, from NASLib's zipped JSON files, which call it ``val_accuracy``.

The three official records show what it is: on CIFAR-10 that of the network trained on 25 k, on the other two data sets
that on ``x-test``. It also tells which of the unnamed seeds of `package` is 888 (`checks`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.tables import Table, Values
from surrogate_nas.tables.sources.nb201.fetched import DATA_SETS, DataSet, files_of, indices_of, is_here, origin
from surrogate_nas.tables.sources.pickles import SMALL

REPOSITORY = "automl/NASLib"
_EPOCHS = 200


def add(table: Table, data: DataSet) -> None:
    """Add the test error of seed 888.

    Args:
        table: The table to add to.
        data: Its data set.

    Raises:
        UserError: The file is not what it should be.
    """
    trained = " trained on train (25 k)" if data.is_cifar10 else ""
    metric = Metric(
        name_of(data), "%", "final", "error", split=data.test_split, source=origin(REPOSITORY),
        description=f"of the network{trained} with seed 888; NASLib calls it validation accuracy, and searches on it",
    )  # fmt: skip
    table.add(metric, _EPOCHS, 100.0 - accuracies(files_of(REPOSITORY)[0], data), 1)


def name_of(data: DataSet) -> str:
    """What the metric is called, after the one that means it.

    Args:
        data: The data set.
    """
    return f"test_error{'_25k' if data.is_cifar10 else ''}_seed_888"


def accuracies(path: Path, data: DataSet) -> Values:
    """The accuracies of a data set, in %, shape ``(len(space),)``.

    Args:
        path: The archive, with 63 files of 250 architectures each for every data set.
        data: The data set.

    Raises:
        UserError: It unpacks to too much, or lists other architectures.
    """
    return _column(path, data, lambda record: record["val_accuracy"])


def zen_scores(benchmark: str) -> Values:
    """NASLib's Zen-scores on a data set, from the same files, shape ``(len(space),)``.

    Args:
        benchmark: The name of one of the source's benchmarks.

    Raises:
        UserError: It is another benchmark, or the archive was not fetched or is not what it should be.
    """
    data = DATA_SETS.get(benchmark)
    if data is None or not is_here(REPOSITORY):
        raise UserError(f"No Zen-scores of {benchmark} are here.")
    return _column(files_of(REPOSITORY)[0], data, lambda record: record["zen"]["score"])


def _column(path: Path, data: DataSet, value: Callable[[dict[str, Any]], float]) -> Values:
    """A value of every record of a data set."""
    records: list[dict[str, Any]] = []
    with ZipFile(path) as archive:
        members = [member for member in archive.infolist() if f"--{data.official}--" in member.filename]
        if sum(member.file_size for member in members) > SMALL:
            raise UserError(f"{path} is damaged: it unpacks to more than {SMALL / 1e6:.0f} MB.")
        for member in members:
            records += json.loads(archive.read(member))
    values = np.empty(len(records))
    values[indices_of((str(record["arch"]) for record in records), path)] = [value(record) for record in records]
    return values
