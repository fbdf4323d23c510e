"""NAS-Bench-NLP: cells of recurrent language models on WikiText-2, 341 trainings of 50 epochs.

Klyuchnikov et al., "NAS-Bench-NLP: Neural Architecture Search Benchmark for Natural Language
Processing", IEEE Access 2022. The archive holds 345 logs in JSON, read in memory. Four ended in a
loss that was no number, by epoch 23; they are left out. The 341 whole ones are of 289 recipes as
they are written, and of 263 graphs once names and the order of nodes and of inputs that commute are
left aside. What was trained several times has as many seeds, which are numbered from 0 in the order
of the logs; a mean is over all of them, and the first three stand for themselves.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.metrics import Metric, record_metric, score_metric
from surrogate_nas.files import table_path
from surrogate_nas.files.paths import printable
from surrogate_nas.space import Cell, Sampled, choices_of
from surrogate_nas.space.nbnlp import nbnlp, parameters
from surrogate_nas.space.network import Network
from surrogate_nas.tables import ColumnKey, Table, TableFile
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import Verified, declared, reading
from surrogate_nas.tables.sources.frame import (
    Facts,
    check_facts,
    close,
    equal,
    kendall,
    read_bounded,
)

NAMES = declared("nbnlp").names
EPOCHS = 50
_SOURCE = "nbnlp"
_NETWORK = Network()
_REPOSITORY = "fmsnew/nas-bench-nlp-release"
_MOST_LOGS = 1_000
_LARGEST_LOG = 100_000
_SINGLE = 3
_LOSSES = {"train_loss": "train_losses", "valid_loss": "val_losses", "test_loss": "test_losses"}
_WHOLE = 341
_GRAPHS = 263
_AGAIN = 51


class _Run(NamedTuple):
    """A training: its cell, and by epoch the three losses and the seconds so far, shape
    ``(4, epochs)``.
    """

    cell: Cell
    curves: NDArray[np.float64]


def read(name: str) -> Table:  # noqa: ARG001 - there is one
    """Read the fetched archive into a table on the sampled space of its cells."""
    (path,) = fetching.files(_SOURCE)
    return read_file(path)


def read_file(path: Path) -> Table:
    """Read an archive of the benchmark's logs."""
    with reading(path, "file of NAS-Bench-NLP", _SOURCE):
        return _table(_runs(path))


def _runs(path: Path) -> list[_Run]:
    """The whole trainings, in the order of the archive."""
    with ZipFile(path) as archive:
        members = archive.infolist()
        if not 0 < len(members) <= _MOST_LOGS:
            raise ValueError(f"it holds {len(members):,} logs")
        logs = [_log(archive, member) for member in members]
    return [_run(log) for log in logs if log["status"] == "OK"]


def _log(archive: ZipFile, member: ZipInfo) -> Mapping[str, Any]:
    with archive.open(member) as packed:
        name = f"{printable(member.filename)!r:.100}"
        content = read_bounded(packed, _LARGEST_LOG, name)
    log: Mapping[str, Any] = json.loads(content, parse_constant=str)
    return log


def _run(log: Mapping[str, Any]) -> _Run:
    curves = np.array([log[field] for field in (*_LOSSES.values(), "wall_times")])
    is_whole = curves.shape == (len(_LOSSES) + 1, EPOCHS) and curves.dtype == np.float64
    if not is_whole or not (curves > 0).all():
        raise ValueError(f"log {log['recepie_id']} has no curves of {EPOCHS} positive numbers")
    if not np.isfinite(curves).all():
        raise ValueError(f"log {log['recepie_id']} has a number that is not finite")
    curves[-1] = np.cumsum(curves[-1])
    cell = nbnlp().parse(log["recepie"])
    expected = int(parameters(choices_of([cell]), _NETWORK)[0])
    if log["num_params"] != expected:
        raise ValueError(
            f"{cell} is said to have {log['num_params']} parameters, but has {expected}"
        )
    return _Run(cell, curves)


def _table(runs: list[_Run]) -> Table:
    by_cell: dict[Cell, list[NDArray[np.float64]]] = {}
    for run in runs:
        by_cell.setdefault(run.cell, []).append(run.curves)
    space = Sampled(nbnlp(), choices_of(list(by_cell)))
    counts = np.array([len(curves) for curves in by_cell.values()], dtype=np.int16)
    means = np.array([np.mean(curves, axis=0) for curves in by_cell.values()])
    singles = np.full((_SINGLE, *means.shape), np.nan)
    for place, curves in enumerate(by_cell.values()):
        singles[: len(curves), place] = curves[:_SINGLE]
    table = Table(
        name=NAMES[0],
        space=space.definition,
        title=(
            f"NAS-Bench-NLP on WikiText-2: {len(space)} cells of recurrent language models,"
            f" {len(runs)} trainings"
        ),
        source=fetching.origin(_SOURCE, _REPOSITORY),
        objective="valid_loss + 0.2*nodes",
        network=_NETWORK,
        epochs="curve",
        banner=(
            f"{space.notice} Seeds are trainings of the same graph, which {int((counts > 1).sum())}"
            " cells have."
        ),
    )
    for row, metric in enumerate(_metrics(table.source)):
        for epoch in range(EPOCHS):
            seeds = {seed: singles[seed, :, row, epoch] for seed in range(_SINGLE)}
            table.add(metric, epoch + 1, means[:, row, epoch], counts, seeds)
    return table


def _metrics(source: str) -> list[Metric]:
    """The metrics in the order of a run's curves."""
    described = "cross-entropy a word of WikiText-2, after each epoch"
    losses = [score_metric(name, "nats", "loss", described, source) for name in _LOSSES]
    seconds = "up to an epoch, as recorded: whether evaluations are among them is not stated"
    return [
        *losses,
        record_metric("train_seconds", "s", seconds, source),
    ]


_TAUS = {
    1: (0.576, 0.590),
    2: (0.652, 0.671),
    5: (0.749, 0.774),
    10: (0.813, 0.844),
    20: (0.863, 0.916),
    50: (0.902, 0.990),
}
"""By epochs Kendall's τ of the final test loss with the training and with the validation loss."""
_SEEDS_TAU = 0.976


def _facts() -> Facts:
    perplexities = {"best test_loss": 91.9082, "median test_loss": 230.7524}
    ranks = {("params", "test_loss"): 0.066}
    for epochs, (train, valid) in _TAUS.items():
        ranks[f"train_loss[{epochs}]", "test_loss"] = train
        ranks[f"valid_loss[{epochs}]", "test_loss"] = valid
    values = {what: math.log(perplexity) for what, perplexity in perplexities.items()}
    return Facts(
        _GRAPHS,
        _WHOLE,
        values,
        within=1e-5,
        ranks=ranks,
    )


def verify() -> Iterator[Verified]:
    """Check the table against numbers computed from the published logs independently."""
    (name,) = NAMES
    yield from check_facts(name, _facts())
    table = TableFile(table_path(name))
    n_repeated = int((table.n_seeds("test_loss", EPOCHS) > 1).sum())
    yield equal(f"cells trained several times of {name}", n_repeated, _AGAIN)
    first, second = (table.column(ColumnKey("test_loss", EPOCHS, seed)) for seed in (0, 1))
    yield close(f"τ of two trainings of {name}", kendall(first, second), _SEEDS_TAU, 0.001)
