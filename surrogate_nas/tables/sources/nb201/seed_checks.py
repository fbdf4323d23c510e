"""The seeds of NAS-Bench-201 after 200 epochs: how many, which, how far apart; and the sizes recorded beside them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.space import nb201
from surrogate_nas.space.nb201.sizes import parameters
from surrogate_nas.tables import ColumnKey, TableFile
from surrogate_nas.tables.sources.nb201 import losses, seed_888
from surrogate_nas.tables.sources.nb201.data_sets import DATA_SETS, DataSet
from surrogate_nas.tables.sources.nb201.fetched import is_here
from surrogate_nas.tables.sources.nb201.package import SEEDS, Trainings, package_file, trainings
from surrogate_nas.tables.sources.verify import Verified

_THREE_SEEDS = 8_169
_MEAN_DEVIATION = {"nb201-cifar10": 0.297, "nb201-cifar100": 0.491, "nb201-imagenet16": 0.541}
"""Mean over cells of the standard deviation over seeds, %."""
_TAU = {"nb201-cifar10": 0.910, "nb201-cifar100": 0.886, "nb201-imagenet16": 0.907}
"""Kendall's between seeds 777 and 888 over all cells."""
_ROUNDED = 6e-4
_SAME = 1e-6
_ALL_SIZES_RIGHT = 15_421
"""Cells whose seeds all record the parameters that the architecture has; some record another architecture's."""
_LEAST = 0.4


def verify(tables: dict[str, TableFile]) -> Iterator[Verified]:
    """Hold the tables' seeds against the package's file, against published numbers, and against seed 888's test error.

    Args:
        tables: By the benchmark's name.

    Raises:
        UserError: The package is missing or altered, or a table is damaged.
    """
    for name, data in DATA_SETS.items():
        held, table = trainings(package_file(data)), tables[name]
        ours = np.column_stack([table.column(ColumnKey("valid_error", 200, seed)) for seed in SEEDS])
        same = np.array_equal(ours, 100.0 - held.accuracies, equal_nan=True)
        yield Verified(f"{name}: valid_error[200] of every cell and seed", same, f"{np.isfinite(ours).sum():,} values")
        mean = table.column(ColumnKey("valid_error", 200, "mean"))
        gap = float(np.abs(mean - np.nanmean(ours, axis=1)).max())
        yield Verified(f"{name}: means over these seeds", gap < 1e-9, f"largest difference {gap:.2g}")
        if data.is_cifar10 and is_here(losses.REPOSITORY):
            gap = float(np.abs(mean - losses.valid_errors()).max())
            yield Verified(f"{name}: means of {losses.REPOSITORY}", gap < _SAME, f"largest difference {gap:.2g}")
        yield from _noise(name, held)
        yield _sizes(name, data, held)
        test = ColumnKey(seed_888.name_of(data), 200, "mean")
        whole = ColumnKey("test_error_25k" if data.is_cifar10 else "test_error", 200, "mean")
        if {test, whole} <= table.keys:
            yield _is_888(name, held, table.column(whole) - table.column(test))


def _noise(name: str, held: Trainings) -> Iterator[Verified]:
    from scipy.stats import kendalltau

    n_thrice = int((held.n_seeds == len(SEEDS)).sum())
    yield Verified(
        f"{name}: cells of three seeds", n_thrice == _THREE_SEEDS, f"{n_thrice:,}, {_THREE_SEEDS:,} published"
    )
    wanted, deviation = _MEAN_DEVIATION[name], float(np.nanstd(held.accuracies, axis=1, ddof=1).mean())
    found = f"{deviation:.3f} on average, {wanted} published"
    yield Verified(f"{name}: deviation over seeds", abs(deviation - wanted) < _ROUNDED, found)
    tau = float(kendalltau(*held.accuracies[:, :2].T).statistic)
    found = f"{tau:.3f}, {_TAU[name]:.3f} published"
    yield Verified(f"{name}: Kendall's tau of two seeds", abs(tau - _TAU[name]) < _ROUNDED, found)


def _sizes(name: str, data: DataSet, held: Trainings) -> Verified:
    """A few seeds are recorded with another architecture's size; of each cell at least one must be right."""
    right = np.isclose(held.sizes * 1e6, parameters(nb201().choices, data.network)[:, np.newaxis], atol=0.5)
    n_right = int((right | np.isnan(held.sizes)).all(axis=1).sum())
    passed = bool(right.any(axis=1).all()) and n_right == _ALL_SIZES_RIGHT
    return Verified(f"{name}: parameters of every cell", passed, f"{n_right:,} cells of all seeds, the others of some")


def _is_888(name: str, held: Trainings, better: NDArray[np.float64]) -> Verified:
    """Whether the second value is seed 888's: a network that tests better than the mean validates better."""
    found = []
    for n in (2, len(SEEDS)):
        cells = held.n_seeds == n
        valid = held.accuracies[cells][:, :n]
        valid = valid - valid.mean(axis=1, keepdims=True)
        found.append([float(np.corrcoef(better[cells], valid[:, place])[0, 1]) for place in range(n)])
    passed = all(row[1] > _LEAST and max(row[:1] + row[2:]) < 0 for row in found)
    told = " and ".join(", ".join(f"{r:+.2f}" for r in row) for row in found)
    return Verified(f"{name}: the second value is seed 888", passed, f"correlation with its test {told} by place")
