"""A search that trains in slots, on a terminal and off one."""

import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

BENCH = """
import surrogate_nas as sn
from tests.runs.delayed import Delayed

CELL = sn.search("fashion", "random", budget=11).trials[0].cell.text
BENCH = Delayed("fashion", jitter=0.3, knows_costs=False, trouble={CELL: "broken"})
"""
ROOT = Path(__file__).parents[2]
FAILED = re.compile(r"^\|.*\|: ValueError: no$", re.M)


@pytest.fixture
def command(tmp_path):
    (tmp_path / "bench.py").write_text(BENCH)
    call = "import sys; sys.path.insert(0, '.'); from surrogate_nas.cli import main; main()"
    command = [
        sys.executable,
        "-c",
        call,
        "search",
        f"{tmp_path / 'bench.py'}:BENCH",
        "evolution",
    ]
    options = [*"--budget 10 --parallel 2 --out".split(), str(tmp_path / "out")]
    return [*command, *options]


def test_off_a_terminal_a_failed_training_is_a_line_once(command):
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    unasked, failed, *last = [
        line for line in ran.stderr.splitlines() if not line.startswith("cells ")
    ]
    assert FAILED.match(failed)
    assert "so the strategies propose none. Use" in unasked
    assert last[0].startswith("Stored in ")
    again = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert again.stderr.splitlines() == [unasked, *last], (
        "what the folder knows is no news"
    )


def test_a_terminal_says_how_many_run_and_failed(command):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=theirs
    )
    os.close(theirs)
    said = b""
    with suppress(OSError):  # the other end was closed
        while piece := os.read(ours, 2**16):
            said += piece
    os.close(ours)
    assert process.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode()).replace("\r", "\n")
    assert "2 running" in text and re.search(r"10/10, \d running, 1 failed", text)
    assert len(FAILED.findall(text)) == 1
