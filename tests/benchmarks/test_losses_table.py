"""The table of losses: rounds, what a crash costs, tables of whatever there is, and what was
predicted says so.
"""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from analysis.answer.design import read_design
from analysis.answer.tables import train_rounds, write_tables
from surrogate_nas.benchmarks import load
from surrogate_nas.benchmarks.losses import (
    FilledBenchmark,
    FilledTable,
    Losses,
    LossesBenchmark,
)
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import HOME_VARIABLE
from surrogate_nas.objective import Objective
from surrogate_nas.space import Sampled, nb201
from surrogate_nas.space.network import Network
from surrogate_nas.tables import ColumnKey, Table, read_compact, write_compact

TASK = f"{Path(__file__).parents[1].joinpath('tiny_task.py')}:TINY"
LOSSES = ("focal", "brier")
DESIGN = f"""
[[steps]]
tasks = ["{TASK}"]
losses = "all"
classes = 14
seeds = 1

[[steps]]
tasks = ["{TASK}"]
losses = "all"
classes = 11
seeds = 2
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home in which a small table of losses was made by one worker."""
    before = os.environ.get(HOME_VARIABLE, "")
    folder = tmp_path_factory.mktemp("losses")
    os.environ[HOME_VARIABLE] = str(folder)
    (folder / "design.toml").write_text(DESIGN)
    pairs = [
        pair for pair in read_design(folder / "design.toml") if pair.loss in LOSSES
    ]
    assert train_rounds([pair.plan for pair in pairs]) == {}
    write_tables(pairs, folder / "losses")
    yield folder
    os.environ[HOME_VARIABLE] = before


@pytest.fixture
def exact(made):
    assert made.is_dir()
    bench = load("losses-tiny/trained")
    assert isinstance(bench, LossesBenchmark)
    return bench


@pytest.fixture
def filled(made):
    assert made.is_dir()
    bench = load("losses-tiny")
    assert isinstance(bench, FilledBenchmark)
    return bench


def test_a_table_of_losses_tells_what_each_training_told(exact):
    assert len(exact.space) == 14 and exact.objective == "valid_loss@focal + 0.1*params"
    answer = exact.query(exact.space[0], "valid_error@brier")
    assert (answer.n_seeds, answer.unit) == (1, "%")
    assert answer == exact.query(exact.space[0], "valid_error@brier", training_seed=0)
    assert np.isfinite(exact.column("valid_loss@brier", training_seed=1)).sum() == 11
    assert exact.banner == "" and exact.metric("test_error@brier").kind == "final"


def test_what_is_predicted_says_so_and_is_no_result(filled, exact):
    space = filled.space
    trained = filled.column("trained") == 1
    assert (
        14 <= trained.sum() < 100
        and f"Only {trained.sum()} of the 15,625 cells" in filled.banner
    )
    classes = space.classes
    assert classes is not None
    errors = filled.column("valid_error@brier")
    assert np.isfinite(errors).all()
    for cell in exact.space:
        twins = np.flatnonzero(classes == classes[space.index(str(cell))])
        assert trained[twins].all() and set(errors[twins]) == {
            exact.query(cell, "valid_error@brier").value
        }
    known = space[int(np.flatnonzero(trained)[0])]
    unknown = space[int(np.flatnonzero(~trained)[0])]
    assert filled.query(known, "valid_error@brier").n_seeds == 1
    answer = filled.query(unknown, "valid_error@brier")
    assert answer.n_seeds == 0 and "predicted" in answer.source
    assert (
        filled.query(known, "valid_error@brier").source
        == "tiny?loss=brier, trained by this project"
    )
    assert (
        set(filled.final(unknown).values()) == {None}
        and None not in filled.final(known).values()
    )
    with pytest.raises(UserError, match="has no test_error@brier"):
        filled.query(unknown, "test_error@brier")
    assert [
        filled.metric(f"{split}_error@brier").n_cells for split in ("valid", "test")
    ] == [
        15625,
        trained.sum(),
    ]
    assert (
        filled.fingerprint != exact.fingerprint
        and filled.seeds(filled.question("valid_error@brier")) == ()
    )


def test_predictions_are_kept_and_repeat(filled, made):
    key = ColumnKey("valid_loss@focal", 1, "mean")
    first = filled.column("valid_loss@focal", 1)
    (kept,) = (made / "losses" / "predicted").glob("*-valid_loss@focal-1.npy")
    table = FilledTable(read_compact(made / "losses" / "tiny.h5"))
    assert np.array_equal(table.column(key), first)
    np.save(kept, np.zeros(3))
    assert np.array_equal(table.column(key), first) and np.array_equal(
        np.load(kept).min() > 0, True
    )


def test_every_loss_that_is_read_is_a_training_to_pay(exact):
    def cost(*names):
        return exact.measure(
            list(exact.space), [exact.question(name) for name in names]
        ).cost

    seconds = {
        loss: exact.column(f"train_seconds@{loss}")
        + exact.column(f"valid_seconds@{loss}")
        for loss in LOSSES
    }
    assert np.allclose(
        cost("valid_loss@focal", "valid_error@focal", "params"),
        seconds["focal"],
    )
    assert np.allclose(
        cost("valid_loss@focal", "valid_error@brier"),
        seconds["focal"] + seconds["brier"],
    )
    assert not cost("params").any()
    assert Objective("valid_loss@focal + 0.1*params", exact).questions()[
        0
    ] == exact.question("valid_loss@focal")


def test_training_on_costs_the_difference(fresh_home):
    write_compact(curves(20), fresh_home / "losses" / "curves.h5")
    bench = load("losses-curves/trained")
    cell = bench.space[3]
    cost = {
        e: bench.measure([cell], [bench.question("valid_loss@one", e)]).cost[0]
        for e in (1, 3)
    }
    assert cost == {1: pytest.approx(2.5 + 0.5), 3: pytest.approx(7.5 + 0.5)}
    assert bench.continued(cell, 1, 3, ["valid_loss@one"]) == pytest.approx(5 + 0.5)
    assert bench.continued(
        cell, 1, 3, ["valid_loss@one", "valid_loss@two"]
    ) == pytest.approx(2 * 5.5)
    assert pickle.loads(pickle.dumps(bench)) is bench


def curves(
    n,
    losses=("one", "two"),
    metrics=1,
    epochs=3,
):
    """Made-up curves: 2.5 s an epoch, half a second a pass."""
    rng = np.random.default_rng(1)
    space = nb201()
    cells = rng.permutation(len(space))[:n]
    table = Table(
        "losses-curves",
        Sampled(space, space.choices[cells]).definition,
        "t",
        "s",
        "l",
        "c",
        f"valid_loss@{losses[0]}",
        Network(),
        epochs="curve",
    )
    for loss in losses:
        for epoch in range(1, epochs + 1):
            for number in range(metrics):
                values = np.exp(0.4 * rng.standard_normal(n)) + 1 / epoch
                second = np.where(
                    np.arange(n) < n // 5, values * rng.uniform(0.9, 1.1, n), np.nan
                )
                name = f"valid_loss{number or ''}@{loss}"
                table.add(
                    Metric(name, "nats", "search", "loss"),
                    epoch,
                    values,
                    1,
                    {0: values, 1: second},
                )
        for name, seconds in (("train_seconds", 7.5), ("valid_seconds", 0.5)):
            column = np.full(n, seconds)
            table.add(
                Metric(f"{name}@{loss}", "s", "record", "cost"),
                epochs,
                column,
                1,
                {0: column},
            )
    return table


def test_a_compact_table_keeps_four_digits_and_what_is_missing(tmp_path):
    table = curves(50)
    path = tmp_path / "table.h5"
    write_compact(table, path)
    held = read_compact(path)
    assert (
        held.keys == table.columns.keys()
        and held.metrics == table.metrics
        and held.name == table.name
    )
    for key, column in table.columns.items():
        assert np.array_equal(np.isnan(column), np.isnan(held.column(key)))
        assert np.allclose(
            column, held.column(key), rtol=2e-3, atol=5e-4, equal_nan=True
        )
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(UserError, match="is damaged"):
        read_compact(path)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="is damaged"):
        read_compact(path)
    with pytest.raises(UserError, match="There is no table"):
        read_compact(tmp_path / "none.h5")


def test_fifty_pairs_of_a_thousand_classes_take_less_than_six_megabytes(tmp_path):
    write_compact(
        curves(1000, losses=("one", "two"), metrics=8, epochs=5), tmp_path / "table.h5"
    )
    assert (tmp_path / "table.h5").stat().st_size / 2 < 6e6 / 50


def test_a_comparison_on_predicted_cells_says_so(snas, made):
    assert {"losses-tiny", "losses-tiny/trained"} <= {*Losses().names()}
    out = made / "compared"
    words = [
        "--strategies",
        "random",
        "--runs",
        1,
        "--budget",
        8,
        "--out",
        out,
        "--json",
    ]
    objective = "valid_loss@brier + 0.1*params"
    compared = snas("compare", "losses-tiny", "--objective", objective, *words)
    assert compared.json["strategies"][0]["evaluations"] == 8
    assert "For the other cells, search metrics are predicted" in compared.err
    assert (
        "For the other cells, search metrics are predicted"
        in (out / "report.html").read_text()
    )


def test_a_table_that_is_not_here_is_one_line():
    with pytest.raises(UserError, match="losses-nothing/trained does not exist"):
        load("losses-nothing/trained")
