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

from surrogate_nas.core.metrics import record_metric, score_metric
from surrogate_nas.files import table_path
from surrogate_nas.space import Cell, Sampled, choices_of
from surrogate_nas.space.flexibert import NETWORK, flexibert
from surrogate_nas.tables import Table, TableFile
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import Verified, declared, reading
from surrogate_nas.tables.sources.frame import (
    Facts,
    Field,
    add_fields,
    check_facts,
    check_sizes,
    column,
    distinct,
    read_file,
)

NAMES = declared("bert").names
_SOURCE = "bert"
_FILE = "file of NAS-Bench-BERT"
_REPOSITORY = "aaronserianni/training-free-nas"
_NAME = "bert-glue"
_SCORES = {
    "glue": "the mean of the eight scores",
    "cola": "CoLA, Matthews' correlation",
    "mnli": "MNLI",
    "mrpc": "MRPC",
    "qnli": "QNLI",
    "qqp": "QQP",
    "rte": "RTE, noise: its τ with the other tasks is .11 to .22, its smallest score 0",
    "sst": "SST-2",
    "sts": "STS-B, a correlation",
}
"""By field of a record what it is."""
_PROXIES = (
    "Synaptic Diversity",
    "Synaptic Saliency",
    "Activation Distance",
    "Jacobian Score",
    "Head Importance",
    "Head Confidence",
    "Head Softmax Confidence",
)
_PARAMETERS = "Number of Parameters"
_MOST_BYTES = 20_000_000


class _Training(NamedTuple):
    """A training: its cell, and its record with the numbers of the proxies' file."""

    cell: Cell
    record: dict[str, Any]


def _fields() -> Iterator[Field]:
    for field, meaning in _SCORES.items():
        score = score_metric(f"valid_{field}", "%", "quality", f"{meaning}; 100 × the score")
        yield Field(score, ("scores", field))
    description = "of the pre-training, as recorded"
    seconds = record_metric("train_seconds", "s", description)
    yield Field(seconds, ("time_to_train",))
    other = "of an encoder with 256 hidden units and 1,024 in its MLPs, whatever the cell's own are"
    params = record_metric("recorded_params", "parameters", other)
    yield Field(params, ("row", _PARAMETERS))
    for field in _PROXIES:
        name = f"{field.lower().replace(' ', '_')}_proxy"
        proxy = record_metric(name, "", f"without training, {other}", quantity="proxy")
        yield Field(proxy, ("row", field))


def read(name: str) -> Table:  # noqa: ARG001 - there is one
    """Read the fetched files into a table on the sampled space of its encoders."""
    records, proxies = fetching.files(_SOURCE)
    return read_files(records, proxies)


def read_files(records: Path, proxies: Path) -> Table:
    """Read the benchmark's file and that of the proxies."""
    trainings = _trainings(records, proxies)
    cells, places = distinct(training.cell for training in trainings)
    space = Sampled(flexibert(), choices_of(cells))
    source = fetching.origin(_SOURCE, _REPOSITORY)
    table = Table(
        name=_NAME,
        space=space.definition,
        title=f"NAS-Bench-BERT: {len(space)} held FlexiBERT encoders on eight GLUE tasks",
        source=f"{source}; {len(trainings) - len(space)} architectures are there twice: means",
        objective="valid_glue + 0.05*params",
        network=NETWORK,
        banner=(
            f"{space.notice} Scores are of GLUE's development sets; nothing was held out: what is"
            " searched on is all that can be reported."
        ),
    )
    with reading(records, _FILE, _SOURCE):
        add_fields(table, _fields(), [training.record for training in trainings], places, source)
    return table


def _trainings(records: Path, proxies: Path) -> list[_Training]:
    texts = []
    for path in (records, proxies):
        with reading(path, _FILE, _SOURCE):
            texts.append(read_file(path, _MOST_BYTES).decode("utf-8", errors="replace"))
    with reading(records, _FILE, _SOURCE):
        trainings = json.loads(texts[0])
        cells = [_cell(training["hparams"]["model_hparam_overrides"]) for training in trainings]
    with reading(proxies, _FILE, _SOURCE):
        rows = list(csv.DictReader(texts[1].splitlines()))
        joined = []
        for training, row, cell in zip(trainings, rows, cells, strict=True):
            same_score = float(row["GLUE Score"]) == training["scores"]["glue"]
            if row["ID"] != str(training["id"]) or not same_score:
                raise ValueError(f"row {row['ID']} is not of training {training['id']}")
            numbers = {field: float(row[field]) for field in (_PARAMETERS, *_PROXIES)}
            joined.append(_Training(cell, {**training, "row": numbers}))
        choices = choices_of(cells)
        recorded = np.array([training.record["row"][_PARAMETERS] for training in joined])
        expected = flexibert().recorded_parameters(choices, NETWORK)
        check_sizes(flexibert(), choices, recorded, expected)
    return joined


def _cell(architecture: dict[str, Any]) -> Cell:
    """The cell of a record's architecture, read as the space's text of it."""
    layers = architecture["nas_config"]["encoder_layers"]
    operations = [f"{one['operation_type']}_{one['operation_parameter']}" for one in layers]
    options = {"operation": operations}
    for name in ("num_operation_heads", "feed_forward_dimension", "num_feed_forward"):
        options[name] = [str(layer[name]) for layer in layers]
    parts = [f"hidden_size={architecture['hidden_size']}", f"encoder_layers={len(layers)}"]
    parts += [f"{name}={'-'.join(values)}" for name, values in options.items()]
    return flexibert().parse(f"flexibert({', '.join(parts)})")


_FACTS = Facts(
    cells=491,
    trainings=500,
    values={"best valid_glue": 75.13},
    ranks={
        ("valid_mnli", "valid_qqp"): 0.8556,
        ("valid_mnli", "valid_qnli"): 0.6700,
        ("valid_glue", "recorded_params"): 0.4544,
        ("valid_glue", "valid_rte"): 0.2569,
        ("valid_mrpc", "valid_rte"): 0.2234,
        ("valid_cola", "valid_rte"): 0.1130,
    },
)


def verify() -> Iterator[Verified]:
    """Check the table that is here against what the published records say."""
    yield from check_facts(_NAME, _FACTS)
    table = TableFile(table_path(_NAME))
    glue = column(table, "valid_glue")
    eight = np.mean([column(table, f"valid_{field}") for field in list(_SCORES)[1:]], axis=0)
    gap = float(np.abs(eight - glue).max())
    detail = f"the mean of the eight, within {gap:.1g}"
    yield Verified(f"valid_glue of {_NAME}", gap < _FACTS.within, detail)
    expected = flexibert().recorded_parameters(table.cells.choices, table.network)
    is_right = bool((expected == column(table, "recorded_params")).all())
    detail = "those of the networks, so counted"
    yield Verified(f"recorded parameters of {_NAME}", is_right, detail)
