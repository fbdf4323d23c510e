"""TabM's results: 13 families of tabular networks on 86 splits of 46 data sets, 15 seeds each.

Gorishniy, Kotelnikov & Babenko, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient
Ensembling", ICLR 2025. The data is in the reports of TabM's repository: training, validation and
test metrics at the best epoch, parameters and seconds.

The benchmark ``tabm-DATASET`` is one data set. If a data set has several splits, each tuned
separately, the benchmark ``tabm-DATASET-N`` is one split. A cell is a family of networks with the
configuration that the authors tuned for the family on one split. The tuned hyperparameters of a
cell are recorded, but are not decisions of the space. With tuned hyperparameters as decisions, the
thirteen cells would have no neighbours, and different tables would share no cells. A family is
described by its ensemble, embeddings and batches (`surrogate_nas.space.configurations`).

Trainings end when the validation score has not risen for 16 epochs, so their lengths differ. In the
table, a complete training counts as 1 epoch. The validation score, which also selected the epoch
and the configuration, is accuracy, the area under the ROC curve or RMSE. One data set has no
numerical features to embed. For the data set without numerical features, the families with
embeddings equal the families without embeddings and are omitted.
"""

import json
import tarfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from surrogate_nas.space import Cell
from surrogate_nas.space.configurations import TabM
from surrogate_nas.tables import Table, Values
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import declared, read_once, reading
from surrogate_nas.tables.sources.declaration import table_of

NAMES = declared("tabm").names
SEEDS = 15
EPOCHS = 1
"""The training length in tables: 1 is a complete training. Real epochs differ by cell and seed."""
# By the architecture's type in a configuration.
_ENSEMBLES = {
    "plain": "single",
    "tabm-packed": "packed",
    "tabm": "full",
    "tabm-mini": "mini",
}
_EMBEDDINGS = {
    "PiecewiseLinearEmbeddings": "piecewise-linear",
    "PeriodicEmbeddings": "periodic",
}
_F1 = "macro avg"
# By field what the configuration was chosen by, and the metric that an objective takes.
_SCORES = {
    "val rmse": ("RMSE", "r2"),
    "val roc-auc": ("area under the ROC curve", "auc"),
    "val accuracy": ("accuracy", "error"),
}
Record = dict[str, float]
"""The results of one training by field."""
Trainings = dict[Cell, dict[int, Record]]
"""The results of one split by cell and seed."""


def read(name: str) -> Table:
    """Convert the fetched reports of one split to a table."""
    (path,) = fetching.fetched("tabm")
    return table_of_split(name, read_reports(path)[name])


@read_once
def read_reports(path: Path) -> dict[str, Trainings]:
    """Read the trainings of all splits from a tar of reports, by the names of benchmarks."""
    trainings: dict[str, Trainings] = defaultdict(lambda: defaultdict(dict))
    with (
        reading(path, "tar of TabM's reports", "tabm"),
        tarfile.open(path, "r|") as archive,
    ):
        for member in archive:
            if file := archive.extractfile(member):
                report = json.load(file)
                folder = member.name.partition("/0-evaluation/")[0]
                data = folder.removeprefix("paper/exp/").partition("/")[2]
                cell = _cell(report["config"]["model"])
                trainings[named(data)][cell].setdefault(
                    report["config"]["seed"], _record(report)
                )
    return trainings


def named(data: str) -> str:
    """Return the name of the benchmark of a folder such as
    ``why/regression-num-medium-0-wine_quality``.

    The number of the split is omitted if the data set has only one split.
    """
    folder, _, data_set = data.rpartition("/")
    split = ""
    if folder == "why":
        _, _, _, split, data_set = data_set.split("-", 4)
    name = f"tabm-{data_set.lower().replace('_', '-')}"
    return name if name in NAMES else f"{name}-{split}"


def _cell(settings: dict[str, Any]) -> Cell:
    ensemble = _ENSEMBLES[settings["arch_type"]]
    numbers = settings.get("num_embeddings")
    embeddings = "none"
    if numbers:
        embeddings = _EMBEDDINGS[numbers["type"]] + (
            "-lite" if numbers.get("lite") else ""
        )
    is_shared = ensemble != "single" and settings.get("share_training_batches", True)
    batches = "shared" if is_shared else "own"
    return _SPACE.parse(
        f"tabm(ensemble={ensemble}, embeddings={embeddings}, batches={batches})"
    )


def _record(report: dict[str, Any]) -> Record:
    record: Record = {}
    for split, metrics in report["metrics"].items():
        for field, value in metrics.items():
            record[f"{split} {field}"] = value["f1-score"] if field == _F1 else value
    hours, minutes, seconds = map(float, report["time"].split(":"))
    backbone = report["config"]["model"]["backbone"]
    optimizer = report["config"]["optimizer"]
    return record | {
        "params": report["n_parameters"],
        "seconds": 3600 * hours + 60 * minutes + seconds,
        "epochs": report["best_step"] / report["epoch_size"],
        "blocks": backbone["n_blocks"],
        "width": backbone["d_block"],
        "dropout": backbone["dropout"],
        "learning_rate": optimizer["lr"],
        "weight_decay": optimizer["weight_decay"],
    }


_SPACE = TabM()
_TUNED = ("params", "blocks", "width", "dropout", "learning_rate", "weight_decay")


def table_of_split(name: str, trainings: Trainings) -> Table:
    """Create the table of a split's trainings."""
    cells = sorted(trainings, key=lambda cell: cell.choices)
    first = trainings[cells[0]][0]
    fields = {field for field in first if isinstance(first[field], int | float)}
    columns: dict[str, Values] = {
        field: np.array(
            [[trainings[cell][s][field] for s in range(SEEDS)] for cell in cells]
        )
        for field in fields
    }
    columns |= {field: columns[field][:, 0] for field in _TUNED}
    chosen, objective = next(
        words
        for field, words in _SCORES.items()
        if field in first
        and (field == "val rmse" or first["val score"] == first[field])
    )
    with reading(f"TabM's reports on {name}", "tar of reports", "tabm"):
        return table_of(
            "tabm",
            name,
            _SPACE,
            columns,
            cells,
            data=name.removeprefix("tabm-"),
            chosen=chosen,
            objective=objective,
        )
