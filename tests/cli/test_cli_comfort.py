"""What makes the command line pleasant: indices for cells, lists, versions, examples, progress,
starting points.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from surrogate_nas import __version__
from surrogate_nas.benchmarks import load
from surrogate_nas.cli import output
from surrogate_nas.cli.app import PANELS
from surrogate_nas.cli.output import progress_bar, show_table
from surrogate_nas.core.registry import import_file
from surrogate_nas.files.whole import HOME_VARIABLE
from tests.conftest import assert_one_clear_line

TOP = Path(__file__).parents[2]
COMMANDS = """
benchmarks, strategies, path, query, search, play, compare, report, check, train, measure,
fit, predict, table, data fetch, data import, data verify, import, export, serve, suite,
plan, lambda-path, losses, new strategy, new task, new loss, new space, new training, new package,
archive create, archive verify, surrogate judge
""".split(",")


@pytest.mark.parametrize("command", COMMANDS, ids=str.strip)
def test_every_command_shows_examples(snas, command):
    first, *further = command.split()
    told = snas(f"{command} --help")
    assert told.code == 0
    for panel in PANELS.values():
        if first in panel and not further:
            assert panel[first][1].rstrip(".") in " ".join(told.out.split())
    examples = [
        line
        for line in told.out.splitlines()
        if line.startswith(f"    snas {' '.join(command.split())}")
    ]
    assert examples, told.out
    assert "typing." not in told.out and "msgspec" not in told.out


def test_a_number_with_a_range_is_listed_with_its_type_and_all_of_its_help(snas):
    told = " ".join(snas("search --help").out.split())
    for line in (
        "--in-flight <int> Trainings that are pending (running or queued) at once;",
        "--budget-tokens <int> The largest number of tokens that an external program",
        "--target <float> End a run when the search score of a feasible cell",
    ):
        assert line in told


def test_the_version_and_the_help_without_arguments(snas):
    assert snas("--version").out == f"snas {__version__}\n"
    versions = json.loads(snas("--version --json").out)
    assert versions["surrogate_nas"] == __version__
    assert {"python", "platform", "numpy", "h5py"} <= versions.keys()
    for command in ([], ["archive"], ["data"], ["surrogate"]):
        told = snas(*command)
        assert told.code == 2
        assert "Usage: snas" in told.err
        assert len(told.err.splitlines()) > 5


def test_the_list_of_commands_has_them_all_in_groups_and_cuts_no_line(snas):
    told = snas("--help").out
    listed = re.findall(r"^  ([a-z][a-z-]*) {2,}\S", told, re.M)
    assert sorted(listed) == sorted({command.split()[0] for command in COMMANDS})
    assert "First steps:" in told
    assert set().union(*PANELS.values()) <= set(listed)
    for group in ([], ["archive"], ["data"], ["surrogate"]):
        assert not re.findall(r"^  .*\.\.\.$", snas(*group).err, re.M)


def test_strategies_are_listed(snas):
    listed = snas("strategies --json").json
    assert {"name", "description", "paper", "options"} == set(listed[0])
    told = snas("strategies").out
    assert all(entry["name"] in told for entry in listed) and "UAI 2019" in told


def test_every_description_of_a_strategy_is_printed_whole(snas):
    columns = [line.split("│") for line in snas("strategies").out.splitlines()]
    printed = " ".join(column[2].strip() for column in columns if len(column) == 5)
    for entry in snas("strategies --json").json:
        text = entry["description"]
        assert text in printed and text.endswith(".") and "…" not in text, entry


IMPOSSIBLE = ["--objective", "valid_loss", "--subject-to", "params <= 1"]


def test_where_nothing_is_feasible_no_score_stands(snas, tmp_path):
    search = [*"search fashion --strategy random --budget 5".split(), *IMPOSSIBLE]
    told = snas(*search)
    assert told.code == 0 and "no feasible cell" in told.out and "score" not in told.out
    made = snas(*search, "--json").json
    assert made["best"] == {
        "cell": None,
        "score": None,
        "seen_score": None,
        "feasible": False,
        "metrics": {},
        "final": {},
    }
    assert made["regret"] is None and not any(
        trial["feasible"] for trial in made["trials"]
    )
    compare = [
        *"compare fashion --strategies random --runs 2 --budget 5".split(),
        *IMPOSSIBLE,
    ]
    told = snas(*compare, "--out", tmp_path)
    assert told.code == 0 and "no feasible cell" in told.out and "0 of 2" in told.out
    (strategy,) = snas(*compare, "--out", tmp_path, "--json").json["strategies"]
    assert set(strategy["score"]) == {"mean", "std", "iqm", "ci95"} and set(
        strategy["score"].values()
    ) == {None}
    assert strategy["regret"] == {"mean": None, "median": None}
    assert strategy["feasible_runs"] == 0


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        (
            "params <= 1",
            "No cell of nb201 meets params <= 1; the nearest value is 1,122.",
        ),
        (
            "params <= 1200 and macs >= 0.5",
            "No cell of nb201 meets all limits at once: params <= 1200 and macs >= 0.5.",
        ),
        (
            "valid_loss <= 0.01",
            "No cell of nb201 meets valid_loss[5] <= 0.01; the nearest value is 0.455067.",
        ),
        ("params <= 1200", ""),
    ],
)
def test_a_limit_that_no_cell_keeps_is_told_before_the_search(limit, says, snas):
    made = snas(
        "search fashion random --budget 3 --objective valid_loss --subject-to", limit
    )
    first = ([line for line in made.err.splitlines() if line.startswith("No")] or [""])[
        0
    ]
    assert made.code == 0 and first.startswith(says) and bool(first) == bool(says)


KNOBS = {
    "evolution(population=-5)": "population must be a whole number of at least 1, not -5",
    "evolution(tournament=0)": "tournament must be a whole number of at least 1, not 0",
    "bo(sharpness=-1)": "sharpness must be a finite number above 0, not -1",
    "guided(model=nosuch)": "Unknown model 'nosuch'",
    "guided(pool=nosuch)": "Unknown pool of candidates 'nosuch'",
    "bananas(steps=0)": ("steps must be a whole number of at least 1, not 0"),
    "reinforce(momentum=2)": "momentum must be a number from 0 to 1, not 2",
    "hyperband(eta=1)": "eta must be a finite number above 1, not 1",
    "bohb(min_bandwidth=0)": "min_bandwidth must be a finite number above 0",
    "blind:evolution(population=-5)": "population must be a whole number of at least 1, not -5",
    "nsga2(population=0)": "population",
    "optuna:NSGAIISampler(population_size=-3)": (
        "`population_size` must be greater than or equal to 2"
    ),
}


@pytest.mark.parametrize("strategy", KNOBS)
def test_a_wrong_option_of_a_strategy_is_found_before_a_folder_is_made(
    strategy, snas, tmp_path
):
    out = tmp_path / "out"
    made = snas(
        "compare fashion --strategies",
        f"random,{strategy}",
        *"--runs 1 --budget 3 --out".split(),
        out,
    )
    said = made.err.strip().splitlines()[-1]
    assert (
        made.code == 2
        and not made.out
        and said.startswith(f"snas: {strategy} cannot be used: ")
    ), made.err
    assert KNOBS[strategy] in said and not out.exists()


def test_tables_fit_a_narrow_terminal_without_breaking_names(monkeypatch, capsys):
    heads = ("strategy", "mean score", "regret", "holds", "seconds")
    rows = [
        ("regularised_evolution", 0.123456, 0.00012, "words " * 20, 12.5),
        ("bo", 0.1, 0.2, "few", 3.0),
    ]
    for width in (60, 50, 200):
        monkeypatch.setattr(output, "_PIPED_WIDTH", width)
        show_table(heads, rows, spare=("seconds", "regret"))
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) <= width
        assert any(
            "regularised_evolution" in line and "0.123456" in line for line in lines
        )
        assert ("seconds" in lines[1]) == (width == 200)


class Heard(io.StringIO):
    """A stream that is no terminal and says when a line has been written."""

    def __init__(self) -> None:
        super().__init__()
        self.line = threading.Event()

    def write(self, text):
        written = super().write(text)
        self.line.set()
        return written


def test_without_a_terminal_progress_is_a_line_now_and_then(monkeypatch):
    heard = Heard()
    monkeypatch.setattr(sys, "stderr", heard)
    with progress_bar("runs", every=0.01) as progress:
        progress(1, 3, "20 of 150 cells")
        heard.line.clear()
        assert heard.line.wait(60)
    assert "runs 1/3, 20 of 150 cells, " in heard.getvalue()


def test_a_new_task_trains_at_once(snas, tmp_path):
    made = snas("new task Squares --folder", tmp_path, "--json").json
    trained = snas("train 11 --task", made["task"], "--epochs", 1, "--json")
    assert trained.code == 0, trained.err
    assert trained.json["curves"]["valid_error"][0] < 60


@pytest.mark.usefixtures("fresh_home")
def test_a_new_training_goes_on_as_a_whole_one_does(snas, tmp_path, monkeypatch):
    made = snas("new training Mine --folder", tmp_path, "--json").json
    bench = load(made["training"])
    cell = bench.space.cell((2, 1, 0, 2))
    bench.query(cell, "valid_error", epochs=3)
    in_two = [bench.query(cell, "train_loss", epochs=epochs) for epochs in range(1, 11)]
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "another"))
    whole = import_file(tmp_path / "mine.py", "benchmark").Mine
    whole.query(cell, "valid_error", epochs=10)
    at_once = [
        whole.query(cell, "train_loss", epochs=epochs) for epochs in range(1, 11)
    ]
    assert in_two == at_once and in_two[-1] < in_two[0]
    assert whole.query(cell, "valid_error") < 15


def test_a_new_space_is_one(snas, tmp_path):
    from surrogate_nas.space.registry import register

    made = snas("new space Small --folder", tmp_path, "--json").json
    checks = snas("check", made["space"], "--json")
    assert checks.code == 0 and all(check["passed"] for check in checks.json), (
        checks.err
    )
    space = register(made["space"])
    assert len(space) == 36
    assert space.cell("Small(layers=1, width=4, activation=relu)") == space[0]


INSTALLS = """
import sys
from shutil import copy
from setuptools import build_meta

site = sys.argv[1]
build_meta.prepare_metadata_for_build_wheel(site)
copy("annealing.py", site)
"""
"""Installs a package as far as it needs no index: its metadata, and its module."""


def test_a_new_package_is_found_by_name_once_it_is_installed(snas, tmp_path):
    made = snas("new package Annealing --folder", tmp_path, "--json").json
    folder, site = tmp_path / "annealing", tmp_path / "site"
    assert made == {"file": str(folder / "annealing.py"), "package": "annealing"}
    site.mkdir()
    elsewhere = {
        "cwd": tmp_path,
        "env": os.environ | {"PYTHONPATH": os.pathsep.join([str(TOP), str(site)])},
        "capture_output": True,
        "text": True,
    }
    subprocess.run(
        [sys.executable, "-c", INSTALLS, site],
        check=True,
        **elsewhere | {"cwd": folder},
    )
    own = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={folder}"]
    tested = subprocess.run([sys.executable, "-m", "pytest", *own, folder], **elsewhere)
    assert tested.returncode == 0, tested.stdout
    assert int(re.search(r"(\d+) passed", tested.stdout)[1]) > 20
    again = snas("new package annealing --folder", tmp_path)
    assert_one_clear_line(again, "annealing.py already exists")


@pytest.mark.parametrize("name", ["Evolution", "Typer", "nevergrad"])
def test_a_package_hides_no_strategy_and_no_module(snas, tmp_path, name):
    told = snas("new package", name, "--folder", tmp_path)
    assert_one_clear_line(
        told, f"module or a strategy named {name.lower()} already exists"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("class", "Python keyword or builtin"),
        ("None", "Python keyword or builtin"),
        ("list", "Python keyword or builtin"),
        ("Random", "random.py would hide a module of that name"),
        ("Torch", "torch.py would hide a module of that name"),
        ("1st", "letters, digits and underscores"),
        ("a b", "letters, digits and underscores"),
        ("ﬁne", "letters, digits and underscores"),
        ("../up", "letters, digits and underscores"),
        ("", "letters, digits and underscores"),
    ],
)
def test_a_name_that_cannot_be_written_is_refused(snas, tmp_path, name, says):
    assert_one_clear_line(snas("new strategy", name, "--folder", tmp_path), says)
    assert not list(tmp_path.iterdir())


def test_a_verdict_stands_on_standard_output_with_its_table(snas, tmp_path):
    out = (
        *"--strategies random,local_search --runs 3 --out".split(),
        str(tmp_path / "compared"),
    )
    made = snas("compare fashion --budget 12", *out)
    again = snas("report", str(tmp_path / "compared"))
    sentences = (tmp_path / "compared" / "verdict.txt").read_text().splitlines()
    for printed in (made, again):
        assert printed.code == 0
        assert sentences[0] in printed.out
        assert sentences[0] not in printed.err
        assert (
            1
            <= sum(
                sentence in printed.out
                for sentence in sentences
                if "Best cell" not in sentence
            )
            <= 3
        )
        assert "Full verdict: " in printed.err
        assert "Best cell of all: score " in printed.out
    as_json = snas("report", str(tmp_path / "compared"), "--json")
    assert as_json.json["verdict"]["sentences"][0] == sentences[0]
    assert sentences[0] not in as_json.err
    suite = snas(
        "suite starter --problems fashion --strategies random,local_search --runs 2 --out",
        str(tmp_path / "suite"),
    )
    assert (tmp_path / "suite" / "verdict.txt").read_text().splitlines()[0] in suite.out


def test_a_line_on_a_terminal_breaks_between_words(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    told = (
        "The closest rival of iterated_local_search is zero_cost, and results/compare-fashion/"
        + "x" * 50
    )
    monkeypatch.setenv("COLUMNS", "40")
    for stream, speak in (("stdout", output.say), ("stderr", output.note)):
        terminal = Terminal()
        pipe = io.StringIO()
        monkeypatch.setattr(sys, stream, terminal)
        speak(told)
        monkeypatch.setattr(sys, stream, pipe)
        speak(told)
        lines = terminal.getvalue().replace("\x1b[2K", "").splitlines()
        assert len(lines) > 2
        assert [word for line in lines for word in line.split()] == told.split()
        assert all(len(line) <= 40 or " " not in line for line in lines)
        assert pipe.getvalue() == f"{told}\n"
