"""ScAn-Bench: language models, OpenCLIP models and TabPFN over shape, data and training settings,
of one seed each.

Sermaxhaj et al., "ScAn-Bench: Evaluating Scaling Analysis Methodology", NeurIPS 2026. Its package
is fetched as a wheel, of which three spreadsheets are read; nothing of it is installed or imported,
and columns with a person's folders are left out.

- ``scan-llm``: 1,193 decoder language models of 719 shapes on SlimPajama; one more ended at 80 %.
  Scores on downstream tasks are at chance and are left out. Losses along training stand at 10, 25
  and 50 % within five, where there are any.
- ``scan-vlm``: 1,500 OpenCLIP models; 134 diverged and count as the worst. ``@half`` is the last
  epoch of their first half.
- ``scan-tabpfn``: 2,222 TabPFN models. Search on validation by the prior; results on real data are
  only reported.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile

import numpy as np

from surrogate_nas.core.metrics import Metric, cost_metric, record_metric, score_metric
from surrogate_nas.files import table_path
from surrogate_nas.space import Sampled, choices_of
from surrogate_nas.space.network import Network
from surrogate_nas.space.scan import ScAn, scan_llm, scan_tabpfn, scan_vlm
from surrogate_nas.tables import Table, TableFile, Values
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import Verified, declared, reading
from surrogate_nas.tables.sources.frame import (
    Facts,
    Field,
    add_fields,
    check_facts,
    column,
    distinct,
    equal,
    error_of_share,
    per,
    read_bounded,
    text_number,
)

NAMES = declared("scan").names
_SOURCE = "scan"
_REPOSITORY = "scan-bench"
_LARGEST = 32_000_000
_FRACTIONS = {"10": 0.1, "25": 0.25, "50": 0.5}
"""Per cent of a language model's training at which losses along it stand."""
_WITHIN = 0.05
Row = dict[str, str]
Training = Mapping[str, Any]
"""The rows of a training: its ``end`` and earlier ones, None where there is none."""


class _Part(NamedTuple):
    """A benchmark: title, space, spreadsheet, licence, how rows make trainings, and its fields."""

    title: str
    space: Callable[[], ScAn]
    file: str
    licence: str
    trainings: Callable[[list[Row]], list[Training]]
    fields: Callable[[], Iterator[Field]]


def read(name: str) -> Table:
    """Read the fetched wheel into a table on the sampled space of its configurations."""
    (path,) = fetching.files(_SOURCE)
    return read_file(path, name)


def read_file(path: Path, name: str) -> Table:
    """Read a wheel of the package."""
    with reading(path, "wheel of scan-bench", _SOURCE):
        return _table(name, _rows(path, _PARTS[name].file))


def _rows(path: Path, member: str) -> list[Row]:
    with ZipFile(path) as archive, archive.open(f"scan_bench/{member}") as packed:
        content = read_bounded(packed, _LARGEST, member)
    reader = csv.DictReader(io.StringIO(content.decode()), strict=True)
    return [
        {key.removeprefix("config/").removeprefix("model_config."): row[key] for key in row}
        for row in reader
    ]


def _table(name: str, rows: list[Row]) -> Table:
    part = _PARTS[name]
    trainings = part.trainings(rows)
    cells, places = distinct(part.space().near(training["end"]) for training in trainings)
    space = Sampled(part.space(), choices_of(cells))
    table = Table(
        name=name,
        space=space.definition,
        title=f"ScAn-Bench, {part.title}: {len(trainings):,} trainings",
        source=f"{fetching.origin(_SOURCE, _REPOSITORY)} {part.file}",
        licence=part.licence,
        objective="valid_loss + 0.05*train_compute",
        network=Network(),
        cost="queries",
        banner=(
            f"{space.notice} One training each; real numbers among the settings are rounded to"
            " steps."
        ),
    )
    add_fields(table, part.fields(), trainings, places)
    return table


def _loss(name: str, description: str) -> Metric:
    return score_metric(name, "nats", "loss", description)


def _by_run(rows: list[Row]) -> list[list[Row]]:
    runs: dict[str, list[Row]] = {}
    for row in rows:
        runs.setdefault(row["config_id"], []).append(row)
    return list(runs.values())


# Language models


def _llm_trainings(rows: list[Row]) -> list[Training]:
    """The trainings that came to their end."""
    trainings: list[Training] = []
    for run in _by_run(rows):
        end = max(run, key=_fraction)
        if _fraction(end) == 1.0:
            along = {percent: _nearest(run, at) for percent, at in _FRACTIONS.items()}
            trainings.append({"end": end, **along})
    return trainings


def _fraction(row: Row) -> float:
    return float(row["step_fraction"])


def _nearest(run: list[Row], at: float) -> Row | None:
    row = min(run, key=lambda row: abs(_fraction(row) - at))
    return row if abs(_fraction(row) - at) <= _WITHIN else None


def _llm_fields() -> Iterator[Field]:
    logged = "train_loss_so_far"
    entropy = "cross-entropy a token, at the end"
    yield Field(_loss("valid_loss", entropy), ("end", "valid_loss"), text_number)
    yield Field(_loss("train_loss", "as logged at the end"), ("end", logged), text_number)
    yield Field(_loss("test_loss", entropy), ("end", "test_loss"), text_number)
    for percent in _FRACTIONS:
        along = f"after {percent} % of training, within {100 * _WITHIN:.0f}, where held"
        yield Field(_loss(f"valid_loss@{percent}", along), (percent, "valid_loss"), text_number)
        yield Field(_loss(f"train_loss@{percent}", along), (percent, logged), text_number)
    params = cost_metric("params", "M", "trainable, embeddings included")
    yield Field(params, ("end", "total_params"), text_number, per(1e6))
    tokens = cost_metric("tokens", "B", "tokens of training, in billions")
    yield Field(tokens, ("end", "n_tokens"), text_number, per(1e9))
    compute = cost_metric("train_compute", "EFLOP", "of the whole training, as recorded")
    yield Field(compute, ("end", "flops"), text_number, per(1e18))


# OpenCLIP


def _vlm_trainings(rows: list[Row]) -> list[Training]:
    """All trainings; of one that diverged, ``sound end`` and ``sound half`` are None."""
    trainings: list[Training] = []
    for run in _by_run(rows):
        run.sort(key=lambda row: int(row["epoch"]))
        end = run[-1]
        middle = int(float(end["total_epochs"])) // 2
        candidates = [row for row in run if int(row["epoch"]) == middle]
        half = candidates[0] if candidates else end
        has_diverged = any(row["epoch_diverged"] == "True" for row in run)
        trainings.append(
            {
                "end": end,
                "diverged": "1" if has_diverged else "0",
                "sound end": None if has_diverged else end,
                "sound half": None if has_diverged else half,
            }
        )
    return trainings


def _missing_as_worst(values: Values) -> Values:
    is_finite = np.isfinite(values)
    return np.where(is_finite, values, values[is_finite].max())


def _vlm_fields() -> Iterator[Field]:
    what = "contrastive; a run that diverged counts as the worst of the others"
    batches = f"{what}; other batches than valid_loss"
    half = f"after half of the epochs; {what}"
    infinite = partial(text_number, most=math.inf)
    for name, description, path, check in (
        ("valid_loss", what, ("sound end", "val_loss"), text_number),
        ("train_loss", batches, ("sound end", "train_loss"), infinite),
        ("valid_loss@half", half, ("sound half", "val_loss"), text_number),
        ("train_loss@half", half, ("sound half", "train_loss"), infinite),
        ("test_loss", what, ("sound end", "test_loss"), text_number),
    ):
        yield Field(_loss(name, description), path, check, _missing_as_worst)
    zero_shot = score_metric(
        "test_imagenet_error",
        "%",
        "error",
        "zero-shot top-1 wrong on ImageNet; diverged runs as the worst",
    )
    yield Field(
        zero_shot,
        ("sound end", "imagenet1k_acc1"),
        text_number,
        lambda values: _missing_as_worst(error_of_share(values)),
    )
    diverged = record_metric("diverged", "", "1 where the run diverged", quantity="structure")
    yield Field(diverged, ("diverged",), text_number)
    params = cost_metric("params", "M", "of both towers, as recorded")
    yield Field(params, ("end", "mparams"), text_number)
    samples = cost_metric("samples", "M", "planned of all epochs")
    yield Field(samples, ("end", "total_samples_planned"), text_number, per(1e6))
    compute = cost_metric("train_compute", "GFLOP", "planned, in the file's unit")
    yield Field(compute, ("end", "total_compute_planned"), text_number)


# TabPFN


def _tabpfn_trainings(rows: list[Row]) -> list[Training]:
    return [{"end": row} for row in rows]


def _tabpfn_fields() -> Iterator[Field]:
    prior = "negative log-likelihood on data drawn from the prior"
    yield Field(_loss("valid_loss", prior), ("end", "val/val_loss"), text_number)
    for size in ("small", "medium", "large"):
        loss = _loss(f"valid_loss@{size}", f"{prior}, {size} sets")
        yield Field(loss, ("end", f"val/{size}/val_loss"), text_number)
    real = "on real data sets"
    yield Field(_loss("test_nll", real), ("end", "real_data/nll"), text_number)
    auc = score_metric("test_auc", "%", "quality", real)
    yield Field(auc, ("end", "real_data/roc_auc"), text_number, per(0.01))
    params = cost_metric("params", "M", "as recorded")
    yield Field(params, ("end", "parameters"), text_number, per(1e6))
    compute = cost_metric("train_compute", "EFLOP", "of the whole training, as recorded")
    yield Field(compute, ("end", "total_flops"), text_number, per(1e18))


_PARTS = {
    "scan-llm": _Part(
        "decoder language models on SlimPajama",
        scan_llm,
        "llm/configs_intermediate_summary.csv",
        "MIT",
        _llm_trainings,
        _llm_fields,
    ),
    "scan-vlm": _Part(
        "OpenCLIP models", scan_vlm, "vlm/data.csv", "CC BY-SA 4.0", _vlm_trainings, _vlm_fields
    ),
    "scan-tabpfn": _Part(
        "TabPFN models", scan_tabpfn, "tabpfn/data.csv", "MIT", _tabpfn_trainings, _tabpfn_fields
    ),
}
_FACTS = {
    "scan-llm": Facts(
        cells=1193,
        trainings=1193,
        values={"best valid_loss": 1.28246043},
        ranks={
            ("train_loss@10", "test_loss"): 0.806,
            ("train_loss@25", "test_loss"): 0.815,
            ("train_loss@50", "test_loss"): 0.843,
            ("valid_loss@10", "test_loss"): 0.769,
            ("valid_loss@25", "test_loss"): 0.868,
            ("valid_loss@50", "test_loss"): 0.947,
        },
    ),
    "scan-vlm": Facts(cells=1500, trainings=1500, values={"best valid_loss": 0.32430065}),
    # three pairs are too close to tell apart
    "scan-tabpfn": Facts(
        cells=2219,
        trainings=2222,
        values={"best valid_loss": 0.80176678},
        ranks={("valid_loss", "test_nll"): 0.277},
        rank_within=0.002,
    ),
}
_DIVERGED = 134


def verify() -> Iterator[Verified]:
    """Check the tables against numbers computed from the package's spreadsheets independently."""
    for name, facts in _FACTS.items():
        yield from check_facts(name, facts)
    diverged = column(TableFile(table_path("scan-vlm")), "diverged")
    yield equal("diverged models of scan-vlm", int(diverged.sum()), _DIVERGED)
