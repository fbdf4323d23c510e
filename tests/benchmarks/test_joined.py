"""A measured table joined to a benchmark: its metrics are served, searched on and part of the
fingerprint.
"""

import pickle

import cloudpickle
import numpy as np
import pandas as pd
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks import JoinedBenchmark, load
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.report import write_report
from surrogate_nas.results.api import read_comparison
from surrogate_nas.space import SPACES
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table, write_table

N = 15625
OBJECTIVE = "digital_error + 0.1*latency@local"


def latencies(path, *, known=N, name="latency@local", slowest=9.0):
    """A table such as `snas measure` writes, of chosen values."""
    table = Table(
        "local",
        "nb201",
        "latencies",
        "measured",
        "none",
        "",
        "",
        Network(channels=4),
        "queries",
    )
    values = np.linspace(1.0, slowest, N)
    values[known:] = np.nan
    table.add(
        Metric(name, "ms", "search", "cost", source="measured here"), None, values
    )
    write_table(table, path)
    return path


@pytest.fixture
def file(tmp_path):
    return latencies(tmp_path / "local.h5")


@pytest.fixture
def joined(file):
    bench = load("analog-cifar10", with_=[file])
    assert isinstance(bench, JoinedBenchmark)
    return bench


def test_both_answer_through_one_benchmark(joined, analog):
    cell = joined.space[7]
    answer = joined.query(cell, "latency@local")
    assert (
        float(answer) == np.linspace(1.0, 9.0, N)[7]
        and answer.unit == "ms"
        and answer.source == "measured here"
    )
    assert joined.query(cell, "digital_error") == analog.query(cell, "digital_error")
    # not those of the measured network
    assert joined.query(cell, "params") == analog.query(cell, "params")
    assert joined.network == analog.network
    both = joined.query([cell, joined.space[8]])
    assert set(both[1]) == set(analog.query(cell)) | {"latency@local"}
    assert joined.column("latency@local")[-1] == 9.0
    assert np.array_equal(
        joined.column("digital_error"), analog.column("digital_error")
    )
    assert [m.name for m in joined.metrics] == [
        *(m.name for m in analog.metrics),
        "latency@local",
    ]
    assert load("analog-cifar10", with_=[]) is load("analog-cifar10")


def test_joined_metrics_are_free(file, small):
    joined = JoinedBenchmark(small, [file])
    questions = [joined.question("latency@local"), joined.question("valid_error", 12)]
    cells = list(joined.space[:3])
    found = joined.measure(cells, questions)
    assert (
        found.cost.tolist()
        == small.measure(cells, questions[1:]).cost.tolist()
        == [13.0] * 3
    )
    assert found.values[:, 0].tolist() == joined.column("latency@local")[:3].tolist()
    assert joined.measure(cells, questions[:1]).cost.tolist() == [0.0] * 3
    assert "latency@local" in joined.charge


def test_the_fingerprint_covers_both(joined, analog, tmp_path):
    same = load("analog-cifar10", with_=[latencies(tmp_path / "elsewhere.h5")])
    other = load(
        "analog-cifar10", with_=[latencies(tmp_path / "other.h5", slowest=8.0)]
    )
    assert joined.fingerprint == same.fingerprint
    assert len({joined.fingerprint, other.fingerprint, analog.fingerprint}) == 3
    prints = {
        sn.Objective(OBJECTIVE, bench).fingerprint for bench in (joined, same, other)
    }
    assert len(prints) == 2


def test_it_travels_to_other_processes(joined):
    there = pickle.loads(pickle.dumps(joined))
    assert there.fingerprint == joined.fingerprint
    assert there.query(there.space[7]) == joined.query(joined.space[7])


def test_several_files_join_and_a_joined_benchmark_joins_again(joined, tmp_path):
    energy = latencies(tmp_path / "energy.h5", name="energy@local")
    at_once = load("analog-cifar10", with_=[*joined.joined, energy])
    twice = JoinedBenchmark(joined, [energy])
    assert at_once.joined == twice.joined == (*joined.joined, energy)
    cell = twice.space[3]
    assert twice.query(cell) == at_once.query(cell) and "energy@local" in twice.query(
        cell
    )


def test_a_name_that_is_there_already_is_refused(joined, file, tmp_path):
    with pytest.raises(
        UserError, match="digital_error of .* is in analog-cifar10 already"
    ):
        load(
            "analog-cifar10",
            with_=[latencies(tmp_path / "clash.h5", name="digital_error")],
        )
    with pytest.raises(UserError, match="latency@local of .* already"):
        load("analog-cifar10", with_=[file, file])
    with pytest.raises(UserError, match="already"):
        JoinedBenchmark(joined, [file])
    with pytest.raises(UserError, match="params of .* already"):
        load("analog-cifar10", with_=[tables_own_params(tmp_path / "params.h5")])


def tables_own_params(path):
    table = Table("local", "nb201", "t", "s", objective="", cost="queries")
    table.add(
        Metric("params", "M", "search", "cost", source="counted elsewhere"),
        None,
        np.ones(N),
    )
    write_table(table, path)
    return path


def test_what_cannot_be_joined_is_refused(small, tmp_path, monkeypatch):

    with pytest.raises(UserError, match="no table at"):
        load("analog-cifar10", with_=[tmp_path / "none.h5"])
    cut = latencies(tmp_path / "cut.h5")
    cut.write_bytes(cut.read_bytes()[:5000])
    with pytest.raises(UserError, match="damaged"):
        load("analog-cifar10", with_=[cut])
    empty = Table("local", "nb201", "t", "s", objective="", cost="queries")
    empty.add(Metric("params", "", "search", "cost"), None, np.ones(N))
    write_table(empty, tmp_path / "empty.h5")
    with pytest.raises(UserError, match="no metric to join"):
        JoinedBenchmark(small, [tmp_path / "empty.h5"])
    monkeypatch.setitem(
        SPACES.places, "tiny", "surrogate_nas.contract.strategies:TinySpace"
    )
    tiny = Table("local", "tiny", "t", "s", objective="", cost="queries")
    tiny.add(Metric("latency@local", "ms", "search", "cost"), None, np.ones(24))
    write_table(tiny, tmp_path / "tiny.h5")
    with pytest.raises(UserError, match="is tiny, but that of small is nb201"):
        JoinedBenchmark(small, [tmp_path / "tiny.h5"])


def test_a_table_that_lacks_cells_can_be_queried_but_not_searched(tmp_path):
    joined = load("analog-cifar10", with_=[latencies(tmp_path / "few.h5", known=100)])
    assert joined.query(joined.space[99], "latency@local") > 0
    with pytest.raises(UserError, match=r"has no latency@local .* 100 of 15625"):
        joined.query(joined.space[100], "latency@local")
    with pytest.raises(UserError, match="100 of 15625 cells only"):
        sn.search(joined, "random", OBJECTIVE, budget=3)
    assert len(sn.search(joined, "random", "digital_error", budget=3).trials) == 3


def test_a_comparison_over_it_is_reported_and_read_back(joined, tmp_path):
    out = tmp_path / "out"
    made = sn.compare(
        joined,
        ["random", "evolution"],
        OBJECTIVE,
        runs=2,
        budget=15,
        folder=out,
        resources=sn.Resources(workers=2),
    )
    assert made.optimum is not None
    assert all(
        "latency@local" in trial.values for run in made.runs for trial in run.trials
    )
    again = read_comparison(out)
    assert again.to_json() == made.to_json()
    page = write_report(again, out).read_text()
    assert "latency@local" in page and "joined" in page
    moved = joined.joined[0].rename(tmp_path / "moved.h5")
    with pytest.raises(UserError, match="There is no table at"):
        read_comparison(out)
    elsewhere = load("analog-cifar10", with_=[moved])
    longer = sn.compare(
        elsewhere, ["random", "evolution"], OBJECTIVE, runs=3, budget=15, folder=out
    )
    assert [run.real_seconds for run in longer.runs_of("random")][:2] == [
        run.real_seconds for run in made.runs_of("random")
    ]
    assert read_comparison(out).to_json()["strategies"][0]["runs"] == 3


def carbon(cell):
    return 1.0 + sum(cell.choices)


R_OF_MINE = "valid_error + 0.1*carbon"


def test_functions_join_a_table_as_terms_of_an_objective(tmp_path):
    base = sn.load("fashion")
    bench = base.with_metrics({"carbon": carbon}, unit="g")
    assert bench.metric("carbon").quantity == "cost"
    (term,) = sn.Objective(R_OF_MINE, bench).terms[1:]
    assert term.divisor == np.median([carbon(cell) for cell in base.space])
    asked = {"budget": 12, "folder": tmp_path / "out"}
    made = sn.compare(bench, ["random"], R_OF_MINE, runs=1, **asked)
    assert made.optimum is not None and (made.regrets("random") >= 0).all()
    again = base.with_metrics({"carbon": sn.Metric(carbon, unit="g")})
    more = sn.compare(again, ["random"], R_OF_MINE, runs=2, **asked)
    assert more.runs_of("random")[0].trials == made.runs_of("random")[0].trials
    with pytest.raises(
        UserError, match="its benchmark has no name. Pass the benchmark"
    ):
        sn.read(tmp_path / "out")
    assert sn.read(tmp_path / "out", benchmark=bench).scores("random").shape == (2,)
    sent = cloudpickle.loads(cloudpickle.dumps(bench))
    assert sent.fingerprint == bench.fingerprint and not sent.address


def test_a_frame_and_a_csv_file_join_by_cell_or_by_choice(tmp_path):
    base = sn.load("fashion")
    rows = [{**cell.options, "carbon (g)": carbon(cell)} for cell in base.space]
    frame = pd.DataFrame(rows)
    bench = base.with_metrics(frame)
    assert (bench.column("carbon") == list(map(carbon, base.space))).all()
    by_cell = pd.DataFrame({"cell": list(map(str, base.space)), "carbon": 1.0})
    file = tmp_path / "mine.csv"
    by_cell.assign(carbon=frame["carbon (g)"]).to_csv(file, index=False)
    stored = sn.load("fashion", with_=str(file))
    assert stored.joined == (file,) and stored.query(3, "carbon") == carbon(
        base.space[3]
    )
    made = sn.search(stored, "random", "valid_error", budget=12, folder=tmp_path / "o")
    assert sn.read(tmp_path / "o").trials == made.trials
    assert base.with_metrics(file).fingerprint == stored.fingerprint
    sent = pickle.loads(pickle.dumps(stored))
    assert sent.query(3, "carbon") == stored.query(3, "carbon")


@pytest.mark.parametrize(
    ("join", "said"),
    [
        (lambda b, _: b.with_metrics(3), "a mapping of names to functions of a cell"),
        (
            lambda b, _: b.with_metrics({"carbon": 3}),
            "A metric must be a function of a cell",
        ),
        (lambda b, _: b.with_metrics({"valid_error": carbon}), "is in fashion already"),
        (lambda b, _: b.with_metrics({}), "at least one"),
        (
            lambda b, _: sn.Objective(R_OF_MINE, b.with_metrics({"carbon": carbon})),
            "dir",
        ),
        (lambda b, _: b.with_metrics(pd.DataFrame({"cell": ["x"], "a": [1]})), "row 1"),
        (lambda b, file: b.with_metrics(file), "needs a column 'cell'"),
        (lambda b, file: sn.load("fashion", with_=file), "needs a column 'cell'"),
        (
            lambda b, _: sn.load("fashion", with_="mine.txt"),
            "mine.txt cannot be joined",
        ),
    ],
)
def test_trap_a_wrong_file_of_the_user_is_never_called_damaged(join, said, tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("hello\n1\n")
    with pytest.raises(UserError, match=said) as raised:
        join(sn.load("fashion"), file)
    assert "damaged" not in str(raised.value) and "elete" not in str(raised.value)
