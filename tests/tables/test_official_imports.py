"""Imports of the official files: every number against the records themselves, every kind of bad
file refused.
"""

from __future__ import annotations

import bz2
import os
import pickle
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import nb201
from surrogate_nas.tables import ColumnKey
from surrogate_nas.tables.sources import nats
from surrogate_nas.tables.sources.nb201 import pth as nb201_pth
from surrogate_nas.tables.sources.official import RecordTables

HELD = (0, 11, 284)
READ = {
    "cifar10": {
        "train_{}": ("cifar10-valid", "train"),
        "valid_{}": ("cifar10-valid", "x-valid"),
        "test_{}_25k": ("cifar10-valid", "ori-test"),
        "test_{}": ("cifar10", "ori-test"),
    },
    "cifar100": {
        "train_{}": ("cifar100", "train"),
        "valid_{}": ("cifar100", "x-valid"),
        "test_{}": ("cifar100", "x-test"),
    },
    "imagenet16": {
        "train_{}": ("ImageNet16-120", "train"),
        "valid_{}": ("ImageNet16-120", "x-valid"),
        "test_{}": ("ImageNet16-120", "x-test"),
    },
}
SEEDS = {("cifar10-valid", 12): (111, 777)} | {
    (name, epochs): seeds
    for epochs, seeds in ((200, (777, 888, 999)), (12, (111,)))
    for name in ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
    if (name, epochs) != ("cifar10-valid", 12)
}


@lru_cache(maxsize=1)
def real_records(folder):
    """The records of the mirror, whose files are checked by sha256 elsewhere, read without the code
    under test.
    """
    return {
        i: pickle.loads(bz2.decompress((folder / f"{i:06d}.pickle.pbz2").read_bytes()))
        for i in HELD
    }


@lru_cache(maxsize=1)
def real_tables(folder):
    return {
        table.name.removeprefix("nats-"): table for table in nats.read(folder, None)
    }


FOLDER = "D-X-Y/NATS-Bench/1d4a304ad1906aa5866563438fcbf0d624b7eda2/fake_torch_dir/NATS-tss-v1_0-3ffb9-simple"  # noqa: E501


@pytest.fixture
def folder(mirror):
    return mirror / FOLDER


def trial(name, seed, epochs, sets):
    """A trial with no more than is ever read of one; loss = seed / 1000, accuracy = loss + 50."""
    last = {f"{images}@{epochs - 1}": seed / 1000 for images in sets}
    return {
        "name": name,
        "seed": seed,
        "epochs": epochs,
        "train_losses": {epochs - 1: seed / 1000},
        "train_acc1es": {epochs - 1: 50 + seed / 1000},
        "train_times": OrderedDict((epoch, 2.0) for epoch in range(epochs)),
        "eval_losses": last,
        "eval_acc1es": {key: 50 + value for key, value in last.items()},
        "eval_times": dict.fromkeys(last, 3.0),
        "latency": [np.float64(0.01), -1.0, 0.03],
        "net_state_dict": None,
    }


def state(index, epochs, seeds):
    """One run of an architecture on all four data sets."""
    sets = {
        "cifar10-valid": ("x-valid", "ori-test"),
        "cifar10": ("ori-test",),
        "cifar100": ("x-valid", "x-test", "ori-test"),
        "ImageNet16-120": ("x-valid", "x-test", "ori-test"),
    }
    return {
        "arch_index": index,
        "arch_str": str(nb201()[index]),
        "all_results": {
            (n, s): trial(n, s, epochs, sets[n]) for n in sets for s in seeds
        },
        "dataset_seed": {name: list(seeds) for name in sets},
        "clear_net_done": True,
    }


def record(index=5, seeds=(777, 888, 999)):
    return {"12": state(index, 12, (111,)), "200": state(index, 200, seeds)}


def save(folder, number, content):
    folder.mkdir(exist_ok=True)
    path = folder / f"{number:06d}.pickle.pbz2"
    path.write_bytes(
        bz2.compress(content if isinstance(content, bytes) else pickle.dumps(content))
    )
    return path


def save_pth(path, records):
    """The published file's layout: ``less`` and ``full`` by index, in the older format of
    torch.save.
    """
    content = {
        "meta_archs": [str(cell) for cell in nb201()],
        "total_archs": len(nb201()),
        "arch2infos": {
            i: {"less": r["12"], "full": r["200"]} for i, r in records.items()
        },
        "evaluated_indexes": set(records),
    }
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path


def gathered(*records):
    tables = RecordTables("t", "Records", "a test")
    for one in records:
        tables.add(one, "somewhere")
    return {table.name.removeprefix("t-"): table for table in tables.tables()}


def assert_same(one, other):
    assert one.columns.keys() == other.columns.keys()
    for key, column in one.columns.items():
        np.testing.assert_array_equal(column, other.columns[key], err_msg=str(key))
    for run, counts in one.n_seeds.items():
        np.testing.assert_array_equal(counts, other.n_seeds[run])


# What the numbers are


@pytest.mark.data
@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("epochs", [12, 200])
def test_every_loss_and_error_is_the_records_own(folder, name, epochs):
    table = real_tables(folder)[name]
    for spelled, (dataset, images) in READ[name].items():
        for what, dicts in (("loss", "losses"), ("error", "acc1es")):
            metric = spelled.format(what)
            expected = []
            for seed in SEEDS[dataset, epochs]:
                values = []
                for i in HELD:
                    raw = real_records(folder)[i][str(epochs)]["all_results"][
                        dataset, seed
                    ]
                    is_train = images == "train"
                    held = raw[f"{'train' if is_train else 'eval'}_{dicts}"]
                    value = held[epochs - 1 if is_train else f"{images}@{epochs - 1}"]
                    values.append(100.0 - value if what == "error" else value)
                expected.append(values)
                np.testing.assert_array_equal(
                    table.columns[ColumnKey(metric, epochs, seed)][list(HELD)], values
                )
            mean = table.columns[ColumnKey(metric, epochs, "mean")]
            np.testing.assert_allclose(
                mean[list(HELD)], np.mean(expected, axis=0), rtol=1e-14
            )
            counts = table.n_seeds[metric, epochs]
            assert np.isfinite(mean).sum() == len(HELD) == (counts > 0).sum()
            assert set(counts[list(HELD)]) == {len(SEEDS[dataset, epochs])}


@pytest.mark.data
def test_the_pth_gives_the_tables_of_the_folder(folder, tmp_path):
    path = save_pth(tmp_path / "NAS-Bench-201-v1_1-096897.pth", real_records(folder))
    seen = []
    tables = nb201_pth.read(path, lambda done, total: seen.append((done, total)))
    assert [table.name for table in tables] == [
        "nb201full-cifar10",
        "nb201full-cifar100",
        "nb201full-imagenet16",
    ]
    for table in tables:
        assert_same(table, real_tables(folder)[table.name.removeprefix("nb201full-")])
        assert "3 of the 15,625 architectures" in table.title
    assert seen == [(1, 3), (2, 3), (3, 3)]


# What incomplete records give


def test_a_seed_that_is_not_held_stays_missing():
    table = gathered(record(5), record(6, seeds=(777,)))["cifar10"]
    valid = {
        seed: table.columns[ColumnKey("valid_error", 200, seed)][[5, 6]]
        for seed in (777, 888, 999)
    }
    np.testing.assert_allclose(valid[777], [49.223, 49.223])
    for seed in (888, 999):
        assert np.isfinite(valid[seed]).tolist() == [True, False]
    mean = table.columns[ColumnKey("valid_error", 200, "mean")][[5, 6]]
    np.testing.assert_allclose(mean, [50 - (0.777 + 0.888 + 0.999) / 3, 50 - 0.777])
    assert table.n_seeds["valid_error", 200][[4, 5, 6]].tolist() == [0, 3, 1]
    assert table.columns[ColumnKey("latency@record", None, "mean")][5] == pytest.approx(
        20.0
    )


def test_a_missing_run_data_set_set_or_trial_is_left_out():
    only_12 = gathered({"less": state(5, 12, (111, 777))})["cifar100"]
    assert {key.epochs for key in only_12.columns} == {12, None}
    assert only_12.columns[ColumnKey("valid_seconds", None, "mean")][5] == 3.0

    partial = record()
    for run in partial.values():
        run["dataset_seed"] = {
            k: v for k, v in run["dataset_seed"].items() if not k.startswith("cifar100")
        }
    assert list(gathered(partial)) == ["cifar10", "imagenet16"]

    no_test = record()
    for one in no_test["200"]["all_results"].values():
        for field in ("eval_losses", "eval_acc1es", "eval_times"):
            one[field].pop("x-test@199", None)
    del no_test["200"]["all_results"]["cifar100", 888]
    cifar100 = gathered(no_test)["cifar100"]
    assert ColumnKey("test_error", 200, "mean") not in cifar100.columns
    assert ColumnKey("test_error", 12, "mean") in cifar100.columns
    assert cifar100.n_seeds["valid_error", 200][5] == 2


def test_without_times_every_query_costs_one_unit():
    one = record()
    for raw in one["200"]["all_results"].values():
        raw["train_times"] = None
    table = gathered(one)["cifar10"]
    assert table.cost == "queries" and "one unit" in table.banner
    assert ColumnKey("valid_error", 200, "mean") in table.columns


# What is refused


class Hostile:
    """Leaves a file behind when its pickle is executed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("where", ["000000.pickle.pbz2", "meta.pickle.pbz2"])
def test_a_hostile_folder_is_refused_and_not_executed(tmp_path, where):
    folder = tmp_path / "tss"
    trace = tmp_path / "trace"
    save(folder, 0, record()).rename(folder / "000001.pickle.pbz2")
    save(folder, 0, {"12": Hostile(trace)}).rename(folder / where)
    if where.startswith("meta"):
        nats.read(folder, None)  # which does not read it
    else:
        with pytest.raises(UserError, match=f"{where}.*mkdir"):
            nats.read(folder, None)
    assert not trace.exists()
    pickle.loads(bz2.decompress((folder / where).read_bytes()))
    assert trace.exists(), "the test's own pickle must be hostile"


def test_a_hostile_pth_is_refused_and_not_executed(tmp_path):
    trace = tmp_path / "trace"
    path = save_pth(
        tmp_path / "h.pth", {0: {"12": Hostile(trace), "200": Hostile(trace)}}
    )
    with pytest.raises(UserError, match="h.pth.*mkdir"):
        nb201_pth.read(path, None)
    (tmp_path / "first.pth").write_bytes(pickle.dumps(Hostile(trace)))
    with pytest.raises(UserError, match="first.pth.*mkdir"):
        nb201_pth.read(tmp_path / "first.pth", None)
    assert not trace.exists()


def test_tensors_are_refused(tmp_path):
    path = save_pth(tmp_path / "w.pth", {0: {"12": torch.zeros(2), "200": None}})
    with pytest.raises(UserError, match="w.pth is refused.*torch"):
        nb201_pth.read(path, None)


@pytest.mark.parametrize("keep", [0, 10, 0.5, -30, -2])
def test_a_truncated_record_is_named(tmp_path, keep):
    path = save(tmp_path / "tss", 3, record())
    whole = path.read_bytes()
    path.write_bytes(
        whole[: int(len(whole) * keep) if isinstance(keep, float) else keep]
    )
    with pytest.raises(UserError, match="000003.pickle.pbz2"):
        nats.read(tmp_path / "tss", None)


def test_a_folder_of_both_spaces_is_refused(tmp_path):
    size = {
        "arch_index": 0,
        "arch_str": "64:64:64:64:64",
        "all_results": {},
        "dataset_seed": {},
    }
    save(tmp_path, 0, record())
    save(tmp_path, 1, {"01": size, "12": size, "90": size})
    with pytest.raises(UserError, match="000001.*belongs to NATS-Bench's size space"):
        nats.read(tmp_path, None)


def test_what_is_no_folder_of_records_is_refused(tmp_path):
    with pytest.raises(UserError, match="There is no folder .*nowhere"):
        nats.read(tmp_path / "nowhere", None)
    with pytest.raises(UserError, match="contains no records"):
        nats.read(tmp_path, None)
    save(tmp_path / "NATS-tss-v1_0-3ffb9-simple", 0, record())
    with pytest.raises(
        UserError, match="Did you mean the folder NATS-tss-v1_0-3ffb9-simple"
    ):
        nats.read(tmp_path, None)
    with pytest.raises(UserError, match="is a file: unpack"):
        nats.read(tmp_path / "NATS-tss-v1_0-3ffb9-simple/000000.pickle.pbz2", None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "not a valid official record"),
        ({"12": {"no": "architecture"}}, "not a valid official record"),
        (
            {"12": state(5, 12, (111,)), "200": state(6, 200, (777,))},
            "different architectures",
        ),
        (
            {"12": state(5, 200, (111,))},
            "the run of 12 epochs on cifar10-valid has 200",
        ),
        ({"7": state(5, 12, (111,))}, "unknown runs"),
        (
            {"12": state(5, 12, (111,)) | {"arch_str": "|conv_9x9~0|+|none~0|none~1|"}},
            "Malformed cell",
        ),
        (
            {
                "12": state(5, 12, (111,))
                | {"arch_str": str(nb201()[5]).replace("~0", "x~0", 1)}
            },
            "of the space nb201 is one of none, skip_connect",
        ),
        (
            {"12": state(5, 12, (111,)) | {"all_results": 7}},
            "not a valid official record",
        ),
        (
            {
                "12": {
                    "arch_str": str(nb201()[5]),
                    "all_results": {},
                    "dataset_seed": {},
                }
            },
            "contain no results",
        ),
    ],
)
def test_what_is_no_record_is_refused(tmp_path, content, message):
    save(tmp_path / "tss", 42, content)
    with pytest.raises(UserError, match=message) as caught:
        nats.read(tmp_path / "tss", None)
    assert "000042" in str(caught.value) or message == "contain no results"


def test_what_is_no_published_pth_is_refused(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        nb201_pth.read(tmp_path / "nowhere.pth", None)
    with pytest.raises(UserError, match="There is no file"):
        nb201_pth.memory_needed(tmp_path / "nowhere.pth")
    torch.save({"arch2infos": {}}, tmp_path / "zip.pth")
    with pytest.raises(UserError, match="newer zip format"):
        nb201_pth.read(tmp_path / "zip.pth", None)
    torch.save(
        {"other": 1}, tmp_path / "other.pth", _use_new_zipfile_serialization=False
    )
    with pytest.raises(UserError, match="no arch2infos"):
        nb201_pth.read(tmp_path / "other.pth", None)
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps({"arch2infos": {}}))
    with pytest.raises(UserError, match="not written by torch.save"):
        nb201_pth.read(tmp_path / "pickle.pth", None)
    with pytest.raises(UserError, match=r"bad.pth \(architecture 5\)"):
        nb201_pth.read(
            save_pth(tmp_path / "bad.pth", {5: {"12": None, "200": None}}), None
        )
