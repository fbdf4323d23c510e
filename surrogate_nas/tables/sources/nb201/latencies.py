"""Latency on 23 device settings, from HELP's files, which are lists of plain numbers in PyTorch's zip format.

Lee et al., HELP, NeurIPS 2021. Four of the devices are HW-NAS-Bench's columns of CIFAR-10 (`hardware`), which has
columns of their own for the other data sets: there, HELP's are left out, so that no device has two latencies.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.space import nb201
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources.nb201.fetched import DataSet, files_of, origin
from surrogate_nas.tables.sources.pickles import SMALL, read_pickle

REPOSITORY = "HayeonLee/HELP"
OF_HW_NAS_BENCH = ("eyeriss", "fpga", "pixel3", "raspi4")
_ORDER = "str_arch2idx.pt"
_COMPILED = "; it compiles dead graphs away, so most cells without a live path read under 1 ms and meet any limit"
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
    return sorted(path.stem for path in files_of(REPOSITORY) if path.name != _ORDER)


def add(table: Table, data: DataSet) -> None:
    """Add the latency on every device that was measured for this data set.

    Args:
        table: The table to add to.
        data: Its data set.

    Raises:
        UserError: A file is damaged, or numbers the architectures otherwise.
    """
    paths = {path.name: path for path in files_of(REPOSITORY)}
    if read_pt(paths[_ORDER]) != {str(cell): cell.index for cell in nb201()}:
        raise UserError(f"{paths[_ORDER]} lists other architectures than the official order.")
    for device in devices():
        if device in OF_HW_NAS_BENCH and not data.is_cifar10:
            continue
        note = f"measured by HELP's authors, the same for all data sets{NOTES.get(device, '')}"
        source = origin(REPOSITORY)
        metric = Metric(f"latency@{device}", "ms", "search", "cost", description=note, source=source)
        table.add(metric, None, np.array(read_pt(paths[f"{device}.pt"]), dtype=float))


def read_pt(path: Path) -> Any:
    """A list or dict of plain numbers and strings in PyTorch's zip format, which needs neither PyTorch nor a class.

    Args:
        path: The file.

    Raises:
        UserError: It is damaged, or asks for anything but plain data.
    """
    with ZipFile(path) as archive:
        (member,) = (member for member in archive.infolist() if member.filename.endswith("/data.pkl"))
        with archive.open(member) as packed:
            content = packed.read(SMALL + 1)
    if len(content) > SMALL:
        raise UserError(f"{path} is damaged: it unpacks to more than {SMALL / 1e6:.0f} MB.")
    return read_pickle(io.BytesIO(content), {}, path)
