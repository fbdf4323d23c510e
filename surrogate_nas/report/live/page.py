"""What is answered to an address: the page, the part of it that changes, and the same as JSON;
every text is escaped.

Nothing outside the served folder is shown, whatever is asked for.
"""

from __future__ import annotations

import json
import math
import platform
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote, unquote

from markupsafe import Markup

from surrogate_nas.core.numbers import clock, fixed, plural
from surrogate_nas.files import Holder
from surrogate_nas.files.regular import open_regular
from surrogate_nas.report.curves import Curve, Panel, chart, seen
from surrogate_nas.report.live.watch import STATES, ProblemWatch, Standing, Watch, entries_of
from surrogate_nas.report.markup import Box, Shown, Words, render
from surrogate_nas.report.picture import HALF
from surrogate_nas.report.reading import kind_of
from surrogate_nas.report.style import Look, looks

T = TypeVar("T")
PATIENCE_SECONDS = 1.0
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".tex": "text/plain; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
}
"""Files that are served, by the ends of their names."""
_SMALL = (400.0, 230.0)
_HEIGHT = 320.0
_REPORT = "report.html"
_SHOWN = {
    _REPORT: "report",
    "explore.html": "explorer",
    "summary.json": "summary (JSON)",
    "suite.json": "summary (JSON)",
}
"""Files that a finished comparison or suite may have, and what links call them."""


class Places:
    """The folder that is served."""

    def __init__(self, root: Path) -> None:
        """Take an existing folder."""
        self.root = root.resolve()

    def find(self, path: str) -> Path | None:
        """What an address names, each part of it quoted; None where that is nothing, lies outside,
        or is hidden.

        A link is followed as long as it ends inside.
        """
        try:
            parts = [unquote(part, errors="strict") for part in path.split("/")] if path else []
            if any(
                not part or part.startswith(".") or set(part) & {"/", "\\", "\0"} for part in parts
            ):
                return None
            found = self.root.joinpath(*parts).resolve(strict=True)
        except (OSError, RuntimeError, UnicodeError):
            return None
        return found if found.is_relative_to(self.root) else None

    def open(self, path: str) -> tuple[BinaryIO, str] | None:
        """A file, which the caller closes, with its kind; None where it may not be served."""
        found = self.find(path)
        kind = _KINDS.get(found.suffix.lower()) if found else None
        if found is None or kind is None:
            return None
        try:
            return open_regular(found, follow=False), kind
        except OSError:
            return None

    def address(self, folder: Path) -> str:
        """The part of an address that names a folder, quoted, with a slash at its end; empty for
        the root.
        """
        return "".join(f"{quote(part)}/" for part in folder.relative_to(self.root).parts)

    def file(self, folder: Path, name: str) -> str:
        """The address of a file of a folder."""
        return f"/files/{self.address(folder)}{quote(name)}"

    def offered(self, folder: Path) -> list[tuple[str, str]]:
        """Names and addresses of what a finished comparison or suite offers."""
        found = [
            (said, self.file(folder, name))
            for name, said in _SHOWN.items()
            if (folder / name).is_file()
        ]
        tables = sorted((folder / "tables").glob("*.csv"))
        return found + [
            (f"{table.stem}.csv", self.file(folder, f"tables/{table.name}")) for table in tables
        ]

    @property
    def results(self) -> list[Path]:
        """The folders of results right in it, by name; hidden ones and links are left out."""
        try:
            inside = sorted(
                one for one in self.root.iterdir() if one.is_dir() and not one.is_symlink()
            )
        except OSError:
            return []
        return [one for one in inside if not one.name.startswith(".") and kind_of(one)]


class Pages:
    """Answers for one folder; what was read once is kept.

    Attributes:
        places: What lies where.
        script: What keeps a page up to date.
        patience_seconds: How long a page may read; the next one reads on.
    """

    def __init__(self, places: Places, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Take the folder that is served; nothing is read yet."""
        self.patience_seconds = patience_seconds
        self.places = places
        self.script = render("live.js").encode()
        self._watches: dict[Path, Watch] = {}
        self._locks: dict[Path, threading.Lock] = {}

    def page(self, path: str) -> str | None:
        """A whole page of the folder of an address; None where there is none."""
        part = self.part(path)
        if part is None:
            return None
        title = path.rpartition("/")[2] or self.places.root.name
        return render("live.html", title=title, part=f"/part/{path}", content=part)

    def part(self, path: str) -> str | None:
        """What a page shows now; None where there is nothing."""
        until = time.monotonic() + self.patience_seconds
        folder = self.places.find(path)
        if folder is None:
            return None
        part = self._of(folder, lambda watch: _part(watch, self.places), until)
        if part is not None or path:
            return part
        return _index(self._of_each(lambda watch: _entry(watch, self.places), until), self.places)

    def state(self, path: str) -> str | None:
        """The same as one JSON document; None where there is nothing."""
        folder = self.places.find(path)
        if folder is None:
            return None
        state = self._of(folder, lambda watch: json.dumps(_told(watch)))
        if state is not None or path:
            return state
        return json.dumps(dict(self._of_each(lambda watch: (watch.folder.name, _told(watch)))))

    def _of(
        self,
        folder: Path,
        said: Callable[[Watch], T],
        until: float = math.inf,
    ) -> T | None:
        """What is said of a folder, read up to now; None where it holds no results.

        Requests for other folders are answered meanwhile.
        """
        kind = kind_of(folder)
        if not kind:
            return None
        with self._locks.setdefault(folder, threading.Lock()):
            watch = self._watches.get(folder)
            if watch is None or watch.is_suite != (kind == "suite"):
                watch = self._watches[folder] = Watch(folder)
            watch.refresh(self._entries(folder), until)
            return said(watch)

    def _entries(self, folder: Path) -> dict[str, int]:
        """How many runs each strategy is to make, where a comparison is a problem of a suite that
        is served too.
        """
        above = folder.parent.parent
        if (
            folder == self.places.root
            or not above.is_relative_to(self.places.root)
            or kind_of(above) != "suite"
        ):
            return {}
        return entries_of(above)

    def _of_each(self, said: Callable[[Watch], T], until: float = math.inf) -> list[T]:
        """What is said of each folder of results in the root, by name."""
        found = (self._of(folder, said, until) for folder in self.places.results)
        return [one for one in found if one is not None]


def _told(watch: Watch) -> dict[str, Any]:
    if watch.is_suite:
        return {
            "title": watch.title,
            "problems": {name: _numbers(one) for name, one in watch.problems.items()},
        }
    return _numbers(*watch.problems.values())


def _numbers(watch: ProblemWatch) -> dict[str, Any]:
    standings = watch.standings
    return {
        "trouble": watch.trouble,
        "counts": _counts(standings),
        "running_since": watch.writer.since if watch.writer else None,
        "strategies": [
            {
                key: None if isinstance(value, float) and math.isinf(value) else value
                for key, value in told.items()
            }
            for told in map(asdict, standings)
        ],
        "failures": [said for said, _ in watch.failures],
    }


def _counts(standings: list[Standing]) -> dict[str, int]:
    """How many runs are in each state, and in all."""
    told = {state: sum(one.count(state) for one in standings) for state in STATES}
    return told | {"runs": sum(len(one.states) for one in standings)}


def _part(watch: Watch, places: Places) -> str:
    """What the page of results shows."""
    first, *_ = [*watch.problems.values(), None]
    if not watch.is_suite and first is not None and first.trouble:
        return render("live-trouble.html", what=watch.folder.name, trouble=first.trouble)
    counts = _counts(watch.standings)
    several = [
        _failure(
            f"{name}: {said}" if watch.is_suite else said, trace and places.file(one.folder, trace)
        )
        for name, one in watch.problems.items()
        for said, trace in one.failures
    ]
    shared = {
        "counts": counts,
        "unread": watch.unread,
        "state": _state(watch.writer, counts, watch.folder, watch.unread),
        "links": places.offered(watch.folder),
        "trouble": Box("What went wrong", items=several) if several else None,
    }
    told = _of_suite(watch, places) if watch.is_suite or first is None else _of_comparison(first)
    return render("live-suite.html" if watch.is_suite else "live-comparison.html", **shared, **told)


def _failure(said: str, trace: str) -> Words:
    return Words([said, " ", Shown("traceback", "link", None, trace)] if trace else [said])


def _of_comparison(watch: ProblemWatch) -> dict[str, Any]:
    description = watch.description
    objective = description["objective"]
    budget = description["budget"]
    by_name = looks(description["strategies"])
    unit = "queries" if objective.get("cost") == "queries" else "seconds"
    limits = [f"{budget['cells']:,} evaluations"] if budget["cells"] else []
    limits += [f"{budget['seconds']:,g} {unit}"] if budget["seconds"] else []
    several = _several(watch)
    return {
        "benchmark": description["benchmark"],
        "objective": objective["expression"],
        "budget": " and ".join(limits),
        "standings": watch.standings,
        "running": {name: watch.running(name) for name in watch.runs},
        "looks": by_name,
        "score": lambda value: fixed(None if math.isinf(value) else value, 5),
        "charts": [] if several else _charts(watch, by_name, unit),
        "several": several,
        "drawn": objective.get("seed_policy") == "draw",
    }


def _of_suite(watch: Watch, places: Places) -> dict[str, Any]:
    standings = {name: one.standings for name, one in watch.problems.items()}
    names = list(
        dict.fromkeys([*watch.entries, *(one.name for some in standings.values() for one in some)])
    )
    by_name = looks(names)
    problems = [
        {
            "name": name,
            "address": f"/at/{places.address(one.folder)}",
            "trouble": one.trouble,
            "objective": one.description["objective"]["expression"] if one.description else "",
            "counts": _counts(standings[name]),
            "states": {standing.name: standing for standing in standings[name]},
            "chart": _small(one, by_name) if one.description else None,
        }
        for name, one in watch.problems.items()
    ]
    not_run = [f"{name}: {reason}" for name, reason in watch.not_run]
    left_out = Box("Not run:", items=not_run, bad=False) if not_run else None
    return {
        "title": watch.title,
        "problems": problems,
        "names": names,
        "looks": by_name,
        "not_run": left_out,
    }


def _entry(watch: Watch, places: Places) -> dict[str, Any]:
    """What the page of a folder of results shows of one."""
    told = _counts(watch.standings)
    if watch.is_suite:
        what = f"suite of {plural(len(watch.problems), 'problem')}"
    else:
        (one,) = watch.problems.values()
        what = one.trouble
        if one.description:
            what = f"{one.description['objective']['expression']} on {one.description['benchmark']}"
    return {
        "name": watch.folder.name,
        "what": what,
        "address": f"/at/{places.address(watch.folder)}",
        "counts": told,
        "state": _state(watch.writer, told, watch.folder, watch.unread)["short"],
        "unread": watch.unread,
    }


def _index(entries: list[dict[str, Any]], places: Places) -> str:
    """What the page of a folder of results shows."""
    unread = sum(entry["unread"] for entry in entries)
    return render("live-index.html", folder=places.root.name, entries=entries, unread=unread)


def _state(
    writer: Holder | None,
    told: Mapping[str, int],
    folder: Path,
    unread: int,
) -> dict[str, Any]:
    """Whether runs are being made, in words, and since when; nothing of a folder that is still
    being read.
    """
    left = told["runs"] - told["done"] - told["failed"]
    if writer is not None:
        where = "" if writer.host == platform.node() else f" on {writer.host}"
        since = datetime.fromtimestamp(writer.since).astimezone().isoformat(timespec="seconds")
        return {
            "short": "running",
            "said": f"Process {writer.pid}{where} is at work",
            "since": since,
        }
    if unread:
        said = (
            f"{plural(unread, 'run')} of this folder {'is' if unread == 1 else 'are'} still to be"
            " read."
        )
        return {"short": "being read", "said": said, "since": ""}
    if left:
        verb = "is" if left == 1 else "are"
        said = (
            f"Nobody is at work, and {plural(left, 'run')} {verb} not finished: the same command"
            " goes on."
        )
        return {"short": "interrupted", "said": said, "since": ""}
    said = (
        "All runs have ended."
        if (folder / _REPORT).is_file()
        else "All runs have ended; there is no report yet."
    )
    return {"short": "ended", "said": said, "since": ""}


def _several(watch: ProblemWatch) -> bool:
    """Whether there are several objectives, whose scores have no one best."""
    return len(watch.description["objective"].get("objectives", ())) > 1


def _charts(watch: ProblemWatch, by_name: Mapping[str, Look], unit: str) -> list[Markup]:
    first = watch.description["first_cells"]
    curves = watch.curves("cells")
    drawn = [_chart(curves, by_name, "cells", first)] if curves else []
    if curves and unit == "seconds":
        over = watch.curves("seconds")
        longest = max(float(curve.x[-1]) for curve in over.values())
        divisor, name = clock(longest)
        share = first / max(max(float(curve.x[-1]) for curve in curves.values()), 1.0)
        shown = {name: replace(curve, x=curve.x / divisor) for name, curve in over.items()}
        drawn.append(_chart(shown, by_name, name, share * longest / divisor))
    return [one for one in drawn if one is not None]


def _small(watch: ProblemWatch, by_name: Mapping[str, Look]) -> Markup | None:
    curves = watch.curves("cells")
    if not curves or _several(watch):
        return None
    return _chart(curves, by_name, "cells", watch.description["first_cells"], *_SMALL, named=False)


def _chart(
    curves: Mapping[str, Curve],
    by_name: Mapping[str, Look],
    unit: str,
    steep_until: float,
    width: float = HALF,
    height: float = _HEIGHT,
    *,
    named: bool = True,
) -> Markup | None:
    """Scores so far, without their steep start; None while no run holds a feasible cell."""
    ends = seen(curves.values(), steep_until)
    if ends is None:
        return None
    panel = Panel(unit, "score", False, ends=ends)
    drawn = chart(curves, by_name, panel, width, height=height, named=named)
    return drawn.svg("chart", f"Best score so far over {unit}")
