"""TransNAS-Bench-101 from two public repositories: two spaces, seven tasks on Taskonomy's images,
one seed per cell.

Duan et al., CVPR 2021. The names of metrics distinguish two conventions. The suffix ``@best``
stands for the maximum over the epochs of a training, for each column separately. Test columns are
maximised over epochs, too, so a test value with ``@best`` is selected on test data. The suffix
``@last`` stands for the final epoch. The loss columns of the first repository are also maxima over
epochs, that is, values of the worst epoch. The loss columns of the first repository are omitted
(one of them is infinite), except for the task Room Layout, whose loss is negated, so that the
maximum is the best epoch.

The first repository lists both spaces one after the other, by number and without names. The second
repository names its architectures. Both spaces list their cells in the order of the numbers in the
first repository.
"""

import json
from typing import Any
from zipfile import ZipFile

import numpy as np

from surrogate_nas.space.network import Network
from surrogate_nas.space.transnas import (
    TransNASMacro,
    TransNASMicro,
    macro_backbone,
    micro_backbone,
    model_sizes,
)
from surrogate_nas.tables import Table, Values
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.declaration import declaration, table_of

_BEST = "Zhenhan-Huang/NASGraph-Public"
# The repository of the maxima over epochs, and that of the final epochs.
_LAST = "automl/NASLib"
_ARCHIVES = {"micro": "all_benchmarks_zen.zip", "macro": "tnb101_macro_zen.zip"}


def read(name: str) -> Table:
    """Assemble the table of a benchmark from the maxima over epochs and the final epochs."""
    import pandas as pd

    _, kind, task = name.split("-")
    space = TransNASMicro() if kind == "micro" else TransNASMacro()
    with fetching.opened("transnas", f"*/transbench101_{task}.csv") as (best,):
        rows = pd.read_csv(best, float_precision="round_trip")
        first = 0 if kind == "macro" else len(TransNASMacro())
        part = rows.iloc[first : first + len(space)]
        columns: dict[str, Values] = {key: part[key].to_numpy(float) for key in part}
    with (
        fetching.opened("transnas", f"*/{_ARCHIVES[kind]}") as (last,),
        ZipFile(last) as archive,
    ):
        records: dict[str, Any] = {
            record["arch"]: record["val_accuracy"]
            for member in archive.namelist()
            if f"--transbench101_{kind}--{task}--" in member
            for record in json.loads(archive.read(member))
        }
        written = (
            [str(digit) for digit in cell.choices if digit or kind == "micro"]
            for cell in space
        )
        columns["last"] = np.array(
            [records[f"({', '.join(digits)})"] for digits in written]
        )
    words = declaration("transnas").tables[name]
    network = Network(
        classes=words["outputs"], channels=64, image_size=words["image_size"]
    )
    backbone = micro_backbone if kind == "micro" else macro_backbone
    parameters, macs = model_sizes(
        backbone(space.choices, network), words["head"], words["outputs"]
    )
    columns |= {"model_params": parameters, "model_macs": macs / 1e6}
    columns["valid_seconds"] = np.zeros(len(space))
    return table_of(
        "transnas",
        name,
        space,
        columns,
        best=fetching.origin("transnas", _BEST),
        last=fetching.origin("transnas", _LAST),
    )
