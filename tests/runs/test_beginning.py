"""A user's beginning of a search: first cells, what was trained before, and random first cells."""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import surrogate_nas as sn
from surrogate_nas.core.errors import UserError
from surrogate_nas.objective import Objective
from surrogate_nas.results.api import read_comparison, stored_suite
from surrogate_nas.runs.beginning import Beginning, read_beginning
from surrogate_nas.runs.options import Budget
from surrogate_nas.runs.runner import Experiment
from surrogate_nas.runs.search import first_cells
from surrogate_nas.space import Cell, ChoiceSpace
from tests.conftest import EVERY_STRATEGY, assert_one_clear_line

SPACE = ChoiceSpace("grid", {name: tuple(range(5)) for name in ("a", "b", "c")})
"""Its cells have commas in their texts."""
FASHION = sn.load("fashion")


def error(cell):
    return float(10 + sum(cell.choices))


def dear():
    return sn.Computed(SPACE, {"valid_error": error})


class Echo(sn.Strategy):
    """Asks for what it was told, in order."""

    told: tuple[Cell, ...] = ()

    def ask(self, n):
        return list(self.told[:n]) or [self.space.sample(self.rng)]

    def tell(self, trials):
        self.told += tuple(trial.cell for trial in trials)


def written(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# First cells


def test_own_cells_are_asked_for_first_then_the_shared_random_ones(tmp_path):
    space = FASHION.space
    file = written(tmp_path / "mine.txt", "# my networks", "", f" {space[300]} ", "301")
    run = sn.search(
        FASHION, "random", "valid_error", first=[11, file, space[12]], budget=20
    )
    cells = [trial.cell for trial in run.trials]
    assert [cell.index for cell in cells[:4]] == [11, 300, 301, 12]
    assert cells[4:14] == first_cells(space, 10, 0, 0)
    assert len(cells) == len(set(cells)) == 20
    assert run.trials[0].cost > 0, "they are charged as all others"
    assert (
        sn.search(FASHION, "random", "valid_error", first="11", budget=1).trials[0].cell
        == cells[0]
    )


def test_a_random_cell_that_is_also_the_user_s_is_asked_for_once():
    drawn = first_cells(FASHION.space, 10, 0, 0)
    run = sn.search(FASHION, "random", "valid_error", first=[drawn[4]], budget=10)
    assert [trial.cell for trial in run.trials] == [drawn[4], *drawn[:4], *drawn[5:]]


def test_several_workers_begin_with_the_same_cells():
    run = sn.search(
        FASHION,
        "random",
        "valid_error",
        first=[11, 12],
        budget=12,
        resources=sn.Resources(simulated_workers=4),
    )
    began = sorted(run.trials, key=lambda trial: trial.started)
    assert {trial.cell.index for trial in began[:4]} >= {11, 12}


@pytest.mark.parametrize("number", [3, np.int64(3)])
def test_a_number_for_first_is_refused(number):
    """Trap 2: it was the cell of index 3 in `search`, three random cells in `AskTell`."""
    for begin in (
        lambda: sn.search(FASHION, "random", first=number),
        lambda: sn.AskTell(Objective("valid_error", FASHION), first=number),
    ):
        with pytest.raises(UserError, match=r"first=\[3\] .* or n_random=3 for"):
            begin()


def by_hand(strategy, n, **begun):
    loop = sn.AskTell(Objective("valid_error", FASHION), strategy, **begun)
    return [loop.tell(loop.ask()[0]) for _ in range(n)]


@pytest.mark.parametrize("strategy", ["evolution", "bo"])
def test_a_search_is_the_run_of_its_number_and_seed(strategy):
    """Trap 4: `search(seed=3)` was run 3 of root 0."""
    begun = {"seed": 4, "n_random": 3}
    compared = sn.compare(
        FASHION, [strategy], "valid_error", runs=3, budget=20, **begun
    )
    expected = compared.runs_of(strategy)[2].trials
    searched = sn.search(FASHION, strategy, "valid_error", budget=20, run=2, **begun)
    assert searched.trials == expected == by_hand(strategy, 20, run=2, **begun)
    other = sn.search(
        FASHION, strategy, "valid_error", budget=20, **{**begun, "seed": 2}
    )
    assert other.trials != expected


def test_a_folder_of_run_three_is_no_folder_of_root_three(tmp_path):
    """It was stored by `search(seed=3)`, which is another run by now."""
    asked = {"budget": 12, "folder": tmp_path}
    made = sn.search(FASHION, "random", run=3, **asked)
    with pytest.raises(UserError, match=r"another comparison \(seed 0, now 3\)"):
        sn.search(FASHION, "random", seed=3, **asked)
    assert sn.read(tmp_path).run == 3
    assert sn.search(FASHION, "random", run=3, **asked).trials == made.trials


# Random first cells


def test_a_user_s_training_begins_with_no_random_cell_and_all_else_with_ten():
    drawn = first_cells(SPACE, 10, 0, 0)
    swift = sn.Computed(SPACE, {"valid_error": error}, cheap=True)
    own, wanted, cheap = (
        [trial.cell for trial in run.trials]
        for run in (
            sn.search(dear(), "evolution", budget=12),
            sn.search(dear(), "evolution", budget=12, n_random=3),
            sn.search(swift, "evolution", budget=12),
        )
    )
    assert own[0] != drawn[0] and own[:10] != drawn
    assert wanted[:3] == drawn[:3] and wanted[3] != drawn[3]
    assert cheap[:10] == drawn
    assert sn.load("live:digits").begins_at_random and not dear().begins_at_random
    compared = sn.compare(dear(), ["evolution"], runs=1, budget=12)
    assert [trial.cell for trial in compared.runs[0].trials[:10]] == drawn


@pytest.mark.parametrize("name", EVERY_STRATEGY)
def test_every_strategy_begins_by_itself(name):
    run = sn.search(dear(), name, budget=25)
    assert len(run.answers) == 25
    early = sn.search(FASHION, name, "valid_error", budget=25, n_random=0)
    assert early.answers and len(early.trials) == 25


def test_a_budget_that_asks_no_strategy_is_said(snas, tmp_path):
    """Trap 6: `bo` with a budget of 8 is random search to the cell."""
    says = "budget of 8 cells pays only for initial cells (10), so the strategies propose none"
    with pytest.warns(UserWarning, match=re.escape(says)):
        sn.search(FASHION, "bo", budget=8)
    with pytest.warns(UserWarning, match=re.escape(says)):
        result = sn.compare(FASHION, ["bo", "random"], runs=1, budget=8)
    assert any(says in sentence for sentence in result.sentences)
    begun = sn.Problem("fashion", name="begun", budget=8, n_random=6, first=[1, 2])
    asked = replace(begun, name="asked", n_random=5)
    entries = [sn.Entry("bo", 1), sn.Entry("random", 1)]
    for folder in (None, tmp_path / "suite"):
        with pytest.warns(UserWarning) as caught:
            suite = sn.run_suite(
                sn.Suite("m", "", [begun, asked], entries), folder=folder
            )
        of_suites = [
            line for line in suite.sentences if "so the strategies propose none" in line
        ]
        assert of_suites == [str(warning.message) for warning in caught]
    stored = stored_suite(folder).suite.problems[0]
    assert list(stored.first) == ["1", "2"]
    asked = "compare fashion --strategies bo,random --runs 1 --budget 8 --out"
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        told = snas(asked, tmp_path)
        assert told.err.startswith(f"The {says}") and told.err.count(says) == 1
        assert says in told.out
        warnings.simplefilter("error")
        sn.search(FASHION, "bo", budget=11)


def test_a_budget_in_seconds_where_queries_are_charged_is_refused(snas, tmp_path):
    """Trap 5: three seconds were three queries."""
    says = "counts queries, not seconds, so the budget of 3 seconds does not apply"
    for bench in (dear(), "analog-cifar10"):
        with pytest.raises(UserError, match=says):
            sn.search(bench, "random", budget_seconds=3)
    out = tmp_path / "out"
    refused = snas("compare analog-cifar10 --budget-seconds 3 --out", out)
    assert_one_clear_line(refused, says)
    suite = sn.Suite(
        "m",
        "",
        [sn.Problem("analog-cifar10", name="p", budget_seconds=3)],
        [sn.Entry("random", 1)],
    )
    with pytest.raises(UserError, match=f"^p: .* {says}"):
        sn.run_suite(suite, folder=out)
    assert not out.exists()


# What was trained before


def test_what_was_known_is_told_first_and_charged_nothing(tmp_path):
    known = written(
        tmp_path / "runs.csv",
        "cell,valid_error,params,train_loss",
        f"{FASHION.space[5]},30.5,,0.4",
        "6,1.5,,0.3",
    )
    objective = "valid_error + 0.1*params"
    run = sn.search(
        FASHION, Echo, objective, known=known, first=[7], n_random=0, budget=3
    )
    assert [trial.cell.index for trial in run.trials] == [7, 5, 5], (
        "told before the first was asked"
    )
    assert [trial.index for trial in run.trials] == [0, 1, 2]
    assert [trial.index for trial in run.known] == [-2, -1]
    assert [trial.cost for trial in run.known] == [0.0, 0.0]
    for trial in run.known:
        (asked,) = sn.search(
            FASHION, "random", objective, first=[trial.cell], budget=1
        ).trials
        assert trial.penalty == asked.penalty, "what is free need not be told"
        assert trial.loss == pytest.approx(trial.values["valid_error[5]"] / 100)
    assert (
        run.best_known == run.known[1] and run.best_known.score < run.incumbent.score
    ), "the answer is a trial of the run, however good a cell was known"


def test_strategies_learn_from_what_was_known(tmp_path):
    lines = [f'"{cell}",{error(cell)}' for cell in SPACE if cell.choices[0] == 0]
    known = written(tmp_path / "runs.csv", "cell,valid_error", *lines)
    run = sn.search(dear(), "evolution", known=known, budget=1)
    parents = [cell for cell in SPACE if cell.choices[0] == 0]
    near = {cell for parent in parents for cell in SPACE.neighbours(parent)}
    assert run.trials[0].cell in near
    fresh = sn.search(dear(), "random", known=known, budget=90)
    assert not {trial.cell for trial in fresh.trials} & set(parents), (
        "known cells are not new"
    )
    assert sn.search(dear(), "bo", known=known, budget=10).incumbent.score == 0.11


def test_early_looks_are_told_to_strategies_over_epochs_alone(tmp_path, snas):
    lines = [f"{index},{1 if index < 5 else ''},{20 + index}" for index in range(6)]
    known = written(tmp_path / "runs.csv", "cell,epochs,valid_error", *lines)
    run = sn.search(
        FASHION, "one_epoch", "valid_error", known=known, n_random=0, budget=1
    )
    assert [trial.epochs for trial in run.known] == [1] * 5 + [5]
    assert (run.trials[0].cell.index, run.trials[0].epochs) == (0, 5), (
        "five looks pay for one"
    )
    assert run.best_known is not None and run.best_known.cell.index == 5
    outcome = snas(
        "search", "fashion", "evolution", "--objective", "valid_error", "--known", known
    )
    assert_one_clear_line(outcome, "for 1 epochs, but evolution uses only 5")


def test_a_front_and_limits_are_told_as_trials_have_them(tmp_path):
    known = written(
        tmp_path / "runs.csv", "cell,valid_error,valid_loss", "5,20,0.5", "6,30,0.7"
    )
    run = sn.search(FASHION, "nsga2", "valid_error, params", known=known, budget=12)
    assert [len(trial.scores) for trial in run.known] == [2, 2]
    limited = sn.search(
        FASHION,
        "random",
        "valid_error",
        subject_to="params <= 1",
        known=known,
        budget=12,
    )
    assert (
        not any(trial.feasible for trial in limited.known)
        and limited.best_known is None
    )


def test_a_folder_holds_how_its_runs_began_and_mixes_no_two(tmp_path):
    objective = Objective("valid_error", FASHION)
    known = written(tmp_path / "runs.csv", "cell,valid_error", "5,20")
    beginning = read_beginning(objective, [11], known)
    made = Experiment(objective, ["evolution"], 2, Budget(14), beginning)
    runs = made.execute(folder=tmp_path / "out")
    again = made.execute(folder=tmp_path / "out")
    assert [run.trials for run in runs] == [run.trials for run in again]
    assert all(run.known == beginning.known for run in [*runs, *again])
    stored = read_comparison(tmp_path / "out").description["beginning"]
    assert stored["first"] == [str(FASHION.space[11])]
    (line,) = stored["known"]
    assert line["cell"] == str(FASHION.space[5]) and line["values"] == {
        "valid_error[5]": 20.0
    }
    longer = Experiment(objective, ["evolution"], 2, Budget(16), beginning)
    assert [len(run.trials) for run in longer.execute(folder=tmp_path / "out")] == [
        16,
        16,
    ]
    for other in (
        Beginning(),
        Beginning(beginning.first),
        read_beginning(objective, [12], known),
    ):
        with pytest.raises(
            UserError, match="its initial architectures or earlier trainings differ"
        ):
            Experiment(objective, ["evolution"], 2, Budget(16), other).execute(
                folder=tmp_path / "out"
            )
    Experiment(objective, ["random"], 1, Budget(12)).execute(folder=tmp_path / "plain")
    with pytest.raises(UserError, match="its initial architectures"):
        Experiment(objective, ["random"], 1, Budget(12), beginning).execute(
            folder=tmp_path / "plain"
        )


# The command, and what is wrong with input


def test_the_command_tells_known_cells_apart(tmp_path, snas):
    known = written(tmp_path / "runs.csv", "cell,valid_error", "5,1.5", "6,20")
    asked = ("search", "fashion", "random", "--objective", "valid_error")
    options = (
        "--first",
        11,
        "--first",
        12,
        "--known",
        known,
        "--n-random",
        0,
        "--budget",
        4,
    )
    found = snas(*asked, *options, "--json").json
    assert [trial["cell"] for trial in found["trials"][:2]] == [
        str(FASHION.space[11]),
        str(FASHION.space[12]),
    ]
    assert found["known"]["best"] == {"cell": str(FASHION.space[5]), "score": 0.015}
    assert len(found["known"]["trainings"]) == 2 and len(found["trials"]) == 4
    assert found["best"]["score"] > 0.015
    table = snas(*asked, *options).out
    assert (
        "earlier trainings, not charged" in table
        and "best of the earlier trainings" in table
    )
    plain = snas(*asked, "--budget", 12)
    assert "known" not in plain.out
    assert snas(*asked, "--budget", 12, "--json").json["known"] == {
        "trainings": [],
        "best": None,
    }


@pytest.mark.parametrize(
    ("first", "says"),
    [
        (["nonsense"], "Malformed cell 'nonsense'"),
        (["99999"], "has cells 0 to 15624"),
        (["mine.txt"], "There is no file mine.txt."),
        (["11", "11"], "is given twice with first="),
        (
            ["1", "2", "3", "4"],
            "4 cells given with first= (--first), but the budget is 3.",
        ),
    ],
)
def test_first_cells_that_are_none_get_one_line(
    first, says, snas, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    options = [part for one in first for part in ("--first", one)]
    assert_one_clear_line(
        snas("search", "fashion", "random", *options, "--budget", 3), says
    )


def test_a_file_of_first_cells_says_which_line_is_none(tmp_path, snas):
    file = written(tmp_path / "mine.txt", "11", "twelve")
    outcome = snas("search", "fashion", "random", "--first", file)
    assert_one_clear_line(outcome, "mine.txt, line 2: ")
    empty = written(tmp_path / "empty.txt", "# none")
    assert_one_clear_line(
        snas("search", "fashion", "--first", empty), "contains no cell"
    )
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    assert_one_clear_line(
        snas("search", "fashion", "--first", tmp_path / "bytes.txt"), "UTF-8"
    )


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["valid_error", "3"], "has no column 'cell'"),
        (["cell,valid_error"], "needs a header and one line per training"),
        (["cell,valid_eror", "5,3"], "line 1: Unknown metric of fashion 'valid_eror'"),
        (
            ["cell,valid_error,valid_error", "5,3,3"],
            "has the column 'valid_error' twice",
        ),
        (["cell,valid_error", "nonsense,3"], "line 2: "),
        (
            ["cell,valid_error", "5,3", "6,nan"],
            "line 3: valid_error[5] is nan, not a finite",
        ),
        (
            ["cell,valid_error", "5,inf"],
            "line 2: valid_error[5] is inf, not a finite number",
        ),
        (
            ["cell,valid_error", "5,good"],
            "line 2: valid_error[5] is good, not a finite number",
        ),
        (["cell,valid_error", "5,"], "line 2: valid_error[5] of "),
        (["cell,valid_loss", "5,1"], "is missing"),
        (["cell,valid_error", "5,3", "5,3"], "also occurs in line 2"),
        (["cell,valid_error", "5,3,4"], "line 2: 3 entries, but the header has 2"),
        (["cell,valid_error", '5,"3'], "line 2: "),
        (
            ["cell,epochs,valid_error", "5,7,3"],
            "has no values at 7 epochs, only at 1, 2, 3, 4, 5",
        ),
        (["cell,epochs,valid_error", "5,x,3"], "epochs must be a whole number"),
    ],
)
def test_a_wrong_file_of_trainings_gets_one_line(lines, says, tmp_path, snas):
    known = written(tmp_path / "runs.csv", *lines)
    asked = ("search", "fashion", "asha", "--objective", "valid_error", "--budget", 3)
    assert_one_clear_line(snas(*asked, "--known", known), says)


def test_what_cannot_be_known_gets_one_line(tmp_path, snas):
    known = written(
        tmp_path / "runs.csv", "cell,epochs,valid_error", '"grid(a=0, b=0, c=0)",5,3'
    )
    with pytest.raises(
        UserError, match="epochs is 5, but this objective does not depend on epochs"
    ):
        read_beginning(Objective("valid_error", dear()), (), known)
    assert_one_clear_line(
        snas("search", "fashion", "--known", tmp_path / "no.csv"), "Cannot read"
    )
    outcome = snas("search", "fashion", "--n-random", -1)
    assert_one_clear_line(
        outcome, "n_random (--n-random) must be a whole number from 0"
    )


def test_what_is_known_is_a_frame_or_trials_too(tmp_path):
    space = sn.ChoiceSpace("mlp", {"width": (16, 64, 256), "depth": (1, 2, 3)})
    bench = sn.Computed(space, {"valid_error": lambda cell: 30.0 - sum(cell.choices)})
    frame = pd.DataFrame(
        {"width": [64, 16], "depth": [2, 1], "valid_error": [28.0, 30]}
    )
    asked = {"budget": 4, "n_random": 0}
    run = sn.search(bench, "evolution", "valid_error", known=frame, **asked)
    assert [trial.cell["width"] for trial in run.known] == [64, 16]
    frame.to_csv(tmp_path / "known.csv", index=False)
    for same in (tmp_path / "known.csv", run.known):
        again = sn.search(bench, "evolution", "valid_error", known=same, **asked)
        assert (again.known, again.trials) == (run.known, run.trials)
    for wrong, said in (
        (frame.assign(width=[64, 17]), "line 3: width of the space mlp"),
        (frame.drop(columns="depth"), "no column 'cell'"),
        (frame.assign(valid_error=[math.nan, 3]), "line 2: valid_error .* is missing"),
        (3, "a CSV file, a data frame or a list of trials, not 3"),
        ([3], "a CSV file, a data frame or a list of trials"),
    ):
        with pytest.raises(sn.UserError, match=said):
            sn.search(bench, "evolution", "valid_error", known=wrong, **asked)
