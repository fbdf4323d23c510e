"""A newcomer's hour: the commands of README and guide, one after another, and what each says."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from csv import DictReader
from pathlib import Path

import pytest

from surrogate_nas.files import HOME_VARIABLE
from tests.documents import TOP, read, shell

pytestmark = pytest.mark.slow
PATIENCE_SECONDS = 900
"""Only a test that fails waits so long."""
PRINTED = {
    " ".join(command.split())
    for page in ("own-training", "strategy", "archive")
    for command in shell(read(f"analysis/guide/{page}.md"))
}
DATA = re.findall(r"^\t\$\(BIN\)/(snas data .+)$", read("Makefile"), re.M)[:2]
"""What ``make data`` does."""


class Desk:
    """A user's folder with a home of its own, where commands of the guide are typed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir(parents=True)
        paths = [str(TOP), os.environ.get("PYTHONPATH", "")]
        self.environment = {
            **os.environ,
            HOME_VARIABLE: str(folder / "home"),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        }

    def begin(self, command, *more):
        """Start a command that the guide prints, with further words."""
        assert command in {*PRINTED, *DATA}
        return subprocess.Popen(
            [sys.executable, "-m", "surrogate_nas", *shlex.split(command)[1:], *more],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def give(self, command, *more, code=0):
        """Run a command, which must end with a code, and return what it prints."""
        process = self.begin(command, *more)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == code and "Traceback" not in err, (
            f"{command}\n{out}\n{err}"
        )
        return out

    def json(self, command, *more, code=0):
        """What a command prints as JSON."""
        return json.loads(self.give(command, *more, "--json", code=code))

    def interrupt(self, command, run):
        """Press Ctrl-C once a search has stored two trials, and return what it says."""
        process = self.begin(command)
        until = time.monotonic() + PATIENCE_SECONDS
        while not run.is_file() or run.read_text().count("\n") < 2:
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                pytest.fail(f"It stored no trial: {process.communicate()}")
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode not in (0, 2) and "Traceback" not in err, err
        return err


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path / "mine")


SEARCH = "snas search digits.py:Digits --strategy asha --budget 30 --parallel 2 --out results/asha"


def test_a_training_is_searched_interrupted_reported_archived_and_verified(
    desk, tmp_path
):
    desk.give("snas new training Digits")
    results = desk.folder / "results" / "asha"
    run = results / "runs" / "asha-0.jsonl"
    said = desk.interrupt(SEARCH, run)
    assert "Repeat the command to resume" in said
    stored = [line for line in run.read_text().splitlines() if '"end"' not in line]
    assert 2 <= len(stored) < 30

    found = desk.json(SEARCH)
    assert len(found["trials"]) == 30
    kept = run.read_text().splitlines()[: len(stored)]
    assert kept == stored
    # a tenth of the digits has each class; what was reported is a fraction
    assert 0.005 < found["best"]["score"] < 0.6
    assert all(0 <= trial["score"] <= 1 for trial in found["trials"])

    report = desk.json("snas report results/asha --bench digits.py:Digits")
    (row,) = report["strategies"]
    assert row["best"]["score"] == found["best"]["score"] and row["evaluations"] == 30
    assert row["best"]["final"]["test_error"] == found["best"]["final"]["test_error"]
    assert report["objective"]["terms"][0]["unit"] == "fraction"
    page = (results / "report.html").read_text()
    assert "have not ended" not in page and found["best"]["cell"] in page

    exported = desk.json("snas export csv results/asha --bench digits.py:Digits")
    assert (exported["runs"], exported["missing"], exported["trials"]) == (1, 0, 30)
    with open(results / "export" / "csv" / "trials.csv", newline="") as file:
        scores = [float(line["score"]) for line in DictReader(file)]
    assert scores == [trial["score"] for trial in found["trials"]]

    sealed = desk.json(
        'snas archive create results/asha asha.zip --by "A. Name" --licence CC-BY-4.0'
    )
    other = Desk(tmp_path / "theirs")
    for name in ("asha.zip", "digits.py"):
        shutil.move(desk.folder / name, other.folder / name)
    verified = other.json("snas archive verify asha.zip --bench digits.py:Digits")
    assert verified["valid"] and verified["digest"] == sealed["digest"]
    assert verified["runs"] == verified["runs_in_all"] == 1


def test_a_fetch_changes_no_comparison_with_the_shipped_archive(desk, mirror):
    assert mirror.is_dir() and DATA == ["snas data fetch nb201", "snas data verify"]
    desk.give("snas new strategy Mine")
    compare = (
        "snas suite starter --strategies mine.py:Mine --out results/mine-shipped"
        " --against starter"
    )
    before = desk.json(compare, "--runs", "2")
    assert len(before["problems"]) == 4 and not before["not_run"]
    assert {"Mine", "bo", "random"} <= {row["name"] for row in before["strategies"]}
    for command in DATA:
        desk.give(command)
    assert list((desk.folder.parent / "home").rglob("nb201-cifar10.h5"))
    again = desk.json(compare, "--runs", "2")
    (desk.folder / "results").rename(desk.folder / "earlier")
    anew = desk.json(compare, "--runs", "2")
    for after in (again, anew):
        assert after["problems"] == before["problems"]
        assert after["verdict"]["sentences"] == before["verdict"]["sentences"]
        regrets = [
            {row["name"]: row["regret_mean"] for row in suite["strategies"]}
            for suite in (before, after)
        ]
        assert regrets[0] == regrets[1]
