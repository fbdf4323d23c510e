"""Names of benchmarks: who opens what, and that a name which was read from a file never runs
code.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks import RESOLVERS, TableBenchmark, load, reopen
from surrogate_nas.benchmarks.joined import JoinedBenchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.objective import Objective
from surrogate_nas.results.api import read_comparison
from surrogate_nas.results.comparison import final_metrics
from surrogate_nas.space import space_named
from surrogate_nas.surrogates.base import make_model
from surrogate_nas.surrogates.storage import Card, save
from surrogate_nas.tables import Table, write_table

EVIL = "import pathlib\npathlib.Path({mark!r}).write_text('ran')\nTASK = BENCH = None\n"


def evil(folder):
    mark = folder / "ran"
    file = folder / "evil.py"
    file.write_text(EVIL.format(mark=str(mark)))
    return file, mark


def learned(bench, metric, path, *, name, fingerprint=""):
    """A ridge model of 100 cells, whose card says that it learned from `name`."""
    values = bench.column(metric)
    held = np.flatnonzero(np.isfinite(values))[:100]
    model = make_model("ridge", bench.metric(metric).quantity).fit(
        [bench.space[int(i)] for i in held], values[held]
    )
    question = bench.question(metric)
    card = Card(
        "ridge",
        name,
        fingerprint or bench.fingerprint,
        bench.space.name,
        bench.metric(metric),
        question.epochs,
        bench.network,
        "random",
        0,
        100,
        0,
        {},
    )
    save(model, card, held, path)
    return f"surrogate:{path}"


def test_every_name_has_one_opener_and_an_address_that_opens_it_again(
    small, tmp_path, monkeypatch
):
    names = [
        "fashion",
        "analog-cifar10",
        "live:digits",
        "live:digits/macro",
        str(small.path),
    ]
    for name in names:
        assert [resolver.matches(name) for resolver in RESOLVERS].count(True) == 1
        bench = load(name)
        assert load(bench.address).fingerprint == bench.fingerprint
    monkeypatch.chdir(tmp_path)
    assert Path(load("small.h5").address).is_absolute()


@pytest.mark.parametrize(
    "shape", ["live:{file}:TASK", "{file}:BENCH", "live:{file}:TASK/macro"]
)
def test_a_results_folder_that_names_code_runs_none(snas, tmp_path, small, shape):
    file, mark = evil(tmp_path)
    sn.compare(
        small, ["random"], "valid_error", runs=1, budget=12, folder=tmp_path / "out"
    )
    path = tmp_path / "out" / "experiment.json"
    path.write_text(forged(path.read_text(), address=shape.format(file=file)))
    made = snas("report", tmp_path / "out")
    assert made.code == 2 and len(made.err.splitlines()) == 1 and not mark.exists()
    with pytest.raises(UserError, match="would run code"):
        reopen(shape.format(file=file))
    assert not mark.exists()


def forged(text, **changes):
    """The description of a comparison with other entries, as if it had been written so."""
    from surrogate_nas.runs import store

    content = json.loads(text) | changes
    seal = getattr(store, "sealed", None)
    return json.dumps(seal(content) if seal else content)


def test_a_model_s_card_that_names_code_runs_none(tmp_path, small):
    file, mark = evil(tmp_path)
    for name in (f"live:{file}:TASK", f"{file}:BENCH"):
        bench = load(learned(small, "valid_error", tmp_path / "model.h5", name=name))
        assert bench.final(bench.space[3]) == {} and not mark.exists()


def test_code_that_the_user_names_again_is_opened(snas, tmp_path):
    bench = f"{Path(__file__).parents[1] / 'examples_enumerable.py'}:BENCH"
    assert (
        snas(
            "compare",
            bench,
            "--strategies",
            "random",
            "--runs",
            1,
            "--budget",
            12,
            "--out",
            tmp_path / "o",
        ).code
        == 0
    )
    stored = snas("report", tmp_path / "o")
    assert stored.code == 2 and "name it yourself if you trust it" in stored.err
    assert snas("report", tmp_path / "o", "--bench", bench).code == 0
    assert read_comparison(tmp_path / "o", benchmark=bench).strategies == ["random"]


def partial_table(path):
    """A table that holds 2,000 cells of at most one 3x3 convolution: a linear model finds all
    better cells outside.
    """
    convolutions = np.array(
        [str(cell).count("nor_conv_3x3") for cell in space_named("nb201")]
    )
    held = np.flatnonzero(convolutions <= 1)[:2000]
    table = Table("partial", "nb201", "t", "s", cost="queries")
    column = np.full(15625, np.nan)
    column[held] = 40 - 5 * convolutions[held]
    table.add(Metric("valid_error", "%", "search", "error"), 200, column)
    table.add(Metric("test_error", "%", "final", "error"), 200, column + 1)
    write_table(table, path)
    return TableBenchmark(path)


def test_a_surrogate_of_a_partial_table_is_compared_and_shows_dashes(snas, tmp_path):
    table = partial_table(tmp_path / "partial.h5")
    name = learned(table, "valid_error", tmp_path / "model.h5", name=str(table.path))
    bench = load(name)
    held = np.isfinite(table.column("valid_error"))
    inside = bench.space[int(held.argmax())]
    outside = bench.space[int(held.argmin())]
    assert bench.final(inside) == {"true valid_error[200]": 40.0, "test_error": 41.0}
    assert bench.final(outside) == {"true valid_error[200]": None, "test_error": None}
    made = snas(
        "compare",
        name,
        "--strategies",
        "random,evolution",
        "--runs",
        2,
        "--budget",
        15,
        "--out",
        tmp_path / "out",
        "--json",
    )
    assert made.code == 0, made.err
    finals = [strategy["best"]["final"] for strategy in made.json["strategies"]]
    assert all(
        set(final) == {"true valid_error[200]", "test_error"} for final in finals
    )
    assert all(set(final.values()) == {None} for final in finals)
    found = snas("search", name, "--strategy", "random", "--budget", 15)
    assert found.code == 0 and "test_error (final)" in found.out


def test_a_surrogate_that_is_joined_still_reports_the_truth(tmp_path, small):
    name = learned(small, "valid_error", tmp_path / "model.h5", name=str(small.path))
    latency = Table("mine", "nb201", "t", "s", objective="", cost="queries")
    latency.add(
        Metric("latency@mine", "ms", "search", "cost"), None, np.linspace(1, 2, 15625)
    )
    write_table(latency, tmp_path / "latency.h5")
    joined = load(name, with_=[tmp_path / "latency.h5"])
    assert isinstance(joined, JoinedBenchmark)
    truth = joined.final(joined.space[7])
    assert truth["test_error"] == small.column("test_error")[7]
    assert truth["true valid_error[200]"] == small.column("valid_error")[7]
    objective = Objective("valid_error + 0.1*latency@mine", joined)
    assert final_metrics(objective, joined.space[7]) == truth
