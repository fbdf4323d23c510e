"""GraphGym: 96 designs of graph networks on 44 tasks, and a sample of 3,322 designs with training
settings on 32 tasks.

You, Ying & Leskovec, "Design Space for Graph Neural Networks", NeurIPS 2020. The data is the
authors' published aggregated results. The results after the last epoch are the training and
validation loss, accuracy and (for two classes) ROC-AUC, as means over seeds with their standard
deviation. The results also contain the number of parameters and the seconds per step. Only the OGB
task has a test split.

The benchmarks ``graphgym-TASK`` are node and graph tasks (round 2 of the paper's experiments),
``graphgym-link-TASK`` are link prediction tasks, and ``graphgym-ogbg`` is the OGB task. For link
prediction on Coauthor Physics, only 91 of the 96 designs have results. The benchmarks
``graphgym-wide-TASK`` (round 1) have about a hundred designs per task; the designs differ between
tasks. The authors report a loss of NaN as missing. In the table, a loss of NaN counts as the worst
loss of the task.
"""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from surrogate_nas.space import Cell, ChoiceSpace, Sampled, choices_of
from surrogate_nas.space.configurations import GraphGym, WideGraphGym
from surrogate_nas.tables import Table, Values
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import reading
from surrogate_nas.tables.sources.declaration import distinct, table_of

if TYPE_CHECKING:
    import pandas as pd

_SPLITS = {"train": "train", "val": "valid", "test": "test"}
_WORDS = {"node_clustering_coefficient": "clustering", "graph_path_len": "pathlen"}
_FEATURES = {
    "node_const": "a constant",
    "node_onehot": "a one-hot number",
    "node_pagerank": "the PageRank",
}
_AIMS = {
    "pathlen": "path length",
    "clustering": "clustering coefficient",
    "pagerank": "PageRank",
}


# Of each grid of the authors' the folder, the beginning of its tables' names, and the last epoch
# where all have one.
_ROUNDS = {
    "v1": ("design_v1_grid_round1", "graphgym-wide-", None),
    "v2": ("design_v2_grid_round2", "graphgym-", 400),
    "link": ("design_v2link_grid_round2link", "graphgym-link-", 100),
    "ogb": ("design_v2ogb_grid_round2ogb", "graphgym-", 100),
}
_NUMBERS = ("loss", "accuracy", "auc")
_FIELDS = (*_NUMBERS, *(f"{field}_std" for field in _NUMBERS), "time_iter", "params")


def read(name: str) -> Table:
    """Convert the rows of a task in the fetched files to a table."""
    grid = next(
        (grid for grid in ("v1", "link") if name.startswith(_ROUNDS[grid][1])), "v2"
    )
    grid = "ogb" if name == "graphgym-ogbg" else grid
    folder, _, epochs = _ROUNDS[grid]
    paths = fetching.fetched("graphgym", f"*/{folder}/*")
    space = WideGraphGym() if grid == "v1" else GraphGym()
    with reading(f"GraphGym's table of {name}", "table of results", "graphgym"):
        files = _read_grid(grid, *paths)
        rows = {split: frame[frame["table"] == name] for split, frame in files.items()}
        first = next(iter(rows.values()))
        cells, indices = distinct(_cell(space, row) for row in first.to_dict("records"))
        banner = (
            "Nothing was held out: what is searched on is all that can be reported."
        )
        is_whole = isinstance(space, GraphGym) and len(cells) == len(space)
        if is_whole:
            indices = np.array([space.cell(cell).index for cell in cells])[indices]
        else:
            banner = f"{Sampled(space, choices_of(cells)).notice} {banner}"
        return table_of(
            "graphgym",
            name,
            space,
            _columns(rows, indices),
            None if is_whole else cells,
            what=first["what"].iloc[0],
            settings=" with their training settings" if grid == "v1" else "",
            objective="valid_auc" if grid == "ogb" else "valid_error",
            folder=folder,
            epochs=epochs,
            banner="" if grid == "ogb" else banner,
        )


@lru_cache(maxsize=len(_ROUNDS))
def _read_grid(grid: str, *paths: Path) -> "dict[str, pd.DataFrame]":
    """Read the files of a grid by split, with the table and the task's description of each row."""
    import pandas as pd

    with reading(paths[0].parent, "folder of GraphGym's results", "graphgym"):
        files = {}
        for path in paths:
            frame = pd.read_csv(path, dtype=str, keep_default_na=False)
            named = [_named(grid, row) for row in frame.to_dict("records")]
            files[_SPLITS[path.stem]] = frame.assign(
                table=[name for name, _ in named], what=[what for _, what in named]
            )
        return files


def _named(grid: str, row: dict[str, str]) -> tuple[str, str]:
    """Return the table of a row, and its task in words."""
    data = row["dataset"].removeprefix("TU_")
    if row["format"] != "nx":
        is_link = row["task"] == "link_pred"
        kind = "link prediction" if is_link else f"{row['task']} classification"
        return f"{_ROUNDS[grid][1]}{data.lower()}", f"{kind} on {data}"
    feature, label = (
        _WORDS.get(row[key], row[key].removeprefix("node_"))
        for key in ("feature", "label")
    )
    inputs = _FEATURES.get(row["feature"], "the clustering coefficient")
    what = f"the {_AIMS[label]} of {data} graphs' {row['task']}s from {inputs}"
    return f"{_ROUNDS[grid][1]}{data}-{feature}-{label}", what


def _cell(space: ChoiceSpace, row: dict[str, str]) -> Cell:
    chosen = {key: row[key] for key in space.positions if key != "epoch"}
    if "epoch" in space.positions:
        chosen["epoch"] = str(int(row["epoch"]) + 1)
    return space.parse(
        f"{space.name}({', '.join(f'{k}={v}' for k, v in chosen.items())})"
    )


def _columns(rows: "dict[str, pd.DataFrame]", indices: np.ndarray) -> dict[str, Values]:
    """Return the means of every design by split and field. A loss of NaN becomes the worst one."""
    columns: dict[str, Values] = {}
    for split, of_split in rows.items():
        for field in _FIELDS:
            numbers = of_split[field].replace("", "nan").to_numpy(float)
            sums = np.bincount(indices, numbers)
            columns[f"{split} {field}"] = sums / np.bincount(indices)
    losses = [columns[f"{split} loss"] for split in rows]
    has_diverged = np.asarray(np.isnan(losses).any(axis=0))
    for loss in losses:
        loss[has_diverged] = loss[~has_diverged].max()
    for split in rows:
        for field in _NUMBERS:
            spread = columns[f"{split} {field}_std"]
            if not np.isfinite(columns[f"{split} {field}"]).all():
                del columns[f"{split} {field}"], columns[f"{split} {field}_std"]
            elif not (spread > 0).any():
                del columns[f"{split} {field}_std"]
    if has_diverged.any():
        columns["diverged"] = has_diverged.astype(np.float64)
    return columns
