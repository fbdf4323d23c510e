"""GraphGym: 96 designs of graph networks on 44 tasks, and a sample of 3,322 designs with training
settings on 32.

You, Ying & Leskovec, "Design Space for Graph Neural Networks", NeurIPS 2020, from the aggregated
results that the authors publish: training and validation loss, accuracy and, where classes are two,
ROC-AUC after the last epoch, means over seeds with their standard deviation; parameters, and
seconds a step. Nothing was held out but on the OGB task.

``graphgym-TASK`` are node and graph tasks (round 2), ``graphgym-link-TASK`` link prediction,
``graphgym-ogbg`` the OGB task. On link prediction of Coauthor Physics 91 of the 96 designs are
held. ``graphgym-wide-TASK`` (round 1) has about a hundred designs each, different ones on every
task. The authors report a loss that is no number as a missing one: such a run counts as the worst
of its task.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from surrogate_nas.core.metrics import (
    Kind,
    Metric,
    Quantity,
    cost_metric,
    record_metric,
    score_metric,
)
from surrogate_nas.files import table_path
from surrogate_nas.space import Cell, ChoiceSpace, Sampled, choices_of
from surrogate_nas.space.graphgym import graphgym, graphgym_wide
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table, TableFile, Values
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import Verified, declared, reading
from surrogate_nas.tables.sources.frame import (
    close,
    column,
    equal,
    error_of_share,
    kendall,
    percent,
    text_number,
)
from surrogate_nas.tables.sources.spreadsheet import read_rows

NAMES = declared("graphgym").names
_SOURCE = "graphgym"
_REPOSITORY = "snap-stanford/GraphGym"
_SPLITS = {"train": "train", "val": "valid", "test": "test"}
"""By the name of its file."""
_WORDS = {"node_clustering_coefficient": "clustering", "graph_path_len": "pathlen"}
_FEATURES = {
    "node_const": "a constant",
    "node_onehot": "a one-hot number",
    "node_pagerank": "the PageRank",
}
_DIGITS = 1e-4
"""To which the authors round."""


class _Round(NamedTuple):
    """A grid of the authors': its folder, what its tasks are called, and the last epoch where all
    have one.
    """

    folder: str
    prefix: str
    epochs: int | None


_ROUNDS = {
    "v1": _Round("design_v1_grid_round1", "graphgym-wide-", None),
    "v2": _Round("design_v2_grid_round2", "graphgym-", 400),
    "link": _Round("design_v2link_grid_round2link", "graphgym-link-", 100),
    "ogb": _Round("design_v2ogb_grid_round2ogb", "graphgym-", 100),
}
Row = dict[str, str]
Run = dict[str, Row]
"""What a design's training gave, by split."""


class _Task(NamedTuple):
    """A task: its grid, what it is, and its trainings by design."""

    round: str
    title: str
    runs: dict[Cell, list[Run]]


def _space(grid: str) -> ChoiceSpace:
    return graphgym_wide() if grid == "v1" else graphgym()


def read(name: str) -> Table:
    """Read a task's rows of the fetched files into a table."""
    grid = _round_of(name)
    return _table(name, tasks(grid)[name])


def _round_of(name: str) -> str:
    if name == "graphgym-ogbg":
        return "ogb"
    return next((grid for grid in ("v1", "link") if name.startswith(_ROUNDS[grid].prefix)), "v2")


def tasks(grid: str) -> dict[str, _Task]:
    """All tasks of a grid by their benchmarks' names."""
    paths = [
        fetching.fetched(path, _SOURCE)
        for path in fetching.files(_SOURCE)
        if path.parent.parent.name == _ROUNDS[grid].folder
    ]
    return _read_tasks(grid, *((path, path.stat().st_mtime_ns) for path in paths))


@lru_cache(maxsize=len(_ROUNDS))
def _read_tasks(grid: str, *paths: tuple[Path, int]) -> dict[str, _Task]:
    return read_tasks(grid, [path for path, _ in paths])


def read_tasks(grid: str, paths: list[Path]) -> dict[str, _Task]:
    """Read the files of a grid, one a split, which list the same trainings in the same order."""
    files = {_SPLITS[path.stem]: _rows(path) for path in paths}
    space = _space(grid)
    tasks = dict[str, _Task]()
    with reading(paths[0].parent, "folder of GraphGym's results", _SOURCE):
        for rows in zip(*files.values(), strict=True):
            run = dict(zip(files, rows, strict=True))
            keys = [
                {key: row[key] for key in (*_TASK_KEYS, *space.positions, "epoch")} for row in rows
            ]
            if any(key != keys[0] for key in keys):
                raise ValueError("the files of its splits list other trainings")
            name, title = _named(grid, rows[0])
            task = tasks.setdefault(name, _Task(grid, title, {}))
            task.runs.setdefault(_cell(grid, rows[0]), []).append(run)
    return tasks


_TASK_KEYS = ("format", "dataset", "task", "trans", "feature", "label")


def _rows(path: Path) -> list[Row]:
    header, *rows = read_rows(path)
    return [dict(zip(header, row, strict=True)) for row in rows]


def _named(grid: str, row: Row) -> tuple[str, str]:
    """The name of a row's task, and what it is in words."""
    data = row["dataset"].removeprefix("TU_")
    if row["format"] != "nx":
        kind = "link prediction" if row["task"] == "link_pred" else f"{row['task']} classification"
        return f"{_ROUNDS[grid].prefix}{data.lower()}", f"{kind} on {data}"
    feature, label = (
        _WORDS.get(row[key], row[key].removeprefix("node_")) for key in ("feature", "label")
    )
    of = _FEATURES.get(row["feature"], "the clustering coefficient")
    aim = {
        "pathlen": "path length",
        "clustering": "clustering coefficient",
        "pagerank": "PageRank",
    }[label]
    return (
        f"{_ROUNDS[grid].prefix}{data}-{feature}-{label}",
        f"the {aim} of {data} graphs' {row['task']}s from {of}",
    )


def _cell(grid: str, row: Row) -> Cell:
    epochs = str(int(row["epoch"]) + 1)
    if _ROUNDS[grid].epochs is not None and epochs != str(_ROUNDS[grid].epochs):
        raise ValueError(f"a training has {epochs} epochs")
    space = _space(grid)
    chosen = {
        position: epochs if position == "epoch" else row[position] for position in space.positions
    }
    return space.parse(
        f"{space.name}({', '.join(f'{position}={option}' for position, option in chosen.items())})"
    )


def _table(name: str, task: _Task) -> Table:
    grid = _ROUNDS[task.round]
    space = _space(task.round)
    cells = list(task.runs)
    choices = choices_of(cells)
    designs = graphgym()
    banner = "Nothing was held out: what is searched on is all that can be reported."
    definition = space.definition
    runs = list(task.runs.values())
    if task.round != "v1" and len(cells) == len(designs):
        order = np.argsort([designs.index(cell) for cell in cells])
        runs = [runs[place] for place in order]
    else:
        part = Sampled(space, choices)
        definition = part.definition
        banner = f"{part.notice} {banner}"
    if task.round == "ogb":
        banner = ""
    table = Table(
        name=name,
        space=definition,
        title=f"GraphGym, {task.title}: {len(cells)} designs of graph networks"
        + (" with their training settings" if task.round == "v1" else ""),
        source=f"{fetching.origin(_SOURCE, _REPOSITORY)} {grid.folder}",
        objective=f"{'valid_auc' if task.round == 'ogb' else 'valid_error'} + 0.02*layers",
        network=Network(),
        cost="queries",
        banner=banner,
    )
    with reading(f"GraphGym's table of {name}", "table of results", _SOURCE):
        _add_results(table, grid.epochs, runs)
    return table


def _add_results(table: Table, epochs: int | None, runs: list[list[Run]]) -> None:
    losses = {split: _column(runs, split, "loss") for split in runs[0][0]}
    has_diverged = np.any([np.isnan(values) for values in losses.values()], axis=0)
    for split, loss in losses.items():
        kind: Kind = "final" if split == "test" else "search"
        loss[has_diverged] = loss[~has_diverged].max()
        columns: list[tuple[Quantity, str, Values]] = [
            ("loss", "loss", loss),
            ("error", "accuracy", error_of_share(_column(runs, split, "accuracy"))),
            ("quality", "auc", percent(_column(runs, split, "auc"))),
        ]
        for quantity, field, values in columns:
            if np.isfinite(values).all():
                name, unit, meaning = _MEANINGS[quantity]
                description = f"{meaning}, after the last epoch; mean over seeds"
                metric = score_metric(f"{split}_{name}", unit, quantity, description, table.source)
                table.add(metric, epochs, values)
                _add_spread(table, metric, epochs, _column(runs, split, f"{field}_std"))
        seconds = Metric(
            f"{split}_step_seconds",
            "s",
            kind,
            "cost",
            description="of a step of one batch, on machines that are not stated",
            source=table.source,
        )
        table.add(seconds, None, _column(runs, split, "time_iter"))
    if has_diverged.any():
        description = "1 where the loss was no number; it then counts as the largest of the task"
        diverged = record_metric("diverged", "", description, quantity="structure")
        table.add(replace(diverged, source=table.source), None, has_diverged.astype(np.float64))
    description = "as recorded; the width is set so that all networks on a task have about as many"
    params = cost_metric("params", "M", description, table.source)
    table.add(params, None, _column(runs, "train", "params") / 1e6)


_MEANINGS: dict[Quantity, tuple[str, str, str]] = {
    "loss": ("loss", "nats", "cross-entropy"),
    "error": ("error", "%", "wrong"),
    "quality": ("auc", "%", "area under the ROC curve"),
}
"""By quantity the name, unit and meaning of what is measured."""


def _add_spread(
    table: Table,
    metric: Metric,
    epochs: int | None,
    spread: Values,
) -> None:
    """Add a metric's standard deviation over seeds: 0 of a single seed, unknown where diverged."""
    if (spread > 0).any():
        record = replace(
            metric,
            name=f"{metric.name}_spread",
            kind="record",
            quantity="structure",
            description="standard deviation over seeds",
        )
        table.add(record, epochs, percent(spread) if metric.unit == "%" else spread)


def _column(runs: list[list[Run]], split: str, field: str) -> Values:
    """A number of every design, the mean where the file has it twice; NaN where it is missing."""
    most = 1.0 if field in ("accuracy", "auc") else sys.float_info.max
    means = []
    for trainings in runs:
        rows = [run[split] for run in trainings]
        numbers = [text_number(row[field], f"{split} {field}", most=most) for row in rows]
        means.append(sum(numbers) / len(numbers))
    return np.array(means)


_BEST = {
    "graphgym-cora": 11.54,
    "graphgym-enzymes": 39.17,
    "graphgym-link-cora": 26.95,
    "graphgym-wide-cora": 11.42,
}
_TAUS = {
    "graphgym-": (-0.046, 0.531),
    "graphgym-link-": (0.336, 0.622),
    "graphgym-wide-": (0.567, 0.588),
}
"""By the beginning of their names: the median over tasks of Kendall's τ of the validation error
with the training loss, and with the validation loss, without trainings that diverged.
"""
_BEST_AUC = 80.85
_WIDE = 3322
_DIVERGED = 63


def verify() -> Iterator[Verified]:
    """Check the tables against numbers computed from the authors' files independently."""
    tables = {name: TableFile(table_path(name)) for name in NAMES}
    for name, best in _BEST.items():
        value = float(column(tables[name], "valid_error").min())
        yield close(f"best valid_error of {name}", value, best, _DIGITS)
    value = float(column(tables["graphgym-ogbg"], "valid_auc").max())
    yield close("best valid_auc of graphgym-ogbg", value, _BEST_AUC, _DIGITS)
    wide = [name for name in NAMES if "-wide-" in name]
    whole = [
        name for name in NAMES if name not in wide and len(tables[name].cells) == len(graphgym())
    ]
    detail = f"{len(whole)}; one link task has 91"
    yield Verified("tasks with all 96 designs", len(whole) == 43, detail)
    n_designs = sum(len(tables[name].cells) for name in wide)
    yield equal("designs with training settings", n_designs, _WIDE)
    n_diverged = sum(int(_diverged(tables[name]).sum()) for name in wide)
    yield equal("diverged trainings among them", n_diverged, _DIVERGED)
    for prefix, published in _TAUS.items():
        names = []
        for name in NAMES:
            if _ROUNDS[_round_of(name)].prefix == prefix and name != "graphgym-ogbg":
                names.append(name)
        for loss, tau in zip(("train_loss", "valid_loss"), published, strict=True):
            median = float(np.median([_tau(tables[name], loss) for name in names]))
            yield close(f"τ({loss}, valid_error), {len(names)} {prefix}…", median, tau, 0.001)


def _diverged(table: TableFile) -> Values:
    if "diverged" in table.metrics:
        return column(table, "diverged")
    return np.zeros(len(table.cells))


def _tau(table: TableFile, loss: str) -> float:
    is_sound = _diverged(table) == 0
    return kendall(column(table, loss)[is_sound], column(table, "valid_error")[is_sound])
