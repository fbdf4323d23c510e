"""Accel-NASBench: 5,125 MnasNet networks on ImageNet after a short proxy training, and on six
accelerators.

Ahmad et al., "Accel-NASBench: Sustainable Benchmarking for Accelerator-Aware NAS", DAC 2024. The
published file is an archive of 5,138 JSON records. Thirteen architectures were trained and measured
twice, with unknown seeds. For an architecture with two trainings, a value in the table is the mean
of the available values, and `n_seeds` is their number. The records contain the images per second of
each device. The table contains the inverse, the time per image, so that smaller is better and costs
can be added. The time per image is not a latency, because images were processed in batches.

In 92 records, the value of a device is missing. Because of missing values, objectives on
``accel-imagenet`` can use errors, sizes and only the one device without missing values. The
benchmark ``accel-imagenet-devices`` omits the architectures with missing values.
"""

import json
import tarfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from surrogate_nas.space import Cell
from surrogate_nas.space.mnasnet import STAGES, MnasNet
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.declaration import distinct, table_of

_SPACE = MnasNet()


def read(name: str) -> Table:
    """Convert the fetched archive to a table, whose space is the sample of archived
    architectures.
    """
    with fetching.opened("accel") as (path,):
        records: dict[str, Any] = {}
        with tarfile.open(path) as archive:
            for member in archive:
                if file := archive.extractfile(member):
                    number = member.name.rpartition("result_")[2].removesuffix(".json")
                    records[number] = json.load(file)
        ordered = [records[number] for number in sorted(records, key=int)]
        cells = [_cell(record["architecture"]) for record in ordered]
        different, indices = distinct(cells)
        table = table_of("accel", name, _SPACE, ordered, cells)
        if not name.endswith("-devices"):
            return table
        whole = np.all(
            [np.isfinite(values) for values in table.columns.values()], axis=0
        )[indices]
        return table_of(
            "accel",
            name,
            _SPACE,
            [
                record
                for record, is_whole in zip(ordered, whole, strict=True)
                if is_whole
            ],
            [cell for cell, is_whole in zip(cells, whole, strict=True) if is_whole],
            repeated=len(cells) - len(different),
        )


def _cell(architecture: Mapping[str, Any]) -> Cell:
    decisions = (
        tuple(architecture[f"block{i}_{what}"] for i in range(len(STAGES)))
        for what in ("l", "k", "e", "se")
    )
    return _SPACE.decided(*decisions)
