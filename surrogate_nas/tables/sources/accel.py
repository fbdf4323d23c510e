"""Accel-NASBench: 5,125 MnasNet networks on ImageNet after a short proxy training, and on six
accelerators.

Ahmad et al., "Accel-NASBench: Sustainable Benchmarking for Accelerator-Aware NAS", DAC 2024. The
file is an archive of 5,138 JSON records. Thirteen architectures were trained and measured twice,
with unknown seeds. A value in the table is the mean of the available values, and `n_seeds` is their
number. Devices report images per second. The table contains the inverse, the time per image, so
that smaller is better and costs can be added. It is not a latency: images were processed in
batches.

In 92 records, a device's value is missing. The objectives of ``accel-imagenet`` can therefore use
errors, sizes and the one device without missing values. ``accel-imagenet-devices`` omits the
architectures with missing values.
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
    """Read the fetched archive into a table on the sampled space of its architectures."""
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
