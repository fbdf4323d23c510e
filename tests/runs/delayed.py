"""A table whose answers take time, as trainings do: for tests of what trains in slots."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import surrogate_nas as sn
from surrogate_nas.benchmarks.base import Benchmark
from surrogate_nas.core.errors import EvaluationError
from surrogate_nas.runtime.worker import alive

_GROWS_TO = 1_000_000_000
_STEP = 10_000_000
"""Bytes."""


def _grow(how):
    """Take memory in small steps, and let go of it at the end."""
    if how == "grows-in-a-child":
        code = "from tests.runs.delayed import _grow; _grow('grows')"
        subprocess.run([sys.executable, "-c", code], check=True)
        return
    taken = []
    for _ in range(_GROWS_TO // _STEP):
        taken.append(bytearray(b"x" * _STEP))
        if how == "grows-and-tells":
            alive()
        time.sleep(0.02)
    time.sleep(1.0)


def _hang(folder):
    """Say so in a file, and sleep."""
    if folder is not None:
        (folder / f"hangs_{os.getpid()}").touch()
    time.sleep(3600)


class Delayed(Benchmark):
    """Another benchmark behind a delay.

    Attributes:
        scale: Seconds that are slept for each second (or query) of recorded cost.
        jitter: The most seconds that are slept beside, at random.
        folder: Where each evaluation leaves a file, so that they can be counted; None for nowhere.
        trouble: What happens to the first evaluations of some cells, by the cell's text.
    """

    begins_at_random = True
    one_by_one = True
    has_columns = False

    def __init__(
        self,
        name: str,
        *,
        scale: float = 0.0,
        jitter: float = 0.0,
        folder: Path | None = None,
        trouble: dict[str, str] | None = None,
        knows_costs: bool = True,
        seconds: float | None = None,
        silence: float | None = None,
    ) -> None:
        self.table = sn.load(name)
        self.scale_of_time = scale
        self.jitter = jitter
        self.folder = folder
        self.trouble = trouble or {}
        self.knows_costs = knows_costs
        self.longest_seconds = seconds
        self.longest_silence = silence
        for field in (
            "name",
            "space",
            "metrics",
            "network",
            "cost_unit",
            "charge",
            "objective",
            "banner",
            "title",
            "source",
            "licence",
            "citation",
            "default_seed",
            "one_curve",
        ):
            setattr(self, field, getattr(self.table, field))

    @property
    def fingerprint(self):
        return f"delayed {self.table.fingerprint}"

    def question(self, name, epochs=None):
        return self.table.question(name, epochs)

    def scale(self, question, training_seed="mean"):
        return self.table.scale(question, training_seed)

    def continued(
        self,
        cell,
        since,
        epochs,
        metrics=(),
        *,
        training_seed=None,
    ):
        return self.table.continued(
            cell, since, epochs, metrics, training_seed=training_seed
        )

    def predicted_cost(self, cell, epochs):
        if not self.knows_costs:
            return super().predicted_cost(cell, epochs)
        questions = [self.table.question("valid_error", epochs)]
        return float(self.table.measure([cell], questions).cost[0])

    def measure(self, cells, questions, training_seed="mean"):
        answer = self.table.measure(cells, questions, training_seed)
        (cell,) = cells
        time.sleep(
            self.scale_of_time * float(answer.cost[0]) + self.jitter * random.random()
        )
        self._be_in_trouble(cell)
        return answer

    def _be_in_trouble(self, cell):
        before = 0
        if self.folder is not None:
            mark = f"{cell.index}-"
            before = sum(path.name.startswith(mark) for path in self.folder.iterdir())
            (self.folder / f"{mark}{os.getpid()}-{time.monotonic_ns()}").touch()
        what, _, times = self.trouble.get(
            cell.text, self.trouble.get("", "")
        ).partition(" ")
        if not what or (times and before >= int(times)):
            return
        match what:
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "memory":
                raise EvaluationError("MemoryError", "resources", 1.0)
            case "broken":
                raise EvaluationError("ValueError: no", "broken", 1.0)
            case "exit":
                os._exit(3)
            case "forks":
                subprocess.Popen(["sleep", "3600.125"])
                os.kill(os.getpid(), signal.SIGKILL)
            case "grows" | "grows-and-tells" | "grows-in-a-child":
                _grow(what)
            case "hangs":
                _hang(self.folder)
