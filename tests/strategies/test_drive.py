"""A signal that ranks the cells of short runs: what is read, who goes on, and what is refused."""

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.core.metrics import Metric
from surrogate_nas.objective import Objective
from surrogate_nas.results.api import compare, read_comparison
from surrogate_nas.space import ChoiceSpace, Request, Trial, nb201
from surrogate_nas.space.network import Network
from surrogate_nas.strategies import resolve
from surrogate_nas.strategies.epochs.rungs import Signal
from surrogate_nas.tables import Table, write_table
from tests.conftest import assert_one_clear_line
from tests.contracts import FRESH, broken, checks_of

SPACE = nb201()
OVER_EPOCHS = (
    "successive_halving",
    "hyperband",
    "bohb",
    "asha",
    "one_epoch",
    "bo_epochs",
)
SMALL = ChoiceSpace("tiny", {name: tuple(range(8)) for name in "abc"})


def made(name, epochs=(1, 9)):
    strategy = resolve(name)(SPACE, seed=0)
    strategy.epochs = epochs
    strategy.readable = dict.fromkeys(epochs, ("x", "y"))
    return strategy


def early(strategy, n):
    """Requests for a short run, and for the whole one; x falls with a cell's place, its score
    rises.
    """
    short = []
    whole = []
    for i in range(n):
        (one,) = strategy.ask(1)
        assert isinstance(one, Request)
        (whole if one.epochs == strategy.epochs[-1] else short).append(one)
        score = float(one.cell.index)
        values = {f"{name}[{one.epochs}]": -score for name in one.read}
        strategy.tell(
            [Trial(i, one.cell, score, score, 0.0, True, one.epochs, 1.0, values)]
        )
        if whole:
            break
    return short, whole


@pytest.mark.parametrize("name", OVER_EPOCHS)
def test_the_signal_ranks_short_runs_in_its_own_direction(name):
    for qualities, best in ((), max), (("x",), min):
        strategy = made(f"{name}(drive=x)")
        strategy.qualities = qualities
        short, whole = early(strategy, 40)
        assert {one.read for one in short} == {("x",)} and whole[0].read == ()
        assert whole[0].cell == best(short, key=lambda one: one.cell.index).cell


def trial(place, loss, penalty, x, feasible=True):
    score = loss + penalty + (0.0 if feasible else 10.0)
    cell = SPACE[place]
    return Trial(place, cell, score, loss, penalty, feasible, 1, 1.0, {"x[1]": x})


def test_parameters_weigh_as_much_whatever_the_signal_s_unit():
    trials = [
        trial(0, 0.3, 0.5, 1.0),  # its L counts as 0.1, the least
        trial(1, 0.1, 0.0, 2.0),  # 0.2
        trial(2, 0.2, 0.05, 3.0),  # 0.3
        trial(3, 0.0, 0.0, 0.0, feasible=False),
    ]
    for unit in (1.0, 1000.0):
        read = [
            trial(t.index, t.loss, t.penalty, unit * t.values["x[1]"])
            for t in trials[:3]
        ]
        ranked = Signal("x", 1, 1).ranked([*read, trials[3]])
        assert [one.index for one in ranked] == [1, 2, 0, 3]
    alone = [trial(t.index, t.loss, 0.0, t.values["x[1]"]) for t in trials[:3]]
    assert [one.index for one in Signal("x", 1, 1).ranked(alone)] == [0, 1, 2]
    assert [one.index for one in Signal("x", 1, -1).ranked(alone)] == [2, 1, 0]


def test_a_short_run_without_the_signal_is_not_ranked():
    for name in ("asha", "one_epoch", "bo_epochs"):
        strategy = made(f"{name}(drive=x)")
        told = [trial(place, place / 100, 0.0, 1.0) for place in range(3)]
        strategy.tell([Trial(9, SPACE[9], 0.0, 0.0, 0.0, True, 1, 1.0, {}), *told])
        _, whole = early(strategy, 40)
        assert whole[0].cell != SPACE[9]


@pytest.mark.parametrize("name", ["hyperband", "asha"])
def test_what_is_driven_keeps_the_contract(name):
    space = sn.ChoiceSpace("s", dict.fromkeys("abcd", (1, 2, 3)))
    assert not broken(checks_of(f"{name}(drive=early)", space, without=FRESH))


def table(path):
    """Short runs whose loss tells what they end with, and whose error does not."""
    one = Table(
        "mine", SMALL.definition, "t", "s", "MIT", "c", "valid_error", Network()
    )
    rng = np.random.default_rng(0)
    quality = np.linspace(0.0, 1.0, len(SMALL))[rng.permutation(len(SMALL))]
    for epochs in (2, 20):
        noise = rng.random(len(SMALL))
        error = 50 - 40 * (quality if epochs == 20 else noise)
        one.add(Metric("valid_error", "%", "search", "error"), epochs, error)
        one.add(Metric("train_loss", "nats", "search", "loss"), epochs, 90 - quality)
        accuracy = Metric("train_accuracy", "%", "search", "quality")
        one.add(accuracy, epochs, 100 * quality)
        one.add(Metric("test_error", "%", "final", "error"), epochs, error)
        seconds = np.full(len(SMALL), float(epochs))
        one.add(Metric("train_seconds", "s", "record", "cost"), epochs, seconds)
    write_table(one, path)
    return TableBenchmark(path)


@pytest.mark.parametrize(
    ("name", "drive"),
    [
        ("hyperband", "train_loss"),
        ("asha", "train_accuracy"),
        ("bo_epochs", "train_loss"),
    ],
)
def test_a_search_that_is_driven_finds_what_the_signal_knows(name, drive, tmp_path):
    bench = table(tmp_path / "mine.h5")
    plain, driven = (
        sn.search(bench, one, "valid_error", budget_seconds=900, run=2, n_random=3)
        for one in (name, f"{name}(drive={drive})")
    )
    assert not driven.failure and driven.strategy == f"{name}(drive={drive})"
    short = [one for one in driven.trials if one.epochs == 2]
    assert all(f"{drive}[2]" in one.values for one in short)
    assert {one.cost for one in short} == {2.0}, "it comes with the same training"
    assert driven.incumbent.score <= plain.incumbent.score
    assert driven.incumbent.score < 0.12


def test_a_driven_comparison_goes_on_after_a_kill_and_names_the_drive(tmp_path):
    bench = sn.load(str(table(tmp_path / "mine.h5").path))
    strategies = ["asha", "asha(drive=train_loss)", "bo_epochs(drive=train_loss)"]
    for folder in ("whole", "cut"):
        compare(
            bench,
            strategies,
            "valid_error",
            runs=1,
            budget=30,
            folder=tmp_path / folder,
        )
        if folder == "cut":
            for path in (tmp_path / folder / "runs").glob("*.jsonl"):
                lines = path.read_text().splitlines(keepends=True)
                path.write_text("".join(lines[:20]))
            compare(
                bench,
                strategies,
                "valid_error",
                runs=1,
                budget=30,
                folder=tmp_path / folder,
            )
    whole, cut = (read_comparison(tmp_path / folder) for folder in ("whole", "cut"))
    assert [run.trials for run in whole.runs] == [run.trials for run in cut.runs]
    assert [run.strategy for run in cut.runs] == strategies


@pytest.mark.parametrize(
    ("strategy", "objective", "said"),
    [
        (
            "asha(drive=test_error)",
            "valid_error",
            "not a search metric after 2 epochs; available: ",
        ),
        ("bo_epochs(drive=nothing)", "valid_error", "valid_error"),
        ("hyperband(drive=params)", "valid_error", "not a search metric"),
        (
            "bohb(until=1.5)",
            "valid_error",
            "until must be a number from 0 to 1, not 1.5",
        ),
        ("blind:asha(drive=train_loss)", "valid_error", "Leave out drive"),
        ("asha(drive=train_loss)", "valid_error, train_loss", "Leave out drive"),
        ("one_epoch(drive=3)", "valid_error", "drive of one_epoch must be a text"),
    ],
)
def test_what_cannot_drive_is_refused_before_anything_is_begun(
    strategy, objective, said, tmp_path, snas
):
    table(tmp_path / "mine.h5")
    out = tmp_path / "results"
    outcome = snas(
        *("compare", tmp_path / "mine.h5", "--strategies", f"random,{strategy}"),
        *("--objective", objective, "--runs", 2, "--budget", 20, "--out", out),
    )
    assert_one_clear_line(outcome, said)
    assert not out.exists()


def test_what_may_be_read_says_what_is_better_larger(tmp_path):
    objective = Objective("valid_error", table(tmp_path / "mine.h5"))
    assert objective.qualities == ("train_accuracy",)
    assert Objective("valid_error", sn.load("fashion")).qualities == ()
