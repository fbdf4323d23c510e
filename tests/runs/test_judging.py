"""Trainings whose seeds are drawn: what a search sees, and by which seeds its answer is judged."""

import hashlib
from collections import Counter

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks.training import Training
from surrogate_nas.files import HOME_VARIABLE
from surrogate_nas.objective import Draw, Objective
from surrogate_nas.results.api import read_comparison
from surrogate_nas.runs import search as search_module
from tests.conftest import assert_one_clear_line

SPACE = sn.ChoiceSpace(
    "net", {"width": (8, 16, 32), "depth": (1, 2, 3), "rate": (1, 2, 3, 4)}
)
LOSS = "valid_error"
FILE = """
import hashlib
from pathlib import Path

import surrogate_nas as sn

SPACE = sn.ChoiceSpace("net", {"width": (8, 16, 32), "depth": (1, 2, 3), "rate": (1, 2, 3, 4)})


def train(cell, trial):
    luck = int(hashlib.sha256(f"{cell} {trial.seed}".encode()).hexdigest()[:4], 16) / 6553.6
    for epoch in range(trial.start + 1, trial.epochs + 1):
        with Path(__file__).with_name("notes").open("a") as file:
            file.write(f"{cell} {trial.seed} {epoch}\\n")
        (trial.folder / "state").write_text(str(epoch))
        trial.report(epoch, valid_error=50 / epoch + luck, test_error=luck)


PERCENT = {"valid_error": sn.Metric(unit="%"), "test_error": sn.Metric(unit="%")}
MINE = sn.Training(SPACE, train, metrics=PERCENT, epochs=3, seeds=3)
ONE = sn.Training(SPACE, train, metrics=["valid_error"], epochs=3, name="one")
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(FILE)
    return tmp_path


@pytest.fixture
def mine():
    bench = sn.load("mine.py:MINE")
    assert isinstance(bench, Training)
    return bench


def noted(here):
    """How many epochs of each cell were trained by each seed."""
    lines = [line.rsplit(" ", 2) for line in (here / "notes").read_text().splitlines()]
    return Counter((cell, int(seed)) for cell, seed, _ in lines)


def luck(cell, seed):
    return int(hashlib.sha256(f"{cell} {seed}".encode()).hexdigest()[:4], 16) / 6553.6


def drawn(run, cell):
    return Draw(0, run).number((0, 1, 2), cell)


def score(run):
    assert run.judged is not None
    return run.judged.values["valid_error[3]"]


def test_a_search_sees_one_drawn_seed_and_its_answer_is_judged_by_the_others(
    mine, here, capsys
):
    run = sn.search(mine, "random", budget=6, run=4)
    assert (
        "trained with the other seeds: 2 trainings, not charged"
        in capsys.readouterr().err
    )
    found = run.incumbent.cell
    expected = {(str(trial.cell), drawn(4, trial.cell)) for trial in run.trials}
    assert len({seed for _, seed in expected}) > 1
    assert {*noted(here)} == expected | {(str(found), seed) for seed in range(3)}
    for trial in run.trials:
        seen = 50 / 3 + luck(trial.cell, drawn(4, trial.cell))
        assert trial.values["valid_error[3]"] == pytest.approx(seen)
    mean = 50 / 3 + np.mean([luck(found, seed) for seed in range(3)])
    assert run.judged is not None and run.judged.seeds == (0, 1, 2)
    assert score(run) == pytest.approx(mean) != run.incumbent.values["valid_error[3]"]
    assert run.judged.trainings == 2 and run.judged.cost > 0
    assert run.cost == sum(trial.cost for trial in run.trials)
    assert mine.query(found, LOSS) == pytest.approx(
        mean
    )  # no seed named: the mean over them


@pytest.mark.parametrize("slots", [1, 2])
def test_a_training_goes_on_by_its_drawn_seed_and_is_charged_for_that(
    mine, here, slots
):
    for cell in [SPACE.at((width, 0, 0)) for width in range(3)]:
        for seed in range(3):  # so that the last answer of a cell may be another seed's
            mine.query(cell, LOSS, training_seed=seed, epochs=1)
    run = sn.search(
        mine, "asha", budget=16, run=2, resources=sn.Resources(parallel=slots)
    )
    deepest = {}
    for trial in run.trials:
        deepest[trial.cell] = max(deepest.get(trial.cell, 0), trial.epochs or 0)
    assert len(run.trials) > len(deepest)
    whole = [
        mine.measure([cell], [mine.question(LOSS, epochs)], drawn(2, cell)).cost[0]
        for cell, epochs in deepest.items()
    ]
    assert run.cost == pytest.approx(sum(whole))
    assert max(noted(here).values()) == 3


def test_a_seed_that_fails_is_told_and_the_others_judge(snas, here):
    code = FILE.replace(
        "    luck =",
        "    if trial.seed == 1:\n        raise ValueError('no')\n    luck =",
    )
    (here / "mine.py").write_text(code)
    made = snas("search", "mine.py:MINE", "random", "--budget", 6, "--json")
    judged = made.json["judged"]
    assert judged["seeds"] == [0, 2] and judged["trainings"] == 2
    (failure,) = judged["failures"]
    assert failure.startswith("seed 1: ValueError: no")
    assert made.json["best"]["final"] == {"test_error": None}
    shown = snas("search", "mine.py:MINE", "random", "--budget", 6)
    assert (
        "trainings with other seeds " in shown.out
        and " seconds, not charged " in shown.out
        and "failures among them" in shown.out
    )


def test_a_comparison_stores_what_was_judged_and_trains_nothing_again(snas, here):
    words = [
        "compare",
        "mine.py:MINE",
        "--strategies",
        "random,asha",
        "--runs",
        2,
        "--budget",
        6,
    ]
    made = snas(*words, "--out", "results", "--json")
    assert made.code == 0, made.err
    assert "2 trainings in each run, 8 in all, not charged to the budget" in made.err
    for one in made.json["strategies"]:
        assert one["judging"]["trainings"] == 4 and one["overtuning"] is None
        assert one["optimism"] is not None
    trained = noted(here)
    assert max(trained.values()) == 3
    again = snas(*words, "--workers", 2, "--out", "results", "--json")
    assert (
        again.json["strategies"] == made.json["strategies"] and noted(here) == trained
    )
    read = read_comparison("results", benchmark="mine.py:MINE")
    for run in read.runs:
        answer = run.answer
        assert run.judged is not None and answer.values == run.judged.values
        assert answer.score == pytest.approx(score(run) / 100)
        assert run.incumbent.score != answer.score
    page = (here / "results" / "report.html").read_text()
    assert "trained with the other seeds" in page and noted(here) == trained


def test_an_interrupt_while_it_is_judged_costs_no_training(mine, here, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    whole = sn.search(mine, "random", budget=6, folder=here / "whole")
    (here / "notes").unlink()
    with monkeypatch.context() as patched:
        patched.setattr(search_module, "judged", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sn.search(mine, "random", budget=6, folder=here / "part")
    run = sn.search(mine, "random", budget=6, folder=here / "part")
    assert run.judged == whole.judged and run.trials == whole.trials
    assert not (here / "notes").exists()  # all of it was trained for the first search


def test_a_winner_is_confirmed_by_seeds_that_no_search_draws(mine):
    run = sn.search(mine, "random", budget=4, confirm="1x2")
    assert run.confirmed is not None and run.confirmed.winner is not None
    assert run.confirmed.winner.seeds == (1_000_000, 1_000_001)


def test_what_its_results_depend_on(mine):
    def training(seeds):
        given = {"metrics": [LOSS], "epochs": 3, "seeds": seeds}
        return Training(SPACE, _trains, **given)

    assert (
        training(1).fingerprint == training(3).fingerprint
    )  # an answer is of its seed alone
    fingerprints = {Objective(LOSS, training(seeds)).fingerprint for seeds in (1, 3, 5)}
    assert len(fingerprints) == 3
    assert (
        Objective(LOSS, training(1)).training_seed == 0
        and not Objective(LOSS, training(1)).draws
    )
    assert (
        Objective(LOSS, mine).draws and not Objective(LOSS, mine, training_seed=1).draws
    )


def _trains(_cell, trial):
    for epoch in range(1, trial.epochs + 1):
        trial.report(epoch, valid_error=1.0)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"seeds": 0}, "The number of seeds must be"),
        ({"seeds": 3, "stochastic": False}, "the number of seeds must be 1"),
    ],
)
def test_what_are_no_seeds_is_one_line(given, says):
    with pytest.raises(sn.UserError, match=says):
        Training(SPACE, _trains, metrics=[LOSS], epochs=3, **given)


def test_seeds_that_cannot_be_drawn_are_one_line(snas):
    one = snas("search", "mine.py:ONE", "--seed-policy", "draw")
    assert_one_clear_line(one, "one declares no seeds for valid_error[3]")
    two = snas("search", "mine.py:MINE", "--objective", "valid_error, valid_error[1]")
    assert_one_clear_line(two, "Several objectives with sampled seeds need a table")
