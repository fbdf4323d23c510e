"""NAS-Bench-101's table: what the published files hold, found by hash, nothing else, and bad files
refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau

from surrogate_nas.benchmarks import TableBenchmark, load
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import table_path
from surrogate_nas.objective import Objective
from surrogate_nas.space import Sampled
from surrogate_nas.space.nb101 import hashes
from surrogate_nas.space.nb101 import nb101 as space_of_graphs
from surrogate_nas.tables import ColumnKey, Table, write_table
from surrogate_nas.tables.sources import fetching, nb101
from tests.conftest import ON_EVERY_SPACE, Snas

EPOCHS = (4, 12, 36, 108)
FIELDS = [
    *(f"{epochs}_final_validation_accuracy" for epochs in EPOCHS),
    "final_training_time",
    "trainable_parameters",
]


@pytest.fixture(scope="module")
def files(mirror: Path, own_home: Path) -> dict[str, dict[str, list[Any]]]:
    """The published files, which are checked by sha256, by their names, read without the code under
    test.
    """
    assert mirror.is_dir() and own_home.is_dir()
    fetching.fetch("nb101")
    return {path.name: json.loads(path.read_bytes()) for path in fetching.files("nb101")}


@pytest.fixture(scope="module")
def table(files: dict[str, Any]) -> Table:
    assert files
    made = nb101.read("nb101")
    write_table(made, table_path("nb101"))
    return made


@pytest.fixture(scope="module")
def bench(table: Table) -> TableBenchmark:
    found = load(table.name)
    assert isinstance(found, TableBenchmark)
    return found


def column(table: Table, metric: str, epochs: int) -> Any:
    return table.columns[ColumnKey(metric, epochs, "mean")]


@pytest.mark.slow
def test_every_number_is_there_at_the_cell_of_its_hash(table: Table, files: dict[str, Any]) -> None:
    rows = {}
    for name in ("data-20k.json", "data-10k.json"):
        held = files[name]
        rows |= {
            key: values
            for key, *values in zip(held["key"], *(held[field] for field in FIELDS), strict=True)
        }
    assert len(rows) == 30_001
    space = space_named_of(table)
    keys = [
        digest.tobytes().hex()
        for digest in hashes.all_hashes()[[space_of_graphs().index(c) for c in space]]
    ]
    assert set(keys) == set(rows) and len(space) == 30_001
    expected = np.array([rows[key] for key in keys])
    for place, epochs in enumerate(EPOCHS):
        assert np.allclose(
            100 - column(table, "valid_error", epochs), 100 * expected[:, place], atol=1e-9
        )
        assert np.allclose(column(table, "train_seconds", epochs), expected[:, 4] * epochs / 108)
    params = space.analytic["params"][1](space.choices, table.network)
    assert np.array_equal(params, expected[:, 5]), "trainable_parameters, of all cells"
    for cell in space[::3001]:
        assert space_of_graphs().module_hash(cell) in rows


def space_named_of(table: Table) -> Sampled:
    from surrogate_nas.space import space_named

    space = space_named(table.space)
    assert isinstance(space, Sampled)
    return space


@pytest.mark.slow
def test_the_files_are_one_sample_in_the_order_of_its_hashes(files: dict[str, Any]) -> None:
    large, small, least = (files[f"data-{n}k.json"]["key"] for n in (20, 10, 1))
    assert large == sorted(large) and small == sorted(small) and large[-1] < small[0]
    assert (len(large), len(small), len(least)) == (20_001, 10_000, 1000) and least == large[:1000]
    every = sorted(digest.tobytes().hex() for digest in hashes.all_hashes())
    assert every[: len(large)] == large, "all cells of the least hashes"


@pytest.mark.slow
def test_what_the_files_say(table: Table, files: dict[str, Any]) -> None:
    accuracy = 100 - column(table, "valid_error", 108)
    assert round(accuracy.max(), 2) == 94.91 and round(float(np.median(accuracy)), 2) == 91.62
    taus = {
        epochs: kendalltau(100 - column(table, "valid_error", epochs), accuracy).statistic
        for epochs in EPOCHS
    }
    assert [round(taus[epochs], 3) for epochs in EPOCHS] == [0.309, 0.439, 0.695, 1.0]
    space = space_named_of(table)
    params = space.analytic["params"][1](space.choices, table.network)
    assert round(kendalltau(params, accuracy).statistic, 3) == 0.316
    assert table.epochs == "runs" and {metric.kind for metric in table.metrics.values()} == {
        "search",
        "record",
    }
    assert "nothing" not in table.banner and "The others have no values here" in table.banner
    assert "no test accuracy" in table.banner and "chooses among the 30,001" in table.banner
    assert files["data-1k.json"]["operations"][0] == [-1, 0, 2, 0, 0, 1, -2]


@pytest.mark.slow
def test_it_is_verified_by_a_dozen_checks(table: Table) -> None:
    assert table.name == "nb101"
    checks = list(nb101.verify())
    assert len(checks) == 12 and all(check.passed for check in checks), checks


@pytest.mark.slow
def test_an_objective_and_a_cell_without_a_value(bench: TableBenchmark, snas: Snas) -> None:
    scores = Objective(bench.objective, bench).over_space()
    assert scores is not None
    errors = bench.column("valid_error", 108) / 100
    params = bench.column("params")
    assert np.allclose(scores.score, errors + 0.05 * params / np.median(params))
    absent = snas("query", "nb101", "inception", "--metric", "valid_error")
    assert (
        absent.code == 2
        and "but not held: 30,001 of its" in absent.err
        and absent.err.count("\n") == 1
    )
    cell = bench.space[100]
    found = snas("query", "nb101", cell, "--metric", "valid_error", "--epochs", 12, "--json")
    assert found.json[0]["value"] == bench.column("valid_error", 12)[100]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ON_EVERY_SPACE)
def test_every_strategy_runs(bench: TableBenchmark, strategy: str, snas: Snas) -> None:
    assert bench.name == "nb101"
    found = snas("search", "nb101", "--strategy", strategy, "--budget", 14, "--json")
    assert found.code == 0, found.err
    assert found.json["regret"] >= 0 and found.json["best"]["cell"] in {
        cell.text for cell in bench.space
    }


# Files of a user's own


def cut(files: dict[str, Any], n: int) -> dict[str, list[Any]]:
    """A file as the full one is, with few cells."""
    return {field: values[:n] for field, values in files["data-20k.json"].items()}


@pytest.mark.slow
def test_a_file_of_one_s_own_is_imported(
    files: dict[str, Any],
    table: Table,
    tmp_path: Path,
    snas: Snas,
) -> None:
    path = tmp_path / "data-full.json"
    path.write_text(json.dumps(cut(files, 300)))
    found = snas("data", "import", "nb101", path, "--json")
    assert found.code == 0 and found.json["benchmarks"] == ["nb101-full"]
    bench = load("nb101-full")
    whole = space_named_of(table)
    assert bench.space.size == 300 and "300 of 423,624 cells" in bench.title
    places = [whole.index(whole.parse(cell.text)) for cell in bench.space.reference_sample]
    assert np.array_equal(bench.column("valid_error", 36), column(table, "valid_error", 36)[places])
    table_path("nb101-full").unlink()


@pytest.mark.slow
def test_a_file_of_all_cells_is_on_the_whole_space(
    files: dict[str, Any],
    tmp_path: Path,
    snas: Snas,
) -> None:
    """The real full file is not published with the sample; here are its hashes and sizes, and one
    accuracy for all.
    """
    assert files
    space = space_of_graphs()
    params = space.analytic["params"][1](space.choices, nb101._NETWORK)
    keys = [digest.tobytes().hex() for digest in hashes.all_hashes()]
    accuracy = (0.9 + 0.0000001 * np.arange(len(keys))).tolist()
    content = dict.fromkeys(FIELDS[:4], accuracy) | {
        "final_training_time": [1000.0] * len(keys),
        "key": keys,
    }
    path = tmp_path / "data-full.json"
    path.write_text(json.dumps(content | {"trainable_parameters": params.astype(int).tolist()}))
    assert snas("data", "import", "nb101", path, "--json").code == 0
    bench = load("nb101-full")
    assert (
        bench.space is space
        and "all 423,624 cells" in bench.title
        and "sampled" not in bench.banner
    )
    assert (
        bench.query("inception", "valid_error")
        == bench.column("valid_error")[space.reference.index]
    )
    for strategy in ("evolution", "local_search", "guided", "bo", "reinforce"):
        found = snas(
            "search",
            "nb101-full",
            "--strategy",
            strategy,
            "--objective",
            "valid_error",
            "--budget",
            20,
            "--json",
        )
        assert found.code == 0 and found.json["regret"] >= 0, found.err
    table_path("nb101-full").unlink()


def _drop(held: dict[str, Any]) -> None:
    del held["36_final_validation_accuracy"]


def _swap(held: dict[str, Any]) -> None:
    held["key"][3], held["key"][4] = held["key"][4], held["key"][3]


def _unlike(held: dict[str, Any]) -> None:
    for values in held.values():
        values[4] = values[3]
    held["final_training_time"][4] += 1


def _shorter(held: dict[str, Any]) -> None:
    held["final_training_time"].pop()


def _unknown(held: dict[str, Any]) -> None:
    held["key"][3] = "0" * 32


def _no_hash(held: dict[str, Any]) -> None:
    held["key"][3] = "xyz"


def _no_digits(held: dict[str, Any]) -> None:
    held["key"][3] = "z" * 32


def _too_accurate(held: dict[str, Any]) -> None:
    held["4_final_validation_accuracy"][3] = 1.5


def _text(held: dict[str, Any]) -> None:
    held["4_final_validation_accuracy"][3] = "1"


def _no_number(held: dict[str, Any]) -> None:
    held["4_final_validation_accuracy"][3] = float("nan")


def _no_time(held: dict[str, Any]) -> None:
    held["final_training_time"][3] = 0


def _empty(held: dict[str, Any]) -> None:
    held["key"].clear()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_drop, "36_final_validation_accuracy"),
        (_swap, "is said to have .* parameters, but has"),
        (_unlike, "is there twice, with different values"),
        (_shorter, "final_training_time is no list as long as"),
        (_unknown, "is the hash of no cell"),
        (_no_hash, "'xyz' is no hash of 32 digits"),
        (_no_digits, "non-hexadecimal"),
        (_too_accurate, "accuracies are shares of 1"),
        (_text, "'1', which is no number"),
        (_no_number, "NaN is no number"),
        (_no_time, "more than 0 seconds"),
        (_empty, "no object with a list key"),
    ],
)
def test_a_spoilt_file_is_refused(
    files: dict[str, Any],
    tmp_path: Path,
    spoil: Any,
    message: str,
    snas: Snas,
) -> None:
    held = {field: list(values) for field, values in cut(files, 20).items()}
    spoil(held)
    path = tmp_path / "data-full.json"
    path.write_text(json.dumps(held))
    with pytest.raises(UserError, match=message) as caught:
        nb101.imported(path)
    assert "\n" not in str(caught.value)
    assert snas("data", "import", "nb101", path).code == 2 and not table_path("nb101-full").exists()


def test_what_is_no_file_of_records_is_refused(own_home: Path, tmp_path: Path) -> None:
    assert own_home.is_dir()
    path = tmp_path / "x.json"
    for content in (b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"key": 3}'):
        path.write_bytes(content)
        with pytest.raises(UserError, match="is damaged, or no file of NAS-Bench-101's records"):
            nb101.imported(path)
    with pytest.raises(UserError, match="Cannot read .*Run snas data fetch nb101"):
        nb101.imported(tmp_path / "nowhere.json")
