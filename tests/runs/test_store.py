"""The store: nothing altered is believed, nothing reported is lost, and a full disk is one line."""

import json
import os
import random
import resource
from contextlib import contextmanager
from dataclasses import fields

import pytest

import surrogate_nas as sn
from surrogate_nas.core.arguments import checked_as
from surrogate_nas.core.errors import UserError
from surrogate_nas.files.journal import Chain, DamagedError, read_chain
from surrogate_nas.files.journal import sealed as sealed_again
from surrogate_nas.results.api import compare, read_comparison
from surrogate_nas.runs.run import EndLine, Run, trial_entry
from surrogate_nas.runs.store import Store
from surrogate_nas.space.trial import Trial

LINES = 40
NAMES = ["random", "evolution"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, analog):
    """A finished run, its store and its file."""
    folder = tmp_path_factory.mktemp("finished")
    compare(analog, NAMES, runs=2, budget=LINES, folder=folder)
    store = Store(folder)
    run = store.load("evolution", 1, analog.space)
    assert run is not None
    return store, run, store.path("evolution", 1).read_bytes()


LABELS = """
from surrogate_nas.strategies.random import RandomSearch

class Own(RandomSearch):
    pass

class own(RandomSearch):
    pass

class {}(RandomSearch):
    pass
"""


def test_a_label_of_any_length_is_a_file_name(tmp_path, analog):
    longest = "L" * 300
    (tmp_path / "mine.py").write_text(LABELS.format(longest))
    folder = tmp_path / "out"
    named = f"{tmp_path / 'mine.py'}:{longest}"
    found = compare(analog, [named], runs=2, budget=LINES, folder=folder)
    (label,) = found.strategies
    assert longest in label
    read = read_comparison(folder)
    assert [len(run.trials) for run in read.runs] == [LINES, LINES]
    names = [path.name for path in folder.rglob("*")]
    assert all(len(os.fsencode(name)) < 256 for name in names)


@contextmanager
def changed(finished, change):
    """The store while the lines of the finished run are others."""
    store, _, content = finished
    path = store.path("evolution", 1)
    try:
        path.write_bytes(b"\n".join([*change(content.splitlines()), b""]))
        yield store
    finally:
        path.write_bytes(content)


def flipped(content, rng):
    place = rng.randrange(len(content) * 8)
    damaged = bytearray(content)
    damaged[place // 8] ^= 1 << place % 8
    return bytes(damaged)


def dropped(content, rng):
    """Any line but the last, without which the run has not ended."""
    lines = content.splitlines(keepends=True)
    del lines[rng.randrange(len(lines) - 1)]
    return b"".join(lines)


def altered(content, rng):
    lines = content.splitlines(keepends=True)
    number = rng.randrange(len(lines))
    entry = json.loads(lines[number])
    name = rng.choice(sorted(entry))
    others = [None, -1, float("nan"), 10**400, "x", [], True, 1e999]
    entry[name] = rng.choice(
        [other for other in others if json.dumps(other) != json.dumps(entry[name])]
    )
    lines[number] = json.dumps(entry).encode() + b"\n"
    return b"".join(lines)


@pytest.mark.parametrize("damage", [flipped, dropped, altered])
def test_whatever_is_done_to_a_finished_run_is_found(finished, analog, damage):
    store, run, content = finished
    rng = random.Random(4)
    path = store.path("evolution", 1)
    try:
        for _ in range(60):
            path.write_bytes(damage(content, rng))
            with pytest.raises(
                UserError,
                match=r"evolution-1\.jsonl is damaged .* Delete it and repeat",
            ) as caught:
                store.load("evolution", 1, analog.space)
            assert "\n" not in str(caught.value)
    finally:
        path.write_bytes(content)
    assert store.load("evolution", 1, analog.space) == run


NASTY = [
    b'["end"]',
    b'{"end": 40}',
    b'{"cell": null}',
    b"[" * 100_000,
    b"\xff\xfe",
    b"9" * 5000,
    b"{}",
    b"",
]


@pytest.mark.parametrize("line", NASTY, ids=lambda line: str(line[:12]))
def test_a_foreign_line_is_one_clear_line(finished, analog, line):
    with changed(finished, lambda lines: [*lines[:20], line, *lines[21:]]) as store:
        with pytest.raises(UserError, match="is damaged"):
            store.load("evolution", 1, analog.space)


def test_a_run_of_another_seed_strategy_or_comparison_is_not_taken(
    finished, analog, tmp_path
):
    store, _, content = finished
    compare(analog, NAMES, runs=1, budget=LINES, seed=1, folder=tmp_path)
    for here, name, number in (
        (store, "evolution", 0),
        (store, "random", 1),
        (Store(tmp_path), "evolution", 0),
    ):
        path = here.path(name, number)
        before = path.read_bytes()
        path.write_bytes(content)
        with pytest.raises(UserError, match="of another comparison"):
            here.load(name, number, analog.space)
        path.write_bytes(before)


def sealed(path, entries, root):
    """Entries written as our own code would, whatever they hold."""
    chain = Chain(path, root)
    chain.append(*entries)
    chain.close()
    return path.read_bytes()


@pytest.mark.parametrize(
    ("number", "change"),
    [
        (3, {"score": None}),
        (3, {"score": "1"}),
        (3, {"score": True}),
        (3, {"score": float("nan")}),
        (3, {"score": 10**400}),
        (3, {"cost_seconds": -1.0}),
        (3, {"cost_seconds": float("inf")}),
        (3, {"index": 4}),
        (3, {"index": True}),
        (3, {"cell": None}),
        (3, {"cell": "|none~0|"}),
        (3, {"epochs": 0}),
        (3, {"epochs": 1.5}),
        (3, {"feasible": 1}),
        (3, {"values": []}),
        (3, {"values": {"a": "b"}}),
        (3, {"extra": 1}),
        (3, {"end": 3}),
        (-1, {"end": 39}),
        (-1, {"end": None}),
        (-1, {"failure": None}),
        (-1, {"real_seconds": -1.0}),
    ],
)
def test_a_field_that_cannot_be_is_refused_though_its_seal_is_right(
    finished, analog, tmp_path, number, change
):
    store, _, content = finished
    root = f"{store._root} evolution 1"
    entries = read_chain(content, root)
    entries[number] = entries[number] | change
    forged = sealed(tmp_path / "forged.jsonl", entries, root)
    with changed(finished, lambda _: forged.splitlines()):
        with pytest.raises(UserError, match="is damaged"):
            store.load("evolution", 1, analog.space)


def test_lines_follow_the_fields_and_their_types():
    names = {field.name for field in fields(Run)}
    names -= {"strategy", "run", "trials", "known", "confirmed", "objective"}
    assert {*EndLine.__struct_fields__} - {"end"} == names
    cell = sn.load("analog-cifar10").space[11]
    trial = Trial(
        0, cell, 1.5, 1.0, 0.5, True, None, 3.0, {"valid_error": float("nan")}
    )
    entry = json.loads(json.dumps(trial_entry(trial)))
    entry["cost"] = entry.pop("cost_seconds")

    def parse(_, text):
        assert text == cell.text
        return cell

    read = checked_as(Trial, entry, parse)
    assert str(read) == str(trial)
    with pytest.raises(ValueError, match=r"values\[...\]: Expected float, got str"):
        checked_as(Trial, entry | {"values": {"valid_error": "1"}}, parse)


def test_a_deep_line_with_a_right_seal_is_no_recursion_error(tmp_path):
    path = tmp_path / "deep.jsonl"
    body = b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    path.write_bytes(sealed_again(body + b"\n", "root"))
    with pytest.raises(DamagedError, match="not a JSON object"):
        read_chain(path.read_bytes(), "root")


@pytest.mark.parametrize(
    "change",
    [
        b"[" * 100_000,
        b"\xff",
        b'{"version": ' + b"9" * 5000 + b"}",
        {"seed": 3},
        {"runs": 1},
        {"strategies": ["random"]},
        {"fingerprint": "0" * 16},
        {"objective": {}},
        {"provenance": None},
        {"version": True},
        {"version": 1},
        {"check": 3},
        {"budget": None},
    ],
)
def test_an_altered_description_is_found(finished, change):
    store, *_ = finished
    path = store.folder / "experiment.json"
    before = path.read_bytes()
    try:
        altered = isinstance(change, dict) and json.dumps(json.loads(before) | change)
        path.write_bytes(altered.encode() if altered else change)
        with pytest.raises(UserError, match=r"is damaged|of version") as caught:
            read_comparison(store.folder)
        assert "\n" not in str(caught.value)
    finally:
        path.write_bytes(before)


def test_extending_a_folder_keeps_what_it_was_begun_with(analog, tmp_path, monkeypatch):
    compare(analog, ["random"], runs=1, budget=12, folder=tmp_path)
    first = Store(tmp_path).read()
    compare(analog, ["random"], runs=1, budget=12, folder=tmp_path)
    assert Store(tmp_path).read() == first and first["extensions"] == []
    monkeypatch.setattr("surrogate_nas.version.__version__", "99")
    compare(analog, ["evolution"], runs=2, budget=12, folder=tmp_path)
    compare(analog, ["evolution"], runs=2, budget=12, folder=tmp_path)
    held = Store(tmp_path).read()
    assert (
        held["provenance"] == first["provenance"]
        and held["provenance"]["surrogate_nas"] != "99"
    )
    (extension,) = held["extensions"]
    assert extension["strategies"] == ["random", "evolution"] and extension["runs"] == 2
    assert extension["provenance"] == {**first["provenance"], "surrogate_nas": "99"}


def test_what_is_reported_has_been_synced(analog, tmp_path, monkeypatch):
    synced = {}
    sync = os.fsync

    def watched(descriptor):
        sync(descriptor)
        found = os.fstat(descriptor)
        synced[found.st_dev, found.st_ino] = found.st_size

    def reported(event):
        if event.trials:
            return
        told.append(event.done)
        ended = [
            path
            for path in (tmp_path / "runs").glob("*.jsonl")
            if b'{"end"' in path.read_bytes()
        ]
        assert len(ended) == event.done
        for path in [*ended, tmp_path / "experiment.json"]:
            found = path.stat()
            assert synced[found.st_dev, found.st_ino] == found.st_size
        if ended:
            found = (tmp_path / "runs").stat()
            assert (found.st_dev, found.st_ino) in synced

    told = []
    monkeypatch.setattr(os, "fsync", watched)
    compare(analog, NAMES, runs=2, budget=12, folder=tmp_path, callback=reported)
    assert told == [0, 1, 2, 3, 4]


@pytest.fixture
def small_disk():
    """No file of this process may grow beyond 5 kB: a real error of a real write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_line_and_the_run_goes_on_later(
    analog, tmp_path, small_disk
):
    assert small_disk is None
    with pytest.raises(
        UserError,
        match=r"Cannot write .*random-0\.jsonl: .* repeat the command to resume",
    ):
        compare(analog, NAMES, runs=1, budget=LINES, folder=tmp_path)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    )
    made = compare(analog, NAMES, runs=1, budget=LINES, folder=tmp_path)
    assert [len(run.trials) for run in made.runs] == [
        LINES,
        LINES,
    ] and not made.failures
    assert [run.trials for run in made.runs] == [
        run.trials for run in compare(analog, NAMES, runs=1, budget=LINES).runs
    ]
