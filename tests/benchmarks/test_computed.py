"""Functions of a user's own, which may be trainings: how often they are called, and what ends a
command well.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections import Counter

import pytest

import surrogate_nas as sn
from surrogate_nas.objective import Objective

DEEP = sn.ChoiceSpace(
    "deep", {f"layer{place}": ("skip", "conv", "pool") for place in range(30)}
)
LISTED = sn.ChoiceSpace(
    "listed", {f"layer{place}": ("skip", "conv", "pool") for place in range(6)}
)
SAMPLE = 64
WITH_R = "valid_error + 0.1*latency@mine"


class Calls:
    """Functions that count how often they are called, by metric and by metric and cell."""

    def __init__(self) -> None:
        self.of = Counter[str]()
        self.of_cell = Counter[tuple[str, str]]()

    def bench(self, space=DEEP, **more):
        metrics = {"valid_error": 60.0, "latency@mine": 4.0, "test_error": 61.0}
        return sn.Computed(
            space,
            {name: self._counted(name, most) for name, most in metrics.items()},
            **more,
        )

    def _counted(self, name, most):
        def function(cell):
            self.of[name] += 1
            self.of_cell[name, cell.text] += 1
            return most - sum(cell.choices) / 60 * most / 2

        return function


@pytest.fixture
def calls():
    return Calls()


@pytest.mark.parametrize(
    ("space", "strategy"),
    [
        (DEEP, "random"),
        (DEEP, "bo"),
        (DEEP, "zero_cost"),
        (DEEP, "guided"),
        (LISTED, "bo"),
    ],
)
def test_a_search_calls_the_loss_for_its_budget_and_for_nothing_else(
    space, strategy, calls
):
    run = sn.search(calls.bench(space), strategy, "valid_error", budget=14)
    cells = {trial.cell for trial in run.trials}
    assert calls.of == {"valid_error": len(cells)} and max(calls.of_cell.values()) == 1


@pytest.mark.parametrize("space", [DEEP, LISTED], ids=["drawn", "listed"])
def test_a_cost_is_computed_over_a_named_sample_and_for_the_cells_asked_for(
    space, calls, capsys
):
    bench = calls.bench(space)
    objective = Objective(WITH_R, bench)
    said = capsys.readouterr().err
    assert (
        said
        == f"latency@mine is computed for {calls.of['latency@mine']} cells first, to find its"
        " median.\n"
    )
    assert calls.of["valid_error"] == 0 and 0 < calls.of["latency@mine"] <= SAMPLE
    (term,) = (term for term in objective.terms if not term.is_loss)
    assert (
        term.divisor_meaning
        == f"median over a fixed sample of {calls.of['latency@mine']} cells"
    )
    beforehand = calls.of["latency@mine"]
    Objective(WITH_R, bench)
    assert calls.of["latency@mine"] == beforehand and not capsys.readouterr().err
    run = sn.search(bench, "bo", objective, subject_to=None, budget=16)
    cells = {trial.cell for trial in run.trials}
    assert calls.of["valid_error"] == len(cells) and calls.of[
        "latency@mine"
    ] <= beforehand + len(cells)
    assert objective.over_space() is None and objective.optimum() is None
    assert "latency@mine" in objective.free.missing


def test_runs_that_a_folder_holds_are_announced_no_more(calls, capsys, tmp_path):
    bench = calls.bench()

    def said(runs):
        sn.compare(
            bench, ["random"], "valid_error", runs=runs, budget=12, folder=tmp_path
        )
        return capsys.readouterr().err

    assert "valid_error: computed for at most 12 cells in each run, 24 in all." in said(
        2
    )
    assert "computed for" not in said(2)
    assert "at most 12 cells in each run, 24 in all." in said(4)


def test_a_comparison_calls_as_often_as_it_said_with_its_report(
    calls, capsys, tmp_path
):
    made = sn.compare(
        calls.bench(),
        ["random", "evolution", "bo"],
        WITH_R,
        runs=2,
        budget=12,
        folder=tmp_path / "out",
    )
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"latency@mine is computed for {SAMPLE} cells first, to find its median.",
        (
            "valid_error, latency@mine: computed for at most 12 cells in each run, 72 in all."
            " test_error: computed at the end for at most 7 cells."
        ),
    ]
    made.to_json()
    sn.write_report(made, tmp_path / "page")
    cells = {trial.cell for run in made.runs for trial in run.trials}
    assert (
        calls.of["valid_error"] == len(cells) <= 72 and 0 < calls.of["test_error"] <= 7
    )
    assert (
        calls.of["latency@mine"] <= SAMPLE + len(cells)
        and max(calls.of_cell.values()) == 1
    )


def test_other_metrics_are_as_dear_as_said(calls):
    bench = calls.bench(cheap=["latency@mine"])
    objective = Objective(WITH_R, bench)
    assert calls.of["valid_error"] == 0 and objective.free.terms == ("latency@mine",)
    assert not bench.has_columns and bench.one_by_one
    with pytest.raises(
        sn.UserError,
        match=r"valid_error of deep is computed cell by cell, .*cheap=True",
    ):
        bench.column("valid_error")
    with pytest.raises(
        sn.UserError, match="Unknown metric among those of `cheap` 'latency'"
    ):
        calls.bench(cheap=["latency"])


def test_cheap_functions_make_columns_and_regret(calls):
    bench = calls.bench(LISTED, cheap=True)
    objective = Objective("valid_error", bench)
    assert (
        objective.optimum() == pytest.approx(0.54)
        and len(bench.column("valid_error")) == 3**6
    )
    assert [term.largest for term in objective.terms] == [60.0]
    assert objective.fingerprint
    assert set(calls.of_cell.values()) == {1}, "one column serves all"


def scaled(cell):
    return 2.0 * sum(cell.choices)


def test_another_process_knows_the_fingerprint():
    bench = sn.Computed(DEEP, {"valid_error": scaled}, cheap=())
    again = pickle.loads(pickle.dumps(bench))
    assert again.fingerprint == bench.fingerprint and again.is_expensive("valid_error")


@pytest.mark.parametrize("worst", [float("nan"), float("inf"), 1e13])
def test_a_loss_has_an_end(worst):
    bench = sn.Computed(DEEP, {"valid_loss": lambda _: worst})
    with pytest.raises(sn.UserError, match="valid_loss of deep is"):
        sn.search(bench, "random", budget=1)


@pytest.mark.parametrize(
    "slots", [{}, {"resources": sn.Resources(parallel=2, order="clock")}]
)
def test_a_call_that_fails_is_a_query_too(slots):
    """Else cells that fail are free."""

    def error(cell):
        if cell.choices[0]:
            raise ValueError("no data")
        return 10.0

    bench = sn.Computed(DEEP, {"valid_error": error})
    works = DEEP.cell((0,) * 30)
    run = sn.search(bench, "random", budget=12, first=[works], **slots)
    assert [trial.cost for trial in run.trials] == [1.0] * len(run.trials)
    assert any(trial.failure for trial in run.trials)


ENDS = {
    "exit": ("exit(0)", "SystemExit: 0"),
    "sys.exit": ("sys.exit(3)", "SystemExit: 3"),
    "os._exit": ("os._exit(0)", "SystemExit: 0"),
    "a thread": (
        "ends = threading.Thread(target=os._exit, args=(0,)); ends.start(); ends.join(); return 1",
        "SystemExit: 0",
    ),
    "exec": ("os.execvp('true', ['true'])", "SystemExit: os.execv"),
    "generator": ("raise GeneratorExit", "GeneratorExit"),
    "interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "error": ("raise ValueError('no data')", "ValueError: no data"),
}


def ending(folder, how):
    lines = [
        "import os",
        "import sys",
        "import threading",
        "import surrogate_nas as sn",
        "",
        "def error(cell):",
        f"    {how}",
        "",
    ]
    lines += ["SPACE = sn.ChoiceSpace('deep', {'a': (1, 2), 'b': (1, 2)})"]
    lines += ["BENCH = sn.Computed(SPACE, {'valid_error': error})"]
    (folder / "ends.py").write_text("\n".join(lines))
    return f"{folder / 'ends.py'}:BENCH"


@pytest.mark.parametrize("how", ENDS)
def test_a_function_that_ends_the_process_is_one_line(how, snas, tmp_path):
    code, says = ENDS[how]
    made = snas("search", ending(tmp_path, code), "random", "--budget", 2)
    announced, line = made.err.strip().splitlines()
    assert (
        made.code == 2
        and not made.out
        and announced.startswith("valid_error: computed")
    )
    assert line.startswith("snas: valid_error of deep fails for") and says in line


FORKS = """
import os
import surrogate_nas as sn

def error(cell):
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return 1.0 + sum(cell.choices)

BENCH = sn.Computed(sn.ChoiceSpace("net", {"a": (1, 2), "b": (1, 2)}), {"valid_error": error})
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no process is forked")
def test_a_process_that_a_function_forks_ends_with_the_function(tmp_path):
    (tmp_path / "forks.py").write_text(FORKS)
    code = "from surrogate_nas.cli import main; main()"
    command = [
        "search",
        "forks.py:BENCH",
        "random",
        "--budget",
        "2",
        "--out",
        "out",
        "--json",
    ]
    made = subprocess.run(
        [sys.executable, "-c", code, *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert len(json.loads(made.stdout)["trials"]) == 2
    lines = (tmp_path / "out" / "runs" / "random-0.jsonl").read_text().splitlines()
    assert ['"end"' in line for line in lines] == [False, False, True]


def test_a_space_that_ends_the_process_is_one_line(snas, tmp_path):
    text = """import surrogate_nas as sn

class Ends(sn.ChoiceSpace):
    def sample(self, rng):
        raise SystemExit

BENCH = sn.Computed(Ends("ends", {"a": (1, 2)}), {"valid_error": lambda cell: 1.0})
"""
    (tmp_path / "space.py").write_text(text)
    made = snas("search", f"{tmp_path / 'space.py'}:BENCH", "random", "--budget", 2)
    assert (
        made.code == 2
        and "Your code ended the process (SystemExit" in made.err
        and "space.py:5" in made.err
    )
