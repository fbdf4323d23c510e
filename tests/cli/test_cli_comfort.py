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

import surrogate_nas as sn
from surrogate_nas import __version__
from surrogate_nas.benchmarks import load
from surrogate_nas.cli import output
from surrogate_nas.cli.app import PANELS
from surrogate_nas.cli.output import progress_bar, seconds, show_table
from surrogate_nas.core.plugin import import_file
from surrogate_nas.files.home import HOME_VARIABLE
from surrogate_nas.training.losses import LOSSES
from tests import examples_sampled
from tests.conftest import CELL, TINY_TASK, Snas, assert_one_clear_line

COMMANDS = [
    ["benchmarks"],
    ["strategies"],
    ["path"],
    ["query"],
    ["search"],
    ["play"],
    ["compare"],
    ["report"],
    ["check"],
    ["train"],
    ["measure"],
    ["fit"],
    ["predict"],
    ["table"],
    ["data", "fetch"],
    ["data", "import"],
    ["data", "verify"],
    ["data", "list"],
    ["import"],
    ["export"],
    ["serve"],
    ["suite"],
    ["plan"],
    ["lambda-path"],
    ["losses"],
    ["new", "strategy"],
    ["new", "task"],
    ["new", "loss"],
    ["new", "space"],
    ["new", "training"],
    ["archive", "create"],
    ["archive", "verify"],
    ["surrogate", "judge"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_shows_examples(snas: Snas, command: list[str]) -> None:
    told = snas(*command, "--help")
    assert told.code == 0
    for panel in PANELS.values():
        if command[0] in panel and command[1:] == []:
            assert panel[command[0]][1].rstrip(".") in " ".join(told.out.split())
    examples = [
        line for line in told.out.splitlines() if line.startswith(f"    snas {' '.join(command)}")
    ]
    assert examples, told.out


def test_the_version_and_the_help_without_arguments(snas: Snas) -> None:
    assert snas("--version").out == f"snas {__version__}\n"
    versions = json.loads(snas("--version", "--json").out)
    assert versions["surrogate_nas"] == __version__
    assert {"python", "platform", "numpy", "h5py"} <= versions.keys()
    for command in ([], ["archive"], ["new"], ["data"], ["surrogate"]):
        told = snas(*command)
        assert told.code == 2 and "Usage: snas" in told.err and len(told.err.splitlines()) > 5


def test_the_list_of_commands_has_them_all_in_groups_and_cuts_no_line(snas: Snas) -> None:
    told = snas("--help").out
    listed = re.findall(r"^  ([a-z][a-z-]*) {2,}\S", told, re.M)
    assert sorted(listed) == sorted({name for name, *_ in COMMANDS}) and "First steps:" in told
    assert set().union(*PANELS.values()) <= set(listed)
    for group in ([], ["archive"], ["data"], ["new"], ["surrogate"]):
        assert not re.findall(r"^  .*\.\.\.$", snas(*group).err, re.M)


@pytest.mark.slow
def test_completion_completes(tmp_path: Path) -> None:
    environment = os.environ | {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "_SNAS_COMPLETE": "complete_bash",
        "COMP_WORDS": "snas str",
        "COMP_CWORD": "1",
    }
    code = "import sys; sys.argv[0] = 'snas'; from surrogate_nas.cli import main; main()"

    def completed(**more: str) -> list[str]:
        made = subprocess.run(
            [sys.executable, "-c", code],
            env=environment | more,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        return made.stdout.split()

    assert completed() == ["strategies"]
    assert "evolution" in completed(COMP_WORDS="snas search fashion --strategy evo", COMP_CWORD="4")
    assert "analog-cifar10" in completed(COMP_WORDS="snas query ana", COMP_CWORD="2")


def test_an_index_is_a_cell_wherever_a_cell_is(snas: Snas, tmp_path: Path) -> None:
    by_text, by_index = (
        snas("query", "analog-cifar10", cell, "--json").json for cell in (CELL, "11")
    )
    assert by_text == by_index
    assert_one_clear_line(snas("query", "analog-cifar10", "15625"), "cells 0 to 15624, not 15625")
    assert_one_clear_line(snas("query", "analog-cifar10", "9" * 5000), "cells 0 to 15624")
    trained = snas("train", "11", "--task", "tests/tiny_task.py:TINY", "--json").json
    assert trained["cell"] == CELL
    model = tmp_path / "model.bin"
    fitted = snas(
        "fit",
        "analog-cifar10",
        "--target",
        "digital_error",
        "--train",
        20,
        "--model",
        "ridge",
        "--out",
        model,
    )
    assert fitted.code == 0
    assert (
        snas("predict", model, "11", "--json").json == snas("predict", model, CELL, "--json").json
    )
    assert_one_clear_line(snas("predict", model, "15625"), "cells 0 to 15624")


@pytest.mark.parametrize(
    "given", [["random,evolution"], ["random", "evolution"], ["random, evolution", ""]]
)
def test_strategies_accumulate(snas: Snas, tmp_path: Path, given: list[str]) -> None:
    options = [part for names in given for part in ("--strategies", names)]
    made = snas(
        "compare",
        "analog-cifar10",
        *options,
        "--runs",
        1,
        "--budget",
        3,
        "--out",
        tmp_path,
        "--json",
    ).json
    assert [strategy["name"] for strategy in made["strategies"]] == ["random", "evolution"]


def test_strategies_are_listed(snas: Snas) -> None:
    listed = snas("strategies", "--json").json
    assert {"name", "description", "paper", "options"} == set(listed[0])
    told = snas("strategies").out
    assert all(entry["name"] in told for entry in listed) and "UAI 2019" in told


def test_lists_have_a_line_each_at_eighty_columns(
    snas: Snas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_PIPED_WIDTH", 80)
    listed = snas("benchmarks", "--json").json
    short = snas("benchmarks").out.splitlines()
    assert max(map(len, short)) <= 80 and len(short) < 60 < len(listed)
    families = [line.split()[1] for line in short if line.startswith("│")]
    assert {"fashion", "nb201", "live", "losses", "transnas"} <= set(families)
    every = [
        entry["name"] for family in families for entry in snas("benchmarks", family, "--json").json
    ]
    assert sorted(every) == sorted(entry["name"] for entry in listed)
    tasks = snas("benchmarks", "live").out
    assert (
        "live:digits " in tasks and "live:digits/macro" not in tasks and "/macro, /darts" in tasks
    )
    one = snas("benchmarks", "analog-cifar10").out
    assert "digital_error" in one and "Citation: AnalogNAS-Bench" in one
    assert_one_clear_line(snas("benchmarks", "nb20"), "snas benchmarks lists all")
    sources = snas("data", "list").out.splitlines()
    assert max(map(len, sources)) <= 80 and len(sources) < 60
    told = snas("data", "list", "nb201").out
    assert "Licence: Apache-2.0" in told and "ICLR 2020" in told
    (entry,) = snas("data", "list", "nb201", "--json").json
    assert entry["name"] == "nb201" and entry["benchmarks"][0] == "nb201-cifar10"
    assert_one_clear_line(snas("data", "list", "nb20"), "Did you mean 'nb201'?")
    available = {entry["name"]: entry["available"] for entry in listed}
    for source in snas("data", "list", "--json").json:
        assert source["here"] == sum(available[name] for name in source["benchmarks"]), source[
            "name"
        ]


IMPOSSIBLE = ["--objective", "valid_loss", "--subject-to", "params <= 1"]


def test_where_nothing_is_feasible_no_score_stands(snas: Snas, tmp_path: Path) -> None:
    search = ["search", "fashion", "--strategy", "random", "--budget", 5, *IMPOSSIBLE]
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
    assert made["regret"] is None and not any(trial["feasible"] for trial in made["trials"])
    compare = [
        "compare",
        "fashion",
        "--strategies",
        "random",
        "--runs",
        2,
        "--budget",
        5,
        *IMPOSSIBLE,
    ]
    told = snas(*compare, "--out", tmp_path)
    assert told.code == 0 and "no feasible cell" in told.out and "0 of 2" in told.out
    (strategy,) = snas(*compare, "--out", tmp_path, "--json").json["strategies"]
    assert set(strategy["score"]) == {"mean", "std", "iqm", "ci95"} and set(
        strategy["score"].values()
    ) == {None}
    assert strategy["regret"] == {"mean": None, "median": None} and strategy["feasible_runs"] == 0


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ("params <= 1", "No cell of nb201 keeps params <= 1; the nearest value is 1,122."),
        (
            "params <= 1200 and macs >= 0.5",
            "No cell of nb201 keeps all limits at once: params <= 1200 and macs >= 0.5.",
        ),
        (
            "valid_loss <= 0.01",
            "No cell of nb201 keeps valid_loss[5] <= 0.01; the nearest value is 0.455067.",
        ),
        ("params <= 1200", ""),
    ],
)
def test_a_limit_that_no_cell_keeps_is_told_before_the_search(
    limit: str,
    says: str,
    snas: Snas,
) -> None:
    made = snas(
        "search",
        "fashion",
        "random",
        "--budget",
        3,
        "--objective",
        "valid_loss",
        "--subject-to",
        limit,
    )
    first = ([line for line in made.err.splitlines() if line.startswith("No")] or [""])[0]
    assert made.code == 0 and first.startswith(says) and bool(first) == bool(says)


def test_a_limit_on_a_space_that_is_drawn_from(capsys: pytest.CaptureFixture[str]) -> None:
    bench = examples_sampled.BENCH
    sn.search(bench, "random", "valid_error", subject_to="latency@mine <= 0.01", budget=3)
    said = capsys.readouterr().err
    assert said.startswith(
        "None of 10,000 random cells of deep keeps latency@mine <= 0.01; the nearest value is"
    )


KNOBS = {
    "evolution(population=-5)": "population must be a whole number of at least 1, not -5",
    "evolution(tournament=0)": "tournament must be a whole number of at least 1, not 0",
    "bo(sharpness=-1)": "sharpness must be a finite number above 0, not -1",
    "guided(model=nosuch)": "Unknown model 'nosuch'",
    "guided(pool=nosuch)": "Unknown pool of candidates 'nosuch'",
    "bananas(steps=0)": (
        "The number of steps of bananas must be a whole number of at least 1, not 0"
    ),
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
    strategy: str,
    snas: Snas,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    made = snas(
        "compare",
        "fashion",
        "--strategies",
        f"random,{strategy}",
        "--runs",
        1,
        "--budget",
        3,
        "--out",
        out,
    )
    said = made.err.strip().splitlines()[-1]
    assert (
        made.code == 2 and not made.out and said.startswith(f"snas: {strategy} cannot be used: ")
    ), made.err
    assert KNOBS[strategy] in said and not out.exists()


def test_so_is_one_of_a_user_s_strategy(snas: Snas, tmp_path: Path) -> None:
    text = """import surrogate_nas as sn

class Mine(sn.Strategy):
    def __init__(self, space, *, seed, keep=3):
        super().__init__(space, seed=seed)
        if keep < 1:
            raise ValueError("keep is too small")

    def ask(self, n):
        return [self.space.sample(self.rng)]
"""
    (tmp_path / "mine.py").write_text(text)
    short = ["--runs", 1, "--budget", 3, "--out", tmp_path / "out"]
    made = snas(
        "compare", "fashion", "--strategies", f"{tmp_path / 'mine.py'}:Mine(keep=-1)", *short
    )
    assert_one_clear_line(made, "keep is too small")
    assert not (tmp_path / "out").exists()
    assert (
        snas(
            "compare", "fashion", "--strategies", f"{tmp_path / 'mine.py'}:Mine(keep=1)", *short
        ).code
        == 0
    )


def test_tables_fit_a_narrow_terminal_without_breaking_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    heads = ("strategy", "mean score", "regret", "holds", "seconds")
    rows = [
        ("regularised_evolution", 0.123456, 0.00012, "words " * 20, 12.5),
        ("bo", 0.1, 0.2, "few", 3.0),
    ]
    show_table(heads, rows, spare=("seconds", "regret"), width=60)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    assert any("regularised_evolution" in line and "0.123456" in line for line in lines)
    show_table(heads, rows, spare=("seconds", "regret"), width=50)
    assert "seconds" not in capsys.readouterr().out
    show_table(heads, rows, spare=("seconds", "regret"), width=200)
    assert "seconds" in capsys.readouterr().out


def test_seconds_have_three_digits() -> None:
    assert [seconds(x) for x in (0.012345, 3.14159, 42.0, 1234.5)] == [
        "0.0123",
        "3.14",
        "42",
        "1,234",
    ]


class Heard(io.StringIO):
    """A stream that is no terminal and says when a line has been written."""

    def __init__(self) -> None:
        super().__init__()
        self.line = threading.Event()

    def write(self, text: str) -> int:
        written = super().write(text)
        self.line.set()
        return written


def test_without_a_terminal_progress_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard = Heard()
    monkeypatch.setattr(sys, "stderr", heard)
    with progress_bar("runs", every=0.01) as progress:
        progress(1, 3, "20 of 150 cells")
        heard.line.clear()
        assert heard.line.wait(60)
    assert "runs 1/3, 20 of 150 cells, " in heard.getvalue()


def test_short_work_tells_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard()
    monkeypatch.setattr(sys, "stderr", heard)
    with progress_bar("runs") as progress:
        progress(3, 3)
    assert heard.getvalue() == ""


def test_a_new_task_trains_at_once(snas: Snas, tmp_path: Path) -> None:
    made = snas("new", "task", "Squares", "--folder", tmp_path, "--json").json
    trained = snas("train", "11", "--task", made["task"], "--epochs", 1, "--json")
    assert trained.code == 0, trained.err
    assert trained.json["curves"]["valid_error"][0] < 60


@pytest.mark.usefixtures("fresh_home")
def test_a_new_loss_trains_at_once_and_is_searched_by(
    snas: Snas,
    tmp_path: Path,
) -> None:
    made = snas("new", "loss", "Robust", "--folder", tmp_path, "--json").json
    trained = snas(
        "train", "11", "--task", TINY_TASK, "--loss", made["loss"], "--epochs", 2, "--json"
    )
    assert trained.code == 0, trained.err
    assert (trained.json["loss"], trained.json["units"]["valid_loss"]) == ("robust", "powers")
    first, last = trained.json["curves"]["train_loss"]
    assert last < first
    bench = load(f"live:{TINY_TASK}?loss={made['loss']}")
    assert (
        bench.query(bench.space[11], "valid_loss", epochs=2)
        == trained.json["metrics"]["valid_loss"]
    )


def test_losses_are_listed_by_what_they_train(snas: Snas) -> None:
    told = {loss["name"]: loss for loss in snas("losses", "--json").json}
    assert list(told) == list(LOSSES)
    assert told["focal"]["fits"] == ["classification", "language", "segmentation"]
    assert "Graves" in snas("losses").out and told["ctc"]["unit"] == "nats"


def test_a_new_policy_walks_at_once(snas: Snas, tmp_path: Path) -> None:
    made = snas("new", "task", "Walk", "--kind", "policy", "--folder", tmp_path, "--json").json
    trained = snas("train", "11", "--task", made["task"], "--epochs", 4, "--json")
    assert trained.code == 0, trained.err
    assert trained.json["curves"]["valid_return"][-1] > 60
    refused = snas("new", "task", "Walks", "--kind", "polcy", "--folder", tmp_path)
    assert refused.code == 2 and "Did you mean 'policy'" in refused.err


@pytest.mark.usefixtures("fresh_home")
def test_a_new_training_goes_on_as_a_whole_one_does(
    snas: Snas,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = snas("new", "training", "Mine", "--folder", tmp_path, "--json").json
    bench = load(made["training"])
    cell = bench.space.cell((2, 1, 0, 2))
    bench.query(cell, "valid_error", epochs=3)
    in_two = [bench.query(cell, "train_loss", epochs=epochs) for epochs in range(1, 11)]
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "another"))
    whole = import_file(tmp_path / "mine.py", "benchmark").Mine
    whole.query(cell, "valid_error", epochs=10)
    at_once = [whole.query(cell, "train_loss", epochs=epochs) for epochs in range(1, 11)]
    assert in_two == at_once and in_two[-1] < in_two[0]
    assert whole.query(cell, "valid_error") < 15
    found = snas("search", made["training"], "--strategy", "asha", "--budget", 14, "--json")
    assert found.code == 0, found.err


def test_a_new_space_is_one(snas: Snas, tmp_path: Path) -> None:
    from surrogate_nas.space.registry import register

    made = snas("new", "space", "Small", "--folder", tmp_path, "--json").json
    checks = snas("check", made["space"], "--json")
    assert checks.code == 0 and all(check["passed"] for check in checks.json), checks.err
    space = register(made["space"])
    assert len(space) == 36 and space.cell("Small(layers=1, width=4, activation=relu)") == space[0]


@pytest.mark.usefixtures("fresh_home")
@pytest.mark.slow
def test_a_new_space_s_file_makes_a_table_of_it(
    snas: Snas,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = snas("new", "space", "Perceptron", "--folder", tmp_path, "--json").json
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "perceptron.py"
    file.write_text(
        file.read_text().replace("(1, 2, 3)", "(1, 2)").replace("(4, 8, 16, 32)", "(4, 32)")
    )
    subprocess.run(
        [sys.executable, str(file)],
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    arguments = (
        "csv",
        "perceptron.csv",
        "--name",
        "perceptron",
        "--space",
        made["space"],
        "--json",
    )
    assert snas("data", "import", *arguments).json["benchmarks"] == ["perceptron"]
    told = snas(
        "compare",
        "perceptron",
        "--objective",
        "valid_error + 0.1*weights",
        "--budget",
        12,
        "--runs",
        1,
        "--strategies",
        "random",
        "--out",
        "out",
        "--json",
    )
    assert told.code == 0 and told.json["strategies"][0]["regret"]["mean"] == 0, told.err
    assert (
        load("perceptron").query("Perceptron(layers=2, width=32, activation=relu)", "test_error")
        < 40
    )


@pytest.mark.parametrize("kind", ["strategy", "task", "loss", "space"])
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("class", "word of Python's own"),
        ("None", "word of Python's own"),
        ("list", "word of Python's own"),
        ("Random", "hide Python's module random"),
        ("Torch", "hide Python's module torch"),
        ("1st", "letters, digits and underscores"),
        ("a b", "letters, digits and underscores"),
        ("ﬁne", "letters, digits and underscores"),
        ("../up", "letters, digits and underscores"),
        ("", "letters, digits and underscores"),
    ],
)
def test_a_name_that_cannot_be_written_is_refused(
    snas: Snas,
    tmp_path: Path,
    kind: str,
    name: str,
    says: str,
) -> None:
    assert_one_clear_line(snas("new", kind, name, "--folder", tmp_path), says)
    assert not list(tmp_path.iterdir())


def test_a_verdict_stands_on_standard_output_with_its_table(snas: Snas, tmp_path: Path) -> None:
    out = (
        "--strategies",
        "random,local_search",
        "--runs",
        "3",
        "--out",
        str(tmp_path / "compared"),
    )
    made = snas("compare", "fashion", "--budget", "12", *out)
    again = snas("report", str(tmp_path / "compared"))
    sentences = (tmp_path / "compared" / "verdict.txt").read_text().splitlines()
    for printed in (made, again):
        assert printed.code == 0 and sentences[0] in printed.out and sentences[0] not in printed.err
        assert (
            1
            <= sum(sentence in printed.out for sentence in sentences if "Best cell" not in sentence)
            <= 3
        )
        assert "All of the verdict: " in printed.err and "Best cell of all: score " in printed.out
    as_json = snas("report", str(tmp_path / "compared"), "--json")
    assert (
        as_json.json["verdict"]["sentences"][0] == sentences[0] and sentences[0] not in as_json.err
    )
    suite = snas(
        "suite",
        "starter",
        "--problems",
        "fashion",
        "--strategies",
        "random,local_search",
        "--runs",
        "2",
        "--out",
        str(tmp_path / "suite"),
    )
    assert (tmp_path / "suite" / "verdict.txt").read_text().splitlines()[0] in suite.out


def test_a_line_on_a_terminal_breaks_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
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
        lines = terminal.getvalue().splitlines()
        assert len(lines) > 2 and [word for line in lines for word in line.split()] == told.split()
        assert all(len(line) <= 40 or " " not in line for line in lines)
        assert pipe.getvalue() == f"{told}\n"
