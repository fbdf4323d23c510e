"""The pages: what stands on them, as data for the templates; every text is escaped there."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from surrogate_nas.files import Holder
from surrogate_nas.report.live.chart import Chart, chart
from surrogate_nas.report.live.comparison import STATES, ComparisonWatch, Standing
from surrogate_nas.report.live.places import Places
from surrogate_nas.report.live.suite import SuiteWatch
from surrogate_nas.report.look import looks
from surrogate_nas.report.numbers import clock, fixed, plural

_DIGITS = 5
_MOST_FAILURES = 20
_SMALL = (400.0, 230.0)
_REPORT = "report.html"
_SHOWN = {
    _REPORT: "report",
    "explore.html": "explorer",
    "summary.json": "summary (JSON)",
    "suite.json": "summary (JSON)",
}
"""Files that a finished comparison or suite may have, and what links call them."""


@lru_cache(maxsize=1)
def _environment() -> Environment:
    loader = ChoiceLoader([PackageLoader("surrogate_nas.report.live"), PackageLoader("surrogate_nas.report")])
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)


def render(template: str, **content: Any) -> str:
    """Fill a template.

    Args:
        template: The name of a file in ``templates/``.
        content: What it shows.
    """
    return _environment().get_template(template).render(**content)


def script() -> bytes:
    """What keeps a page up to date."""
    return render("live.js").encode()


def page(title: str, part: str, content: str) -> str:
    """A whole page.

    Args:
        title: Of the page.
        part: The address of what is shown, which is asked for again and again.
        content: That, as it is now.
    """
    return render("live.html", title=title, part=part, content=content)


def counts(standings: list[Standing]) -> dict[str, int]:
    """How many runs are in each state, and in all.

    Args:
        standings: Of the strategies.
    """
    told = {state: sum(one.count(state) for one in standings) for state in STATES}
    return told | {"runs": sum(len(one.states) for one in standings)}


def comparison_part(watch: ComparisonWatch, places: Places) -> str:
    """What a comparison's page shows.

    Args:
        watch: The comparison.
        places: Where it lies.
    """
    if watch.trouble:
        return render("trouble.html", what=watch.folder.name, trouble=watch.trouble)
    standings, description = watch.standings, watch.description
    objective, budget = description["objective"], description["budget"]
    by_name = looks(description["strategies"])
    unit = "queries" if objective.get("cost") == "queries" else "seconds"
    limits = [f"{budget['cells']:,} evaluations"] if budget["cells"] else []
    limits += [f"{budget['seconds']:,g} {unit}"] if budget["seconds"] else []
    failures = watch.failures
    several = len(objective.get("objectives", ())) > 1
    return render(
        "comparison.html",
        benchmark=description["benchmark"],
        objective=objective["expression"],
        budget=" and ".join(limits),
        counts=counts(standings),
        unread=watch.unread,
        state=_state(watch.writer, counts(standings), watch.folder),
        standings=standings,
        running={name: _running(watch, name) for name in watch.runs},
        looks=by_name,
        score=_score,
        charts=[] if several else _charts(watch, by_name, unit),
        several=several,
        drawn=objective.get("seed_policy") == "draw",
        failures=[(said, file and _file(places, watch.folder, file)) for said, file in failures[:_MOST_FAILURES]],
        more_failures=max(len(failures) - _MOST_FAILURES, 0),
        links=_links(watch.folder, places),
    )


def suite_part(watch: SuiteWatch, places: Places) -> str:
    """What a suite's page shows.

    Args:
        watch: The suite.
        places: Where it lies.
    """
    standings = {name: one.standings for name, one in watch.problems.items()}
    everything = [standing for some in standings.values() for standing in some]
    names = list(dict.fromkeys([*watch.entrants, *(standing.name for standing in everything)]))
    by_name = looks(names)
    problems = [
        {
            "name": name,
            "address": f"/at/{places.address(one.folder)}",
            "trouble": one.trouble,
            "objective": one.description["objective"]["expression"] if one.description else "",
            "counts": counts(standings[name]),
            "states": {standing.name: standing for standing in standings[name]},
            "chart": _small(one, by_name) if one.description else None,
        }
        for name, one in watch.problems.items()
    ]
    total = counts(everything)
    failures = [f"{name}: {said}" for name, one in watch.problems.items() for said, _ in one.failures]
    return render(
        "suite-live.html",
        title=watch.title,
        counts=total,
        unread=watch.unread,
        state=_state(watch.writer, total, watch.folder),
        problems=problems,
        names=names,
        looks=by_name,
        not_run=watch.not_run,
        failures=failures[:_MOST_FAILURES],
        more_failures=max(len(failures) - _MOST_FAILURES, 0),
        links=_links(watch.folder, places),
    )


def index_part(found: Mapping[Path, ComparisonWatch | SuiteWatch], places: Places) -> str:
    """What the page of a folder of results shows.

    Args:
        found: What lies in it.
        places: Where it lies.
    """
    entries = []
    for folder, watch in found.items():
        if isinstance(watch, SuiteWatch):
            told = counts([standing for one in watch.problems.values() for standing in one.standings])
            what = f"suite of {plural(len(watch.problems), 'problem')}"
        else:
            told, what = counts(watch.standings), watch.trouble
            if watch.description:
                what = f"{watch.description['objective']['expression']} on {watch.description['benchmark']}"
        entries.append(
            {
                "name": folder.name,
                "what": what,
                "address": f"/at/{places.address(folder)}",
                "counts": told,
                "state": _state(watch.writer, told, folder)["short"],
                "links": _links(folder, places),
            }
        )
    unread = sum(watch.unread for watch in found.values())
    return render("index.html", folder=places.root.name, entries=entries, unread=unread)


def _state(writer: Holder | None, told: Mapping[str, int], folder: Path) -> dict[str, Any]:
    """Whether runs are being made, in words, and since when."""
    left = told["runs"] - told["done"] - told["failed"]
    if writer is not None:
        where = "" if writer.host == platform.node() else f" on {writer.host}"
        since = datetime.fromtimestamp(writer.since).astimezone().isoformat(timespec="seconds")
        return {"short": "running", "said": f"Process {writer.pid}{where} is at work", "since": since}
    if left:
        verb = "is" if left == 1 else "are"
        said = f"Nobody is at work, and {plural(left, 'run')} {verb} not finished: the same command goes on."
        return {"short": "interrupted", "said": said, "since": ""}
    said = "All runs have ended." if (folder / _REPORT).is_file() else "All runs have ended; there is no report yet."
    return {"short": "ended", "said": said, "since": ""}


def _running(watch: ComparisonWatch, name: str) -> list[tuple[int, int]]:
    """The runs of a strategy that are being made, each with its number of trials."""
    return [(i, len(run.best)) for i, run in enumerate(watch.runs[name]) if watch.state(run) == "running"]


def _score(value: float) -> str:
    return fixed(None if math.isinf(value) else value, _DIGITS)


def _charts(watch: ComparisonWatch, by_name: Any, unit: str) -> list[Chart]:
    first = watch.description["first_cells"]
    bands = watch.bands("cells")
    drawn = [chart(bands, by_name, "evaluated cells", steep_until=first)] if bands else []
    if bands and unit == "seconds":
        over = watch.bands("seconds")
        divisor, name = clock(max(float(band.x[-1]) for band in over.values()))
        share = first / max(max(float(band.x[-1]) for band in bands.values()), 1.0)
        steep = share * max(float(band.x[-1]) for band in over.values())
        drawn.append(chart(over, by_name, f"simulated {name}", steep_until=steep, divisor=divisor))
    return [one for one in drawn if one is not None]


def _small(watch: ComparisonWatch, by_name: Any) -> Chart | None:
    bands = watch.bands("cells")
    if not bands or len(watch.description["objective"].get("objectives", ())) > 1:
        return None
    return chart(bands, by_name, "evaluated cells", steep_until=watch.description["first_cells"], size=_SMALL)


def _file(places: Places, folder: Path, name: str) -> str:
    return f"/files/{places.address(folder)}{quote(name)}"


def _links(folder: Path, places: Places) -> list[tuple[str, str]]:
    """Names and addresses of what a finished comparison or suite offers."""
    found = [(said, _file(places, folder, name)) for name, said in _SHOWN.items() if (folder / name).is_file()]
    tables = sorted((folder / "tables").glob("*.csv"))
    return found + [(f"{table.stem}.csv", _file(places, folder, f"tables/{table.name}")) for table in tables]
