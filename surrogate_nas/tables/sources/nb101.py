"""NAS-Bench-101: cells on CIFAR-10 after trainings of 4, 12, 36 and 108 epochs, from a public
sample of its records.

Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", ICML 2019. The files
are JSON, a list for each field, and name a cell by the paper's hash alone: its graph is found in
the list of all 423,624, whose hashes are made once and remembered in the home folder. ``nb101``
holds 30,001 cells, those of the least hashes and 10,000 further on, so a sample as good as random.
The file ``data-full.json`` of the same repository holds all cells; ``snas data import nb101
data-full.json`` makes ``nb101-full`` of it.

There is one number a training, of an unnamed seed or the mean of unnamed ones, no test accuracy,
and the seconds of the 108 epochs alone: those of a shorter training are taken to be its share of
them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import record_metric, score_metric
from surrogate_nas.files import table_path
from surrogate_nas.files.paths import printable
from surrogate_nas.space import Sampled
from surrogate_nas.space.nb101 import NB101, nb101
from surrogate_nas.space.nb101.graphs import Graph, edge_bits, listed, module_hash
from surrogate_nas.space.nb101.hashes import all_hashes
from surrogate_nas.space.nb101.sizes import parameters
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table, TableFile
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import Verified, declared, reading
from surrogate_nas.tables.sources.frame import (
    Facts,
    check_facts,
    check_sizes,
    column,
    error_of_share,
    parse_json,
    read_file,
)

NAMES = declared("nb101").names
_SOURCE = "nb101"
_REPOSITORY = "tiga1231/nasbench-vis"
_FULL = "nb101-full"
_NETWORK = Network(channels=128, cells_per_stage=3)
_EPOCHS = (4, 12, 36, 108)
_ACCURACY = "{}_final_validation_accuracy"
_SECONDS = "final_training_time"
_PARAMETERS = "trainable_parameters"
_KEY = "key"
_HASH = 32
"""Digits of a hash."""
_MOST_BYTES = 1 << 28
_FACTS = Facts(
    cells=30_001,
    values={"best valid_error[108]": 100.0 - 94.91, "median valid_error[108]": 100.0 - 91.62},
    within=0.005,
    ranks={
        ("valid_error[4]", "valid_error[108]"): 0.309,
        ("valid_error[12]", "valid_error[108]"): 0.439,
        ("valid_error[36]", "valid_error[108]"): 0.695,
        ("params", "valid_error[108]"): -0.316,
    },
    rank_within=0.0005,
)
_COUNTS = (1, 6, 84, 2441, 62_010, 359_082)
"""Cells of two to seven vertices."""


class _Records(NamedTuple):
    """What files say, a row a cell."""

    places: NDArray[np.intp]
    """In the list of all cells."""
    errors: NDArray[np.float64]
    """In %, a column for each number of epochs."""
    seconds: NDArray[np.float64]
    """Of 108 epochs."""


def read(name: str) -> Table:
    """Read the fetched files into a table on the sampled space of their cells."""
    paths = [path for path in fetching.files(_SOURCE) if path.name != "data-1k.json"]
    return read_files(paths, name, fetching.origin(_SOURCE, _REPOSITORY))


def read_files(paths: list[Path], name: str, source: str) -> Table:
    """Read files of the benchmark's records into one table; a cell in several must be the same."""
    if not paths:
        raise UserError("No file of NAS-Bench-101 was named.")
    with reading(" and ".join(map(printable, paths)), "file of NAS-Bench-101's records", _SOURCE):
        records = [_part(path) for path in paths]
        return _table(
            _sorted(_Records(*map(np.concatenate, zip(*records, strict=True)))), name, source
        )


def imported(path: Path, progress: Callable[[int, int], None] | None = None) -> list[Table]:
    """Read a file of a user's own, ``data-full.json`` or a part of it, into the table
    ``nb101-full``.
    """
    table = read_files([path], _FULL, f"{_REPOSITORY} {printable(path.name)}, imported")
    if progress:
        progress(1, 1)
    return [table]


def _part(path: Path) -> _Records:
    """What one file says, in its own order."""
    fields = parse_json(read_file(path, _MOST_BYTES))
    if not isinstance(fields, dict) or not isinstance(fields.get(_KEY), list) or not fields[_KEY]:
        raise TypeError(f"it is no object with a list {_KEY} of hashes")
    accuracies = np.stack(
        [_numbers(fields, _ACCURACY.format(epochs)) for epochs in _EPOCHS], axis=1
    )
    if not ((accuracies >= 0) & (accuracies <= 1)).all():
        raise ValueError(
            f"accuracies are shares of 1, not {accuracies.min():g} to {accuracies.max():g}"
        )
    seconds = _numbers(fields, _SECONDS)
    if not (seconds > 0).all():
        raise ValueError(f"a training takes more than 0 seconds, not {seconds.min():g}")
    places = _places(fields[_KEY])
    choices = nb101().choices[places]
    expected = parameters(choices, _NETWORK)
    check_sizes(nb101(), choices, _numbers(fields, _PARAMETERS), expected)
    return _Records(places, error_of_share(accuracies), seconds)


def _numbers(fields: dict[str, Any], name: str) -> NDArray[np.float64]:
    values = fields[name]
    if not isinstance(values, list) or len(values) != len(fields[_KEY]):
        raise TypeError(f"{name} is no list as long as that of the hashes")
    if wrong := [value for value in values if type(value) not in (int, float)]:
        raise TypeError(f"{name} holds {wrong[0]!r:.60}, which is no number")
    return np.array(values, dtype=np.float64)


def _places(keys: list[Any]) -> NDArray[np.intp]:
    """Where the cells of hashes are in the list of all."""
    if wrong := [key for key in keys if not isinstance(key, str) or len(key) != _HASH]:
        raise TypeError(f"{wrong[0]!r:.60} is no hash of {_HASH} digits")
    digests = np.frombuffer(bytes.fromhex("".join(keys)), dtype=np.uint8).reshape(len(keys), -1)
    every = all_hashes()
    beginnings = _beginnings(every)
    order = np.argsort(beginnings)
    places = order[np.searchsorted(beginnings, _beginnings(digests), sorter=order) % len(order)]
    wrong = np.flatnonzero((every[places] != digests).any(axis=1)).tolist()
    if wrong:
        raise ValueError(f"{keys[wrong[0]]} is the hash of no cell")
    return places


def _beginnings(digests: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The first half of hashes, which no two cells share, as numbers."""
    return np.ascontiguousarray(digests[:, :8]).view(">u8")[:, 0].astype(np.uint64)


def _sorted(records: _Records) -> _Records:
    """Every cell once, in the order of the space."""
    places, first, of_row = np.unique(records.places, return_index=True, return_inverse=True)
    if len(places) < len(records.places):
        numbers = np.column_stack([records.errors, records.seconds])
        different = np.flatnonzero((numbers != numbers[first][of_row]).any(axis=1))
        if len(different):
            cell = nb101()[int(records.places[different[0]])]
            raise ValueError(f"{cell} is there twice, with different values")
    return _Records(places, records.errors[first], records.seconds[first])


def _table(records: _Records, name: str, source: str) -> Table:
    whole = len(records.places) == len(nb101())
    space = nb101() if whole else Sampled(nb101(), nb101().choices[records.places])
    extent = f"all {len(space):,} cells" if whole else f"{len(space):,} of {len(nb101()):,} cells"
    table = Table(
        name=name,
        space=space.definition,
        title=f"NAS-Bench-101 on CIFAR-10: {extent}",
        source=source,
        licence=fetching.licence(_SOURCE),
        citation=fetching.citation(_SOURCE),
        objective="valid_error + 0.05*params",
        network=_NETWORK,
        banner=(
            f"{'' if isinstance(space, NB101) else f'{space.notice} The others have no values here. '}There"  # noqa: E501
            " is one number a training, of unnamed seeds, and no test accuracy: what is searched"
            " on is all that can be reported."
        ),
    )
    described = (
        "CIFAR-10, 10,000 validation images, trained on 40,000 for so many epochs on a schedule of"
        " its own"
    )
    error = score_metric("valid_error", "%", "error", described, source)
    described = (
        "recorded of 108 epochs; of a shorter training its share of those, which is an estimate"
    )
    seconds = record_metric("train_seconds", "s", described, source)
    for place, epochs in enumerate(_EPOCHS):
        table.add(error, epochs, records.errors[:, place])
        table.add(seconds, epochs, records.seconds * epochs / _EPOCHS[-1])
    return table


def verify() -> Iterator[Verified]:
    """Check the table that is here against what the published files hold, and the space against the
    paper.
    """
    counts = tuple(int(count) for count in np.bincount(listed().vertices)[2:])
    yield Verified(
        "cells of nb101 by vertices", counts == _COUNTS, f"{counts}, {_COUNTS} published"
    )
    yield from _verified_graphs()
    (name,) = NAMES
    yield from check_facts(name, _FACTS)
    yield _verified_parameters()
    table = TableFile(table_path(name))
    errors = [column(table, f"valid_error[{epochs}]") for epochs in _EPOCHS]
    is_whole = bool(np.isfinite(errors).all())
    yield Verified("trainings of nb101", is_whole, f"{len(errors)} of every cell")


def _verified_parameters() -> Verified:
    """The recorded sizes of the fetched files."""
    paths = [path for path in fetching.files(_SOURCE) if path.name != "data-1k.json"]
    try:
        n_cells = sum(len(_part(path).places) for path in paths)
    except (OSError, LookupError, TypeError, ValueError) as error:
        return Verified("trainable parameters of nb101", False, printable(error))
    return Verified(
        "trainable parameters of nb101",
        n_cells == _FACTS.cells,
        f"those of the networks, of {n_cells:,} cells",
    )


def _verified_graphs() -> Iterator[Verified]:
    """The graphs that one file holds beside the hashes."""
    (path,) = (path for path in fetching.files(_SOURCE) if path.name == "data-1k.json")
    try:
        fields = json.loads(path.read_bytes())
        rows = list(zip(fields["adjacency"], fields["operations"], fields[_KEY], strict=True))
        graphs = [
            Graph(n := operations.index(-2) + 1, edge_bits(matrix), tuple(operations[1 : n - 1]))
            for matrix, operations, _ in rows
        ]
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise UserError(
            f"Cannot read {printable(path)} ({error}). Run snas data fetch {_SOURCE}."
        ) from error
    keys = sum(module_hash(graph) == key for graph, (*_, key) in zip(graphs, rows, strict=True))
    yield Verified("hashes of graphs", keys == len(rows), f"{keys:,} of {len(rows):,} as published")
    own = sum(nb101().graph_of(nb101().isomorphic(graph)) == graph for graph in graphs)
    yield Verified(
        "graphs that stand for isomorphic ones",
        own == len(rows),
        f"{own:,} of {len(rows):,} as published",
    )
