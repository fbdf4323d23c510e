"""All tables of a folder as one frame: a row a column of a table, a column a class of cells.

A row is named by table, loss that trained, split, quantity, time and seed. Values are such that
smaller is better; NaN where there was no training. A training that diverged has the worst value of
its column (protocol, "The order of work").
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from surrogate_nas.benchmarks.building.plan import Plan
from surrogate_nas.benchmarks.losses import LossesBenchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import DEFAULT_SPACE
from surrogate_nas.study.orders import filled
from surrogate_nas.tables.croissant import data_sources
from surrogate_nas.training import task_named
from surrogate_nas.training.losses import fitting

Values = NDArray[np.float64]

TESTED = range(50, 150)
PILOT = range(50)
"""Places in the random order of classes: of the tests, and of those that had been looked at."""
TIMES = (10, 20, 50, 100)
LATE, MEAN = "late", "mean"
"""Shares of a run in per cent; the mean over its last fifth, and over the whole run."""
DIGITS = "scikit-learn's digits"
SOURCES = {task: row["source"] for task, row in data_sources().items()}
"""The source of every task's data, which is the unit of inference (additions of 28 November)."""
WEAK = ("languages", "cartpole")
"""Tasks whose two seeds agreed with less than .5: every mean is told without them too."""
LEVELS = ["table", "loss", "split", "quantity", "time", "seed"]
DIVERGED = "diverged"
_SPLITS = ("train", "valid", "test")
_FEWEST = 10


@dataclass(frozen=True)
class Table:
    """One table: a task with its usual loss and others, in runs of some length.

    Attributes:
        name: Of its file.
        task: The task.
        source: Of its data.
        length: Of the runs, in usual runs.
        space: Whose cells.
        usual: The task's own loss.
        measure: What judges the task, without a split.
        unit: Of the measure.
        columns: By (loss, split, quantity, time), shape ``(seeds, classes)``, smaller is better.
        params: The number of parameters by class.
        cells: The options of the cell that stands for each class, a digit a position.
        classes: The places of the classes that every seed trained by the usual loss.
        trained: How many trainings there are by loss, among the classes that are looked at.
    """

    name: str
    task: str
    source: str
    length: float
    space: str
    usual: str
    measure: str
    unit: str
    columns: dict[tuple[str, str, str, int | str], Values]
    params: Values
    cells: list[str]
    classes: NDArray[np.intp]
    trained: dict[str, int]

    def __call__(self, split: str, quantity: str, time: int | str = 100, loss: str = "") -> Values:
        """A column of every seed, shape ``(seeds, classes)``."""
        return self.columns[loss or self.usual, split, quantity, time]

    @property
    def losses(self) -> list[str]:
        """Those that trained, the usual one first."""
        rest = {key[0] for key in self.columns} - {self.usual}
        return [self.usual, *sorted(rest)]

    @property
    def quantities(self) -> list[str]:
        """What is known of validation data at the end, the loss and the measure first."""
        known = {
            key[2] for key in self.columns if key[:2] == (self.usual, "valid") and key[3] == 100
        }
        return sorted(known, key=lambda name: (name != "loss", name != self.measure, name))

    def signals(self) -> list[tuple[str, str, int | str]]:
        """Split, quantity and time of all that a search may see of the usual loss's runs."""
        found = [key[1:] for key in self.columns if key[0] == self.usual and key[1] != "test"]
        measures = {"loss", *self.quantities}
        kept = [
            key for key in found if key[1] in measures and (key[0] == "valid" or key[1] == "loss")
        ]
        place = {time: i for i, time in enumerate((*TIMES, LATE, MEAN))}
        return sorted(kept, key=lambda key: (key[0], self.quantities.index(key[1]), place[key[2]]))


class Folder(NamedTuple):
    """All tables of a folder.

    Attributes:
        frame: A row a column of a table (`LEVELS`), a column a class that is looked at.
        about: What is known of every table besides.
    """

    frame: pd.DataFrame
    about: dict[str, dict[str, Any]]


def read_folder(folder: Path, classes: range = TESTED, name: str = "*") -> Folder:
    """Read every table of a folder.

    Args:
        folder: Where ``TASK.h5``, ``TASK-x4.h5`` and so on lie.
        classes: The places of the classes to read.
        name: Of one table, or a pattern of several.

    Raises:
        UserError: There is no table, one is damaged, or a task's source is not known.
    """
    paths = sorted(folder.glob(f"{name}.h5"))
    if not paths:
        raise UserError(f"There is no table in {folder}; give a folder with TASK.h5 files.")
    parts: list[pd.DataFrame] = []
    about: dict[str, dict[str, Any]] = {}
    for path in paths:
        part, about[path.stem] = _read(path, classes)
        parts.append(part)
    return Folder(pd.concat(parts), about)


def _read(path: Path, classes: range) -> tuple[pd.DataFrame, dict[str, Any]]:
    """One table's rows, and what is known of it."""
    bench = LossesBenchmark(path)
    held = bench._table
    card = json.loads(held.card)
    task = card["task"]
    if task not in SOURCES:
        raise UserError(f"{path}: the task {task} has no source; add it to data/sources.csv.")
    base = getattr(bench.space, "base", bench.space)
    place = _places(base.name)
    rows = [place[base.cell(cell).index] for cell in bench.space]
    classes = places_in(base.name, classes)
    here = [row for row, at in enumerate(rows) if at in classes]
    there = [rows[row] - classes.start for row in here]

    def spread(values: Values) -> Values:
        wide = np.full(len(classes), math.nan)
        wide[there] = values[here]
        return wide

    names: list[tuple[Any, ...]] = []
    values: list[Values] = []
    for key in held.table.columns:
        if key.seed == "mean":
            continue
        metric = held.metrics[key.metric]
        for named in _named(key.metric, key.epochs, metric.epochs[-1]):
            names.append((path.stem, *named, key.seed))
            values.append(spread(metric.minimised(held.table.columns[key])))
    frame = pd.DataFrame(
        np.array(values),
        index=pd.MultiIndex.from_tuples(names, names=LEVELS),
        columns=range(len(classes)),
    )
    usual = bench.objective.partition("@")[2].partition(" ")[0]
    measure = card["judged_by"].removeprefix("valid_")
    about = {
        "task": task,
        "source": SOURCES[task],
        "length": card.get("length", 1),
        "space": base.name,
        "usual": usual,
        "measure": measure,
        "unit": held.metrics[f"test_{measure}@{usual}"].unit,
        "params": spread(bench.column("params")),
        "cells": {at: bench.space[row].choices for row, at in zip(here, there, strict=True)},
    }
    return frame, about


def places_in(space: str, classes: range) -> range:
    """The places that are looked at: of another space than the design's first, as many from 0."""
    return classes if space == DEFAULT_SPACE else range(len(classes))


@lru_cache(maxsize=4)
def _places(space: str) -> dict[int, int]:
    """The place in the random order of classes, by the index of the cell that stands for it."""
    jobs = Plan("", 1, 1, 0, None, space).jobs()
    return {job.cell: place for place, job in enumerate(jobs)}


def _named(metric: str, epochs: int, last: int) -> Iterator[tuple[str, str, str, int | str]]:
    """Loss, split, quantity and times of a column; several times where a run is short."""
    name, _, loss = metric.partition("@")
    split, _, quantity = name.partition("_")
    if name == DIVERGED:
        yield loss, "", name, 100
    elif split in _SPLITS and quantity != "seconds":
        for ending in (LATE, MEAN):
            if quantity.endswith(f"_{ending}"):
                yield loss, split, quantity.removesuffix(f"_{ending}"), ending
                return
        for time in TIMES:
            if epochs == -(-time * last // 100):
                yield loss, split, quantity, time


def tables_of(folder: Folder) -> list[Table]:
    """The tables of a folder; of fewer than ten classes that all seeds trained there is none."""
    values = folder.frame.to_numpy()
    rows: dict[str, dict[tuple[Any, ...], dict[int, Values]]] = {}
    for (name, *key, seed), row in zip(folder.frame.index, values, strict=True):
        rows.setdefault(name, {}).setdefault(tuple(key), {})[seed] = row
    tables = (_table(name, rows[name], dict(folder.about[name])) for name in rows)
    return [table for table in tables if table is not None]


def _table(
    name: str, rows: dict[tuple[Any, ...], dict[int, Values]], about: dict[str, Any]
) -> Table | None:
    made = {
        key[0]: {seed: np.isfinite(row) for seed, row in own.items()}
        for key, own in rows.items()
        if key[2] == DIVERGED
    }
    usual = made[about["usual"]]
    some = np.any(list(usual.values()), axis=0).sum()
    seeds = sorted(seed for seed, known in usual.items() if 2 * known.sum() >= some > 0)
    if len(seeds) < 2:
        return None
    classes = np.flatnonzero(np.all([usual[seed] for seed in seeds], axis=0))
    if len(classes) < _FEWEST:
        return None
    lacking = np.full(len(about["params"]), math.nan)
    columns = {}
    for key, own in rows.items():
        if key[2] != DIVERGED:
            of_seeds = [
                filled(own[seed], made[key[0]][seed]) if seed in own else lacking for seed in seeds
            ]
            columns[key] = np.array(of_seeds)[:, classes]
    params, cells = about.pop("params")[classes], about.pop("cells")
    texts = ["".join(map(str, cells[place])) for place in classes]
    trained = {loss: int(sum(map(np.sum, own.values()))) for loss, own in made.items()}
    return Table(
        name, **about, columns=columns, params=params, cells=texts, classes=classes, trained=trained
    )


def designed(classes: range = TESTED) -> dict[tuple[str, str], int]:
    """How many trainings the design wants among some classes, by table and loss."""
    from importlib.resources import files

    text = files("surrogate_nas.benchmarks.building.losses").joinpath("protocol.toml").read_text()
    wanted: dict[tuple[str, str], int] = {}
    for step in tomllib.loads(text)["steps"]:
        first, number = step.get("first", 0), step.get("classes", 300)
        looked = places_in(step.get("space", DEFAULT_SPACE), classes)
        last = looked.stop if number == "all" else first + number
        last = min(last, looked.stop, len(_places(step.get("space", DEFAULT_SPACE))))
        inside = len(range(max(first, looked.start), last))
        for name in step["tasks"]:
            task = task_named(name)
            losses = fitting(task.kind) if step["losses"] == "all" else [task.trained.name]
            length = step.get("length", 1)
            space = step.get("space", DEFAULT_SPACE)
            table = (
                name
                + (f"-{space}" if space != DEFAULT_SPACE else "")
                + (f"-x{length:g}" if length != 1 else "")
            )
            for loss in losses:
                least = wanted.get((table, loss), 0)
                wanted[table, loss] = max(least, inside * step.get("seeds", 4))
    return wanted
