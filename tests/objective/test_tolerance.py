"""λ by a tolerance: what it is for any L, that it becomes a plain number, and what is refused."""

import json

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.objective import Objective
from surrogate_nas.space import EnumerableChoiceSpace
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table, write_table
from tests.conftest import assert_one_clear_line

SPACE = EnumerableChoiceSpace("tiny", {name: tuple(range(5)) for name in "abc"})
N = len(SPACE)


@pytest.fixture
def bench(tmp_path):
    """Errors of 10 to 50 %, a loss of 4 times the fraction, an accuracy, and two costs."""
    table = Table("mine", SPACE.definition, "t", "s", "MIT", "c", "valid_error", Network())
    order = np.random.default_rng(0).permutation(N)
    error = np.linspace(10, 50, N)[order]
    table.add(Metric("valid_error", "%", "search", "error"), 9, error)
    table.add(Metric("valid_loss", "nats", "search", "loss"), 9, 0.04 * error)
    table.add(Metric("valid_accuracy", "%", "search", "quality"), 9, 100 - error)
    table.add(Metric("flat", "nats", "search", "loss"), 9, np.full(N, 1.0))
    table.add(Metric("test_error", "%", "final", "error"), 9, error)
    size = 1000.0 + 1000.0 * (50 - error) ** 2 / 400
    table.add(Metric("size", "", "search", "structure"), None, size)
    table.add(Metric("latency@thing", "ms", "search", "cost"), None, np.full(N, 4.0))
    table.add(Metric("train_seconds", "s", "record", "cost"), 9, np.full(N, 9.0))
    write_table(table, tmp_path / "mine.h5")
    return TableBenchmark(tmp_path / "mine.h5")


def test_in_l_s_own_unit_it_is_the_share_alone(bench):
    half = Objective("valid_error", bench, tolerance="50% size per 1 valid_error")
    assert str(half) == "valid_error[9] + 0.02*size"
    whole = Objective("valid_error", bench, tolerance="8 latency@thing per 1 valid_error")
    assert str(whole) == "valid_error[9] + 0.005*latency@thing", "twice the median of 4 ms"
    both = "100% size per 1 valid_error and 4 latency@thing per 0.5 valid_error"
    two = Objective("valid_error", bench, tolerance=both)
    assert str(two) == "valid_error[9] + 0.01*size + 0.005*latency@thing"


@pytest.mark.parametrize(
    ("loss", "weight"),
    [
        ("valid_loss", "0.04"),
        ("valid_accuracy", "0.01"),
        ("0.5*valid_loss", "0.02"),
        ("valid_loss + valid_error", "0.05"),
        ("valid_loss + valid_accuracy", "0.05"),
    ],
)
def test_of_another_l_it_is_what_cells_differ_by(loss, weight, bench):
    made = Objective(loss, bench, tolerance="100% size per 1 valid_error")
    assert made.part_text(0).endswith(f" + {weight}*size")


def test_the_optimum_is_the_same_cell_whatever_the_loss_is_measured_in(bench):
    def best(expression, tolerance=None):
        scores = Objective(expression, bench, tolerance=tolerance).over_space()
        assert scores is not None
        return int(scores.score.argmin())

    by_error = best("valid_error", "5% size per 1 valid_error")
    for loss in ("valid_loss", "valid_accuracy"):
        assert best(loss, "5% size per 1 valid_error") == by_error
    assert best("valid_error + 0.2*size") == by_error
    assert best("valid_loss + 0.2*size") != by_error, "the same λ does not"


def test_it_is_said_and_becomes_a_number_that_is_read_back(bench, capsys):
    made = Objective("valid_loss", bench, tolerance="30% size per 1 valid_error")
    said = "By the tolerance 30% size per 1 valid_error the objective has 0.133*size.\n"
    assert capsys.readouterr().err == said
    described = made.describe()
    again = Objective(described["expression"], bench)
    assert again.fingerprint == made.fingerprint and again.describe() == described
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("tolerance", "said"),
    [
        ("100% size", "expected 100% params per 1 valid_error, found '100% size'"),
        ("0% size per 1 valid_error", "A tolerance is above 0"),
        ("1% size per -1 valid_error", "A tolerance is above 0"),
        ("1% size per 1 valid_error or", "found '1% size per 1 valid_error or'"),
        ("1% diversity per 1 valid_error", "diversity is no metric of a cell"),
        ("100% size per 1 test_error", "not per test_error"),
        ("100% size per 1 latency@thing", "not per latency@thing"),
        ("100% valid_error per 1 valid_loss", "not of valid_error"),
        ("100% size per 1 flat", "flat\\[9\\] does not differ"),
        ("100% sise per 1 valid_error", "Did you mean 'size'"),
        ("100% size per 1 valid_error[3]", "for runs of 9 epochs, not 3"),
        (
            "1% size per 1 valid_error and 2% size per 1 valid_error",
            "size has a weight already",
        ),
    ],
)
def test_what_tells_no_weight_is_refused(tolerance, said, bench):
    with pytest.raises(UserError, match=said) as error:
        Objective("valid_loss", bench, tolerance=tolerance)
    assert "\n" not in str(error.value)


def test_one_objective_without_the_term_is_wanted(bench):
    tolerance = "100% size per 1 valid_error"
    with pytest.raises(UserError, match="of one objective, not of several"):
        Objective("valid_error, size", bench, tolerance=tolerance)
    with pytest.raises(UserError, match="size has a weight already"):
        Objective("valid_error + 0.1*size", bench, tolerance=tolerance)
    with pytest.raises(UserError, match="flat.* does not differ"):
        Objective("flat", bench, tolerance=tolerance)
    with pytest.raises(UserError, match="complete; give its expression"):
        sn.search(bench, "random", Objective("valid_error", bench), tolerance=tolerance)


def test_where_cells_are_trained_it_is_in_l_s_own_metric():
    def error(_):
        raise AssertionError("nothing is trained for a tolerance")

    metrics = {"valid_error": error, "valid_loss": error, "latency@thing": lambda _: 4.0}
    dear = sn.Computed(SPACE, metrics, cheap=["latency@thing"])
    own = Objective("valid_error", dear, tolerance="2 latency@thing per 1 valid_error")
    assert str(own) == "valid_error + 0.02*latency@thing"
    with pytest.raises(
        UserError, match="no table, so how far its cells differ is not known"
    ):
        Objective("valid_error", dear, tolerance="2 latency@thing per 1 valid_loss")


def test_commands_take_it(bench, tmp_path, snas):
    file = tmp_path / "mine.h5"
    asked = ("--objective", "valid_loss", "--tolerance", "100% size per 1 valid_error")
    out = tmp_path / "results"
    outcome = snas(
        *("compare", file, "--strategies", "random", "--runs", 1, "--budget", 12, *asked),
        *("--out", out, "--json"),
    )
    assert outcome.code == 0 and "has 0.04*size." in outcome.err
    stored = json.loads((out / "experiment.json").read_text())
    assert stored["objective"]["expression"] == "valid_loss[9] + 0.04*size"
    wrong = snas("search", file, "random", "--tolerance", "100% size")
    assert_one_clear_line(wrong, "expected 100% params per 1 valid_error")
