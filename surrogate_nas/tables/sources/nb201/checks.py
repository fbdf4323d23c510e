"""Checks of NAS-Bench-201's tables: published constants, seeds, and three official records."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.extras import is_installed
from surrogate_nas.space import nb201 as space_nb201
from surrogate_nas.space.nb201.sizes import multiply_accumulates, parameters
from surrogate_nas.tables import ColumnKey, Table, TableFile
from surrogate_nas.tables.sources import nats
from surrogate_nas.tables.sources.base import Verified
from surrogate_nas.tables.sources.nb201.extracts import (
    NAS_LANDSCAPES,
    seed_888_metric,
    valid_errors,
)
from surrogate_nas.tables.sources.nb201.fetched import (
    DATA_SETS,
    RECORDS,
    DataSet,
    files_of,
    is_here,
)
from surrogate_nas.tables.sources.nb201.package import SEEDS, Trainings, package_file, trainings

_BEST = {
    "valid_error": {
        "nb201-cifar10": 91.6067,
        "nb201-cifar100": 73.4933,
        "nb201-imagenet16": 46.7333,
    },
    "test_error": {
        "nb201-cifar10": 94.3733,
        "nb201-cifar100": 73.5133,
        "nb201-imagenet16": 47.3111,
    },
}
"""Accuracies after 200 epochs, mean over seeds."""
_CLASSES = {"official_classes": 6466, "classes": 5044}
_NETWORK = {0: (129_306, 15.64737), 11: (802_426, 113.95137), 284: (101_306, 11.71521)}
"""Official index → parameters, MACs in millions, on CIFAR-10."""
_DIGITS = 1e-4
_RELATIVE = 1e-4
_THREE_SEEDS = 8_169
_MEAN_DEVIATION = {"nb201-cifar10": 0.297, "nb201-cifar100": 0.491, "nb201-imagenet16": 0.541}
"""Mean over cells of the standard deviation over seeds, %."""
_TAU = {"nb201-cifar10": 0.910, "nb201-cifar100": 0.886, "nb201-imagenet16": 0.907}
"""Kendall's between seeds 777 and 888 over all cells."""
_ROUNDED = 6e-4
_SAME = 1e-6
_ALL_SIZES_RIGHT = 15_421
"""Cells whose seeds all record the parameters that the architecture has; some record another
architecture's.
"""
_LEAST = 0.4


def checks(tables: dict[str, TableFile]) -> Iterator[Verified]:
    """Check the tables against published constants, and against the official records where these
    and the libraries that read them are here.
    """
    yield from _constants(tables)
    yield from _network()
    yield from _seeds(tables)
    if is_here(RECORDS) and is_installed("nas_201_api") and is_installed("torch"):
        yield from _records(tables)


def _constants(tables: dict[str, TableFile]) -> Iterator[Verified]:
    for metric, published in _BEST.items():
        for name, accuracy in published.items():
            key = ColumnKey(metric, 200, "mean")
            if key in tables[name].keys:
                best = 100.0 - float(np.nanmin(tables[name].column(key)))
                detail = f"{best:.4f}, {accuracy} published"
                yield Verified(f"best {metric} of {name}", abs(best - accuracy) < _DIGITS, detail)
    for what, published_count in _CLASSES.items():
        count = int(getattr(space_nb201(), what).max()) + 1
        yield Verified(
            what.replace("_", " "),
            count == published_count,
            f"{count}, {published_count} published",
        )


def _network() -> Iterator[Verified]:
    from surrogate_nas.space.network import Network

    indices = list(_NETWORK)
    choices = space_nb201().choices[indices]
    sizes = zip(
        indices,
        parameters(choices, Network()),
        multiply_accumulates(choices, Network()),
        strict=True,
    )
    for index, params, macs in sizes:
        passed = (params, macs / 1e6) == _NETWORK[index]
        yield Verified(
            f"parameters and MACs of architecture {index}",
            passed,
            f"{params:.0f}, {macs / 1e6:.5f} M",
        )


def _records(tables: dict[str, TableFile]) -> Iterator[Verified]:
    """The assembled tables against the official records, column by column, where both hold a
    value.
    """
    for official in nats.read(files_of(RECORDS)[0].parent, None):
        ours = tables[official.name.replace("nats-", "nb201-")]
        for key, values in official.columns.items():
            if key in ours.keys and np.isfinite(values).any():
                epochs = "" if key.epochs is None else f"[{key.epochs}]"
                seed = "" if key.seed == "mean" else f", seed {key.seed}"
                yield _agree(f"{ours.name} {key.metric}{epochs}{seed}", values, ours.column(key))
        yield from _single_seeds(official, ours)


def _agree(name: str, official: np.ndarray, ours: np.ndarray) -> Verified:
    has_value = np.isfinite(official)
    close = np.isclose(
        official[has_value],
        ours[has_value],
        rtol=_RELATIVE,
        atol=_DIGITS,
    )
    worst = float(np.abs(official[has_value] - ours[has_value]).max())
    return Verified(
        f"official records: {name}",
        bool(close.all()),
        f"{has_value.sum()} cells, largest difference {worst:.2g}",
    )


def _single_seeds(official: Table, ours: TableFile) -> Iterator[Verified]:
    """``test_error_one_seed`` must be a seed of the official records, and ``…_seed_888`` that
    seed.
    """
    for key in sorted(ours.keys, key=str):
        metric, _, seed = key.metric.partition("_seed_")
        if seed:
            yield _agree(
                f"{ours.name} {key.metric}",
                official.columns[ColumnKey(metric, 200, int(seed))],
                ours.column(key),
            )
    one = ColumnKey("test_error_one_seed", 200, "mean")
    if one not in ours.keys:
        return
    values = ours.column(one)
    seeds = [
        v
        for (m, e, s), v in official.columns.items()
        if (m, e) == ("test_error", 200) and s != "mean"
    ]
    cells = np.flatnonzero(np.isfinite(official.columns[ColumnKey("test_error", 200, "mean")]))
    gaps = [float(np.nanmin([abs(seed[cell] - values[cell]) for seed in seeds])) for cell in cells]
    passed = max(gaps) < _DIGITS
    yield Verified(
        f"official records: {ours.name} test_error_one_seed",
        passed,
        f"a seed's value, within {max(gaps):.2g}",
    )


def _seeds(tables: dict[str, TableFile]) -> Iterator[Verified]:
    """The tables' seeds against the package's file, against published numbers, and against seed
    888's test error.
    """
    for name, data in DATA_SETS.items():
        package = trainings(package_file(data))
        table = tables[name]
        ours = np.column_stack(
            [table.column(ColumnKey("valid_error", 200, seed)) for seed in SEEDS]
        )
        same = np.array_equal(ours, 100.0 - package.accuracies, equal_nan=True)
        yield Verified(
            f"{name}: valid_error[200] of every cell and seed",
            same,
            f"{np.isfinite(ours).sum():,} values",
        )
        mean = table.column(ColumnKey("valid_error", 200, "mean"))
        gap = float(np.abs(mean - np.nanmean(ours, axis=1)).max())
        yield Verified(
            f"{name}: means over these seeds", gap < 1e-9, f"largest difference {gap:.2g}"
        )
        if data.is_cifar10 and is_here(NAS_LANDSCAPES):
            gap = float(np.abs(mean - valid_errors()).max())
            yield Verified(
                f"{name}: means of {NAS_LANDSCAPES}", gap < _SAME, f"largest difference {gap:.2g}"
            )
        yield from _noise(name, package)
        yield _sizes(name, data, package)
        test = ColumnKey(seed_888_metric(data), 200, "mean")
        whole = ColumnKey("test_error_25k" if data.is_cifar10 else "test_error", 200, "mean")
        if {test, whole} <= table.keys:
            yield _is_888(name, package, table.column(whole) - table.column(test))


def _noise(name: str, package: Trainings) -> Iterator[Verified]:
    from scipy.stats import kendalltau

    n_thrice = int((package.n_seeds == len(SEEDS)).sum())
    yield Verified(
        f"{name}: cells of three seeds",
        n_thrice == _THREE_SEEDS,
        f"{n_thrice:,}, {_THREE_SEEDS:,} published",
    )
    wanted = _MEAN_DEVIATION[name]
    deviation = float(np.nanstd(package.accuracies, axis=1, ddof=1).mean())
    detail = f"{deviation:.3f} on average, {wanted} published"
    yield Verified(f"{name}: deviation over seeds", abs(deviation - wanted) < _ROUNDED, detail)
    tau = float(kendalltau(*package.accuracies[:, :2].T).statistic)
    detail = f"{tau:.3f}, {_TAU[name]:.3f} published"
    yield Verified(f"{name}: Kendall's tau of two seeds", abs(tau - _TAU[name]) < _ROUNDED, detail)


def _sizes(name: str, data: DataSet, package: Trainings) -> Verified:
    """A few seeds are recorded with another architecture's size; of each cell at least one must be
    right.
    """
    expected = parameters(space_nb201().choices, data.network)[:, np.newaxis]
    right = np.isclose(package.sizes * 1e6, expected, atol=0.5)
    n_right = int((right | np.isnan(package.sizes)).all(axis=1).sum())
    passed = bool(right.any(axis=1).all()) and n_right == _ALL_SIZES_RIGHT
    return Verified(
        f"{name}: parameters of every cell",
        passed,
        f"{n_right:,} cells of all seeds, the others of some",
    )


def _is_888(name: str, package: Trainings, better: NDArray[np.float64]) -> Verified:
    """Whether the second value is seed 888's: a network that tests better than the mean validates
    better.
    """
    correlations = []
    for n in (2, len(SEEDS)):
        cells = package.n_seeds == n
        valid = package.accuracies[cells][:, :n]
        valid = valid - valid.mean(axis=1, keepdims=True)
        correlations.append(
            [float(np.corrcoef(better[cells], valid[:, place])[0, 1]) for place in range(n)]
        )
    passed = all(row[1] > _LEAST and max(row[:1] + row[2:]) < 0 for row in correlations)
    shown = " and ".join(", ".join(f"{r:+.2f}" for r in row) for row in correlations)
    return Verified(
        f"{name}: the second value is seed 888",
        passed,
        f"correlation with its test {shown} by place",
    )
