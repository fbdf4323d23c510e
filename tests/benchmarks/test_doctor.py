"""What the doctor of tables finds: planted faults, those of published files, and nothing where
there is nothing.
"""

import csv
import json
from itertools import product

import numpy as np
import pytest
from scipy.stats import kendalltau

import surrogate_nas as sn
from surrogate_nas.benchmarks.doctor import examine
from surrogate_nas.core.metrics import Metric, metric_named
from surrogate_nas.space import nb201
from surrogate_nas.tables import Table
from tests.sampled_space import sampled

SPACE = nb201()
FASHION = sn.load("fashion")
LOSS = FASHION.column("valid_loss")
LATENCY = FASHION.column("latency@cpu")
RNG = np.random.default_rng(0)


def table(columns, space="nb201", **more):
    made = Table("sick", space, "t", "s", objective="", **more)
    for name, values in columns.items():
        metric, _, epochs = name.rstrip("]").partition("[")
        made.add(metric_named(metric), int(epochs) if epochs else None, values)
    return made


def found(columns, **more):
    return examine(
        table({"valid_loss": LOSS, "latency@cpu": LATENCY, **columns}, **more)
    )


def about(examination, column):
    """The findings about a column, by their kind."""
    return {
        finding.kind: finding
        for finding in examination.findings
        if column in finding.columns
    }


def test_sound_columns_raise_neither_alarm_nor_warning():
    examination = examine(FASHION)
    assert examination.of("alarm") == examination.of("warning") == []
    kinds = {finding.kind for finding in examination.findings}
    assert kinds >= {"noise", "ties"}
    by_name = {column["name"]: column for column in examination.columns}
    assert by_name["valid_loss[5]"]["known"] == 1 and "functional_class" not in by_name


def test_a_constant_column_is_nothing_to_search_on():
    mostly = np.where(np.arange(len(SPACE)) % 50, 3.0, LATENCY)
    examination = found(
        {"latency@stuck": np.full(len(SPACE), 4.0), "latency@mostly": mostly}
    )
    assert about(examination, "latency@stuck")["constant"].level == "alarm"
    assert about(examination, "latency@mostly")["constant"].level == "warning"


def test_a_mark_for_what_failed_is_no_measurement():
    marked = LATENCY.copy()
    marked[SPACE.choices[:, 0] == 0] = -1
    mark = about(found({"latency@tpu": marked}), "latency@tpu")["mark"]
    assert mark.level == "alarm" and mark.numbers["value"] == -1
    assert mark.numbers["cells"] == (SPACE.choices[:, 0] == 0).sum()


def test_a_device_counted_twice():
    examination = found({"energy@cpu": np.round(7 * LATENCY, 4)})
    twice = about(examination, "energy@cpu")["same"]
    assert twice.level == "warning" and "energy@cpu = 7 × latency@cpu" in twice.text


def test_columns_of_nearly_one_value_are_not_multiples():
    columns = {
        f"latency@{name}": 1000 + (LOSS + RNG.random(len(LOSS))) / 9 for name in "ab"
    }
    examination = found(columns)
    assert "same" not in about(examination, "latency@a") and "same" not in about(
        examination, "latency@b"
    )


@pytest.mark.parametrize("test", [LOSS, np.round(1 - LOSS, 12)])
def test_what_is_searched_on_and_reported_must_differ(test):
    made = table({"valid_loss": LOSS})
    made.add(Metric("test_loss", "nats", "final", "loss"), None, test)
    leak = about(examine(made), "test_loss")["leak"]
    assert leak.level == "alarm" and "valid_loss" in leak.columns


def test_nearly_equal_orders_of_search_and_final_are_a_warning():
    made = table({"valid_loss": LOSS})
    made.add(
        Metric("test_loss", "nats", "final", "loss"),
        None,
        LOSS * RNG.normal(1, 1e-4, len(LOSS)) + LOSS**2,
    )
    alike = about(examine(made), "test_loss")["alike"]
    assert alike.level == "warning" and alike.numbers["tau"] > 0.99


def test_missing_values_of_a_search_metric_are_a_warning():
    lacks = RNG.random(len(SPACE)) < 0.01
    examination = found(
        {
            f"memory@{name}": np.where(lacks, np.nan, LATENCY**p)
            for name, p in (("a", 2), ("b", 3))
        }
    )
    missing = about(examination, "memory@a")["missing"]
    assert missing.level == "warning" and missing.columns == ("memory@a", "memory@b")
    assert missing.numbers["share"] == lacks.mean()


def test_seeds_set_the_ceiling():
    noise = np.std(LOSS) / 20
    metric = Metric("valid_loss", "nats", "search", "loss")

    def findings(*seeds):
        made = table({})
        made.add(metric, 5, sum(seeds) / 2, 2, dict(enumerate(seeds)))
        return about(examine(made), "valid_loss")

    one, two, *coin = (
        LOSS + RNG.normal(0, f * noise, len(LOSS)) for f in (1, 1, 60, 60)
    )
    tau = kendalltau(one, two).statistic
    assert findings(one, two)["noise"].numbers["tau"] == pytest.approx(tau, abs=0.03)
    assert findings(one, two)["noise"].level == "note"
    assert findings(*coin)["noise"].level == "warning"
    assert findings(one, one)["seeds"].level == "alarm"


def test_few_different_losses_are_a_warning():
    ties = about(examine(table({"valid_loss": np.round(LOSS, 1)})), "valid_loss")[
        "ties"
    ]
    assert ties.level == "warning" and ties.numbers["ties"] > 0.99


def test_a_share_that_looks_like_a_fraction_and_a_metric_without_direction():
    columns = {"valid_error": LOSS / LOSS.max(), "gini": LATENCY}
    examination = examine(table(columns))
    assert (
        "--unit valid_error=fraction" in about(examination, "valid_error")["unit"].text
    )
    assert "--direction gini=min or max" in about(examination, "gini")["direction"].text


def test_a_column_without_values_and_a_table_without_rows_are_alarms(tmp_path, snas):
    nothing = np.full(len(SPACE), np.nan)
    (alarm,) = found({"test_error": nothing}).of("alarm")
    assert alarm.kind == "empty" and alarm.columns == ("test_error",)
    for columns in ({"valid_loss": nothing, "latency@a": nothing}, {}):
        (alarm,) = examine(table(columns)).of("alarm")
        assert alarm.kind == "empty" and alarm.columns == tuple(sorted(columns))
    path = tmp_path / "mine.csv"
    path.write_text("cell,valid_error\n")
    outcome = snas("data", "doctor", path)
    assert "mine.csv: 0 of 15,625 cells with values, 1 column: 1 alarm" in outcome.out
    assert "no cell has a value in any column" in outcome.out.replace(
        "\n" + " " * 9, " "
    )


def degenerate(n):
    """Columns at the limits of what a table may hold."""
    first = np.arange(n) == 0
    half = np.arange(n) < n // 2
    return {
        "constant": np.full(n, 3.0),
        "nothing": np.full(n, np.nan),
        "one value": np.where(first, 1.0, np.nan),
        "half": np.where(half, RNG.random(n), np.nan),
        "other half": np.where(half, np.nan, RNG.random(n)),
        "one other": np.where(first, 1.0, 0.0),
        "infinite": np.where(first, np.inf, RNG.random(n)),
        "huge": 1e308 * RNG.random(n),
        "tiny": 1e-310 * RNG.random(n),
    }


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", [1, 2, 12])
def test_degenerate_tables_raise_no_warning_of_numpy(n):
    columns = degenerate(n)
    for first, second in product(columns.values(), repeat=2):
        made = table(
            {"valid_loss[1]": second, "latency@x": second}, sampled(n).definition
        )
        made.add(metric_named("valid_loss"), 2, first, 2, {0: first, 1: second})
        for epochs, values in enumerate((first, second), 1):
            made.add(Metric("train_seconds", "s", "record", "cost"), epochs, values)
        assert json.dumps(examine(made).to_json())


# A file of one's own, and commands.


def rows_of(space, columns, folder):
    path = folder / "mine.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["cell", *columns])
        writer.writerows(
            [str(cell), *values]
            for cell, *values in zip(space, *columns.values(), strict=True)
        )
    return path


def test_command_on_a_benchmark_a_file_and_on_nonsense(snas, tmp_path):
    shown = snas("data", "doctor", "fashion").out
    assert (
        shown.startswith("fashion: 15,625 cells")
        and max(map(len, shown.splitlines())) <= 80
    )
    assert len(shown.splitlines()) <= 24
    path = rows_of(
        SPACE, {"valid_loss": LOSS, "latency@me": np.ones(len(LOSS))}, tmp_path
    )
    told = snas("data", "doctor", path, "--json").json
    assert told["name"] == "mine.csv" and told["findings"][0]["kind"] == "constant"
    assert told["findings"][0]["columns"] == ["latency@me"] and told["cells"] == len(
        SPACE
    )
    for arguments, says in (
        (("live:digits",), "is not a table"),
        (
            ("fashion", "--space", "nb201"),
            "--space, --unit and --direction apply only to a CSV",
        ),
        ((tmp_path / "none.csv",), "There is no file"),
        (("fashoin",), "fashion"),
    ):
        outcome = snas("data", "doctor", *arguments)
        assert (
            outcome.code == 2 and says in outcome.err and "Traceback" not in outcome.err
        )


@pytest.mark.slow
def test_every_import_says_what_it_found(snas, tmp_path):
    path = rows_of(
        SPACE, {"valid_loss": LOSS, "latency@me": np.ones(len(LOSS))}, tmp_path
    )
    outcome = snas("data", "import", "csv", path, "--name", "shuffled", "--json")
    assert outcome.json["benchmarks"] == ["shuffled"]
    assert "alarm    latency@me: is 1 for every cell" in outcome.err
    assert "snas data doctor shuffled" in outcome.err


def test_of_a_table_of_losses_only_what_was_trained_is_looked_at():
    whole, trained = (
        sn.load(f"losses-fashion{what}").space for what in ("", "/trained")
    )
    assert examine(sn.load("losses-fashion")).n_cells == len(trained) < len(whole)


# What the doctor must find in published files.


@pytest.mark.slow
def test_nas_bench_201_has_no_alarm(real):
    examination = examine(real)
    assert not examination.of("alarm") and len(examination.columns) > 60
    assert [w.columns for w in examination.of("warning")] == [("latency@edgetpu",)]
