"""NAS-Bench-201 held against published constants, and against three complete official records."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from surrogate_nas.files import table_path
from surrogate_nas.sources import nats, nb201
from surrogate_nas.sources.verify import Verified
from surrogate_nas.space import nb201 as space_nb201
from surrogate_nas.space.nb201.sizes import multiply_accumulates, parameters
from surrogate_nas.table import ColumnKey, Table, TableFile

_BEST_VALID = ("nb201-cifar10", "valid_error", 91.6067)
_BEST_TEST = {"nb201-cifar10": 94.3733, "nb201-cifar100": 73.5133, "nb201-imagenet16": 47.3111}
_CLASSES = {"official_classes": 6466, "classes": 5044}
_NETWORK = {0: (129_306, 15.64737), 11: (802_426, 113.95137), 284: (101_306, 11.71521)}
"""Official index → parameters, MACs in millions, on CIFAR-10."""
_DIGITS = 1e-4
_RELATIVE = 1e-4


def verify() -> Iterator[Verified]:
    """Hold the tables against published constants and the official records.

    Raises:
        UserError: The tables or records are not here.
    """
    tables = {name: TableFile(table_path(name)) for name in nb201.NAMES}
    yield from _constants(tables)
    yield from _network()
    yield from _records(tables)


def _constants(tables: dict[str, TableFile]) -> Iterator[Verified]:
    bench, metric, published = _BEST_VALID
    wanted = [(bench, metric, published), *((name, "test_error", best) for name, best in _BEST_TEST.items())]
    for bench, metric, published in wanted:
        best = 100.0 - float(np.nanmin(tables[bench].column(ColumnKey(metric, 200, "mean"))))
        yield Verified(
            f"best {metric} of {bench}", abs(best - published) < _DIGITS, f"{best:.4f}, {published} published"
        )
    for name, published_count in _CLASSES.items():
        count = int(getattr(space_nb201(), name).max()) + 1
        yield Verified(name.replace("_", " "), count == published_count, f"{count}, {published_count} published")


def _network() -> Iterator[Verified]:
    from surrogate_nas.network import Network

    indices = list(_NETWORK)
    choices = space_nb201().choices[indices]
    found = zip(indices, parameters(choices, Network()), multiply_accumulates(choices, Network()), strict=True)
    for index, params, macs in found:
        passed = (params, macs / 1e6) == _NETWORK[index]
        yield Verified(f"parameters and MACs of architecture {index}", passed, f"{params:.0f}, {macs / 1e6:.5f} M")


def _records(tables: dict[str, TableFile]) -> Iterator[Verified]:
    """The assembled tables against the official records, metric by metric, where both hold a value."""
    folder = nb201.records_folder()
    for official in nats.read(folder, None):
        ours = tables[official.name.replace("nats-", "nb201-")]
        for (metric, epochs, seed), values in official.columns.items():
            key = ColumnKey(metric, epochs, seed)
            if seed == "mean" and key in ours.keys:
                yield _agree(f"{ours.name} {metric}{'' if epochs is None else f'[{epochs}]'}", values, ours.column(key))
        yield _one_of_the_seeds(official, ours)


def _agree(name: str, official: np.ndarray, ours: np.ndarray) -> Verified:
    held = np.isfinite(official)
    close = np.isclose(official[held], ours[held], rtol=_RELATIVE, atol=_DIGITS)
    worst = float(np.abs(official[held] - ours[held]).max())
    return Verified(
        f"official records: {name}", bool(close.all()), f"{held.sum()} cells, largest difference {worst:.2g}"
    )


def _one_of_the_seeds(official: Table, ours: TableFile) -> Verified:
    """``test_error_one_seed`` must be one of the seeds that the official records hold."""
    values = ours.column(ColumnKey("test_error_one_seed", 200, "mean"))
    seeds = [v for (m, e, s), v in official.columns.items() if (m, e) == ("test_error", 200) and s != "mean"]
    cells = np.flatnonzero(np.isfinite(official.columns[ColumnKey("test_error", 200, "mean")]))
    gaps = [float(np.nanmin([abs(seed[cell] - values[cell]) for seed in seeds])) for cell in cells]
    passed = max(gaps) < _DIGITS
    return Verified(
        f"official records: {ours.name} test_error_one_seed", passed, f"a seed's value, within {max(gaps):.2g}"
    )
