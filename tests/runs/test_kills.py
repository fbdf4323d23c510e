"""Killed in any way at any moment, a comparison leaves no process, and the same command makes the
same of it.

The moment does not depend on the clock: a strategy waits at its tenth trial until a file says that
it may go on. The long version with random moments and other commands is analysis/torture.py.
"""

import json
import signal
import sys
import time

import psutil
import pytest

from analysis.torture import hit, marked, workers
from tests.gated import Gated

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What the comparison gives if nothing happens to it."""
    return Gated(tmp_path_factory.mktemp("undisturbed")).finish()


@pytest.mark.parametrize(
    ("kind", "code", "says"),
    [
        ("parent -9", -9, ""),
        (
            "parent -15",
            143,
            "snas: ended by SIGTERM. Finished results are kept. Repeat the command to resume.",
        ),
        ("group", -9, ""),
        (
            "parent -1",
            129,
            "snas: ended by SIGHUP. Finished results are kept. Repeat the command to resume.",
        ),
        (
            "parent -2",
            130,
            "snas: interrupted. Finished results are kept. Repeat the command to resume.",
        ),
    ],
)
def test_a_killed_comparison_leaves_no_process_and_goes_on(
    undisturbed, tmp_path, kind, code, says
):
    gated = Gated(tmp_path / "work")
    mark = str(tmp_path)
    process = gated.start(mark)
    at_gate = gated.arrived(2)
    # made a run of random search, and will make the next
    (idle,) = workers(mark) - at_gate
    assert at_gate < workers(mark) and psutil.Process(idle).children() == []
    assert hit(process, kind, mark)
    _, errors = process.communicate()
    assert (process.returncode, errors.strip()) == (code, says)
    while marked(mark):  # for ever, if one outlives it
        time.sleep(0.01)
    assert gated.finish() == undisturbed


SECOND = (
    "import atexit, os, signal; atexit.register(os.kill, os.getpid(), signal.SIGINT); "
)
SECOND += "from surrogate_nas.cli import main; main()"


def test_a_killed_worker_costs_its_run_and_the_same_command_redoes_it(
    undisturbed, tmp_path
):
    gated = Gated(tmp_path / "work")
    mark = str(tmp_path)
    process = gated.start(mark)
    gated.arrived(2)
    assert hit(process, "worker", mark)
    gated.open()
    printed, errors = process.communicate()
    assert process.returncode == 2 and "random" in printed
    told = [line for line in errors.splitlines() if line.startswith("snas: ")]
    assert len(told) == 1 and "Traceback" not in errors
    assert (
        "Strategy Gate failed in run" in told[0] and "killed by SIGKILL (9)" in told[0]
    )
    summary = json.loads((gated.folder / "out" / "summary.json").read_text())
    assert {s["name"]: s["runs"] for s in summary["strategies"]} == {
        "Gate": 1,
        "random": 2,
    }
    assert gated.runs()["random-0.jsonl"] == undisturbed[1]["random-0.jsonl"]
    assert gated.finish() == undisturbed


def test_a_second_process_waits_for_the_first_and_both_say_the_same(
    undisturbed, tmp_path
):
    gated = Gated(tmp_path / "work")
    first = gated.start("first")
    gated.arrived(2)
    second = gated.start("second")
    assert second.stderr is not None
    assert f"Waiting for process {first.pid} on " in second.stderr.readline()
    gated.open()
    assert (first.wait(), second.wait()) == (0, 0)
    assert gated.finish() == undisturbed


def test_handlers_are_put_back(snas):
    before = signal.getsignal(signal.SIGTERM)
    snas("path")
    assert signal.getsignal(signal.SIGTERM) == before
