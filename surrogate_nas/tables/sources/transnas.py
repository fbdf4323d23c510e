"""TransNAS-Bench-101 from two public repositories: two spaces, seven tasks of Taxonomy's images,
one seed a cell.

Duan et al., CVPR 2021. Two conventions stay apart in the metrics' names. ``…@best`` is the maximum
over the epochs of a run, of every column its own, test columns too: such a test value is peeked.
``…@last`` is the final epoch. Columns of losses in the first source are maxima too, which is the
worst epoch; they are not offered (the one infinite number of the files is among them), but for the
room layout, whose loss is there negated as well, so that the maximum is the best.

The first repository lists both spaces one after the other, by number and without names; the second
names its architectures. Both spaces here list their cells in the order of these numbers, and every
value of a final epoch must lie within the maximum of its cell, so that a wrong order would be seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import (
    Metric,
    Quantity,
    cost_metric,
    record_metric,
    score_metric,
)
from surrogate_nas.files import table_path
from surrogate_nas.files.paths import printable
from surrogate_nas.space import EnumerableChoiceSpace
from surrogate_nas.space.four_nodes import path_live
from surrogate_nas.space.network import Network
from surrogate_nas.space.transnas import transnas_macro, transnas_micro
from surrogate_nas.space.transnas.heads import Head, model_sizes
from surrogate_nas.space.transnas.sizes import macro_backbone, micro_backbone
from surrogate_nas.tables import Table, TableFile
from surrogate_nas.tables.sources.base import Verified, declared, reading
from surrogate_nas.tables.sources.fetching import fetched, files, origin
from surrogate_nas.tables.sources.frame import Facts, check_facts, column, equal, read_bounded
from surrogate_nas.tables.sources.spreadsheet import read_rows

NAMES = declared("transnas").names
SOURCE = "transnas"
BEST = "Zhenhan-Huang/NASGraph-Public"
LAST = "automl/NASLib"
"""The repository of the maxima over epochs, and that of the final epochs."""
SPACES: dict[str, Callable[[], EnumerableChoiceSpace]] = {
    "micro": transnas_micro,
    "macro": transnas_macro,
}
_ARCHIVES = {"micro": "all_benchmarks_zen.zip", "macro": "tnb101_macro_zen.zip"}
_NUMBER = "file_id"
"""The column that numbers the architectures."""
_LARGEST_MEMBER = 2_000_000
"""Bytes of a member of an archive once unpacked; the published ones have at most 150,000."""
_AGAIN = f"run snas data fetch {SOURCE}"
_FILE = "file of TransNAS-Bench-101"

Columns = dict[str, NDArray[np.float64]]


def read_best(kind: str, task: str, wanted: Iterable[str]) -> Columns:
    """Columns of a task's maxima over epochs, for the cells of a space in their order."""
    path = _fetched(BEST, f"transbench101_{task}.csv")
    header, *rows = read_rows(path)
    macro = len(transnas_macro())
    micro = len(transnas_micro())
    with reading(path, _FILE, SOURCE):
        numbers = np.array(rows, dtype=np.float64)
        columns = {name: numbers[:, header.index(name)] for name in (*wanted, _NUMBER)}
        listed = columns.pop(_NUMBER)
    if not np.array_equal(listed, np.arange(macro + micro)):
        raise UserError(
            f"{printable(path)} lists {len(listed):,} architectures, not {macro:,} of the macro"
            f" space and then {micro:,} of the micro space in their order: {_AGAIN}."
        )
    part = slice(macro) if kind == "macro" else slice(macro, None)
    return {name: values[part] for name, values in columns.items()}


def read_last(kind: str, task: str) -> NDArray[np.float64]:
    """A task's metric after the final epoch, for the cells of a space in their order."""
    path = _fetched(LAST, _ARCHIVES[kind])
    space = SPACES[kind]()
    places = _places(kind)
    with reading(path, _FILE, SOURCE):
        records = [
            (record["arch"], float(record["val_accuracy"])) for record in _records(path, kind, task)
        ]
        strangers = [architecture for architecture, _ in records if architecture not in places]
    if strangers:
        raise UserError(
            f"{printable(path)} lists {printable(repr(strangers[0])):.80} for {task}, which is no"
            f" cell of the space {space.name}: {_AGAIN}."
        )
    values = {places[architecture]: value for architecture, value in records}
    if not len(records) == len(values) == len(space):
        raise UserError(
            f"The two sources disagree on the architectures of {task}: {printable(path)} lists"
            f" {len(values):,} of the {len(space):,} cells of the space {space.name} in"
            f" {len(records):,} records: {_AGAIN}."
        )
    return np.array([values[index] for index in range(len(space))])


def check_agreement(
    best: NDArray[np.float64],
    last: NDArray[np.float64],
    space: EnumerableChoiceSpace,
    task: str,
) -> None:
    """Check that no final epoch of one source exceeds the maximum over epochs of the other."""
    wrong = np.flatnonzero(last > best)
    if len(wrong):
        raise UserError(
            f"The two sources disagree on {task} for {len(wrong):,} of {len(space):,} cells: the"
            f" final epoch of {space[int(wrong[0])]} has {last[wrong[0]]:.6g}, the best of all"
            f" epochs {best[wrong[0]]:.6g}: {_AGAIN}."
        )


def _fetched(repository: str, name: str) -> Path:
    paths = files(SOURCE, f"{repository}/")
    return fetched(next(path for path in paths if path.name == name), SOURCE)


def _records(path: Path, kind: str, task: str) -> Iterator[dict[str, Any]]:
    with ZipFile(path) as archive:
        for member in archive.infolist():
            if f"--transbench101_{kind}--{task}--" in member.filename:
                with archive.open(member) as packed:
                    name = printable(member.filename)
                    yield from json.loads(read_bounded(packed, _LARGEST_MEMBER, name))


@lru_cache(maxsize=len(SPACES))
def _places(kind: str) -> dict[str, int]:
    """The places of a space's cells by how the archives write them: all operations, or the modules
    that are there.
    """
    digits = (
        (digit for digit in cell.choices if digit or kind == "micro") for cell in SPACES[kind]()
    )
    return {f"({', '.join(map(str, written))})": place for place, written in enumerate(digits)}


# The seven tasks: what was trained for how long, what is behind the backbone, and what was
# measured.
#
# Epochs, image sizes and outputs are those of the authors' published configurations
# (``configs/train_from_scratch``).


_PERCENT = 100.0


class Measure(NamedTuple):
    """One number that a task is judged by, as the files spell it and as we do.

    Attributes:
        name: Ours, behind the split.
        spelled: Theirs, behind the split; there larger is better.
        quantity: An error or a loss, of which smaller is better, or a quality.
        unit: Ours.
        what: It in words.
    """

    name: str
    spelled: str
    quantity: Quantity
    unit: str
    what: str

    def ours(self, theirs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values as in our tables: accuracies as errors, negated losses as losses; NaN for what is
        no number.
        """
        values = (
            theirs
            if self.quantity == "quality"
            else (_PERCENT if self.quantity == "error" else 0.0) - theirs
        )
        return np.where(np.isfinite(values), values, np.nan)


class Task(NamedTuple):
    """One of the seven tasks.

    Attributes:
        title: It in words.
        epochs: Of a run.
        head: What is behind the backbone.
        outputs: How many numbers the head gives, at every position where it gives an image.
        measures: What its files hold of it, the main one first.
        last: The one of these that is held after the final epoch.
        image_size: Height and width of what the backbone sees.
    """

    title: str
    epochs: int
    head: Head
    outputs: int
    measures: tuple[Measure, ...]
    last: Measure
    image_size: int = 256


_TOP1 = Measure("error", "top1", "error", "%", "top-1 error")
_TOP5 = Measure("top5_error", "top5", "error", "%", "top-5 error")
_LOSS = Measure("loss", "neg_loss", "loss", "MSE", "mean squared error of nine layout parameters")
_MIOU = Measure("miou", "mIoU", "quality", "%", "mean intersection over union of 17 classes")
_PIXELS = Measure(
    "pixel_accuracy", "acc", "quality", "%", "share of pixels that are given their class"
)
_SSIM = Measure("ssim", "ssim", "quality", "", "structural similarity to the target image")
_CLASSIFIED = (_TOP1, _TOP5)
_SIMILAR = (_SSIM,)

TASKS: dict[str, Task] = {
    "class_object": Task("object classification", 25, "linear", 75, _CLASSIFIED, _TOP1),
    "class_scene": Task("scene classification", 25, "linear", 47, _CLASSIFIED, _TOP1),
    "jigsaw": Task("jigsaw puzzle", 10, "jigsaw", 1000, _CLASSIFIED, _TOP1, image_size=64),
    "room_layout": Task("room layout", 25, "linear", 9, (_LOSS,), _LOSS),
    "segmentsemantic": Task(
        "semantic segmentation", 30, "segmentation", 17, (_MIOU, _PIXELS), _PIXELS
    ),
    "normal": Task("surface normals", 30, "image", 3, _SIMILAR, _SSIM),
    "autoencoder": Task("autoencoding", 30, "image", 3, _SIMILAR, _SSIM),
}
"""By the name that the files have for it."""


BANNER = (
    "A metric …@best is the best of all epochs of a run, of every column its own: test values among"
    " them were chosen by the test set itself (peeked). A metric …@last is of the final epoch. One"
    " seed a cell."
)
_SPLITS = ("train", "valid", "test")
"""By split."""
_BACKBONES = {"micro": micro_backbone, "macro": macro_backbone}
_HEADS: dict[Head, str] = {
    "linear": "linear layer",
    "jigsaw": "linear layer, on nine tiles",
    "segmentation": "decoder",
    "image": "decoder, without the discriminator",
}
"""What a network has beside the backbone, in words."""
_SECONDS = "time_elapsed"
_WIDTH = 64


def read(name: str) -> Table:
    """Assemble the table of a benchmark from the fetched files."""
    kind, task_name = name.removeprefix(f"{SOURCE}-").split("-")
    space = SPACES[kind]()
    task = TASKS[task_name]
    table = Table(
        name=name,
        space=space.name,
        title=f"TransNAS-Bench-101, {kind} space: {task.title}, {task.epochs} epochs, one seed",
        source="public extracts at pinned commits, see data/manifest.json",
        objective=f"valid_{task.measures[0].name}@best",
        network=Network(classes=task.outputs, channels=_WIDTH, image_size=task.image_size),
        banner=BANNER,
    )
    columns = {
        (measure, split): f"{split}_{measure.spelled}"
        for measure in task.measures
        for split in _SPLITS
    }
    best = read_best(kind, task_name, [*columns.values(), _SECONDS])
    for (measure, split), spelled in columns.items():
        table.add(_best(measure, split, task), task.epochs, measure.ours(best[spelled]), 1)
    last = read_last(kind, task_name)
    check_agreement(best[columns[task.last, "valid"]], last, space, task_name)
    table.add(_last(task), task.epochs, task.last.ours(last), 1)
    _add_seconds(table, task, best[_SECONDS])
    _add_sizes(table, kind, task)
    return table


def verify() -> Iterator[Verified]:
    """Check the tables against published constants."""
    for task, (metric, published, within) in _KNOWN_BEST.items():
        for kind, value in zip(SPACES, published, strict=True):
            facts = Facts(len(SPACES[kind]()), values={f"best {metric}": value}, within=within)
            yield from check_facts(f"transnas-{kind}-{task}", facts)
    tables = {task: TableFile(table_path(f"transnas-micro-{task}")) for task in TASKS}
    yield _disconnected(tables["class_scene"])
    yield _distinct([tables[task] for task in TASKS if task != "segmentsemantic"])
    place = transnas_micro().index(_CONVOLUTIONS)
    for task, parameters in _MODEL_PARAMETERS.items():
        value = int(column(tables[task], "model_params")[place])
        yield equal(f"parameters of transnas-micro-{task}, {_CONVOLUTIONS}", value, parameters)


def _best(measure: Measure, split: str, task: Task) -> Metric:
    chosen = (
        "the test values themselves: peeked" if split == "test" else f"this column's {split} values"
    )
    return score_metric(
        f"{split}_{measure.name}@best",
        measure.unit,
        measure.quantity,
        f"{measure.what}, best of {task.epochs} epochs, chosen by {chosen}",
        origin(SOURCE, BEST),
    )


def _last(task: Task) -> Metric:
    measure = task.last
    return score_metric(
        f"valid_{measure.name}@last",
        measure.unit,
        measure.quantity,
        f"{measure.what}, after the final epoch of {task.epochs}",
        origin(SOURCE, LAST),
    )


def _add_seconds(table: Table, task: Task, seconds: NDArray[np.float64]) -> None:
    """Wall-clock seconds of whole runs; the evaluations after every epoch are in them."""
    whole = (
        f"the whole run of {task.epochs} epochs with an evaluation on valid and test after each, by"
        " the wall clock: some runs took many times as long as others of their size"
    )
    train = record_metric("train_seconds", "s", whole, origin(SOURCE, BEST))
    valid = record_metric("valid_seconds", "s", "within train_seconds", train.source)
    table.add(train, task.epochs, seconds)
    table.add(valid, None, np.zeros(len(seconds)))


def _add_sizes(table: Table, kind: str, task: Task) -> None:
    """Sizes of the network that was trained: those of the backbone follow from the cell and are no
    columns.
    """
    backbone = _BACKBONES[kind](SPACES[kind]().choices, table.network)
    parameters, macs = model_sizes(backbone, task.head, task.outputs)
    with_head = f"of backbone and {_HEADS[task.head]}, computed from the published definition"
    for name, unit, what, values in (
        ("model_params", "parameters", "trainable", parameters),
        ("model_macs", "M", "multiply-accumulates of convolutions and linear layers", macs / 1e6),
    ):
        metric = cost_metric(name, unit, f"{what}, {with_head}", "computed")
        table.add(metric, None, values)


_KNOWN_BEST = {
    "class_object": ("valid_error@best", (53.68, 52.04), 0.005),
    "class_scene": ("valid_error@best", (45.06, 42.52), 0.005),
    "jigsaw": ("valid_error@best", (4.63, 2.98), 0.005),
    "segmentsemantic": ("valid_miou@best", (26.27, 29.66), 0.005),
    "autoencoder": ("valid_ssim@best", (0.5772, 0.7688), 0.00005),
    "normal": ("valid_ssim@best", (0.5962, 0.6435), 0.00005),
    "room_layout": ("valid_loss@best", (0.5938, 0.5628), 0.00005),
}
"""By task: the metric, its best values of the micro and the macro space, and their precision."""
_DISCONNECTED = 169
_DISCONNECTED_ERROR = 92.516
"""Micro cells without a path, and the error that they, and no others, have on scenes after the
final epoch.
"""
_DISTINCT = 2994
"""Results on the six tasks but segmentation among the micro cells: those that differ in what is
dead are apart.
"""
_CONVOLUTIONS = "64-41414-3_33_333"
_MODEL_PARAMETERS = {
    "class_object": 41_450_091,
    "class_scene": 41_435_727,
    "jigsaw": 46_020_616,
    "room_layout": 41_416_233,
    "segmentsemantic": 52_435_793,
    "normal": 64_283_475,
    "autoencoder": 64_283_475,
}
"""Of the cell of 3×3 convolutions with every task's head, as an independent public reimplementation
counts them.
"""


def _disconnected(table: TableFile) -> Verified:
    without = ~path_live(transnas_micro().choices).any(axis=1)
    constant = np.abs(column(table, "valid_error@last") - _DISCONNECTED_ERROR) < 1e-3
    passed = int(without.sum()) == _DISCONNECTED and np.array_equal(without, constant)
    detail = (
        f"{without.sum()} without a path, {constant.sum()} of them and others with the error of a"
        " constant answer"
    )
    return Verified("disconnected cells of the micro space", passed, detail)


def _distinct(tables: list[TableFile]) -> Verified:
    columns = []
    for table in tables:
        for key in sorted(table.keys, key=str):
            if key.epochs is not None and key.metric != "train_seconds":
                columns.append(table.column(key))
    n_distinct = len(np.unique(np.column_stack(columns), axis=0))
    return equal("distinct results of micro cells on six tasks", n_distinct, _DISTINCT)
