"""A suite as its folder tells it by now: every problem's comparison, and how many runs each strategy is to make."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from surrogate_nas.files import Holder
from surrogate_nas.files.regular import read_regular
from surrogate_nas.report.live.comparison import MOST_RUNS, ComparisonWatch
from surrogate_nas.study.suite.kept import PLAN, PROBLEMS

_WRONG = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError)


class SuiteWatch:
    """Follows the folder of a suite.

    Attributes:
        folder: The folder.
        title: The suite's, or the folder's name while that is not told.
        entrants: How many runs each strategy is to make; empty where that is not told.
        not_run: Problems that are left out, each with the reason.
        problems: By name, in the order of the suite.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is read yet.

        Args:
            folder: Of a suite.
        """
        self.folder = folder
        self.title = folder.resolve().name
        self.entrants: dict[str, int] = {}
        self.not_run: list[tuple[str, str]] = []
        self.problems: dict[str, ComparisonWatch] = {}

    @property
    def writer(self) -> Holder | None:
        """Who is making runs now, or None."""
        return next((watch.writer for watch in self.problems.values() if watch.writer), None)

    @property
    def unread(self) -> int:
        """How many runs were not looked at yet, because time was up."""
        return sum(watch.unread for watch in self.problems.values())

    def refresh(self, until: float = math.inf) -> None:
        """Read what has come since the last time.

        Args:
            until: When to read no further run for the first time, on the clock of `time.monotonic`.
        """
        names = self._planned()
        try:
            inside = [one for one in (self.folder / PROBLEMS).iterdir() if not one.is_symlink()]
        except OSError:
            inside = []
        found = sorted(one.name for one in inside if (one / "experiment.json").is_file())
        ordered = [name for name in names if name in found] + [name for name in found if name not in names]
        before = self.problems
        self.problems = {n: before.get(n) or ComparisonWatch(self.folder / PROBLEMS / n) for n in ordered}
        for watch in self.problems.values():
            watch.refresh(self.entrants, until)

    def _planned(self) -> list[str]:
        """The problems of the plan, which an older suite has not; what is not as it should be is passed over."""
        try:
            plan = _plan(self.folder)
            self.entrants = _entrants(plan)
            self.not_run = [(str(one["name"]), str(one["reason"])) for one in plan["not_run"]]
            self.title = str(plan["title"])
            return [str(name) for name in plan["problems"]]
        except _WRONG:
            return []

    @staticmethod
    def entrants_of(folder: Path) -> dict[str, int]:
        """How many runs each strategy of a suite is to make; empty where that is not told.

        Args:
            folder: Of a suite.
        """
        try:
            return _entrants(_plan(folder))
        except _WRONG:
            return {}


def _plan(folder: Path) -> Any:
    return json.loads(read_regular(folder / PLAN))


def _entrants(plan: Any) -> dict[str, int]:
    entrants = {str(one["name"]): int(one["runs"]) for one in plan["strategies"]}
    if not all(0 < runs <= MOST_RUNS for runs in entrants.values()):
        raise ValueError("no numbers of runs")
    return entrants
