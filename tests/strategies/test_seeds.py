"""Single training seeds: drawn for a search, averaged for a report, and the noise that they
show.
"""

from dataclasses import replace

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.objective import Draw
from surrogate_nas.results.api import read_comparison, run_suite
from surrogate_nas.results.curves import overtuned_by
from surrogate_nas.runs.ledger import Ledger
from surrogate_nas.runs.problem import Entry, Problem, Suite
from surrogate_nas.space import ChoiceSpace, Request
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table, write_table
from tests.outcomes import made, steps

SPACE = ChoiceSpace("grid", {name: tuple(range(6)) for name in ("a", "b", "c")})
SEEDS = (777, 888, 999)


def _per_seed(level):
    rng = np.random.default_rng(int(level))
    true = 10 + SPACE.choices.sum(axis=1) + level
    columns = {seed: true + rng.normal(0, 1.0, len(SPACE)) for seed in SEEDS}
    columns[999][::2] = np.nan  # every other cell lacks the third seed
    return columns


ERROR = {epochs: _per_seed(level) for epochs, level in ((12, 30.0), (200, 0.0))}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    table = Table(
        "noisy", SPACE.definition, "t", "s", "l", "c", "valid_error", Network()
    )
    error = Metric("valid_error", "%", "search", "error")
    loss = Metric("valid_loss", "nats", "search", "loss")
    for epochs, columns in ERROR.items():
        mean = np.nanmean(list(columns.values()), axis=0)
        table.add(error, epochs, mean, per_seed=columns)
        table.add(
            Metric("train_seconds", "s", "record", "cost"),
            epochs,
            np.full(len(SPACE), float(epochs)),
        )
    table.add(loss, 200, mean / 10)
    table.add(Metric("robust_error@pgd-1", "%", "final", "error"), 200, mean + 20)
    table.add(Metric("test_error", "%", "final", "error"), 200, mean + 1)
    table.add(
        Metric("latency@mine", "ms", "search", "cost"),
        None,
        50.0 - SPACE.choices.sum(axis=1),
    )
    table.add(
        Metric("valid_seconds", "s", "record", "cost"), None, np.full(len(SPACE), 1.0)
    )
    file = tmp_path_factory.mktemp("noisy") / "noisy.h5"
    write_table(table, file)
    return file


@pytest.fixture(scope="module")
def noisy(path):
    return TableBenchmark(path)


def drawn(noisy, expression="valid_error", **settings):
    return sn.Objective(expression, noisy, seed_policy="draw", **settings)


def test_a_draw_is_one_held_seed_of_the_cell_and_follows_from_root_run_and_cell(noisy):
    objective = drawn(noisy)
    cells = list(noisy.space)
    held = np.array(list(ERROR[200].values()))
    seen = {
        (root, run): objective.seen(Draw(root, run), cells).values[:, 0]
        for root in (0, 1)
        for run in (0, 1)
    }
    for values in seen.values():
        assert (
            (values == held).any(axis=0).all()
        )  # never the mean, never one that is not there
    assert len({values.tobytes() for values in seen.values()}) == 4
    backwards = objective.seen(Draw(0, 1), cells[::-1]).values[::-1, 0]
    np.testing.assert_array_equal(backwards, seen[0, 1])
    assert objective.seen(Draw(0, 1), [cells[5]]).values[0, 0] == seen[0, 1][5]
    counts = np.mean(
        [[(values == column).sum() for column in held] for values in seen.values()],
        axis=0,
    )
    # half of 108 and a third of 108 each; 36 of the third seed
    assert np.abs(counts - [90, 90, 36]).max() < 20
    seconds = objective.seen(Draw(0, 0), cells).cost
    np.testing.assert_array_equal(seconds, np.full(216, 201.0))  # that of one training


def test_runs_of_other_lengths_show_the_same_training(noisy):
    objective = drawn(noisy)
    assert objective.fidelities == (12, 200)
    ledger = Ledger(objective, root=3, run=2)
    for cell in SPACE[:20]:
        early, late = (
            next(ledger.look_up([Request(cell, epochs)])).values[0]
            for epochs in (12, 200)
        )
        (which,) = (seed for seed in SEEDS if ERROR[12][seed][cell.index] == early)
        assert ERROR[200][which][cell.index] == late
    with pytest.raises(
        UserError,
        match=r"no single seeds that provide valid_error\[200\], valid_loss\[200\] together",
    ):
        next(ledger.look_up([Request(SPACE[0], 200, ("valid_loss",))]))


def test_all_strategies_of_a_run_see_the_same_and_policies_are_never_mixed(
    path, tmp_path
):
    made, stored = (
        sn.compare(
            str(path),
            ["random", "evolution"],
            seed_policy="draw",
            runs=2,
            budget=60,
            folder=folder,
        )
        for folder in (None, tmp_path)
    )
    assert [run.trials for run in made.runs] == [run.trials for run in stored.runs]
    values = {}
    for run in made.runs:
        for trial in run.trials:
            values.setdefault((run.run, trial.cell.text), set()).add(trial.score)
    assert all(len(seen) == 1 for seen in values.values())
    loop = sn.AskTell(drawn(sn.load(str(path))), "random", run=1)
    assert [loop.tell(loop.ask()[0]).score for _ in range(5)] == [
        t.score for t in made.runs_of("random")[1].trials[:5]
    ]
    with pytest.raises(UserError, match="contains another comparison"):
        sn.compare(
            str(path), ["random", "evolution"], runs=2, budget=60, folder=tmp_path
        )
    again = read_comparison(tmp_path)
    assert again.objective.draws and again.to_json() | {
        "strategies": 0
    } == made.to_json() | {"strategies": 0}


def test_what_is_reported_is_the_mean_of_what_the_search_chose(path, noisy):
    made = sn.compare(str(path), ["random"], seed_policy="draw", runs=4, budget=100)
    mean = noisy.column("valid_error", 200) / 100
    assert made.optimum == mean.min()
    for run, score, history in zip(
        made.runs, made.scores("random"), map(sn.Run.anytime, made.runs), strict=True
    ):
        chosen = min(run.trials, key=lambda trial: trial.score)
        assert score == pytest.approx(mean[chosen.cell.index]) == history.score[-1]
        bests = [
            min(run.trials[: i + 1], key=lambda trial: trial.score).cell.index
            for i in range(100)
        ]
        np.testing.assert_allclose(history.score, mean[bests])
    seen = [run.incumbent.score for run in made.runs]
    optimism = made.optimism("random")
    assert (
        optimism is not None and optimism.mean() < 0
    )  # the winner looked better than it is
    np.testing.assert_allclose(optimism, np.array(seen) - made.scores("random"))
    assert made.to_json()["strategies"][0]["optimism"] == pytest.approx(optimism.mean())
    regrets = made.regrets("random")
    assert regrets is not None and (regrets >= 0).all()
    assert (
        sn.compare(str(path), ["random"], runs=1, budget=5).to_json()["strategies"][0][
            "optimism"
        ]
        is None
    )


def test_overtuning_is_what_the_last_pick_loses_against_the_best_pick():
    """By hand: the picks of three runs by their true scores."""
    runs = [
        np.array(picks) for picks in ([8.0, 4.0, 5.0], [8.0, 4.0, 2.0], [4.0, 4.0, 6.0])
    ]
    losses = [overtuned_by(picks) for picks in runs]
    assert losses == [1.0, 0.0, 2.0]
    assert [overtuned_by(picks, 1.0) for picks in runs] == [0.0, 0.0, 2.0]
    (problem,) = made({"p": {"a": steps(5, 2, 6), "b": steps(1, 1, 1)}}).problems
    assert problem.overtuning("a") is None
    traces = zip(problem.traces["a"], losses, strict=True)
    overtuned = {"a": [replace(trace, overtuning=loss) for trace, loss in traces]}
    assert replace(problem, traces=overtuned).overtuning("a") == (
        pytest.approx(2 / 3),
        1.0,
    )


def test_limits_and_fronts_are_seen_by_seed_and_reported_by_the_mean(path, noisy):
    mean = noisy.column("valid_error", 200)
    objective = drawn(
        noisy, "valid_error + 0.1*latency@mine", subject_to="valid_error <= 14"
    )
    run = sn.search(noisy, "random", objective, budget=150)
    told = objective.reported(run.trials)
    assert {
        (a.feasible, b.feasible) for a, b in zip(run.trials, told, strict=True)
    } == {
        (True, True),
        (True, False),
        (False, False),
    }
    for seen, read in zip(run.trials, told, strict=True):
        assert read.feasible == (seen.feasible and bool(mean[seen.cell.index] <= 14))
        assert (
            read.values["valid_error[200]"] == mean[seen.cell.index]
            and read.index == seen.index
        )
        assert (
            seen.feasible == (seen.values["valid_error[200]"] <= 14)
            and (seen.score <= objective.bound) == seen.feasible
        )
    both = sn.compare(
        str(path),
        ["random"],
        "valid_error, latency@mine",
        seed_policy="draw",
        runs=2,
        budget=60,
    )
    scores = both.objective.over_space()
    assert scores is not None and both.optimum == 0
    for one in both.runs:
        index = [trial.cell.index for trial in one.trials]
        assert all(
            any((scores.vector[i] == vector).all() for i in index)
            for vector in [t.scores for t in one.contenders()]
        )
        assert 0 <= both.score(one) < 1 and len(
            [t.scores for t in one.contenders()]
        ) < len(one.trials)


def test_a_draw_is_refused_where_it_cannot_be(noisy, path, snas):
    for arguments, said in (
        (("analog-cifar10",), "analog-cifar10 has no single seeds of digital_error"),
        (
            (path, "--objective", "valid_error + valid_loss"),
            "no single seeds of valid_error[200], valid_loss[200]",
        ),
        ((path, "--objective", "valid_error + 0.1*diversity"), "diversity"),
    ):
        refused = snas("search", *arguments, "--seed-policy", "draw")
        assert (
            refused.code == 2 and said in refused.err and refused.err.count("\n") == 1
        )
    assert (
        "'best' is not one of 'mean', 'draw'"
        in snas("search", path, "--seed-policy", "best").err
    )
    problem = Problem(
        str(path), "valid_error", name="mine", seed_policy="best", budget=5
    )
    with pytest.raises(
        UserError,
        match="mine: seed_policy must be 'mean' or 'draw' or None, not 'best'",
    ):
        run_suite(Suite("two", "one policy", [problem], [Entry("random", 1)]))
    with pytest.raises(UserError, match="seeds are sampled"):
        sn.Objective("valid_error", noisy, training_seed=777, seed_policy="draw")
    assert (
        noisy.describe()["seeds"] == [777, 888, 999]
        and sn.load("analog-cifar10").describe()["seeds"] == []
    )


def test_the_command_line_tells_what_was_seen_and_what_it_is(path, snas, tmp_path):
    asked = f"search {path} --strategy random --seed-policy draw --budget 50 --json"
    found = snas(*asked.split()).json
    best = found["best"]
    assert (
        best["seen_score"]
        == min(trial["score"] for trial in found["trials"])
        != best["score"]
    )
    assert found["objective"]["seed_policy"] == "draw"
    assert found["regret"] == pytest.approx(
        best["score"] - sn.Objective("valid_error", sn.load(str(path))).optimum()
    )
    asked = f"compare {path} --strategies random --runs 2 --budget 15 --seed-policy draw --json"
    made = snas(*asked.split(), "--out", tmp_path).json
    plain = sn.Objective("valid_error", sn.load(str(path)))
    assert (
        made["fingerprint"] != plain.fingerprint
        and made["strategies"][0]["optimism"] is not None
    )
    page = (tmp_path / "report.html").read_text()
    assert "Searches used one training of each cell" in page and "optimism" in page
    assert "overtuning" in page and "than an earlier pick" in page


def test_the_noise_is_that_of_the_best_cells(path):
    made = sn.compare(
        str(path), ["random"], "valid_error + 0.1*latency@mine", runs=1, budget=5
    )
    columns = np.array(list(ERROR[200].values())) / 100
    scores = made.objective.over_space()
    assert scores is not None and made.noise is not None and made.noise.cells == 10
    best = np.argsort(scores.score, kind="stable")[:10]
    spread = np.nanstd(columns[:, best], axis=0, ddof=1)
    count = np.isfinite(columns[:, best]).sum(axis=0)
    assert made.noise.one_seed == pytest.approx(spread.mean())
    assert made.noise.mean_of_seeds == pytest.approx((spread / np.sqrt(count)).mean())
    assert made.to_json()["noise"]["cells"] == 10
    for without in (
        "valid_loss",
        "valid_error + 0.1*diversity",
        "valid_error, latency@mine",
    ):
        assert (
            sn.compare(str(path), ["random"], without, runs=1, budget=5).noise is None
        )


ROBUST = "robust_error@pgd-1"


def test_a_study_may_declare_a_final_metric_and_says_so(path, snas, tmp_path):
    asked = (
        f"compare {path} --strategies random --runs 1 --budget 12 --objective {ROBUST}"
    )
    compare = asked.split()
    refused = snas(*compare, "--out", tmp_path / "none")
    assert (
        refused.code == 2
        and f"--search-on-final {ROBUST}" in refused.err
        and not (tmp_path / "none").exists()
    )
    told = snas(*compare, "--search-on-final", ROBUST, "--out", tmp_path, "--json")
    warning = f"This study searches on {ROBUST}, a final metric"
    assert told.code == 0 and warning in told.err and warning in told.json["warning"]
    assert warning in (tmp_path / "report.html").read_text()
    assert told.json["objective"]["search_on_final"] == [ROBUST]
    assert set(told.json["strategies"][0]["best"]["final"]) == {"test_error"}
    again = snas("report", tmp_path, "--json")
    assert (
        again.json["fingerprint"] == told.json["fingerprint"] and warning in again.err
    )
    asked = f"search {path} --strategy random --budget 5 --json"
    searched = f"--objective valid_error+{ROBUST} --search-on-final {ROBUST}".split()
    search = snas(*asked.split(), *searched)
    assert warning in search.err and warning in search.json["warning"]
    assert snas(*asked.split()).json["warning"] == ""


def test_no_other_final_metric_is_seen_and_none_is_declared_in_vain(noisy):
    objective = sn.Objective(
        f"0.5*{ROBUST} + valid_error", noisy, search_on_final=ROBUST
    )
    assert objective.fingerprint != sn.Objective("valid_error", noisy).fingerprint
    ledger = Ledger(objective)
    assert next(ledger.look_up([Request(SPACE[0], 200, (ROBUST,))])).values
    for refused, words, settings in (
        (
            f"{ROBUST} + test_error",
            "test_error is a final metric",
            {"search_on_final": ROBUST},
        ),
        ("valid_error", "does not use", {"search_on_final": [ROBUST]}),
        ("valid_error", "not a final metric", {"search_on_final": ["valid_error"]}),
        ("valid_error", "Unknown metric", {"search_on_final": ["robust"]}),
        ("valid_error", "list of names of metrics", {"search_on_final": 3}),
    ):
        with pytest.raises(UserError, match=words):
            sn.Objective(refused, noisy, **settings)
    with pytest.raises(UserError, match="test_error is a final metric"):
        next(ledger.look_up([Request(SPACE[0], 200, ("test_error",))]))
