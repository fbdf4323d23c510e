"""Results as their folder tells them by now: how far runs are, what they have found, and what went
wrong.

One watch follows a comparison, which is its one problem, or a suite. Nothing is locked, and only
what has changed is read again.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import Holder, holder
from surrogate_nas.files.regular import read_regular
from surrogate_nas.report.curves import Curve, quartiles
from surrogate_nas.report.reading import PLAN, PROBLEMS, RunWatch, Store, Values, kind_of

STATES = ("done", "running", "failed", "halted", "damaged", "missing")
"""Of a run. Halted: begun, and nobody is making it now, or its budget was raised since."""
MOST_RUNS = 100_000
"""Of a comparison that is watched."""
_KEPT = ("version", "fingerprint", "seed", "first_cells", "objective")
"""What must stay for a run's file to be read on."""
_WRONG = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError)
_POINTS = 150


@dataclass(frozen=True)
class Standing:
    """How far a strategy is: the state of every run by number, and the best and median scores,
    infinite for none.
    """

    name: str
    states: tuple[str, ...]
    evaluations: int
    best: float
    median: float

    def count(self, state: str) -> int:
        """How many runs are in a state."""
        return self.states.count(state)


class ProblemWatch:
    """Follows the folder of one comparison.

    Attributes:
        folder: The folder.
        description: What is compared, as the store records it; empty where that cannot be read.
        trouble: Why, in a line, or empty.
        writer: Who is making runs now, or None.
        unread: How many runs were not looked at yet, because time was up.
        runs: Of every strategy, by number.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is read yet."""
        self.folder = folder
        self.description: dict[str, Any] = {}
        self.trouble = ""
        self.writer: Holder | None = None
        self.unread = 0
        self._described = 0
        self.runs: dict[str, list[RunWatch]] = {}
        self._curves: dict[tuple[str, str], tuple[int, Curve]] = {}
        self._versions: dict[str, int] = {}

    def refresh(self, entries: Mapping[str, int], until: float = math.inf) -> None:
        """Read what has come since the last time.

        Entries say how many runs each strategy is to make; where they do not, the folder does.
        After `until`, on the clock of `time.monotonic`, no further run is read for the first time;
        the next time goes on.
        """
        self.writer = holder(self.folder)
        self._describe()
        strategies = (
            {}
            if self.trouble
            else {
                name: entries.get(name, self.description["runs"])
                for name in self.description["strategies"]
            }
        )
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
        self._described = stamp
        before = self.description
        try:
            self.description = Store(self.folder).read()
            self.trouble = ""
            if self.description["runs"] * len(self.description["strategies"]) > MOST_RUNS:
                raise UserError(f"{path} tells of more than {MOST_RUNS:,} runs.")
            Store(self.folder).watch("", 0)
        except UserError as error:
            self.description = {}
            self.trouble = str(error)
        if any(self.description.get(key) != before.get(key) for key in _KEPT):
            self.runs = {}

    def state(self, run: RunWatch) -> str:
        """One of `STATES`."""
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
        is_whole = self.description.get("target") is not None or spent == (
            budget["cells"],
            budget["seconds"],
        )
        return "done" if is_whole else "halted"

    def running(self, name: str) -> list[tuple[int, int]]:
        """The runs of a strategy that are being made, each with its number of trials."""
        return [
            (i, len(run.best))
            for i, run in enumerate(self.runs[name])
            if self.state(run) == "running"
        ]

    @property
    def standings(self) -> list[Standing]:
        """How far every strategy is, in the order of the comparison."""
        told = []
        for name, runs in self.runs.items():
            found = [run.best[-1] for run in runs if run.best]
            ended = [
                run.best[-1] for run in runs if run.best and run.end and not run.end["failure"]
            ]
            median = float(np.quantile(ended, 0.5, method="inverted_cdf")) if ended else math.inf
            evaluations = sum(len(run.best) for run in runs)
            states = tuple(map(self.state, runs))
            told.append(Standing(name, states, evaluations, min(found, default=math.inf), median))
        return told

    def curves(self, clock: str) -> dict[str, Curve]:
        """What every strategy with a trial has found by now, over ``cells`` or ``seconds``.

        Failed and damaged runs are left out.
        """
        found = {}
        for name, runs in self.runs.items():
            version = self._versions.get(name, 0)
            key = (name, clock)
            held = [
                run
                for run in runs
                if run.best and not run.damage and not (run.end and run.end["failure"])
            ]
            if not held:
                continue
            if key not in self._curves or self._curves[key][0] != version:
                self._curves[key] = (
                    version,
                    (_over_cells if clock == "cells" else _over_seconds)(held),
                )
            found[name] = self._curves[key][1]
        return found

    @property
    def failures(self) -> list[tuple[str, str]]:
        """What went wrong, each with the file of its traceback in the folder, or empty."""
        told = []
        for run in (run for runs in self.runs.values() for run in runs):
            if run.damage:
                told.append(
                    (f"runs/{run.path.name} is damaged: {run.damage}. Delete it and run again.", "")
                )
            elif run.end and run.end["failure"]:
                trace = f"failures/{run.path.stem}.txt"
                told.append(
                    (str(run.end["failure"]), trace if (self.folder / trace).is_file() else "")
                )
        return told


def _over_cells(runs: Sequence[RunWatch]) -> Curve:
    """The best score so far after 1, 2, … evaluated cells.

    A run that has ended keeps its last value; one that is being made counts as far as it has come.
    """
    last = max(len(run.best) for run in runs)
    at = np.unique(np.linspace(1, last, min(last, _POINTS)).round().astype(np.int64))
    samples = [_read(run, np.minimum(at, len(run.best)), at > len(run.best)) for run in runs]
    return quartiles(at.astype(np.float64), samples)


def _over_seconds(runs: Sequence[RunWatch]) -> Curve:
    """The best score so far once so many simulated seconds are spent; only what has finished
    counts.
    """
    at = np.linspace(0.0, max(run.finished[-1] for run in runs), _POINTS)
    trials = [np.searchsorted(run.finished, at, side="right") for run in runs]
    return quartiles(
        at, [_read(run, n, at > run.finished[-1]) for run, n in zip(runs, trials, strict=True)]
    )


def _read(run: RunWatch, trials: NDArray[np.int64], beyond: NDArray[np.bool_]) -> Values:
    """What a run held after so many trials; NaN before its first, and beyond the last of one that
    is being made.
    """
    values = np.asarray(run.best)[np.maximum(trials, 1) - 1]
    return np.where((trials < 1) | (beyond & (run.end is None)), np.nan, values)


class Watch:
    """Follows a folder of results.

    Attributes:
        folder: The folder.
        is_suite: Whether it is a suite's; else it is a comparison's.
        title: The suite's, or the folder's name while that is not told.
        entries: How many runs each strategy is to make; empty where that is not told.
        not_run: Problems that are left out, each with the reason.
        problems: By name, in the order of the suite; of a comparison it alone.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder, which holds results; nothing is read yet."""
        self.folder = folder
        self.is_suite = kind_of(folder) == "suite"
        self.title = folder.resolve().name
        self.entries: dict[str, int] = {}
        self.not_run: list[tuple[str, str]] = []
        self.problems: dict[str, ProblemWatch] = {}

    @property
    def writer(self) -> Holder | None:
        """Who is making runs now, or None."""
        return next((watch.writer for watch in self.problems.values() if watch.writer), None)

    @property
    def unread(self) -> int:
        """How many runs were not looked at yet, because time was up."""
        return sum(watch.unread for watch in self.problems.values())

    @property
    def standings(self) -> list[Standing]:
        """How far every strategy is on every problem."""
        return [standing for watch in self.problems.values() for standing in watch.standings]

    def refresh(self, entries: Mapping[str, int], until: float = math.inf) -> None:
        """Read what has come since the last time, as `ProblemWatch.refresh` does; a suite knows its
        entries itself.
        """
        if self.is_suite:
            places = self._places()
            entries = self.entries
        else:
            places = {self.title: self.folder}
        before = self.problems
        self.problems = {
            name: before.get(name) or ProblemWatch(place) for name, place in places.items()
        }
        for watch in self.problems.values():
            watch.refresh(entries, until)

    def _places(self) -> dict[str, Path]:
        """The folders of a suite's problems that have begun, in its order."""
        names = self._planned()
        try:
            inside = [one for one in (self.folder / PROBLEMS).iterdir() if not one.is_symlink()]
        except OSError:
            inside = []
        found = sorted(one.name for one in inside if (one / "experiment.json").is_file())
        ordered = [name for name in names if name in found] + [
            name for name in found if name not in names
        ]
        return {name: self.folder / PROBLEMS / name for name in ordered}

    def _planned(self) -> list[str]:
        """The problems of the plan, which an older suite has not; what is not as it should be is
        passed over.
        """
        try:
            plan = json.loads(read_regular(self.folder / PLAN))
            self.entries = _entries(plan)
            self.not_run = [(str(one["name"]), str(one["reason"])) for one in plan["not_run"]]
            self.title = str(plan["title"])
            return [str(name) for name in plan["problems"]]
        except _WRONG:
            return []


def entries_of(folder: Path) -> dict[str, int]:
    """How many runs each strategy of a suite is to make; empty where that is not told."""
    try:
        return _entries(json.loads(read_regular(folder / PLAN)))
    except _WRONG:
        return {}


def _entries(plan: Any) -> dict[str, int]:
    entries = {str(one["name"]): int(one["runs"]) for one in plan["strategies"]}
    if not all(0 < runs <= MOST_RUNS for runs in entries.values()):
        raise ValueError("no numbers of runs")
    return entries
