"""What all tests share: small tables, and the real data where SURROGATE_NAS_MIRROR names its
folder.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from surrogate_nas.benchmarks import TableBenchmark, available, load
from surrogate_nas.cli import main
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import HOME_VARIABLE, home, table_path
from surrogate_nas.runtime.worker import PRELOADED
from surrogate_nas.space import nb201 as space_nb201
from surrogate_nas.space.nb101.graphs import all_hashes
from surrogate_nas.space.network import Network
from surrogate_nas.strategies import STRATEGIES
from surrogate_nas.tables import Table, write_table
from surrogate_nas.tables.sources import nb201
from surrogate_nas.tables.sources.fetching import MIRROR_VARIABLE, fetch

PRELOADED.append("tests.preloaded")
# tests kill processes and no machine: nothing waits for the disk
os.fsync = lambda _: None
SLOW_STRATEGIES = {"npenas", "bananas", "gnn_guided", "forest"}
"""Those that fit networks or forests at every few questions; ``guided`` has their frame with a
swift model.
"""
CHEAP = {
    "gnn_guided": "gnn_guided(steps=2,patience=0.5)",
    "bananas": "bananas(steps=3)",
    "forest": "forest(trees=5)",
    "npenas": "npenas(model=ridge)",
}
"""The same with smaller models, where the model is not what is tested."""
SWIFT_STRATEGIES = [name for name in STRATEGIES if name not in SLOW_STRATEGIES]
EVERY_STRATEGY = [
    pytest.param(CHEAP[n], marks=pytest.mark.slow) if n in CHEAP else n
    for n in STRATEGIES
]
"""To parametrise a test over: the slow ones belong to ``make test-slow``."""
FULL = bool(os.environ.get("SURROGATE_NAS_FULL"))
"""Whether the longest tests are made at full size, which takes hours; else on fewer cells, spaces
or trainings.
"""
NEED_DATA = {"mirror", "fetched", "real"}
"""Fixtures that read the mirror; a test that uses one is marked `data`."""
CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_3x3~1|avg_pool_3x3~2|"
"""The cell of NAS-Bench-201 with the index 11."""
TINY_TASK = f"{Path(__file__).with_name('tiny_task.py')}:TINY"
"""A task of a few digits, as the command line names it."""


def pytest_collection_modifyitems(items):
    for item in items:
        if NEED_DATA & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.data)
        if item.get_closest_marker("data") and not os.environ.get(MIRROR_VARIABLE):
            item.add_marker(
                pytest.mark.skip(
                    reason=f"set {MIRROR_VARIABLE} to a folder with the public files"
                )
            )


@pytest.fixture(scope="session")
def mirror():
    """The folder of public files, as their authors published them."""
    folder = Path(os.environ[MIRROR_VARIABLE])
    assert folder.is_dir(), f"{MIRROR_VARIABLE}={folder} is not a folder"
    return folder


@pytest.fixture(scope="session")
def fetched(mirror, own_home, once):
    """The session's home with the three NAS-Bench-201 tables, fetched from the mirror."""
    assert mirror.is_dir() and home() == own_home
    fetch("nb201")

    def write():
        for name in nb201.NAMES:
            write_table(nb201.read(name), table_path(name))

    once(write, *(f"tables/{name}.h5" for name in nb201.NAMES))
    return own_home


@pytest.fixture(scope="session")
def fetched_nb101(mirror, own_home, once):
    """The session's home with NAS-Bench-101's sample, and the hashes of all cells, which take a
    minute.
    """
    assert mirror.is_dir()
    fetch("nb101")
    once(all_hashes, "nb101-hashes.npy")
    return own_home


@pytest.fixture(scope="session")
def real(fetched):
    """NAS-Bench-201 on CIFAR-10."""
    assert fetched.is_dir()
    return load("nb201-cifar10")


@pytest.fixture(scope="session")
def analog():
    """AnalogNAS-Bench, which is installed with the project."""
    return load("analog-cifar10")


@pytest.fixture(scope="session")
def space():
    return space_nb201()


@pytest.fixture(scope="session")
def listed():
    """What lists remember, in the session's home, of the tables that are shipped or installed."""
    available()
    return (home() / "listed.json").read_bytes()


@pytest.fixture
def fresh_home(tmp_path, monkeypatch, listed):
    """A home of the test's own, empty but for what lists remember, which takes seconds to learn."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "listed.json").write_bytes(listed)
    return tmp_path / "home"


@pytest.fixture
def small(tmp_path):
    """A table of chosen values: errors fall with the index; a run of n epochs costs n + 1
    seconds.
    """
    table = Table("small", "nb201", "t", "s", "l", "c", "valid_error", Network())
    fall = np.linspace(90.0, 10.0, 15625)
    for name, unit, kind, quantity, epochs, values in (
        ("valid_error", "%", "search", "error", 12, fall),
        ("valid_error", "%", "search", "error", 200, fall / 2),
        ("train_loss", "nats", "search", "loss", 200, fall / 30),
        ("test_error", "%", "final", "error", 200, fall / 2 + 1),
        ("latency@thing", "ms", "search", "cost", None, np.linspace(2.0, 6.0, 15625)),
        ("nothing", "", "search", "structure", None, np.zeros(15625)),
        ("train_seconds", "s", "record", "cost", 12, np.full(15625, 12.0)),
        ("train_seconds", "s", "record", "cost", 200, np.full(15625, 200.0)),
        ("valid_seconds", "s", "record", "cost", None, np.ones(15625)),
    ):
        table.add(Metric(name, unit, kind, quantity), epochs, values)
    write_table(table, tmp_path / "small.h5")
    return TableBenchmark(tmp_path / "small.h5")


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self):
        assert self.out, f"no JSON, but exit code {self.code} and: {self.err[-2000:]}"
        return json.loads(self.out)


Snas = Callable[..., Outcome]


@pytest.fixture
def snas(monkeypatch, capsys):
    def run(command="", *arguments):
        """What a command line gives; its beginning may be one text, as a shell takes it."""
        words = shlex.split(command) if isinstance(command, str) else [str(command)]
        monkeypatch.setattr(sys, "argv", ["snas", *words, *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), printed.out, printed.err)

    return run


def assert_one_clear_line(outcome, says):
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    lines = [line for line in outcome.err.splitlines() if line.strip()]
    assert len(lines) == 1 and lines[0].startswith("snas: "), outcome.err
    assert says in lines[0]
    assert not re.search(r"Traceback|File \"", outcome.err)


@pytest.fixture
def closed_port():
    """A port of this machine at which nobody answers, and which nobody else can take meanwhile."""
    with socket.socket() as bound:
        bound.bind(
            ("127.0.0.1", 0)
        )  # and does not listen, so that every connection is refused
        yield int(bound.getsockname()[1])


@pytest.fixture(scope="session")
def browser():
    """A Chromium without a screen, of the session's own; where there is none and
    SURROGATE_NAS_BROWSER names none, the tests that ask for it are skipped.
    """
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = filter(None, map(shutil.which, names))
    path = os.environ.get("SURROGATE_NAS_BROWSER") or next(found, None)
    if path is None:
        pytest.skip(
            "no Chromium found; install one, or name it in SURROGATE_NAS_BROWSER"
        )
    from playwright.sync_api import sync_playwright

    quiet = """
        --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
        --disable-component-update --disable-sync
    """
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=quiet.split())
        yield started
        started.close()


@pytest.fixture
def tab(browser):
    """An empty page of 1,280 × 900 pixels; a test that leaves an error on its console fails."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda said: errors.append(said.text) if said.type == "error" else None,
    )
    yield page
    context.close()
    assert not errors
