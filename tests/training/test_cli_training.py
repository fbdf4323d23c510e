"""The commands that train and measure: any space by its cell's text, units, and one line for
whatever is wrong.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from surrogate_nas.benchmarks import load
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import HOME_VARIABLE
from surrogate_nas.space import cell_named, macro, nb201, register
from tests.conftest import CELL, TINY_TASK, assert_one_clear_line

PAIRS = Path(__file__).parents[1] / "pairs_space.py"
STACK = "conv_stack(layers=1, channels=4)"


@pytest.fixture
def pairs(tmp_path, monkeypatch):
    """A user's file with a space, in a home of its own."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setattr("surrogate_nas.space.registry._opened", {})
    file = tmp_path / "spaces.py"
    file.write_text(PAIRS.read_text())
    return file


def test_a_cell_is_found_in_the_space_that_prints_it(pairs):
    assert cell_named(f" {CELL} ") == (nb201(), nb201().parse(CELL))
    assert cell_named(STACK) == (macro(), macro()[0])
    assert cell_named("11") == (nb201(), nb201()[11])
    for text, says in [
        ("15625", "cells 0 to 15624, not 15625"),
        ("9" * 5000, "cells 0 to 15624, not 9"),
        ("-1", "Malformed cell"),
        ("conv_stack(layers=5, channels=8)", "layers of the space macro"),
        ("conv_stacks(layers=1)", "a cell of the space macro reads"),
        (CELL.replace("none", "conv"), "space nb201 is one of none, .*, not 'conv'"),
        (CELL[1:], "Malformed cell .* reads "),
        ("pairs(wide=1, bias=yes)", "Malformed cell"),
        ("", "Malformed cell"),
    ]:
        with pytest.raises(UserError, match=says):
            cell_named(text)
    space = register(f"{pairs}:Pairs")
    assert cell_named("pairs(wide=1, bias=yes)") == (space, space[1])
    with pytest.raises(
        UserError, match="wide of the space pairs is one of 1, 2, 3, not '4'"
    ):
        cell_named("pairs(wide=4, bias=yes)")


def test_train_says_the_unit_of_every_number(snas):
    asked = ["train", STACK, "--task", "rotation", "--epochs", 1]
    made = snas(*asked, "--json").json
    assert made["units"]["test_loss"] == made["units"]["train_loss"] == "squared error"
    assert made["units"]["valid_error"] == "%" and set(made["units"]) == set(
        made["metrics"]
    )
    shown = snas(*asked).out
    assert (
        "squared error, test_error" in shown
        and "train_loss (squared error)" in shown
        and "nats" not in shown
    )
    assert "train_loss (nats)" in snas("train", STACK, "--task", TINY_TASK).out


def test_a_task_of_tuples_is_trained_and_one_of_nonsense_is_one_line(snas, tmp_path):
    file = tmp_path / "tasks.py"
    header = "import numpy as np\nfrom surrogate_nas.training import Task\n"
    pair = "(np.random.default_rng(0).normal(size=(8, 1, 4, 4)), np.arange(8) % 2)"
    file.write_text(
        f"{header}TASK = Task('mine', '', lambda: dict.fromkeys(('train', 'valid', 'test'),"
        f" {pair}), 2)\n"
    )
    assert (
        0
        <= snas("train", STACK, "--task", f"{file}:TASK", "--json").json["metrics"][
            "test_error"
        ]
        <= 100
    )
    file.write_text(file.read_text().replace("% 2", "% 3"))
    for command in (
        ["train", STACK, "--task"],
        ["table"],
        ["measure", "--cells", 2, "--out", tmp_path / "t.h5", "--task"],
    ):
        says = "range from 0 to 2, but its 2 classes"
        assert_one_clear_line(snas(*command, f"{file}:TASK"), says)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--epochs", 10**30], "from 1 to 100,000"),
        (["--epochs", "nan"], "--epochs"),
        (["--seed", -1], "at least 0"),
    ],
)
def test_absurd_numbers_get_one_line(snas, arguments, says):
    assert_one_clear_line(snas("train", STACK, "--task", TINY_TASK, *arguments), says)


def test_cells_of_any_space_are_measured_trained_and_searched(snas, pairs, tmp_path):
    out = tmp_path / "pairs.h5"
    made = snas(
        "measure",
        "--cells",
        6,
        "--space",
        f"{pairs}:Pairs",
        "--task",
        TINY_TASK,
        "--out",
        out,
        "--json",
    )
    assert made.json["space"] == "pairs" and made.json["n"] == 6
    assert made.json["steadiness"].startswith(("steady (", "drifted by "))
    bench = load(str(out))
    assert [str(cell) for cell in bench.space][:1] == ["pairs(wide=1, bias=no)"]
    assert np.isfinite(bench.column("latency@local")).all()
    assert (
        snas("train", "pairs(wide=2, bias=yes)", "--task", TINY_TASK, "--json").json[
            "params"
        ]
        == 650
    )
    winner = tmp_path / "winner.h5"
    named = ["measure", "--space", "pairs", "--task", TINY_TASK, "--out", winner]
    assert snas(*named, "pairs(wide=2, bias=yes)", 0, "--json").json["n"] == 2
    measured = np.isfinite(load(str(winner)).column("latency@local"))
    assert [str(bench.space[int(i)]) for i in np.flatnonzero(measured)] == [
        "pairs(wide=1, bias=no)",
        "pairs(wide=2, bias=yes)",
    ]
    for wrong in ([], [0, "--cells", 2]):
        assert_one_clear_line(
            snas(*named, *wrong), "Name the cells to measure, or give a number"
        )
    found = snas(
        "search",
        f"live:{TINY_TASK}/pairs",
        "--strategy",
        "random",
        "--budget",
        3,
        "--json",
    ).json
    assert len(found["trials"]) == 3 and found["best"]["cell"].startswith("pairs(")
    assert_one_clear_line(
        snas("measure", "--cells", 7, "--space", "pairs", "--out", out),
        "number of cells must be 1 to 6",
    )
    assert_one_clear_line(
        snas("measure", "--cells", 7, "--space", "pear", "--out", out),
        "Did you mean 'pairs'",
    )


HOLD = """
import sys
from pathlib import Path
from surrogate_nas.files import locked
with locked(Path(sys.argv[1])):
    print("holds", flush=True)
    sys.stdin.read()
"""


def test_a_second_measurement_of_one_file_says_who_makes_it(snas, tmp_path):
    out = tmp_path / "local.h5"
    command = [sys.executable, "-c", HOLD, str(out)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == b"holds\n"
        asked = ["measure", "--cells", 1, "--task", TINY_TASK, "--out"]
        assert_one_clear_line(snas(*asked, out), f"process {other.pid} ")
        assert snas(*asked, tmp_path / "another.h5").code == 0
        other.communicate()
    assert snas(*asked, out).code == 0 and out.is_file()
