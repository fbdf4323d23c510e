"""NAS-Bench-101: cells on CIFAR-10 after trainings of 4, 12, 36 and 108 epochs, from a public
sample of the benchmark's records.

Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", ICML 2019. The
published files are JSON with a list for each field. The files identify a cell only by the paper's
hash. The graph of a cell is looked up by its hash in the list of all 423,624 cells. The hashes of
all cells are computed once and stored in the data directory. The benchmark ``nb101`` contains
30,001 cells, selected by their hashes, which amounts to a random sample. The file
``data-full.json`` of the same repository contains all cells. To create the benchmark
``nb101-full``, which contains all cells, use ``snas data import nb101 data-full.json``.

Each training has one value, which is from one unknown seed or is the mean of several seeds. The
files contain no test accuracy. Training times are recorded for 108 epochs only. The time of a
shorter training is computed in proportion to its epochs.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.files.whole import printable
from surrogate_nas.space.nb101 import NB101
from surrogate_nas.space.nb101.graphs import all_hashes
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import reading
from surrogate_nas.tables.sources.declaration import table_of

_EPOCHS = (4, 12, 36, 108)


def read(name: str) -> Table:
    """Convert the fetched files to a table, whose space is the sample of published cells."""
    return read_files(
        fetching.fetched("nb101", "*0k.json"), name, fetching.origin("nb101")
    )


def read_files(paths: list[Path], name: str, source: str) -> Table:
    """Convert files of the benchmark's records to one table. Each cell is read only once."""
    with reading(
        " and ".join(map(printable, paths)), "file of NAS-Bench-101's records", "nb101"
    ):
        parts = [_part(json.loads(path.read_bytes())) for path in paths]
        all_indices, all_numbers = (
            np.concatenate(arrays) for arrays in zip(*parts, strict=True)
        )
        indices, first = np.unique(all_indices, return_index=True)
        numbers = all_numbers[first]
    space = NB101()
    whole = len(indices) == len(space)
    n_all = f"{len(space):,} cells"
    seconds = np.outer(_EPOCHS, numbers[:, -1]) / _EPOCHS[-1]
    table = table_of(
        "nb101",
        name,
        space,
        {"accuracy": numbers[:, :-1].T, "seconds": seconds},
        None if whole else [space[index] for index in indices],
        origin=source,
        epochs=list(_EPOCHS),
        extent=f"all {n_all}" if whole else f"{len(indices):,} of {n_all}",
        others="" if whole else " The others have no values here. ",
    )
    table.licence = fetching.licence("nb101")
    table.citation = fetching.citation("nb101")
    return table


def imported(
    path: Path, progress: Callable[[int, int], None] | None = None
) -> list[Table]:
    """Convert a user's file, ``data-full.json`` or a part of it, to the table ``nb101-full``."""
    source = f"tiga1231/nasbench-vis {printable(path.name)}, imported"
    table = read_files([path], "nb101-full", source)
    if progress:
        progress(1, 1)
    return [table]


def _part(fields: dict[str, Any]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the indices of a file's cells in the list of all cells, and the cells' values.

    The values are the accuracies by epochs and the seconds of 108 epochs.
    """
    wanted = [f"{epochs}_final_validation_accuracy" for epochs in _EPOCHS]
    columns = [fields[name] for name in (*wanted, "final_training_time")]
    numbers = np.array(columns, dtype=np.float64).T
    if not (numbers > 0).all() or not (numbers[:, :-1] <= 1).all():
        raise ValueError(
            "an accuracy is not between 0 and 1, or a training takes no time"
        )
    return _indices(fields["key"]), numbers


def _indices(keys: list[str]) -> NDArray[np.intp]:
    """Return the indices of hashes in the list of all cells. Half of a hash is unique."""
    digests = np.frombuffer(bytes.fromhex("".join(keys)), dtype=np.uint8).reshape(
        len(keys), -1
    )
    known, wanted = (
        np.ascontiguousarray(hashes[:, :8]).view(">u8")[:, 0].astype(np.uint64)
        for hashes in (all_hashes(), digests)
    )
    order = np.argsort(known)
    indices = order[np.searchsorted(known, wanted, sorter=order) % len(order)]
    if (all_hashes()[indices] != digests).any():
        raise ValueError("a key is not the hash of a cell")
    return indices
