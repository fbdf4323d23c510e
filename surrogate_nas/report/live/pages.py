"""What is answered to an address: the page, the part of it that changes, and the same as JSON."""

from __future__ import annotations

import json
import math
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from surrogate_nas.report.live import page as shown
from surrogate_nas.report.live.comparison import ComparisonWatch
from surrogate_nas.report.live.places import Places, kind_of, results_in
from surrogate_nas.report.live.suite import SuiteWatch

Watch = ComparisonWatch | SuiteWatch
PATIENCE_SECONDS = 1.0


class Pages:
    """Answers for one folder; what was read once is kept.

    Attributes:
        places: What lies where.
        script: What keeps a page up to date.
        patience_seconds: How long a page may read; the next one reads on.
    """

    def __init__(self, places: Places, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Take the folder; nothing is read yet.

        Args:
            places: Of the folder that is served.
            patience_seconds: How long a page may read runs that were not read before.
        """
        self.patience_seconds = patience_seconds
        self.places = places
        self.script = shown.script()
        self._watches: dict[Path, Watch] = {}
        self._lock = threading.Lock()

    def page(self, path: str) -> str | None:
        """A whole page; None where there is none.

        Args:
            path: The address of a folder, as `Places.find` takes it.
        """
        part = self.part(path)
        if part is None:
            return None
        title = path.rpartition("/")[2] or self.places.root.name
        return shown.page(title, f"/part/{path}", part)

    def part(self, path: str) -> str | None:
        """What a page shows now; None where there is nothing.

        Args:
            path: The address of a folder, as `Places.find` takes it.
        """
        until = time.monotonic() + self.patience_seconds
        with self._lock:
            watch = self._watch(path, until)
            if isinstance(watch, ComparisonWatch):
                return shown.comparison_part(watch, self.places)
            if isinstance(watch, SuiteWatch):
                return shown.suite_part(watch, self.places)
            return None if path else shown.index_part(self._inside(until), self.places)

    def state(self, path: str) -> str | None:
        """The same as one JSON document; None where there is nothing.

        Args:
            path: The address of a folder, as `Places.find` takes it.
        """
        with self._lock:
            watch = self._watch(path)
            if watch is not None:
                return json.dumps(_told(watch))
            return None if path else json.dumps({one.name: _told(watch) for one, watch in self._inside().items()})

    def _watch(self, path: str, until: float = math.inf) -> Watch | None:
        """What follows a folder, up to date; None where it holds no results."""
        folder = self.places.find(path)
        return None if folder is None else self._follow(folder, until)

    def _follow(self, folder: Path, until: float) -> Watch | None:
        kind = kind_of(folder)
        if not kind:
            return None
        wanted = ComparisonWatch if kind == "comparison" else SuiteWatch
        watch = self._watches.get(folder)
        if not isinstance(watch, wanted):
            watch = self._watches[folder] = wanted(folder)
        if isinstance(watch, ComparisonWatch):
            watch.refresh(self._entrants(folder), until)
        else:
            watch.refresh(until)
        return watch

    def _entrants(self, folder: Path) -> dict[str, int]:
        """How many runs each strategy is to make, where a comparison is a problem of a suite that is served too."""
        above = folder.parent.parent
        if folder == self.places.root or not above.is_relative_to(self.places.root) or kind_of(above) != "suite":
            return {}
        return SuiteWatch.entrants_of(above)

    def _inside(self, until: float = math.inf) -> dict[Path, Watch]:
        found = {folder: self._follow(folder, until) for folder in results_in(self.places.root)}
        return {folder: watch for folder, watch in found.items() if watch is not None}


def _told(watch: Watch) -> dict[str, Any]:
    if isinstance(watch, SuiteWatch):
        return {"title": watch.title, "problems": {name: _told(one) for name, one in watch.problems.items()}}
    standings = watch.standings
    return {
        "trouble": watch.trouble,
        "counts": shown.counts(standings),
        "running_since": watch.writer.since if watch.writer else None,
        "strategies": [
            {key: None if isinstance(value, float) and math.isinf(value) else value for key, value in told.items()}
            for told in map(asdict, standings)
        ],
        "failures": [said for said, _ in watch.failures],
    }
