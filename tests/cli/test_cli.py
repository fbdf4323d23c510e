"""The command line: the JSON that outside scripts rely on, and one clear line with exit code 2 for
bad input.
"""

import json
import re
import shlex
import shutil
import stat
from pathlib import Path

import pytest

from surrogate_nas.files import HOME_VARIABLE
from surrogate_nas.runs.store import Store
from surrogate_nas.tables.sources.fetching import MIRROR_VARIABLE, registry
from tests.conftest import CELL, assert_one_clear_line

BROKEN = "tests/broken_strategies.py"


def test_benchmarks_lists_what_is_here_and_what_can_be_fetched(snas):
    listed = {b["name"]: b for b in snas("benchmarks --json").json}
    analog = listed["analog-cifar10"]
    assert (
        analog["available"] and analog["cells"] == 15625 and analog["space"] == "nb201"
    )
    assert {
        "name",
        "space",
        "cells",
        "available",
        "metrics",
        "source",
        "licence",
        "citation",
    } <= set(analog)
    assert {"name", "unit", "epochs", "kind"} <= set(analog["metrics"][0])
    assert {"nb201-cifar10", "nb201-cifar100", "nb201-imagenet16"} <= set(listed)
    stacks = listed["live:digits/macro"]
    assert stacks["available"] and stacks["cells"] == 36 and stacks["space"] == "macro"
    assert "analog" in snas("benchmarks").out


def test_query_gives_one_answer_a_cell_and_metric(snas):
    answers = snas(
        "query analog-cifar10", CELL, CELL, "--metric", "params", "--json"
    ).json
    assert [a["value"] for a in answers] == [802426.0, 802426.0]
    assert {"cell", "metric", "epochs", "training_seed", "value"} <= set(answers[0])
    every = snas("query analog-cifar10", CELL, "--json").json
    assert {a["metric"] for a in every} >= {"digital_error", "params", "depth"}
    assert "802426" in snas("query analog-cifar10", CELL, "--metric", "params").out
    told = snas("query analog-cifar10", CELL).out
    assert told.count("nor_conv_3x3~0|+") == 1
    assert "digital_error" in told
    assert "depth" in told


def test_search_reports_best_trials_costs_and_regret(snas):
    made = snas(
        "search analog-cifar10 --strategy evolution --budget 40 --run 3 --json"
    ).json
    assert len(made["trials"]) == 40
    assert {"index", "cell", "epochs", "score", "feasible", "cost"} <= set(
        made["trials"][0]
    )
    assert {"cell", "score", "metrics", "final"} <= set(made["best"])
    assert made["best"]["score"] == min(t["score"] for t in made["trials"])
    assert made["cost"] == 40
    assert made["real_seconds"] > 0
    assert made["regret"] >= 0
    shown = snas("search analog-cifar10 --strategy random --budget 5").out
    assert "score above the optimum" in shown
    by_place = snas("search analog-cifar10 evolution --budget 40 --run 3 --json").json
    assert [t["cell"] for t in by_place["trials"]] == [
        t["cell"] for t in made["trials"]
    ]
    twice = snas("search analog-cifar10 evolution --strategy bo --budget 5")
    assert_one_clear_line(twice, "given twice, as evolution and --strategy bo")


def test_search_pays_in_simulated_seconds_and_reports_final_metrics(snas, fetched):
    assert fetched
    arguments = [
        "--objective",
        "valid_error[12]",
        "--subject-to",
        "latency@raspi4 <= 20",
        "--budget-seconds",
        3000,
    ]
    made = snas("search nb201-cifar10 --strategy random", *arguments, "--json").json
    assert 0 < made["cost"] <= 3000
    assert made["best"]["final"]["test_error"] > 0
    assert made["best"]["metrics"]["latency@raspi4"] <= 20
    assert made["trials"][0]["epochs"] == 12


def test_compare_writes_results_and_report_and_goes_on_where_it_was(snas, tmp_path):
    out = tmp_path / "out"
    arguments = [
        *"--strategies random,evolution --runs 2 --budget 20 --out".split(),
        out,
    ]
    first = snas("compare analog-cifar10", *arguments, "--json")
    assert first.code == 0
    made = first.json
    assert [s["name"] for s in made["strategies"]] == ["random", "evolution"]
    strategy = made["strategies"][0]
    assert {
        "name",
        "runs",
        "score",
        "regret",
        "evaluations",
        "cost",
        "real_seconds",
    } <= set(strategy)
    assert set(strategy["score"]) == {"mean", "std", "iqm", "ci95"} and {
        "mean",
        "median",
    } == set(strategy["regret"])
    assert strategy["runs"] == 2
    assert strategy["evaluations"] == 40
    assert strategy["cost"] == 40
    page = (out / "report.html").read_text()
    assert made["fingerprint"] in page and "nothing held out" in page
    assert stat.S_IMODE((out / "report.html").stat().st_mode) & 0o044
    before = {p.name: p.stat().st_mtime_ns for p in (out / "runs").iterdir()}
    assert snas("compare analog-cifar10", *arguments, "--json").json == made
    assert {p.name: p.stat().st_mtime_ns for p in (out / "runs").iterdir()} == before
    assert snas("report", out, "--json").json == made
    assert json.loads((out / "summary.json").read_text()) == made


def test_another_objective_has_another_folder_which_its_command_finds_again(
    snas, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    few = "--strategies random --runs 1 --budget 12".split()
    asked = [
        [],
        ["--objective", "valid_error[5]"],
        ["--objective", "valid_error", "--subject-to", "params <= 30000"],
    ]
    for more in (*asked, asked[1]):
        assert snas("compare fashion", *few, *more).code == 0
    folders = [
        "compare-fashion",
        "compare-fashion-valid_error-5",
        "compare-fashion-valid_error-params-30000",
    ]
    assert sorted(path.name for path in Path("results").iterdir()) == folders
    told = [Store(Path("results", name)).read() for name in folders]
    assert [one["objective"]["expression"] for one in told] == [
        "valid_loss[5] + 0.1*params + 0.1*latency@cpu",
        "valid_error[5]",
        "valid_error[5] subject to params <= 30000",
    ]
    assert not any(one["extensions"] for one in told), (
        "the same command found its own folder"
    )
    longer = snas(
        "compare fashion --objective 'valid_error[5]'", *few[:3], 2, *few[4:], "--json"
    )
    assert longer.json["strategies"][0]["runs"] == 2
    assert Store(Path("results/compare-fashion-valid_error-5")).read()["runs"] == 2
    refused = snas(
        "compare fashion",
        *few,
        *"--objective valid_loss --out results/compare-fashion-valid_error-5".split(),
    )
    assert_one_clear_line(
        refused,
        "the objective was valid_error[5] on fashion, now valid_loss[5] on fashion",
    )
    assert "--out" in refused.err


def test_a_failing_strategy_costs_only_its_own_runs(snas, tmp_path):
    strategy = "RaisesWhenAsked"
    names = f"random,{BROKEN}:{strategy}"
    made = snas(
        "compare --strategies",
        names,
        *"--runs 2 --budget 15 --out".split(),
        tmp_path,
        "--json",
    )
    assert made.code == 2
    assert [s["name"] for s in made.json["strategies"]] == ["random"]
    assert len(made.json["failures"]) == 2 and strategy in made.err
    assert "Traceback" not in made.err
    assert strategy in (tmp_path / "report.html").read_text()


def test_new_strategy_keeps_the_contract_and_is_never_overwritten(snas, tmp_path):
    made = snas("new strategy Greedy --folder", tmp_path, "--json").json
    checks = snas("check", made["strategy"], "--json")
    assert checks.code == 0
    assert len(checks.json) > 20
    assert all(c["passed"] for c in checks.json)
    assert (
        len(
            [
                line
                for line in Path(made["file"]).read_text().splitlines()
                if line.strip()
            ]
        )
        <= 12
    )
    assert_one_clear_line(
        snas("new strategy Greedy --folder", tmp_path), "already exists"
    )
    assert_one_clear_line(
        snas("new strategy 'not a name' --folder", tmp_path),
        "not a valid name for a strategy",
    )


def test_check_says_which_promises_are_broken(snas):
    broken = snas("check", f"{BROKEN}:IgnoresItsSeed")
    assert broken.code == 2 and "the seed seems to be ignored" in broken.out
    assert re.fullmatch(
        rf"snas: {re.escape(BROKEN)}:IgnoresItsSeed fails \d+ of \d+ checks\.\n",
        broken.err,
    )
    assert broken.out.count("seems to be ignored") == 1
    told = snas("check", f"{BROKEN}:IgnoresItsSeed", "--json")
    assert told.code == 2 and len(told.err.splitlines()) == 1
    assert {check["passed"] for check in told.json} == {True, False}


def test_train_prints_metrics_and_curves(snas):
    made = snas(
        "train", CELL, *"--task tests/tiny_task.py:TINY --epochs 2 --json".split()
    ).json
    assert {"metrics", "curves", "params", "macs", "seconds", "device"} <= set(made)
    assert {len(curve) for curve in made["curves"].values()} == {2} and {
        *made["curves"]
    } < {*made["metrics"]}
    assert made["metrics"]["valid_loss"] == made["curves"]["valid_loss"][-1]
    assert made["device"] == "cpu"
    assert "valid_error" in snas("train", CELL, "--task", "tests/tiny_task.py:TINY").out
    stack = "conv_stack(layers=2, channels=8)"
    made = snas("train", stack, "--task", "tests/tiny_task.py:TINY", "--json").json
    assert (made["cell"], made["params"]) == (stack, 770)


MEASURE = "measure --cells 2 --task tests/tiny_task.py:TINY".split()


def test_measure_writes_a_table_that_joins(snas, tmp_path):
    out = tmp_path / "folder" / "local.h5"
    made = snas(*MEASURE, "--out", out, "--json")
    assert made.code == 0
    assert {"device_card", "n", "seconds", "drift"} <= set(made.json)
    assert made.json["n"] == 2 and made.json["seconds"] > 0 and made.json["drift"] >= 0
    assert {
        "model",
        "cores",
        "threads",
        "memory_gb",
        "torch",
        "load_average",
        "date",
    } <= set(made.json["device_card"])
    assert [file.name for file in out.parent.iterdir()] == ["local.h5"]
    from surrogate_nas.space import drawn_cells, nb201

    measured, other = (cell.text for cell in drawn_cells(nb201(), 3)[1:])
    asked = ["--metric", "latency@local", "--with", out, "--json"]
    (answer,) = snas("query analog-cifar10", measured, *asked).json
    assert answer["value"] > 0
    assert answer["unit"] == "ms"
    assert "snas measure" in answer["source"]
    assert_one_clear_line(
        snas("query analog-cifar10", other, *asked), "2 of 15625 cells"
    )
    objective = ["--objective", "digital_error + 0.1*latency@local", "--with", out]
    assert_one_clear_line(
        snas("search analog-cifar10", *objective), "2 of 15625 cells only"
    )
    assert_one_clear_line(
        snas("compare analog-cifar10", *objective, "--out", tmp_path / "c"),
        "cells only",
    )
    assert not (tmp_path / "c").exists()
    assert "latency, median" in snas(*MEASURE, "--out", out, "--seed", 1).out


def test_an_interrupted_measure_goes_on(snas, tmp_path, monkeypatch):
    from surrogate_nas.training.hardware import measure

    out = tmp_path / "local.h5"
    kept = tmp_path / "local.h5.jsonl"

    def interrupt(done, total):
        if done == 7:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(
            "surrogate_nas.training.hardware.measure",
            lambda *a, **k: measure(*a, **(k | {"progress": interrupt})),
        )
        stopped = snas(*MEASURE, "--out", out)
    assert (
        stopped.code == 130
        and "Repeat the command to resume" in stopped.err
        and not out.exists()
    )
    assert len(kept.read_text().splitlines()) == 1 + 7
    assert_one_clear_line(
        snas(*MEASURE, "--out", out, "--batch", 2), "other settings (protocol)"
    )
    first = json.loads(kept.read_text().splitlines()[1])["entry"]["seconds"]
    made = snas(*MEASURE, "--out", out, "--json").json
    assert made["seconds"] > first and out.exists() and not kept.exists()


WRONG = """
--cells 0: number of cells must be 1 to 15625, not 0
--cells 15626: number of cells must be 1 to 15625, not 15626
--cells many: --cells
--device quantum: no device 'quantum'
--threads 0: threads must be a whole number from 1
--batch 0: batch must be a whole number from 1
--task digit: Did you mean 'digits'
--seed -1: at least 0
--watts 0: watts above 0
--out /dev/null/local.h5: Cannot write
--out .: is a folder
"""


@pytest.mark.parametrize("line", WRONG.strip().splitlines())
def test_a_measure_that_cannot_be_gets_one_clear_line(snas, tmp_path, line):
    arguments, _, says = line.partition(": ")
    refused = snas(*MEASURE, "--out", tmp_path / "local.h5", *arguments.split())
    assert_one_clear_line(refused, says)
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_joined_gets_one_clear_line(snas, tmp_path):
    damaged = tmp_path / "damaged.h5"
    damaged.write_text("cell,latency\n")
    for file, says in ((damaged, "damaged"), (tmp_path / "none.h5", "no table at")):
        for command in (
            ["query", "analog-cifar10", CELL],
            ["search", "analog-cifar10"],
            ["compare", "analog-cifar10"],
        ):
            assert_one_clear_line(snas(*command, "--with", file), says)


def test_path_is_the_home(snas, own_home):
    assert snas("path --json").json == {"path": str(own_home)}
    assert snas("path").out.strip() == str(own_home)


def test_fetch_and_verify_and_import(snas, mirror, fresh_home):
    assert_one_clear_line(
        snas("query nb201-cifar10", CELL, "--metric", "test_error"),
        "snas data fetch nb201",
    )
    fetched = snas("data fetch nb201 --json").json
    assert (fetched["name"], fetched["files"]) == ("nb201", len(registry("nb201")))
    assert fetched["bytes"] > 16e6 and fetched["seconds"] > 0
    verified = snas("data verify --json")
    assert verified.code == 0
    assert len(verified.json["checks"]) > 30 and all(
        c["passed"] for c in verified.json["checks"]
    )
    folder = next(mirror.rglob("NATS-tss-v1_0-3ffb9-simple"))
    imported = snas("data import nats", folder, "--json").json
    assert imported["benchmarks"] == [
        "nats-cifar10",
        "nats-cifar100",
        "nats-imagenet16",
    ]
    (answer,) = snas(
        "query nats-cifar10",
        CELL,
        *"--metric valid_error --epochs 12 --training-seed 777 --json".split(),
    ).json
    assert answer["training_seed"] == 777 and answer["n_seeds"] == 1
    refused = snas(
        "search nats-cifar10 --strategy random --budget 5 --objective valid_error"
    )
    assert_one_clear_line(refused, "3 of 15625 cells only")
    assert_one_clear_line(
        snas("data import nats", fresh_home / "none"), "There is no folder"
    )
    assert_one_clear_line(snas("data import nb201-pth", fresh_home), "There is no file")


def test_verify_fails_when_a_table_is_wrong(snas, fetched, tmp_path, monkeypatch):
    import h5py

    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    (tmp_path / "fetched").symlink_to(fetched / "fetched")
    (tmp_path / "tables").mkdir()
    for path in (fetched / "tables").glob("nb201-*.h5"):
        shutil.copy(path, tmp_path / "tables")
    with h5py.File(tmp_path / "tables" / "nb201-cifar10.h5", "r+") as file:
        file["columns/valid_error/200/mean"][11] += 0.01
    wrong = snas("data verify")
    assert wrong.code == 2 and "valid_error/200" in wrong.err


BAD = f"""
search nothing-here: Unknown benchmark 'nothing-here'
search analog-cifar1: Did you mean 'analog-cifar10'?
search nb201-cifar1: nb201-cifar100, nb201-imagenet16; snas benchmarks lists all.
search fashion --strategy {BROKEN}: name the strategy in it, as in {BROKEN}:Fine.
search fashion --strategy evolutoin: Did you mean 'evolution'?
search fashion --strategy none.py:Class: There is no strategy file none.py
search fashion --strategy {BROKEN}:Nothing: defines no Nothing
search fashion --objective valid_eror: Unknown metric
search fashion --objective 'valid_error +': column 14
search fashion --objective params: needs a loss term
search fashion --objective valid_error --subject-to 'params << 3': Malformed expression
search fashion --budget 0: A budget in cells must be a whole number from 1 to 1,000,000,000, not 0
search fashion --budget-seconds inf: finite number
search fashion --seed -1: at least 0
search fashion --budget many: --budget
query fashion '|none~0|': Malformed cell
data verify no/where.h5: Unknown source of data 'no/where.h5'. Known
compare --runs 0: The number of runs must be a whole number from 1
compare --budget 99999999999999999999: from 1 to 1,000,000,000, not 9
compare --budget-seconds 1e-300: The budget does not pay for a single evaluation.
compare --strategies ,: ',' contains no name.
compare --workers 0: workers (--workers) must be a whole number from 1
compare --strategies random,random: same name
report no-such-folder: contains no comparison
check none: Unknown strategy
data fetch nb102: nb102
nonsense: nonsense
train 11 --task digit: Did you mean 'digits'
train 11 --task none.py: none.py is a file; name the task in it, as in none.py:NAME.
train 11 --device quantum: no device 'quantum'
train 11 --epochs 0: from 1 to 100,000
train 'conv_stack(layers=5, channels=8)': not '5'
train 11 --task tests/tiny_task.py:RAISES: the disk is on the moon
"""
"""Commands, each with words of the line that refuses it."""


@pytest.mark.parametrize("line", BAD.strip().splitlines())
def test_bad_input_gets_one_clear_line(snas, tmp_path, monkeypatch, line):
    command, _, says = line.partition(": ")
    arguments = shlex.split(command)
    if arguments[0] == "compare":
        arguments += ["--out", str(tmp_path / "out")]
    monkeypatch.setenv("COLUMNS", "40")
    assert_one_clear_line(snas(*arguments), says)
    assert not (tmp_path / "out").exists()


def test_an_unreachable_mirror_is_one_clear_line(snas, fresh_home, monkeypatch):
    monkeypatch.setenv(MIRROR_VARIABLE, str(fresh_home / "none"))
    assert_one_clear_line(snas("data fetch nb201"), "is not a folder")
    monkeypatch.setenv(MIRROR_VARIABLE, str(fresh_home))
    assert_one_clear_line(snas("data fetch nb201"), "Cannot fetch")


def test_a_misspelt_command_is_met_with_one_question_mark(snas):
    assert_one_clear_line(
        snas("compar"),
        "No such command 'compar'. Did you mean 'compare'? Try snas --help.",
    )
    assert_one_clear_line(snas("compare --nothing"), ". Try snas --help.")


@pytest.mark.usefixtures("fresh_home")
def test_how_to_get_what_is_not_here_is_never_cut(snas, monkeypatch):
    monkeypatch.setattr("surrogate_nas.cli.output._PIPED_WIDTH", 40)
    for family in ("hwgpt", "nb101", "accel"):
        lines = snas("benchmarks", family).out.splitlines()
        (line,) = [line for line in lines if "snas data fetch" in line]
        assert line.startswith(
            f"Not available yet: run snas data fetch {family} ("
        ) and line.endswith(" MB).")


def test_a_search_says_where_it_is_stored_or_that_it_is_not(snas, tmp_path):
    command = "search fashion random --budget 12".split()
    assert "The run is not stored. Use --out DIR" in snas(*command).err
    stored = snas(*command, "--out", tmp_path / "out")
    assert (
        f"Stored in {tmp_path / 'out'}. Report it with: snas report {tmp_path / 'out'}"
        in stored.err
    )


def test_a_verdict_on_a_folder_that_was_cut_says_so(snas, tmp_path):
    command = "compare fashion --strategies random,evolution --budget 12".split()
    whole = snas(*command, "--runs", 3, "--out", tmp_path)
    assert whole.code == 0 and "not ended" not in whole.err
    file = tmp_path / "runs" / "evolution-2.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    (tmp_path / "runs" / "random-2.jsonl").unlink()
    assert (
        "2 runs have not finished, so the verdict excludes them"
        in snas("report", tmp_path).err
    )


def test_what_runs_can_be_watched_and_a_suite_takes_a_seed(snas, tmp_path):
    compared = snas(
        "compare analog-cifar10 --strategies random --runs 1 --budget 3 --out",
        tmp_path / "c",
        "--serve",
    )
    assert compared.code == 0 and re.search(
        r"Watch the progress: http://127\.0\.0\.1:\d+/", compared.err
    )
    suite = "suite starter --problems fashion --strategies random --runs 1".split()
    assert snas(*suite, *"--seed 5 --serve --out".split(), tmp_path / "s").code == 0
    plan = json.loads((tmp_path / "s" / "plan.json").read_text())
    assert plan["seed"] == 5
    assert_one_clear_line(
        snas(*suite, "--out", tmp_path / "s"),
        "contains another comparison (seed 5, now 0)",
    )
    assert_one_clear_line(
        snas(*suite, "--seed", -1, "--out", tmp_path / "t"),
        "A seed must be a whole number",
    )
