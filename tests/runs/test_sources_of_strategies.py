"""The source of users' strategies belongs to a folder: what changed is told, and its runs are made
anew.
"""

import json
import shutil
import subprocess
import sys

import pytest

import surrogate_nas as sn
from surrogate_nas.runs.sources import sources_of
from surrogate_nas.runs.store import Store
from surrogate_nas.strategies import strategy_entry
from surrogate_nas.strategies.random import RandomSearch

MINE = """
import sys
sys.path.insert(0, {folder!r})
import surrogate_nas as sn

class Mine(sn.Strategy):
    def ask(self, n):
        from helper import place
        return [self.space[place(self.rng)]]
"""
HELPER = "def place(rng):\n    return int(rng.integers({low}, {high}))\n"
LOW = range(1000)
HIGH = range(10_000, 15_625)


@pytest.fixture
def strategy(tmp_path):
    (tmp_path / "mine.py").write_text(MINE.format(folder=str(tmp_path)))
    draw_from(tmp_path, LOW)
    return f"{tmp_path}/mine.py:Mine"


def draw_from(folder, cells):
    (folder / "helper.py").write_text(HELPER.format(low=cells.start, high=cells.stop))


def asked(folder, first=10):
    """The cells that each run asked for, after the random ones."""
    space = sn.load("fashion").space
    files = sorted((folder / "runs").glob("Mine-*.jsonl"))
    runs = [
        [json.loads(line[line.index("{") :]) for line in file.read_text().splitlines()]
        for file in files
    ]
    return [
        {space.index(one["cell"]) for one in run[first:] if "cell" in one}
        for run in runs
    ]


def compared(strategy, folder, runs=2, budget=14):
    return sn.compare(
        "fashion", [strategy, "random"], runs=runs, budget=budget, folder=folder
    )


@pytest.mark.parametrize("change", ["runs", "budget", "nothing"])
def test_a_file_that_was_edited_is_never_mixed(change, strategy, tmp_path, capsys):
    out = tmp_path / "out"
    compared(strategy, out)
    others = (out / "runs" / "random-0.jsonl").read_bytes()
    assert all(cells <= {*LOW} for cells in asked(out)) and not capsys.readouterr().err
    draw_from(tmp_path, HIGH)
    compared(
        strategy, out, *{"runs": (4, 14), "budget": (2, 18), "nothing": (2, 14)}[change]
    )
    assert len(asked(out)) == (4 if change == "runs" else 2)
    assert all(cells <= {*HIGH} for cells in asked(out))
    assert (
        capsys.readouterr().err
        == f"Mine has changed since {out} was written (helper.py). Its runs are repeated.\n"
    )
    assert (change == "budget") or (
        out / "runs" / "random-0.jsonl"
    ).read_bytes() == others
    held = Store(out).read()
    assert [*held["sources"]["Mine"]] == ["helper.py", "mine.py"] and held[
        "extensions"
    ][-1]["sources"]
    assert (out / "sources" / "Mine" / "helper.py").read_text() == (
        tmp_path / "helper.py"
    ).read_text()


def test_a_file_that_is_as_it_was_is_not_made_anew(strategy, tmp_path, capsys):
    """Also where it has moved with what is beside it."""
    out = tmp_path / "out"
    compared(strategy, out)
    before = {path.name: path.stat().st_mtime_ns for path in (out / "runs").iterdir()}
    (tmp_path / "moved").mkdir()
    for name in ("mine.py", "helper.py"):
        shutil.move(tmp_path / name, tmp_path / "moved" / name)
    compared(f"{tmp_path}/moved/mine.py:Mine", out)
    assert {
        path.name: path.stat().st_mtime_ns for path in (out / "runs").iterdir()
    } == before
    assert not capsys.readouterr().err


def test_a_file_that_is_edited_while_runs_are_made_costs_those_that_follow(tmp_path):
    file = tmp_path / "mine.py"
    out = tmp_path / "out"
    file.write_text(
        "import surrogate_nas as sn\nclass Mine(sn.Strategy):\n    def ask(self, n):\n"
        f"        open({str(file)!r}, 'a').write('# edited\\n')\n        return [self.space[3]]\n"
    )
    made = sn.compare(
        "fashion", [f"{file}:Mine", "random"], runs=2, budget=11, folder=out
    )
    (failure,) = made.failures
    assert failure.startswith(
        "Strategy Mine failed in run 1: mine.py was edited during the runs."
    )


SCRIPT = """
import surrogate_nas as sn
from surrogate_nas.strategies import strategy_entry
from surrogate_nas.runs.sources import sources_of

CELL = {cell}

class Mine(sn.Strategy):
    def ask(self, n):
        return [self.space[CELL]]

if __name__ == "__main__":
    print({said!r})
    print(sorted(sources_of(strategy_entry(Mine)).items()))
"""


def test_of_a_script_counts_what_defines_something(tmp_path):
    told = []
    for cell, said in ((3, "first"), (3, "then"), (4, "then")):
        (tmp_path / "script.py").write_text(SCRIPT.format(cell=cell, said=said))
        made = subprocess.run(
            [sys.executable, tmp_path / "script.py"],
            capture_output=True,
            text=True,
            check=True,
        )
        told.append(made.stdout.splitlines()[1])
    assert told[0] == told[1] != told[2] and "script.py" in told[0]


def _sources(strategy):
    return sources_of(strategy_entry(strategy))


def test_whose_source_it_is(tmp_path, monkeypatch):
    assert _sources("bo") == _sources("optuna:TPESampler") == {}
    package = tmp_path / "outside"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "inner.py").write_text(
        "from outside import other\nfrom . import same\nclass Mine: pass\n"
    )
    (package / "other.py").write_text("A = 1\n")
    (package / "same.py").write_text("import numpy, surrogate_nas, os\n")
    metadata = tmp_path / "outside-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n"
    )
    (metadata / "entry_points.txt").write_text(
        "[surrogate_nas.strategies]\noutside = outside.inner:Mine\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    assert [*_sources("outside")] == ["inner.py", "other.py", "same.py"]
    assert [*_sources(f"{package}/inner.py:Mine(knob=1)")] == [
        "inner.py",
        "other.py",
        "same.py",
    ]
    (tmp_path / "propose.py").write_text("print(1)\n")
    assert _sources(f"external(command='python {tmp_path}/propose.py')") == {
        "propose.py": "print(1)\n"
    }
    typed = {"Strategy": sn.Strategy}
    exec(
        "class Mine(Strategy):\n    def ask(self, n): return 1\nclass Other(Strategy):\n"
        "    def ask(self, n):"
        " return 2\n",
        typed,
    )
    assert [*_sources(typed["Mine"])] == ["Mine"] and _sources(
        typed["Mine"]
    ) != _sources(typed["Other"])
    made = type("Made", (RandomSearch,), {"ask": typed["Mine"].ask})
    assert made.__module__ == "abc" and [*_sources(made)] == ["Made"], (
        "and not all that Python's own abc imports"
    )


READS = """
import json
import os
from pathlib import Path
import surrogate_nas as sn

HERE = Path(__file__).parent

class Mine(sn.Strategy):
    asked = 0

    def ask(self, n):
        self.asked += 1
        if self.asked < 3:  # it reads in the middle of a run, and what it wrote itself too
            return [self.space[0]]
        (HERE / "count.txt").write_text(str(self.asked))
        os.replace(HERE / "count.txt", HERE / "memory.txt")
        (HERE / "memory.txt").read_text()
        with open(HERE / "setting" / "conf.json") as file:
            low, high = json.load(file)
        return [self.space[int(self.rng.integers(low, high))]]
"""


@pytest.fixture
def reading(tmp_path):
    (tmp_path / "own" / "setting").mkdir(parents=True)
    (tmp_path / "own" / "mine.py").write_text(READS)
    (tmp_path / "own" / "unread.json").write_text("1")
    read_from(tmp_path, LOW)
    return f"{tmp_path}/own/mine.py:Mine"


def read_from(folder, cells):
    (folder / "own" / "setting" / "conf.json").write_text(
        json.dumps([cells.start, cells.stop])
    )


def test_a_file_that_a_strategy_reads_belongs_to_its_provenance(
    reading, tmp_path, capsys
):
    out = tmp_path / "out"
    conf = "setting/conf.json"
    compared(reading, out)
    assert [*Store(out).read()["files"]["Mine"]] == [conf], (
        "neither its code, nor what it wrote, nor what it left"
    )
    before = {path.name: path.read_bytes() for path in (out / "runs").iterdir()}
    (tmp_path / "own" / "unread.json").write_text("2")
    (tmp_path / "own" / "memory.txt").write_text("0")
    compared(reading, out)
    assert {path.name: path.read_bytes() for path in (out / "runs").iterdir()} == before
    assert not capsys.readouterr().err
    read_from(tmp_path, HIGH)
    compared(reading, out, runs=3)
    told = (
        f"Mine has changed since {out} was written ({conf}). Its runs are repeated.\n"
    )
    assert capsys.readouterr().err == told
    assert len(asked(out)) == 3 and all(cells <= {0, *HIGH} for cells in asked(out))
    (tmp_path / "own" / "setting" / "conf.json").unlink()
    failed = compared(reading, out, runs=3)
    assert capsys.readouterr().err == told and len(failed.failures) == 3


def test_a_file_that_is_edited_between_two_runs_of_one_command_is_not_mixed(
    reading, tmp_path
):
    out = tmp_path / "out"

    def edit(event):
        if event.strategy == "Mine" and event.run == 1:
            read_from(tmp_path, HIGH)

    made = sn.compare(
        "fashion", [reading], runs=2, budget=14, folder=out, callback=edit
    )
    (failure,) = made.failures
    assert failure.startswith(
        "Strategy Mine failed in run 1: setting/conf.json was edited during the runs."
    )
    again = compared(reading, out)
    assert not again.failures and all(cells <= {0, *HIGH} for cells in asked(out))


def test_the_file_of_a_model_in_an_option_is_source(tmp_path):
    file = tmp_path / "model.py"
    file.write_text("class Mean: ...")
    for model in (f"{file}:Mean", f"sklearn:{file}:Mean(knob=1)"):
        for strategy in (f"guided(model={model})", f"guided(model='{model}',pool=all)"):
            assert sources_of(strategy_entry(strategy)) == {
                "model.py": "class Mean: ..."
            }
    for strategy in (
        "guided(model=gp(warp=True))",
        "guided(model=sklearn:sklearn.svm:SVR)",
        "bo",
    ):
        assert not sources_of(strategy_entry(strategy))
