"""A folder goes on and is read where its table grows, and is refused where it has other numbers or
is gone.
"""

from dataclasses import replace

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks import TableBenchmark
from surrogate_nas.core.digests import json_check
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import table_path
from surrogate_nas.files.journal import Chain, read_chain
from surrogate_nas.results.api import read_comparison
from surrogate_nas.results.archive import create, opened
from surrogate_nas.results.verification import verify
from surrogate_nas.runs.store import Store
from surrogate_nas.space import ChoiceSpace
from surrogate_nas.space.network import Network
from surrogate_nas.tables import Table, write_table
from tests.outcomes import bare

SPACE = ChoiceSpace(
    "tiny", {"a": tuple("012345"), "b": tuple("012345"), "c": tuple("012345")}
)
OBJECTIVE = "valid_error + 0.1*size"
ASKED = {"objective": OBJECTIVE, "budget": 40, "n_random": 5}
STRATEGIES = ["random", "asha", "evolution"]
"""One of them asks for as few epochs as it may."""


def table(*, grown=False, wrong=0.0, at=None):
    """A table of 216 cells with errors of two seeds and seconds.

    Args:
        grown: Whether it holds what a fetch would add: tests, a shorter training, the seconds of a
            validation pass.
        wrong: What is added to the errors of a cell, or of all.
        at: Which cell.
    """
    rng = np.random.default_rng(3)
    n = len(SPACE)
    made = Table(
        "growing",
        SPACE.definition,
        "216 cells",
        "measured here",
        "MIT",
        "",
        "valid_error",
        Network(),
        epochs="curve",
    )
    seeds = {seed: rng.uniform(5, 60, n) for seed in (777, 888)}
    later = rng.uniform(20, 80, n)
    shift = np.zeros(n)
    shift[slice(None) if at is None else at] = wrong
    valid = Metric("valid_error", "%", "search", "error", source="the package")
    made.add(
        valid,
        200,
        sum(seeds.values()) / 2 + shift,
        2,
        {seed: values + shift for seed, values in seeds.items()},
    )
    seconds = Metric("train_seconds", "s", "record", "cost", source="the package")
    made.add(seconds, 200, rng.uniform(100, 200, n))
    made.add(
        Metric("size", "MB", "search", "cost", source="the package"),
        None,
        rng.uniform(1, 9, n),
    )
    if grown:
        made.add(replace(valid, source="a repository"), 12, later)
        made.add(seconds, 12, rng.uniform(5, 10, n))
        made.add(
            Metric("test_error", "%", "final", "error", source="a repository"),
            200,
            later / 2,
        )
        made.add(
            Metric("valid_seconds", "s", "record", "cost", source="a repository"),
            None,
            rng.uniform(1, 2, n),
        )
        made.add(
            Metric("train_loss", "nats", "search", "loss", source="a repository"),
            200,
            later / 50,
        )
    return made


@pytest.fixture
def place(monkeypatch, tmp_path):
    """The file of the table, in a home of its own."""
    monkeypatch.setenv("SURROGATE_NAS_HOME", str(tmp_path / "home"))
    path = table_path("growing")
    write_table(table(), path)
    return path


def compared(folder, runs=3, **more):
    return sn.compare(
        "growing", STRATEGIES, runs=runs, folder=folder, **{**ASKED, **more}
    )


def files(folder):
    """The trials of every run, as they are written."""
    return {
        path.name: path.read_text().splitlines()[:-1]
        for path in sorted((folder / "runs").glob("*.jsonl"))
    }


def as_of_an_earlier_release(folder):
    """Take from a folder what it says of its table, which earlier releases did not write."""
    store = Store(folder)
    content = {
        key: value
        for key, value in store.read().items()
        if key not in ("data", "reference")
    }
    store.write_json("experiment.json", {**content, "check": json_check(content)})


@pytest.mark.parametrize(("policy", "earlier"), [("mean", True), ("draw", False)])
def test_a_folder_goes_on_as_it_began_when_its_table_has_grown(
    place, tmp_path, policy, earlier, monkeypatch
):
    with monkeypatch.context() as patch:
        if earlier:
            patch.setattr(sn.Objective, "fingerprint", sn.Objective.table_fingerprint)
        compared(tmp_path / "whole", seed_policy=policy)
        compared(tmp_path / "parted", runs=1, seed_policy=policy)
    before = read_comparison(tmp_path / "whole").to_json()
    if earlier:
        as_of_an_earlier_release(tmp_path / "whole")
        as_of_an_earlier_release(tmp_path / "parted")
    write_table(table(grown=True), place)
    made = compared(tmp_path / "parted", seed_policy=policy)
    assert files(tmp_path / "parted") == files(tmp_path / "whole"), (
        "the same charges, epochs and scores"
    )
    assert {trial.epochs for run in made.runs for trial in run.trials} == {200}
    again = read_comparison(tmp_path / "whole", verify=True).to_json()
    assert again == before
    fresh = compared(tmp_path / "fresh", seed_policy="mean")
    assert {trial.epochs for run in fresh.runs for trial in run.trials} == {12, 200}, (
        "a new folder sees all"
    )


def test_archives_made_before_and_after_a_fetch_compare(place, tmp_path, monkeypatch):
    """Also one that has the fingerprint of the whole table, as those of 29 November 2026."""
    with monkeypatch.context() as patch:
        patch.setattr(sn.Objective, "fingerprint", sn.Objective.table_fingerprint)
        compared(tmp_path / "before")
    create(tmp_path / "before", tmp_path / "before.zip")
    write_table(table(grown=True), place)
    made = sn.compare(
        "growing", ["local_search"], runs=3, folder=tmp_path / "after", **ASKED
    )
    found = verify(tmp_path / "before.zip", replay_all=True)
    assert found.valid and found.replayed == 9, found.problems
    with opened([tmp_path / "before.zip"], objective=made.objective) as (folder,):
        both = read_comparison(tmp_path / "after", against=[folder])
        seconds = sn.compare(
            "growing",
            ["random"],
            OBJECTIVE,
            runs=1,
            budget_seconds=9000.0,
            folder=tmp_path / "s",
        )
        assert seconds.objective.fingerprint == made.objective.fingerprint
    assert {*both.strategies} == {*STRATEGIES, "local_search"}
    assert both.merged[-1] == (
        "Evaluations of archive before are charged without valid_seconds: compare by evaluations,"
        " not by seconds."
    )
    assert compared(tmp_path / "before", runs=4).description["runs"] == 4, (
        "and the folder goes on"
    )


def test_a_budget_in_seconds_needs_the_same_charges(place, tmp_path):
    asked = {"objective": OBJECTIVE, "budget_seconds": 5000.0, "runs": 1}
    sn.compare("growing", ["random"], folder=tmp_path / "before", **asked)
    write_table(table(grown=True), place)
    sn.compare("growing", ["evolution"], folder=tmp_path / "after", **asked)
    with pytest.raises(
        UserError, match="its evaluations are charged with valid_seconds"
    ):
        read_comparison(tmp_path / "before", against=[tmp_path / "after"])


def test_other_numbers_of_a_column_that_is_read_do_not_compare(place, tmp_path):
    compared(tmp_path / "before", runs=1)
    write_table(table(wrong=0.5, at=3), place)
    compared(tmp_path / "after", runs=1)
    with pytest.raises(UserError, match="growing has changed since the first run"):
        read_comparison(tmp_path / "after", against=[tmp_path / "before"])


def test_an_archive_of_a_larger_table_is_not_checked_on_a_smaller_one(
    place, tmp_path, monkeypatch
):
    write_table(table(grown=True), place)
    compared(tmp_path / "out", runs=1)
    create(tmp_path / "out", tmp_path / "a.zip")
    write_table(table(), place)
    assert verify(tmp_path / "a.zip").valid is False, (
        "nothing fetches what this table lacks"
    )
    monkeypatch.setattr(TableBenchmark, "more", "More by snas data fetch growing.")
    found = verify(tmp_path / "a.zip")
    assert found.valid is None and "snas data fetch growing" in found.absent[0]
    assert (
        "lacks train_loss[200], train_seconds[12], valid_error[12]" in found.absent[0]
    )


def test_what_results_cannot_depend_on_may_change(place, tmp_path):
    write_table(table(grown=True), place)
    first = compared(tmp_path / "one", runs=1)
    other = table(grown=True)
    key = next(key for key in other.columns if key.metric == "test_error")
    other.columns[key] = other.columns[key] + 1
    write_table(other, place)
    assert (
        compared(tmp_path / "one", runs=2).objective.fingerprint
        == first.objective.fingerprint
    )
    read_comparison(tmp_path / "one", verify=True)


@pytest.mark.usefixtures("place")
def test_a_folder_of_one_training_seed_is_not_gone_on_with_by_another(tmp_path):
    one, other = (
        sn.Objective(OBJECTIVE, "growing", training_seed=seed) for seed in (777, 888)
    )
    compared(tmp_path, objective=one)
    before = files(tmp_path)
    with pytest.raises(
        UserError, match=f"contains another comparison .fingerprint {one.fingerprint}"
    ):
        compared(tmp_path, runs=4, objective=other)
    assert files(tmp_path) == before
    assert compared(tmp_path, runs=4, objective=one).objective.training_seed == 777


def test_other_numbers_are_refused_also_of_cells_that_no_run_met(place, tmp_path):
    made = compared(tmp_path / "one", runs=1)
    met = {trial.cell.index for run in made.runs for trial in run.trials}
    unmet = next(i for i in range(len(SPACE)) if i not in met)
    write_table(table(wrong=0.5, at=unmet), place)
    said = "growing has changed since the first run: valid_error.200."
    with pytest.raises(UserError, match=f"{said}.*--out"):
        compared(tmp_path / "one", runs=2)
    with pytest.raises(UserError, match=said):
        read_comparison(tmp_path / "one")


def test_results_are_not_read_without_their_table(place, tmp_path):
    compared(tmp_path / "one", runs=1)
    place.unlink()
    with pytest.raises(UserError, match="growing") as refused:
        read_comparison(tmp_path / "one")
    assert "\n" not in str(refused.value)


def test_what_a_folder_needs_and_the_table_lacks_is_named(place, tmp_path):
    write_table(table(grown=True), place)
    compared(tmp_path / "one", runs=1)
    write_table(table(), place)
    with pytest.raises(
        UserError,
        match=r"growing now lacks train_loss\[200\], train_seconds\[12\], valid_error\[12\]",
    ):
        compared(tmp_path / "one", runs=2)


SUITE = """
budget = 30
strategies = [{ name = "random", runs = 3 }, { name = "evolution", runs = 3 }]

[[problems]]
name = "plain"
benchmark = "growing"

[[problems]]
name = "small"
benchmark = "growing"
subject_to = "size <= 6"
"""


def test_a_suite_is_reported_and_goes_on(place, tmp_path, snas):
    (tmp_path / "own.toml").write_text(SUITE)
    arguments = ["suite", tmp_path / "own.toml", "--out", tmp_path / "suite"]
    before = snas(*arguments, "--json").json
    write_table(table(grown=True), place)
    assert snas(*arguments, "--json").json == before
    reported = snas("report", tmp_path / "suite", "--json")
    assert reported.code == 0 and reported.json["strategies"] == before["strategies"]
    assert reported.json["verdict"] == before["verdict"]


OWN = """
import surrogate_nas as sn

SPACE = sn.ChoiceSpace("mine", {"a": (1, 2, 3), "b": (1, 2, 3)})
BENCH = sn.Computed(SPACE, {"valid_error": lambda cell: 10.0 + sum(cell.choices)})
"""


def test_a_user_s_file_is_not_run_because_a_folder_names_it(tmp_path, snas):
    file = tmp_path / "own.py"
    file.write_text(OWN)
    out = tmp_path / "out"
    assert (
        snas("search", f"{file}:BENCH", "random", "--budget", 5, "--out", out).code == 0
    )
    ran = f"open({str(tmp_path / 'ran')!r}, 'w')"
    file.write_text(f"{OWN}\n{ran}\n")
    for command in (["report", out], ["export", "csv", out, "--out", tmp_path / "csv"]):
        refused = snas(*command)
        assert refused.code == 2 and f"--bench {file}:BENCH" in refused.err
    assert not (tmp_path / "ran").exists()


def test_a_table_that_is_replaced_while_runs_are_made_is_read_as_it_was(
    place, tmp_path
):
    wanted = bare(compared(None))
    replaced = []

    def change(event):  # is called before a worker has begun
        if not replaced:
            write_table(table(grown=True), place)
            replaced.extend([event.done, event.total])

    found = compared(
        tmp_path / "one", resources=sn.Resources(workers=2), callback=change
    )
    assert replaced == [0, 9] and bare(found) == wanted
    assert bare(compared(tmp_path / "one")) == wanted, "and the folder goes on"


def test_a_table_of_other_numbers_in_its_place_is_told_by_workers(place, tmp_path):
    def change(*_):
        write_table(table(wrong=1.0), place)

    with pytest.raises(
        UserError,
        match=r"it was replaced by a table with other numbers \(valid_error",
    ):
        compared(tmp_path / "one", resources=sn.Resources(workers=2), callback=change)
    write_table(table(), place)
    assert bare(compared(tmp_path / "one")) == bare(compared(None)), (
        "with the first one back it goes on"
    )


@pytest.mark.slow
@pytest.mark.data
def test_the_first_suite_goes_on_after_the_fetch_of_nb201_with_the_same_figures(
    snas, tmp_path, monkeypatch
):
    """What ``make compare``, ``make data``, ``make compare`` do in an empty home, with two of its
    strategies; then its report and its export.
    """
    monkeypatch.setenv("SURROGATE_NAS_HOME", str(tmp_path / "home"))
    out = tmp_path / "results"
    suite = ["suite", "starter", "--strategies", "random,evolution", "--workers", 2]
    suite += ["--out", out, "--json"]
    assert snas(*suite, "--runs", 1).code == 0
    assert snas("data", "fetch", "nb201").code == 0 and snas("data", "verify").code == 0
    went_on = snas(*suite, "--runs", 2)
    assert went_on.code == 0, went_on.err
    reported = snas("report", out, "--verify", "--json")
    assert (
        reported.code == 0 and reported.json["strategies"] == went_on.json["strategies"]
    )
    assert snas("export", "csv", out).code == 0
    monkeypatch.setenv("SURROGATE_NAS_HOME", str(tmp_path / "empty"))
    parted = went_on.json
    at_once = snas(*suite[:-2], tmp_path / "at-once", "--json", "--runs", 2).json
    for entry in (*at_once["strategies"], *parted["strategies"]):
        del entry["real_seconds"]
    assert (
        at_once["strategies"] == parted["strategies"]
        and at_once["problems"] == parted["problems"]
    )


@pytest.mark.parametrize("rule", [None, "median"])
def test_a_folder_with_a_rule_that_is_gone_is_read_and_resumes_without_it(
    rule, tmp_path
):
    made = sn.compare(
        "fashion", ["random"], "valid_error", runs=1, budget=3, folder=tmp_path
    )
    store = Store(tmp_path)
    content = {**store.read(), "stopping": rule}
    store.write_json("experiment.json", {**content, "check": json_check(content)})
    assert read_comparison(tmp_path).runs == made.runs
    asked = {
        "objective": "valid_error",
        "runs": 2,
        "budget": 3,
        "folder": tmp_path,
    }
    if rule is None:
        assert len(sn.compare("fashion", ["random"], **asked).runs) == 2
    else:
        with pytest.raises(
            UserError, match="it stops trainings early by a rule that this release"
        ):
            sn.compare("fashion", ["random"], **asked)


def test_a_run_whose_trainings_started_from_others_is_read_and_not_resumed(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    asked = {"budget": 3, "folder": tmp_path / "out"}
    made = sn.search(f"{tmp_path}/mine.py:MINE", "random", "valid_error", **asked)
    store = Store(tmp_path / "out")
    path, root = store.path("random", 0), store.root_of("random", 0)
    entries = read_chain(path.read_bytes(), root)
    entries[1]["start"] = [entries[0]["cell"], 2, ""]
    for kept in (entries, entries[:2]):
        path.unlink()
        chain = Chain(path, root)
        chain.append(*kept)
        chain.close()
        if kept is entries:
            assert (
                read_comparison(tmp_path / "out", benchmark=f"{tmp_path}/mine.py:MINE")
                .runs[0]
                .trials
                == made.trials
            )
    with pytest.raises(
        UserError, match="trial 1 started from the weights of another cell"
    ):
        sn.search(f"{tmp_path}/mine.py:MINE", "random", "valid_error", **asked)


MINE = """
import surrogate_nas as sn

def train(cell, trial):
    for epoch in range(trial.start + 1, trial.epochs + 1):
        trial.report(epoch, valid_error=50 / epoch + sum(cell.choices))

SPACE = sn.ChoiceSpace("net", {"width": (8, 16, 32), "depth": (1, 2, 3)})
MINE = sn.Training(SPACE, train, metrics=["valid_error"], epochs=2)
"""
