"""NAS-Bench-BERT: FlexiBERT encoders pre-trained by ELECTRA's loss, and their scores on eight GLUE
tasks.

Serianni and Kalita, "Training-free Neural Architecture Search for RNNs and Transformers", ACL 2023.
Of the 500 trainings nine are of an architecture that another one is of too; a value here is the
mean of what is held, and `n_seeds` says of how many. The scores are GLUE's: accuracy in %, or 100 ×
F1 or a correlation. Proxies without training and recorded numbers of parameters are from the file
beside; neither is of the cells' own sizes (see `surrogate_nas.space.flexibert`).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import table_path
from surrogate_nas.space import Cell, Sampled, choices_of
from surrogate_nas.space.flexibert import NETWORK, flexibert
from surrogate_nas.tables import Table, TableFile
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import Verified, declared, rank_verified, reading

NAMES = declared("bert").names
_SOURCE = "bert"
_FILE = "file of NAS-Bench-BERT"
_REPOSITORY = "aaronserianni/training-free-nas"
_NAME = "bert-glue"
_GOALS = {
    "glue": ("valid_glue", "the mean of the eight scores"),
    "cola": ("valid_cola", "CoLA, Matthews' correlation"),
    "mnli": ("valid_mnli", "MNLI"),
    "mrpc": ("valid_mrpc", "MRPC"),
    "qnli": ("valid_qnli", "QNLI"),
    "qqp": ("valid_qqp", "QQP"),
    "rte": (
        "valid_rte",
        "RTE, noise: its τ with the other tasks is .11 to .22, its smallest score 0",
    ),
    "sst": ("valid_sst", "SST-2"),
    "sts": ("valid_sts", "STS-B, a correlation"),
}
"""By field of a record the metric and what it is."""
_PROXIES = (
    "Synaptic Diversity",
    "Synaptic Saliency",
    "Activation Distance",
    "Jacobian Score",
    "Head Importance",
    "Head Confidence",
    "Head Softmax Confidence",
)
_COUNTED = "Number of Parameters"
_MOST_BYTES = 20_000_000
_BEST_GLUE = 75.13
_TRAININGS = 500
_DIFFERENT = 491
_RANKS = {
    ("valid_mnli", "valid_qqp"): 0.8556,
    ("valid_mnli", "valid_qnli"): 0.6700,
    ("valid_glue", "recorded_params"): 0.4544,
    ("valid_glue", "valid_rte"): 0.2569,
    ("valid_mrpc", "valid_rte"): 0.2234,
    ("valid_cola", "valid_rte"): 0.1130,
}
"""Kendall's τ between columns."""
_CLOSE = 1e-6
_CLOSE_RANK = 1e-3


class _Training(NamedTuple):
    """What is held of a training: its cell, its scores and seconds, its recorded parameters and
    proxies.
    """

    cell: Cell
    numbers: dict[str, float]


def read(name: str) -> Table:  # noqa: ARG001 - there is one
    """Read the fetched files into a table on the sampled space of its encoders."""
    records, proxies = fetching.files(_SOURCE)
    return read_files(records, proxies)


def read_files(records: Path, proxies: Path) -> Table:
    """Read the benchmark's file and that of the proxies."""
    found = _trainings(records, proxies)
    places: dict[Cell, int] = {}
    owners = np.array([places.setdefault(one.cell, len(places)) for one in found])
    held = Sampled(flexibert(), choices_of(list(places)))
    source = fetching.origin(_SOURCE, _REPOSITORY)
    table = Table(
        name=_NAME,
        space=held.definition,
        title=f"NAS-Bench-BERT: {len(held)} held FlexiBERT encoders on eight GLUE tasks",
        source=f"{source}; {len(found) - len(held)} architectures are there twice: means",
        objective="valid_glue + 0.05*params",
        network=NETWORK,
        banner=(
            f"{held.notice} Scores are of GLUE's development sets; nothing was held out: what is"
            " searched on is all that can be reported."
        ),
    )
    counts = np.bincount(owners).astype(np.int16)
    for metric, field in _fields(source):
        numbers = np.array([one.numbers[field] for one in found])
        table.add(metric, None, np.bincount(owners, numbers) / counts, counts)
    return table


def _fields(source: str) -> Iterator[tuple[Metric, str]]:
    """The metrics, each with the field that it is of."""
    for field, (name, meaning) in _GOALS.items():
        described = f"{meaning}; 100 × the score"
        yield (
            Metric(
                name, "%", "search", "quality", split="valid", description=described, source=source
            ),
            field,
        )
    described = "of the pre-training, as recorded"
    yield (
        Metric("train_seconds", "s", "record", "cost", description=described, source=source),
        "time_to_train",
    )
    other = "of an encoder with 256 hidden units and 1,024 in its MLPs, whatever the cell's own are"
    yield (
        Metric("recorded_params", "parameters", "record", "cost", description=other, source=source),
        _COUNTED,
    )
    for field in _PROXIES:
        name = f"{field.lower().replace(' ', '_')}_proxy"
        described = f"without training, {other}"
        yield Metric(name, "", "record", "proxy", description=described, source=source), field


def _trainings(records: Path, proxies: Path) -> list[_Training]:
    texts = []
    for path in (records, proxies):
        with reading(path, _FILE, _SOURCE):
            texts.append(_text(path))
    with reading(records, _FILE, _SOURCE):
        trainings = json.loads(texts[0])
        cells = [_cell(training["hparams"]["model_hparam_overrides"]) for training in trainings]
    with reading(proxies, _FILE, _SOURCE):
        rows = list(csv.DictReader(texts[1].splitlines()))
        found = []
        for training, row, cell in zip(trainings, rows, cells, strict=True):
            if (
                row["ID"] != str(training["id"])
                or float(row["GLUE Score"]) != training["scores"]["glue"]
            ):
                raise ValueError(f"row {row['ID']} is not of training {training['id']}")
            numbers = {field: training["scores"][field] for field in _GOALS}
            numbers |= {"time_to_train": training["time_to_train"]}
            numbers |= {field: float(row[field]) for field in (_COUNTED, *_PROXIES)}
            found.append(
                _Training(cell, {field: _number(number) for field, number in numbers.items()})
            )
        _check_parameters(found)
    return found


def _text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError("it is longer than such a file")
    return content.decode("utf-8", errors="replace")


def _cell(architecture: dict[str, Any]) -> Cell:
    """The cell of a record's architecture, read as the space's text of it."""
    layers = architecture["nas_config"]["encoder_layers"]
    lists = {
        "operation": [
            f"{layer['operation_type']}_{layer['operation_parameter']}" for layer in layers
        ],
        **{
            name: [str(layer[name]) for layer in layers]
            for name in ("num_operation_heads", "feed_forward_dimension", "num_feed_forward")
        },
    }
    written = ", ".join(f"{name}={'-'.join(options)}" for name, options in lists.items())
    begun = f"hidden_size={architecture['hidden_size']}, encoder_layers={len(layers)}"
    return flexibert().parse(f"flexibert({begun}, {written})")


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not np.isfinite(value):
        raise TypeError(f"{value!r:.60} stands where a number should")
    return float(value)


def _check_parameters(found: list[_Training]) -> None:
    """The recorded counts must be those of the networks: else architectures and results do not
    belong together.
    """
    expected = flexibert().recorded_parameters(choices_of([one.cell for one in found]), NETWORK)
    for one, number in zip(found, expected, strict=True):
        if one.numbers[_COUNTED] != number:
            counted = one.numbers[_COUNTED]
            raise ValueError(
                f"{one.cell} is said to have {counted:,.0f} parameters, but has {number:,.0f} so"
                " counted"
            )


def verify() -> Iterator[Verified]:
    """Hold the table that is here against what the published records say."""
    table = TableFile(table_path(_NAME))
    column: dict[str, NDArray[np.float64]] = {key.metric: table.column(key) for key in table.keys}
    trainings = int(table.n_seeds("valid_glue", None).sum())
    n = len(table.cells)
    passed = (n, trainings) == (_DIFFERENT, _TRAININGS)
    yield Verified(
        f"encoders of {_NAME}",
        passed,
        f"{n} of {trainings} trainings, {_DIFFERENT} of {_TRAININGS} published",
    )
    best = float(column["valid_glue"].max())
    yield Verified(
        f"best valid_glue of {_NAME}",
        abs(best - _BEST_GLUE) < _CLOSE,
        f"{best:.3f}, {_BEST_GLUE} published",
    )
    eight = np.mean(
        [column[name] for field, (name, _) in _GOALS.items() if field != "glue"], axis=0
    )
    gap = float(np.abs(eight - column["valid_glue"]).max())
    yield Verified(
        f"valid_glue of {_NAME}", gap < _CLOSE, f"the mean of the eight, within {gap:.1g}"
    )
    recorded = flexibert().recorded_parameters(table.cells.choices, table.network)
    passed = bool((recorded == column["recorded_params"]).all())
    yield Verified(f"recorded parameters of {_NAME}", passed, "those of the networks, so counted")
    for names, expected in _RANKS.items():
        one, other = (column[name] for name in names)
        yield rank_verified(f"τ({', '.join(names)}) of {_NAME}", one, other, expected, _CLOSE_RANK)
