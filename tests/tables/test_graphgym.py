"""GraphGym: every number as the files have it, the facts that are known of them, and altered files
refused.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau

from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import table_path
from surrogate_nas.objective import Objective
from surrogate_nas.space import Sampled, space_named
from surrogate_nas.space.graphgym import graphgym as designs
from surrogate_nas.space.graphgym import graphgym_wide
from surrogate_nas.tables import ColumnKey, Table, write_table
from surrogate_nas.tables.sources import fetching, graphgym

TASK = ("format", "dataset", "task", "trans", "feature", "label")
FOLDERS = {
    "v2": "design_v2_grid_round2",
    "link": "design_v2link_grid_round2link",
    "ogb": "design_v2ogb_grid_round2ogb",
    "v1": "design_v1_grid_round1",
}
Rows = dict[str, list[dict[str, str]]]


@pytest.fixture(scope="module")
def files(mirror: Path, own_home: Path) -> dict[str, Rows]:
    """The rows of the fetched files, by grid and split, read without the code under test."""
    assert mirror.is_dir() and own_home.is_dir()
    fetching.fetch("graphgym")
    found: dict[str, Rows] = {grid: {} for grid in FOLDERS}
    for path in fetching.files("graphgym"):
        grid = next(grid for grid, folder in FOLDERS.items() if folder == path.parent.parent.name)
        with path.open(newline="") as file:
            found[grid][path.stem] = list(csv.DictReader(file))
    return found


@pytest.fixture(scope="module")
def tables(files: dict[str, Rows]) -> dict[str, Table]:
    assert files
    return {name: graphgym.read(name) for name in graphgym.NAMES}


def column(table: Table, metric: str, epochs: int | None) -> np.ndarray:
    return table.columns[ColumnKey(metric, epochs, "mean")]


def tasks(rows: Rows) -> dict[tuple[str, ...], list[int]]:
    """The places of the rows of each task."""
    found: dict[tuple[str, ...], list[int]] = {}
    for place, row in enumerate(rows["val"]):
        found.setdefault(tuple(row[key] for key in TASK), []).append(place)
    return found


def numbers(rows: Rows, split: str, field: str, places: list[int]) -> np.ndarray:
    return np.array([float(rows[split][place][field] or "nan") for place in places])


def named(grid: str, key: tuple[str, ...]) -> str:
    """The benchmark of a task."""
    words = {"node_clustering_coefficient": "clustering", "graph_path_len": "pathlen"}
    prefix = {"link": "graphgym-link-", "v1": "graphgym-wide-"}.get(grid, "graphgym-")
    of = [words.get(part, part.removeprefix("node_")) for part in key[4:] if part]
    return prefix + "-".join([key[1].removeprefix("TU_").lower(), *of])


def medians(rows: Rows) -> tuple[float, float]:
    """Over tasks the median τ of training and of validation loss with the validation error; missing
    losses left out.
    """
    found = []
    for places in tasks(rows).values():
        error = -numbers(rows, "val", "accuracy", places)
        losses = [numbers(rows, split, "loss", places) for split in ("train", "val")]
        found.append([kendalltau(loss, error, nan_policy="omit").statistic for loss in losses])
    train, valid = np.median(found, axis=0)
    return float(train), float(valid)


def test_there_are_as_many_tasks_and_designs_as_published(
    files: dict[str, Rows], tables: dict[str, Table]
) -> None:
    sizes = {grid: sorted(map(len, tasks(rows).values())) for grid, rows in files.items()}
    assert sizes["v2"] == [96] * 32 and sizes["ogb"] == [96] and sizes["link"] == [91] + [96] * 10
    assert sum(sizes["v1"]) == 3323 and len(sizes["v1"]) == 32
    held = {name: len(space_named(table.space)) for name, table in tables.items()}  # type: ignore[arg-type]
    assert len(held) == 76 and held["graphgym-link-coauthorphysics"] == 91
    assert sum(n for name, n in held.items() if "-wide-" in name) == 3322, (
        "one design is there twice on its task"
    )
    assert [name for name, n in held.items() if "-wide-" not in name and n != 96] == [
        "graphgym-link-coauthorphysics"
    ]


def test_facts_of_the_published_results(files: dict[str, Rows]) -> None:
    assert medians(files["v2"]) == pytest.approx((-0.05, 0.53), abs=0.005)
    assert medians(files["link"]) == pytest.approx((0.34, 0.62), abs=0.005)
    assert medians(files["v1"]) == pytest.approx((0.57, 0.59), abs=0.005)


@pytest.mark.parametrize("grid", FOLDERS)
def test_every_number_is_there(
    files: dict[str, Rows],
    tables: dict[str, Table],
    grid: str,
) -> None:
    rows = files[grid]
    spaces = {"v1": graphgym_wide()}
    space = spaces.get(grid, designs())
    epochs = {"v2": 400, "v1": None}.get(grid, 100)
    seen = 0
    for key, places in tasks(rows).items():
        table = tables[named(grid, key)]
        held = space_named(table.space)
        for place in places[:: 7 if grid == "v1" else 1]:
            row = {"drop": "0.0"} | rows["val"][place]
            cell = held.cell(
                [
                    options.index(
                        str(int(row[position]) + 1) if position == "epoch" else row[position]
                    )
                    for position, options in zip(space.positions, space.options, strict=True)
                ]
            )
            for split, name in (("train", "train"), ("val", "valid")):
                of = rows[split][place]
                if of["loss"]:
                    assert column(table, f"{name}_loss", epochs)[cell.index] == float(of["loss"])
                    spread = table.columns.get(ColumnKey(f"{name}_loss_spread", epochs, "mean"))
                    assert (0.0 if spread is None else spread[cell.index]) == float(of["loss_std"])
                else:
                    worst = np.nanmax(numbers(rows, split, "loss", places))
                    assert column(table, f"{name}_loss", epochs)[cell.index] == worst
                    assert column(table, "diverged", None)[cell.index] == 1
                assert column(table, f"{name}_error", epochs)[cell.index] == 100 * (
                    1 - float(of["accuracy"])
                )
                if of["auc"]:
                    assert column(table, f"{name}_auc", epochs)[cell.index] == 100 * float(
                        of["auc"]
                    )
            assert column(table, "params", None)[cell.index] == pytest.approx(
                float(row["params"]) / 1e6, rel=1e-12
            )
            seen += 1
    assert seen > 90


def test_runs_that_diverged_are_the_worst_and_counted(
    files: dict[str, Rows], tables: dict[str, Table]
) -> None:
    missing = sum(not row["loss"] for row in files["v1"]["val"])
    marked = [table for table in tables.values() if "diverged" in table.metrics]
    assert missing == 63 == sum(column(table, "diverged", None).sum() for table in marked)
    for table in marked:
        lost = column(table, "diverged", None) == 1
        for split in ("train", "valid"):
            loss = column(table, f"{split}_loss", None)
            assert np.isfinite(loss).all() and (loss[lost] == loss.max()).all()


def test_each_has_an_objective_of_its_own_and_says_what_it_is(
    tables: dict[str, Table], own_home: Path
) -> None:
    assert own_home.is_dir()
    for name in (
        "graphgym-cora",
        "graphgym-link-coauthorphysics",
        "graphgym-wide-imdb",
        "graphgym-ogbg",
    ):
        write_table(tables[name], table_path(name))
        bench = TableBenchmark(table_path(name))
        assert Objective(bench.objective, bench).benchmark is bench
        assert bench.objective.endswith("+ 0.02*layers") and bench.cost == "queries"
        assert ("held out" in bench.banner) == (name != "graphgym-ogbg"), (
            "of OGB's task there is a test"
        )
        assert ("sampled space" in bench.banner) == isinstance(bench.space, Sampled)
    final = {
        metric.name for metric in tables["graphgym-ogbg"].metrics.values() if metric.kind == "final"
    }
    assert final == {"test_loss", "test_error", "test_auc", "test_step_seconds"}
    assert (
        "diverged" in tables["graphgym-wide-cora"].metrics
        or len(tables["graphgym-wide-cora"].metrics) > 8
    )


def test_tables_are_verified(tables: dict[str, Table]) -> None:
    for name, table in tables.items():
        write_table(table, table_path(name))
    checks = list(graphgym.verify())
    assert len(checks) >= 12 and not [check for check in checks if not check.passed]


def test_layers_are_counted() -> None:
    cell = designs().parse("graphgym(l_pre=2, l_mp=8, l_post=3, stage=skipsum, agg=mean)")
    metric = {
        name: float(function(np.array([cell.choices]), None)[0])
        for name, (_, function) in designs().analytic.items()
    }  # type: ignore[arg-type]
    assert metric == {"layers": 13, "message_layers": 8}
    assert graphgym_wide().size == 314_928


def _swap(lines: list[str]) -> None:
    lines[5], lines[6] = lines[6], lines[5]


def _shorten(lines: list[str]) -> None:
    del lines[-1]


def _other_option(lines: list[str]) -> None:
    lines[1] = lines[1].replace("skipconcat", "skipall")


def _no_epoch(lines: list[str]) -> None:
    lines[1] = lines[1].replace(",99,", ",98,")


@pytest.mark.parametrize(
    ("change", "splits", "message"),
    [
        (_swap, ("val",), "the files of its splits list other trainings"),
        (_shorten, ("val",), "argument"),
        (_other_option, ("val", "train", "test"), "stage of the space graphgym is .*not skipall"),
        (_no_epoch, ("val", "train", "test"), "a training has 99 epochs"),
    ],
)
def test_an_altered_file_is_refused(
    files: dict[str, Rows],
    tmp_path: Path,
    change: Callable[[list[str]], None],
    splits: tuple[str, ...],
    message: str,
) -> None:
    assert files
    paths = []
    for path in fetching.files("graphgym"):
        if FOLDERS["ogb"] in str(path):
            lines = path.read_text().splitlines()
            if path.stem in splits:
                change(lines)
            paths.append(tmp_path / path.name)
            paths[-1].write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match=message) as caught:
        graphgym.read_tasks("ogb", paths)
    assert "is damaged, or no folder of GraphGym's results" in str(
        caught.value
    ) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "written"), [("accuracy", "1.5"), ("loss", "x"), ("params", "inf"), ("auc", "-1")]
)
def test_a_number_that_cannot_be_is_refused(
    tables: dict[str, Table],
    field: str,
    written: str,
) -> None:
    assert tables
    task = graphgym.tasks("ogb")["graphgym-ogbg"]
    cell, (run,) = next(iter(task.runs.items()))
    spoilt = task._replace(
        runs=task.runs
        | {cell: [run | {split: row | {field: written} for split, row in run.items()}]}
    )
    with pytest.raises(UserError, match=f"{field} is '{written}'"):
        graphgym._table("graphgym-ogbg", spoilt)
