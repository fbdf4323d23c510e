"""TransNAS-Bench-101 held against what is known of it: best values, disconnected cells, distinct results, sizes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.files import table_path
from surrogate_nas.space.four_nodes import path_live
from surrogate_nas.space.transnas import transnas_micro
from surrogate_nas.tables import ColumnKey, TableFile
from surrogate_nas.tables.sources.transnas import NAMES
from surrogate_nas.tables.sources.transnas.tasks import TASKS
from surrogate_nas.tables.sources.verify import Verified

_BEST = {
    "class_object": ("valid_error@best", (53.68, 52.04), 2),
    "class_scene": ("valid_error@best", (45.06, 42.52), 2),
    "jigsaw": ("valid_error@best", (4.63, 2.98), 2),
    "segmentsemantic": ("valid_miou@best", (26.27, 29.66), 2),
    "autoencoder": ("valid_ssim@best", (0.5772, 0.7688), 4),
    "normal": ("valid_ssim@best", (0.5962, 0.6435), 4),
    "room_layout": ("valid_loss@best", (0.5938, 0.5628), 4),
}
"""By task: the metric, its best values of the micro and the macro space, and to how many digits they are known."""
_DISCONNECTED, _DISCONNECTED_ERROR = 169, 92.516
"""Micro cells without a path, and the error that they, and no others, have on scenes after the final epoch."""
_DISTINCT = 2994
"""Results on the six tasks but segmentation among the micro cells: those that differ in what is dead are apart."""
_CONVOLUTIONS = "64-41414-3_33_333"
_MODEL_PARAMETERS = {
    "class_object": 41_450_091,
    "class_scene": 41_435_727,
    "jigsaw": 46_020_616,
    "room_layout": 41_416_233,
    "segmentsemantic": 52_435_793,
    "normal": 64_283_475,
    "autoencoder": 64_283_475,
}
"""Of the cell of 3×3 convolutions with every task's head, as an independent public reimplementation counts them."""


def verify() -> Iterator[Verified]:
    """Hold the tables against known constants.

    Raises:
        UserError: A table is not here or damaged.
    """
    tables = {name: TableFile(table_path(name)) for name in NAMES}
    for task, (metric, known, digits) in _BEST.items():
        for kind, value in zip(("micro", "macro"), known, strict=True):
            yield _best_value(tables[f"transnas-{kind}-{task}"], metric, value, digits)
    yield _disconnected(tables["transnas-micro-class_scene"])
    yield _distinct([tables[f"transnas-micro-{task}"] for task in TASKS if task != "segmentsemantic"])
    for task, known_parameters in _MODEL_PARAMETERS.items():
        yield _parameters(tables[f"transnas-micro-{task}"], known_parameters)


def _column(table: TableFile, metric: str) -> NDArray[np.float64]:
    (key,) = (key for key in table.keys if key.metric == metric)
    return table.column(key)


def _best_value(table: TableFile, metric: str, known: float, digits: int) -> Verified:
    values = _column(table, metric)
    best = float(values.max() if table.metrics[metric].larger_is_better else values.min())
    passed = round(best, digits) == known
    return Verified(f"best {metric} of {table.name}", passed, f"{best:.{digits + 2}f}, {known} known")


def _disconnected(table: TableFile) -> Verified:
    without = ~path_live(transnas_micro().choices).any(axis=1)
    constant = np.abs(_column(table, "valid_error@last") - _DISCONNECTED_ERROR) < 1e-3  # noqa: PLR2004 - digits known
    passed = int(without.sum()) == _DISCONNECTED and np.array_equal(without, constant)
    detail = f"{without.sum()} without a path, {constant.sum()} of them and others with the error of a constant answer"
    return Verified("disconnected cells of the micro space", passed, detail)


def _distinct(tables: list[TableFile]) -> Verified:
    measured = [
        table.column(key)
        for table in tables
        for key in sorted(table.keys, key=str)
        if key.epochs is not None and key.metric != "train_seconds"
    ]
    found = len(np.unique(np.column_stack(measured), axis=0))
    return Verified("distinct results of micro cells on six tasks", found == _DISTINCT, f"{found}, {_DISTINCT} known")


def _parameters(table: TableFile, known: int) -> Verified:
    place = transnas_micro().index(_CONVOLUTIONS)
    found = float(table.column(ColumnKey("model_params", None, "mean"))[place])
    return Verified(f"parameters of {table.name}", found == known, f"{found:.0f}, {known} known, of {_CONVOLUTIONS}")
