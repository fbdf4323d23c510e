"""Sampled spaces and the tables on them: what is held, as the files have it, nothing else, and bad
files refused.
"""

import base64
import json
import pickle
import tarfile

import numpy as np
import pytest

from surrogate_nas import contract
from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import table_path
from surrogate_nas.objective import Objective
from surrogate_nas.space import choices_of, nb201, space_named
from surrogate_nas.space.network import Network
from surrogate_nas.space.product import _MOST_PAIRED, NEAREST
from surrogate_nas.tables import Table, TableFile, write_table
from surrogate_nas.tables.sources import accel, fetching, nbmr
from tests.sampled_space import WIDE, sampled

MNASNET = space_named("mnasnet")
MULTI_RESOLUTION = space_named("nbmr")


def a_table(space=None):
    space = space or sampled()
    table = Table(
        "part",
        space.definition,
        "t",
        "s",
        "l",
        "c",
        "valid_error",
        Network(),
        cost="queries",
    )
    table.add(
        Metric("valid_error", "%", "search", "error"),
        None,
        np.linspace(90, 10, len(space)),
    )
    latency = np.linspace(1.0, 2.0, len(space))
    latency[3] = np.nan
    table.add(Metric("latency@mine", "ms", "search", "cost"), None, latency)
    return table


# Sampled spaces


def test_a_sampled_space_keeps_the_contract():
    found = contract.check(sampled())
    assert not [check for check in found if not check.passed]


def test_neighbours_are_the_nearest_either_way():
    space = sampled()
    choices = space.choices.astype(int)
    n = len(space)

    def nearest(i):
        differing = (choices != choices[i]).sum(axis=1)
        steps = np.abs(choices - choices[i]).sum(axis=1)
        order = sorted(
            (differing[j], steps[j], (j - i) % n, j) for j in range(n) if j != i
        )
        return {j for *_, j in order[:NEAREST]}

    near = [nearest(i) for i in range(n)]
    for i, cell in enumerate(space):
        expected = [j for j in range(n) if j in near[i] or i in near[j]]
        assert [other.index for other in space.neighbours(cell)] == expected


def test_neighbours_of_very_many_cells_are_the_nearest_one_way():
    space = sampled(_MOST_PAIRED + 1)
    choices = space.choices.astype(int)
    n = len(space)
    for i in (0, 17, n - 1):
        differing = (choices != choices[i]).sum(axis=1)
        steps = np.abs(choices - choices[i]).sum(axis=1)
        order = np.lexsort([(np.arange(n) - i) % n, steps, differing])
        found = [cell.index for cell in space.neighbours(space[i])]
        assert found == order[1 : NEAREST + 1].tolist()
    assert "_graph" not in vars(space), "the pairs of all cells are not compared"


def test_few_cells_are_all_neighbours():
    one = sampled(1)
    three = sampled(3)
    assert list(one.neighbours(one[0])) == []
    assert list(three.neighbours(three[1])) == [three[0], three[2]]


def test_a_definition_opens_as_the_same_space():
    space = sampled()
    again = space_named(space.definition)
    assert again == space and again is not space and hash(again) == hash(space)
    assert [str(cell) for cell in again] == [str(cell) for cell in space]
    assert pickle.loads(pickle.dumps(space)) == space
    assert space != sampled(seed=1)


def test_what_is_not_held_is_told_from_what_is_no_cell():
    space = sampled()
    absent = next(
        cell
        for cell in map(WIDE.at, np.ndindex((4,) * 8))
        if cell.text not in {c.text for c in space}
    )
    with pytest.raises(
        UserError,
        match=r"is a cell of the space wide, but not one of the 60 available ones \(of 6\.55e\+04",
    ):
        space.parse(absent.text)
    with pytest.raises(UserError, match="but not one of the"):
        space.cell(absent.choices)
    with pytest.raises(
        UserError, match="Malformed cell.*a cell of the space wide reads"
    ):
        space.parse(str(nb201()[0]))
    assert absent not in space and space[0] in space


def held(rows):
    """Rows of choices as a definition lists them."""
    return base64.b64encode(np.asarray(rows, dtype=np.int8).tobytes()).decode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"of": WIDE.definition, "held": "?"}, "does not describe a space"),
        ({"of": WIDE.definition, "held": held([0] * 7)}, "does not describe a space"),
        ({"of": WIDE.definition, "held": ""}, "at least one is needed"),
        (
            {"of": WIDE.definition, "held": held(np.zeros((1_000_001, 8)))},
            "at most 1,000,000 cells",
        ),
        ({"of": WIDE.definition, "held": held([4] * 8)}, "not in the space wide"),
        ({"of": WIDE.definition, "held": held([-1] * 8)}, "not in the space wide"),
        ({"of": WIDE.definition, "held": held([[1] * 8, [1] * 8])}, "wide twice"),
        ({"of": WIDE.definition, "held": 7}, "does not describe a space"),
        ({"of": 7, "held": held([0] * 8)}, "does not describe a space"),
        ({"of": "nowhere", "held": held([0] * 8)}, "space"),
        (
            {"of": sampled().definition, "held": held([0] * 8)},
            "not a complete ChoiceSpace",
        ),
        ({"of": WIDE.definition}, "does not describe a space"),
    ],
)
def test_a_malformed_definition_is_refused(content, message):
    with pytest.raises(UserError, match=message) as caught:
        space_named(json.dumps(content))
    assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)


# Tables on them


def test_a_table_holds_its_cells_and_opens_as_a_benchmark(tmp_path):
    space = sampled()
    write_table(a_table(space), tmp_path / "t.h5")
    bench = TableBenchmark(tmp_path / "t.h5")
    assert bench.space == space and bench.describe()["cells"] == 60
    assert (
        bench.query(str(space[7]), "valid_error").value
        == bench.column("valid_error")[7]
    )
    with pytest.raises(UserError, match="but not one of the"):
        bench.query(
            next(c for c in map(WIDE.at, np.ndindex((4,) * 8)) if c not in space),
            "valid_error",
        )
    with pytest.raises(
        UserError,
        match=r"has no latency@mine for wide\(.*it has values for 59 of 60 cells",
    ):
        bench.query(space[3], "latency@mine")
    with pytest.raises(UserError, match="has latency@mine for 59 of 60 cells only"):
        Objective("valid_error + 0.1*latency@mine", bench)


def test_other_cells_in_a_file_are_noticed(tmp_path):
    path = tmp_path / "t.h5"
    table = a_table()
    table.space = sampled(59).definition
    write_table(table, path)
    with pytest.raises(
        UserError, match="is for 60 cells, but its space wide-59 has 59"
    ):
        TableFile(path)
    assert a_table(sampled(seed=1)).digest() != a_table().digest()


def test_a_file_of_ones_own_can_hold_some_cells_of_a_space(snas, tmp_path):
    cells = [
        str(MULTI_RESOLUTION.sample(np.random.default_rng(seed))) for seed in range(30)
    ]
    path = tmp_path / "mine.csv"
    path.write_text(
        "cell,valid_error\n"
        + "".join(f"{cell},{40 + i / 7}\n" for i, cell in enumerate(cells))
    )
    made = snas(
        "data", "import", "csv", path, "--name", "mine-mr", "--space", "nbmr", "--json"
    )
    assert made.code == 0, made.err
    bench = TableBenchmark(table_path("mine-mr"))
    assert [
        str(cell) for cell in bench.space
    ] == cells and "among 30 architectures" in bench.banner
    assert bench.column("valid_error").tolist() == [40 + i / 7 for i in range(30)]
    path.write_text(path.read_text() + f"{cells[3]},1\n8_8,2\n")
    refused = snas(
        "data", "import", "csv", path, "--name", "mine-mr", "--space", "nbmr"
    )
    assert refused.code == 2
    assert (
        f"2 wrong entries: row 31: the cell of row 4 again, {cells[3]}; row 32:"
        in refused.err
    )
    assert "Malformed" in refused.err


# NAS-Bench-MR


@pytest.fixture(scope="module")
def fetched_files(mirror, own_home):
    """The fetched files of both sources, which are checked by sha256."""
    assert mirror.is_dir() and own_home.is_dir()
    return {source: list(fetching.fetch(source)) for source in ("nbmr", "accel")}


def test_sizes_of_nas_bench_mr_are_the_recorded_ones(fetched_files):
    table = nbmr.read("nbmr-seg")
    space = space_named(table.space)
    params = space.analytic["params"][1](space.choices, table.network)
    (path,) = (path for path in fetched_files["nbmr"] if path.parent.name == "seg")
    recorded = [1e6 * record["params"] for record in pickle.loads(path.read_bytes())]
    assert np.array_equal(np.round(params), np.round(recorded))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("64_64", "Malformed cell"),
        (
            "9_64-2_1_2_64-2_2_2_2_64_64-2_3_2_2_2_64_64_64-2_4_2_2_2_2_64_64_64_64-64",
            "input1 .*not '9'",
        ),
        (
            "64_64-5_1_2_64-2_2_2_2_64_64-2_3_2_2_2_64_64_64-2_4_2_2_2_2_64_64_64_64-64",
            "modules1 .*not '5'",
        ),
        (
            "64_64-2_2_2_64-2_2_2_2_64_64-2_3_2_2_2_64_64_64-2_4_2_2_2_2_64_64_64_64-64",
            "Malformed cell",
        ),
    ],
)
def test_what_is_no_network_of_several_resolutions_is_refused(text, message):
    with pytest.raises(UserError, match=message):
        MULTI_RESOLUTION.parse(text)


# Accel-NASBench


def test_parameters_of_mnasnet_are_the_recorded_ones(fetched_files):
    network = accel.read("accel-imagenet").network

    def params(cell):
        return float(MNASNET.analytic["params"][1](choices_of([cell]), network)[0])

    assert params(MNASNET.reference) == 5_288_548, "EfficientNet-B0 as published"
    with tarfile.open(fetched_files["accel"][0]) as packed:
        files = [packed.extractfile(member) for member in packed if member.isfile()]
        records = [json.load(file) for file in files[::50] if file]
    for record in records:
        cell = accel._cell(record["architecture"])
        assert params(cell) == round(1e6 * record["model_info"]["params"])
