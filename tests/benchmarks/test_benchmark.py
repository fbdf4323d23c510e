"""Queries: every shape of question, an answer that knows what it answers, and never a silent
substitute.
"""

import pickle

import numpy as np
import pandas
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks import Answer, TableBenchmark, available, load
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import table_path
from surrogate_nas.space.nb201 import ANALYTIC
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table, write_table

N = 15625


@pytest.fixture
def seeded(tmp_path):
    """A table with two seeds, one of which only half of the cells have."""
    table = Table("seeded", "nb201", "t", "s", network=Network(classes=10))
    both = {777: np.arange(N, dtype=float), 888: np.arange(N, dtype=float) + 2}
    both[888][N // 2 :] = np.nan
    counts = np.where(np.isfinite(both[888]), 2, 1).astype(np.int16)
    mean = np.nanmean(list(both.values()), axis=0)
    table.add(Metric("valid_error", "%", "search", "error"), 200, mean, counts, both)
    table.add(Metric("test_error", "%", "final", "error"), 200, mean, counts, both)
    for epochs in (12, 200):
        table.add(
            Metric("train_seconds", "s", "record", "cost"),
            epochs,
            np.full(N, 2.0 * epochs),
        )
    table.add(Metric("valid_seconds", "s", "record", "cost"), None, np.full(N, 3.0))
    holes = np.arange(N, dtype=float) + 1
    holes[7] = np.nan
    table.add(Metric("latency@thing", "ms", "search", "cost"), None, holes)
    write_table(table, tmp_path / "seeded.h5")
    return TableBenchmark(tmp_path / "seeded.h5")


def test_one_cell_one_metric_is_an_answer(seeded, space):
    answer = seeded.query(space[4], "valid_error", epochs=200, training_seed=888)
    assert isinstance(answer, Answer)
    assert answer == 6.0
    assert answer + 1 == 7.0
    assert answer.value == 6.0
    assert type(answer.value) is float
    assert (answer.cell, answer.metric, answer.epochs, answer.training_seed) == (
        space[4],
        "valid_error",
        200,
        888,
    )
    assert (answer.unit, answer.n_seeds) == ("%", 1)
    assert answer.to_json() == {
        "cell": str(space[4]),
        "metric": "valid_error",
        "epochs": 200,
        "training_seed": 888,
        "value": 6.0,
        "unit": "%",
        "source": answer.source,
        "n_seeds": 1,
    }


def test_the_shapes_of_a_query(seeded, space):
    one = space[1]
    two = space[2]
    assert (
        seeded.query(one, "valid_error") == seeded.query(str(one), "valid_error") == 2.0
    )
    assert seeded.query([one, str(two)], "valid_error") == [2.0, 3.0]
    assert seeded.query([], "valid_error") == []
    by_name = seeded.query(one, epochs=200)
    assert set(by_name) == {"valid_error", "latency@thing"} | set(ANALYTIC)
    assert all(answer.metric == name for name, answer in by_name.items())
    assert seeded.query([one, two], epochs=200)[1] == seeded.query(two, epochs=200)
    assert seeded.query(one, "params").n_seeds is None


def test_a_query_takes_options_and_a_data_frame_of_them(seeded, space):
    cells = [space[7], space[1]]
    frame = pandas.DataFrame([dict(cell) for cell in cells], index=[9, 3])
    assert seeded.query(frame, "valid_error") == seeded.query(cells, "valid_error")
    assert seeded.query(dict(cells[0]), "params") == seeded.query(7, "params")


@pytest.mark.parametrize("given", [b"7", np.array(7), 7.0, None])
def test_what_is_no_cell_and_no_list_is_refused(seeded, given):
    with pytest.raises(
        UserError, match="must be a cell, its text or its index, or a list"
    ):
        seeded.query(given, "valid_error")


def test_a_mean_says_how_many_seeds_it_is_over(seeded, space):
    assert seeded.query(space[0], "valid_error").n_seeds == 2
    assert seeded.query(space[0], "valid_error").training_seed == "mean"
    assert seeded.query(space[N - 1], "valid_error").n_seeds == 1


def test_no_seed_is_ever_imputed(seeded, space):
    assert seeded.query(space[N - 1], "valid_error", training_seed=777) == N - 1
    with pytest.raises(
        UserError,
        match=r"no valid_error\[200\] for .*seed 888.*values for 7812 of 15625",
    ):
        seeded.query(space[N - 1], "valid_error", training_seed=888)
    with pytest.raises(UserError, match="for the seeds 777, 888 and their mean"):
        seeded.query(space[0], "valid_error", training_seed=999)
    with pytest.raises(UserError, match="latency@thing"):
        seeded.query(space[7], "latency@thing")
    with pytest.raises(UserError, match=r"no valid_error\[200\] for .*seed 888"):
        seeded.query([space[0], space[N - 1]], training_seed=888)


def test_a_cost_that_a_cell_lacks_is_left_out_where_no_metric_is_named(seeded, space):
    whole, lacking = seeded.query([space[0], space[7]])
    assert (
        whole.keys() - lacking.keys() == {"latency@thing"}
        and lacking["valid_error"] == 8.0
    )


def test_no_training_run_stands_in_for_another(seeded, space):
    for epochs in (12, 0, 199, 201, -1):
        with pytest.raises(UserError, match=f"200 epochs, not {epochs}"):
            seeded.query(space[0], "valid_error", epochs=epochs)
    with pytest.raises(UserError, match="no search metric for trainings of 12 epochs"):
        seeded.query(space[0], epochs=12)


def test_unknown_names_are_user_errors_with_the_nearest(seeded, space):
    with pytest.raises(UserError, match="Did you mean 'valid_error'"):
        seeded.query(space[0], "valid_eror")
    with pytest.raises(UserError, match="Malformed cell"):
        seeded.query("|none|", "valid_error")
    with pytest.raises(UserError, match="Malformed cell"):
        seeded.query([space[0], "|none|"], "valid_error")


def test_a_column_is_the_whole_space_and_cannot_be_changed(seeded, space):
    column = seeded.column("valid_error", epochs=200, training_seed=777)
    assert column.shape == (len(space),)
    assert (column == np.arange(N)).all()
    assert (seeded.column("test_error") == seeded.column("valid_error")).all()
    with pytest.raises(ValueError, match="read-only"):
        column[0] = 1.0


def test_a_query_costs_its_training_run_and_one_validation_pass(seeded, space):
    def cost(*names):
        return seeded.measure(
            space[:2], [seeded.question(name) for name in names]
        ).cost.tolist()

    assert cost("valid_error") == [403.0, 403.0]
    assert cost("valid_error", "params", "latency@thing") == [403.0, 403.0]
    assert cost("valid_error", "test_error") == [403.0, 403.0], "one run, one charge"
    assert cost("params", "latency@thing") == [0.0, 0.0], "nothing is trained"


@pytest.mark.data
def test_the_mean_cost_at_twelve_epochs_is_the_published_convention(real, space):
    cost = real.measure(list(space), [real.question("valid_error", 12)]).cost
    assert cost.mean() == pytest.approx(112.84, abs=0.005)
    long = real.measure(list(space), [real.question("valid_error", 200)]).cost
    assert long.mean() > 10 * cost.mean()
    both = real.measure(
        list(space),
        [real.question("valid_error", 12), real.question("valid_error", 200)],
    ).cost
    assert both == pytest.approx(cost + long)


def test_analog_answers_cost_one_unit_each_and_carry_the_banner(analog, space):
    assert analog.cost_unit == "queries"
    assert (
        analog.measure(space[:9], [analog.question("analog_error")]).cost.tolist()
        == [1.0] * 9
    )
    assert "nothing held out" in analog.banner
    assert {m.kind for m in analog.metrics} == {"search"}
    answer = analog.query(space[3], "digital_error")
    assert (answer.epochs, answer.training_seed, answer.unit) == (None, None, "%")


def test_scales_are_median_and_maximum_over_the_whole_space(seeded):
    assert seeded.scale(seeded.question("params")) == (
        float(np.median(seeded.column("params"))),
        float(seeded.column("params").max()),
    )
    with pytest.raises(UserError, match="for 15624 of 15625 cells only"):
        seeded.scale(seeded.question("latency@thing"))


def test_a_benchmark_travels_to_another_process_by_its_path(seeded, space):
    assert len(pickle.dumps(seeded)) < 2000
    again = pickle.loads(pickle.dumps(seeded))
    assert again.fingerprint == seeded.fingerprint
    assert again.query(space[5], "valid_error") == seeded.query(space[5], "valid_error")


@pytest.mark.usefixtures("fresh_home")
def test_load_says_how_to_get_what_is_not_here():
    with pytest.raises(UserError, match="Did you mean 'nb201-cifar10'"):
        load("nb201-cifar")
    with pytest.raises(UserError, match="run snas data fetch transnas"):
        load("transnas-micro-jigsaw")
    listed = {b["name"]: b["available"] for b in available()}
    assert listed["transnas-micro-jigsaw"] is False
    assert listed["analog-cifar10"] is True and listed["nb201-cifar100"] is True


@pytest.mark.usefixtures("fresh_home")
def test_the_embedded_table_is_made_again_when_damaged():
    before = load("analog-cifar10").fingerprint
    table_path("analog-cifar10").write_bytes(b"half")
    assert load("analog-cifar10").fingerprint == before


@pytest.mark.usefixtures("fresh_home")
def test_a_changed_table_is_opened_anew(space):
    for value in (1.0, 2.0):
        table = Table("mine", "nb201", "t", "s", cost="queries")
        table.add(Metric("valid_error", "%", "search", "error"), 3, np.full(N, value))
        write_table(table, table_path("mine"))
        assert sn.load("mine").query(space[0], "valid_error") == value


def test_an_index_is_a_cell(seeded, space):
    assert seeded.query(4, "valid_error", training_seed=888) == 6.0
    assert seeded.query(
        [np.int64(4), space[5], str(space[6])], "valid_error", training_seed=777
    ) == [
        4.0,
        5.0,
        6.0,
    ]
    with pytest.raises(UserError, match="cells 0 to 15624, not 15625"):
        seeded.query(15625, "valid_error")
    with pytest.raises(UserError, match="cells 0 to 15624, not -1"):
        seeded.query([-1], "valid_error")
    with pytest.raises(UserError, match="not True"):
        seeded.query([True], "valid_error")
    with pytest.raises(
        UserError, match="is not enumerable, so its cells have no index"
    ):
        sn.load("live:digits/darts").query(0, "params")
