"""`snas table FILE.py:NAME`: every cell of a user's training, its failures, and what goes on."""

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks.table import TableBenchmark
from surrogate_nas.files import HOME_VARIABLE
from surrogate_nas.tables import ColumnKey
from tests.conftest import assert_one_clear_line

FILE = """
import os
from pathlib import Path

import surrogate_nas as sn

HERE = Path(__file__).parent
SPACE = sn.ChoiceSpace("net", {"width": (8, 16, 32), "depth": (1, 2)})


def train(cell, trial):
    if cell.text in HERE.parent.joinpath("control", "broken").read_text().split("\\n"):
        raise ValueError("it diverged")
    for epoch in range(trial.start + 1, trial.epochs + 1):
        with HERE.joinpath("notes").open("a") as file:
            file.write(f"{cell} {epoch} {trial.seed}\\n")
        (trial.folder / "state").write_text(str(epoch))
        killing = HERE / "kill"
        if killing.exists() and cell.choices == (1, 1):
            parent = int(killing.read_text())
            killing.unlink()
            os.kill(parent, 9)
        error = 50 / epoch + sum(cell.choices) + trial.seed
        trial.report(epoch, valid_error=error, test_error=error + 1)


def params(cell):
    return 1.0 + sum(cell.choices)


GIVEN = {"metrics": ["valid_error", "test_error"], "epochs": 3, "computed": {"params": params}}
MINE = sn.Training(SPACE, train, **GIVEN)
SURE = sn.Training(SPACE, train, stochastic=False, name="sure", **GIVEN)
COSTS = sn.Training(SPACE, train, metrics=["latency"], epochs=3, name="costs")
MANY = sn.ChoiceSpace("many", {f"p{i}": range(10) for i in range(9)})
LARGE = sn.Training(MANY, train, metrics=["valid_error"], epochs=3)
CALLED = sn.Computed(SPACE, {"valid_error": lambda cell: 9.0 - sum(cell.choices)}, name="called")


class Own(sn.ChoiceSpace):
    name = "own"
    positions = ("width", "depth")
    options = (("8", "16"), ("1", "2"))

    def allows(self, choices):
        return choices != (1, 1)


OWN = Own()
THEIRS = sn.Training(OWN, train, metrics=["valid_error", "test_error"], epochs=2)
"""
CELL = "net(width=16, depth=2)"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(FILE)
    (tmp_path.parent / "control").mkdir(exist_ok=True)
    (tmp_path.parent / "control" / "broken").write_text("")
    return tmp_path


def noted(here):
    """How often each epoch of each cell was trained by each seed."""
    return Counter((here / "notes").read_text().splitlines())


def test_a_table_has_what_the_training_says_and_can_be_searched(snas, here):
    made = snas("table", "mine.py:MINE", "--seeds", 2, "--workers", 2, "--json")
    assert made.code == 0, made.err
    assert (made.json["trainings"], made.json["failed"], made.json["seeds"]) == (
        12,
        0,
        2,
    )
    assert len(noted(here)) == 6 * 3 * 2 and set(noted(here).values()) == {1}
    table = sn.load("trained-mine-MINE")
    mine = sn.load("mine.py:MINE")
    assert isinstance(table, TableBenchmark)
    assert [cell.text for cell in table.space] == [
        f"net(width={width}, depth={depth})"
        for width in (8, 16, 32)
        for depth in (1, 2)
    ]
    assert {metric.name: metric.kind for metric in table.metrics} == {
        "valid_error": "search",
        "test_error": "final",
        "params": "search",
        "train_seconds": "record",
    }
    for seed in (0, 1):
        for epochs in (1, 3):
            values = table.query(CELL, "test_error", epochs=epochs, training_seed=seed)
            assert values == mine.query(
                CELL, "test_error", epochs=epochs, training_seed=seed
            )
    mean = table.query(CELL, "valid_error")
    assert (mean, mean.n_seeds) == (50 / 3 + 2 + 0.5, 2)
    assert table.query(CELL, "params") == 3.0
    seconds = [
        table.query(CELL, "train_seconds", epochs=epochs) for epochs in (1, 2, 3)
    ]
    assert 0 < seconds[0] < seconds[2] and table.one_curve
    assert len(noted(here)) == 36 and set(noted(here).values()) == {1}
    for more in ([], ["--seed-policy", "draw"]):
        found = snas(
            "search", table.name, "--strategy", "asha", "--budget", 9, "--json", *more
        )
        assert found.code == 0, found.err
        spent = sum(trial["cost"] for trial in found.json["trials"])
        assert 0 < spent == pytest.approx(found.json["cost"])


def test_what_a_search_has_trained_is_not_trained_for_a_table(snas, here):
    sn.search("mine.py:MINE", "random", "valid_error", budget=6)
    before = noted(here)
    assert snas("table", "mine.py:MINE").code == 0
    assert sum(before.values()) == 18 and noted(here) == before


def test_a_failed_training_has_no_value_and_its_reason_is_told(snas, here):
    (here.parent / "control" / "broken").write_text(CELL)
    made = snas("table", "mine.py:MINE", "--out", "mine.h5", "--json")
    assert made.code == 0
    assert made.json["failures"] == [
        {"cell": CELL, "seed": 0, "reason": "ValueError: it diverged"}
    ]
    first, second = made.err.splitlines()[:2]
    assert first.startswith(
        f"{CELL}, seed 0: ValueError: it diverged; its output is in "
    )
    assert second.startswith("1 of 6 trainings failed")
    table = sn.load("mine.h5")
    errors = table.column("valid_error", epochs=3)
    assert np.isnan(errors).tolist() == [False, False, False, True, False, False]
    with pytest.raises(
        sn.UserError, match=r"has no valid_error\[3\] for net\(width=16, depth=2\)"
    ):
        table.query(CELL, "valid_error")
    assert_one_clear_line(snas("search", "mine.h5"), "for 5 of 6 cells only")
    trained = noted(here)
    (here.parent / "control" / "broken").write_text("")
    assert (
        snas("table", "mine.py:MINE", "--out", "mine.h5").code == 0
    )  # tries that one again
    assert noted(here) - trained == {f"{CELL} {epoch} 0": 1 for epoch in (1, 2, 3)}
    assert snas("search", "mine.h5", "--budget", 6).code == 0


def test_one_seed_that_failed_leaves_the_mean_over_the_others(snas, here):
    snas("table", "mine.py:MINE", "--out", "mine.h5")
    (here.parent / "control" / "broken").write_text(CELL)
    snas("table", "mine.py:MINE", "--out", "mine.h5", "--seeds", 2)
    table = sn.load("mine.h5")
    assert isinstance(table, TableBenchmark)
    mean = table.query(CELL, "valid_error")
    assert (mean, mean.n_seeds) == (50 / 3 + 2, 1)
    assert np.isnan(table.table.column(ColumnKey("valid_error", 3, 1))).sum() == 1


def test_what_fails_alike_from_the_first_is_a_mistake_and_makes_no_table(snas, here):
    (here.parent / "control" / "broken").write_text(
        "\n".join(f"net(width={w}, depth={d})" for w in (8, 16, 32) for d in (1, 2))
    )
    made = snas("table", "mine.py:MINE", "--out", "mine.h5")
    assert made.code == 2 and made.out == "" and not (here / "mine.h5").exists()
    assert "The first 3 trainings failed alike" in made.err.splitlines()[-1]
    (here.parent / "control" / "broken").write_text("")
    assert snas("table", "mine.py:MINE", "--out", "mine.h5").code == 0
    assert len(noted(here)) == 18


def test_a_killed_command_goes_on_and_trains_nothing_again(here):
    (here.parent / "control" / "broken").write_text(
        "net(width=8, depth=2)"
    )  # a failure is stored too
    code = (
        "import os, sys; from pathlib import Path; from surrogate_nas.cli import main\n"
        "Path('kill').write_text(str(os.getpid())) if sys.argv.pop() == 'kill' else None\n"
        "sys.argv[1:] = ['table', 'mine.py:MINE', '--out', 'mine.h5']; main()"
    )

    def command(kill):
        made = subprocess.run([sys.executable, "-c", code, kill], cwd=here, check=False)
        return made.returncode

    assert command("kill") == -signal.SIGKILL and not (here / "mine.h5").exists()
    before = noted(here)
    assert 0 < len(before) < 15
    assert command("") == 0
    again = {key for key, count in noted(here).items() if count > 1}
    assert len(noted(here)) == 15 and all(key.startswith(CELL) for key in again)
    assert np.isnan(sn.load("mine.h5").column("valid_error", epochs=3)).sum() == 1


def test_a_training_that_no_seed_changes_has_one(snas, here):
    assert_one_clear_line(
        snas("table", "mine.py:SURE", "--seeds", 2), "same answer for every seed"
    )
    assert snas("table", "mine.py:SURE", "--out", "sure.h5", "--epochs", 2).code == 0
    table = sn.load("sure.h5")
    question = table.question("valid_error")
    assert (
        question.epochs == 2 and table.seeds(question) == () and len(noted(here)) == 12
    )


def test_a_space_of_one_s_own_is_found_again_in_another_process(snas, here):
    made = snas("table", "mine.py:THEIRS", "--out", "own.h5")
    assert made.code == 0, made.err
    code = (
        "import surrogate_nas as sn; print(*map(str, sn.load('own.h5').space), sep='|')"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=here,
        capture_output=True,
        text=True,
        check=True,
    )
    cells = ["own(width=8, depth=1)", "own(width=8, depth=2)", "own(width=16, depth=1)"]
    assert told.stdout.strip().split("|") == cells


def test_functions_of_a_cell_make_a_table_that_counts_queries(snas):
    assert snas("table", "mine.py:CALLED", "--out", "called.h5").code == 0
    table = sn.load("called.h5")
    assert table.query(CELL, "valid_error") == 7.0 and table.cost_unit == "queries"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["mine.py:NOTHING"], "NOTHING"),
        (["other.py:MINE"], "There is no benchmark file other.py"),
        (["digts"], "Did you mean 'digits'"),
        (["digits", "--space", "macros"], "Did you mean 'macro'"),
        (["digits", "--epochs", 0], "at least 1"),
        (["mine.py:LARGE"], "The 1,000,000,000 cells of many cannot be listed"),
        (["mine.py:COSTS"], "costs has no loss that a search may use"),
        (["mine.py:MINE", "--epochs", 4], "a whole number from 1 to 3, not 4"),
        (["mine.py:CALLED", "--epochs", 4], "called does not depend on epochs"),
        (["mine.py:MINE", "--seeds", 0], "The number of seeds must be"),
        (["mine.py:MINE", "--space", "macro"], "Leave out --space"),
        (["mine.py:MINE", "--workers", 0], "There must be at least 1 worker"),
    ],
)
def test_what_does_not_fit_is_one_line(snas, words, says):
    assert_one_clear_line(snas("table", *words), says)


TINY = f"{Path(__file__).parents[1].joinpath('tiny_task.py')}:TINY"


def test_a_task_is_trained_once_for_each_functional_class(snas):
    made = snas(
        "table", TINY, "--space", "macro", "--seeds", 2, "--workers", 2, "--json"
    )
    assert made.code == 0, made.err
    assert (made.json["trainings"], made.json["failed"]) == (72, 0)
    table, live = sn.load("trained-tiny-macro"), sn.load(f"live:{TINY}/macro")
    assert isinstance(table, TableBenchmark) and table.space is live.space
    cell = live.space[5]
    for name in ("valid_loss", "test_error"):
        assert table.query(cell, name, training_seed=1) == live.query(
            cell, name, training_seed=1
        )
    assert table.cost_unit == "seconds" and table.query(cell, "train_seconds").value > 0
    assert table.query(cell, "valid_loss").n_seeds == 2
    assert snas("search", table.name, "--budget", 5).code == 0


SUITE = """
title = "mine"
strategies = ["random", "asha"]
budget = 6
runs = 2
n_random = 0

[[problems]]
name = "whole"
benchmark = "mine.py:MINE"

[[problems]]
name = "early"
benchmark = "mine.py:MINE"
objective = "valid_error[2] + 0.1*params"
"""


def test_a_suite_file_names_a_training(snas, here):
    (here / "mine.toml").write_text(SUITE)
    made = snas("suite", "mine.toml", "--out", "results", "--json")
    assert made.code == 0, made.err
    assert [one["benchmark"] for one in made.json["problems"]] == ["mine.py:MINE"] * 2
    assert {one["runs"] for one in made.json["strategies"]} == {4}
    trained = noted(here)
    assert set(trained.values()) == {1}
    again = snas("suite", "mine.toml", "--out", "results", "--json")
    assert (
        again.json["strategies"] == made.json["strategies"] and noted(here) == trained
    )
