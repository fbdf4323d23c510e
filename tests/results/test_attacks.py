"""What `analysis/attack.py` throws at folders of results, here without processes: nothing raises,
nothing hangs.
"""

import json
import os
import shutil

import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks import available, load
from surrogate_nas.core.errors import AbsentError, UserError
from surrogate_nas.files import holder, locked
from surrogate_nas.report.live import live_page
from surrogate_nas.results.api import read_comparison, run_suite
from surrogate_nas.runs.store import Store
from tests.forging import (
    DESCRIPTIONS,
    LINES,
    LOCKS,
    SUITE,
    best_by,
    first_raised,
    resealed,
    rewritten,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A small comparison."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    sn.compare(
        "analog-cifar10", ["random", "evolution"], runs=2, budget=12, folder=folder
    )
    return folder


@pytest.fixture
def store(whole, tmp_path):
    """A copy of it."""
    shutil.copytree(whole, tmp_path / "out")
    return Store(tmp_path / "out")


def looked_at(folder, snas):
    """Served, and reported; what the report says."""
    assert live_page(folder.parent, folder.parent) and live_page(folder.parent, folder)
    made = snas("report", folder)
    assert made.code in (0, 2) and "Traceback" not in made.err
    return made.err


@pytest.mark.parametrize("what", LOCKS)
def test_a_lock_that_holds_anything_is_nobody_s(what, store, snas):
    (store.folder / ".lock").write_bytes(LOCKS[what])
    assert holder(store.folder) is None
    looked_at(store.folder, snas)
    with locked(store.folder):
        assert holder(store.folder) is not None


@pytest.mark.parametrize("pid", [0, -1, True])
def test_a_lock_of_no_process_is_nobody_s(pid, tmp_path):
    with locked(tmp_path):
        signed = json.loads((tmp_path / ".lock").read_bytes())
    (tmp_path / ".lock").write_text(json.dumps(signed | {"pid": pid}))
    assert holder(tmp_path) is None


@pytest.mark.parametrize("name", [".lock", "experiment.json", "runs/random-0.jsonl"])
def test_a_fifo_is_never_waited_for(name, store, snas):
    (store.folder / name).unlink(missing_ok=True)
    os.mkfifo(store.folder / name)
    if name == "experiment.json":
        assert snas("report", store.folder).code == 2
        assert live_page(store.folder.parent, store.folder) is None
        return
    looked_at(store.folder, snas)


def test_what_is_no_file_among_the_tables_is_passed_over(fresh_home):
    tables = fresh_home / "tables"
    tables.mkdir()
    (tables / "dangling.h5").symlink_to("nowhere")
    (tables / "folder.h5").mkdir()
    for name in ("fifo.h5", "transnas-micro-jigsaw.h5"):
        os.mkfifo(tables / name)
    listed = {entry["name"]: entry["available"] for entry in available()}
    assert not {"dangling", "folder", "fifo"} & listed.keys()
    assert listed["transnas-micro-jigsaw"] is False
    for name in ("dangling", "folder", "fifo"):
        with pytest.raises(UserError, match="Unknown benchmark"):
            load(name)
    with pytest.raises(AbsentError):
        load("transnas-micro-jigsaw")
    for file in ("fifo.h5", "folder.h5", "dangling.h5"):
        with pytest.raises(UserError):
            load(str(tables / file))
        with pytest.raises(UserError):
            load("fashion", with_=[tables / file])


def test_weights_under_which_scores_are_no_numbers_are_refused(tmp_path):
    for objective in (
        "valid_error + 1e308*params + 1e308*macs",
        "valid_loss, valid_error + 1.7e308*params",
    ):
        with pytest.raises(UserError, match="not finite"):
            sn.compare(
                "fashion",
                ["random"],
                objective,
                runs=1,
                budget=11,
                folder=tmp_path / "out",
            )
    assert not (tmp_path / "out").exists()
    made = sn.compare(
        "fashion",
        ["random"],
        "valid_error subject to params <= 1e-310",
        runs=1,
        budget=11,
    )
    assert not made.failures and not made.found_feasible


@pytest.mark.parametrize("what", DESCRIPTIONS)
def test_a_sealed_description_of_anything_is_shown_or_refused(what, store, snas):
    resealed(store, DESCRIPTIONS[what])
    looked_at(store.folder, snas)


@pytest.mark.parametrize("what", LINES)
def test_a_sealed_run_of_anything_is_shown_or_refused(what, store, snas):
    rewritten(store, "random", 0, LINES[what])
    looked_at(store.folder, snas)


@pytest.mark.parametrize("count", [10**30, 10**9, -3, 0, "two", None, 1.5])
def test_a_plan_of_any_number_of_runs_is_shown_or_refused(count, tmp_path, snas):
    (tmp_path / "own.toml").write_text(SUITE)
    run_suite(str(tmp_path / "own.toml"), folder=tmp_path / "out")
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    plan["strategies"][0]["runs"] = count
    (tmp_path / "out" / "plan.json").write_text(json.dumps(plan))
    looked_at(tmp_path / "out", snas)


def test_a_best_score_that_the_table_contradicts_is_refused(store, snas):
    rewritten(store, "random", 0, best_by(0.001))
    said = looked_at(store.folder, snas)
    assert "random-0.jsonl, trial 5: L of" in said
    assert "is 0.001, but 0." in said
    assert "in analog-cifar10" in said
    with pytest.raises(UserError, match="Delete it and repeat the command"):
        read_comparison(store.folder)


def test_every_score_is_held_against_the_table_where_that_is_wanted(store, snas):
    assert snas("report", store.folder, "--verify").code == 0
    rewritten(store, "evolution", 1, first_raised)
    assert snas("report", store.folder).code == 0
    refused = snas("report", store.folder, "--verify")
    assert refused.code == 2
    assert "evolution-1.jsonl" in refused.err
    assert "Delete it and repeat the command" in refused.err


@pytest.mark.parametrize(
    ("objective", "how", "strategies"),
    [
        ("valid_error + 0.1*params + 0.1*diversity", {}, ["random", "evolution"]),
        ("valid_error, params", {}, ["random", "nsga2"]),
        ("valid_error[5]", {}, ["hyperband", "asha"]),
        (
            "valid_error subject to params <= 9000",
            {
                "resources": sn.Resources(simulated_workers=3),
                "budget_seconds": 900.0,
            },
            ["random", "bo"],
        ),
    ],
)
def test_whatever_was_written_agrees_with_its_table(
    objective, how, strategies, tmp_path
):
    sn.compare(
        "fashion", strategies, objective, runs=2, budget=25, folder=tmp_path, **how
    )
    assert len(read_comparison(tmp_path, verify=True).runs) == 4


def test_drawn_seeds_are_verified_as_they_were_drawn(tmp_path):
    sn.compare(
        "nb201-cifar10",
        ["random"],
        "valid_error",
        seed_policy="draw",
        runs=2,
        budget=20,
        folder=tmp_path,
    )
    assert len(read_comparison(tmp_path, verify=True).runs) == 2
