"""TransNAS-Bench-101: its spaces, its tables against the public files, and every way that these can
be spoilt.
"""

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks.table import TableBenchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import table_path
from surrogate_nas.objective import Objective
from surrogate_nas.space import space_named
from surrogate_nas.tables import write_table
from surrogate_nas.tables.sources import fetching, transnas
from surrogate_nas.tables.sources.base import declared

TRANSNAS_MACRO = space_named("transnas-macro")
TRANSNAS_MICRO = space_named("transnas-micro")


def test_cells_are_listed_in_the_order_of_the_published_results():
    micro = TRANSNAS_MICRO
    macro = TRANSNAS_MACRO
    assert (len(micro), len(macro)) == (4096, 3256)
    assert (
        str(micro[0b011011]) == "64-41414-0_00_123"
        and str(micro[4095]) == "64-41414-3_33_333"
    )
    assert [str(macro[i]) for i in (0, 1, 3255)] == [
        "64-4111-basic",
        "64-2311-basic",
        "64-113444-basic",
    ]
    lengths = [len(str(cell)) for cell in macro]
    assert lengths == sorted(lengths)


@pytest.mark.parametrize(
    ("space", "text", "told"),
    [
        (TRANSNAS_MICRO, "64-41414-1_02_334", "reads 64-41414-a_bc_def"),
        (TRANSNAS_MICRO, "64-1234-basic", "reads 64-41414-a_bc_def"),
        (TRANSNAS_MACRO, "64-41414-1_02_333", "reads 64-1234-basic"),
        (TRANSNAS_MACRO, "64-1111-basic", "one to three modules must double"),
        (TRANSNAS_MACRO, "64-33333-basic", "one to three modules must double"),
        (TRANSNAS_MACRO, "64-443-basic", "four to six digits"),
    ],
)
def test_a_cell_of_another_space_is_refused(space, text, told):
    with pytest.raises(UserError, match=told):
        space.parse(text)


def test_all_macro_cells_are_within_reach_of_one_another():
    space = TRANSNAS_MACRO
    seen = {0}
    waiting = [0]
    while waiting:
        around = {cell.index for cell in space.neighbours(space[waiting.pop()])} - seen
        seen |= around
        waiting += around
    assert len(seen) == len(space)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("3_01_001", "3_00_010", True),  # a skip between inner nodes is nothing
        (
            "0_10_003",
            "0_00_300",
            False,
        ),  # one from the input has weights where the width changes
        ("3_33_000", "0_00_000", True),  # nothing arrives
        ("3_00_033", "3_00_030", True),  # node 2 is empty
        ("2_30_022", "3_20_022", True),  # nodes change places
        ("2_30_023", "3_20_023", False),
        ("3_03_033", "3_03_003", False),
    ],
)
def test_cells_that_compute_the_same_have_one_identity(one, other, same):
    space = TRANSNAS_MICRO
    cells = [space.parse(f"64-41414-{text}") for text in (one, other)]
    assert (space.identity(cells[0]) == space.identity(cells[1])) == same
    assert (space.classes[cells[0].index] == space.classes[cells[1].index]) == same
    assert (space.similarity(*cells) == 1) == same


@pytest.fixture(scope="module")
def tables(mirror, own_home):
    """All tables of the source, and their files in the session's home."""
    assert mirror.is_dir() and own_home.is_dir()
    fetching.fetch("transnas")
    made = {name: transnas.read(name) for name in declared("transnas").names}
    for name, table in made.items():
        write_table(table, table_path(name))
    yield made
    for name in made:
        table_path(name).unlink()


def test_cells_of_equal_results_are_of_one_functional_class(tables):
    classes = TRANSNAS_MICRO.classes
    columns = [
        values
        for name, table in tables.items()
        for key, values in table.columns.items()
        if name.startswith("transnas-micro")
        and "segment" not in name
        and "@" in key.metric
    ]
    _, results = np.unique(np.column_stack(columns), axis=0, return_inverse=True)
    assert results.max() + 1 == 2994
    assert len(set(zip(results.tolist(), classes.tolist(), strict=True))) == 2994
    assert classes.max() + 1 == 1376


def test_a_quality_and_a_size_make_an_objective(tables):
    assert tables
    bench = TableBenchmark(table_path("transnas-micro-segmentsemantic"))
    objective = Objective("valid_miou@best + 0.1*model_params", bench)
    quality = bench.column("valid_miou@best")
    size = bench.column("model_params")
    expected = 1 - quality / 100 + 0.1 * size / np.median(size)
    scores = objective.over_space()
    assert scores is not None and scores.score == pytest.approx(expected)
    run = sn.search(bench, "random", "valid_miou@best", budget=5)
    seconds = [bench.query(trial.cell, "train_seconds") for trial in run.trials]
    assert [trial.cost for trial in run.trials] == pytest.approx(seconds)
