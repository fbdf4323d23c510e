"""Accel-NASBench: 5,125 MnasNet networks on ImageNet after a short proxy training, and on six
accelerators.

Ahmad et al., "Accel-NASBench: Sustainable Benchmarking for Accelerator-Aware NAS", DAC 2024. The
file is an archive of 5,138 small JSON records, read in memory and never unpacked to disk. Thirteen
architectures were trained and measured twice, with seeds that are not named; a value here is the
mean of what is held, and `n_seeds` says of how many. Devices report images a second; here stands
its inverse, the time an image, so that smaller is better and a sum of costs means something. It is
not a latency: images were processed in batches.

Of 92 records a device's value is missing, so that ``accel-imagenet`` can be searched by errors,
sizes and the one device that lacks none; ``accel-imagenet-devices`` leaves out the architectures
that lack any.
"""

from __future__ import annotations

import io
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from surrogate_nas.core.metrics import cost_metric, record_metric, score_metric
from surrogate_nas.files import table_path
from surrogate_nas.files.paths import printable
from surrogate_nas.space import Cell, Sampled, choices_of
from surrogate_nas.space.mnasnet import mnasnet
from surrogate_nas.space.mnasnet.sizes import STAGES, parameters
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table, TableFile, Values
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import Verified, declared, reading
from surrogate_nas.tables.sources.frame import (
    Facts,
    Field,
    check_facts,
    check_sizes,
    columns_of,
    decompress,
    distinct,
    equal,
    error_of_percent,
    number,
    parse_json,
    read_once,
)
from surrogate_nas.tables.sources.pickles import SMALL

NAMES = declared("accel").names
_ALL, _COMPLETE = NAMES
_SOURCE = "accel"
_REPOSITORY = "afzalxo/Accel-NASBench"
_NETWORK = Network(classes=1000, image_size=224)
_RECORD = re.compile(r"(?:\./)?[A-Za-z0-9_]{1,60}/result_(\d{1,6})\.json")
_MOST_RECORDS = 20_000
_LARGEST_RECORD = 100_000
_GZIP = 31
"""As zlib counts windows: the largest, in a gzip file."""
_RELATIVE = 1e-6
_DEVICES = ("a100", "3090", "tpuv2", "tpuv3", "zcu102", "vck190")
_LATENCY_DEVICES = ("zcu102", "vck190")
_PROXY = "after a proxy training of about half an hour, whose epochs are not stated"
_PARAMETERS = ("model_info", "params")

_positive = partial(number, above=0)
_accuracy = partial(number, above=0, most=100)


def _positive_or_missing(value: Any, name: str) -> float:
    return np.nan if value is None else _positive(value, name)


def _milliseconds(images_per_second: Values) -> Values:
    return 1000.0 / images_per_second


def _fields() -> Iterator[Field]:
    for name, top in (("valid_error", 1), ("valid_error_top5", 5)):
        description = (
            f"top-{top} wrong, ImageNet's 50,000 validation images, {_PROXY}; not ImageNet's usual"
            " accuracy"
        )
        error = score_metric(name, "%", "error", description)
        yield Field(error, ("metrics", f"val_top{top}"), _accuracy, error_of_percent)
    description = "the whole proxy training, as recorded"
    seconds = record_metric("train_seconds", "s", description)
    yield Field(seconds, ("metrics", "train_time"), _positive)
    description = (
        "time an image at full throughput (1,000 / images a second), in batches; no latency"
    )
    for device in _DEVICES:
        time = cost_metric(f"image_time@{device}", "ms", description)
        path = ("platform_perf", f"throughput_{device}", "throughput_mean")
        yield Field(time, path, _positive_or_missing, _milliseconds)
    for device in _LATENCY_DEVICES:
        latency = cost_metric(f"latency@{device}", "ms", "of one image")
        path = ("platform_perf", f"latency_{device}", "latency_mean")
        yield Field(latency, path, _positive_or_missing)
    description = (
        "as recorded: with normalisation, activations, pooling and sums, which macs leaves out"
    )
    macs = cost_metric("recorded_macs", "M", description)
    yield Field(macs, ("model_info", "macs"), _positive)


def read(name: str) -> Table:
    """Read the fetched archive into a table on the sampled space of its architectures."""
    (path,) = fetching.files(_SOURCE)
    return read_file(path, name)


def read_file(path: Path, name: str = _ALL) -> Table:
    """Read an archive of the benchmark's records."""
    with reading(path, "file of Accel-NASBench", _SOURCE):
        return _table(_records(path), name)


@read_once
def _records(path: Path) -> list[Any]:
    """The records in the order of their numbers; both tables are made of them."""
    with path.open("rb") as file:
        packed = file.read(SMALL + 1)
    raw = decompress(zlib.decompressobj(_GZIP), packed, SMALL)
    records: dict[int, Any] = {}
    with tarfile.open(fileobj=io.BytesIO(raw), mode="r:") as archive:
        for member in archive:
            if member.isdir():
                continue
            match = _RECORD.fullmatch(member.name)
            if not member.isreg() or match is None or int(match[1]) in records:
                raise ValueError(
                    f"{printable(member.name)!r:.100} in it is no record, or is there twice"
                )
            if member.size > _LARGEST_RECORD or len(records) >= _MOST_RECORDS:
                raise ValueError("it has more or larger records than the benchmark")
            records[int(match[1])] = _record(archive, member)
    if not records:
        raise ValueError("it holds no records")
    return [records[number] for number in sorted(records)]


def _record(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    file = archive.extractfile(member)
    content = file.read() if file else b""
    if len(content) != member.size:
        raise ValueError(f"{member.name} in it is cut off")
    try:
        return parse_json(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{member.name} in it is no JSON: {error}") from error


def _table(records: list[Any], name: str) -> Table:
    cells, places = distinct(_cell(record["architecture"]) for record in records)
    choices = choices_of(cells)
    params = Field(cost_metric("params", "M"), _PARAMETERS, _positive)
    check_sizes(
        mnasnet(),
        choices[places],
        recorded=params.values(records),
        expected=parameters(choices[places], _NETWORK) / 1e6,
        unit="M parameters",
        relative=_RELATIVE,
    )
    source = fetching.origin(_SOURCE, _REPOSITORY)
    columns = columns_of(_fields(), records, places, source)
    title = "held architectures of the MnasNet space"
    chosen = np.ones(len(cells), dtype=bool)
    if name == _COMPLETE:
        title += ", those with every device's value"
        chosen = np.all([np.isfinite(means) for _, means, _ in columns], axis=0)
    space = Sampled(mnasnet(), choices[chosen])
    n_twice = int((np.bincount(places) > 1).sum())
    table = Table(
        name=name,
        space=space.definition,
        title=f"Accel-NASBench on ImageNet: {len(space):,} {title}",
        source=f"{source}; {n_twice} architectures are there twice: means",
        objective="valid_error + 0.05*params",
        network=_NETWORK,
        banner=(
            f"{space.notice} Errors are those after a short proxy training, not ImageNet's usual"
            " ones; nothing was held out: what is searched on is all that can be reported."
        ),
    )
    for metric, means, counts in columns:
        table.add(metric, None, means[chosen], counts[chosen])
    return table


def _cell(architecture: Mapping[str, Any]) -> Cell:
    """The cell of a record's twenty-eight decisions."""
    decisions = {
        what: [architecture[f"block{i}_{what}"] for i in range(len(STAGES))]
        for what in ("l", "k", "e", "se")
    }
    if len(architecture) != sum(map(len, decisions.values())):
        raise ValueError("an architecture has other decisions than seven stages have")
    for what, values in decisions.items():
        kind = bool if what == "se" else int
        if any(type(value) is not kind for value in values):
            raise TypeError(f"the {what} of an architecture are {values!r:.100}")
    layers, kernels, expansions, excited = map(tuple, decisions.values())
    return mnasnet().decided(layers, kernels, expansions, excited)


_FACTS = Facts(cells=5125, trainings=5138, values={"best valid_error": 32.948})
_MISSING = 92


def verify() -> Iterator[Verified]:
    """Check the tables that are here against what the published records hold."""
    yield from check_facts(_ALL, _FACTS)
    table = TableFile(table_path(_ALL))
    n_missing = sum(int(np.isnan(table.column(key)).sum()) for key in table.keys)
    yield equal(f"missing device values of {_ALL}", n_missing, _MISSING)
    complete = TableFile(table_path(_COMPLETE))
    lacking = [key.metric for key in complete.keys if np.isnan(complete.column(key)).any()]
    n_cells = len(complete.cells)
    yield Verified(
        f"device values of {_COMPLETE}", not lacking, f"all there, of {n_cells:,} architectures"
    )
