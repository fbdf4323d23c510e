"""A comparison that waits in its middle, for tests that kill it there; the moment does not depend
on the clock.
"""

from __future__ import annotations

import time
from pathlib import Path

from analysis.torture import COMMAND, start
from surrogate_nas.results.api import compare
from tests.outcomes import bare

GATE = '''"""Random search that waits at its tenth trial until it may go on."""

import os
import time
from pathlib import Path

import surrogate_nas as sn

GO, HERE = Path({go!r}), Path({here!r})


class Gate(sn.Strategy):
    told = 0

    def ask(self, n):
        if self.told == 10:
            (HERE / str(os.getpid())).touch()
            while not GO.exists():
                time.sleep(0.01)
        return [self.space.sample(self.rng)]

    def tell(self, trials):
        self.told += len(trials)
'''


class Gated:
    """A comparison of two runs of `Gate` and two of random search, on two workers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.go = folder / "go"
        self.here = folder / "here"
        self.here.mkdir(parents=True)
        file = folder / "gate.py"
        file.write_text(GATE.format(go=str(self.go), here=str(self.here)))
        self.strategy = f"{file}:Gate"
        self.arguments = [
            "compare",
            "analog-cifar10",
            "--strategies",
            f"{self.strategy},random",
            "--runs",
            "2",
            "--budget",
            "25",
            "--workers",
            "2",
            "--out",
            str(folder / "out"),
        ]

    def start(self, mark):
        return start([*COMMAND, *self.arguments], self.folder / "home", mark)

    def start_on(self, engine):
        self.arguments[-2:-2] = ["--engine", engine]
        return self.start(str(self.folder))

    def arrived(self, count):
        """Wait until a number of strategies wait at the gate; return their processes."""
        while len(found := list(self.here.iterdir())) < count:
            time.sleep(0.01)
        return {int(file.name) for file in found}

    def open(self):
        self.go.touch()

    def finish(self):
        """Make what is missing in this process; what the comparison says, and every trial."""
        self.open()
        return self.made()

    def made(self):
        """The same, at a gate that may be shut."""
        made = bare(
            compare(
                "analog-cifar10",
                [self.strategy, "random"],
                runs=2,
                budget=25,
                folder=self.folder / "out",
            )
        )
        assert not made["failures"]
        return made, self.runs()

    def runs(self):
        files = sorted((self.folder / "out" / "runs").glob("*.jsonl"))
        return {file.name: file.read_text().splitlines()[:-1] for file in files}
