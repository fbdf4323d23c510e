"""Engines: the same results wherever jobs are done, a lost worker changes nothing, and a lost
cluster is one line.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.torture import hit, marked, workers
from surrogate_nas.core.errors import UserError
from surrogate_nas.runtime.engines import AGAIN, run_jobs
from surrogate_nas.runtime.worker import Task
from tests.gated import Gated
from tests.jobs import fail, fallen

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="looks for processes in /proc"
)

ROOT = Path(__file__).parents[2]
SUITE = """
title = "Engines"
cells = 13
runs = 2
strategies = ["random", "mine.py:Mine"]

[[problems]]
name = "plain"
benchmark = "fashion"

[[problems]]
name = "capped"
benchmark = "fashion"
objective = "valid_error[5]"
subject_to = "latency@cpu <= 0.6"
"""
MINE = '''"""A user's strategy beside the command."""

import surrogate_nas as sn


class Mine(sn.Strategy):
    def ask(self, n):
        return [self.space.sample(self.rng)]

    def tell(self, trials):
        pass
'''


class Dask:
    """A scheduler and two workers of one thread, which know nothing of where commands are given."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scheduler.json"
        self.scheduler = self._start(
            "scheduler",
            "--port",
            "0",
            "--scheduler-file",
            str(self.file),
            "--no-dashboard",
        )
        while not self.file.is_file():
            assert self.scheduler.poll() is None
            time.sleep(0.01)
        self.workers = [
            self._start(
                "worker",
                self.address,
                "--nthreads",
                "1",
                "--no-nanny",
                "--no-dashboard",
            )
            for _ in range(2)
        ]
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(2)

    @property
    def address(self):
        return str(json.loads(self.file.read_bytes())["address"])

    def _start(self, what, *arguments):
        module = f"-m distributed.cli.dask_{what} --host 127.0.0.1".split()
        nothing = subprocess.DEVNULL
        environment = {
            n: v for n, v in os.environ.items() if not n.startswith("SURROGATE_NAS")
        }
        return subprocess.Popen(
            [sys.executable, *module, *arguments],
            cwd="/",
            env=environment | {"PYTHONPATH": str(ROOT)},
            stdout=nothing,
            stderr=nothing,
        )

    def end(self):
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    cluster = Dask(tmp_path_factory.mktemp("dask"))
    yield cluster
    cluster.end()


@pytest.fixture
def engine(request):
    """An engine's name and place."""
    name = str(request.param)
    return f"dask:{request.getfixturevalue('dask').address}" if name == "dask" else name


def suite_of(folder, snas, *how):
    """What a suite says, without seconds, and every trial; the command is given in its folder."""
    (folder / "suite.toml").write_text(SUITE)
    (folder / "mine.py").write_text(MINE)
    told = snas("suite", "suite.toml", "--out", "out", "--json", *how)
    assert told.code == 0, told.err
    content = json.loads(told.out)
    assert not content["failures"]
    for strategy in content["strategies"]:
        del strategy["real_seconds"]
    runs = sorted((folder / "out").rglob("*.jsonl"))
    return content, {file.name: file.read_text().splitlines()[:-1] for file in runs}


@pytest.fixture(scope="module")
def expected():
    return {}


SLURM = pytest.param("slurm:cluster=local", marks=pytest.mark.slow)


@pytest.mark.parametrize("engine", ["processes", "dask", SLURM], indirect=True)
def test_a_suite_is_the_same_on_every_engine(
    engine, expected, tmp_path, monkeypatch, snas
):
    monkeypatch.chdir(tmp_path)
    if not expected:
        (tmp_path / "one").mkdir()
        monkeypatch.chdir(tmp_path / "one")
        expected["suite"] = suite_of(tmp_path / "one", snas)
        monkeypatch.chdir(tmp_path)
    found = suite_of(tmp_path, snas, "--engine", engine, "--workers", "2")
    assert found == expected["suite"]
    assert {path.name for path in tmp_path.iterdir()} <= {
        "one",
        "out",
        "suite.toml",
        "mine.py",
    }


@pytest.mark.parametrize("engine", ["dask", SLURM], indirect=True)
def test_a_job_that_ends_its_process_costs_itself_alone_and_one_that_raises_all(engine):
    fallen(engine)
    with pytest.raises(UserError, match="no two"):
        list(run_jobs(fail, range(4), workers=2, engine=engine))


POOL = '''"""An engine of one's own."""

from concurrent.futures import {0}


def pool(place, workers):
    return {0}(workers)
'''


@pytest.mark.parametrize("pool", ["ProcessPoolExecutor", "ThreadPoolExecutor"])
def test_whatever_is_an_executor_is_an_engine(pool, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(POOL.format(pool))
    fallen(f"{file}:pool:somewhere")
    with pytest.raises(UserError, match="no two"):
        list(run_jobs(fail, range(4), workers=2, engine=f"{file}:pool"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a gated comparison gives in one process."""
    return Gated(tmp_path_factory.mktemp("undisturbed")).finish()


def wait_for_none(mark):
    """Wait until no process carries a mark."""
    until = time.monotonic() + 20
    while here := marked(mark):
        assert time.monotonic() < until, [
            Path(f"/proc/{pid}/cmdline").read_text() for pid in here
        ]
        time.sleep(0.05)


def interrupted(process, folder):
    """Press Ctrl-C, which ends a command and all that it has started."""
    assert len(workers(str(folder))) >= 2 and hit(process, "parent -2", str(folder))
    _, said = process.communicate()
    assert process.returncode == 130 and "interrupted" in said
    wait_for_none(str(folder))


@pytest.mark.slow
def test_a_killed_dask_worker_changes_nothing_and_a_second_command_waits(
    undisturbed, dask, tmp_path, capfd
):
    gated = Gated(tmp_path)
    process = gated.start_on(f"dask:{dask.address}")
    gated.arrived(2)
    with ThreadPoolExecutor(1) as thread:
        second = thread.submit(gated.made)
        said = ""
        while f"Waiting for process {process.pid} on {platform.node()} " not in said:
            said += capfd.readouterr().err
        dask.workers[0].kill()
        gated.open()  # what it did is begun anew, by the other
        assert process.wait() == 0, process.communicate()
        assert second.result() == undisturbed


@pytest.mark.slow
def test_an_interrupted_ray_leaves_no_process_and_a_killed_ray_worker_changes_nothing(
    undisturbed, tmp_path
):
    gated = Gated(tmp_path)
    process = gated.start_on("ray")
    gated.arrived(2)
    interrupted(process, tmp_path)
    for path in gated.here.iterdir():
        path.unlink()
    process = gated.start(str(tmp_path))
    gated.arrived(2)
    rays = [
        pid
        for pid in marked(str(tmp_path))
        if b"ray::do" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    assert len(rays) == 2
    os.kill(rays[0], signal.SIGKILL)
    gated.open()
    assert process.wait() == 0, process.communicate()
    wait_for_none(str(tmp_path))
    assert gated.finish() == undisturbed


@pytest.mark.slow
def test_a_dask_that_went_away_is_one_line_and_slurm_goes_on(
    undisturbed, dask, tmp_path
):
    gated = Gated(tmp_path)
    process = gated.start_on(f"dask:{dask.address}")
    gated.arrived(1)
    dask.scheduler.kill()
    _, said = process.communicate()
    assert process.returncode == 2
    last = said.splitlines()[-1]
    assert last.startswith(
        f"snas: The Dask cluster at {dask.address} is unreachable or failed "
    )
    assert last.endswith(f" {AGAIN}")
    gated.open()
    again = gated.start_on(f"slurm:cluster=local,folder={tmp_path}")
    assert again.wait() == 0, again.communicate()
    assert gated.finish() == undisturbed


@pytest.mark.slow
def test_an_interrupted_dask_leaves_no_process(undisturbed, tmp_path):
    gated = Gated(tmp_path)
    process = gated.start_on("dask")
    gated.arrived(2)
    interrupted(process, tmp_path)
    assert gated.finish() == undisturbed


@pytest.mark.parametrize(
    ("engine", "says"),
    [
        pytest.param(
            "dask:tcp://127.0.0.1:{port}",
            "There is no Dask scheduler at tcp://127.0.0.1:{port}",
            marks=pytest.mark.slow,  # Dask tries for ten seconds
        ),
        ("ray:127.0.0.1:{port}", "There is no Ray at 127.0.0.1:{port}"),
        ("slurm:cpu", "Options of slurm must be NAME=VALUE"),
        ("slurm:folder={folder}/missing", "Slurm's tasks need a shared folder"),
        ("slurm:cluster=local,time=soon", "Slurm rejects the tasks"),
        ("processes:here", "has no address"),
        ("dusk", "Did you mean 'dask'"),
        ("{folder}/missing.py:pool", "There is no engine file"),
    ],
)
def test_a_bad_address_is_one_line(engine, says, tmp_path, snas, closed_port):
    engine, says = (
        text.format(folder=tmp_path, port=closed_port) for text in (engine, says)
    )
    command = "compare --runs 1 --budget 11 --engine".split()
    told = snas(*command, engine, "--out", tmp_path / "out")
    assert told.code == 2 and says in told.err.splitlines()[-1], told.err


@pytest.mark.parametrize(
    ("engine", "library"),
    [("dask", "distributed"), ("ray", "ray"), ("slurm", "submitit")],
)
def test_a_missing_library_is_one_line(engine, library, tmp_path, monkeypatch, snas):
    monkeypatch.setitem(sys.modules, library, None)
    told = snas("compare", "--out", tmp_path / "out", "--engine", engine)
    assert (
        told.code == 2
        and told.err
        == f"snas: The engine {engine} needs {library}: pip install 'surrogate_nas[{engine}]'.\n"
    )
    assert not (tmp_path / "out").exists()


def test_a_worker_on_a_machine_that_lacks_something_says_what(tmp_path):
    task = Task.of(abs)
    with pytest.raises(
        UserError,
        match=r"The folder .*gone does not exist on \S+: workers need the working directory",
    ):
        replace(task, folder=str(tmp_path / "gone")).check_here()
    with pytest.raises(
        UserError,
        match=r"have Python.3.* this machine has Python 2.7, surrogate_nas 0. Install the same",
    ):
        replace(task, versions=("Python 2.7", "surrogate_nas 0")).check_here()
