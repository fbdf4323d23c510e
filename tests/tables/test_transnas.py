"""TransNAS-Bench-101: its spaces, its tables against the public files, and every way that these can
be spoilt.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from matplotlib.figure import Figure

from surrogate_nas.benchmarks.table import TableBenchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import HOME_VARIABLE, table_path
from surrogate_nas.objective import Objective
from surrogate_nas.space.transnas import TransNASMicro, transnas_macro, transnas_micro
from surrogate_nas.strategies import resolve
from surrogate_nas.tables import Table, write_table
from surrogate_nas.tables.sources import fetching, transnas
from tests.conftest import Snas

ARCHIVE = "all_benchmarks_zen.zip"
TASKS = (
    "class_object",
    "class_scene",
    "jigsaw",
    "room_layout",
    "segmentsemantic",
    "normal",
    "autoencoder",
)
BEST_COLUMN = {
    "valid_error@best": ("valid_top1", lambda x: 100 - x),
    "test_top5_error@best": ("test_top5", lambda x: 100 - x),
    "train_loss@best": ("train_neg_loss", lambda x: -x),
    "test_loss@best": ("test_neg_loss", lambda x: -x),
    "valid_miou@best": ("valid_mIoU", lambda x: x),
    "test_pixel_accuracy@best": ("test_acc", lambda x: x),
    "valid_ssim@best": ("valid_ssim", lambda x: x),
}
LAST = {"room_layout": ("loss", lambda x: -x), "segmentsemantic": ("pixel_accuracy", lambda x: x)}
LAST |= dict.fromkeys(("normal", "autoencoder"), ("ssim", lambda x: x))


def test_cells_are_listed_in_the_order_of_the_published_results() -> None:
    micro = transnas_micro()
    macro = transnas_macro()
    assert (len(micro), len(macro)) == (4096, 3256)
    assert str(micro[0b011011]) == "64-41414-0_00_123" and str(micro[4095]) == "64-41414-3_33_333"
    assert [str(macro[i]) for i in (0, 1, 3255)] == [
        "64-4111-basic",
        "64-2311-basic",
        "64-113444-basic",
    ]
    lengths = [len(str(cell)) for cell in macro]
    assert lengths == sorted(lengths)


@pytest.mark.parametrize(
    ("space", "text", "told"),
    [
        (transnas_micro(), "64-41414-1_02_334", "reads 64-41414-a_bc_def"),
        (transnas_micro(), "64-1234-basic", "reads 64-41414-a_bc_def"),
        (transnas_macro(), "64-41414-1_02_333", "reads 64-1234-basic"),
        (transnas_macro(), "64-1111-basic", "one to three modules double"),
        (transnas_macro(), "64-33333-basic", "one to three modules double"),
        (transnas_macro(), "64-443-basic", "four to six digits"),
    ],
)
def test_a_cell_of_another_space_is_refused(
    space: TransNASMicro,
    text: str,
    told: str,
) -> None:
    with pytest.raises(UserError, match=told):
        space.parse(text)


def test_all_macro_cells_are_within_reach_of_one_another() -> None:
    space = transnas_macro()
    seen = {0}
    waiting = [0]
    while waiting:
        around = {cell.index for cell in space.neighbours(space[waiting.pop()])} - seen
        seen |= around
        waiting += around
    assert len(seen) == len(space)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("3_01_001", "3_00_010", True),  # a skip between inner nodes is nothing
        ("0_10_003", "0_00_300", False),  # one from the input has weights where the width changes
        ("3_33_000", "0_00_000", True),  # nothing arrives
        ("3_00_033", "3_00_030", True),  # node 2 is empty
        ("2_30_022", "3_20_022", True),  # nodes change places
        ("2_30_023", "3_20_023", False),
        ("3_03_033", "3_03_003", False),
    ],
)
def test_cells_that_compute_the_same_have_one_identity(
    one: str,
    other: str,
    same: bool,
) -> None:
    space = transnas_micro()
    cells = [space.parse(f"64-41414-{text}") for text in (one, other)]
    assert (space.identity(cells[0]) == space.identity(cells[1])) == same
    assert (space.classes[cells[0].index] == space.classes[cells[1].index]) == same
    assert (space.similarity(*cells) == 1) == same


def test_a_policy_gives_macro_cells_only() -> None:
    space = transnas_macro()
    assert all(cell in space for cell in resolve("reinforce")(space, seed=0).ask(50))


def test_every_cell_can_be_drawn() -> None:
    for space, text, shown in (
        (
            transnas_micro(),
            "64-41414-3_21_103",
            {"conv 3×3", "conv 1×1", "skip", "in", "out", "1", "2"},
        ),
        (transnas_macro(), "64-1234-basic", {"1", "2", "3", "4", "64", "128", "256"}),
    ):
        figure = Figure(figsize=space.drawing_size)
        space.draw(figure, space.parse(text))
        assert {drawn.get_text() for drawn in figure.axes[0].texts} == shown


@pytest.fixture(scope="module")
def tables(mirror: Path, own_home: Path) -> Iterator[dict[str, Table]]:
    """All tables of the source, and their files in the session's home."""
    assert mirror.is_dir() and own_home.is_dir()
    fetching.fetch("transnas")
    made = {name: transnas.read(name) for name in transnas.NAMES}
    for name, table in made.items():
        write_table(table, table_path(name))
    yield made
    for name in made:
        table_path(name).unlink()


@lru_cache(maxsize=7)
def maxima(mirror: Path, task: str) -> list[dict[str, str]]:
    """The rows of a task's file, as they are."""
    (path,) = mirror.glob(f"Zhenhan-Huang/NASGraph-Public/*/data/transbench101_{task}.csv")
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@lru_cache(maxsize=14)
def finals(mirror: Path, kind: str, task: str) -> dict[str, float]:
    """What a final epoch gave, by the cell's string."""
    name = "tnb101_macro_zen" if kind == "macro" else "all_benchmarks_zen"
    (path,) = mirror.glob(f"automl/NASLib/*/**/{name}.zip")
    found = {}
    with ZipFile(path) as archive:
        for member in archive.namelist():
            if f"{kind}--{task}--" in member:
                for record in json.loads(archive.read(member)):
                    a = record["arch"].strip("()").split(", ")
                    micro = f"64-41414-{a[0]}_{''.join(a[1:3])}_{''.join(a[3:])}"
                    found[micro if kind == "micro" else f"64-{''.join(a)}-basic"] = record[
                        "val_accuracy"
                    ]
    return found


def test_two_hundred_values_of_each_source_are_those_of_the_files(
    mirror: Path, tables: dict[str, Table]
) -> None:
    rng = np.random.default_rng(11)
    for _ in range(200):
        kind = ("micro", "macro")[rng.integers(2)]
        task = TASKS[rng.integers(7)]
        table = tables[f"transnas-{kind}-{task}"]
        space = {"micro": transnas_micro, "macro": transnas_macro}[kind]()
        cell = space.sample(rng)
        held = {key.metric: values[cell.index] for key, values in table.columns.items()}
        row = maxima(mirror, task)[cell.index + (3256 if kind == "micro" else 0)]
        wanted = {
            m: ours(float(row[theirs])) for m, (theirs, ours) in BEST_COLUMN.items() if m in held
        }
        assert len(wanted) > 0 and wanted.items() <= held.items()
        assert (held["train_seconds"], held["valid_seconds"]) == (float(row["time_elapsed"]), 0)
        measure, ours = LAST.get(task, ("error", lambda x: 100 - x))
        assert held[f"valid_{measure}@last"] == ours(finals(mirror, kind, task)[str(cell)])


def test_what_is_offered_says_its_convention_and_its_direction(tables: dict[str, Table]) -> None:
    for name, table in tables.items():
        for metric in table.metrics.values():
            if metric.quantity in ("error", "loss", "quality"):
                assert metric.name.endswith(("@best", "@last")) and metric.n_cells == len(
                    table.columns[next(iter(table.columns))]
                )
                assert (
                    (metric.kind == "final")
                    == metric.name.startswith("test_")
                    == ("peeked" in metric.description)
                )
                assert metric.quantity != "loss" or "room_layout" in name, (
                    "a maximum of a loss is its worst epoch"
                )
        assert "peeked" in table.banner
    qualities = {
        m.name
        for m in tables["transnas-micro-segmentsemantic"].metrics.values()
        if m.larger_is_better
    }
    assert {"valid_miou@best", "valid_pixel_accuracy@last"} <= qualities


def test_the_source_verifies_itself_and_sees_a_wrong_table(tables: dict[str, Table]) -> None:
    checks = list(transnas.verify())
    assert len(checks) == 37 and all(check.passed for check in checks), [
        c for c in checks if not c.passed
    ]
    spoilt = transnas.read("transnas-micro-class_scene")
    for values in spoilt.columns.values():
        values[:] = values[::-1].copy()
    write_table(spoilt, table_path(spoilt.name))
    wrong = [check.name for check in transnas.verify() if not check.passed]
    write_table(tables[spoilt.name], table_path(spoilt.name))
    assert wrong == [
        "disconnected cells of the micro space",
        "distinct results of micro cells on six tasks",
        "parameters of transnas-micro-class_scene, 64-41414-3_33_333",
    ]


def test_cells_of_equal_results_are_of_one_functional_class(tables: dict[str, Table]) -> None:
    classes = transnas_micro().classes
    columns = [
        values
        for name, table in tables.items()
        for key, values in table.columns.items()
        if name.startswith("transnas-micro") and "segment" not in name and "@" in key.metric
    ]
    _, results = np.unique(np.column_stack(columns), axis=0, return_inverse=True)
    assert results.max() + 1 == 2994
    assert len(set(zip(results.tolist(), classes.tolist(), strict=True))) == 2994
    assert classes.max() + 1 == 1376


def test_a_quality_and_a_size_make_an_objective(tables: dict[str, Table], snas: Snas) -> None:
    assert tables
    bench = TableBenchmark(table_path("transnas-micro-segmentsemantic"))
    objective = Objective("valid_miou@best + 0.1*model_params", bench)
    quality = bench.column("valid_miou@best")
    size = bench.column("model_params")
    expected = 1 - quality / 100 + 0.1 * size / np.median(size)
    scores = objective.over_space()
    assert scores is not None and scores.score == pytest.approx(expected)
    out = snas(
        "search",
        bench.name,
        "--strategy",
        "random",
        "--budget",
        5,
        "--objective",
        "valid_miou@best",
        "--json",
    )
    best = out.json["best"]
    assert best["score"] == pytest.approx(1 - bench.query(best["cell"], "valid_miou@best") / 100)
    assert out.json["simulated_seconds"] == pytest.approx(
        sum(bench.query(trial["cell"], "train_seconds") for trial in out.json["trials"])
    )
    refused = snas(
        "search", bench.name, "--strategy", "random", "--budget", 5, "--objective", "test_miou@best"
    )
    assert refused.code == 2 and "final metric" in refused.err
    refused = snas("query", bench.name, "64-1234-basic", "--metric", "valid_miou@best")
    assert (
        refused.code == 2 and "64-41414-a_bc_def" in refused.err and "Traceback" not in refused.err
    )


Spoil = Callable[[Path, Path], None]
"""What changes the file of maxima and the archive of final epochs."""


def lines(change: Callable[[list[str]], list[str]]) -> Spoil:
    """A spoiler of the file of maxima: header first, then 7,352 rows."""

    def spoil(table: Path, archive: Path) -> None:  # noqa: ARG001
        table.write_text("\n".join(change(table.read_text().splitlines())) + "\n")

    return spoil


def records(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Spoil:
    """A spoiler of the archive: the task's records, packed as one member."""

    def spoil(table: Path, archive: Path) -> None:  # noqa: ARG001
        with ZipFile(archive) as packed:
            names = [name for name in packed.namelist() if "micro--class_scene--" in name]
            held = [record for name in names for record in json.loads(packed.read(name))]
        with ZipFile(archive, "w") as packed:
            packed.writestr(
                "zen/benchmark--transbench101_micro--class_scene--0.json", json.dumps(change(held))
            )

    return spoil


def half(which: int) -> Spoil:
    def spoil(*paths: Path) -> None:
        paths[which].write_bytes(paths[which].read_bytes()[: paths[which].stat().st_size // 2])

    return spoil


def removed(which: int) -> Spoil:
    def spoil(*paths: Path) -> None:
        paths[which].unlink()

    return spoil


def changed(held: list[dict[str, Any]], **entries: object) -> list[dict[str, Any]]:
    return [{**held[0], **entries}, *held[1:]]


SPOILT: dict[str, tuple[Spoil, str]] = {
    "half a file": (half(0), r"class_scene\.csv (has \d+ entries in row|lists|is damaged)"),
    "half an archive": (
        half(1),
        r"all_benchmarks_zen\.zip is damaged, .*Run snas data fetch transnas",
    ),
    "missing": (removed(0), r"class_scene\.csv is missing: run snas data fetch transnas"),
    "no archive": (removed(1), r"zen\.zip is missing: run snas data fetch transnas"),
    "a row less": (lines(lambda held: held[:-1]), r"lists 7,351 architectures, not 3,256 .* 4,096"),
    "rows in another order": (lines(lambda held: [held[0], *held[:0:-1]]), "in their order"),
    "no number": (
        lines(lambda held: [held[0], held[1].replace("5425.0", "long"), *held[2:]]),
        "is damaged, .*long",
    ),
    "another task's file": (
        lines(lambda held: [held[0].replace("top1", "ssim"), *held[1:]]),
        "valid_top1|train_top1",
    ),
    "a missing task": (
        records(lambda _: []),
        "disagree on the architectures of class_scene: .* lists 0 of",
    ),
    "an architecture less": (
        records(lambda held: held[1:]),
        "disagree on the architectures .* 4,095 of the 4,096",
    ),
    "one twice": (
        records(lambda held: [*held, held[0]]),
        "disagree on the architectures .* 4,097 records",
    ),
    "another space's cell": (
        records(lambda held: changed(held, arch="(4, 1, 1, 1, 2, 3)")),
        (
            r"lists '\(4, 1, 1, 1, 2, 3\)' for class_scene, which is no cell of the space"
            r" transnas-micro"
        ),
    ),
    "code": (
        records(lambda held: changed(held, arch="exit()")),
        r"lists 'exit\(\)' for class_scene, which is no cell",
    ),
    "another value": (
        records(lambda held: changed(held, val_accuracy=99.0)),
        "disagree on class_scene for 1 of 4,096 cells: .* has 99",
    ),
    "no record": (records(lambda _: ["nonsense"]), r"zen\.zip is damaged"),  # type: ignore[list-item,return-value]
    "a bomb": (records(lambda _: [{"a": "0" * 3_000_000}]), r"unpacks to more than 2 MB"),
}


@pytest.fixture
def copied(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The file and the archive of one task in a home of their own, which a test may spoil."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    paths = [
        path
        for path in fetching.files("transnas")
        if path.name in ("transbench101_class_scene.csv", ARCHIVE)
    ]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_bytes((mirror / path.relative_to(fetching.folder())).read_bytes())
    return paths


@pytest.mark.parametrize("what", SPOILT)
def test_a_spoilt_file_is_one_clear_line(what: str, copied: list[Path]) -> None:
    spoil, told = SPOILT[what]
    spoil(*copied)
    with pytest.raises(UserError, match=told) as refused:
        transnas.read("transnas-micro-class_scene")
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 700


def test_what_is_no_number_is_missing(copied: list[Path]) -> None:
    lines(lambda held: [*held[:-1], held[-1].replace(held[-1].split(",")[3], "inf")])(*copied)
    table = transnas.read("transnas-micro-class_scene")
    (values,) = (
        values for key, values in table.columns.items() if key.metric == "valid_error@best"
    )
    assert np.isnan(values[-1]) and np.isfinite(values[:-1]).all()
    assert table.metrics["valid_error@best"].n_cells == len(values) - 1


def test_an_altered_file_is_not_fetched(
    mirror: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    snas: Snas,
) -> None:
    for name in fetching.registry("transnas"):
        (tmp_path / "mirror" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mirror" / name).symlink_to(mirror / name)
    altered = next(path for path in (tmp_path / "mirror").rglob("*jigsaw.csv"))
    content = altered.read_bytes().replace(b"93.81966400146484", b"95.81966400146484")
    altered.unlink()
    altered.write_bytes(content)
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setenv(fetching.MIRROR_VARIABLE, str(tmp_path / "mirror"))
    out = snas("data", "fetch", "transnas")
    assert out.code == 2 and "jigsaw.csv was altered" in out.err
    assert not list((tmp_path / "home").rglob("*.h5"))
