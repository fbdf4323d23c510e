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
from zipfile import ZipFile

import numpy as np

from surrogate_nas.core.metrics import Metric, score_metric
from surrogate_nas.space.nbnlp import NBNLP
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.declaration import distinct, table_of

EPOCHS = 50
_SINGLE = 3
_LOSSES = {
    "train_loss": "train_losses",
    "valid_loss": "val_losses",
    "test_loss": "test_losses",
}


def read(name: str) -> Table:
    """Read the fetched archive into a table on the sampled space of its cells."""
    with fetching.opened("nbnlp") as (path,):
        with ZipFile(path) as archive:
            logs = [json.loads(archive.read(member)) for member in archive.namelist()]
        logs = [log for log in logs if log["status"] == "OK"]
        space = NBNLP()
        trained = [space.parse(log["recepie"]) for log in logs]
        curves = np.array(
            [[log[key] for key in (*_LOSSES.values(), "wall_times")] for log in logs]
        )
        curves[:, -1] = np.cumsum(curves[:, -1], axis=1)
        cells, indices = distinct(trained)
        of_cell = [curves[indices == number] for number in range(len(cells))]
        means = np.array([group.mean(axis=0) for group in of_cell])
        singles = np.full((_SINGLE, *means.shape), np.nan)
        for index, runs in enumerate(of_cell):
            singles[: len(runs), index] = runs[:_SINGLE]
        counts = np.bincount(indices).astype(np.int16)
        several = int((counts > 1).sum())
        table = table_of("nbnlp", name, space, {}, trained, several=several)
    described = "cross-entropy a word of WikiText-2, after each epoch"
    metrics = [
        score_metric(loss, "nats", "loss", described, table.source) for loss in _LOSSES
    ]
    seconds = (
        "up to an epoch, as recorded: whether evaluations are among them is not stated"
    )
    record = Metric(
        "train_seconds", "s", "record", "cost", description=seconds, source=table.source
    )
    for row, metric in enumerate([*metrics, record]):
        for epoch in range(EPOCHS):
            seeds = {seed: singles[seed, :, row, epoch] for seed in range(_SINGLE)}
            table.add(metric, epoch + 1, means[:, row, epoch], counts, seeds)
    return table
