"""NAS-Bench-Graph: all architectures of its space on nine graph data sets, means of three seeds.

Qin et al., "NAS-Bench-Graph: Benchmarking Graph Neural Architecture Search", NeurIPS 2022 Datasets
and Benchmarks, as the package ``nas-bench-graph`` holds it: validation and test performance,
latency and parameters. Losses, curves, the number of epochs and training times are not in the
package. On ogbn-proteins performance is the ROC-AUC, elsewhere the accuracy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.extras import package_folder
from surrogate_nas.core.metrics import cost_metric, score_metric
from surrogate_nas.files.paths import printable
from surrogate_nas.space.nbgraph import NBGraph, nbgraph, nbgraph_proteins
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources.base import Verified, declared, package_of, reading
from surrogate_nas.tables.sources.frame import Facts, check_facts
from surrogate_nas.tables.sources.pickles import numpy_scalars, read_pickle_file

NAMES = declared("nbgraph").names
PACKAGE = package_of("nbgraph")
SEEDS = 3
_SOURCE = "Python package nas-bench-graph"
_FIELDS = ("valid_perf", "perf", "latency", "para")
_MOST_TUPLES = 27_000
"""A number of NumPy's is made from a tuple, and every record of the large files has one."""
_DIGITS = 1e-9


@dataclass(frozen=True)
class _DataSet:
    """A data set: its title, the digest of its file's numbers, the best validation performance in
    it, and λ.

    λ of the default objective is the smallest of .02, .05, .1 and .2 that moves the optimum of L.
    """

    title: str
    digest: str
    best: float
    weight: float


_DATA_SETS = {
    "nbgraph-cora": _DataSet("Cora", "859ad856bbc754b8", 0.81933333333, 0.2),
    "nbgraph-citeseer": _DataSet("CiteSeer", "a8d5a445d2560fd4", 0.728, 0.02),
    "nbgraph-pubmed": _DataSet("PubMed", "868897ed21b6ac30", 0.81133333333, 0.05),
    "nbgraph-cs": _DataSet("Coauthor CS", "6b98cf645a182b37", 0.92133333333, 0.05),
    "nbgraph-physics": _DataSet("Coauthor Physics", "2f1504901ef67ece", 0.94, 0.1),
    "nbgraph-photo": _DataSet("Amazon Photo", "a585f9654533921b", 0.94066666667, 0.02),
    "nbgraph-computers": _DataSet("Amazon Computers", "0a4f0406d1f4c0ad", 0.919, 0.02),
    "nbgraph-arxiv": _DataSet("ogbn-arxiv", "57166d092d54b8a5", 0.73666666667, 0.02),
    "nbgraph-proteins": _DataSet("ogbn-proteins", "b92b030ed1cb5e0e", 0.85333333333, 0.05),
}
_PROTEINS = "nbgraph-proteins"


def read(name: str) -> Table:
    """Read the installed package's file into a table."""
    data = _DATA_SETS[name]
    space = _space(name)
    path = package_folder(PACKAGE) / "light" / f"{name.removeprefix('nbgraph-')}.bench"
    valid, test, latency, params = _results(path, space, data.digest).T
    measure = _measure(name)
    table = Table(
        name=name,
        space=space.name,
        title=f"NAS-Bench-Graph on {data.title}: graph networks, means of {SEEDS} seeds",
        source=_SOURCE,
        objective=f"valid_{measure} + {data.weight:g}*params",
        network=Network(),
        cost="queries",
    )
    for split, performance in (("valid", valid), ("test", test)):
        values = 100.0 * performance if name == _PROTEINS else 100.0 - 100.0 * performance
        metric = score_metric(
            f"{split}_{measure}",
            "%",
            "quality" if name == _PROTEINS else "error",
            (
                "the benchmark's performance after its own number of epochs, which the package does"
                " not give"
            ),
            _SOURCE,
        )
        table.add(metric, None, values, SEEDS)
    of_latency = cost_metric(
        "latency@gpu",
        "ms",
        (
            "on the authors' GPU, which the package does not name; recorded without unit, read as"
            " seconds"
        ),
        _SOURCE,
    )
    table.add(of_latency, None, 1e3 * latency)
    of_params = cost_metric("params", "M", "trainable, as recorded", _SOURCE)
    table.add(of_params, None, params)
    return table


def _space(name: str) -> NBGraph:
    return nbgraph_proteins() if name == _PROTEINS else nbgraph()


def _measure(name: str) -> str:
    return "roc_auc" if name == _PROTEINS else "error"


def _results(path: Path, space: NBGraph, digest: str) -> NDArray[np.float64]:
    """The fields of all cells in the order of the space, shape ``(len(space), 4)``."""
    keys = [space.key(cell) for cell in space]
    with reading(path, f"file of {PACKAGE[0]}"):
        records = read_pickle_file(path, numpy_scalars(), most_tuples=_MOST_TUPLES)
        if set(records) != set(keys):
            raise ValueError(
                f"it lists {len(records):,} architectures, not each of the {len(space):,} once"
            )
        values = np.array([[float(records[key][field]) for field in _FIELDS] for key in keys])
    if digest_of(values) != digest:
        raise UserError(
            f"{printable(path)} was altered, or is of another version: its numbers are not"
            f" {PACKAGE[0]}'s."
        )
    return values


def digest_of(values: NDArray[np.float64]) -> str:
    """The first 16 digits of the sha256 of all numbers."""
    return hashlib.sha256(np.ascontiguousarray(values, dtype="<f8").tobytes()).hexdigest()[:16]


def verify() -> Iterator[Verified]:
    """Check the tables against the package's own best values and counts."""
    for name, data in _DATA_SETS.items():
        metric = _measure(name)
        best = 100.0 * data.best if name == _PROTEINS else 100.0 - 100.0 * data.best
        values = {f"best valid_{metric}": best}
        yield from check_facts(name, Facts(len(_space(name)), values=values, within=_DIGITS))
