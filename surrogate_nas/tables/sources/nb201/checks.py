"""NAS-Bench-201 held against published constants, and against three complete official records."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import table_path
from surrogate_nas.space import nb201 as space_nb201
from surrogate_nas.space.nb201.sizes import multiply_accumulates, parameters
from surrogate_nas.tables import ColumnKey, Table, TableFile
from surrogate_nas.tables.sources import nats, nb201
from surrogate_nas.tables.sources.nb201 import seed_checks
from surrogate_nas.tables.sources.nb201.fetched import RECORDS, is_here
from surrogate_nas.tables.sources.verify import Verified

_BEST = {
    "valid_error": {"nb201-cifar10": 91.6067, "nb201-cifar100": 73.4933, "nb201-imagenet16": 46.7333},
    "test_error": {"nb201-cifar10": 94.3733, "nb201-cifar100": 73.5133, "nb201-imagenet16": 47.3111},
}
"""Accuracies after 200 epochs, mean over seeds."""
_CLASSES = {"official_classes": 6466, "classes": 5044}
_NETWORK = {0: (129_306, 15.64737), 11: (802_426, 113.95137), 284: (101_306, 11.71521)}
"""Official index → parameters, MACs in millions, on CIFAR-10."""
_DIGITS = 1e-4
_RELATIVE = 1e-4


def verify() -> Iterator[Verified]:
    """Hold the tables against published constants, and what was fetched against the official records.

    Raises:
        UserError: The tables are not here.
    """
    tables = {name: TableFile(table_path(name)) for name in nb201.NAMES}
    for name, table in tables.items():
        if not nb201.is_current(table.keys):
            raise UserError(f"{name} was made by an earlier version: run snas data fetch nb201.")
    yield from _constants(tables)
    yield from _network()
    yield from seed_checks.verify(tables)
    if is_here(RECORDS):
        yield from _records(tables)


def _constants(tables: dict[str, TableFile]) -> Iterator[Verified]:
    for metric, published in _BEST.items():
        for name, accuracy in published.items():
            key = ColumnKey(metric, 200, "mean")
            if key in tables[name].keys:
                best = 100.0 - float(np.nanmin(tables[name].column(key)))
                found = f"{best:.4f}, {accuracy} published"
                yield Verified(f"best {metric} of {name}", abs(best - accuracy) < _DIGITS, found)
    for what, published_count in _CLASSES.items():
        count = int(getattr(space_nb201(), what).max()) + 1
        yield Verified(what.replace("_", " "), count == published_count, f"{count}, {published_count} published")


def _network() -> Iterator[Verified]:
    from surrogate_nas.space.network import Network

    indices = list(_NETWORK)
    choices = space_nb201().choices[indices]
    found = zip(indices, parameters(choices, Network()), multiply_accumulates(choices, Network()), strict=True)
    for index, params, macs in found:
        passed = (params, macs / 1e6) == _NETWORK[index]
        yield Verified(f"parameters and MACs of architecture {index}", passed, f"{params:.0f}, {macs / 1e6:.5f} M")


def _records(tables: dict[str, TableFile]) -> Iterator[Verified]:
    """The assembled tables against the official records, column by column, where both hold a value."""
    for official in nats.read(nb201.records_folder(), None):
        ours = tables[official.name.replace("nats-", "nb201-")]
        for key, values in official.columns.items():
            if key in ours.keys and np.isfinite(values).any():
                epochs = "" if key.epochs is None else f"[{key.epochs}]"
                seed = "" if key.seed == "mean" else f", seed {key.seed}"
                yield _agree(f"{ours.name} {key.metric}{epochs}{seed}", values, ours.column(key))
        yield from _single_seeds(official, ours)


def _agree(name: str, official: np.ndarray, ours: np.ndarray) -> Verified:
    held = np.isfinite(official)
    close = np.isclose(official[held], ours[held], rtol=_RELATIVE, atol=_DIGITS)
    worst = float(np.abs(official[held] - ours[held]).max())
    return Verified(
        f"official records: {name}", bool(close.all()), f"{held.sum()} cells, largest difference {worst:.2g}"
    )


def _single_seeds(official: Table, ours: TableFile) -> Iterator[Verified]:
    """``test_error_one_seed`` must be a seed of the official records, and ``…_seed_888`` that seed."""
    for key in sorted(ours.keys, key=str):
        metric, _, seed = key.metric.partition("_seed_")
        if seed:
            yield _agree(
                f"{ours.name} {key.metric}", official.columns[ColumnKey(metric, 200, int(seed))], ours.column(key)
            )
    one = ColumnKey("test_error_one_seed", 200, "mean")
    if one not in ours.keys:
        return
    values = ours.column(one)
    seeds = [v for (m, e, s), v in official.columns.items() if (m, e) == ("test_error", 200) and s != "mean"]
    cells = np.flatnonzero(np.isfinite(official.columns[ColumnKey("test_error", 200, "mean")]))
    gaps = [float(np.nanmin([abs(seed[cell] - values[cell]) for seed in seeds])) for cell in cells]
    passed = max(gaps) < _DIGITS
    yield Verified(
        f"official records: {ours.name} test_error_one_seed", passed, f"a seed's value, within {max(gaps):.2g}"
    )
