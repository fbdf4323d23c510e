"""Whatever is typed: an answer, or one clear line with exit code 2; never a traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from surrogate_nas.files import HOME_VARIABLE
from tests.conftest import CELL, assert_one_clear_line

LONG = "x" * 5000
BYTES = os.fsdecode(b"\xff\xfe\xc3(")
NAMES = [
    line.split()
    for line in """
query {} CELL
query {}.h5 CELL
query live:{} CELL
query live:{}.py:TASK CELL
query surrogate:{} CELL
query analog-cifar10 {}
query analog-cifar10 CELL --metric {}
query analog-cifar10 CELL --with {}
search {}
search analog-cifar10 --strategy {}
search analog-cifar10 --strategy {}.py:Class
search analog-cifar10 --strategy tests/broken_strategies.py:{}
search analog-cifar10 --objective {}
search analog-cifar10 --subject-to {}
compare {}
compare analog-cifar10 --strategies random,{}
report {}
suite {}
suite {}.toml
suite starter --problems {}
suite starter --strategies random,{}
check {}
check {}.py:Class
train {} --task tests/tiny_task.py:TINY
train CELL --task {}
train CELL --task {}.py:TASK
train CELL --task tests/tiny_task.py:TINY --device {}
measure --cells 2 --task {} --out local.h5
fit {} --target digital_error --train 20 --model ridge --out model.bin
fit analog-cifar10 --train 20 --model ridge --target {} --out model.bin
fit analog-cifar10 --target digital_error --train 20 --model {} --out model.bin
fit analog-cifar10 --target digital_error --train 20 --model {}.py:Class --out model.bin
predict {} CELL
table {}
table {}.py:TASK
data import csv {}
data import nats {}
data import nb201-pth {}
new strategy {}
new task {}
new loss {}
new space {}
new training {}
{}
query analog-cifar10 CELL --{}
""".strip().splitlines()
]
WRITTEN = [
    line.split()
    for line in """
compare analog-cifar10 --strategies random --runs 1 --budget 3 --out {}
suite starter --problems fashion --strategies random --runs 1 --out {}
measure --cells 2 --task tests/tiny_task.py:TINY --out {}
fit analog-cifar10 --target digital_error --train 20 --model ridge --out {}
new strategy Good --folder {}
""".strip().splitlines()
]
"""Commands that write where they are told; a folder of any bytes is one."""


def typed(command, text=""):
    return [part.replace("{}", text).replace("CELL", CELL) for part in command]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Commands run in an empty folder, from which the tests can be reached."""
    (tmp_path / "tests").symlink_to(Path(__file__).parents[1])
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("command", [*NAMES, *WRITTEN], ids=" ".join)
def test_an_over_long_name_and_bytes_that_are_no_text_get_one_clear_line(snas, command):
    for text in [LONG, BYTES] if command in NAMES else [LONG]:
        refused = snas(*typed(command, text))
        assert_one_clear_line(refused, "")
        assert len(refused.err) < 2100
        assert [path.name for path in Path().iterdir()] == ["tests"]


@pytest.mark.parametrize("command", WRITTEN[:-1], ids=" ".join)
def test_a_path_of_any_bytes_can_be_written(snas, command):
    made = snas(*typed(command, BYTES), "--json")
    assert made.code == 0, made.err
    assert Path(BYTES).exists()


@pytest.mark.parametrize("command", [["path"], ["query", "nb201-cifar10", CELL]])
def test_a_home_of_nobody_gets_one_clear_line(snas, monkeypatch, command):
    monkeypatch.setenv(HOME_VARIABLE, "~nouser-of-this-name/x")
    assert_one_clear_line(snas(*command), "~nouser-of-this-name")


INTERRUPTED = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
from surrogate_nas.cli import main
main()
"""


def test_ctrl_c_while_the_command_is_imported_is_one_line():
    found = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, "strategies"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert found.returncode == 130
    assert found.stderr == "snas: interrupted before the command started.\n"
