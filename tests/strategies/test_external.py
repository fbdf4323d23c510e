"""External programs: what they may ask, how they name cells, what is wrong, and that they end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import surrogate_nas as sn
from surrogate_nas.contract import check
from surrogate_nas.contract.checks import TinySpace, trials_of
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import Request, nb201
from surrogate_nas.strategies import resolve, strategy_entry
from surrogate_nas.strategies.external import External
from tests.conftest import CELL
from tests.talking import ASKED, FILE, command, talker


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    monkeypatch.chdir(FILE.parent)
    monkeypatch.setenv(
        "PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )


def lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def running(pid_file):
    """Those of the processes that wrote their numbers into a file which still run."""
    return [pid for pid in pid_file.read_text().split() if _runs(pid)]


def _runs(pid):
    try:
        return (
            "Z"
            not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        )
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pid_file):
    until = time.monotonic() + 10
    while running(pid_file) and time.monotonic() < until:
        time.sleep(0.02)
    return not running(pid_file)


def test_a_program_reads_the_problem_and_what_is_left(tmp_path):
    heard = tmp_path / "heard"
    limit = "params <= 20000"
    name = talker("learn", heard)
    given = {"subject_to": limit, "budget": 14, "budget_tokens": 10_000, "seed": 1}
    run = sn.search("fashion", name, ASKED, **given)
    greeting, first, *later = lines(heard)
    problem = greeting["problem"]
    assert problem["expression"] == f"valid_loss[5] + 0.1*params subject to {limit}"
    assert problem["direction"] == "minimise"
    assert (
        greeting["epochs"]["choices"] == [1, 2, 3, 4, 5]
        and greeting["epochs"]["own"] == 5
    )
    assert (
        "params" in greeting["free"]["terms"]
        and "params" in greeting["free"]["metrics"]
    )
    assert len(first["tell"]) == 10
    asked = [one["left"] for one in later if "ask" in one]
    assert [one["cells"] for one in asked] == [4, 3, 2, 1]
    assert [one["tokens"] for one in asked] == [10_000, 9_900, 9_800, 9_700]
    assert len(run.trials) == 14
    assert run.diagnosis["usage"] == {"tokens": 400.0, "requests": 4.0}
    text = heard.read_text()
    assert "test_" not in text and "fashion" not in text.replace("@fashion", "")
    again = sn.search("fashion", name, ASKED, **given)
    assert [trial.cell for trial in run.trials] == [
        trial.cell for trial in again.trials
    ]
    assert strategy_entry(name).label == name and strategy_entry(name).is_trusted


def test_free_terms_are_those_of_strategies_and_can_be_withheld():
    objective = sn.Objective(ASKED, sn.load("fashion"), subject_to="params <= 20000")
    external = External(nb201(), seed=0, command="python")
    external.free = objective.free
    answer = external.answer({"query": [CELL]}, 1)
    assert isinstance(answer, dict)
    (known,) = answer["cells"]
    (cell,) = [nb201()[11]]
    assert known["penalty"] == objective.free.penalty([cell])[0]
    assert known["feasible"] == objective.free.feasible([cell])[0]
    assert known["metrics"]["params"] == objective.free.metric("params", [cell])[0]
    external.free = None
    with pytest.raises(UserError, match="withheld"):
        external.answer({"query": [CELL]}, 1)


def test_a_program_may_choose_among_the_epochs():
    run = sn.search("fashion", talker("look_early"), ASKED, budget=12)
    assert [trial.epochs for trial in run.trials[10:]] == [2, 2]
    external = External(nb201(), seed=0, command="python")
    external.epochs = (1, 5)
    external.readable = {1: ("train_loss",), 5: ()}
    asked = {"cell": CELL, "epochs": 1, "read": ["train_loss"]}
    assert external.answer({"evaluate": [asked]}, 1) == [
        Request(nb201()[11], 1, ("train_loss",))
    ]
    for wrong, said in (
        ({**asked, "epochs": 2}, "epochs must be one of 1, 5 here, not 2"),
        ({**asked, "epochs": True}, "got `bool`"),
        (
            {**asked, "read": ["test_error"]},
            "read must be a list with elements of: train_loss",
        ),
        ({"epochs": 1}, "missing required field `cell`"),
        ({**asked, "seed": 3}, "unknown field `seed`"),
        ({"code": "x"}, "unknown field `code`"),
    ):
        with pytest.raises(UserError, match=said):
            external.answer({"evaluate": [wrong]}, 1)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (["sample"], "A message must be a JSON object"),
        ({"sample": json.loads("[" * 500 + "]" * 500)}, "sample: Expected `int`"),
        ({}, "one operation of describe, sample"),
        ({"samples": 1}, "Unknown operation 'samples'. Did you mean 'sample'"),
        ({"sample": 0}, "sample: Expected `int` >= 1"),
        ({"sample": 10**9}, "sample: Expected `int` <= 1000"),
        ({"query": []}, "query: Expected `array` of length >= 1"),
        (
            {"evaluate": [CELL, CELL, CELL]},
            "evaluate accepts at most 2 cells here, not 3",
        ),
        ({"evaluate": [CELL], "usage": {"token": 5}}, "unknown field `token`"),
        ({"evaluate": [CELL], "usage": {"tokens": -5}}, "`float` >= 0.0"),
        ({"evaluate": [CELL], "usage": {"tokens": float("nan")}}, "`float` >= 0.0"),
        ({"history": 0}, "history: Expected `int` >= 1"),
    ],
)
def test_a_wrong_message_is_one_line(message, said):
    external = External(nb201(), seed=0, command="python")
    with pytest.raises(UserError) as raised:
        external.answer(message, 2)
    assert said in str(raised.value) and "\n" not in str(raised.value)


def test_a_program_may_finish_before_its_budget():
    run = sn.search("fashion", talker("finish"), ASKED, budget=40)
    assert len(run.trials) == 13 and not run.failure


def test_a_budget_of_tokens_ends_a_run():
    run = sn.search("fashion", talker("learn"), ASKED, budget=40, budget_tokens=250)
    assert len(run.trials) == 12, "the third answer passes it and does not count"
    assert (
        len(sn.search("fashion", "random", ASKED, budget=15, budget_tokens=1).trials)
        == 15
    )


def test_a_program_without_history_reads_no_trial(tmp_path):
    heard = tmp_path / "heard"
    run = sn.search("fashion", talker("draw", heard, history=False), ASKED, budget=14)
    assert len(run.trials) == 14
    assert not [one for one in lines(heard) if "tell" in one]
    external = External(nb201(), seed=0, command="python", history=False)
    with pytest.raises(UserError, match="has no history"):
        external.answer({"history": True}, 1)


def test_it_runs_blinded_with_several_objectives_and_keeps_the_contract(tmp_path):
    heard = tmp_path / "heard"
    name = f"blind:{talker('learn', heard)}"
    run = sn.search("fashion", name, f"{ASKED} + 0.1*latency@cpu", budget=14)
    assert len(run.trials) == 14 and {trial.cell.text[0] for trial in run.trials} == {
        "|"
    }
    text = heard.read_text()
    words = "conv pool skip edge nb201 fashion valid_ params latency cpu nats".split()
    assert [word for word in words if word in text] == []
    made = sn.search(
        "fashion",
        talker(),
        "valid_loss, macs",
        budget=16,
        resources=sn.Resources(simulated_workers=3),
    )
    assert len(made.trials) == 16 and not made.failure
    assert [one for one in check(talker(), TinySpace()) if not one.passed] == []


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("garbled", "'Sure! Here it is:', which is not JSON"),
        ("ask_wrongly", "10 invalid messages in a row: Malformed cell"),
        ("number", "10 invalid messages in a row: A message must be a JSON object"),
        ("ends", "ended with exit code 3"),
        ("hangs", "did not answer a line within 0.7 s"),
        ("twice", "without a request"),
    ],
)
def test_a_program_that_fails_is_quoted_and_ended(bad, said, tmp_path):
    pids = tmp_path / "pids"
    limit = 0.7 if bad == "hangs" else 60
    external = External(
        nb201(), seed=0, command=command(bad, pids), timeout_seconds=limit
    )
    external.tell(trials_of(nb201()[:3]))
    with pytest.raises(UserError) as raised:
        for _ in range(3):
            external.ask(2)
    assert said in str(raised.value) and "\n" not in str(raised.value)
    assert bad == "ask_wrongly" or (pids.read_text().split() and gone(pids))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("external", "needs the command of a program"),
        ("external(command='no-such-thing')", "there is no command 'no-such-thing'"),
        ("external(command='python \"x')", "No closing quotation"),
        (talker(timeout_seconds=0), "finite number above 0"),
        (talker("garbled"), "which is not JSON"),
    ],
)
def test_failures_are_one_line_and_exit_code_2(text, said, snas):
    made = snas("search", "fashion", "--strategy", text, "--budget", "12")
    assert made.code == 2 and said in " ".join(made.err.split()), made.err
    assert "Traceback" not in made.err


@pytest.mark.parametrize("spawns", ["spawns", "detaches"])
def test_it_ends_when_the_strategy_goes_and_when_we_are_killed(spawns, tmp_path):
    """With what it started, also in a session of its own."""
    pids = tmp_path / "pids"
    external = resolve(talker(spawns, pids))(nb201(), seed=0)
    external.ask(1)
    assert len(running(pids)) == 2
    del external
    assert gone(pids)
    pids.unlink()
    code = (
        "import os, signal\n"
        "from surrogate_nas.space import nb201\n"
        "from surrogate_nas.strategies.external import External\n"
        f"external = External(nb201(), seed=0, command={command(spawns, pids)!r})\n"
        "external.ask(1)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    made = subprocess.run([sys.executable, "-c", code], check=False, timeout=600)
    assert made.returncode == -signal.SIGKILL
    assert len(pids.read_text().split()) == 2 and gone(pids)
