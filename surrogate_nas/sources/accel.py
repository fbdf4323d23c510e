"""Accel-NASBench: 5,125 MnasNet networks on ImageNet after a short proxy training, and on six accelerators.

Ahmad et al., "Accel-NASBench: Sustainable Benchmarking for Accelerator-Aware NAS", DAC 2024. The file is an archive of
5,138 small JSON records, read in memory and never unpacked to disk. Thirteen architectures were trained and measured
twice, with seeds that are not named; a value here is the mean of what is held, and `n_seeds` says of how many. Devices
report images a second; here stands its inverse, the time an image, so that smaller is better and a sum of costs means
something. It is not a latency: images were processed in batches.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.errors import UserError
from surrogate_nas.files import table_path
from surrogate_nas.files.paths import printable
from surrogate_nas.metrics import Metric, Quantity
from surrogate_nas.network import Network
from surrogate_nas.sources import fetching
from surrogate_nas.sources.pickles import SMALL
from surrogate_nas.sources.verify import Verified
from surrogate_nas.space import Cell, Sampled, choices_of
from surrogate_nas.space.mnasnet import mnasnet
from surrogate_nas.space.mnasnet.sizes import STAGES, parameters
from surrogate_nas.table import Table, TableFile

TITLE = "Accel-NASBench: MnasNet networks on ImageNet after a proxy training, and on accelerators"
PACKAGE: tuple[()] = ()
LICENCE = CITATION = ""
NAMES = ("accel-imagenet",)
_SOURCE = "accel"
_REPOSITORY = "afzalxo/Accel-NASBench"
_NETWORK = Network(classes=1000, image_size=224)
_RECORD = re.compile(r"(?:\./)?[A-Za-z0-9_]{1,60}/result_(\d{1,6})\.json")
_MOST_RECORDS, _LARGEST_RECORD = 20_000, 100_000
_GZIP = 31
"""As zlib counts windows: the largest, in a gzip file."""
_HUNDRED = 100.0
_RELATIVE = 1e-6
_DEVICES = ("a100", "3090", "tpuv2", "tpuv3", "zcu102", "vck190")
_LATENCY_DEVICES = ("zcu102", "vck190")
_PROXY = "after a proxy training of about half an hour, whose epochs are not stated"
_BEST_ERROR, _HELD, _TWICE, _MISSING = 32.948, 5125, 13, 92


class _Field(NamedTuple):
    """A metric, and where its number stands in a record."""

    metric: Metric
    place: tuple[str, ...]


def _fields(source: str) -> Iterator[_Field]:
    error: Quantity = "error"
    for name, key in (("valid_error", "val_top1"), ("valid_error_top5", "val_top5")):
        top = key[-1]
        described = f"top-{top} wrong, ImageNet's 50,000 validation images, {_PROXY}; not ImageNet's usual accuracy"
        yield _Field(
            Metric(name, "%", "search", error, split="valid", description=described, source=source), ("metrics", key)
        )
    described = "the whole proxy training, as recorded"
    yield _Field(
        Metric("train_seconds", "s", "record", "cost", description=described, source=source), ("metrics", "train_time")
    )
    for device in _DEVICES:
        described = "time an image at full throughput (1,000 / images a second), in batches; no latency"
        metric = Metric(f"image_time@{device}", "ms", "search", "cost", description=described, source=source)
        yield _Field(metric, ("platform_perf", f"throughput_{device}", "throughput_mean"))
    for device in _LATENCY_DEVICES:
        metric = Metric(f"latency@{device}", "ms", "search", "cost", description="of one image", source=source)
        yield _Field(metric, ("platform_perf", f"latency_{device}", "latency_mean"))
    described = "as recorded: with normalisation, activations, pooling and sums, which macs leaves out"
    yield _Field(
        Metric("recorded_macs", "M", "search", "cost", description=described, source=source), ("model_info", "macs")
    )


def read(name: str) -> Table:
    """Read the fetched archive into a table on the sampled space of its architectures.

    Args:
        name: The one of `NAMES`.

    Raises:
        UserError: The file is missing, damaged or not what it should be.
    """
    (path,) = fetching.files(_SOURCE)
    return read_file(path, name)


def read_file(path: Path, name: str = NAMES[0]) -> Table:
    """Read an archive of the benchmark's records.

    Args:
        path: The ``.tar.gz``.
        name: The benchmark's name.

    Raises:
        UserError: The file is missing, damaged or not what it should be.
    """
    try:
        return _table(_records(path), name)
    except OSError as error:
        raise UserError(f"Cannot read {printable(path)}: {error.strerror}. Run snas data fetch {_SOURCE}.") from error
    except (UserError, tarfile.TarError, zlib.error, AttributeError, LookupError, TypeError, ValueError) as error:
        reason = " ".join(printable(error).split())
        raise UserError(f"{printable(path)} is damaged, or no file of Accel-NASBench ({reason:.300}).") from error


def _records(path: Path) -> dict[int, Any]:
    """The records by their numbers, in that order."""
    with path.open("rb") as file:
        packed = file.read(SMALL + 1)
    unpacker = zlib.decompressobj(_GZIP)
    raw = unpacker.decompress(packed, SMALL)
    if not unpacker.eof:
        raise ValueError(f"it unpacks to more than {SMALL / 1e6:.0f} MB" if len(raw) >= SMALL else "it is cut off")
    found: dict[int, Any] = {}
    with tarfile.open(fileobj=io.BytesIO(raw), mode="r:") as archive:
        for member in archive:
            if member.isdir():
                continue
            named = _RECORD.fullmatch(member.name)
            if not member.isreg() or named is None or int(named[1]) in found:
                raise ValueError(f"{printable(member.name)!r:.100} in it is no record, or is there twice")
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
    rows: dict[Cell, list[Any]] = {}
    for record in records.values():
        rows.setdefault(_cell(record["architecture"]), []).append(record)
    choices = choices_of(list(rows))
    _check_parameters(choices, rows)
    space = Sampled(mnasnet(), choices)
    twice = sum(len(held) > 1 for held in rows.values())
    table = Table(
        name=name,
        space=space.definition,
        title=f"Accel-NASBench on ImageNet: {len(space):,} held architectures of the MnasNet space",
        source=f"{fetching.origin(_SOURCE, _REPOSITORY)}; {twice} architectures are there twice: means",
        licence=fetching.licences(_SOURCE),
        citation=fetching.citation(_SOURCE),
        objective="valid_error + 0.05*params",
        network=_NETWORK,
        banner=f"{space.notice} Errors are those after a short proxy training, not ImageNet's usual ones; "
        "nothing was held out: what is searched on is all that can be reported.",
    )
    for metric, place in _fields(table.source):
        numbers = [[_number(record, place) for record in held] for held in rows.values()]
        counts = np.array([np.isfinite(held).sum() for held in numbers], dtype=np.int16)
        mean = np.array([_mean(metric, np.array(held)) for held in numbers])
        table.add(metric, None, mean, counts)
    return table


def _mean(metric: Metric, held: NDArray[np.float64]) -> float:
    """The mean of the records that have a number; NaN where none has."""
    held = held[np.isfinite(held)]
    if metric.quantity == "error":
        held = _HUNDRED - held
    elif metric.name.startswith("image_time@"):
        held = 1000.0 / held
    return float(held.mean()) if len(held) else np.nan


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
    decisions = {what: [architecture[f"block{i}_{what}"] for i in range(len(STAGES))] for what in ("l", "k", "e", "se")}
    if len(architecture) != sum(map(len, decisions.values())):
        raise ValueError("an architecture has other decisions than seven stages have")
    for what, held in decisions.items():
        if any(type(value) is not (bool if what == "se" else int) for value in held):
            raise TypeError(f"the {what} of an architecture are {held!r:.100}")
    layers, kernels, expansions, excited = map(tuple, decisions.values())
    return mnasnet().decided(layers, kernels, expansions, excited)


def _check_parameters(choices: NDArray[np.int8], rows: Mapping[Cell, list[Any]]) -> None:
    """The recorded parameters must be those of the networks: else architectures and results do not belong together."""
    expected = parameters(choices, _NETWORK) / 1e6
    for wanted, (cell, held) in zip(expected, rows.items(), strict=True):
        for record in held:
            found = _number(record, ("model_info", "params"))
            if not np.isclose(found, wanted, rtol=_RELATIVE, atol=_RELATIVE):
                raise ValueError(f"{cell} is said to have {found:g} M parameters, but has {wanted:g} M")


def verify() -> Iterator[Verified]:
    """Check the table that is here against what the published records hold.

    Raises:
        UserError: The table is not here or damaged.
    """
    table = TableFile(table_path(NAMES[0]))
    columns = {key.metric: table.column(key) for key in table.keys}
    best = float(columns["valid_error"].min())
    yield Verified("best valid_error of accel-imagenet", abs(best - _BEST_ERROR) < _RELATIVE, f"{best:.4f}")
    held, twice = len(table.cells), int((table.n_seeds("valid_error", None) > 1).sum())
    yield Verified("architectures of accel-imagenet", (held, twice) == (_HELD, _TWICE), f"{held:,}, {twice} twice")
    missing = sum(int(np.isnan(column).sum()) for column in columns.values())
    yield Verified("missing device values of accel-imagenet", missing == _MISSING, f"{missing}")
