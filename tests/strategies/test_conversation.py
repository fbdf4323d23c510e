"""The second version of the protocol of external programs: what they may ask, how they name cells,
and what is wrong.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

import surrogate_nas as sn
from surrogate_nas.contract import check
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import nb201
from surrogate_nas.space.trial import Request
from surrogate_nas.strategies.code import LARGEST_CODE, Builder
from surrogate_nas.strategies.conversation import Conversation
from surrogate_nas.strategies.external import External
from tests import examples_talker
from tests.conftest import CELL

FILE = Path(examples_talker.__file__)
ASKED = "valid_loss + 0.1*params"
BUILD = """
import time
def build(code):
    names = {}
    for line in code.splitlines():
        name, _, value = line.partition(" = ")
        names[name] = value
    if "sleep" in names:
        time.sleep(60)
    if "list" in names:
        return [1, 2]
    return f"mlp(width={names['width']}, depth={names['depth']})"
"""


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FILE.parent)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def talker(how: str = "draw", file: Path | None = None, **options: Any) -> str:
    command = " ".join(["python", FILE.name, how, str(file or "")]).strip()
    more = "".join(f",{name}={value!r}" for name, value in options.items())
    return f"external(command={command!r},protocol=2{more})"


def lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_program_is_told_the_problem_and_what_is_left(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    limit = "params <= 20000"
    run = sn.search(
        "fashion",
        talker("learn", heard),
        ASKED,
        subject_to=limit,
        budget=14,
        budget_tokens=10_000,
    )
    greeting, first, *later = lines(heard)
    problem = greeting["problem"]
    assert problem["expression"] == f"valid_loss[5] + 0.1*params subject to {limit}"
    assert problem["direction"] == "minimise"
    assert "valid_loss[5] / 1 nats" in problem["words"] and limit in problem["words"]
    assert greeting["epochs"]["choices"] == [1, 2, 3, 4, 5] and greeting["epochs"]["own"] == 5
    assert "params" in greeting["free"]["terms"] and "params" in greeting["free"]["metrics"]
    assert len(first["tell"]) == 10
    asked = [one["left"] for one in later if "ask" in one]
    assert [one["cells"] for one in asked] == [4, 3, 2, 1]
    assert [one["tokens"] for one in asked] == [10_000, 9_900, 9_800, 9_700]
    assert len(run.trials) == 14
    assert run.diagnosis["usage"] == {"tokens": 400.0, "requests": 4.0}
    text = heard.read_text()
    assert "test_" not in text and "fashion" not in text.replace("@fashion", "")


def test_what_is_known_for_free_is_that_of_strategies_and_can_be_withheld() -> None:
    objective = sn.Objective(ASKED, sn.load("fashion"), subject_to="params <= 20000")
    external = External(nb201(), seed=0, command="python")
    external.known = objective.known
    talk = Conversation(external)
    answer = talk.answer({"query": [CELL]}, 1)
    assert isinstance(answer, dict)
    (known,) = answer["cells"]
    (cell,) = [nb201()[11]]
    assert known["penalty"] == objective.known.penalty([cell])[0]
    assert known["feasible"] == objective.known.feasible([cell])[0]
    assert known["metrics"]["params"] == objective.known.metric("params", [cell])[0]
    external.known = None
    with pytest.raises(UserError, match="withheld"):
        talk.answer({"query": [CELL]}, 1)


def test_epochs_may_be_chosen_and_only_those_there_are() -> None:
    run = sn.search("fashion", talker("look_early"), ASKED, budget=12)
    assert [trial.epochs for trial in run.trials[10:]] == [2, 2]
    external = External(nb201(), seed=0, command="python")
    external.epochs = (1, 5)
    external.readable = {1: ("train_loss",), 5: ()}
    talk = Conversation(external)
    asked = {"cell": CELL, "epochs": 1, "read": ["train_loss"]}
    assert talk.answer({"evaluate": [asked]}, 1) == [Request(nb201()[11], 1, ("train_loss",))]
    for wrong, said in (
        ({**asked, "epochs": 2}, "epochs is one of 1, 5, not 2"),
        ({**asked, "epochs": True}, "epochs is one of 1, 5, not True"),
        ({**asked, "read": ["test_error"]}, "read is a list of train_loss here"),
        ({"epochs": 1}, "Name a cell by its text"),
        ({**asked, "seed": 3}, "Unknown part of a cell 'seed'"),
        ({"code": "x"}, "named by their texts, not by code"),
    ):
        with pytest.raises(UserError, match=said):
            talk.answer({"evaluate": [wrong]}, 1)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (["sample"], "A message is a JSON object"),
        ({"sample": json.loads("[" * 500 + "]" * 500)}, "of few levels"),
        ({}, "one operation of describe, sample"),
        ({"sample": 1, "history": True}, "one operation"),
        ({"samples": 1}, "Unknown operation 'samples'. Did you mean 'sample'"),
        ({"sample": 0}, "sample must be a whole number from 1 to 1,000, not 0"),
        ({"sample": 10**9}, "sample must be"),
        ({"neighbours": 3}, "A cell is named by its text, not 3"),
        ({"query": []}, "query takes a list of cells"),
        ({"query": "all"}, "query takes a list of cells, not 'all'"),
        ({"evaluate": [CELL, CELL, CELL]}, "evaluate takes at most 2 cells here, not 3"),
        ({"evaluate": [None]}, "A cell is named by its text, not None"),
        ({"evaluate": [CELL], "usage": 5}, "usage is an object"),
        ({"evaluate": [CELL], "usage": {"token": 5}}, "Unknown usage 'token'"),
        ({"evaluate": [CELL], "usage": {"tokens": -5}}, "usage of tokens must be"),
        ({"evaluate": [CELL], "usage": {"tokens": float("nan")}}, "usage of tokens must be"),
        ({"history": 0}, "history must be a whole number of at least 1"),
    ],
)
def test_what_is_wrong_is_one_line(message: Any, said: str) -> None:
    external = External(nb201(), seed=0, command="python")
    with pytest.raises(UserError) as raised:
        Conversation(external).answer(message, 2)
    assert said in str(raised.value) and "\n" not in str(raised.value)


def test_ten_wrong_messages_in_a_row_end_the_run() -> None:
    with pytest.raises(UserError, match="wrong 10 times in a row: Malformed cell"):
        sn.search("fashion", talker("ask_wrongly"), ASKED, budget=12)


def test_a_program_may_finish_before_its_budget() -> None:
    run = sn.search("fashion", talker("finish"), ASKED, budget=40)
    assert len(run.trials) == 13 and not run.failure


def test_a_budget_of_tokens_ends_a_run() -> None:
    run = sn.search("fashion", talker("learn"), ASKED, budget=40, budget_tokens=250)
    assert len(run.trials) == 12, "the third answer passes it and does not count"
    assert len(sn.search("fashion", "random", ASKED, budget=15, budget_tokens=1).trials) == 15


def test_a_program_without_history_is_told_no_trial(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    run = sn.search("fashion", talker("draw", heard, history=False), ASKED, budget=14)
    assert len(run.trials) == 14
    assert not [one for one in lines(heard) if "tell" in one]
    external = External(nb201(), seed=0, command="python")
    with pytest.raises(UserError, match="without history"):
        Conversation(external, history=False).answer({"history": True}, 1)


def test_it_runs_blinded_and_keeps_the_contract(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    name = f"blind:{talker('learn', heard)}"
    run = sn.search("fashion", name, f"{ASKED} + 0.1*latency@cpu", budget=14)
    assert len(run.trials) == 14 and {trial.cell.text[0] for trial in run.trials} == {"|"}
    text = heard.read_text()
    words = "conv pool skip edge nb201 fashion valid_ params latency cpu nats".split()
    assert [word for word in words if word in text] == []
    assert [one for one in check(talker(), nb201()) if not one.passed] == []


def test_cells_may_be_code_that_a_function_reads(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(BUILD)
    space = sn.EnumerableChoiceSpace("mlp", {"width": (16, 64), "depth": (1, 2, 3)})
    bench = sn.Computed(space, {"valid_error": lambda cell: 9.0 - sum(cell.choices)}, cheap=True)
    name = talker("write_code", code=f"{file}:build")
    run = sn.search(bench, name, "valid_error", budget=6, random_first=2)
    assert [trial.cell.text[-8:] for trial in run.trials[2:]] == [
        "depth=2)",
        "depth=3)",
        "depth=1)",
        "depth=2)",
    ]


def test_code_is_limited_in_size_and_time_and_gives_a_text(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(BUILD)
    builder = Builder(f"{file}:build", 60.0)
    assert builder.text("width = 16\ndepth = 2") == "mlp(width=16, depth=2)"
    for code, said in (
        (5, "Code is a text, not 5"),
        ("x" * (LARGEST_CODE + 1), "may be"),
        ("depth = 1", "KeyError"),
        ("list = 1", "not the text of a cell"),
    ):
        with pytest.raises(UserError) as raised:
            builder.text(code)
        assert said in str(raised.value) and "\n" not in str(raised.value)
    assert builder.text("width = 64\ndepth = 1") == "mlp(width=64, depth=1)", "a new process reads"
    with pytest.raises(UserError, match=r"took more than 0\.1 s when it built a cell"):
        Builder(f"{file}:build", 0.1).text("sleep = 1")
    for place, said in (
        ("build", "FILE.py:NAME"),
        (f"{tmp_path}/none.py:build", "There is no builder file"),
    ):
        with pytest.raises(UserError, match=said):
            Builder(place, 1.0)
    with pytest.raises(UserError, match="add protocol=2"):
        External(nb201(), seed=0, command="x", code=f"{file}:build")
    with pytest.raises(UserError, match="protocol of external is 1 or 2, not 3"):
        External(nb201(), seed=0, command="x", protocol=3)
