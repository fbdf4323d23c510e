"""Progress of comparisons and suites while other processes run them, read from their folders.

Nothing is locked, and only what has changed is read again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import Holder, holder
from surrogate_nas.files.regular import read_regular
from surrogate_nas.report.curves import Curve, quartiles
from surrogate_nas.report.live.training import FailedTraining, RunInTraining, with_reports
from surrogate_nas.report.reading import (
    PLAN,
    PROBLEMS,
    RunWatch,
    Store,
    kind_of,
    numbers_of,
    read_running,
)

RUN_STATES = ("done", "running", "failed", "halted", "damaged", "missing")
"""Halted: begun, but no process runs it now, or its budget was raised since."""
MOST_RUNS = 100_000
"""Of a comparison whose progress is shown."""
_FIXED = ("version", "fingerprint", "seed", "first_cells", "objective", "numbers")
"""Fields of a comparison; where one of them changes, all runs are read again."""
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError)
_N_POINTS = 151


@dataclass(frozen=True)
class StrategyProgress:
    """Progress of one strategy.

    Attributes:
        name: Of the strategy.
        states: The state of every run by number, each one of `RUN_STATES`.
        evaluations: The number of evaluated cells in all runs.
        best: The best score of all runs; infinite before there is one.
        median: The median of the best scores of finished runs; infinite before there is one.
    """

    name: str
    states: tuple[str, ...]
    evaluations: int
    best: float
    median: float

    def count(self, *states: str) -> int:
        """How many runs are in one of these states."""
        return sum(state in states for state in self.states)


def counts_of(strategies: Sequence[StrategyProgress]) -> dict[str, int]:
    """How many runs are in each state, and how many ``runs`` there are."""
    counts = {state: sum(one.count(state) for one in strategies) for state in RUN_STATES}
    counts["runs"] = sum(len(one.states) for one in strategies)
    return counts


@dataclass(frozen=True)
class Plan:
    """What a suite is to run; empty where its folder does not say it, as of older releases."""

    title: str = ""
    problems: Sequence[str] = ()
    n_runs: Mapping[str, int] = field(default_factory=dict)
    not_run: Sequence[tuple[str, str]] = ()

    @staticmethod
    def read(folder: Path) -> Plan:
        """Read the plan of a suite's folder."""
        try:
            content = json.loads(read_regular(folder / PLAN))
            n_runs = {str(one["name"]): int(one["runs"]) for one in content["strategies"]}
            if not all(0 < n <= MOST_RUNS for n in n_runs.values()):
                return Plan()
            not_run = [(str(one["name"]), str(one["reason"])) for one in content["not_run"]]
            problems = [str(name) for name in content["problems"]]
            return Plan(str(content["title"]), problems, n_runs, not_run)
        except _UNREADABLE:
            return Plan()


class ProblemProgress:
    """Progress of one comparison, which may be a problem of a suite.

    Attributes:
        folder: The folder.
        description: What is compared, as the store records it; empty where that cannot be read.
        error: Why it cannot be read, in a line, or empty.
        writer: The process that runs it now, or None.
        runs: Of every strategy, in the order of their numbers.
        numbers: Those of every strategy.
        strategies: The progress of every strategy, in the order of the comparison.
        training: The runs that train now, if trainings are told.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is read yet."""
        self.folder = folder
        self.description: dict[str, Any] = {}
        self.error = ""
        self.writer: Holder | None = None
        self.runs: dict[str, list[RunWatch]] = {}
        self.numbers: dict[str, Sequence[int]] = {}
        self.strategies: list[StrategyProgress] = []
        self.training: list[RunInTraining] = []
        self._described_at = 0
        self._curves: dict[str, dict[str, Curve]] = {}

    def refresh(self, plan: Plan) -> None:
        """Read what is new; the plan says how many runs a strategy has where the folder does not.

        Args:
            plan: Of the suite; an empty one of a comparison.
        """
        self.writer = holder(self.folder)
        self._read_description()
        store = Store(self.folder)
        before = self.runs
        self.runs = {}
        for name in self.description.get("strategies", ()):
            numbers = numbers_of(self.description)
            if name in plan.n_runs:
                numbers = range(plan.n_runs[name])
            runs = before.get(name, [])[: len(numbers)]
            runs += [store.watch(name, number) for number in numbers[len(runs) :]]
            self.runs[name] = runs
            self.numbers[name] = numbers
        for name, runs in self.runs.items():
            changed = [run.refresh() for run in runs]
            if any(changed):
                for curves in self._curves.values():
                    curves.pop(name, None)
        self.strategies = [self._progress_of(name) for name in self.runs]
        self.training = self._in_training(store)

    def _read_description(self) -> None:
        path = self.folder / "experiment.json"
        try:
            changed_at = path.stat().st_mtime_ns
        except OSError:
            changed_at = -1
        if changed_at == self._described_at:
            return
        self._described_at = changed_at
        before = self.description
        try:
            self.description = Store(self.folder).read()
            self.error = ""
            if self.description["runs"] * len(self.description["strategies"]) > MOST_RUNS:
                raise UserError(f"{path} has more than {MOST_RUNS:,} runs.")
            Store(self.folder).watch("", 0)
        except UserError as error:
            self.description = {}
            self.error = str(error)
        if any(self.description.get(key) != before.get(key) for key in _FIXED):
            self.runs = {}
            self._curves.clear()

    def state(self, run: RunWatch) -> str:
        """One of `RUN_STATES`."""
        if run.damage:
            return "damaged"
        if not run.is_begun:
            return "missing"
        if run.end is None:
            return "running" if self.writer and holder(run.path) else "halted"
        if run.end["failure"]:
            return "failed"
        budget = self.description["budget"]
        spent = (run.end["budget_cells"], run.end["budget_seconds"])
        has_target = self.description.get("target") is not None
        is_complete = has_target or spent == (budget["cells"], budget["seconds"])
        return "done" if is_complete else "halted"

    def _progress_of(self, name: str) -> StrategyProgress:
        runs = self.runs[name]
        begun = [run for run in runs if run.best]
        finished = [run.best[-1] for run in begun if run.end and not run.end["failure"]]
        median = math.inf
        if finished:
            median = float(np.quantile(finished, 0.5, method="inverted_cdf"))
        return StrategyProgress(
            name=name,
            states=tuple(self.state(run) for run in runs),
            evaluations=sum(len(run.best) for run in begun),
            best=min((run.best[-1] for run in begun), default=math.inf),
            median=median,
        )

    def _in_training(self, store: Store) -> list[RunInTraining]:
        training = []
        for name, runs in self.runs.items():
            for number, run in zip(self.numbers[name], runs, strict=True):
                writer = holder(run.path) if self.state(run) == "running" else None
                if writer is None:
                    continue
                running = read_running(store.running_path(name, number), writer.since)
                if running is not None:
                    shown = with_reports(running)
                    told = len(run.best)
                    training.append(RunInTraining(name, number, told, run.n_failed, running, shown))
        return training

    @property
    def failed_trainings(self) -> list[FailedTraining]:
        """The last that failed of every run, the newest first."""
        failed = []
        for name, runs in self.runs.items():
            for number, run in zip(self.numbers[name], runs, strict=True):
                for cell, reason in reversed(run.failed):
                    failed.append(FailedTraining(name, number, cell, reason))
        return failed

    @property
    def n_failed_trainings(self) -> int:
        """How many trainings of all runs failed."""
        return sum(run.n_failed for runs in self.runs.values() for run in runs)

    @property
    def n_objectives(self) -> int:
        """The number of objectives; several have no best score."""
        return len(self.description["objective"].get("objectives", ())) or 1

    def curves(self, clock: str) -> dict[str, Curve]:
        """The best scores so far of every strategy with a trial, over ``cells`` or ``seconds``.

        Failed and damaged runs are left out.
        """
        known = self._curves.setdefault(clock, {})
        curves = {}
        for name, runs in self.runs.items():
            used = [run for run in runs if run.best and not _has_failed(run)]
            if used:
                curves[name] = known.get(name) or _curve_over(clock, used)
        self._curves[clock] = curves
        return curves

    @property
    def failures(self) -> list[tuple[str, str]]:
        """What went wrong, each with the file of its traceback in the folder, or empty."""
        failures = []
        for runs in self.runs.values():
            for run in runs:
                if run.damage:
                    text = f"runs/{run.path.name} is damaged: {run.damage}."
                    failures.append((f"{text} Delete it and run again.", ""))
                elif _has_failed(run):
                    assert run.end is not None
                    trace = f"failures/{run.path.stem}.txt"
                    has_trace = (self.folder / trace).is_file()
                    failures.append((str(run.end["failure"]), trace if has_trace else ""))
        return failures


def _has_failed(run: RunWatch) -> bool:
    return bool(run.damage or (run.end and run.end["failure"]))


def _curve_over(clock: str, runs: Sequence[RunWatch]) -> Curve:
    """The median and the quartiles of the best scores so far, over cells or simulated seconds.

    A finished run keeps its last value; an unfinished one counts as far as it has come.
    """
    times = []
    for run in runs:
        n_trials = len(run.best)
        times.append(np.asarray(run.finished) if clock == "seconds" else np.arange(1, n_trials + 1))
    at = np.linspace(0.0, max(float(time[-1]) for time in times), _N_POINTS)
    if clock == "cells":
        at = np.unique(np.ceil(at))
    samples = []
    for run, time in zip(runs, times, strict=True):
        finished = np.searchsorted(time, at, side="right")
        best = np.asarray(run.best)[np.maximum(finished, 1) - 1]
        is_unknown = finished < 1
        if run.end is None:
            is_unknown |= at > time[-1]
        samples.append(np.where(is_unknown, np.nan, best))
    return quartiles(at, samples)


class FolderProgress:
    """Progress of a comparison or a suite.

    Attributes:
        folder: The folder.
        is_read: Whether it was read.
        is_suite: Whether it is a suite's; else it is a comparison's.
        plan: Of the suite.
        problems: By name, in the order of the suite; a comparison is its only problem.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is read yet."""
        self.folder = folder
        self.is_read = False
        self.is_suite = False
        self.plan = Plan()
        self.problems: dict[str, ProblemProgress] = {}

    @property
    def title(self) -> str:
        """Of the suite, or the folder's name."""
        return (self.is_suite and self.plan.title) or self.folder.resolve().name

    @property
    def writer(self) -> Holder | None:
        """The process that runs it now, or None."""
        writers = [problem.writer for problem in self.problems.values() if problem.writer]
        return writers[0] if writers else None

    @property
    def strategies(self) -> list[StrategyProgress]:
        """The progress of every strategy on every problem."""
        return [one for problem in self.problems.values() for one in problem.strategies]

    def refresh(self) -> None:
        """Read what is new."""
        is_suite = kind_of(self.folder) == "suite"
        before = self.problems if is_suite == self.is_suite else {}
        self.is_suite = is_suite
        if is_suite:
            self.plan = Plan.read(self.folder)
            folders = self._problem_folders()
        else:
            suite = self.folder.parent.parent
            is_problem = self.folder.parent.name == PROBLEMS
            self.plan = Plan.read(suite) if is_problem else Plan()
            folders = {self.folder.name: self.folder}
        problems = {}
        for name, folder in folders.items():
            problems[name] = before.get(name) or ProblemProgress(folder)
            problems[name].refresh(self.plan)
        self.problems = problems
        self.is_read = True

    def _problem_folders(self) -> dict[str, Path]:
        """The folders of a suite's problems that have begun, in its order."""
        parent = self.folder / PROBLEMS
        try:
            inside = [one for one in parent.iterdir() if not one.is_symlink()]
        except OSError:
            inside = []
        begun = sorted(one.name for one in inside if (one / "experiment.json").is_file())
        planned = [name for name in self.plan.problems if name in begun]
        others = [name for name in begun if name not in planned]
        return {name: parent / name for name in planned + others}
