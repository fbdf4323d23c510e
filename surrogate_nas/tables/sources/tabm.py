"""TabM's runs: 13 families of tabular networks on 86 splits of 46 data sets, 15 seeds each.

Gorishniy, Kotelnikov & Babenko, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient
Ensembling", ICLR 2025, from the reports of its repository: training, validation and test metrics at
the best epoch, parameters and seconds.

``tabm-DATASET`` is a data set; of one with several splits, each tuned by itself, ``tabm-DATASET-N``
is one of these. A cell is a family with the configuration that the authors tuned for it there, so
the tuned numbers are records and no decisions: thirteen points scattered over learning rates and
widths would have no neighbours, and no two tables the same cells. The families are taken apart into
ensemble, embeddings and batches (`surrogate_nas.space.tabm`).

Trainings end when the validation score has not risen for 16 epochs, so their epochs differ; a whole
training stands as 1. The score, by which also the epoch and the configuration were chosen, is
accuracy, the area under the ROC curve or RMSE. One data set has no numbers to embed: the families
with embeddings are there copies of those without, and are left out.
"""

from __future__ import annotations

import tarfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from surrogate_nas.core.metrics import Quantity, cost_metric, record_metric, score_metric
from surrogate_nas.files import table_path
from surrogate_nas.space import Cell, Sampled, choices_of
from surrogate_nas.space.network import Network
from surrogate_nas.space.tabm import tabm
from surrogate_nas.tables import ColumnKey, Table, TableFile, Values
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import Verified, declared, reading
from surrogate_nas.tables.sources.frame import (
    Field,
    as_recorded,
    close,
    column,
    equal,
    error_of_share,
    kendall,
    number,
    parse_json,
    per,
    percent,
    read_bounded,
    read_once,
)

NAMES = declared("tabm").names
_SOURCE = "tabm"
_REPOSITORY = "yandex-research/tabm"
SEEDS = 15
EPOCHS = 1
"""A whole training, whose own epochs differ by cell and seed."""
_SPLITS = {"train": "train", "val": "valid", "test": "test"}
_LARGEST_REPORT = 64_000
_ENSEMBLES = {"plain": "single", "tabm-packed": "packed", "tabm": "full", "tabm-mini": "mini"}
"""By the architecture's type in a configuration."""
Record = dict[str, float]
"""What one training gave, by a field's name."""
Trainings = dict[Cell, dict[int, Record]]
"""Of one split, by cell and seed."""


def read(name: str) -> Table:
    """Read one split's reports of the fetched files into a table."""
    (path,) = fetching.files(_SOURCE)
    return table_of(name, _trainings(fetching.fetched(path, _SOURCE))[name])


def read_reports(path: Path) -> dict[str, Trainings]:
    """The trainings of all splits by their benchmarks' names, of a tar of reports."""
    found: dict[str, Trainings] = defaultdict(lambda: defaultdict(dict))
    with reading(path, "tar of TabM's reports", _SOURCE), tarfile.open(path, "r|") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is None:
                raise ValueError(f"{member.name} is no file")
            report = parse_json(read_bounded(file, _LARGEST_REPORT, member.name))
            folder, _, rest = member.name.partition("/0-evaluation/")
            model, _, data = folder.removeprefix("paper/exp/").partition("/")
            seed = int(rest.partition("/")[0])
            if report["config"]["seed"] != seed:
                raise ValueError(f"{member.name} is of seed {report['config']['seed']}")
            seeds = found[named(data)][_cell(model, report["config"]["model"])]
            record = _record(report)
            if seeds.setdefault(seed, record) != record:
                raise ValueError(f"{member.name} is of a family that has other results too")
        for name, trainings in found.items():
            if any(sorted(seeds) != list(range(SEEDS)) for seeds in trainings.values()):
                raise ValueError(f"{name} is not trained with the seeds 0 to {SEEDS - 1}")
        if set(found) != set(NAMES):
            odd = sorted(set(found) ^ set(NAMES))[0]
            raise ValueError(f"its splits are not the published ones: {odd}")
    return found


_trainings = read_once(read_reports)


def named(data: str) -> str:
    """The benchmark of a data set's folder, such as ``why/regression-num-medium-0-wine_quality``.

    The number of a split is left out where there is one alone.
    """
    folder, _, data_set = data.rpartition("/")
    split = ""
    if folder == "why":
        _, _, _, split, data_set = data_set.split("-", 4)
    name = f"tabm-{data_set.lower().replace('_', '-')}"
    return name if name in NAMES else f"{name}-{split}"


def _cell(model: str, settings: dict[str, Any]) -> Cell:
    """The family of a configuration, which must be the one that its folder names."""
    ensemble = _ENSEMBLES[settings["arch_type"]]
    numbers = settings.get("num_embeddings")
    embeddings = "none"
    if numbers:
        embeddings = {
            "PiecewiseLinearEmbeddings": "piecewise-linear",
            "PeriodicEmbeddings": "periodic-lite" if numbers.get("lite") else "periodic",
        }[numbers["type"]]
    is_shared = ensemble != "single" and settings.get("share_training_batches", True)
    words = ["mlp"] if ensemble == "single" else ["tabm"]
    words += ["sharetrainingbatches"] if is_shared else []
    words += [ensemble] if ensemble in ("packed", "mini") else []
    words += [embeddings.replace("-", "")] if embeddings != "none" else []
    if model not in ("-".join(words), *_with_embeddings(words, embeddings)):
        raise ValueError(f"the folder {model} has a configuration of {'-'.join(words)}")
    batches = "shared" if is_shared else "own"
    return tabm().parse(f"tabm(ensemble={ensemble}, embeddings={embeddings}, batches={batches})")


def _with_embeddings(words: list[str], embeddings: str) -> list[str]:
    """Folders of a family with embeddings, whose configuration has none where nothing is to
    embed.
    """
    kinds = ("piecewiselinear", "periodic", "periodiclite") if embeddings == "none" else ()
    return ["-".join([*words, kind]) for kind in kinds]


def _record(report: dict[str, Any]) -> Record:
    """The numbers that are taken of a report."""
    record: Record = {}
    for split, name in _SPLITS.items():
        metrics = report["metrics"][split]
        for field in _FIELDS:
            if field in metrics:
                value = metrics[field]["f1-score"] if field == _F1 else metrics[field]
                record[f"{name} {field}"] = value
    hours, minutes, seconds = map(float, report["time"].split(":"))
    backbone = report["config"]["model"]["backbone"]
    optimizer = report["config"]["optimizer"]
    return record | {
        "score": report["metrics"]["val"]["score"],
        "params": report["n_parameters"],
        "seconds": 3600 * hours + 60 * minutes + seconds,
        "epochs": report["best_step"] / report["epoch_size"],
        "blocks": backbone["n_blocks"],
        "width": backbone["d_block"],
        "dropout": backbone["dropout"],
        "learning_rate": optimizer["lr"],
        "weight_decay": optimizer["weight_decay"],
    }


_F1 = "macro avg"
_AUC = "roc-auc"
_share = partial(number, least=0.0, most=1.0)
_positive = partial(number, least=0.0)
_TARGET = "units of the target"
_Meaning = tuple[str, str, Quantity, str, Callable[[Any, str], float], Callable[[Values], Values]]
_FIELDS: dict[str, _Meaning] = {
    "accuracy": ("error", "%", "error", "wrong", _share, error_of_share),
    "cross-entropy": ("loss", "nats", "loss", "cross-entropy", _positive, as_recorded),
    _AUC: ("auc", "%", "quality", "area under the ROC curve", _share, percent),
    _F1: ("f1", "%", "quality", "F1, the mean over classes", _share, percent),
    "rmse": ("rmse", _TARGET, "loss", "root of the mean squared error", _positive, as_recorded),
    "mae": ("mae", _TARGET, "loss", "mean absolute error", _positive, as_recorded),
    "r2": ("r2", "", "quality", "R², may be negative", partial(number, most=1.0), as_recorded),
}
"""By field of a report the metric's name, unit, quantity and meaning, its check and conversion."""


def _fields(record: Record) -> Iterator[Field]:
    """What is measured of every seed."""
    for split in _SPLITS.values():
        for field, (name, unit, quantity, meaning, check, convert) in _FIELDS.items():
            if f"{split} {field}" in record:
                metric = score_metric(f"{split}_{name}", unit, quantity, meaning)
                yield Field(metric, (f"{split} {field}",), check, convert)
    seconds = "of a whole training with its evaluation, on an A100 of 40 or 80 GB"
    yield Field(record_metric("train_seconds", "s", seconds), ("seconds",))
    best = "until the best validation score, after which 16 more were trained"
    yield Field(record_metric("best_epoch", "", best), ("epochs",))


def _tuned() -> Iterator[Field]:
    """What is the same of all seeds."""
    params = cost_metric("params", "M", "of the tuned configuration")
    yield Field(params, ("params",), convert=per(1e6))
    for name in ("blocks", "width", "dropout", "learning_rate", "weight_decay"):
        metric = record_metric(name, "", "as tuned by the authors", quantity="structure")
        yield Field(metric, (name,))


def table_of(name: str, trainings: Trainings) -> Table:
    """The table of a split's trainings."""
    cells = sorted(trainings, key=lambda cell: cell.choices)
    space = Sampled(tabm(), choices_of(cells))
    records = [trainings[cell][seed] for cell in cells for seed in range(SEEDS)]
    first = records[0]
    score = "rmse" if "valid rmse" in first else "error"
    score = "auc" if first["score"] == first.get(f"valid {_AUC}") else score
    chosen = {"error": "accuracy", "auc": "area under the ROC curve", "rmse": "RMSE"}[score]
    table = Table(
        name=name,
        space=space.definition,
        title=f"TabM's runs on {name.removeprefix('tabm-')}: {len(space)} families of tabular"
        f" networks, each tuned, {SEEDS} seeds",
        source=fetching.origin(_SOURCE, _REPOSITORY),
        objective=f"valid_{'r2' if score == 'rmse' else score} + 0.02*params",
        network=Network(),
        banner=(
            f"{space.notice} Each was tuned for this data by its validation {chosen}, which also"
            " chose the epoch; [1] is a whole training."
        ),
    )
    with reading(f"TabM's reports on {name}", "tar of reports", _SOURCE):
        for field in _fields(first):
            values = field.values(records).reshape(len(cells), SEEDS)
            metric = replace(field.metric, source=table.source)
            seeds = dict(enumerate(values.T.copy()))
            table.add(metric, EPOCHS, values.mean(axis=1), SEEDS, seeds)
        for field in _tuned():
            values = field.values(records).reshape(len(cells), SEEDS)
            if (values != values[:, :1]).any():
                raise ValueError(f"{field.metric.name} differs between seeds")
            table.add(replace(field.metric, source=table.source), None, values[:, 0].copy(), SEEDS)
    return table


_TRAININGS = 16_245
_CALIFORNIA = {"single": 0.49483370, "full": 0.44139199}
"""The mean test RMSE of the MLP and of TabM, without embeddings and with batches of their own."""
_AGREEMENT = {"test_error": (18, 0.645), "test_loss": (18, 0.692), "test_rmse": (28, 0.778)}
"""By metric the data sets that have it, and their mean τ of one seed with the mean of the others,
where splits of a data set count as one.
"""
_SIGNALS = {
    ("valid_error", "test_error"): 0.513,
    ("valid_loss", "test_error"): 0.469,
    ("valid_loss", "test_loss"): 0.586,
    ("valid_error", "test_loss"): 0.438,
    ("valid_rmse", "test_rmse"): 0.656,
    ("valid_mae", "test_rmse"): 0.584,
}
"""The same τ of one seed's validation metric with the mean of the others' test metric."""


def verify() -> Iterator[Verified]:
    """Check the tables against numbers computed from the authors' reports independently."""
    tables = {name: TableFile(table_path(name)) for name in NAMES}
    n_trainings = sum(
        int(table.n_seeds("train_seconds", EPOCHS).sum()) for table in tables.values()
    )
    yield equal("trainings", n_trainings, _TRAININGS)
    california = tables["tabm-california"]
    for ensemble, published in _CALIFORNIA.items():
        cell = california.cells.cell(f"tabm(ensemble={ensemble}, embeddings=none, batches=own)")
        value = float(column(california, "test_rmse")[cell.index])
        yield close(f"test_rmse of the {ensemble} MLP on California", value, published, 1e-8)
    values = {name: _seeds(table) for name, table in tables.items()}
    for goal, (n_sets, published) in _AGREEMENT.items():
        taus = _taus(values, goal, goal)
        yield equal(f"data sets with {goal}", len(taus), n_sets)
        yield close(f"τ of one seed's {goal}", float(np.mean(taus)), published, 0.001)
    for (signal, goal), published in _SIGNALS.items():
        tau = float(np.mean(_taus(values, signal, goal)))
        yield close(f"τ({signal}, {goal}), other seeds", tau, published, 0.001)


def _seeds(table: TableFile) -> dict[str, Values]:
    """By metric that is compared the values of single seeds, shape ``(seeds, cells)``."""
    compared = {metric for pair in _SIGNALS for metric in pair} & table.metrics.keys()
    return {
        metric: np.array([table.column(ColumnKey(metric, EPOCHS, seed)) for seed in range(SEEDS)])
        for metric in compared
    }


def _taus(values: dict[str, dict[str, Values]], signal: str, goal: str) -> list[float]:
    """Of every data set τ of one seed's signal with the mean of the others' goal: over seeds, then
    over splits.
    """
    by_set = defaultdict(list)
    for name, of_table in values.items():
        if signal in of_table and goal in of_table:
            others = [np.delete(of_table[goal], seed, axis=0).mean(axis=0) for seed in range(SEEDS)]
            taus = [kendall(*pair) for pair in zip(of_table[signal], others, strict=True)]
            by_set[data_set(name)].append(np.nanmean(taus))
    return [float(np.mean(taus)) for taus in by_set.values()]


def data_set(name: str) -> str:
    """The data set of a benchmark, without the number of its split.

    Args:
        name: One of `NAMES`.

    Example:
        >>> data_set("tabm-phoneme-3"), data_set("tabm-adult"), data_set("tabm-credit-0")
        ('phoneme', 'adult', 'credit')
    """
    words = name.removeprefix("tabm-").split("-")
    is_split = len(words[-1]) == 1 and words[-1].isdigit()
    return "-".join(words[:-1] if is_split else words)
