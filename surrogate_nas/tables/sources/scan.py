"""ScAn-Bench: language models, OpenCLIP models and TabPFN over shape, data and training settings,
of one seed each.

Sermaxhaj et al., "ScAn-Bench: Evaluating Scaling Analysis Methodology", NeurIPS 2026. Its package
is fetched as a wheel, of which three spreadsheets are read; nothing of it is installed or imported,
and no column with a person's folders is kept.

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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.metrics import Kind, Metric, Quantity
from surrogate_nas.files import table_path
from surrogate_nas.space import Cell, Sampled, choices_of
from surrogate_nas.space.network import Network
from surrogate_nas.space.scan import ScAn, scan_llm, scan_tabpfn, scan_vlm
from surrogate_nas.tables import ColumnKey, Table, TableFile
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import Verified, declared, reading

NAMES = declared("scan").names
_SOURCE = "scan"
_REPOSITORY = "scan-bench"
_LARGEST = 32_000_000
_HUNDRED = 100.0
_MILLION = 1e6
_BILLION = 1e9
_EXA = 1e18
_FRACTIONS = {10: 0.1, 25: 0.25, 50: 0.5}
"""Per cent of a language model's training at which losses along it stand."""
_WITHIN = 0.05
Row = dict[str, str]


class _Column(NamedTuple):
    """A metric, and its value by run."""

    metric: Metric
    values: NDArray[np.float64]


class _Part(NamedTuple):
    """A benchmark: what it is, its space, its spreadsheet, its licence, the runs in it and what
    they found.
    """

    title: str
    space: Callable[[], ScAn]
    file: str
    licence: str
    read: Callable[[list[Row], str], tuple[list[Row], list[_Column]]]


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
        content = packed.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"{member} unpacks to more than {_LARGEST / 1e6:.0f} MB")
    reader = csv.DictReader(io.StringIO(content.decode()), strict=True)
    return [
        {key.removeprefix("config/").removeprefix("model_config."): row[key] for key in row}
        for row in reader
    ]


def _table(name: str, rows: list[Row]) -> Table:
    part = _PARTS[name]
    source = f"{fetching.origin(_SOURCE, _REPOSITORY)} {part.file}"
    runs, columns = part.read(rows, source)
    places: dict[Cell, int] = {}
    owners = np.array([places.setdefault(part.space().near(run), len(places)) for run in runs])
    space = Sampled(part.space(), choices_of(list(places)))
    table = Table(
        name=name,
        space=space.definition,
        title=f"ScAn-Bench, {part.title}: {len(runs):,} trainings",
        source=source,
        licence=part.licence,
        objective="valid_loss + 0.05*train_compute",
        network=Network(),
        cost="queries",
        banner=(
            f"{space.notice} One training each; real numbers among the settings are rounded to"
            " steps."
        ),
    )
    for metric, values in columns:
        there = np.isfinite(values)
        counts = np.bincount(owners, there)
        sums = np.bincount(owners, np.where(there, values, 0.0))
        means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        table.add(metric, None, means, counts.astype(np.int16))
    return table


def _number(row: Row, field: str) -> float:
    """A number of a row, NaN where there is none."""
    value = float(row[field] or "nan")
    if value < 0 or (math.isinf(value) and field != "train_loss"):
        raise ValueError(f"{field} is {row[field]:.40}")
    return value


def _numbers(rows: Sequence[Row], field: str, per: float = 1.0) -> NDArray[np.float64]:
    return np.array([_number(row, field) for row in rows]) / per


def _loss(
    name: str,
    kind: Kind,
    values: NDArray[np.float64],
    source: str,
    what: str,
) -> _Column:
    split = name.partition("_")[0]
    metric = Metric(
        name, "nats", kind, "loss", split=split if kind == "search" else "test", source=source
    )
    return _Column(_described(metric, what), values)


def _described(metric: Metric, description: str) -> Metric:
    return Metric(
        metric.name,
        metric.unit,
        metric.kind,
        metric.quantity,
        split=metric.split,
        description=description,
        source=metric.source,
    )


def _cost(
    name: str,
    unit: str,
    values: NDArray[np.float64],
    source: str,
    what: str,
) -> _Column:
    return _Column(Metric(name, unit, "search", "cost", description=what, source=source), values)


# Language models


def _llm(rows: list[Row], source: str) -> tuple[list[Row], list[_Column]]:
    by_run = _grouped(rows)
    runs = [max(each, key=lambda row: float(row["step_fraction"])) for each in by_run.values()]
    trainings = [
        each
        for each, run in zip(by_run.values(), runs, strict=True)
        if float(run["step_fraction"]) == 1.0
    ]
    runs = [run for run in runs if float(run["step_fraction"]) == 1.0]
    columns = [
        _loss(
            "valid_loss",
            "search",
            _numbers(runs, "valid_loss"),
            source,
            "cross-entropy a token, at the end",
        ),
        _loss(
            "train_loss",
            "search",
            _numbers(runs, "train_loss_so_far"),
            source,
            "as logged at the end",
        ),
        _loss(
            "test_loss",
            "final",
            _numbers(runs, "test_loss"),
            source,
            "cross-entropy a token, at the end",
        ),
    ]
    for percent, fraction in _FRACTIONS.items():
        near = [_nearest(each, fraction) for each in trainings]
        for name, field in (("valid_loss", "valid_loss"), ("train_loss", "train_loss_so_far")):
            values = np.array([np.nan if row is None else _number(row, field) for row in near])
            what = f"after {percent} % of training, within {100 * _WITHIN:.0f}, where held"
            columns.append(_loss(f"{name}@{percent}", "search", values, source, what))
    columns += [
        _cost(
            "params",
            "M",
            _numbers(runs, "total_params", _MILLION),
            source,
            "trainable, embeddings included",
        ),
        _cost(
            "tokens",
            "B",
            _numbers(runs, "n_tokens", _BILLION),
            source,
            "tokens of training, in billions",
        ),
        _cost(
            "train_compute",
            "EFLOP",
            _numbers(runs, "flops", _EXA),
            source,
            "of the whole training, as recorded",
        ),
    ]
    return runs, columns


def _grouped(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["config_id"], []).append(row)
    return found


def _nearest(rows: list[Row], fraction: float) -> Row | None:
    row = min(rows, key=lambda row: abs(float(row["step_fraction"]) - fraction))
    return row if abs(float(row["step_fraction"]) - fraction) <= _WITHIN else None


# OpenCLIP


def _vlm(rows: list[Row], source: str) -> tuple[list[Row], list[_Column]]:
    trainings = [
        sorted(each, key=lambda row: int(row["epoch"])) for each in _grouped(rows).values()
    ]
    runs = [each[-1] for each in trainings]
    lost = np.array([any(row["epoch_diverged"] == "True" for row in each) for each in trainings])
    half = [
        next((r for r in each if int(r["epoch"]) == int(float(r["total_epochs"])) // 2), each[-1])
        for each in trainings
    ]

    def worst(values: NDArray[np.float64]) -> NDArray[np.float64]:
        sound = values[np.isfinite(values) & ~lost]
        return np.where(lost | ~np.isfinite(values), sound.max(), values)

    what = "contrastive; a run that diverged counts as the worst of the others"
    columns = [
        _loss("valid_loss", "search", worst(_numbers(runs, "val_loss")), source, what),
        _loss(
            "train_loss",
            "search",
            worst(_numbers(runs, "train_loss")),
            source,
            f"{what}; other batches than valid_loss",
        ),
        _loss(
            "valid_loss@half",
            "search",
            worst(_numbers(half, "val_loss")),
            source,
            f"after half of the epochs; {what}",
        ),
        _loss(
            "train_loss@half",
            "search",
            worst(_numbers(half, "train_loss")),
            source,
            f"after half of the epochs; {what}",
        ),
        _loss("test_loss", "final", worst(_numbers(runs, "test_loss")), source, what),
    ]
    error: Quantity = "error"
    zero_shot = Metric("test_imagenet_error", "%", "final", error, split="test", source=source)
    values = worst(_HUNDRED * (1.0 - _numbers(runs, "imagenet1k_acc1")))
    columns.append(
        _Column(
            _described(zero_shot, "zero-shot top-1 wrong on ImageNet; diverged runs as the worst"),
            values,
        )
    )
    diverged = Metric(
        "diverged", "", "record", "structure", description="1 where the run diverged", source=source
    )
    columns += [
        _Column(diverged, lost.astype(np.float64)),
        _cost("params", "M", _numbers(runs, "mparams"), source, "of both towers, as recorded"),
        _cost(
            "samples",
            "M",
            _numbers(runs, "total_samples_planned", _MILLION),
            source,
            "planned of all epochs",
        ),
        _cost(
            "train_compute",
            "GFLOP",
            _numbers(runs, "total_compute_planned"),
            source,
            "planned, in the file's unit",
        ),
    ]
    return runs, columns


# TabPFN


def _tabpfn(rows: list[Row], source: str) -> tuple[list[Row], list[_Column]]:
    prior = "negative log-likelihood on data drawn from the prior"
    columns = [_loss("valid_loss", "search", _numbers(rows, "val/val_loss"), source, prior)]
    for size in ("small", "medium", "large"):
        values = _numbers(rows, f"val/{size}/val_loss")
        columns.append(
            _loss(f"valid_loss@{size}", "search", values, source, f"{prior}, {size} sets")
        )
    columns.append(
        _loss("test_nll", "final", _numbers(rows, "real_data/nll"), source, "on real data sets")
    )
    auc = Metric(
        "test_auc",
        "%",
        "final",
        "quality",
        split="test",
        description="on real data sets",
        source=source,
    )
    columns += [
        _Column(auc, _numbers(rows, "real_data/roc_auc", 1 / _HUNDRED)),
        _cost("params", "M", _numbers(rows, "parameters", _MILLION), source, "as recorded"),
        _cost(
            "train_compute",
            "EFLOP",
            _numbers(rows, "total_flops", _EXA),
            source,
            "of the whole training, as recorded",
        ),
    ]
    return rows, columns


_PARTS = {
    "scan-llm": _Part(
        "decoder language models on SlimPajama",
        scan_llm,
        "llm/configs_intermediate_summary.csv",
        "MIT",
        _llm,
    ),
    "scan-vlm": _Part("OpenCLIP models", scan_vlm, "vlm/data.csv", "CC BY-SA 4.0", _vlm),
    "scan-tabpfn": _Part("TabPFN models", scan_tabpfn, "tabpfn/data.csv", "MIT", _tabpfn),
}
_HELD = {"scan-llm": (1193, 1193), "scan-vlm": (1500, 1500), "scan-tabpfn": (2219, 2222)}
"""Cells and trainings of each; of TabPFN three pairs are too close to tell apart."""
_BEST = {"scan-llm": 1.28246043, "scan-vlm": 0.32430065, "scan-tabpfn": 0.80176678}
"""The least validation loss of each."""
_DIVERGED = 134


def verify() -> Iterator[Verified]:
    """Hold the tables against what the package's spreadsheets hold, computed from them without this
    code.
    """
    from scipy.stats import kendalltau

    files = {name: TableFile(table_path(name)) for name in NAMES}

    def column(name: str, metric: str) -> NDArray[np.float64]:
        return files[name].column(ColumnKey(metric, None, "mean"))

    for name, known in _HELD.items():
        held = len(files[name].cells), int(files[name].n_seeds("valid_loss", None).sum())
        yield Verified(
            f"cells and trainings of {name}", held == known, f"{held[0]:,} and {held[1]:,}"
        )
        best = float(column(name, "valid_loss").min())
        yield Verified(f"best valid_loss of {name}", abs(best - _BEST[name]) < 1e-7, f"{best:.8f}")
    lost = int(column("scan-vlm", "diverged").sum())
    yield Verified(
        "diverged models of scan-vlm", lost == _DIVERGED, f"{lost}, {_DIVERGED} published"
    )
    for name, first, second, tau in _TAUS:
        one = column(name, first)
        other = column(name, second)
        there = np.isfinite(one) & np.isfinite(other)
        found = float(kendalltau(one[there], other[there]).statistic)
        yield Verified(
            f"τ({first}, {second}) of {name}",
            abs(found - tau) < 0.002,
            f"{found:.3f}, {tau} published",
        )


_TAUS = (
    ("scan-llm", "train_loss@10", "test_loss", 0.806),
    ("scan-llm", "train_loss@25", "test_loss", 0.815),
    ("scan-llm", "train_loss@50", "test_loss", 0.843),
    ("scan-llm", "valid_loss@10", "test_loss", 0.769),
    ("scan-llm", "valid_loss@25", "test_loss", 0.868),
    ("scan-llm", "valid_loss@50", "test_loss", 0.947),
    ("scan-tabpfn", "valid_loss", "test_nll", 0.277),
)
