"""The tables of a folder: of every training what it told, by split, quantity, time and seed.

Values are such that smaller is better; NaN where there was no training. A training that diverged
has the worst value of its column (protocol, "The order of work").
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.answer.design import read_design
from analysis.building.jobs import class_order
from analysis.orders import filled
from surrogate_nas.benchmarks.losses import LossesBenchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import shipped
from surrogate_nas.space import DEFAULT_SPACE
from surrogate_nas.tables import MemoryTable

Values = NDArray[np.float64]
Time = int | str
Key = tuple[str, str, Time]
"""Split, quantity and time of a column."""


@lru_cache(maxsize=1)
def data_sources() -> dict[str, dict[str, str]]:
    """The data of each task: source, the package or address it is read from, licence, note."""
    with shipped("sources.csv").open(newline="", encoding="utf-8") as file:
        return {
            task: row for row in csv.DictReader(file) for task in row["tasks"].split()
        }


TESTED = range(50, 150)
"""Places in the random order of classes of the tests; the first 50 had been looked at."""
TIMES = (10, 20, 50, 100)
LATE, MEAN = "late", "mean"
"""Shares of a run in per cent; the mean over its last fifth, and over the whole run."""
DIGITS = "scikit-learn's digits"

SOURCES = {task: row["source"] for task, row in data_sources().items()}
"""The source of every task's data, which is the unit of inference (additions of 28 November)."""
WEAK = ("languages", "cartpole")
"""Tasks whose two seeds agreed with less than .5: every mean is told without them too."""
_SPLITS = ("train", "valid", "test")
_FEWEST = 10


@dataclass(frozen=True)
class Table:
    """One table: a task with its usual loss and others, in runs of some length."""

    name: str  # Of its file
    task: str
    source: str  # Of its data
    length: float  # Of the runs, in usual runs
    space: str  # Whose cells
    usual: str  # The task's own loss
    measure: str  # What judges the task, without a split
    unit: str  # Of the measure
    # By loss, split, quantity and time, shape (seeds, classes), smaller is better
    columns: dict[tuple[str, str, str, Time], Values]
    params: Values  # The number of parameters by class
    cells: list[
        str
    ]  # The options of the cell that stands for each class, a digit a position
    classes: NDArray[
        np.intp
    ]  # Places of the classes that every seed trained by the usual loss
    trained: dict[
        str, int
    ]  # How many trainings there are by loss, of the classes looked at

    def __call__(
        self, split: str, quantity: str, time: Time = 100, loss: str = ""
    ) -> Values:
        """A column of every seed, shape ``(seeds, classes)``."""
        return self.columns[loss or self.usual, split, quantity, time]

    @property
    def losses(self) -> list[str]:
        """Those that trained besides the usual one."""
        return sorted({loss for loss, *_ in self.columns} - {self.usual})

    def signals(self) -> list[Key]:
        """All that a search may see of the usual loss, in order of split, quantity and time."""
        usual = [key for loss, *key in self.columns if loss == self.usual]
        known = {
            quantity
            for split, quantity, time in usual
            if (split, time) == ("valid", 100)
        }
        order = [*dict.fromkeys(["loss", self.measure, *sorted(known)])]
        times = [*TIMES, LATE, MEAN]
        kept = [
            (split, quantity, time)
            for split, quantity, time in usual
            if (split == "valid" and quantity in order)
            or (split, quantity) == ("train", "loss")
        ]
        return sorted(
            kept, key=lambda key: (key[0], order.index(key[1]), times.index(key[2]))
        )


def read_tables(folder: Path, classes: range = TESTED, name: str = "*") -> list[Table]:
    """The tables of a folder; of fewer than ten classes that all seeds trained there is none.

    Args:
        folder: Where ``TASK.h5``, ``TASK-x4.h5`` and so on lie.
        classes: The places of the classes to read.
        name: Of one table, or a pattern of several.

    Raises:
        UserError: There is no table, one is damaged, or a task's source is not known.
    """
    paths = sorted(folder.glob(f"{name}.h5"))
    if not paths:
        raise UserError(
            f"There is no table in {folder}; give a folder with TASK.h5 files."
        )
    tables = [_read(path, classes) for path in paths]
    return [table for table in tables if table is not None]


def _read(path: Path, classes: range) -> Table | None:
    bench = LossesBenchmark(path)
    stored = bench.table
    card = json.loads(stored.card)
    task = card["task"]
    if task not in SOURCES:
        raise UserError(
            f"{path}: the task {task} has no source; add it to data/sources.csv."
        )
    usual = bench.objective.partition("@")[2].partition(" ")[0]
    measure = card["judged_by"].removeprefix("valid_")
    space = getattr(bench.space, "base", bench.space)
    looked, rows, here = rows_in(bench, classes)
    made, told = told_by(stored, rows)
    some = np.any([*made[usual].values()], axis=0).sum()
    seeds = sorted(
        seed for seed, known in made[usual].items() if 2 * known.sum() >= some > 0
    )
    if len(seeds) < 2:
        return None
    whole = np.flatnonzero(np.all([made[usual][seed] for seed in seeds], axis=0))
    if len(whole) < _FEWEST:
        return None
    lacking = np.full(len(rows), np.nan)
    columns = {}
    for key, own in told.items():
        known = made[key[0]]
        each = [
            filled(own[seed], known[seed]) if seed in own else lacking for seed in seeds
        ]
        columns[key] = np.array(each)[:, whole]
    rows_whole, here_whole = np.array(rows)[whole], np.array(here)[whole]
    return Table(
        name=path.stem,
        task=task,
        source=SOURCES[task],
        length=card.get("length", 1),
        space=space.name,
        usual=usual,
        measure=measure,
        unit=stored.metrics[f"test_{measure}@{usual}"].unit,
        columns=columns,
        params=bench.column("params")[rows_whole],
        cells=["".join(map(str, bench.space[int(row)].choices)) for row in rows_whole],
        classes=here_whole - looked.start,
        trained={
            loss: int(sum(map(np.sum, own.values()))) for loss, own in made.items()
        },
    )


def stored(data: Path, what: str) -> Path:
    """The CSV file of something next to a folder of tables, which an installed package carries."""
    return data.parent / f"{data.name}-{what}.csv"


def rows_in(
    bench: LossesBenchmark, classes: range
) -> tuple[range, list[int], list[int]]:
    """The places that are looked at; of those in the table their rows, and themselves."""
    base = getattr(bench.space, "base", bench.space)
    looked = places_in(base.name, classes)
    places = {cell: place for place, cell in enumerate(class_order(base.name))}
    row_at = {
        places[base.cell(cell).index]: row for row, cell in enumerate(bench.space)
    }
    here = [place for place in looked if place in row_at]
    return looked, [row_at[place] for place in here], here


def told_by(
    stored: MemoryTable, rows: Sequence[int]
) -> tuple[dict[str, Any], dict[Any, Any]]:
    """By loss and seed which classes were trained, and by column and seed what they told."""
    made: dict[str, dict[int, NDArray[np.bool_]]] = {}
    told: dict[tuple[str, str, str, Time], dict[int, Values]] = {}
    for column, values in stored.table.columns.items():
        metric = stored.metrics[column.metric]
        name, _, loss = column.metric.partition("@")
        if column.seed != "mean" and name == "diverged":
            made.setdefault(loss, {})[column.seed] = np.isfinite(values[rows])
        elif column.seed != "mean":
            for key in _keys(name, column.epochs, metric.epochs[-1]):
                told.setdefault((loss, *key), {})[column.seed] = metric.minimised(
                    values
                )[rows]
    return made, told


def places_in(space: str, classes: range) -> range:
    """The places that are looked at: of another space than the design's first, as many from 0."""
    return classes if space == DEFAULT_SPACE else range(len(classes))


def _keys(name: str, epochs: int, last: int) -> Iterator[Key]:
    """Split, quantity and times of a column; several times where a run is short."""
    split, _, quantity = name.partition("_")
    if split not in _SPLITS or quantity == "seconds":
        return
    for ending in (LATE, MEAN):
        if quantity.endswith(f"_{ending}"):
            yield split, quantity.removesuffix(f"_{ending}"), ending
            return
    for time in TIMES:
        if epochs == -(-time * last // 100):
            yield split, quantity, time


def designed(classes: range = TESTED) -> dict[tuple[str, str], int]:
    """How many trainings the design wants among some classes, by table and loss."""
    wanted: dict[tuple[str, str], int] = {}
    for pair in read_design():
        plan = pair.plan
        looked = places_in(plan.space, classes)
        last = min(
            plan.first_class + plan.noisy_classes,
            looked.stop,
            len(class_order(plan.space)),
        )
        n = len(range(max(plan.first_class, looked.start), last)) * plan.seeds
        key = pair.table, pair.loss
        wanted[key] = max(n, wanted.get(key, 0))
    return wanted
