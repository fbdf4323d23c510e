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
import json
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.metrics import Metric, Quantity
from surrogate_nas.files import table_path
from surrogate_nas.files.paths import printable
from surrogate_nas.space import Cell, Sampled, choices_of
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.mnasnet import mnasnet
from surrogate_nas.space.mnasnet.sizes import STAGES, parameters
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table, TableFile
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import Verified, declared, reading
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
_HUNDRED = 100.0
_RELATIVE = 1e-6
_DEVICES = ("a100", "3090", "tpuv2", "tpuv3", "zcu102", "vck190")
_LATENCY_DEVICES = ("zcu102", "vck190")
_PROXY = "after a proxy training of about half an hour, whose epochs are not stated"
_BEST_ERROR = 32.948
_HELD = 5125
_TWICE = 13
_MISSING = 92


class _Field(NamedTuple):
    """A metric, and where its number stands in a record."""

    metric: Metric
    place: tuple[str, ...]


def _fields(source: str) -> Iterator[_Field]:
    error: Quantity = "error"
    for name, key in (("valid_error", "val_top1"), ("valid_error_top5", "val_top5")):
        top = key[-1]
        described = (
            f"top-{top} wrong, ImageNet's 50,000 validation images, {_PROXY}; not ImageNet's usual"
            " accuracy"
        )
        yield _Field(
            Metric(name, "%", "search", error, split="valid", description=described, source=source),
            ("metrics", key),
        )
    described = "the whole proxy training, as recorded"
    yield _Field(
        Metric("train_seconds", "s", "record", "cost", description=described, source=source),
        ("metrics", "train_time"),
    )
    for device in _DEVICES:
        described = (
            "time an image at full throughput (1,000 / images a second), in batches; no latency"
        )
        metric = Metric(
            f"image_time@{device}", "ms", "search", "cost", description=described, source=source
        )
        yield _Field(metric, ("platform_perf", f"throughput_{device}", "throughput_mean"))
    for device in _LATENCY_DEVICES:
        metric = Metric(
            f"latency@{device}", "ms", "search", "cost", description="of one image", source=source
        )
        yield _Field(metric, ("platform_perf", f"latency_{device}", "latency_mean"))
    described = (
        "as recorded: with normalisation, activations, pooling and sums, which macs leaves out"
    )
    yield _Field(
        Metric("recorded_macs", "M", "search", "cost", description=described, source=source),
        ("model_info", "macs"),
    )


def read(name: str) -> Table:
    """Read the fetched archive into a table on the sampled space of its architectures."""
    (path,) = fetching.files(_SOURCE)
    return read_file(path, name)


def read_file(path: Path, name: str = _ALL) -> Table:
    """Read an archive of the benchmark's records."""
    with reading(path, "file of Accel-NASBench", _SOURCE):
        return _table(_records(path, path.stat().st_mtime_ns), name)


@lru_cache(maxsize=1)
def _records(path: Path, modified: int) -> dict[int, Any]:  # noqa: ARG001 - a file that changed is read anew
    """The records by their numbers, in that order; both tables are made of them."""
    with path.open("rb") as file:
        packed = file.read(SMALL + 1)
    unpacker = zlib.decompressobj(_GZIP)
    raw = unpacker.decompress(packed, SMALL)
    if not unpacker.eof:
        raise ValueError(
            f"it unpacks to more than {SMALL / 1e6:.0f} MB"
            if len(raw) >= SMALL
            else "it is cut off"
        )
    found: dict[int, Any] = {}
    with tarfile.open(fileobj=io.BytesIO(raw), mode="r:") as archive:
        for member in archive:
            if member.isdir():
                continue
            named = _RECORD.fullmatch(member.name)
            if not member.isreg() or named is None or int(named[1]) in found:
                raise ValueError(
                    f"{printable(member.name)!r:.100} in it is no record, or is there twice"
                )
            if member.size > _LARGEST_RECORD or len(found) >= _MOST_RECORDS:
                raise ValueError("it has more or larger records than the benchmark")
            found[int(named[1])] = _record(archive, member)
    return dict(sorted(found.items()))


def _record(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    file = archive.extractfile(member)
    content = file.read() if file else b""
    if len(content) != member.size:
        raise ValueError(f"{member.name} in it is cut off")
    try:
        return json.loads(content, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{member.name} in it is no JSON: {error}") from error


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _table(records: dict[int, Any], name: str) -> Table:
    if not records:
        raise ValueError("it holds no records")
    places: dict[Cell, int] = {}
    held = list(records.values())
    owners = np.array(
        [places.setdefault(_cell(record["architecture"]), len(places)) for record in held]
    )
    choices = choices_of(list(places))
    _check_parameters(choices[owners], held)
    source = fetching.origin(_SOURCE, _REPOSITORY)
    columns = {field.metric: _column(field, held, owners) for field in _fields(source)}
    kept = np.ones(len(places), dtype=bool)
    if name == _COMPLETE:
        kept = np.all([np.isfinite(mean) for mean, _ in columns.values()], axis=0)
    space = Sampled(mnasnet(), choices[kept])
    twice = int((np.bincount(owners) > 1).sum())
    table = Table(
        name=name,
        space=space.definition,
        title=f"Accel-NASBench on ImageNet: {len(space):,} held architectures of the MnasNet space"
        + (", those with every device's value" if name == _COMPLETE else ""),
        source=f"{source}; {twice} architectures are there twice: means",
        objective="valid_error + 0.05*params",
        network=_NETWORK,
        banner=(
            f"{space.notice} Errors are those after a short proxy training, not ImageNet's usual"
            " ones; nothing was held out: what is searched on is all that can be reported."
        ),
    )
    for metric, (mean, counts) in columns.items():
        table.add(metric, None, mean[kept], counts[kept])
    return table


def _column(
    field: _Field,
    records: list[Any],
    owners: NDArray[np.intp],
) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
    """The mean of a metric over each architecture's records, and of how many it is; NaN and 0 where
    none has it.
    """
    numbers = np.array([_number(record, field.place) for record in records])
    if field.metric.quantity == "error":
        numbers = _HUNDRED - numbers
    elif field.metric.name.startswith("image_time@"):
        numbers = 1000.0 / numbers
    there = np.isfinite(numbers)
    counts = np.bincount(owners, there)
    sums = np.bincount(owners, np.where(there, numbers, 0.0))
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan), counts.astype(np.int16)


def _number(record: Mapping[str, Any], place: tuple[str, ...]) -> float:
    """A number of a record; NaN where a device has none."""
    value: Any = record
    for key in place:
        value = value[key]
    if value is None and place[0] == "platform_perf":
        return np.nan
    largest = _HUNDRED if place[-1].startswith("val_") else np.inf
    if type(value) not in (int, float) or not 0 < value <= largest or not np.isfinite(value):
        raise TypeError(f"{' '.join(place)} is {value!r:.60}")
    return float(value)


def _cell(architecture: Mapping[str, Any]) -> Cell:
    """The cell of a record's twenty-eight decisions."""
    decisions = {
        what: [architecture[f"block{i}_{what}"] for i in range(len(STAGES))]
        for what in ("l", "k", "e", "se")
    }
    if len(architecture) != sum(map(len, decisions.values())):
        raise ValueError("an architecture has other decisions than seven stages have")
    for what, held in decisions.items():
        if any(type(value) is not (bool if what == "se" else int) for value in held):
            raise TypeError(f"the {what} of an architecture are {held!r:.100}")
    layers, kernels, expansions, excited = map(tuple, decisions.values())
    return mnasnet().decided(layers, kernels, expansions, excited)


def _check_parameters(choices: Choices, records: list[Any]) -> None:
    """The recorded parameters must be those of the networks: else architectures and results do not
    belong together.
    """
    expected = parameters(choices, _NETWORK) / 1e6
    found = np.array([_number(record, ("model_info", "params")) for record in records])
    wrong = np.flatnonzero(~np.isclose(found, expected, rtol=_RELATIVE, atol=_RELATIVE))
    if len(wrong):
        cell = mnasnet().write(tuple(choices[wrong[0]].tolist()))
        raise ValueError(
            f"{cell} is said to have {found[wrong[0]]:g} M parameters, but has"
            f" {expected[wrong[0]]:g} M"
        )


def verify() -> Iterator[Verified]:
    """Check the table that is here against what the published records hold."""
    table = TableFile(table_path(_ALL))
    columns = {key.metric: table.column(key) for key in table.keys}
    best = float(columns["valid_error"].min())
    passed = abs(best - _BEST_ERROR) < _RELATIVE
    yield Verified(f"best valid_error of {_ALL}", passed, f"{best:.4f}, {_BEST_ERROR} published")
    held = len(table.cells)
    twice = int((table.n_seeds("valid_error", None) > 1).sum())
    passed = (held, twice) == (_HELD, _TWICE)
    yield Verified(
        f"architectures of {_ALL}",
        passed,
        f"{held:,}, {twice} twice; {_HELD:,} and {_TWICE} published",
    )
    missing = sum(int(np.isnan(column).sum()) for column in columns.values())
    yield Verified(
        f"missing device values of {_ALL}", missing == _MISSING, f"{missing}, {_MISSING} published"
    )
    complete = TableFile(table_path(_COMPLETE))
    lacking = [key.metric for key in complete.keys if np.isnan(complete.column(key)).any()]
    held = len(complete.cells)
    yield Verified(
        f"device values of {_COMPLETE}", not lacking, f"all there, of {held:,} architectures"
    )
