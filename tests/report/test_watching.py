"""The live page of a search that trains: what is in its slots, how far each is, which failed and
what is left; and what others wrote is shown as text.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from email.message import Message
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import numpy as np
import pytest

import surrogate_nas as sn
from surrogate_nas.benchmarks.base import Measurement, Question
from surrogate_nas.files import home, locked
from surrogate_nas.report import write_report
from surrogate_nas.report.live import Server
from surrogate_nas.report.live.training import read_reports
from surrogate_nas.space import Cell
from surrogate_nas.space.trial import Trial
from surrogate_nas.study import running
from surrogate_nas.study.store import Store
from surrogate_nas.tables import Seed
from tests.study.delayed import Delayed

TABLE = "fashion"
OBJECTIVE = "valid_error + 0.1*params"
HOSTILE = "<script>alert('x')</script>"


class Reporting(Delayed):
    """Trainings that report three epochs before they end."""

    def reports_of(self, cell: Cell, seed: Seed) -> Path:
        return home() / "trainings" / "mine-0123456789abcdef" / f"{cell.index}-{seed}" / REPORTS

    def measure(
        self, cells: Sequence[Cell], questions: Sequence[Question], seed: Seed = "mean"
    ) -> Measurement:
        file = self.reports_of(cells[0], seed)
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = [{"epoch": i + 1, "valid_error": 30.0 - i, "note": HOSTILE} for i in range(3)]
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        return super().measure(cells, questions, seed)


REPORTS = "reports.jsonl"


class Several(Delayed):
    """Answers several cells one after another, as live training does."""

    def measure(
        self, cells: Sequence[Cell], questions: Sequence[Question], seed: Seed = "mean"
    ) -> Measurement:
        answers = [super(Several, self).measure([cell], questions, seed) for cell in cells]
        values = np.concatenate([answer.values for answer in answers])
        return Measurement(values, np.concatenate([answer.cost for answer in answers]))


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SURROGATE_NAS_HOME", str(tmp_path / "home"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "results").mkdir()
    with Server(tmp_path / "results", 0) as server:
        server.pages.patience_seconds = 600.0
        server.in_background()
        yield server
        server.shutdown()


def first(run: int = 0) -> str:
    """The first cell of a run."""
    return sn.search(TABLE, "random", OBJECTIVE, budget=1, seed=run).trials[0].cell.text


class Answer(NamedTuple):
    text: str
    headers: Message


def ask(server: Server) -> Answer:
    """The page of the search."""
    with urlopen(server.address.replace("/?", "/at/one/?")) as answer:
        return Answer(answer.read().decode(), answer.headers)


def section(page: str, title: str) -> str:
    """A section of a page, or nothing."""
    found = re.search(rf"<section><h2>{title}</h2>(.*?)</section>", page, re.S)
    return found[1] if found else ""


class Looking:
    """Asks for the page of a search while it trains."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.pages: list[str] = []

    def __call__(self, trials: Sequence[Trial]) -> None:
        self.pages.append(ask(self.server).text)


def test_the_page_tells_what_trains_and_nothing_once_it_has_ended(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # each change is written at once: a page that is asked for is never one that waits for its turn
    monkeypatch.setattr(running, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(running, "_SLOWER", 0)
    looking = Looking(server)
    bench = Reporting(TABLE, jitter=0.2, knows_costs=False, trouble={first(): "broken"})
    options = {"parallel": 2, "order": "clock", "folder": tmp_path / "results" / "one"}
    run = sn.search(bench, "evolution", OBJECTIVE, budget=12, callback=looking, **options)
    shown = [one for one in (section(page, "In training") for page in looking.pages) if one]
    assert shown
    cells = {trial.cell.text for trial in run.trials}
    told = set(re.findall(r'<td class="text"><code>(.*?)</code>', "".join(shown)))
    assert told and told <= cells
    assert "of 12 begun" in shown[0] and "2 slots" in shown[0]
    assert re.search(r"about \d+ s left", "".join(shown))
    assert re.search(r"running</td><td class=\"text\">epoch 3: valid_error 28<", "".join(shown))
    assert ">60 %<" in "".join(shown)
    assert 'class="spark"' in "".join(shown)
    assert "data-since=" in shown[0]
    assert HOSTILE not in "".join(looking.pages)
    after = ask(server).text
    assert not section(after, "In training")
    failed = section(after, "Failed trainings")
    assert first() in failed and "ValueError: no" in failed and "evolution, run 0" in failed
    assert "script-src 'self'" in ask(server).headers["Content-Security-Policy"]


@pytest.fixture
def halted(tmp_path: Path) -> Store:
    """A search that was interrupted."""

    def stop(trials: Sequence[Trial]) -> None:
        if trials[-1].index >= 3:
            raise KeyboardInterrupt

    folder = tmp_path / "results" / "one"
    with pytest.raises(KeyboardInterrupt):
        sn.search(
            Delayed(TABLE), "random", OBJECTIVE, budget=9, parallel=2, folder=folder, callback=stop
        )
    return Store(folder)


def forged(reports: str | None = None) -> str:
    training = {
        "cell": HOSTILE,
        "epochs": 5,
        "state": "waiting",
        "since": time.time() - 4000,
        "again": HOSTILE,
        "reports": reports,
    }
    whole = {"slots": 2, "ended": 3, "seconds": 90.0, "in_flight": 70, "trainings": [training]}
    return json.dumps(whole)


def page_with(server: Server, store: Store, content: str) -> str:
    """The page while a process holds the run, and its file tells something."""
    file = store.running_path("random", 0)
    with ExitStack() as held:
        held.enter_context(store.locked())
        held.enter_context(locked(store.path("random", 0)))
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
        return ask(server).text


def test_texts_of_a_forged_file_are_shown_as_texts(server: Server, halted: Store) -> None:
    page = page_with(server, halted, forged())
    shown = section(page, "In training")
    assert "&lt;script&gt;alert(&#39;x&#39;)" in shown
    assert "waiting, again after: &lt;script&gt;" in shown
    assert HOSTILE not in page
    assert "and 69 trainings more" in shown
    assert ">67 min</span>" in shown
    # the writer is gone: it is no more believed
    assert not section(ask(server).text, "In training")


@pytest.mark.parametrize("content", ["", "{}", "[" * 10_000, forged()[:-5]])
def test_a_damaged_file_shows_nothing(server: Server, halted: Store, content: str) -> None:
    page = page_with(server, halted, content)
    assert "is at work" in page and not section(page, "In training")


def test_a_file_of_an_earlier_process_shows_nothing(server: Server, halted: Store) -> None:
    file = halted.running_path("random", 0)
    file.parent.mkdir(exist_ok=True)
    file.write_text(forged())
    os.utime(file, (time.time() - 60, time.time() - 60))
    with halted.locked(), locked(halted.path("random", 0)):
        assert not section(ask(server).text, "In training")


def test_a_forged_file_opens_no_other_file_of_the_user(
    server: Server, halted: Store, tmp_path: Path
) -> None:
    line = json.dumps({"epoch": 1, "secret": 4711})
    outside = tmp_path / REPORTS
    outside.write_text(f"{line}\n{line}\n")
    inside = home() / "trainings" / "a" / "b" / REPORTS
    inside.parent.mkdir(parents=True)
    inside.symlink_to(outside)
    for path in (outside, inside, inside.parent / ".." / ".." / ".." / ".." / REPORTS):
        assert "4711" not in page_with(server, halted, forged(str(path)))
    inside.unlink()
    inside.write_text(f"{line}\n{line}\n")
    assert "secret 4711" in page_with(server, halted, forged(str(inside)))


def test_reports_of_any_content_are_read() -> None:
    file = home() / "trainings" / "a" / REPORTS
    file.parent.mkdir(parents=True)
    lines: list[bytes] = [
        b"no json",
        b"[]",
        b"[" * 100_000,
        b'{"epoch": true, "a": 1}',
        b'{"epoch": -1, "a": 1}',
        b'{"epoch": 1e3, "a": 1}',
        b'{"epoch": 1' + b"0" * 5000 + b', "a": 1}',
        b'{"epoch": 1, "a": NaN, "b": Infinity, "c": "x", "d": true, "e": 2}',
        b'{"epoch": 2, "' + b"f" * 100 + b'": 1' + b"0" * 300 + b"}",
        b'{"epoch": 3, "a": 1, "b": 2, "c": 3, "d": 4, "e": 5}',
        b'{"epoch": 4, "torn',
    ]
    file.write_bytes(b"\n".join(lines))
    read = read_reports(str(file))
    assert [one.epoch for one in read] == [1, 2, 3]
    assert read[0].metrics == (("e", 2.0),)
    assert read[1].metrics == (("f" * 40, 1e300),)
    assert [name for name, _ in read[2].metrics] == ["a", "b", "c", "d"]
    file.unlink()
    os.mkfifo(file)
    assert read_reports(str(file)) == ()
    assert read_reports("\0") == () == read_reports(None)


def test_of_long_reports_the_end_is_read() -> None:
    file = home() / "trainings" / "a" / REPORTS
    file.parent.mkdir(parents=True)
    file.write_text("".join(f'{{"epoch": {i}, "loss": {i / 7}}}\n' for i in range(50_000)))
    read = read_reports(str(file))
    assert read[-1].epoch == 49_999 and 1000 < len(read) < 50_000
    assert [one.epoch for one in read] == list(range(read[0].epoch, 50_000))


def test_the_report_of_a_comparison_tells_what_failed(tmp_path: Path) -> None:
    bench = Several(TABLE, trouble={first(): "broken"})
    compared = sn.compare(
        bench, ["random", "evolution"], OBJECTIVE, runs=1, budget=12, parallel=2, folder=tmp_path
    )
    page = write_report(compared, tmp_path).read_text()
    failed = page[page.index("Failed trainings") :]
    assert "2 of 24 trainings failed" in failed
    assert failed.count("ValueError: no") == 2
    fine = sn.compare(Several(TABLE), ["random"], OBJECTIVE, runs=1, budget=12, parallel=2)
    assert "Failed trainings" not in write_report(fine, tmp_path).read_text()
