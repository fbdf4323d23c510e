"""NAS-Bench-101's table: what the published files hold, found by hash, nothing else, and bad files
refused.
"""

import json

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks import TableBenchmark, load
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import table_path
from surrogate_nas.space import Sampled, space_named
from surrogate_nas.space.nb101 import graphs
from surrogate_nas.space.network import Network
from surrogate_nas.tables import ColumnKey, write_table
from surrogate_nas.tables.sources import fetching, nb101


@pytest.fixture(scope="module")
def files(fetched_nb101):
    """The published files, which are checked by sha256, by their names, read without the code under
    test.
    """
    assert fetched_nb101
    return {
        path.name: json.loads(path.read_bytes()) for path in fetching.files("nb101")
    }


@pytest.fixture(scope="module")
def table(files):
    assert files
    made = nb101.read("nb101")
    write_table(made, table_path("nb101"))
    return made


@pytest.fixture(scope="module")
def bench(table):
    found = load(table.name)
    assert isinstance(found, TableBenchmark)
    return found


def column(table, metric, epochs):
    return table.columns[ColumnKey(metric, epochs, "mean")]


def space_named_of(table):
    space = space_named(table.space)
    assert isinstance(space, Sampled)
    return space


@pytest.mark.slow
def test_a_cell_without_a_value(bench, snas):
    absent = snas("query", "nb101", "inception", "--metric", "valid_error")
    assert (
        absent.code == 2
        and "but not one of the 30,001 available" in absent.err
        and absent.err.count("\n") == 1
    )
    cell = bench.space[100]
    assert (
        bench.query(cell, "valid_error", epochs=12)
        == bench.column("valid_error", 12)[100]
    )


# Files of a user's own


@pytest.mark.slow
def test_a_file_of_one_s_own_is_imported(files, table, tmp_path, snas):
    path = tmp_path / "data-full.json"
    few = {field: values[:300] for field, values in files["data-20k.json"].items()}
    path.write_text(json.dumps(few))
    found = snas("data", "import", "nb101", path, "--json")
    assert found.code == 0 and found.json["benchmarks"] == ["nb101-full"]
    bench = load("nb101-full")
    whole = space_named_of(table)
    assert bench.space.size == 300 and "300 of 423,624 cells" in bench.title
    places = [
        whole.index(whole.parse(cell.text)) for cell in bench.space.reference_sample
    ]
    assert np.array_equal(
        bench.column("valid_error", 36), column(table, "valid_error", 36)[places]
    )
    table_path("nb101-full").unlink()


@pytest.mark.slow
def test_a_file_of_all_cells_is_on_the_whole_space(own_home, tmp_path, snas):
    """The real full file is not published with the sample; here are its hashes and sizes, and one
    accuracy for all.
    """
    assert own_home.is_dir()
    space = space_named("nb101")
    params = space.analytic["params"][1](
        space.choices, Network(channels=128, cells_per_stage=3)
    )
    keys = [digest.tobytes().hex() for digest in graphs.all_hashes()]
    accuracy = (0.9 + 0.0000001 * np.arange(len(keys))).tolist()
    content = {
        **{
            f"{epochs}_final_validation_accuracy": accuracy
            for epochs in (4, 12, 36, 108)
        },
        "final_training_time": [1000.0] * len(keys),
        "trainable_parameters": params.astype(int).tolist(),
        "key": keys,
    }
    path = tmp_path / "data-full.json"
    path.write_text(json.dumps(content))
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
    found = sn.search(bench, "bo", "valid_error", budget=20)
    assert len(found.trials) == 20
    table_path("nb101-full").unlink()


def test_what_is_no_file_of_records_is_refused(own_home, tmp_path):
    assert own_home.is_dir()
    path = tmp_path / "x.json"
    for content in (b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"key": 3}'):
        path.write_bytes(content)
        with pytest.raises(
            UserError,
            match="is damaged, or not a valid file of NAS-Bench-101's records",
        ):
            nb101.imported(path)
    with pytest.raises(UserError, match="Cannot read .*Run snas data fetch nb101"):
        nb101.imported(tmp_path / "nowhere.json")
