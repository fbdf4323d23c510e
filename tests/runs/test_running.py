"""What a run trains now is told while it does, ends no run, and is believed no more than any other
file.
"""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import Future
from contextlib import nullcontext
from pathlib import Path

import pytest

import surrogate_nas as sn
from surrogate_nas.objective import Draw
from surrogate_nas.runs import running as module
from surrogate_nas.runs.options import Options
from surrogate_nas.runs.running import (
    MOST_TOLD,
    InFlight,
    Running,
    RunningStatus,
    read_running,
)
from surrogate_nas.runs.store import Store
from surrogate_nas.runs.trainings import Job, Trainings
from surrogate_nas.space import Cell
from tests.runs.delayed import Delayed

TABLE = "fashion"
OBJECTIVE = "valid_error + 0.1*params"


def first():
    """The first cell of run 0."""
    return sn.search(TABLE, "random", OBJECTIVE, budget=1).trials[0].cell.text


class Seen:
    """Keeps what it is told, and what the file of the run tells then."""

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self.told: list[Running] = []
        self.failures: list[tuple[str, str]] = []
        self.read: list[Running] = []

    def running(self, running):
        self.told.append(running)
        found = None if self.file is None else read_running(self.file, 0.0)
        if found is not None:
            self.read.append(found)

    def failed(self, cell, reason):
        self.failures.append((cell, reason))


@pytest.fixture
def at_once(monkeypatch):
    """Tell every change."""
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(module, "_SLOWER", 0)


@pytest.mark.usefixtures("at_once")
def test_a_stored_run_tells_what_it_trains_and_nothing_is_left(tmp_path):
    file = Store(tmp_path).path("evolution", 0, "running")
    seen = Seen(file)
    bench = Delayed(TABLE, jitter=0.05, knows_costs=False)
    run = sn.search(
        bench,
        "evolution",
        OBJECTIVE,
        budget=12,
        parallel=2,
        order="clock",
        folder=tmp_path,
        watcher=seen,
    )
    assert not file.parent.exists()
    assert seen.told[0].in_flight == 3
    assert [one.state for one in seen.told[0].trainings] == [
        "running",
        "running",
        "waiting",
    ]
    states = {one.state for running in seen.told for one in running.trainings}
    assert states == {"running", "waiting", "ended"}
    assert max(running.running for running in seen.told) == 2
    assert {one.cell for running in seen.told for one in running.trainings} == {
        trial.cell.text for trial in run.trials
    }
    # each was told just before it was written, so the file lags by one
    assert seen.read and all(running in seen.told for running in seen.read)
    assert seen.told[-1].ended >= 10
    assert seen.told[-1].trainings[0].seconds == pytest.approx(
        seen.told[-1].seconds / seen.told[-1].ended
    )
    assert all(one.epochs == 5 for one in seen.told[0].trainings)


@pytest.mark.usefixtures("at_once")
def test_what_is_tried_again_says_why_and_a_failure_is_told_at_once(tmp_path):
    cell = first()
    seen = Seen()
    bench = Delayed(TABLE, jitter=0.05, folder=tmp_path, trouble={cell: "memory"})
    run = sn.search(bench, "evolution", OBJECTIVE, budget=6, parallel=2, watcher=seen)
    own = [one for running in seen.told for one in running.trainings if one.cell == cell]
    assert [(own[0].state, own[0].again), (own[-1].state, own[-1].again)] == [
        ("running", ""),
        ("alone", "MemoryError"),
    ]
    assert seen.failures == [(cell, "MemoryError")]
    assert sum(bool(trial.failure) for trial in run.trials) == 1


@pytest.mark.usefixtures("at_once")
def test_what_a_stored_run_knows_is_not_told_as_trained_again(tmp_path):
    cell = first()
    bench = Delayed(TABLE, trouble={cell: "broken"})
    options = {"parallel": 2, "order": "clock", "folder": tmp_path, "budget": 9}
    n_told = 0

    def stop(trials):
        nonlocal n_told
        n_told += len(trials)
        if n_told >= 6:
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        sn.search(bench, "evolution", OBJECTIVE, callback=stop, **options)
    seen = Seen()
    sn.search(bench, "evolution", OBJECTIVE, watcher=seen, **options)
    assert not seen.failures
    assert max(running.ended for running in seen.told) <= 9 - n_told


@pytest.mark.parametrize("is_full", [False, True])
def test_what_cannot_be_written_ends_no_run(is_full, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    (tmp_path / "running").write_text("in the way")
    if is_full:
        monkeypatch.setattr(module, "write_whole", full)
    bench = Delayed(TABLE, jitter=0.01)
    run = sn.search(bench, "evolution", OBJECTIVE, budget=6, parallel=2, folder=tmp_path)
    assert len(run.trials) == 6
    assert (tmp_path / "running").read_text() == "in the way"


def test_another_run_of_the_comparison_keeps_its_file(tmp_path):
    store = Store(tmp_path)
    other = store.path("bo", 1, "running")
    other.parent.mkdir()
    other.write_text("{}")
    RunningStatus(store.path("bo", 0, "running")).close()
    assert other.exists()


class Nowhere:
    """Workers that never begin."""

    def submit(self, *_, **__):
        return Future()

    def drop(self, _): ...

    def hearing(self, _):
        return nullcontext()


def begun(file, cells, reports):
    """Trainings of cells, of which the first two run."""
    objective = sn.Objective(OBJECTIVE, sn.load(TABLE))
    status = RunningStatus(file)
    made = Trainings(objective, Draw(0, 0), Options(parallel=2), Nowhere(), status)
    for number, cell in enumerate(cells):
        made.begin(number, Job(cell, ()), 5, 1.0, reports)
    made._look(0.01)
    return made


def test_a_thousand_in_flight_are_told_by_the_first_that_run(tmp_path):
    file = tmp_path / "running" / "a-0.json"
    space = sn.load(TABLE).space
    trainings = begun(file, space[:1000], lambda: None)
    running = read_running(file, 0.0)
    assert running is not None and running.in_flight == 1000
    assert len(running.trainings) == MOST_TOLD
    assert running.trainings[1].cell == space[1].text
    assert running.running == 2
    trainings.close()
    assert not file.exists()


def test_reports_are_named_and_a_long_cell_is_cut(tmp_path):
    file = tmp_path / "running" / "a-0.json"
    begun(file, [Cell((), "x" * 10_000)], lambda: tmp_path / "reports.jsonl")
    running = read_running(file, 0.0)
    assert running is not None
    (one,) = running.trainings
    assert len(one.cell) == 2000 and one.cell.endswith("…")
    assert one.reports == str(tmp_path / "reports.jsonl")


def test_it_is_told_twice_a_second_at_most(tmp_path):
    seen = Seen()
    status = RunningStatus(tmp_path / "running" / "a-0.json", seen)
    began = time.monotonic()
    for number in range(10_000):
        status.look(lambda: Running(2, number, 0.0, 1, ()))  # noqa: B023 - called at once
    assert len(seen.told) <= 1 + (time.monotonic() - began) / 0.5


def told(**changes):
    one = {"cell": "a", "epochs": 3, "state": "running", "since": 1.0}
    whole = {
        "slots": 2,
        "ended": 0,
        "seconds": 0.0,
        "in_flight": 1,
        "trainings": [one],
    }
    for name, value in changes.items():
        (one if name in (*one, "again", "reports") else whole)[name] = value
    return whole


HOSTILE = [
    b"",
    b"\xff\xfe",
    b"[" * 100_000,
    b"null",
    b"[]",
    b'{"slots": 2}',
    *(
        json.dumps(told(**change)).encode()
        for change in [
            {"slots": 0},
            {"slots": 10**12},
            {"ended": -1},
            {"seconds": float("inf")},
            {"in_flight": 1.5},
            {"trainings": [told()["trainings"][0]] * (MOST_TOLD + 1)},
            {"cell": "x" * 2001},
            {"epochs": 0},
            {"state": "flying"},
            {"since": -1.0},
            {"again": None},
            {"reports": "x" * 5000},
        ]
    ),
    b'{"x": "' + b"y" * 2**23 + b'"}',
]


@pytest.mark.parametrize("content", HOSTILE, ids=lambda content: repr(content[:60]))
def test_a_hostile_file_tells_nothing(tmp_path, content):
    file = tmp_path / "a.json"
    file.write_bytes(content)
    assert read_running(file, 0.0) is None


def test_an_older_file_a_link_a_pipe_and_a_folder_tell_nothing(tmp_path):
    file = tmp_path / "a.json"
    file.write_text(json.dumps(told()))
    assert read_running(file, 0.0) is not None
    assert read_running(file, file.stat().st_mtime + 1.0) is None
    (tmp_path / "link.json").symlink_to(file)
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    for name in ("link", "pipe", "folder", "nothing"):
        assert read_running(tmp_path / f"{name}.json", 0.0) is None


def test_the_time_left_needs_a_training_that_ended():
    one = InFlight("a", 3, "running", since=100.0)
    waits = InFlight("b", 3, "ended", since=100.0)
    assert Running(2, 0, 0.0, 1, (one,)).seconds_left(5, 100.0) is None
    assert Running(2, 4, 40.0, 2, (one, waits)).seconds_left(5, 100.0) == 20.0
    assert Running(2, 4, 40.0, 2, (one, waits)).seconds_left(5, 107.0) == 16.5
    # the last one has one slot, and it may take longer than the others did
    assert Running(8, 4, 40.0, 1, (one,)).seconds_left(1, 104.0) == 6.0
    assert Running(8, 4, 40.0, 1, (one,)).seconds_left(1, 900.0) == 0.0
