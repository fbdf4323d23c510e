"""Answers from outside: kept with their run, from which it is made again without whoever gave
them.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

import surrogate_nas as sn
from surrogate_nas.core.errors import UserError
from surrogate_nas.runs.store import Store
from tests import examples_talker

ASKED = "valid_loss + 0.1*params"
AT_WILL = """
import surrogate_nas as sn

class AtWill(sn.Strategy):
    from_outside = True
    def ask(self, n):
        import os
        number = int.from_bytes(os.urandom(4), "big")
        return [self.space[number % len(self.space)]] if number % 9 else []
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A copy of a program, which can be deleted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(
        "PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    return Path(shutil.copy(examples_talker.__file__, tmp_path / "talk.py"))


NAME = "external(command='python talk.py learn')"


def cells(run):
    return [trial.cell.text for trial in run.trials]


def test_a_run_is_made_again_with_the_program_gone(program):
    first = sn.compare("fashion", [NAME], ASKED, runs=2, budget=16, folder="out").runs
    program.unlink()
    for file in Path("out/runs").glob("*"):
        file.unlink()
    again = sn.compare("fashion", [NAME], ASKED, runs=2, budget=16, folder="out").runs
    assert list(map(cells, first)) == list(map(cells, again))
    assert [run.scores.tolist() for run in first] == [
        run.scores.tolist() for run in again
    ]
    assert [run.diagnosis for run in first] == [run.diagnosis for run in again]
    assert again[0].diagnosis["usage"]["tokens"] == 600


def test_tokens_of_kept_answers_count_when_a_run_goes_on(program, tmp_path):
    name = f"external(command='python talk.py learn {tmp_path}/heard')"
    asked = {"runs": 1, "budget_tokens": 500, "folder": "out"}
    sn.compare("fashion", [name], ASKED, budget=13, **asked)
    (tmp_path / "heard").unlink()
    run = sn.compare("fashion", [name], ASKED, budget=40, **asked).runs[0]
    left = [json.loads(line) for line in (tmp_path / "heard").read_text().splitlines()]
    assert [one["left"]["tokens"] for one in left if "ask" in one] == [200, 100, 0]
    assert run.diagnosis["usage"]["tokens"] == 600 and len(run.trials) == 15
    assert program.is_file()


@pytest.mark.usefixtures("program")
def test_a_longer_run_asks_only_for_what_is_new(tmp_path):
    name = f"external(command='python talk.py draw {tmp_path}/heard')"
    short = sn.compare("fashion", [name], ASKED, runs=1, budget=13, folder="out").runs[
        0
    ]
    (tmp_path / "heard").unlink()
    long = sn.compare("fashion", [name], ASKED, runs=1, budget=15, folder="out").runs[0]
    assert cells(long)[:13] == cells(short) and len({*cells(long)}) == 15
    heard = [json.loads(line) for line in (tmp_path / "heard").read_text().splitlines()]
    assert sum("ask" in line for line in heard) == 2
    told = [trial["score"] for line in heard for trial in line.get("tell", ())]
    # the program may be ended before it has noted the last
    assert (
        len(told) >= 14 and told == [trial.score for trial in long.trials][: len(told)]
    )


@pytest.mark.usefixtures("program")
def test_altered_answers_are_refused():
    sn.compare("fashion", [NAME], ASKED, runs=1, budget=13, folder="out")
    (answers,) = Path("out/answers").glob("*.journal")
    (run,) = Path("out/runs").glob("*")
    run.unlink()
    answers.write_text(answers.read_text().replace("~0|", "~1|", 1))
    with pytest.raises(
        UserError, match="answers/.* is damaged .line 2 is not as it was written"
    ):
        sn.compare("fashion", [NAME], ASKED, runs=1, budget=13, folder="out")


def test_a_strategy_of_a_user_may_speak_for_others_too(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(AT_WILL)
    out = tmp_path / "out"
    first = sn.compare(
        "fashion", [f"{file}:AtWill"], ASKED, runs=3, budget=60, folder=out
    ).runs
    assert min(len(run.trials) for run in first) < 60, "it ended a run"
    for run in first:
        Store(out).discard("AtWill", run.run)
    again = sn.compare(
        "fashion", [f"{file}:AtWill"], ASKED, runs=3, budget=60, folder=out
    ).runs
    assert list(map(cells, first)) == list(map(cells, again))


@pytest.mark.usefixtures("program")
def test_a_run_of_the_first_protocol_is_read_and_not_resumed():
    """It has trials of a program, and no answers."""
    asked = {"runs": 1, "folder": "out"}
    made = sn.compare("fashion", [NAME], ASKED, budget=12, **asked).runs[0]
    shutil.rmtree("out/answers")
    read = sn.compare("fashion", [NAME], ASKED, budget=12, **asked).runs[0]
    assert cells(read) == cells(made)
    with pytest.raises(UserError, match="made by 0.1.0 .* cannot be resumed"):
        sn.compare("fashion", [NAME], ASKED, budget=15, **asked)
    assert Store(Path("out")).path(NAME, 0).read_text().count("\n") == 13
