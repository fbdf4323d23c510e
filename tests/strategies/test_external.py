"""A proposer in a process of its own: what it answers is used, what it says wrongly is one line,
and it always ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import surrogate_nas as sn
from surrogate_nas.contract import check
from surrogate_nas.contract.trying import TinySpace, trials_of
from surrogate_nas.core.errors import UserError
from surrogate_nas.space import ChoiceSpace, nb201
from surrogate_nas.strategies import resolve, strategy_entry
from surrogate_nas.strategies.external import External
from tests import examples_proposer
from tests.conftest import Snas

FILE = Path(examples_proposer.__file__)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FILE.parent)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def command(how: str = "", pids: Path | None = None) -> str:
    return " ".join(["python", FILE.name, how, str(pids or "")]).strip()


SPEC = f"external(command={command()!r})"


def running(pid_file: Path) -> list[int]:
    """Those of the processes that wrote their numbers into a file which still run."""
    return [int(pid) for pid in pid_file.read_text().split() if _runs(int(pid))]


def _runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def gone(pid_file: Path) -> bool:
    until = time.monotonic() + 10
    while running(pid_file) and time.monotonic() < until:
        time.sleep(0.02)
    return not running(pid_file)


def test_a_search_by_a_proposer_is_one_like_any_other() -> None:
    made, again = (sn.search("fashion", SPEC, budget=25, seed=1) for _ in range(2))
    assert [trial.cell for trial in made.trials] == [trial.cell for trial in again.trials]
    assert len(made.trials) == 25
    first = min(trial.score for trial in made.trials[:10])
    assert min(trial.score for trial in made.trials) <= first
    entry = strategy_entry(SPEC)
    assert entry.label == SPEC and entry.is_trusted


def test_it_keeps_the_contract() -> None:
    for space in (nb201(), TinySpace()):
        assert [one for one in check(SPEC, space) if not one.passed] == []


def test_several_objectives_and_workers_and_any_space() -> None:
    made = sn.search("fashion", SPEC, "valid_loss, macs", budget=16, simulated_workers=3)
    assert len(made.trials) == 16 and not made.failure
    large = ChoiceSpace("wide", {f"p{i}": range(10) for i in range(18)})
    external = External(large, seed=0, command=command())
    assert external.ask(2)[0] in large


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("garbled", "'Sure! Here it is:', which is no JSON"),
        ("foreign", "answered '|conv~0|', no cell: Malformed cell"),
        ("empty", "answered {'cells': []}, not {\"cells\": […]} with 1 to 2 cells"),
        ("number", "answered 7, not"),
        ("ends", "ended with exit code 3"),
        ("hangs", "answered no line within 0.7 s"),
        ("twice", "said 'and another thing' without being asked"),
    ],
)
def test_what_it_says_wrongly_is_quoted(bad: str, said: str, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    external = External(
        nb201(), seed=0, command=command(bad, pids), timeout_seconds=0.7 if bad == "hangs" else 60
    )
    external.tell(trials_of(nb201()[:3]))
    with pytest.raises(UserError) as raised:
        for _ in range(2):
            external.ask(2)
    assert said in str(raised.value) and "\n" not in str(raised.value)
    assert pids.read_text().split() and gone(pids), "it and what it started have ended"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("external", "needs the command of a proposer"),
        ("external(command='no-such-thing')", "there is no command 'no-such-thing'"),
        ("external(command='python \"x')", "No closing quotation"),
        (f"external(command={command()!r},timeout_seconds=0)", "finite number above 0"),
        (f"external(command={command('foreign')!r})", "no cell: Malformed"),
    ],
)
def test_failures_are_one_line_and_exit_code_2(text: str, said: str, snas: Snas) -> None:
    made = snas("search", "fashion", "--strategy", text, "--budget", "12")
    assert made.code == 2 and said in " ".join(made.err.split()), made.err
    assert "Traceback" not in made.err


@pytest.mark.parametrize("spawns", ["spawns", "detaches"])
def test_it_ends_when_the_strategy_goes_and_when_we_are_killed(spawns: str, tmp_path: Path) -> None:
    """With what it started, also in a session of its own."""
    pids = tmp_path / "pids"
    external = resolve(f"external(command={command(spawns, pids)!r})")(nb201(), seed=0)
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


def test_a_run_that_grows_tells_everything_again(tmp_path: Path) -> None:
    short, whole = (
        sn.compare("fashion", [SPEC], runs=1, budget=n, folder=tmp_path / folder)
        for n, folder in ((15, "grown"), (25, "whole"))
    )
    grown = sn.compare("fashion", [SPEC], runs=1, budget=25, folder=tmp_path / "grown")
    assert [t.cell for t in grown.runs[0].trials] == [t.cell for t in whole.runs[0].trials]
    assert [t.cell for t in short.runs[0].trials] == [t.cell for t in whole.runs[0].trials[:15]]
