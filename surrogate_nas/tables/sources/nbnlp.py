"""NAS-Bench-NLP: cells of recurrent language models on WikiText-2, 341 trainings of 50 epochs.

Klyuchnikov et al., "NAS-Bench-NLP: Neural Architecture Search Benchmark for Natural Language
Processing", IEEE Access 2022. The fetched archive contains 345 logs in JSON, which are read in
memory. Four trainings ended in a loss of NaN by epoch 23 and are omitted. The other 341 trainings
belong to 289 different cell texts. The 289 cell texts describe 263 different graphs, because the
names of nodes, their order, and the order of commuting inputs do not matter. A graph with several
trainings has several seeds, numbered from 0 in the order of the logs. The mean of a graph is over
all of its seeds. Only the first three seeds have separate columns.
"""

import json
from zipfile import ZipFile

import numpy as np

from surrogate_nas.space.nbnlp import NBNLP
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.declaration import declaration, distinct, table_of

_SINGLE = 3


def read(name: str) -> Table:
    """Convert the fetched archive to a table, whose space is the sample of published cells."""
    with fetching.opened("nbnlp") as (path,):
        with ZipFile(path) as archive:
            logs = [json.loads(archive.read(member)) for member in archive.namelist()]
        logs = [log for log in logs if log["status"] == "OK"]
        space = NBNLP()
        trained = [space.parse(log["recepie"]) for log in logs]
        columns = declaration("nbnlp").columns
        curves = np.array([[log[column.path[0]] for column in columns] for log in logs])
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
    for row, column in enumerate(columns):
        metric = column.metric({}, table.source)
        for epoch in range(means.shape[-1]):
            seeds = {seed: singles[seed, :, row, epoch] for seed in range(_SINGLE)}
            table.add(metric, epoch + 1, means[:, row, epoch], counts, seeds)
    return table
