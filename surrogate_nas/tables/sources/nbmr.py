"""NAS-Bench-MR: 2,507 networks of several resolutions on segmentation, two ImageNet subsets and
video.

Ding et al., "Learning Versatile Neural Architectures by Propagating Network Codes", ICLR 2022. A
file is a pickle of plain lists and dicts, read through an allow-list that allows no name at all.
Every task holds the same architectures, each trained once, and one evaluation of it: that is what a
search looks at, and nothing is left to report by.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from surrogate_nas.core.metrics import cost_metric, score_metric
from surrogate_nas.files import table_path
from surrogate_nas.space import Sampled, choices_of
from surrogate_nas.space.nbmr import nbmr
from surrogate_nas.space.nbmr.sizes import parameters, recorded_flops
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table, TableFile
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import Verified, declared, reading
from surrogate_nas.tables.sources.frame import (
    Facts,
    Field,
    add_fields,
    check_facts,
    check_sizes,
    column,
    error_of_percent,
    number,
)
from surrogate_nas.tables.sources.pickles import read_pickle_file

NAMES = declared("nbmr").names
_SOURCE = "nbmr"
_REPOSITORY = "dingmyu/NCP"
_NETWORK = Network(classes=50, image_size=128)
"""Of the recorded sizes, which are the same in all files: fifty classes, 128×128 pixels."""
_RELATIVE = 1e-6


class _Task(NamedTuple):
    """A task: what it is, what was evaluated on, and by metric the field and its meaning."""

    title: str
    evaluated: str
    metrics: dict[str, tuple[str, str]]


_TOP = {"valid_error": ("top1", "top-1"), "valid_error_top5": ("top5", "top-5")}
_TASKS = {
    "seg": _Task(
        "Cityscapes segmentation",
        "Cityscapes' validation images",
        {
            "valid_miou": ("mIoU", "mean intersection over union of the classes"),
            "valid_class_error": ("mAcc", "pixels, the mean over classes"),
            "valid_pixel_error": ("aAcc", "pixels"),
        },
    ),
    "cls-50-1000": _Task(
        "ImageNet, 50 classes with 1,000 images each", "the validation images", _TOP
    ),
    "cls-10c": _Task("an ImageNet subset (cls-10c)", "the validation images", _TOP),
    "video-p": _Task(
        "HMDB51 video recognition, pre-trained",
        "HMDB51's evaluated videos, which are not stated",
        _TOP,
    ),
}
_SIZES = (("params", "M", 1e6, parameters), ("flops", "G", 1e9, recorded_flops))


_percent = partial(number, least=0, most=100)


def _fields(task: _Task) -> Iterator[Field]:
    where = f"on {task.evaluated}; one training each, its epochs not stated"
    for name, (field, meaning) in task.metrics.items():
        if name == "valid_miou":
            description = f"{meaning}, {where}"
            metric = score_metric(name, "%", "quality", description)
            yield Field(metric, (field,), _percent)
        else:
            description = f"{meaning} wrong, {where}"
            metric = score_metric(name, "%", "error", description)
            yield Field(metric, (field,), _percent, error_of_percent)
    recorded = cost_metric(
        "recorded_macs",
        "M",
        (
            "as recorded for every task alike: of the network with 50 classes at 128×128 pixels,"
            " normalisation counted twice an element"
        ),
    )
    yield Field(recorded, ("flops",), convert=lambda values: 1000.0 * values)


def read(name: str) -> Table:
    """Read a task's fetched file into a table on the sampled space of its architectures."""
    task = name.removeprefix("nbmr-")
    (path,) = (path for path in fetching.files(_SOURCE) if path.parent.name == task)
    return read_file(path, task)


def read_file(path: Path, task: str) -> Table:
    """Read one file of the benchmark."""
    what = _TASKS[task]
    with reading(path, "file of NAS-Bench-MR", _SOURCE):
        records = read_pickle_file(path)
        cells = [
            nbmr().numbered([str(number) for number in record["embedding"]]) for record in records
        ]
        space = Sampled(nbmr(), choices_of(cells))
        for field, prefix, unit, size in _SIZES:
            check_sizes(
                nbmr(),
                space.choices,
                recorded=np.array([number(record[field], field) for record in records]),
                expected=size(space.choices, _NETWORK) / unit,
                unit=f"{prefix} {field}",
                relative=_RELATIVE,
            )
        table = Table(
            name=f"nbmr-{task}",
            space=space.definition,
            title=f"NAS-Bench-MR on {what.title}: {len(space):,} held architectures",
            source=f"{fetching.origin(_SOURCE, _REPOSITORY)} data/{task}/trainval.pkl",
            objective=f"{next(iter(what.metrics))} + 0.05*params",
            network=_NETWORK,
            cost="queries",
            banner=(
                f"{space.notice} There is one evaluation of each, and nothing was held out: what is"
                " searched on is all that can be reported."
            ),
        )
        add_fields(table, _fields(what), records)
    return table


_FACTS = {
    "nbmr-seg": Facts(2507, values={"best valid_miou": 79.10}),
    "nbmr-cls-50-1000": Facts(2507, values={"best valid_error": 13.84}),
    "nbmr-cls-10c": Facts(2507, values={"best valid_error": 32.04}),
    "nbmr-video-p": Facts(2507, values={"best valid_error": 59.609}),
}


def verify() -> Iterator[Verified]:
    """Check the tables that are here against the published files' best values and sizes."""
    for name, facts in _FACTS.items():
        yield from check_facts(name, facts)
        table = TableFile(table_path(name))
        expected = recorded_flops(table.cells.choices, table.network) / 1e6
        gap = float(np.abs(column(table, "recorded_macs") / expected - 1).max())
        detail = f"those of the networks, within {gap:.1g}"
        yield Verified(f"recorded sizes of {name}", gap < _RELATIVE, detail)
