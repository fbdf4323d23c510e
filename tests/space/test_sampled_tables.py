"""Sampled spaces and the tables on them: what is held, as the files have it, nothing else, and bad
files refused.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from surrogate_nas import contract
from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.contract.trying import trajectory
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import HOME_VARIABLE, table_path
from surrogate_nas.files.paths import printable
from surrogate_nas.objective import Objective
from surrogate_nas.space import ChoiceSpace, EnumerableChoiceSpace, Sampled, nb201, space_named
from surrogate_nas.space.mnasnet import mnasnet
from surrogate_nas.space.nbmr import nbmr as multi_resolution
from surrogate_nas.space.network import Network
from surrogate_nas.space.sampled import _QUICK, NEAREST
from surrogate_nas.strategies.reinforce import Reinforce
from surrogate_nas.tables import ColumnKey, Table, TableFile, write_table
from surrogate_nas.tables.sources import accel, fetching, nbmr
from tests.conftest import Snas
from tests.sampled_space import WIDE, sampled


def a_table(space: Sampled | None = None) -> Table:
    space = space or sampled()
    table = Table(
        "part", space.definition, "t", "s", "l", "c", "valid_error", Network(), cost="queries"
    )
    table.add(Metric("valid_error", "%", "search", "error"), None, np.linspace(90, 10, len(space)))
    latency = np.linspace(1.0, 2.0, len(space))
    latency[3] = np.nan
    table.add(Metric("latency@mine", "ms", "search", "cost"), None, latency)
    return table


# Sampled spaces


def test_a_sampled_space_keeps_the_contract() -> None:
    found = contract.check(sampled())
    assert not [check for check in found if not check.passed]


def test_neighbours_are_the_nearest_either_way() -> None:
    space = sampled()
    choices = space.choices.astype(int)
    n = len(space)

    def nearest(i: int) -> set[int]:
        differing = (choices != choices[i]).sum(axis=1)
        steps = np.abs(choices - choices[i]).sum(axis=1)
        order = sorted((differing[j], steps[j], (j - i) % n, j) for j in range(n) if j != i)
        return {j for *_, j in order[:NEAREST]}

    near = [nearest(i) for i in range(n)]
    for i, cell in enumerate(space):
        expected = [j for j in range(n) if j in near[i] or i in near[j]]
        assert [other.index for other in space.neighbours(cell)] == expected


def test_neighbours_of_many_cells_are_remembered_and_a_damaged_file_is_made_anew(
    fresh_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = sampled(_QUICK + 1)

    def around(held: Sampled) -> list[list[int]]:
        return [
            [cell.index for cell in held.neighbours(held[place])]
            for place in range(0, len(held), 50)
        ]

    expected = around(space)
    (path,) = fresh_home.glob("neighbours/*.npy")
    content = path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(Sampled, "_related", lambda _: pytest.fail("they are remembered"))
        assert around(Sampled(space.base, space.choices)) == expected
    for damaged in (content[:-40] + bytes(8) + content[-32:], content[:-1], b""):
        path.write_bytes(damaged)
        assert (
            around(Sampled(space.base, space.choices)) == expected and path.read_bytes() == content
        )
    assert min(map(len, expected)) >= NEAREST
    assert around(sampled(_QUICK)) and len([*fresh_home.glob("neighbours/*.npy")]) == 1, (
        "few are not"
    )


def test_few_cells_are_all_neighbours() -> None:
    one = sampled(1)
    three = sampled(3)
    assert list(one.neighbours(one[0])) == []
    assert list(three.neighbours(three[1])) == [three[0], three[2]]


def test_a_definition_opens_as_the_same_space() -> None:
    space = sampled()
    again = space_named(space.definition)
    assert again == space and again is not space and hash(again) == hash(space)
    assert [str(cell) for cell in again] == [str(cell) for cell in space]  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(space)) == space
    assert space != sampled(seed=1)


def test_what_is_not_held_is_told_from_what_is_no_cell() -> None:
    space = sampled()
    absent = next(
        cell
        for cell in map(WIDE.at, np.ndindex((4,) * 8))
        if cell.text not in {c.text for c in space}
    )
    with pytest.raises(
        UserError,
        match=r"is a cell of the space wide, but not held: 60 of its 6\.55e\+04 cells are",
    ):
        space.parse(absent.text)
    with pytest.raises(UserError, match="not held"):
        space.cell(absent.choices)
    with pytest.raises(UserError, match="Malformed cell.*a cell of the space wide reads"):
        space.parse(str(nb201()[0]))
    assert absent not in space and space[0] in space


def held(rows: Any) -> str:
    """Rows of choices as a definition lists them."""
    return base64.b64encode(np.asarray(rows, dtype=np.int8).tobytes()).decode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"of": WIDE.definition, "held": "?"}, "describes no space"),
        ({"of": WIDE.definition, "held": held([0] * 7)}, "describes no space"),
        ({"of": WIDE.definition, "held": ""}, "at least one is needed"),
        ({"of": WIDE.definition, "held": held(np.zeros((1_000_001, 8)))}, "1,000,000 are the most"),
        ({"of": WIDE.definition, "held": held([4] * 8)}, "none of the space wide"),
        ({"of": WIDE.definition, "held": held([-1] * 8)}, "none of the space wide"),
        ({"of": WIDE.definition, "held": held([[1] * 8, [1] * 8])}, "held twice"),
        ({"of": WIDE.definition, "held": 7}, "describes no space"),
        ({"of": 7, "held": held([0] * 8)}, "describes no space"),
        ({"of": "nowhere", "held": held([0] * 8)}, "space"),
        ({"of": sampled().definition, "held": held([0] * 8)}, "no whole space of choices"),
        ({"of": WIDE.definition}, "describes no space"),
    ],
)
def test_a_malformed_definition_is_refused(content: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        space_named(json.dumps(content))
    assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)


def test_reinforce_learns_which_of_the_held_cells_is_best() -> None:
    space = sampled(300)
    rare = int(np.bincount(space.choices[:, 0] * 4 + space.choices[:, 1], minlength=16).argmin())

    def score(cell: Any) -> float:
        return 1.0 - (cell.choices[0] == rare // 4) / 2 - (cell.choices[1] == rare % 4) / 2

    run = trajectory(Reinforce, space, seed=0, n=400, score=score)
    assert (
        np.mean([score(cell) for cell in run[-100:]])
        < 0.1
        < 0.5
        < np.mean([score(cell) for cell in run[:30]])
    )


def test_reinforce_on_all_combinations_is_the_same_policy_listed_or_not() -> None:
    options = {f"p{place}": range(3) for place in range(3)}
    listed = EnumerableChoiceSpace("small", options)
    all_held = Sampled(ChoiceSpace("small", options), listed.choices)
    kept = Reinforce(listed, seed=0), Reinforce(all_held, seed=0)
    kept[1]._listed = all_held.choices
    for strategy in kept:
        strategy._logits = np.random.default_rng(3).normal(size=(3, 3))
    assert np.allclose(kept[0]._policy(), kept[1]._policy(), atol=1e-12)


# Tables on them


def test_a_table_holds_its_cells_and_opens_as_a_benchmark(tmp_path: Path) -> None:
    space = sampled()
    write_table(a_table(space), tmp_path / "t.h5")
    bench = TableBenchmark(tmp_path / "t.h5")
    assert bench.space == space and bench.describe()["cells"] == 60
    assert bench.query(str(space[7]), "valid_error").value == bench.column("valid_error")[7]
    with pytest.raises(UserError, match="not held"):
        bench.query(
            next(c for c in map(WIDE.at, np.ndindex((4,) * 8)) if c not in space), "valid_error"
        )
    with pytest.raises(
        UserError, match=r"has no latency@mine for wide\(.*it holds 59 of 60 cells there"
    ):
        bench.query(space[3], "latency@mine")
    with pytest.raises(UserError, match="holds latency@mine for 59 of 60 cells only"):
        Objective("valid_error + 0.1*latency@mine", bench)


def test_other_cells_in_a_file_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "t.h5"
    write_table(a_table(), path)
    with h5py.File(path, "r+") as file:
        other = sampled(seed=1).definition
        file.attrs["space"] = np.array(other.encode(), dtype=h5py.string_dtype("utf-8", len(other)))
    with pytest.raises(UserError, match="its attribute space is not what its index says"):
        TableFile(path)
    table = a_table()
    table.space = sampled(59).definition
    write_table(table, path)
    with pytest.raises(UserError, match="is for 60 cells, but its space wide-59 has 59"):
        TableFile(path)
    assert a_table(sampled(seed=1)).digest() != a_table().digest()


def test_a_file_of_ones_own_can_hold_some_cells_of_a_space(snas: Snas, tmp_path: Path) -> None:
    cells = [str(multi_resolution().sample(np.random.default_rng(seed))) for seed in range(30)]
    path = tmp_path / "mine.csv"
    path.write_text(
        "cell,valid_error\n" + "".join(f"{cell},{40 + i / 7}\n" for i, cell in enumerate(cells))
    )
    made = snas("data", "import", "csv", path, "--name", "mine-mr", "--space", "nbmr", "--json")
    assert made.code == 0, made.err
    bench = TableBenchmark(table_path("mine-mr"))
    assert [
        str(cell) for cell in bench.space
    ] == cells and "among the 30 architectures" in bench.banner
    assert bench.column("valid_error").tolist() == [40 + i / 7 for i in range(30)]
    path.write_text(path.read_text() + f"{cells[3]},1\n8_8,2\n")
    refused = snas("data", "import", "csv", path, "--name", "mine-mr", "--space", "nbmr")
    assert refused.code == 2
    assert f"2 wrong entries: row 31: the cell of row 4 again, {cells[3]}; row 32:" in refused.err
    assert "Malformed" in refused.err


# NAS-Bench-MR


@pytest.fixture(scope="module")
def own_files(mirror: Path, own_home: Path) -> Path:
    """The fetched files of both sources."""
    assert mirror.is_dir()
    for source in ("nbmr", "accel"):
        fetching.fetch(source)
    return own_home


@pytest.fixture(scope="module")
def records(own_files: Path) -> dict[str, list[dict[str, Any]]]:
    """The files' records, which are checked by sha256, read without the code under test."""
    assert own_files.is_dir()
    return {path.parent.name: pickle.loads(path.read_bytes()) for path in fetching.files("nbmr")}


@pytest.fixture(scope="module")
def tasks(own_files: Path) -> dict[str, Table]:
    assert own_files.is_dir()
    return {name: nbmr.read(name) for name in nbmr.NAMES}


FIELDS = {
    "valid_miou": ("mIoU", 0, 1),
    "valid_class_error": ("mAcc", 100, -1),
    "valid_pixel_error": ("aAcc", 100, -1),
    "valid_error": ("top1", 100, -1),
    "valid_error_top5": ("top5", 100, -1),
    "recorded_macs": ("flops", 0, 1000),
}


def test_every_number_of_nas_bench_mr_is_there(
    tasks: dict[str, Table], records: dict[str, list[dict[str, Any]]]
) -> None:
    assert set(tasks) == {"nbmr-seg", "nbmr-cls-50-1000", "nbmr-cls-10c", "nbmr-video-p"}
    spaces = {table.space for table in tasks.values()}
    assert len(spaces) == 1, "all tasks hold the same architectures, so that they can be compared"
    (space,) = map(space_named, spaces)
    for name, table in tasks.items():
        held = records[name.removeprefix("nbmr-")]
        assert len(held) == len(space) == 2507  # type: ignore[arg-type]
        for metric in table.metrics:
            field, start, sign = FIELDS[metric]
            expected = start + sign * np.array([record[field] for record in held])
            assert np.array_equal(table.columns[ColumnKey(metric, None, "mean")], expected), (
                name,
                metric,
            )
        assert {metric.kind for metric in table.metrics.values()} == {"search"}
        assert "nothing was held out" in table.banner and "chooses among the 2,507" in table.banner
    for cell, record in zip(space, records["seg"], strict=True):  # type: ignore[call-overload]
        first, *stages, last = (
            [int(number) for number in part.split("_")] for part in cell.text.split("-")
        )
        assert [stage[1] for stage in stages] == [1, 2, 3, 4]
        assert [*first, *(n for stage in stages for n in (stage[0], *stage[2:])), *last] == record[
            "embedding"
        ]


def test_sizes_of_nas_bench_mr_are_the_recorded_ones(
    tasks: dict[str, Table], records: dict[str, list[dict[str, Any]]]
) -> None:
    space = space_named(tasks["nbmr-seg"].space)
    network = tasks["nbmr-seg"].network
    params = space.analytic["params"][1](space.choices, network)  # type: ignore[attr-defined]
    assert np.array_equal(
        np.round(params), np.round([1e6 * record["params"] for record in records["seg"]])
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("64_64", "Malformed cell"),
        (
            "9_64-2_1_2_64-2_2_2_2_64_64-2_3_2_2_2_64_64_64-2_4_2_2_2_2_64_64_64_64-64",
            "input1 .*not 9",
        ),
        (
            "64_64-5_1_2_64-2_2_2_2_64_64-2_3_2_2_2_64_64_64-2_4_2_2_2_2_64_64_64_64-64",
            "modules1 .*not 5",
        ),
        (
            "64_64-2_2_2_64-2_2_2_2_64_64-2_3_2_2_2_64_64_64-2_4_2_2_2_2_64_64_64_64-64",
            "Malformed cell",
        ),
    ],
)
def test_what_is_no_network_of_several_resolutions_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        multi_resolution().parse(text)


def _drop(records: list[dict[str, Any]]) -> None:
    del records[5]["mIoU"]


def _swap(records: list[dict[str, Any]]) -> None:
    records[5]["embedding"], records[6]["embedding"] = (
        records[6]["embedding"],
        records[5]["embedding"],
    )


def _twice(records: list[dict[str, Any]]) -> None:
    records[6] = records[5]


def _of_another_space(records: list[dict[str, Any]]) -> None:
    records[5]["embedding"][0] = 12


def _out_of_range(records: list[dict[str, Any]]) -> None:
    records[5]["mIoU"] = 101.0


def _no_number(records: list[dict[str, Any]]) -> None:
    records[5]["aAcc"] = "96"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop, "mIoU"),
        (_swap, "is said to have .* params, but has"),
        (_twice, "held twice"),
        (_of_another_space, "input1 of the space nbmr is 8, .*not 12"),
        (_out_of_range, "mIoU is 101.0"),
        (_no_number, "aAcc is '96'"),
    ],
)
def test_an_altered_file_is_refused(
    records: dict[str, list[dict[str, Any]]],
    tmp_path: Path,
    change: Callable[[list[dict[str, Any]]], None],
    message: str,
) -> None:
    some = pickle.loads(pickle.dumps(records["seg"][:20]))
    change(some)
    path = tmp_path / "trainval.pkl"
    path.write_bytes(pickle.dumps(some))
    with pytest.raises(UserError, match=message) as caught:
        nbmr.read_file(path, "seg")
    assert "trainval.pkl is damaged, or no file of NAS-Bench-MR" in str(
        caught.value
    ) and "\n" not in str(caught.value)


def test_half_a_file_and_a_hostile_one_are_refused(
    records: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    path = tmp_path / "trainval.pkl"
    whole = pickle.dumps(records["seg"][:20])
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="trainval.pkl is damaged"):
        nbmr.read_file(path, "seg")
    path.write_bytes(pickle.dumps([print]))
    with pytest.raises(UserError, match=r"asks for .*print.*Nothing of it was executed"):
        nbmr.read_file(path, "seg")
    with pytest.raises(UserError, match="Cannot read .*Run snas data fetch nbmr"):
        nbmr.read_file(tmp_path / "nowhere.pkl", "seg")


# Accel-NASBench


@pytest.fixture(scope="module")
def archive(own_files: Path) -> dict[int, dict[str, Any]]:
    """The archive's records by number, read without the code under test."""
    assert own_files.is_dir()
    (path,) = fetching.files("accel")
    with tarfile.open(path) as packed:
        return {
            int(member.name.split("_")[-1].removesuffix(".json")): json.load(
                packed.extractfile(member)
            )  # type: ignore[arg-type]
            for member in packed
            if member.isfile()
        }


@pytest.fixture(scope="module")
def whole(own_files: Path) -> Table:
    assert own_files.is_dir()
    return accel.read("accel-imagenet")


def test_every_number_of_accel_nasbench_is_there(
    whole: Table, archive: dict[int, dict[str, Any]]
) -> None:
    space = space_named(whole.space)
    rows: dict[str, list[dict[str, Any]]] = {}
    for number in sorted(archive):
        architecture = archive[number]["architecture"]
        stages = [
            [architecture[f"block{i}_{what}"] for what in ("l", "k", "e", "se")] for i in range(7)
        ]
        rows.setdefault(str(stages), []).append(archive[number])
    assert len(rows) == len(space) == 5125  # type: ignore[arg-type]
    assert sum(len(records) > 1 for records in rows.values()) == 13
    read: dict[str, Callable[[dict[str, Any]], float]] = {
        "valid_error": lambda r: 100 - r["metrics"]["val_top1"],
        "valid_error_top5": lambda r: 100 - r["metrics"]["val_top5"],
        "train_seconds": lambda r: r["metrics"]["train_time"],
        "recorded_macs": lambda r: r["model_info"]["macs"],
        "latency@zcu102": lambda r: r["platform_perf"]["latency_zcu102"]["latency_mean"] or np.nan,
        "image_time@tpuv3": lambda r: (
            1000 / (r["platform_perf"]["throughput_tpuv3"]["throughput_mean"] or np.nan)
        ),
        "image_time@vck190": lambda r: (
            1000 / (r["platform_perf"]["throughput_vck190"]["throughput_mean"] or np.nan)
        ),
    }
    for metric, value in read.items():
        expected = [
            np.mean([value(r) for r in records if np.isfinite(value(r))] or [np.nan])
            for records in rows.values()
        ]
        assert np.allclose(
            whole.columns[ColumnKey(metric, None, "mean")], expected, rtol=1e-12, equal_nan=True
        ), metric
        counts = [sum(np.isfinite(value(r)) for r in records) for records in rows.values()]
        assert whole.n_seeds[metric, None].tolist() == counts, metric
    assert sum(int(np.isnan(column).sum()) for column in whole.columns.values()) == 92


def test_parameters_of_mnasnet_are_the_recorded_ones(
    whole: Table, archive: dict[int, dict[str, Any]]
) -> None:
    cell = mnasnet().reference
    (params,) = mnasnet().analytic["params"][1](
        np.array([cell.choices], dtype=np.int8), whole.network
    )
    assert params == 5_288_548, "EfficientNet-B0 as published"
    for record in list(archive.values())[::50]:
        of = accel._cell(record["architecture"])
        (params,) = mnasnet().analytic["params"][1](
            np.array([of.choices], dtype=np.int8), whole.network
        )
        assert params == round(1e6 * record["model_info"]["params"])


def test_a_search_on_accelerators_is_charged_seconds(whole: Table, tmp_path: Path) -> None:
    write_table(whole, tmp_path / "w.h5")
    bench = TableBenchmark(tmp_path / "w.h5")
    assert Objective("valid_error + 0.1*image_time@a100", bench).terms[1].name == "image_time@a100"
    seconds = bench.column("train_seconds")
    measured = bench.measure(
        [bench.space[3]], [bench.question("valid_error"), bench.question("image_time@a100")]
    )
    assert measured.cost[0] == seconds[3] and bench.cost == "seconds"
    assert bench.measure([bench.space[3]], [bench.question("image_time@a100")]).cost[0] == 0
    lacking = int(np.flatnonzero(np.isnan(bench.column("image_time@tpuv3")))[0])
    with pytest.raises(
        UserError, match=r"has no image_time@tpuv3 for r\d.*it holds 5081 of 5125 cells there"
    ):
        bench.query(bench.space[lacking], "image_time@tpuv3")
    with pytest.raises(UserError, match="holds image_time@tpuv3 for 5081 of 5125 cells only"):
        Objective("valid_error + 0.1*image_time@tpuv3", bench)


def _packed(
    path: Path,
    members: dict[str, bytes | tarfile.TarInfo],
    squeeze: str = "gz",
) -> Path:
    with tarfile.open(path, f"w:{squeeze}") as archive:
        for name, content in members.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            body = b"" if isinstance(content, tarfile.TarInfo) else content
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return path


def _link() -> tarfile.TarInfo:
    link = tarfile.TarInfo("a/result_1.json")
    link.type = tarfile.SYMTYPE
    link.linkname = "/etc/passwd"
    return link


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"../result_1.json": b"{}"}, "'../result_1.json' in it is no record"),
        ({"/a/result_1.json": b"{}"}, "'/a/result_1.json' in it is no record"),
        ({"a/../b/result_1.json": b"{}"}, "is no record"),
        (
            {"a/result_1.json": b"{}", "b/result_1.json": b"{}"},
            "'b/result_1.json' in it is no record, or is there",
        ),
        ({"a/result_1.json": _link()}, "is no record"),
        ({"a/result_1.json": b"x" * 200_000}, "more or larger records"),
        ({"a/result_1.json": b"\0" * 70_000_000}, "unpacks to more than 64 MB"),
        ({"a/result_1.json": b"{"}, "result_1.json in it is no JSON"),
        ({"a/result_1.json": b"[" * 90_000}, "result_1.json in it is no JSON"),
        ({"a/result_1.json": b'{"architecture": NaN}'}, "NaN is no number"),
        ({"a/result_1.json": b"[]"}, "no file of Accel-NASBench"),
        ({}, "holds no records"),
    ],
)
def test_a_hostile_archive_is_refused(
    tmp_path: Path,
    members: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        accel.read_file(_packed(tmp_path / "x.tar.gz", members))
    assert printable(str(caught.value)) == str(caught.value) and "x.tar.gz is damaged" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("architecture", "block0_e"), 3, "expansion1 of the space mnasnet is 1, 4, 6, not 3"),
        (("architecture", "block0_se"), 1, "the se of an architecture are"),
        (("architecture", "block9_e"), 1, "other decisions than seven stages have"),
        (("metrics", "val_top1"), 130.0, "metrics val_top1 is 130.0"),
        (("metrics", "val_top1"), None, "metrics val_top1 is None"),
        (("platform_perf", "throughput_a100", "throughput_mean"), 0, "throughput_mean is 0"),
        (("platform_perf", "latency_zcu102", "latency_mean"), -1, "latency_mean is -1"),
        (("model_info", "params"), 9.0, "is said to have 9 M parameters"),
    ],
)
def test_an_altered_record_is_refused(
    archive: dict[int, dict[str, Any]],
    tmp_path: Path,
    place: tuple[str, ...],
    value: Any,
    message: str,
) -> None:
    record = json.loads(json.dumps(archive[0]))
    inner = record
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(UserError, match=message):
        accel.read_file(
            _packed(tmp_path / "x.tar.gz", {"a/result_0.json": json.dumps(record).encode()})
        )


def test_half_an_archive_is_refused(archive: dict[int, dict[str, Any]], tmp_path: Path) -> None:
    members = {f"a/result_{i}.json": json.dumps(archive[i]).encode() for i in sorted(archive)[:5]}
    whole = _packed(tmp_path / "x.tar.gz", members)
    assert len(space_named(accel.read_file(whole).space)) == 5  # type: ignore[arg-type]
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="it is cut off"):
        accel.read_file(whole)
    plain = _packed(tmp_path / "y.tar", members, "").read_bytes()
    whole.write_bytes(gzip.compress(plain[:3000]))
    with pytest.raises(UserError, match="x.tar.gz is damaged"):
        accel.read_file(whole)
    whole.write_bytes(b"no archive")
    with pytest.raises(UserError, match="x.tar.gz is damaged"):
        accel.read_file(whole)


# From fetching to a report


def test_what_is_fetched_has_its_neighbours_worked_out(
    mirror: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    snas: Snas,
) -> None:
    assert mirror.is_dir()
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    assert snas("data", "fetch", "accel").code == 0
    assert len([*(tmp_path / "neighbours").glob("*.npy")]) == len(accel.NAMES)


def test_both_sources_are_verified_and_searched(
    snas: Snas,
    own_files: Path,
    tasks: dict[str, Table],
    whole: Table,
    tmp_path: Path,
) -> None:
    assert own_files.is_dir()
    for table in (*tasks.values(), whole, accel.read("accel-imagenet-devices")):
        write_table(table, table_path(table.name))
    for source in (nbmr, accel):
        checks = list(source.verify())
        assert checks and all(check.passed for check in checks), checks
    found = snas(
        "search",
        "nbmr-seg",
        "--strategy",
        "evolution",
        "--objective",
        "valid_miou",
        "--budget",
        30,
        "--json",
    )
    assert found.json["best"]["metrics"]["valid_miou"] > 70
    objective = ("--objective", "valid_error + 0.1*latency@zcu102")
    found = snas(
        "search",
        "accel-imagenet-devices",
        "--strategy",
        "reinforce",
        *objective,
        "--budget",
        30,
        "--json",
    )
    assert found.json["regret"] >= 0 and found.json["simulated_seconds"] > 0
    absent = snas("query", "accel-imagenet", mnasnet().reference, "--metric", "valid_error")
    assert (
        absent.code == 2
        and "but not held: 5,125 of its" in absent.err
        and absent.err.count("\n") == 1
    )
    out = tmp_path / "out"
    compared = snas(
        "compare",
        "nbmr-seg",
        "--strategies",
        "random,local_search",
        "--objective",
        "valid_miou",
        "--runs",
        1,
        "--budget",
        15,
        "--out",
        out,
        "--json",
    )
    assert compared.code == 0
    assert (
        "chooses among the 2,507 architectures that are held" in (out / "report.html").read_text()
    )


def test_a_large_space_is_still_no_table(tmp_path: Path) -> None:
    table = a_table()
    table.space = WIDE.definition
    write_table(table, tmp_path / "t.h5")
    with pytest.raises(UserError, match="cannot be listed"):
        TableFile(tmp_path / "t.h5")
