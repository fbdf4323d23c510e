"""A surrogate as a benchmark: it predicts once, and asks the truth about what was found."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks import load
from surrogate_nas.benchmarks.learned import LearnedBenchmark
from surrogate_nas.core.errors import UserError
from tests.stored_model import stored


@pytest.fixture
def files(small, tmp_path):
    error = stored(small, "valid_error", tmp_path / "models" / "error.h5")
    latency = stored(small, "latency@thing", tmp_path / "models" / "latency.h5")
    return f"surrogate:{error},{latency}"


def test_files_of_several_metrics_are_one_benchmark(files):
    bench = load(files)
    assert isinstance(bench, LearnedBenchmark) and bench is load(files)
    assert [m.name for m in bench.metrics][:2] == ["valid_error", "latency@thing"]
    cell = bench.space[7]
    assert (
        bench.query(cell, "valid_error", epochs=200)
        == bench.column("valid_error", 200)[7]
    )
    assert bench.query(cell, "latency@thing").unit == "ms"
    assert bench.query(cell, "params") == bench.truth.query(cell, "params")
    assert "predicted" in bench.banner and bench.describe()["available"]
    with pytest.raises(UserError, match="trainings of 200 epochs, not 12"):
        bench.column("valid_error", 12)
    with pytest.raises(UserError, match="Unknown metric"):
        bench.column("test_error")


def test_a_folder_names_all_its_files(files, tmp_path):
    both = load(f"surrogate:{tmp_path / 'models'}")
    assert both.fingerprint == load(files).fingerprint
    np.testing.assert_array_equal(
        both.column("valid_error"), load(files).column("valid_error")
    )


def test_it_answers_with_means_and_knows_no_seed(files):
    bench = load(files)
    mean = sn.Surrogate.load(files.split(":")[1].split(",")[0]).predict(bench.space)
    np.testing.assert_array_equal(bench.column("valid_error"), mean)
    with pytest.raises(UserError, match="there is no seed 1"):
        bench.column("valid_error", training_seed=1)
    with pytest.raises(UserError, match="there is no seed 1"):
        bench.query(bench.space[3], "valid_error", training_seed=1)


def test_a_search_on_it_reads_the_incumbent_again_from_the_truth(files, small):
    bench = load(files)
    run = sn.search(bench, "random", "valid_error + 0.1*latency@thing", budget=15)
    cell = run.incumbent.cell
    final = bench.final(cell)
    assert (
        final["true valid_error[200]"] == small.column("valid_error", 200)[cell.index]
    )
    assert final["true latency@thing"] == small.column("latency@thing")[cell.index]
    assert final["test_error"] == small.column("test_error")[cell.index]
    assert not [m for m in bench.metrics if m.kind == "final"]


def test_without_its_truth_nothing_final_is_said(files, small):
    small.path.unlink()
    bench = LearnedBenchmark(
        [Path(name) for name in files.removeprefix("surrogate:").split(",")]
    )
    assert bench.truth is None and bench.final(bench.space[0]) == {}


def test_workers_open_it_again(files):
    bench = load(files)
    assert pickle.loads(pickle.dumps(bench)).fingerprint == bench.fingerprint


def test_files_that_do_not_go_together_are_refused(small, files, tmp_path):
    first = files.removeprefix("surrogate:").split(",")[0]
    shutil.copy(first, tmp_path / "twice.h5")
    with pytest.raises(UserError, match="so does another file"):
        load(f"surrogate:{first},{tmp_path / 'twice.h5'}")
    with pytest.raises(UserError, match="never used in a search"):
        load(f"surrogate:{stored(small, 'test_error', tmp_path / 'final.h5')}")
    with pytest.raises(UserError, match="There is no surrogate file"):
        load("surrogate:absent.h5")
    with pytest.raises(UserError, match="names no file"):
        load("surrogate:")
    with pytest.raises(UserError, match="is not a surrogate_nas surrogate"):
        load(f"surrogate:{small.path}")


def test_fit_and_predict_on_the_command_line(snas, tmp_path):
    out = tmp_path / "m.h5"
    asked = f"fit analog-cifar10 --target digital_error --train 60 --model ridge --out {out} --json"
    fitted = snas(*asked.split())
    assert fitted.code == 0
    keys = "kendall spearman r2 mae coverage90 coverage90_top_quarter train_seconds n_train"
    assert set(keys.split()) <= set(fitted.json)
    assert fitted.json["n_test"] == 15625 - 60
    cell = "|skip_connect~0|+|none~0|none~1|+|none~0|nor_conv_3x3~1|none~2|"
    (found,) = snas("predict", out, cell, "--json").json
    assert found["cell"] == cell and found["unit"] == "%" and found["std"] > 0
    found = snas("query", f"surrogate:{out}", cell, "--metric", "params", "--json").json
    assert found[0]["value"] > 0


def test_a_cell_that_is_none_is_one_line(snas, files):
    file = files.removeprefix("surrogate:").split(",")[0]
    ended = snas("predict", file, "conv")
    assert ended.code == 2 and "Malformed cell" in ended.err
    assert snas("predict", "absent.h5", "conv").code == 2


@pytest.mark.slow
def test_what_was_measured_here_is_fitted_and_joins_a_search(snas, tmp_path):
    local = tmp_path / "local.h5"
    model = tmp_path / "latency.h5"
    asked = f"measure --cells 12 --task tests/tiny_task.py:TINY --out {local}"
    assert snas(*asked.split()).code == 0
    asked = f"fit {local} --target latency@local --train 8 --model ridge --out {model} --json"
    assert snas(*asked.split()).json["n_test"] == 4
    asked = (
        f"search analog-cifar10 --strategy evolution --budget 20 --with {model} --json"
    )
    objective = "digital_error + 0.1*latency@local"
    found = snas(*asked.split(), "--objective", objective).json
    assert found["best"]["metrics"]["latency@local"] > 0 and found["regret"] >= 0
    joined = sn.load("analog-cifar10", with_=[model])
    assert (
        "predicted" in joined.banner
        and joined.query(joined.space[0], "latency@local").unit == "ms"
    )


def test_the_latency_model_is_given_known_devices(snas, real, tmp_path):
    out = tmp_path / "model.h5"
    asked = f"fit {real.name} --target latency@fpga --train 10 --model latency --out {out}".split()
    fitted = snas(*asked, "--known", "raspi4,eyeriss", "--json")
    assert fitted.json["spearman"] > 0.9
    assert "cannot be given with --known" in snas(*asked, "--known", "fpga,raspi4").err
    assert "latency@nothing" in snas(*asked, "--known", "nothing").err
