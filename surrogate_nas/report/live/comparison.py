"""A comparison as its folder tells it by now: how far its runs are, what they have found, and what went wrong."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import Holder, holder
from surrogate_nas.report.live.band import Band, over_cells, over_seconds
from surrogate_nas.study.store import Store
from surrogate_nas.study.watch import RunWatch

STATES = ("done", "running", "failed", "halted", "damaged", "missing")
"""Of a run. Halted: begun, and nobody is making it now, or its budget was raised since."""
MOST_RUNS = 100_000
"""Of a comparison that is watched."""
_KEPT = ("version", "fingerprint", "seed", "first_cells", "objective")
"""What must stay for a run's file to be read on."""


@dataclass(frozen=True)
class Standing:
    """How far a strategy is.

    Attributes:
        name: The strategy.
        states: Of every run, by number: one of `STATES`.
        evaluations: In all its runs.
        best: The best feasible score of all; infinite where there is none.
        median: The median of what its ended runs found; infinite where there is none.
    """

    name: str
    states: tuple[str, ...]
    evaluations: int
    best: float
    median: float

    def count(self, state: str) -> int:
        """How many runs are in a state.

        Args:
            state: One of `STATES`.
        """
        return self.states.count(state)


class ComparisonWatch:
    """Follows the folder of a comparison; nothing is locked, and only what has changed is read again.

    Attributes:
        folder: The folder.
        description: What is compared, as the store records it; empty where that cannot be read.
        trouble: Why, in a line, or empty.
        writer: Who is making runs now, or None.
        unread: How many runs were not looked at yet, because time was up.
        runs: Of every strategy, by number.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is read yet.

        Args:
            folder: Of a comparison.
        """
        self.folder = folder
        self.description: dict[str, Any] = {}
        self.trouble = ""
        self.writer: Holder | None = None
        self.unread = 0
        self._described = 0
        self.runs: dict[str, list[RunWatch]] = {}
        self._bands: dict[tuple[str, str], tuple[int, Band]] = {}
        self._versions: dict[str, int] = {}

    def refresh(self, entrants: Mapping[str, int] | None = None, until: float = math.inf) -> None:
        """Read what has come since the last time.

        Args:
            entrants: How many runs each strategy is to make; None for as many as the folder says.
            until: When to read no further run for the first time, on the clock of `time.monotonic`; the next time goes
                on.
        """
        self.writer = holder(self.folder)
        self._describe()
        strategies = {} if self.trouble else {
            name: (entrants or {}).get(name, self.description["runs"]) for name in self.description["strategies"]
        }  # fmt: skip
        store = Store(self.folder)
        self.runs = {name: self.runs.get(name, [])[:n] for name, n in strategies.items()}
        for name, n in strategies.items():
            held = self.runs[name]
            held += [store.watch(name, number) for number in range(len(held), n)]
            if any([run.refresh() for run in held if run.is_read or time.monotonic() < until]):
                self._versions[name] = self._versions.get(name, 0) + 1
        self.unread = sum(not run.is_read for held in self.runs.values() for run in held)

    def _describe(self) -> None:
        path = self.folder / "experiment.json"
        try:
            stamp = path.stat().st_mtime_ns
        except OSError:
            stamp = -1
        if stamp == self._described:
            return
        self._described, before = stamp, self.description
        try:
            self.description, self.trouble = Store(self.folder).read(), ""
            if self.description["runs"] * len(self.description["strategies"]) > MOST_RUNS:
                raise UserError(f"{path} tells of more than {MOST_RUNS:,} runs.")
            Store(self.folder).watch("", 0)
        except UserError as error:
            self.description, self.trouble = {}, str(error)
        if any(self.description.get(key) != before.get(key) for key in _KEPT):
            self.runs = {}

    def state(self, run: RunWatch) -> str:
        """One of `STATES`.

        Args:
            run: One of this comparison.
        """
        if run.damage:
            return "damaged"
        if not run.is_begun:
            return "missing"
        if run.end is None:
            return "running" if self.writer and holder(run.path) else "halted"
        if run.end["failure"]:
            return "failed"
        budget = self.description["budget"]
        spent = run.end["budget_cells"], run.end["budget_seconds"]
        is_whole = self.description.get("target") is not None or spent == (budget["cells"], budget["seconds"])
        return "done" if is_whole else "halted"

    @property
    def standings(self) -> list[Standing]:
        """How far every strategy is, in the order of the comparison."""
        told = []
        for name, runs in self.runs.items():
            found = [run.best[-1] for run in runs if run.best]
            ended = [run.best[-1] for run in runs if run.best and run.end and not run.end["failure"]]
            told.append(
                Standing(
                    name,
                    tuple(map(self.state, runs)),
                    sum(len(run.best) for run in runs),
                    min(found, default=math.inf),
                    float(np.quantile(ended, 0.5, method="inverted_cdf")) if ended else math.inf,
                )
            )
        return told

    def bands(self, clock: str) -> dict[str, Band]:
        """What every strategy with a trial has found by now; failed and damaged runs are left out.

        Args:
            clock: ``cells`` or ``seconds``.
        """
        found = {}
        for name, runs in self.runs.items():
            version, key = self._versions.get(name, 0), (name, clock)
            held = [run for run in runs if run.best and not run.damage and not (run.end and run.end["failure"])]
            if not held:
                continue
            if key not in self._bands or self._bands[key][0] != version:
                self._bands[key] = version, (over_cells if clock == "cells" else over_seconds)(held)
            found[name] = self._bands[key][1]
        return found

    @property
    def failures(self) -> list[tuple[str, str]]:
        """What went wrong, each with the file of its traceback in the folder, or empty."""
        told = []
        for runs in self.runs.values():
            for run in runs:
                if run.damage:
                    told.append((f"runs/{run.path.name} is damaged: {run.damage}. Delete it and run again.", ""))
                elif run.end and run.end["failure"]:
                    trace = f"failures/{run.path.stem}.txt"
                    told.append((str(run.end["failure"]), trace if (self.folder / trace).is_file() else ""))
        return told
