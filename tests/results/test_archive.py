"""Archives: what is sealed is read again and compared with, and what was forged is refused in a
line.
"""

import json
import math
import re
import shutil
import struct
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

import surrogate_nas as sn
from surrogate_nas.cli import stored as archive_command
from surrogate_nas.cli.output import progress_bar
from surrogate_nas.core.errors import UserError
from surrogate_nas.files import HOME_VARIABLE
from surrogate_nas.files.zipped import write_zip
from surrogate_nas.report.live import live_page
from surrogate_nas.results import verification
from surrogate_nas.results.api import read_comparison, run_suite, stored_suite
from surrogate_nas.results.archive import (
    MANIFEST,
    create,
    file_of,
    opened,
    shipped_archives,
    unpack,
)
from surrogate_nas.results.verification import SHARE, verify
from surrogate_nas.runs.problem import Entry, Problem, Suite
from surrogate_nas.runs.store import Store
from tests.forging import FLAGS, compared, flagged, resealed, rewritten, unfit_flags
from tests.formats import FOLDER, tiny_home

CELLS = 20
PROBLEMS = [
    Problem("fashion", "valid_loss + 0.1*params", name="plain", budget=CELLS),
    Problem(
        "fashion",
        "valid_error[5]",
        name="capped",
        subject_to="latency@cpu <= 0.6",
        budget=CELLS,
    ),
]
MADE = Suite("mine", "Mine", PROBLEMS, [Entry("random", 2), Entry("evolution", 2)])
OWN = "from surrogate_nas.strategies.random import RandomSearch\n\n\nclass Own(RandomSearch):\n    pass\n"  # noqa: E501

RELEASES = sorted(path.parent.name for path in FOLDER.glob("*/archive.zip"))
Change = Callable[[Path], None]


def test_a_search_of_any_seed_is_a_whole_folder_of_one_run(snas, tmp_path):
    folder = tmp_path / "out"
    command = [*"search fashion random --budget 12 --out".split(), folder]
    seed = 1_000_007
    assert snas(*command, "--run", seed).code == 0
    description = Store(folder).read()
    assert (description["runs"], description["numbers"]) == (1, [seed])
    reported = snas("report", folder, "--json")
    assert reported.code == 0 and "not ended" not in reported.err
    assert snas("export csv", folder).code == 0
    assert "1 of 1 runs done" in str(live_page(folder, folder))
    create(folder, tmp_path / "one.zip")
    verified = verify(tmp_path / "one.zip", replay_all=True)
    assert (verified.problems, verified.runs, verified.replayed) == ([], 1, 1)
    shown = [
        trial.cell
        for trial in sn.search("fashion", "random", budget=12, run=seed).trials
    ]
    (run,) = read_comparison(folder).runs
    assert [trial.cell for trial in run.trials] == shown

    # another run joins it, and then those before both
    assert snas(*command, "--run", 2).code == 0
    assert Store(folder).read()["numbers"] == [2, seed]
    assert [run.run for run in read_comparison(folder).runs] == [2, seed]
    sn.compare("fashion", ["random"], budget=12, runs=3, folder=folder)
    assert Store(folder).read()["numbers"] == [0, 1, 2, seed]


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """A small suite."""
    folder = tmp_path_factory.mktemp("suite") / "out"
    run_suite(MADE, folder=folder)
    return folder


@pytest.fixture(scope="module")
def sealed_suite(suite, tmp_path_factory):
    """Its archive."""
    out = tmp_path_factory.mktemp("sealed") / "mine.zip"
    create(
        suite, out, by="A. Name <a@example.org>", note="for a test", licence="CC0-1.0"
    )
    return out


def sealed(folder, strategies, objective=None, *, benchmark="fashion", **how):
    """The archive of a comparison that is made in a folder, ``out`` in it."""
    asked = {"runs": 1, "budget": 12, "folder": folder / "out"}
    sn.compare(benchmark, strategies, objective, **asked | how)
    create(folder / "out", folder / "a.zip")
    return folder / "a.zip"


def packed(folder, out, **manifest):
    """An archive of whatever a folder holds, with the digests that belong to it."""
    written = json.loads((folder / MANIFEST).read_text())
    members = {}
    files = {}
    for path in sorted(
        folder.rglob("*"), key=lambda path: (path.suffix == ".jsonl", path)
    ):
        name = path.relative_to(folder).as_posix()
        if name == MANIFEST or not path.is_file():
            continue
        content = path.read_bytes()
        files[name] = {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
        members[name] = content
        if path.parent.name == "runs":
            members[name] = re.sub(rb', "seal": "[0-9a-f]{16}"', b"", content)
    content = json.dumps(written | {"files": files} | manifest).encode()
    return write_zip(out, [(MANIFEST, content), *members.items()])


def forged(archive, folder, change):
    """An archive with a change in its folder, sealed as if it had been made so."""
    unpack(archive, folder / "forged")
    change(folder / "forged")
    return packed(folder / "forged", folder / "forged.zip")


def plain(folder):
    """The comparison that is forged."""
    return Store(folder / "problems" / "plain")


def in_lines(strategy, change):
    return lambda folder: rewritten(plain(folder), strategy, 1, change)


def in_description(change):
    return lambda folder: resealed(plain(folder), change)


def in_every_seal(change):
    """A description that all seals follow from, with the runs sealed anew."""

    def changed(folder):
        store = plain(folder)
        runs = {path: path.read_bytes() for path in (store.folder / "runs").iterdir()}
        lines = {}
        for path, content in runs.items():
            label, _, number = path.stem.rpartition("-")
            lines[label, int(number)] = [
                json.loads(line) for line in content.splitlines()
            ]
        resealed(store, change)
        for (label, number), entries in lines.items():
            store.path(label, number).unlink()
            with Store(store.folder).log(label, number) as log:
                log._chain.append(
                    *[
                        {key: v for key, v in one.items() if key != "seal"}
                        for one in entries
                    ]
                )

    return changed


def at(index, **fields):
    return lambda lines: lines[index].update(fields)


def exchanged(lines):
    lines[14], lines[15] = lines[15] | {"index": 14}, lines[14] | {"index": 15}


def retimed(lines):
    """Times as they would be of these trials in this order."""
    now = 0.0
    for line in lines[:-1]:
        line["started"] = now
        now = line["finished"] = now + line["cost_seconds"]


def exchanged_with_times(lines):
    exchanged(lines)
    retimed(lines)


def chosen_first(lines):
    """The last cell as if it had been the first drawn."""
    last = lines[CELLS - 1]
    lines[CELLS - 1], lines[0] = lines[0] | {"index": CELLS - 1}, last | {"index": 0}
    retimed(lines)


def longer(lines):
    lines.insert(CELLS, lines[CELLS - 1] | {"index": CELLS})
    lines[-1]["end"] = CELLS + 1
    retimed(lines)


def shorter(lines):
    del lines[CELLS - 1]
    lines[-1]["end"] = CELLS - 1


def other_budget(folder):
    in_description(lambda content: content["budget"].update(cells=CELLS + 10))(folder)
    for strategy in ("random", "evolution"):
        for run in (0, 1):
            rewritten(plain(folder), strategy, run, at(-1, budget_cells=CELLS + 10))


def unsealed_change(folder):
    path = plain(folder).folder / "experiment.json"
    path.write_text(path.read_text().replace('"provenance"', '"other"'))


def in_plan(**fields):
    def changed(folder):
        plan = json.loads((folder / "plan.json").read_text())
        (folder / "plan.json").write_text(json.dumps(plan | fields))

    return changed


FAILED = {"failure": "no memory", "loss": math.nan, "penalty": math.nan, "values": {}}
JUDGED = {"seeds": [0], "values": {"valid_loss[5]": 0.0, "params": 0.0}}
JUDGED |= {"trainings": 1, "cost": 0.0, "failures": []}
FORGERIES = {
    "a trial that failed": (
        in_lines("random", at(15, feasible=False, **FAILED)),
        "a look-up in a table cannot fail",
    ),
    "another judgement": (
        in_lines("random", at(-1, judged=JUDGED)),
        "it has results of further seeds",
    ),
    "an option that the plan does not name": (
        in_description(lambda content: content.update(hidden=True)),
        "hidden is True, but False in plan.json",
    ),
    "a cell": (
        in_lines("random", lambda lines: lines[15].update(cell=lines[2]["cell"])),
        "trial 15: valid_loss",
    ),
    "a score": (
        in_lines("random", lambda lines: at(15, score=lines[15]["score"] - 0.2)(lines)),
        "trial 15: the score of",
    ),
    "a charge": (
        in_lines(
            "random",
            lambda lines: at(15, cost_seconds=lines[15]["cost_seconds"] / 2)(lines),
        ),
        "trial 15: the charge of",
    ),
    "the order": (in_lines("evolution", exchanged), "is out of order in time"),
    "the order with its times": (
        in_lines("evolution", exchanged_with_times),
        "with its seed (made",
    ),
    "a cell as the first": (
        in_lines("random", chosen_first),
        "which follows from its seed",
    ),
    "a trial too many": (
        in_lines("random", longer),
        "has 21 trials, but its budget pays for 20",
    ),
    "a trial too few": (in_lines("random", shorter), "it has 19 trials of 20"),
    "a failure": (
        in_lines(
            "evolution", at(-1, failure="Strategy evolution failed in run 1: a lie")
        ),
        "its end differs from the run with its seed",
    ),
    "a run's budget": (
        in_lines("random", at(-1, budget_cells=CELLS + 10)),
        "made with another budget",
    ),
    "the budget": (other_budget, "budget is {'cells': 30"),
    "a run left out": (
        lambda folder: plain(folder).path("random", 1).unlink(),
        "problems/plain/runs/random-1.jsonl is missing",
    ),
    "a problem left out": (
        lambda folder: shutil.rmtree(folder / "problems" / "capped"),
        "capped contains no comparison",
    ),
    "another suite's name": (
        in_plan(suite="starter"),
        "plain is not a problem of the suite starter",
    ),
    "another table": (
        in_every_seal(lambda content: content.update(address="nb201-cifar10")),
        "nb201-cifar10",
    ),
    "the fingerprint": (
        in_every_seal(lambda content: content.update(fingerprint="0123456789abcdef")),
        "fingerprint is '0123456789abcdef', but '",
    ),
    "the expression": (
        in_description(
            lambda content: content["objective"].update(expression="valid_loss")
        ),
        "experiment.json: ",
    ),
    "the seed": (
        in_every_seal(lambda content: content.update(seed=7)),
        "seed is 7, but 0 in plan.json",
    ),
    "the optimum": (
        in_description(lambda content: content["reference"].update(optimum=0.0)),
        "the recorded optimum is 0.0, but ",
    ),
    "a number of runs": (
        in_plan(
            strategies=[
                {"name": name, "runs": 10**6} for name in ("random", "evolution")
            ]
        ),
        "4,000,000 runs; an archive contains at most 20,000",
    ),
    "a description": (
        unsealed_change,
        "experiment.json is damaged: its checksum is wrong",
    ),
    "HTML in a name": (
        in_description(
            lambda content: content["strategies"].append("<script>alert(1)</script>")
        ),
        "is not a valid name for a strategy",
    ),
    "a file of its own": (
        lambda folder: (
            (folder / "plan.json").with_name("report.html").write_text("<p>")
        ),
        "contains 'report.html', which does not belong",
    ),
    "a file of no run": (
        lambda folder: shutil.copy(
            plain(folder).path("random", 1),
            plain(folder).folder / "runs" / "random-x.jsonl",
        ),
        "random-x.jsonl does not belong to a run",
    ),
}


def one_line(found, said):
    assert not found.valid
    assert any(said in line for line in found.problems), found.problems
    assert not [
        line for line in found.problems if "\n" in line or "snas-archive-" in line
    ]


def test_a_true_archive_is_valid_and_a_share_of_each_strategy_is_replayed(sealed_suite):
    found = verify(sealed_suite)
    assert found.valid and not found.notes
    assert (found.runs, found.replayed) == (8, 2) and SHARE == 0.1
    assert verify(sealed_suite, replay_all=True).replayed == 8


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forgery_is_refused(what, sealed_suite, tmp_path):
    change, said = FORGERIES[what]
    one_line(verify(forged(sealed_suite, tmp_path, change), replay_all=True), said)


@pytest.fixture(scope="module")
def plain_comparison(tmp_path_factory):
    """A folder with a small comparison in ``out``."""
    folder = tmp_path_factory.mktemp("compared")
    compared(folder)
    return folder


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("in_flight", "its options do not fit its benchmark: fashion trains no cells"),
        ("order", "its options do not fit its benchmark: fashion trains no cells"),
        (
            "sources",
            "random is a built-in strategy, but is declared as a user's code",
        ),
        ("beginning", "which follows from its seed"),
        ("benchmark", "benchmark is 'nb201-cifar10', but 'fashion' in this release"),
        ("objective.fingerprint", "fingerprint is '0123456789abcdef', but '"),
        ("merged", "merged is ["),
    ],
)
def test_a_field_that_does_not_fit_makes_an_archive_invalid(
    field, said, plain_comparison
):
    path = flagged(plain_comparison, field, FLAGS[field][0], cheats=True)
    one_line(verify(path, replay_all=True), said)


@pytest.mark.slow
def test_no_field_switches_a_verification_off(tmp_path):
    assert unfit_flags(tmp_path).endswith("are refused")


def test_what_a_user_begins_with_is_part_of_the_replay(tmp_path):
    (tmp_path / "known.csv").write_text("cell,valid_error\n7,12.5\n")
    sn.search(
        "fashion",
        "evolution",
        "valid_error[5]",
        first=[11, 12],
        known=tmp_path / "known.csv",
        budget=20,
        folder=tmp_path / "out",
    )
    create(tmp_path / "out", tmp_path / "a.zip")
    found = verify(tmp_path / "a.zip", replay_all=True)
    assert found.valid and found.replayed == 1, found.problems
    unpack(tmp_path / "a.zip", tmp_path / "folder")
    rewritten(Store(tmp_path / "folder"), "evolution", 0, exchanged_with_times)
    found = verify(packed(tmp_path / "folder", tmp_path / "b.zip"), replay_all=True)
    one_line(found, "with its seed (made")


def test_nothing_replayed_is_a_problem_where_all_was_asked_for(tmp_path, snas):
    (tmp_path / "own.py").write_text(OWN)
    named = f"{tmp_path / 'own.py'}:Own"
    path = sealed(tmp_path, [named])
    one_line(verify(path, replay_all=True), "No run can be repeated")
    shared = snas("archive verify", path)
    assert shared.code == 0 and "Repeated 0 of 1 run (0%)." in shared.err
    found = snas("archive verify", path, "--json").json
    assert (found["valid"], found["replayed"], found["share"]) == (True, 0, 0.0)


def test_an_archive_without_its_table_is_not_checked(tmp_path, snas):
    table = FOLDER / sn.__version__ / "table.h5"
    with tiny_home(table):
        path = sealed(tmp_path, ["random"], benchmark="tiny")
        found = verify(path)
        assert found.valid and not found.absent
    refused = snas("archive verify", path, "--replay", "all", "--json")
    assert refused.code == 3 and refused.json["valid"] is None
    assert refused.json["problems"] == [] and "'tiny'" in refused.json["absent"][0]
    assert "Not verified: " in refused.err
    shown = snas("archive verify", path)
    assert shown.code == 3 and "not verified here" in shown.out


def test_a_search_on_a_final_metric_is_refused(tmp_path):
    path = sealed(tmp_path, ["random"], "test_error", search_on_final="test_error")
    one_line(verify(path), "it searches by test_error, a final metric")


@pytest.mark.parametrize("release", RELEASES)
def test_an_archive_of_an_earlier_release_is_valid_and_stands_beside_a_fresh_comparison(
    release, tmp_path
):
    folder = FOLDER / release
    with tiny_home(folder / "table.h5"), opened([folder / "archive.zip"]) as (early,):
        found = verify(folder / "archive.zip", replay_all=True)
        assert (
            found.valid and (found.runs, found.replayed) == (4, 4) and not found.notes
        )
        sn.compare("tiny", ["local_search"], runs=2, budget=12, folder=tmp_path / "now")
        both = read_comparison(tmp_path / "now", against=[early])
        alone = read_comparison(early)
        for name in ("random", "evolution"):
            assert both.scores(name).tolist() == alone.scores(name).tolist()
        page = sn.write_report(both, tmp_path / "page").read_text()
    assert both.merged == [
        "random, evolution: from the archive sealed (by A. Name,"
        f" {found.to_json()['created']}, surrogate_nas {release})."
    ]
    assert "from the archive sealed" in page and "local_search" in page


def test_a_trial_of_other_epochs_without_its_values_is_refused(tmp_path):
    unpack(
        sealed(tmp_path, ["hyperband"], "valid_error[5]", budget=20),
        tmp_path / "folder",
    )

    def emptied(lines):
        early = next(line for line in lines[:-1] if line["epochs"] < 5)
        early["values"] = {}

    rewritten(Store(tmp_path / "folder"), "hyperband", 0, emptied)
    one_line(
        verify(packed(tmp_path / "folder", tmp_path / "b.zip")),
        "has other metrics than its",
    )


@pytest.mark.parametrize(
    ("objective", "how", "strategies"),
    [
        ("valid_error, params", {}, ["nsga2", "evolution"]),
        (
            "valid_error[5]",
            {"resources": sn.Resources(simulated_workers=3)},
            ["asha", "blind:evolution"],
        ),
        (
            "valid_error[5]",
            {"budget": None, "budget_seconds": 20.0},
            ["one_epoch", "hyperband"],
        ),
        ("valid_loss", {"hidden": True, "n_random": 0, "budget": 5}, ["zero_cost"]),
    ],
)
def test_true_archives_of_all_kinds_are_valid(objective, how, strategies, tmp_path):
    path = sealed(tmp_path, strategies, objective, **{"runs": 2, "budget": 25} | how)
    found = verify(path, replay_all=True)
    assert found.problems == found.notes == []
    assert found.runs == found.replayed == 2 * len(strategies)


FUNCTION = """
from surrogate_nas.benchmarks.computed import Computed
from surrogate_nas.space import ChoiceSpace

SPACE = ChoiceSpace("own", {"a": tuple("12345"), "b": tuple("12345")})
BENCH = Computed(SPACE, {"valid_error": lambda cell: 9.0 - sum(cell.choices)}, cheap=True)
"""


def test_a_benchmark_that_is_code_is_opened_where_its_user_names_it(tmp_path, snas):
    (tmp_path / "own.py").write_text(FUNCTION)
    name = f"{tmp_path / 'own.py'}:BENCH"
    path = sealed(tmp_path, ["random"], benchmark=name)
    found = verify(path)
    assert found.valid is None and not found.problems
    assert "would run code; name it yourself if you trust it" in found.absent[0]
    found = snas("archive verify", path, "--bench", name, "--json").json
    assert found["valid"] and found["replayed"] == 1
    # on another machine the file lies elsewhere
    (tmp_path / "own.py").rename(tmp_path / "theirs.py")
    moved = f"{tmp_path / 'theirs.py'}:BENCH"
    assert verify(path, benchmark=moved).valid
    (tmp_path / "edited.py").write_text(FUNCTION.replace("9.0", "8.0"))
    assert verify(path, benchmark=f"{tmp_path / 'edited.py'}:BENCH").valid is False


def test_progress_without_a_replay_is_that_of_a_verification(
    tmp_path, snas, monkeypatch
):
    titles = []

    def noted(title):
        titles.append(title)
        return progress_bar(title)

    monkeypatch.setattr(archive_command, "progress_bar", noted)
    (tmp_path / "own.py").write_text(FUNCTION)
    path = sealed(tmp_path, ["random"], benchmark=f"{tmp_path / 'own.py'}:BENCH")
    snas("archive verify", path)
    assert titles == ["verifying"]


TRAINED = """
from pathlib import Path

import surrogate_nas as sn

SPACE = sn.ChoiceSpace("own", {"width": (1, 2, 3)})


def train(cell, trial):
    scale = float(Path("scale.txt").read_text())
    trial.report(1, valid_error=scale * (1 + sum(cell.choices)))


BENCH = sn.Training(SPACE, train, metrics={"valid_error": sn.Metric(unit="%")}, epochs=1)
"""


def test_a_training_that_read_files_verifies_in_another_home(tmp_path, monkeypatch):
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.mkdir()
    (mine / "own.py").write_text(TRAINED)
    (mine / "scale.txt").write_text("2")
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.chdir(mine)
    sn.search(f"{mine / 'own.py'}:BENCH", "random", budget=2, folder=tmp_path / "out")
    assert "scale.txt" in Store(tmp_path / "out").read()["read"]
    create(tmp_path / "out", tmp_path / "a.zip")
    shutil.copytree(mine, theirs)
    monkeypatch.chdir(theirs)
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "other"))
    name = f"{theirs / 'own.py'}:BENCH"
    found = verify(tmp_path / "a.zip", benchmark=name)
    assert found.valid and not found.problems
    (theirs / "scale.txt").write_text("3")
    (problem,) = verify(tmp_path / "a.zip", benchmark=name).problems
    assert problem.endswith("own reads scale.txt, changed since")


# The file itself


def rewritten_zip(archive, out, **further):
    """The same members and others."""
    with zipfile.ZipFile(archive) as file:
        members = [(name, file.read(name)) for name in file.namelist()]
    return write_zip(out, [*members, *further.items()])


def with_member(name, mode=0o100644, content=b"x"):
    def change(path):
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(member, content)

    return change


def stating(path, size):
    """A member that states another size than it has."""
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\1\2")
    content[place + 24 : place + 28] = struct.pack("<I", size)
    path.write_bytes(content)


def understated(path):
    with_member("plan.txt", content=bytes(30_000_000))(path)
    stating(path, 10)


def of_a_million_files(path):
    """A small file that says so, and whose list goes on beyond what it says."""
    content = bytearray(path.read_bytes())
    content[-14:-10] = struct.pack("<HH", 65535, 65535)
    path.write_bytes(content)


def encrypted(path):
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\1\2")
    content[place + 8] |= 1
    path.write_bytes(content)


def torn(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def altered(path):
    content = path.read_bytes()
    place = content.rindex(b"PK\3\4")
    path.write_bytes(content[: place + 200] + b"?" + content[place + 201 :])


FILES = {
    "a place above": (with_member("../evil"), "is outside its folder"),
    "backslashes": (with_member("a\\..\\..\\evil"), "is not a valid name of a file"),
    "a link": (with_member("link", 0o120777, b"/etc/passwd"), "is a link or a device"),
    "a name twice": (with_member("PLAN.json"), "twice"),
    "a bomb by ratio": (
        with_member("b", content=bytes(45_000_000)),
        "a compression ratio of 100",
    ),
    "a bomb of one file": (
        with_member("b", content=bytes(60_000_000)),
        "the maximum is 50,000,000",
    ),
    "a bomb that states little": (understated, "is damaged or not a zip file"),
    "a million files": (of_a_million_files, "too many files"),
    "a password": (encrypted, "is encrypted"),
    "a torn file": (torn, "is damaged or not a zip file"),
    "an altered byte": (altered, "forged.zip"),
    "no zip": (
        lambda path: path.write_bytes(b"<html>" * 50) and None,
        "not a zip file",
    ),
}


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_is_no_archive_or_could_do_harm_is_refused(
    what, sealed_suite, tmp_path
):
    change, said = FILES[what]
    path = tmp_path / "forged.zip"
    shutil.copy(sealed_suite, path)
    change(path)
    found = verify(path)
    one_line(found, said)
    assert len(found.problems) == 1
    with pytest.raises(UserError, match="forged.zip|evil|b"), opened([path]):
        pass
    assert sorted(one.name for one in tmp_path.iterdir()) == ["forged.zip"]


MANIFESTS = {
    "a newer version": ({"version": 2}, "of version 2; this release reads version 1"),
    "a name that is a path": ({"name": "../up"}, "not a readable archive: name"),
    "a line that is two": ({"by": "one\ntwo"}, "not a readable archive: by"),
    "an unknown field": ({"more": 1}, "not a readable archive"),
    "another kind": ({"kind": "comparison"}, "It is declared as a comparison"),
}


@pytest.mark.parametrize("what", MANIFESTS)
def test_a_manifest_of_anything_is_refused(what, sealed_suite, tmp_path):
    change, said = MANIFESTS[what]
    unpack(sealed_suite, tmp_path / "folder")
    one_line(verify(packed(tmp_path / "folder", tmp_path / "a.zip", **change)), said)


def test_the_digest_is_of_every_byte(sealed_suite, tmp_path):
    with zipfile.ZipFile(sealed_suite) as file:
        digest = sha256(file.read(MANIFEST)).hexdigest()
    assert verify(sealed_suite).to_json()["digest"] == digest
    again = rewritten_zip(sealed_suite, tmp_path / "again.zip")
    assert again.read_bytes() == sealed_suite.read_bytes()


# Code of others


def test_a_user_s_strategy_is_held_against_tables_and_never_run(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(OWN)
    path = sealed(tmp_path, [f"{file}:Own", "random"])
    file.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n{OWN}")
    found = verify(path, replay_all=True)
    assert found.valid and (found.runs, found.replayed) == (2, 1)
    assert found.notes == [
        "Own is not repeated: it is user code, which is never executed from an archive."
    ]
    with zipfile.ZipFile(path) as archive:
        assert archive.read("sources/Own/own.py").decode() == OWN
    unpack(path, tmp_path / "folder")
    rewritten(
        Store(tmp_path / "folder"), "Own", 0, lambda lines: lines[11].update(score=0.0)
    )
    (tmp_path / "folder" / "sources" / "Own" / "own.py").write_text(f"{OWN}\n")
    found = verify(packed(tmp_path / "folder", tmp_path / "b.zip"))
    one_line(found, "Own-0.jsonl: trial 11")
    one_line(
        found, "sources/Own/own.py differs from what the runs of Own were made with"
    )
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("label", ["external(command='touch FILE')", "FILE:Own"])
def test_a_name_that_could_run_code_is_not_replayed(label, tmp_path):
    path = sealed(tmp_path, ["random"], "valid_loss", budget=11)
    file = tmp_path / "evil.py"
    file.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n{OWN}")
    named = label.replace("touch FILE", f"touch {tmp_path / 'ran'}").replace(
        "FILE", str(file)
    )
    folder = tmp_path / "folder"
    unpack(path, folder)
    lines = [json.loads(line) for line in Store(folder).path("random", 0).open()]
    resealed(Store(folder), lambda content: content.update(strategies=[named]))
    shutil.rmtree(folder / "runs")
    with Store(folder).log(named, 0) as log:
        log._chain.append(
            *[{k: v for k, v in one.items() if k != "seal"} for one in lines]
        )
    made = create(folder, tmp_path / "b.zip")
    found = verify(tmp_path / "b.zip", replay_all=True)
    assert made.name == "folder"
    assert found.replayed == 0
    assert "is not repeated" in found.notes[0]
    one_line(
        found,
        "should be written as" if label == "FILE:Own" else "No run can be repeated",
    )
    assert not (tmp_path / "ran").exists()


# Sealing, and comparing with what was sealed


def test_a_missing_source_is_named(tmp_path, snas):
    (tmp_path / "own.py").write_text(OWN)
    named = f"{tmp_path / 'own.py'}:Own"
    sn.compare("fashion", [named], runs=1, budget=12, folder=tmp_path / "out")
    (tmp_path / "out" / "sources" / "Own" / "own.py").unlink()
    refused = snas("archive create", tmp_path / "out", tmp_path / "a.zip")
    assert refused.code == 2 and "sources/Own/own.py cannot be read" in refused.err
    assert "Restore it" in refused.err and not (tmp_path / "a.zip").exists()


def test_what_has_not_ended_is_not_sealed(suite, tmp_path):
    shutil.copytree(suite, tmp_path / "out")
    plain(tmp_path / "out").path("random", 1).unlink()
    with pytest.raises(UserError, match="1 run of .*plain have not ended|1 run of"):
        create(tmp_path / "out", tmp_path / "a.zip")
    with pytest.raises(UserError, match="contains no comparison"):
        create(tmp_path, tmp_path / "a.zip")
    with pytest.raises(
        UserError, match="'two words' is not a valid name for an archive"
    ):
        create(suite, tmp_path / "a.zip", name="two words")
    with pytest.raises(UserError, match="note must be one line"):
        create(suite, tmp_path / "a.zip", note="two\nlines")
    assert not (tmp_path / "a.zip").exists()


def test_a_folder_comes_back_as_it_was(suite, sealed_suite, tmp_path):
    archive = unpack(sealed_suite, tmp_path / "folder")
    for name in archive.files:
        assert (tmp_path / "folder" / name).read_bytes() == (
            suite / name
        ).read_bytes(), name
    (table,) = archive.tables
    assert table.name == "fashion" and table.licence
    assert stored_suite(tmp_path / "folder").sentences == stored_suite(suite).sentences


def test_an_archive_stands_beside_what_is_made_now(sealed_suite, tmp_path, snas):
    asked = (
        "title = 'Mine'\nbudget = 20\nruns = 2\nstrategies = ['local_search']\n"
        "[[problems]]\nname = 'plain'\nbenchmark = 'fashion'\n"
        "objective = 'valid_loss + 0.1*params'\n"
        "[[problems]]\nname = 'capped'\nbenchmark = 'fashion'\nobjective = 'valid_error[5]'\n"
        "subject_to = 'latency@cpu <= 0.6'\nbudget = 15\n"
    )
    (tmp_path / "own.toml").write_text(asked)
    out = tmp_path / "out"
    made = snas(
        "suite",
        tmp_path / "own.toml",
        "--out",
        out,
        "--against",
        sealed_suite,
        "--json",
    )
    names = sorted(one["name"] for one in made.json["strategies"])
    assert names == ["evolution", "local_search", "random"]
    assert [one["name"] for one in made.json["problems"]] == ["plain"]
    origin, left_out = made.json["merged"]
    assert origin.startswith(
        "random, evolution: from the archive mine (by A. Name <a@example.org>"
    )
    assert left_out == (
        "capped does not count, of archive mine: it was made with budget 20 cells, the other with"
        " 15 cells."
    )
    page = (out / "report.html").read_text()
    assert "A. Name &lt;a@example.org&gt;" in page and "capped does not count" in page


def test_a_comparison_takes_the_problem_of_a_suite_s_archive(
    suite, sealed_suite, tmp_path, snas
):
    options = [*"--runs 2 --budget 20 --against".split(), sealed_suite, "--json"]
    asked = ["compare", "fashion", "--objective", "valid_loss + 0.1*params", *options]
    made = snas(*asked, "--strategies", "local_search", "--out", tmp_path / "out").json
    assert [one["name"] for one in made["strategies"]] == [
        "local_search",
        "random",
        "evolution",
    ]
    early = read_comparison(suite / "problems" / "plain")
    assert made["strategies"][2]["score"]["mean"] == early.scores("evolution").mean()
    other = [*"compare fashion --objective valid_error".split(), *options]
    refused = snas(*other, "--strategies", "random", "--out", tmp_path / "other")
    assert refused.code == 2 and "does not contain this problem, only" in refused.err
    assert not (tmp_path / "other").exists()


def test_two_archives_of_one_name_are_told_apart(sealed_suite, tmp_path):
    unpack(sealed_suite, tmp_path / "folder")
    other = packed(tmp_path / "folder", tmp_path / "other.zip", note="another")
    with opened([sealed_suite, other]) as folders:
        one, two = folders
        assert one.name == "archive mine" and two.name.startswith("archive mine ")
        assert stored_suite(one, against=[two]).strategies == ["random", "evolution"]
    assert not one.exists()
    with (
        pytest.raises(UserError, match="is given twice"),
        opened([sealed_suite, other, other]),
    ):
        pass


def test_an_unknown_archive_is_refused():
    with pytest.raises(UserError, match="Unknown archive 'b'"), opened(["b"]):
        pass


def test_commands_seal_and_verify(suite, tmp_path, snas):
    file = tmp_path / "a.zip"
    made = snas("archive create", suite, file, "--name", "given", "--json").json
    assert made["name"] == "given" and made["bytes"] == file.stat().st_size
    found = snas("archive verify", file, "--json")
    assert (
        found.code == 0 and found.json["valid"] is True and found.json["problems"] == []
    )
    assert found.json["digest"] == made["digest"]
    bad = forged(file, tmp_path, FORGERIES["a score"][0])
    refused = snas("archive verify", bad, "--json")
    assert refused.code == 2 and refused.json["valid"] is False
    assert refused.json["problems"][0] in refused.err
    assert snas("archive verify", file, "--replay", "some").code == 2
    assert snas("archive verify", tmp_path / "none.zip").code == 2


# What is shipped


@pytest.mark.slow
def test_the_shipped_archives_are_valid():
    are_valid()


@pytest.mark.slow
def test_they_are_valid_where_more_of_their_tables_was_fetched(fetched, monkeypatch):
    """One run of each strategy is replayed."""
    assert fetched.is_dir()
    monkeypatch.setattr(verification, "SHARE", 1e-3)
    are_valid()


def are_valid():
    for name, path in shipped_archives().items():
        assert path.stat().st_size < (5_000_000 if name == "families" else 3_000_000)
        found = verify(path)
        # most of its tables are fetched; what is here is verified
        if name == "families":
            assert found.problems == [] and found.replayed
            assert all("is not on this machine yet" in line for line in found.absent)
        else:
            assert found.valid and not found.notes, found.problems


def test_the_names_of_shipped_archives_lead_to_their_files():
    assert {*shipped_archives()} == {"starter", "families"}
    assert file_of("families") == shipped_archives()["families"]
    with opened(["starter"]) as (folder,):
        assert folder.name == "archive starter"
