"""TransNAS-Bench-101 from two public repositories: two spaces, seven tasks of Taxonomy's images, one seed a cell.

Duan et al., CVPR 2021. Two conventions stay apart in the metrics' names. ``…@best`` is the maximum over the epochs of a
run, of every column its own, test columns too: such a test value is peeked. ``…@last`` is the final epoch. Columns of
losses in the first source are maxima too, which is the worst epoch; they are not offered (the one infinite number of
the files is among them), but for the room layout, whose loss is there negated as well, so that the maximum is the best.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.metrics import Kind, Metric
from surrogate_nas.space.network import Network
from surrogate_nas.space.transnas.heads import Head, model_sizes
from surrogate_nas.space.transnas.sizes import macro_backbone, micro_backbone
from surrogate_nas.tables import Table
from surrogate_nas.tables.sources.fetching import citation, licences, origin
from surrogate_nas.tables.sources.transnas.files import (
    BEST,
    LAST,
    SOURCE,
    SPACES,
    check_agreement,
    read_best,
    read_last,
)
from surrogate_nas.tables.sources.transnas.tasks import TASKS, Measure, Task
from surrogate_nas.tables.sources.verify import Verified

TITLE = "TransNAS-Bench-101: micro and macro spaces on seven tasks of vision"
NAMES = tuple(f"{SOURCE}-{kind}-{task}" for kind in SPACES for task in TASKS)
PACKAGE: tuple[()] = ()
LICENCE = CITATION = ""
BANNER = (
    "A metric …@best is the best of all epochs of a run, of every column its own: test values among them were chosen "
    "by the test set itself (peeked). A metric …@last is of the final epoch. One seed a cell."
)
_KINDS: dict[str, Kind] = {"train": "search", "valid": "search", "test": "final"}
"""By split."""
_BACKBONES = {"micro": micro_backbone, "macro": macro_backbone}
_HEADS: dict[Head, str] = {
    "linear": "linear layer",
    "jigsaw": "linear layer, on nine tiles",
    "segmentation": "decoder",
    "image": "decoder, without the discriminator",
}
"""What a network has beside the backbone, in words."""
_SECONDS, _WIDTH = "time_elapsed", 64


def read(name: str) -> Table:
    """Assemble the table of a benchmark from the fetched files.

    Args:
        name: One of `NAMES`.

    Raises:
        UserError: A file is missing or damaged, or the two sources disagree.
    """
    kind, task_name = name.removeprefix(f"{SOURCE}-").split("-")
    space, task = SPACES[kind](), TASKS[task_name]
    table = Table(
        name=name,
        space=space.name,
        title=f"TransNAS-Bench-101, {kind} space: {task.title}, {task.epochs} epochs, one seed",
        source="public extracts at pinned commits, see data/manifest.json",
        licence=licences(SOURCE),
        citation=citation(SOURCE),
        objective=f"valid_{task.measures[0].name}@best",
        network=Network(classes=task.outputs, channels=_WIDTH, image_size=task.image_size),
        banner=BANNER,
    )
    columns = {(measure, split): f"{split}_{measure.spelled}" for measure in task.measures for split in _KINDS}
    best = read_best(kind, task_name, [*columns.values(), _SECONDS])
    for (measure, split), column in columns.items():
        table.add(_best(measure, split, task), task.epochs, measure.ours(best[column]), 1)
    last = read_last(kind, task_name)
    check_agreement(best[columns[task.last, "valid"]], last, space, task_name)
    table.add(_last(task), task.epochs, task.last.ours(last), 1)
    _add_seconds(table, task, best[_SECONDS])
    _add_sizes(table, kind, task)
    return table


def verify() -> Iterator[Verified]:
    """Hold the tables against published constants.

    Raises:
        UserError: A table is not here or damaged.
    """
    from surrogate_nas.tables.sources.transnas.checks import verify as checks

    return checks()


def _best(measure: Measure, split: str, task: Task) -> Metric:
    chosen = "the test values themselves: peeked" if split == "test" else f"this column's {split} values"
    return Metric(
        f"{split}_{measure.name}@best",
        measure.unit,
        _KINDS[split],
        measure.quantity,
        split=split,
        description=f"{measure.what}, best of {task.epochs} epochs, chosen by {chosen}",
        source=origin(SOURCE, BEST),
    )


def _last(task: Task) -> Metric:
    measure = task.last
    return Metric(
        f"valid_{measure.name}@last",
        measure.unit,
        "search",
        measure.quantity,
        split="valid",
        description=f"{measure.what}, after the final epoch of {task.epochs}",
        source=origin(SOURCE, LAST),
    )


def _add_seconds(table: Table, task: Task, seconds: NDArray[np.float64]) -> None:
    """Wall-clock seconds of whole runs; the evaluations after every epoch are in them."""
    whole = (
        f"the whole run of {task.epochs} epochs with an evaluation on valid and test after each, by the wall clock: "
        "some runs took many times as long as others of their size"
    )
    train = Metric("train_seconds", "s", "record", "cost", description=whole, source=origin(SOURCE, BEST))
    valid = Metric("valid_seconds", "s", "record", "cost", description="within train_seconds", source=train.source)
    table.add(train, task.epochs, seconds)
    table.add(valid, None, np.zeros(len(seconds)))


def _add_sizes(table: Table, kind: str, task: Task) -> None:
    """Sizes of the network that was trained: those of the backbone follow from the cell and are no columns."""
    backbone = _BACKBONES[kind](SPACES[kind]().choices, table.network)
    parameters, macs = model_sizes(backbone, task.head, task.outputs)
    with_head = f"of backbone and {_HEADS[task.head]}, computed from the published definition"
    for name, unit, what, values in (
        ("model_params", "parameters", "trainable", parameters),
        ("model_macs", "M", "multiply-accumulates of convolutions and linear layers", macs / 1e6),
    ):
        metric = Metric(name, unit, "search", "cost", description=f"{what}, {with_head}", source="computed")
        table.add(metric, None, values)
