"""NAS-Bench-MR: 2,507 networks of several resolutions on segmentation, two ImageNet subsets and
video.

Ding et al., "Learning Versatile Neural Architectures by Propagating Network Codes", ICLR 2022. A
file is a pickle of plain lists and dicts, read through an allow-list that allows no name at all.
Every task holds the same architectures, each trained once, and one evaluation of it: that is what a
search looks at, and nothing is left to report by.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.metrics import Metric, Quantity
from surrogate_nas.files import table_path
from surrogate_nas.space import Sampled, choices_of
from surrogate_nas.space.cell import Choices
from surrogate_nas.space.nbmr import nbmr
from surrogate_nas.space.nbmr.sizes import parameters, recorded_flops
from surrogate_nas.space.network import Network
from surrogate_nas.tables import ColumnKey, Table, TableFile
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import Verified, declared, reading
from surrogate_nas.tables.sources.pickles import read_pickle

NAMES = declared("nbmr").names
_SOURCE = "nbmr"
_REPOSITORY = "dingmyu/NCP"
_NETWORK = Network(classes=50, image_size=128)
"""Of the recorded sizes, which are the same in all files: fifty classes, 128×128 pixels."""
_HUNDRED = 100.0
_RELATIVE = 1e-6
_ONE_RUN = "one training each, its epochs not stated"


class _Task(NamedTuple):
    """A task: what it is, what was evaluated on, and the fields of its metrics with their
    meaning.
    """

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
_BEST = {
    ("nbmr-seg", "valid_miou"): 79.10,
    ("nbmr-cls-50-1000", "valid_error"): 13.84,
    ("nbmr-cls-10c", "valid_error"): 32.04,
    ("nbmr-video-p", "valid_error"): 59.609,
}
"""The best value of each file."""
_HELD = 2507


def read(name: str) -> Table:
    """Read a task's fetched file into a table on the sampled space of its architectures."""
    task = name.removeprefix("nbmr-")
    (path,) = (path for path in fetching.files(_SOURCE) if path.parent.name == task)
    return read_file(path, task)


def read_file(path: Path, task: str) -> Table:
    """Read one file of the benchmark."""
    what = _TASKS[task]
    with reading(path, "file of NAS-Bench-MR", _SOURCE):
        with path.open("rb") as file:
            records = read_pickle(file, {}, path)
        cells = [
            nbmr().numbered([str(number) for number in record["embedding"]]) for record in records
        ]
        numbers = {
            key: np.array([_number(record[key]) for record in records])
            for key in ("params", "flops", *(field for field, _ in what.metrics.values()))
        }
        choices = choices_of(cells)
        _check_sizes(choices, numbers)
        values = {name: _values(name, numbers[field]) for name, (field, _) in what.metrics.items()}
        space = Sampled(nbmr(), choices)
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
    for metric, (_, meaning) in what.metrics.items():
        table.add(_metric(metric, meaning, what, table.source), None, values[metric], 1)
    recorded = Metric(
        "recorded_macs",
        "M",
        "search",
        "cost",
        source=table.source,
        description=(
            "as recorded for every task alike: of the network with 50 classes at 128×128 pixels,"
            " normalisation counted twice an element"
        ),
    )
    table.add(recorded, None, 1000.0 * numbers["flops"], 1)
    return table


def _metric(name: str, meaning: str, task: _Task, source: str) -> Metric:
    quality = name == "valid_miou"
    described = f"{meaning}{'' if quality else ' wrong'}, on {task.evaluated}; {_ONE_RUN}"
    quantity: Quantity = "quality" if quality else "error"
    return Metric(
        name, "%", "search", quantity, split="valid", description=described, source=source
    )


def _values(metric: str, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    if not ((numbers >= 0) & (numbers <= _HUNDRED)).all():
        raise ValueError(
            f"{metric} is no share in %: it runs from {numbers.min():g} to {numbers.max():g}."
        )
    return numbers if metric == "valid_miou" else _HUNDRED - numbers


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not np.isfinite(value):
        raise TypeError(f"{value!r:.60} stands where a number should")
    return float(value)


def _check_sizes(choices: Choices, numbers: dict[str, NDArray[np.float64]]) -> None:
    """The recorded sizes must be those of the networks: else codes and results do not belong
    together.
    """
    for field, unit, computed in (("params", 1e6, parameters), ("flops", 1e9, recorded_flops)):
        expected = computed(choices, _NETWORK) / unit
        wrong = np.flatnonzero(
            ~np.isclose(numbers[field], expected, rtol=_RELATIVE, atol=_RELATIVE)
        )
        if len(wrong):
            raise ValueError(
                f"{field} of record {wrong[0]} is {numbers[field][wrong[0]]:g}, but its network has"
                f" {expected[wrong[0]]:g}"
            )


def verify() -> Iterator[Verified]:
    """Check the tables that are here against the published files' best values, and sizes against
    the networks.
    """
    for (name, metric), best in _BEST.items():
        table = TableFile(table_path(name))
        values = table.metrics[metric].minimised(table.column(ColumnKey(metric, None, "mean")))
        found = abs(float(values.min()))
        yield Verified(
            f"best {metric} of {name}",
            abs(found - best) < _RELATIVE,
            f"{found:.4f}, {best} published",
        )
        held = len(table.cells)
        yield Verified(f"architectures of {name}", held == _HELD, f"{held:,}, {_HELD:,} published")
        recorded = table.column(ColumnKey("recorded_macs", None, "mean"))
        gap = float(
            np.abs(recorded / (recorded_flops(table.cells.choices, table.network) / 1e6) - 1).max()
        )
        yield Verified(
            f"recorded sizes of {name}", gap < _RELATIVE, f"those of the networks, within {gap:.1g}"
        )
